/* SPDX-License-Identifier: MIT
 *
 * Races that a missing or misplaced flush would lose, each with two to four CPUs as threads: guests write
 * through what their TLBs remember while others change what the frame is. Wherever the protocol says that
 * nobody can write a frame any more, the test remembers what is in it, lets the others run on, and looks
 * again. A race lasts for a time, not a number of steps, as a busy host and Valgrind let threads run very
 * differently; LAGAN_THREAD_ROUNDS makes it longer.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lagan/arch.h>
#include "unittests/mm_kit.h"
#include "unittests/table_set.h"

enum { ROUNDS = 40, ROUND_MS = 4, SLOT = 100 };

static struct {
    struct kit_space space; /* pinned throughout: what the guests run on */
    mfn_t frame;            /* what they fight for, mapped at SLOT of the first L1 table, or not */
    _Atomic bool stop;
    _Atomic unsigned changed; /* frames found changed while nobody may write them */
    _Atomic unsigned quiet;   /* looks at such frames */
    uint64_t end_ns;
} t;

typedef void role_t(unsigned cpu, uint64_t *r);

static uint64_t va_of_frame(void)
{
    return kit_va(0, SLOT);
}

/* Lets the others run: those on other processors of the host, and now and then those that wait for one. */
static void pause_a_while(uint64_t *r)
{
    uint64_t turns = kit_random(r) % 64;

    if (turns < 4)
        sched_yield();
    while (turns-- > 0)
        arch_relax();
}

/* Nobody may write the frame now. */
static void expect_quiet(mfn_t m, uint64_t *r)
{
    uint64_t sum[2];

    for (unsigned i = 0; i < 2; i++) {
        sum[i] = 0;
        for (unsigned n = 0; n < TABLE_ENTRIES; n++)
            sum[i] = sum[i] * 31 + pte_load(kit_entry(m, n));
        if (i == 0)
            pause_a_while(r);
    }
    t.quiet++;
    if (sum[0] != sum[1])
        t.changed++;
}

/* ---- what a CPU does ---- */

/* A guest that writes, now and then on tables loaded anew. The words are entries that are not present,
 * so that the frame stays acceptable as a table. */
static void write_some(unsigned cpu, uint64_t *r)
{
    for (unsigned i = 0; i < 8; i++)
        host_store(cpu, va_of_frame() + 8 * (kit_random(r) % TABLE_ENTRIES), kit_random(r) << 13);
}

/* Yields, so as not to lose the processor in the middle, with the TLB's lock. */
static void guest(unsigned cpu, uint64_t *r)
{
    write_some(cpu, r);
    if (kit_random(r) % 16 == 0)
        host_tlb_load(cpu, &kit_a, t.space.l4);
    sched_yield();
}

/* Mapped for a short time only, or nobody would ever get a table out of it. */
static void map_and_unmap(unsigned cpu, uint64_t *r)
{
    (void)table_set(&kit_a, t.space.l1[0], SLOT, kit_pte(t.frame, KIT_RW), false);
    write_some(cpu, r); /* refused or not: the TLB may remember an earlier time */
    (void)table_set(&kit_a, t.space.l1[0], SLOT, 0, false);
    write_some(cpu, r);
    pause_a_while(r);
}

static int pin(unsigned level)
{
    int rc;

    while ((rc = table_pin(&kit_a, t.frame, level)) == -XEN_ERESTART)
        ;
    return rc;
}

static void unpin(void)
{
    while (table_unpin(&kit_a, t.frame) == -XEN_ERESTART)
        ;
}

static void pin_and_unpin(unsigned cpu, uint64_t *r)
{
    if (pin(1 + (unsigned)kit_random(r) % 4) == 0) {
        expect_quiet(t.frame, r);
        unpin();
    }
    write_some(cpu, r);
}

/* Two of them: who takes the other's pin off ends the quiet early, so a reference of its own keeps it. */
static void hold_as_table(unsigned cpu, uint64_t *r)
{
    (void)cpu;
    if (!frame_get(t.frame, 1))
        return;
    if (type_get(t.frame, TYPE_L1) == 0) {
        expect_quiet(t.frame, r);
        type_put(t.frame);
    }
    frame_put(t.frame);
    if (kit_random(r) % 2 && pin(1) == 0)
        unpin();
}

/* The frame's life: given to the first account, mapped, unmapped, given up; then to the second. */
static void give_to_another(unsigned cpu, uint64_t *r)
{
    mfn_t m, n;

    (void)cpu;
    if (account_alloc(&kit_a, 0, 0, &m) != 0)
        return;
    (void)table_set(&kit_a, t.space.l1[0], SLOT, kit_pte(m, kit_random(r) % 4 ? KIT_RW : KIT_RO),
                    false);
    pause_a_while(r);
    (void)table_set(&kit_a, t.space.l1[0], SLOT, 0, false);
    if (account_release(&kit_a, m) != 0 || account_alloc(&kit_b, 0, 0, &n) != 0)
        abort();
    expect_quiet(n, r);
    if (account_release(&kit_b, n) != 0)
        abort();
}

/* ---- races ---- */

struct runner {
    unsigned cpu;
    role_t *role;
};

static uint64_t host_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* CPU 0 ends the race, after it had a few turns at least. */
static void *run(void *arg)
{
    const struct runner *me = arg;
    uint64_t r = kit_seed(300 + me->cpu);

    host_enter_cpu(me->cpu);
    host_tlb_load(me->cpu, &kit_a, t.space.l4);
    for (unsigned i = 0; !t.stop; i++) {
        me->role(me->cpu, &r);
        if (me->cpu == 0 && i >= 4 && host_ns() >= t.end_ns)
            t.stop = true;
    }
    return NULL;
}

static void race(unsigned cpus, role_t *const role[])
{
    const char *given = getenv("LAGAN_THREAD_ROUNDS");
    struct runner runner[HOST_CPUS];
    pthread_t thread[HOST_CPUS];

    t.end_ns =
        host_ns() + UINT64_C(1000000) * ROUND_MS * (given ? strtoul(given, NULL, 0) : ROUNDS);
    t.stop = false;
    t.changed = t.quiet = 0;
    kit_start(256);
    kit_space_build(&kit_a, &t.space);
    CU_ASSERT_EQUAL_FATAL(table_pin(&kit_a, t.space.l4, 4), 0);
    t.frame = kit_frame(&kit_a);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        runner[cpu] = (struct runner){cpu, role[cpu]};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[cpu], NULL, run, &runner[cpu]), 0);
    }
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        pthread_join(thread[cpu], NULL);
    CU_ASSERT_EQUAL(t.changed, 0);
    CU_ASSERT(t.quiet > 0);
    if (getenv("LAGAN_VERBOSE"))
        printf("%u CPUs: %u looks\n", cpus, t.quiet);
    host_enter_cpu(0);
    kit_check(0); /* with what the TLBs hold now */
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        host_tlb_load(cpu, NULL, mfn(0));
    kit_end();
}

/* The shape of Xen's advisory 401: one vCPU makes it a table while another maps it writable. */
static void test_type_changes(void)
{
    race(2, (role_t *const[]){pin_and_unpin, map_and_unmap});
    race(3, (role_t *const[]){pin_and_unpin, map_and_unmap, guest});
    race(4, (role_t *const[]){pin_and_unpin, map_and_unmap, guest, guest});
}

static void test_pins(void)
{
    race(2, (role_t *const[]){hold_as_table, map_and_unmap});
    race(4, (role_t *const[]){hold_as_table, hold_as_table, map_and_unmap, guest});
}

static void test_free(void)
{
    race(2, (role_t *const[]){give_to_another, guest});
    race(4, (role_t *const[]){give_to_another, guest, guest, guest});
}

static const struct test_case cases[] = {
    {"type changes on several vCPUs", test_type_changes},
    {"pins against mappings", test_pins},
    {"freed frames and TLBs", test_free},
    {0},
};
const struct suite suite_mm_races = {"mm races", cases, NULL, NULL};
