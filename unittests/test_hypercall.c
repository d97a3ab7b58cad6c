/* SPDX-License-Identifier: MIT
 *
 * Dispatch, restarts and multicall.
 */
#include <string.h>

#include <lagan/types.h>
#include <xen/version.h>

#include "unittests/core_world.h"

static struct domain *d;
static struct vcpu *v;
static unsigned calls;

static void start(void)
{
    core_start(1000);
    d = core_domain(1, 50);
    v = d->vcpu[0];
    calls = 0;
}

static void end(void)
{
    core_kill(d);
    core_end();
}

/* Works a[1] off, one a call, and returns a[0] at the end. */
static int64_t stepwise(const struct hypercall_args *args)
{
    struct hypercall_args rest = *args;

    calls++;
    if (args->a[1] == 0)
        return (int64_t)args->a[0];
    rest.a[1]--;
    return hypercall_continue(&rest);
}

static void numbers(void)
{
    static const uint64_t none[] = {__HYPERVISOR_mmu_update + 63,
                                    11,
                                    27,
                                    57,
                                    64,
                                    4096,
                                    UINT32_MAX,
                                    UINT64_MAX,
                                    UINT64_C(1) << 63};

    start();
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
        CU_ASSERT_EQUAL(CORE_CALL(v, none[i]), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_xen_version, XENVER_version), 4 << 16 | 17);
    end();
}

static void restarted(void)
{
    start();
    core_stub = stepwise;
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_physdev_op, 42, 5), 42);
    CU_ASSERT(calls == 6 && core_restarts == 5);
    end();
}

static int64_t in_the_way(const struct hypercall_args *args)
{
    CU_ASSERT_EQUAL(args->a[0], 7);
    return ++calls < 3 ? -XEN_ERESTART : 42;
}

/* A decoder without a cursor is simply called again. */
static void made_again(void)
{
    start();
    core_stub = in_the_way;
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_physdev_op, 7), 42);
    CU_ASSERT(calls == 3 && core_restarts == 2);
    end();
}

static struct multicall_entry *list(void)
{
    return core_at(0);
}

static void put(unsigned i, uint64_t op, uint64_t a0, uint64_t a1)
{
    list()[i] = (struct multicall_entry){.op = op, .result = 0xee, .args = {a0, a1}};
}

static int64_t multicall(uint64_t count)
{
    return CORE_CALL(v, __HYPERVISOR_multicall, core_va(0), count);
}

static void results_of_each(void)
{
    start();
    put(0, __HYPERVISOR_xen_version, XENVER_version, 0);
    put(1, 4096, 0, 0);
    put(2, __HYPERVISOR_multicall, core_va(0), 1);
    put(3, __HYPERVISOR_vm_assist, 7, 99);
    put(4, __HYPERVISOR_xen_version, XENVER_pagesize, 0);
    CU_ASSERT_EQUAL(multicall(4), 0);
    CU_ASSERT_EQUAL(list()[0].result, 4 << 16 | 17);
    CU_ASSERT_EQUAL((int64_t)list()[1].result, -XEN_ENOSYS);
    CU_ASSERT_EQUAL((int64_t)list()[2].result, -XEN_EINVAL); /* not inside itself */
    CU_ASSERT_EQUAL((int64_t)list()[3].result, -XEN_EINVAL);
    CU_ASSERT_EQUAL(list()[4].result, 0xee);
    CU_ASSERT_EQUAL(multicall(0), 0);
    end();
}

/* An entry that restarts is gone on with, not begun again; the others run once. */
static void entry_restarts(void)
{
    start();
    core_stub = stepwise;
    put(0, __HYPERVISOR_physdev_op, 10, 0);
    put(1, __HYPERVISOR_physdev_op, 11, 3);
    put(2, __HYPERVISOR_physdev_op, 12, 1);
    CU_ASSERT_EQUAL(multicall(3), 0);
    CU_ASSERT(calls == 1 + 4 + 2 && core_restarts == 4);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(list()[i].result, 10 + i);
    CU_ASSERT_EQUAL(list()[1].args[1], 0);
    end();
}

static void preempted_between(void)
{
    start();
    core_stub = stepwise;
    for (unsigned i = 0; i < 20; i++)
        put(i, __HYPERVISOR_physdev_op, i, 0);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(multicall(20), 0);
    host_preempt_every(0);
    CU_ASSERT(calls == 20 && core_restarts == 19);
    for (unsigned i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(list()[i].result, i);
    end();
}

static void iret_ends_it(void)
{
    start();
    core_stub = stepwise;
    put(0, __HYPERVISOR_physdev_op, 1, 0);
    put(1, __HYPERVISOR_iret, 0, 0);
    put(2, __HYPERVISOR_physdev_op, 3, 0);
    CU_ASSERT_EQUAL(multicall(3), CORE_IRET_RESULT);
    CU_ASSERT_EQUAL(calls, 1);
    CU_ASSERT_EQUAL(list()[1].result, 0xee); /* the guest is elsewhere by then */
    end();
}

static void bad_lists(void)
{
    const struct multicall_entry entry = {.op = __HYPERVISOR_physdev_op, .args = {5, 2}};

    start();
    core_stub = stepwise;
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_multicall, CORE_BAD, 1), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_multicall, CORE_HV, 1), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_multicall, core_va(0), UINT64_MAX), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_multicall, core_va(0), UINT64_C(1) << 58),
                    -XEN_EFAULT);
    CU_ASSERT_EQUAL(calls, 0);
    /* Neither the cursor nor a result can be written. */
    memcpy(core_at(CORE_READONLY - CORE_VA), &entry, sizeof(entry));
    CU_ASSERT_EQUAL(CORE_CALL(v, __HYPERVISOR_multicall, CORE_READONLY, 1), -XEN_EFAULT);
    CU_ASSERT(calls == 1 && !v->hypercall.restart && core_restarts == 0);
    end();
}

/* One that blocks in the middle goes on with the rest when it wakes. */
static void blocks_inside(void)
{
    start();
    core_stub = stepwise;
    put(0, __HYPERVISOR_sched_op, SCHEDOP_block, 0);
    put(1, __HYPERVISOR_physdev_op, 1, 0);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(multicall(2), CORE_ASLEEP);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(calls, 0);
    event_mark_pending(v);
    core_settle();
    CU_ASSERT(core_runs(v));
    CU_ASSERT_EQUAL(core_call(v, __HYPERVISOR_multicall, &v->hypercall.args), 0);
    CU_ASSERT_EQUAL(calls, 1);
    end();
}

static const struct test_case cases[] = {
    {"numbers", numbers},
    {"restarted", restarted},
    {"made again", made_again},
    {"multicall: results of each", results_of_each},
    {"multicall: an entry restarts", entry_restarts},
    {"multicall: preempted between", preempted_between},
    {"multicall: iret ends it", iret_ends_it},
    {"multicall: bad lists", bad_lists},
    {"multicall: blocks inside", blocks_inside},
    {NULL, NULL},
};

const struct suite suite_hypercall = {"hypercall", cases, NULL, NULL};
