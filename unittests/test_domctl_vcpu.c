/* SPDX-License-Identifier: MIT
 *
 * domctl on vCPUs, scheduling and CPUID of a domain, and what is refused.
 */
#include <lagan/arch.h>

#include "unittests/control_kit.h"

static struct domain *dom0, *d;

static void start(void)
{
    dom0 = control_world();
    d = core_domain(2, 100);
    d->pause_count++; /* one thread cannot wait for another CPU */
    vcpu_sleep(d->vcpu[0]);
    core_settle();
}

static void end(void)
{
    core_kill(d);
    core_kill(dom0);
    core_end();
}

static int64_t call(void)
{
    return domctl_call(dom0);
}

/* ---- registers ---- */

static struct vcpu_guest_context *context(unsigned cmd, unsigned vcpu)
{
    struct xen_domctl *op = domctl_record(cmd, d->id);
    struct vcpu_guest_context *c = core_at(CONTROL_BUFFER);

    op->u.vcpucontext.vcpu = vcpu;
    op->u.vcpucontext.ctxt.p = (void *)core_va(CONTROL_BUFFER);
    memset(c, 0, sizeof(*c));
    return c;
}

static void contexts(void)
{
    struct vcpu_guest_context *c;
    mfn_t l4;

    start();
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &l4), 0);
    (void)context(XEN_DOMCTL_getvcpucontext, 1);
    CU_ASSERT_EQUAL(call(), -XEN_ENODATA);
    c = context(XEN_DOMCTL_setvcpucontext, 1);
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL); /* not in the kernel */
    CU_ASSERT_FALSE(d->vcpu[1]->initialised);
    c->flags = VGCF_in_kernel;
    c->ctrlreg[3] = arch_frame_of(dom0->shared_info).n << PAGE_SHIFT; /* another's */
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    CU_ASSERT_FALSE(d->vcpu[1]->initialised);
    c->ctrlreg[3] = l4.n << PAGE_SHIFT;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_TRUE(d->vcpu[1]->initialised);
    CU_ASSERT_TRUE(d->vcpu[1]->down);
    c->flags |= VGCF_online;
    CU_ASSERT_EQUAL(call(), 0); /* the same tables */
    CU_ASSERT_FALSE(d->vcpu[1]->down);
    c->ctrlreg[3] = 0;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    c = context(XEN_DOMCTL_getvcpucontext, 1);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(c->ctrlreg[3], l4.n << PAGE_SHIFT);
    CU_ASSERT_EQUAL(d->pause_count, 1);
    (void)context(XEN_DOMCTL_setvcpucontext, 2);
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    ((struct xen_domctl *)core_at(0))->domain = dom0->id;
    ((struct xen_domctl *)core_at(0))->u.vcpucontext.vcpu = 0;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    (void)context(XEN_DOMCTL_getvcpucontext, 1);
    ((struct xen_domctl *)core_at(0))->u.vcpucontext.ctxt.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    CU_ASSERT_EQUAL(d->pause_count, 1);
    host_fail_after(1);
    CU_ASSERT_EQUAL(call(), -XEN_ENOMEM);
    CU_ASSERT_TRUE(host_fail_off());
    d->vcpu[1]->down = true; /* it has nowhere to go */
    end();
}

static void information(void)
{
    struct xen_domctl *op;

    start();
    op = domctl_record(XEN_DOMCTL_getvcpuinfo, d->id);
    op->u.getvcpuinfo.vcpu = 0;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getvcpuinfo.online, 1);
    CU_ASSERT_EQUAL(op->u.getvcpuinfo.blocked, 0);
    CU_ASSERT_EQUAL(op->u.getvcpuinfo.cpu, d->vcpu[0]->sched.cpu);
    op = domctl_record(XEN_DOMCTL_getvcpuinfo, d->id);
    op->u.getvcpuinfo.vcpu = 1;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getvcpuinfo.online, 0);
    CU_ASSERT_EQUAL(op->u.getvcpuinfo.running, 0);
    op->u.getvcpuinfo.vcpu = 2;
    CU_ASSERT_EQUAL(call(), -XEN_ESRCH);
    op = domctl_record(XEN_DOMCTL_sendtrigger, d->id);
    op->u.sendtrigger.vcpu = 1;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_TRUE(d->vcpu[1]->arch.nmi_pending);
    op->u.sendtrigger.vcpu = 2;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
    CU_ASSERT_EQUAL(call(), -XEN_ENOSYS);
    end();
}

/* ---- where and how much it runs ---- */

static void affinity(void)
{
    uint64_t *map = core_at(CONTROL_BUFFER), online = arch_online_cpus().bits;
    struct xen_domctl *op;

    start();
    op = domctl_record(XEN_DOMCTL_setvcpuaffinity, d->id);
    op->u.vcpuaffinity.cpumap_hard.bitmap.p = (void *)core_va(CONTROL_BUFFER);
    op->u.vcpuaffinity.cpumap_hard.nr_bits = 100;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL); /* neither kind */
    op->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    map[0] = 0;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL); /* nowhere */
    map[0] = 2 | UINT64_C(1) << 63;
    map[1] = UINT64_MAX;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(sched_get_affinity(d->vcpu[0]).bits, 2 | UINT64_C(1) << 63);
    CU_ASSERT_EQUAL(map[0], (2 | UINT64_C(1) << 63) & online);
    CU_ASSERT_EQUAL(map[1], UINT64_MAX << 40); /* 13 bytes, those that are ours */
    op->cmd = XEN_DOMCTL_getvcpuaffinity;
    op->u.vcpuaffinity.cpumap_hard.nr_bits = 3;
    map[0] = UINT64_MAX;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(map[0] & 0xff, 2);
    CU_ASSERT_EQUAL(map[0] >> 8, UINT64_MAX >> 8); /* no byte beyond */
    op->cmd = XEN_DOMCTL_setvcpuaffinity;          /* bits beyond the set's length do not count */
    map[0] = 4 | 8;
    op->u.vcpuaffinity.cpumap_hard.nr_bits = 3;
    CU_ASSERT_EQUAL(call(), online & 4 ? 0 : -XEN_EINVAL);
    op->u.vcpuaffinity.flags = 8;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op->u.vcpuaffinity.vcpu = 2;
    CU_ASSERT_EQUAL(call(), -XEN_ESRCH);
    op->u.vcpuaffinity.vcpu = 0;
    op->u.vcpuaffinity.cpumap_hard.bitmap.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    end();
}

static void weights(void)
{
    struct xen_domctl *op;

    start();
    op = domctl_record(XEN_DOMCTL_scheduler_op, d->id);
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op->u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op->u.scheduler_op.u.credit2.weight = 512;
    op->u.scheduler_op.u.credit2.cap = 50;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(d->sched.weight, 512);
    CU_ASSERT_EQUAL(d->sched.cap, 50);
    op->u.scheduler_op.u.credit2.weight = 0;
    op->u.scheduler_op.u.credit2.cap = 0;
    CU_ASSERT_EQUAL(call(), 0);
    op->u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.scheduler_op.u.credit2.weight, 512);
    CU_ASSERT_EQUAL(op->u.scheduler_op.u.credit2.cap, 0);
    op->u.scheduler_op.cmd = 9;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
    op->u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    end();
}

/* ---- CPUID ---- */

static void policies(void)
{
    struct xen_cpuid_leaf *leaf = core_at(CONTROL_BUFFER);
    struct xen_domctl *op;

    start();
    op = domctl_record(XEN_DOMCTL_get_cpu_policy, d->id);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cpu_policy.nr_leaves, CPU_POLICY_LEAVES_MAX);
    op->u.cpu_policy.leaves.p = (void *)core_va(CONTROL_BUFFER);
    op->u.cpu_policy.nr_leaves = CORE_LEAVES - 1;
    CU_ASSERT_EQUAL(call(), -XEN_ENOBUFS);
    op->u.cpu_policy.nr_leaves = CORE_LEAVES;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(leaf[3].leaf, 3);
    CU_ASSERT_EQUAL(leaf[3].b, d->id);
    op->cmd = XEN_DOMCTL_set_cpu_policy;
    op->u.cpu_policy.nr_leaves = CORE_LEAVES;
    CU_ASSERT_EQUAL(call(), -XEN_EEXIST); /* it came with the boot, and runs */
    d->tools = true;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cpu_policy.err_leaf, UINT32_MAX);
    leaf[CORE_LEAVES - 2].a = 6;
    leaf[CORE_LEAVES - 2].leaf = 0x1234;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op->u.cpu_policy.err_leaf, 0x1234);
    op->u.cpu_policy.nr_leaves = CPU_POLICY_LEAVES_MAX + 1;
    CU_ASSERT_EQUAL(call(), -XEN_E2BIG);
    op->u.cpu_policy.nr_leaves = 1;
    op->u.cpu_policy.leaves.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    d->started = true;
    CU_ASSERT_EQUAL(call(), -XEN_EEXIST);
    op->domain = dom0->id; /* it and whoever came with it run without having been let by anybody */
    CU_ASSERT_EQUAL(call(), -XEN_EEXIST);
    end();
}

/* ---- odds and ends ---- */

static void small_ones(void)
{
    struct xen_domctl *op;

    start();
    op = domctl_record(XEN_DOMCTL_max_vcpus, d->id);
    op->u.max_vcpus.max = 2;
    CU_ASSERT_EQUAL(call(), 0);
    op->u.max_vcpus.max = 3;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op = domctl_record(XEN_DOMCTL_set_address_size, d->id);
    op->u.address_size.size = 32;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.address_size.size = 64;
    CU_ASSERT_EQUAL(call(), 0);
    op = domctl_record(XEN_DOMCTL_get_address_size, d->id);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.address_size.size, 64);
    op = domctl_record(XEN_DOMCTL_settscinfo, d->id);
    CU_ASSERT_EQUAL(call(), 0);
    op->u.tsc_info.tsc_mode = 1;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op = domctl_record(XEN_DOMCTL_gettscinfo, d->id);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.tsc_info.gtsc_khz, 1234567);
    op = domctl_record(XEN_DOMCTL_setdomainhandle, d->id);
    op->u.setdomainhandle.handle[15] = 7;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(d->handle[15], 7);
    end();
}

/* Rights can be taken away, as there are none, and not given. */
static void rights(void)
{
    struct xen_domctl *op;

    start();
    for (unsigned allow = 0; allow < 2; allow++) {
        int64_t want = allow ? -XEN_EPERM : 0;

        op = domctl_record(XEN_DOMCTL_ioport_permission, d->id);
        op->u.ioport_permission.first_port = 0xfff0;
        op->u.ioport_permission.nr_ports = 16;
        op->u.ioport_permission.allow_access = (uint8_t)allow;
        CU_ASSERT_EQUAL(call(), want);
        op->u.ioport_permission.nr_ports = 17;
        CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
        op = domctl_record(XEN_DOMCTL_iomem_permission, d->id);
        op->u.iomem_permission.nr_mfns = 1;
        op->u.iomem_permission.allow_access = (uint8_t)allow;
        CU_ASSERT_EQUAL(call(), want);
        op->u.iomem_permission.first_mfn = 5;
        op->u.iomem_permission.nr_mfns = UINT64_MAX;
        CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
        op = domctl_record(XEN_DOMCTL_irq_permission, d->id);
        op->u.irq_permission.allow_access = (uint8_t)allow;
        CU_ASSERT_EQUAL(call(), want);
        op->domain = dom0->id;
        CU_ASSERT_EQUAL(call(), -XEN_EPERM);
    }
    (void)domctl_record(XEN_DOMCTL_shadow_op, d->id);
    CU_ASSERT_EQUAL(call(), -XEN_EOPNOTSUPP);
    (void)domctl_record(XEN_DOMCTL_assign_device, d->id);
    CU_ASSERT_EQUAL(call(), -XEN_EOPNOTSUPP);
    (void)domctl_record(XEN_DOMCTL_gethvmcontext, d->id);
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    end();
}

static const struct test_case cases[] = {
    {"contexts", contexts}, {"information", information},
    {"affinity", affinity}, {"weights", weights},
    {"policies", policies}, {"small ones", small_ones},
    {"rights", rights},     {NULL, NULL},
};

const struct suite suite_domctl_vcpu = {"domctl_vcpu", cases, NULL, NULL};
