/* SPDX-License-Identifier: MIT
 *
 * The buffer cache's work that is nobody's call: what the heap has left behind when it asked for idle pages. A timer
 * on CPU 0 takes a bounded step each STEP_NS for as long as there is any, so that no guest waits for it.
 */
#include "xen/ubc_host.h"

#include <lagan/arch.h>

#include "ubc/ubc.h"
#include "xen/timer.h"

#define STEP_NS UINT64_C(2000000)

static struct timer timer;

static void work(void)
{
    timer_set(&timer, arch_time_ns() + STEP_NS);
}

static void step(struct timer *t)
{
    (void)t;
    if (ubc_housekeep())
        work();
}

void ubc_host_start(void)
{
    timer_init(&timer, step, 0);
    ubc_set_work(work);
}
