/* SPDX-License-Identifier: MIT
 *
 * vcpu_op as a guest calls it: initialise, up, down, register_vcpu_info, and who may do what when.
 */
#include <string.h>

#include "mm/frame.h"
#include "mm/pte.h"
#include "unittests/core_world.h"

static struct domain *d;

static void start(void)
{
    core_start(1000);
    d = core_domain(3, 50);
}

static void end(void)
{
    core_kill(d);
    core_end();
}

static int64_t op(unsigned cmd, uint64_t id, uint64_t arg)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_vcpu_op, cmd, id, arg);
}

static mfn_t tables(void)
{
    mfn_t l4 = core_frame(d);
    uint64_t *top = arch_map_frame(l4);

    for (unsigned i = 1; i < 9; i++)
        top[i] = core_frame(d).n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    return l4;
}

static void put_context(mfn_t l4, bool in_kernel)
{
    struct vcpu_guest_context *c = core_at(0);

    memset(c, 0, sizeof(*c));
    c->flags = in_kernel ? VGCF_in_kernel : 0;
    c->ctrlreg[3] = l4.n << PAGE_SHIFT;
}

static void who(void)
{
    start();
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 0, 0), 1);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 2, 0), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 3, 0), -XEN_ENOENT);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, UINT32_MAX, 0), -XEN_ENOENT);
    CU_ASSERT_EQUAL(op(12345, 0, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(VCPUOP_send_nmi, 0, 0), 0);
    CU_ASSERT(d->vcpu[0]->arch.nmi_pending && d->vcpu[0]->exit_work);
    end();
}

static void initialise_and_up(void)
{
    mfn_t l4;

    start();
    l4 = tables();
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, 0), -XEN_EINVAL); /* it has no registers */
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, CORE_BAD), -XEN_EFAULT);
    put_context(l4, false);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, core_va(0)), -XEN_EINVAL);
    put_context(mfn(1), true);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, core_va(0)), -XEN_EINVAL);
    CU_ASSERT(!d->vcpu[1]->initialised);
    put_context(l4, true);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, core_va(0)), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 1, core_va(0)), -XEN_EEXIST);
    CU_ASSERT_EQUAL(op(VCPUOP_is_up, 1, 0), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, 0), 0);
    CU_ASSERT(core_runs(d->vcpu[1]));
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, 0), 0); /* twice does no harm */
    core_audit();
    end();
}

static void initialise_preempted(void)
{
    uint64_t free;

    start();
    put_context(tables(), true);
    free = heap_free_pages();
    host_fail_after(1);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 2, core_va(0)), -XEN_ENOMEM);
    CU_ASSERT(host_fail_off());
    host_preempt_every(1);
    CU_ASSERT_EQUAL(op(VCPUOP_initialise, 2, core_va(0)), 0);
    host_preempt_every(0);
    CU_ASSERT(core_restarts > 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    end();
}

static void down(void)
{
    start();
    core_vcpu_up(d->vcpu[1]);
    CU_ASSERT_EQUAL(op(VCPUOP_down, 1, 0), 0);
    CU_ASSERT(!core_runs(d->vcpu[1]));
    CU_ASSERT_EQUAL(op(VCPUOP_down, 1, 0), 0);
    CU_ASSERT_EQUAL(d->shutdown_reason, -1);
    CU_ASSERT_EQUAL(op(VCPUOP_up, 1, 0), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_down, 0, 0), 0);
    CU_ASSERT(!core_runs(d->vcpu[0]) && core_runs(d->vcpu[1]) && d->shutdown_reason == -1);
    /* The last one takes the domain with it. */
    CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[1], __HYPERVISOR_vcpu_op, VCPUOP_down, 1), 0);
    CU_ASSERT_EQUAL(d->shutdown_reason, SHUTDOWN_poweroff);
    end();
}

static int64_t move_info(unsigned id, mfn_t m, uint32_t offset)
{
    memcpy(core_at(0), &(struct vcpu_register_vcpu_info){.mfn = m.n, .offset = offset},
           sizeof(struct vcpu_register_vcpu_info));
    return op(VCPUOP_register_vcpu_info, id, core_va(0));
}

static void info_moves(void)
{
    struct vcpu *v;
    mfn_t m;

    start();
    v = d->vcpu[0];
    m = core_frame(d);
    v->info->arch.cr2 = 0x1234;
    CU_ASSERT_EQUAL(move_info(0, m, PAGE_SIZE - sizeof(vcpu_info_t)), 0);
    CU_ASSERT_PTR_EQUAL(v->info, (uint8_t *)arch_map_frame(m) + PAGE_SIZE - sizeof(vcpu_info_t));
    CU_ASSERT(v->info->arch.cr2 == 0x1234 && v->info->evtchn_upcall_mask == 1);
    CU_ASSERT(v->info->evtchn_upcall_pending && v->info->evtchn_pending_sel == UINT64_MAX);
    CU_ASSERT(type_of(m) == TYPE_WRITABLE && type_count(m) == 1);
    CU_ASSERT_EQUAL(move_info(0, m, 0), -XEN_EINVAL); /* once */
    CU_ASSERT_EQUAL(move_info(1, m, 0), 0);           /* two may share a page; 1 is down */
    CU_ASSERT_EQUAL(type_count(m), 2);
    core_audit();
    end();
}

static void info_refused(void)
{
    struct domain *other;
    mfn_t m, l1;

    start();
    other = core_domain(1, 10);
    m = core_frame(d);
    l1 = core_frame(d);
    CU_ASSERT_EQUAL(table_pin(&d->account, l1, 1), 0);
    CU_ASSERT_EQUAL(op(VCPUOP_register_vcpu_info, 0, CORE_BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(move_info(0, m, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(move_info(0, m, PAGE_SIZE - 8), -XEN_EINVAL);
    CU_ASSERT_EQUAL(move_info(0, m, UINT32_MAX - 7), -XEN_EINVAL);
    CU_ASSERT_EQUAL(move_info(0, core_frame(other), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(move_info(0, mfn(UINT64_MAX), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(move_info(0, mfn(UINT64_C(1) << 52), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(move_info(0, l1, 0), -XEN_EINVAL);
    core_vcpu_up(d->vcpu[1]);
    CU_ASSERT_EQUAL(move_info(1, m, 0), -XEN_EINVAL); /* it runs */
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_PTR_EQUAL(d->vcpu[i]->info, &d->shared_info->vcpu_info[i]);
    CU_ASSERT_EQUAL(type_count(m), 0);
    core_kill(other);
    end();
}

/* An event for a vCPU whose record has moved is seen in the new place. */
static void info_gets_events(void)
{
    mfn_t m;
    int port;

    start();
    m = core_frame(d);
    CU_ASSERT_EQUAL(move_info(1, m, 0), 0);
    d->vcpu[1]->info->evtchn_upcall_pending = 0;
    d->vcpu[1]->info->evtchn_pending_sel = 0;
    port = event_bind_ipi(d, 1);
    CU_ASSERT_EQUAL(event_send(d, (evtchn_port_t)port), 0);
    CU_ASSERT_EQUAL(((vcpu_info_t *)arch_map_frame(m))->evtchn_upcall_pending, 1);
    CU_ASSERT_EQUAL(d->shared_info->vcpu_info[1].evtchn_upcall_pending, 0);
    end();
}

static const struct test_case cases[] = {
    {"who", who},
    {"initialise and up", initialise_and_up},
    {"initialise, preempted and without memory", initialise_preempted},
    {"down", down},
    {"vcpu_info moves", info_moves},
    {"vcpu_info refused", info_refused},
    {"vcpu_info gets events", info_gets_events},
    {NULL, NULL},
};

const struct suite suite_vcpu_op = {"vcpu_op", cases, NULL, NULL};
