/* SPDX-License-Identifier: MIT
 *
 * Softirqs: order, IPIs.
 */
#include <stdatomic.h>
#include <string.h>

#include "sim_sched.h"
#include "suite.h"
#include "xen/softirq.h"

/* SCHEDULE runs after everything else that is pending, though its number is low: it may not return.
 */
static void schedule_is_last(void)
{
    sim_reset(1, 2, 1);
    sim_vcpu(sim_domain(0, 0), UINT64_MAX, 0); /* raised SCHEDULE: will switch */
    sim_enter(0);
    softirq_raise(SOFTIRQ_TIME);
    softirq_raise(SOFTIRQ_CONSOLE);
    CU_ASSERT(softirq_pending());
    CU_ASSERT_EQUAL(sim_switches(), 0);
    sim_settle();
    CU_ASSERT_STRING_EQUAL(sim_softirq_log, "CTS");
    CU_ASSERT_EQUAL(sim_switches(), 1);
    sim_enter(0);
    CU_ASSERT(!softirq_pending());
}

static void ipis_only_when_needed(void)
{
    sim_reset(1, 4, 1);
    sim_enter(0);
    softirq_raise_on(0, SOFTIRQ_TIME);
    CU_ASSERT_EQUAL(sim_pokes(0), 0); /* itself */
    softirq_raise_on(1, SOFTIRQ_TIME);
    CU_ASSERT_EQUAL(sim_pokes(1), 1);
    softirq_raise_on(1, SOFTIRQ_TIME);
    CU_ASSERT_EQUAL(sim_pokes(1), 1); /* pending already */
    softirq_raise_mask((cpumask_t){0xc}, SOFTIRQ_CONSOLE);
    CU_ASSERT_EQUAL(sim_pokes(2) + sim_pokes(3), 2);
    sim_settle();
    CU_ASSERT_STRING_EQUAL(sim_softirq_log, "TTCC");
}

static const struct test_case cases[] = {
    {"schedule is last", schedule_is_last},
    {"IPIs only when needed", ipis_only_when_needed},
    {NULL, NULL},
};

const struct suite suite_softirq = {"softirq", cases, NULL, NULL};
