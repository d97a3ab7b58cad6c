/* SPDX-License-Identifier: MIT
 *
 * Counters of known frequency, against which the TSC is measured: HPET (hpet.c), the ACPI PM timer
 * (pmtimer.c), and channel 2 of the 8254 (pit.c). Each is a number that grows steadily and wraps.
 */
#pragma once

#include <lagan/types.h>

enum counter_kind { COUNTER_HPET, COUNTER_PMTIMER, COUNTER_PIT, COUNTER_KINDS };

struct counter {
    enum counter_kind kind;
    const char *name;
    uint32_t mask;      /* wraps after this value */
    uint64_t period_fs; /* femtoseconds a tick */
};

/* Each starts its counter and describes it: 0, or -XEN_ENODEV if the machine lacks it or it stands
 * still. */
int hpet_start(struct counter *c) LAGAN_MUST_CHECK;
int pmtimer_start(struct counter *c) LAGAN_MUST_CHECK;
int pit_start(struct counter *c) LAGAN_MUST_CHECK;

/* The value now. From any CPU; the PIT from the boot CPU only, since reading it takes three steps.
 */
uint32_t hpet_read(void);
uint32_t pmtimer_read(void);
uint32_t pit_read(void);

static inline uint32_t counter_read(const struct counter *c)
{
    if (c->kind == COUNTER_HPET)
        return hpet_read();
    return c->kind == COUNTER_PMTIMER ? pmtimer_read() : pit_read();
}

/* Starts the best counter that the machine has: HPET, else PM timer, else PIT. -XEN_ENODEV: none.
 */
int counter_choose(struct counter *c) LAGAN_MUST_CHECK;

/* A value of the counter and of the TSC at the same moment, to within half of `width` TSC ticks. */
struct counter_sample {
    uint64_t tsc;
    uint64_t width;
    uint32_t count;
};

/* The best of several attempts, interrupts off for each of them (they take about a microsecond). */
struct counter_sample counter_sample(const struct counter *c);
