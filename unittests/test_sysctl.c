/* SPDX-License-Identifier: MIT
 *
 * sysctl: domains in a list, the log, processors, the node, the pool, CPUID.
 */
#include <lagan/arch.h>

#include "unittests/control_kit.h"
#include "xen/topology.h"

static struct domain *dom0;

static void start(void)
{
    dom0 = control_world();
}

static void end(void)
{
    core_kill(dom0);
    core_end();
}

static int64_t call(void)
{
    return sysctl_call(dom0);
}

static void *buffer(void)
{
    return (void *)core_va(CONTROL_BUFFER);
}

static void lists_domains(void)
{
    struct xen_domctl_getdomaininfo *info = core_at(CONTROL_BUFFER);
    struct domain *a, *b;
    struct xen_sysctl *op;

    start();
    a = core_domain(1, 10);
    b = core_domain(3, 10);
    op = sysctl_record(XEN_SYSCTL_getdomaininfolist);
    op->u.getdomaininfolist.max_domains = 1024;
    op->u.getdomaininfolist.buffer.p = buffer();
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 3);
    CU_ASSERT_EQUAL(info[0].domain, 0);
    CU_ASSERT_EQUAL(info[1].domain, a->id);
    CU_ASSERT_EQUAL(info[2].max_vcpu_id, 2);
    op->u.getdomaininfolist.first_domain = b->id;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 1);
    CU_ASSERT_EQUAL(info[0].domain, b->id);
    op->u.getdomaininfolist.first_domain = 0;
    op->u.getdomaininfolist.max_domains = 2;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 2);
    CU_ASSERT_EQUAL(info[1].domain, a->id);
    op->u.getdomaininfolist.buffer.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    core_kill(b);
    core_kill(a);
    end();
}

static void reads_the_log(void)
{
    uint8_t *text = core_at(CONTROL_BUFFER);
    struct xen_sysctl *op;

    start();
    op = sysctl_record(XEN_SYSCTL_readconsole);
    op->u.readconsole.buffer.p = buffer();
    op->u.readconsole.count = 600;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.readconsole.count, 600);
    CU_ASSERT_EQUAL(op->u.readconsole.index, 600);
    CU_ASSERT_EQUAL(text[599], (uint8_t)599);
    op->u.readconsole.incremental = 1;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.readconsole.count, CORE_LOG - 600);
    CU_ASSERT_EQUAL(text[0], (uint8_t)600);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.readconsole.count, 0);
    op->u.readconsole.incremental = 0;
    op->u.readconsole.clear = 1;
    op->u.readconsole.count = 10;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(core_log_start, 10);
    op->u.readconsole.buffer.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    CU_ASSERT_EQUAL(core_log_start, 10);
    end();
}

/* What there is ends each list, however much room is said to be there. */
static void huge_counts(void)
{
    struct xen_sysctl *op;

    start();
    op = sysctl_record(XEN_SYSCTL_getdomaininfolist);
    op->u.getdomaininfolist.max_domains = UINT32_MAX;
    op->u.getdomaininfolist.buffer.p = buffer();
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 1);
    op->u.getdomaininfolist.first_domain = DOMID_INVALID;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getdomaininfolist.num_domains, 0);
    op = sysctl_record(XEN_SYSCTL_readconsole);
    op->u.readconsole.count = UINT32_MAX;
    op->u.readconsole.buffer.p = buffer();
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.readconsole.count, CORE_LOG);
    op = sysctl_record(XEN_SYSCTL_debug_keys);
    op->u.debug_keys.nr_keys = UINT32_MAX;
    op->u.debug_keys.keys.p = buffer();
    CU_ASSERT_EQUAL(call(), -XEN_E2BIG);
    op = sysctl_record(XEN_SYSCTL_cpupool_op);
    op->u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    op->u.cpupool_op.cpumap.nr_bits = UINT32_MAX;
    op->u.cpupool_op.cpumap.bitmap.p = buffer();
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.cpupool_op.cpumap.nr_bits = 32768 + 1;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.cpupool_op.cpumap.nr_bits = 32768;
    *(uint8_t *)core_at(CONTROL_BUFFER + 4095) = *(uint8_t *)core_at(CONTROL_BUFFER + 4096) = 1;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(*(uint8_t *)core_at(CONTROL_BUFFER + 4095), 0);
    CU_ASSERT_EQUAL(*(uint8_t *)core_at(CONTROL_BUFFER + 4096), 1);
    op->u.cpupool_op.cpumap.bitmap.p = (void *)(CORE_READONLY - 8);
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT); /* the buffer is not so long */
    end();
}

static void presses_keys(void)
{
    struct xen_sysctl *op;

    start();
    core_keys = 0;
    memcpy(core_at(CONTROL_BUFFER), "hq", 2);
    op = sysctl_record(XEN_SYSCTL_debug_keys);
    op->u.debug_keys.keys.p = buffer();
    op->u.debug_keys.nr_keys = 2;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(core_keys, 'h' * 256 + 'q');
    op->u.debug_keys.nr_keys = 65;
    CU_ASSERT_EQUAL(call(), -XEN_E2BIG);
    end();
}

static void counts(void)
{
    struct xen_sysctl *op;
    struct xen_sysctl_meminfo *memory = core_at(CONTROL_BUFFER);
    uint32_t *distance = core_at(CONTROL_BUFFER + 64);

    start();
    op = sysctl_record(XEN_SYSCTL_physinfo);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.physinfo.nr_cpus, HOST_CPUS);
    CU_ASSERT_EQUAL(op->u.physinfo.max_cpu_id, HOST_CPUS - 1);
    CU_ASSERT_EQUAL(op->u.physinfo.threads_per_core, 1);
    CU_ASSERT_EQUAL(op->u.physinfo.cores_per_socket, 1);
    CU_ASSERT_EQUAL(op->u.physinfo.cpu_khz, 1234567);
    CU_ASSERT_EQUAL(op->u.physinfo.capabilities,
                    XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1);
    CU_ASSERT_EQUAL(op->u.physinfo.free_pages, heap_free_pages());
    CU_ASSERT_EQUAL(op->u.physinfo.total_pages, arch_ram_pages());
    CU_ASSERT_EQUAL(op->u.physinfo.hw_cap[3], 3);
    op = sysctl_record(XEN_SYSCTL_numainfo);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.numainfo.num_nodes, 1);
    op->u.numainfo.meminfo.p = buffer();
    op->u.numainfo.distance.p = (void *)core_va(CONTROL_BUFFER + 64);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(memory->memfree, heap_free_pages() << PAGE_SHIFT);
    CU_ASSERT_EQUAL(*distance, 10);
    memory->memfree = 1;
    op->u.numainfo.num_nodes = 0;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.numainfo.num_nodes, 0);
    CU_ASSERT_EQUAL(memory->memfree, 1);
    op = sysctl_record(XEN_SYSCTL_availheap);
    op->u.availheap.node = -1;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.availheap.avail_bytes, heap_free_pages() << PAGE_SHIFT);
    op->u.availheap.node = 1;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.availheap.node = 0;
    op->u.availheap.max_bitwidth = 32;
    CU_ASSERT_EQUAL(call(), -XEN_EOPNOTSUPP);
    end();
}

static void topology(void)
{
    struct xen_sysctl_cputopo *place = core_at(CONTROL_BUFFER);
    struct xen_sysctl *op;

    start();
    op = sysctl_record(XEN_SYSCTL_cputopoinfo);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cputopoinfo.num_cpus, HOST_CPUS);
    op->u.cputopoinfo.cputopo.p = buffer();
    op->u.cputopoinfo.num_cpus = 2;
    place[2].socket = 99;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cputopoinfo.num_cpus, 2);
    CU_ASSERT_EQUAL(place[1].socket, cpu_place[1].package);
    CU_ASSERT_EQUAL(place[2].socket, 99);
    end();
}

/* The control domain's processor is busy, the others have nothing to do. */
static void idle_time(void)
{
    struct xen_sysctl_cpuinfo *info = core_at(CONTROL_BUFFER);
    struct xen_sysctl *op;
    uint64_t before[2];

    start();
    op = sysctl_record(XEN_SYSCTL_getcpuinfo);
    op->u.getcpuinfo.info.p = buffer();
    op->u.getcpuinfo.max_cpus = 2;
    info[2].idletime = 99;
    CU_ASSERT_TRUE_FATAL(core_runs(dom0->vcpu[0]));
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getcpuinfo.nr_cpus, 2);
    CU_ASSERT_EQUAL(info[2].idletime, 99);
    before[0] = info[0].idletime;
    before[1] = info[1].idletime;
    core_pass(5000000);
    op->u.getcpuinfo.max_cpus = UINT32_MAX;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.getcpuinfo.nr_cpus, HOST_CPUS);
    CU_ASSERT_EQUAL(info[0].idletime, before[0]);
    CU_ASSERT_EQUAL(info[1].idletime, before[1] + 5000000);
    /* One that sleeps for a while, and then works on. */
    domain_pause(dom0);
    core_pass(3000000);
    domain_unpause(dom0);
    core_pass(1000);
    CU_ASSERT_TRUE(core_runs(dom0->vcpu[0]));
    core_pass(2000000);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_TRUE(info[0].idletime - before[0] >= 2900000);
    CU_ASSERT_TRUE(info[0].idletime - before[0] <= 3100000);
    op->u.getcpuinfo.info.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    end();
}

static void pci_topology(void)
{
    struct physdev_pci_device *device = core_at(CONTROL_BUFFER);
    uint32_t *node = core_at(CONTROL_BUFFER + 1024);
    struct xen_sysctl *op;

    start();
    for (unsigned i = 0; i < 70; i++)
        device[i] = (struct physdev_pci_device){0, 0, (uint8_t)i};
    device[3].seg = 1;
    device[6].bus = 1;
    node[64] = 99;
    op = sysctl_record(XEN_SYSCTL_pcitopoinfo);
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.pcitopoinfo.num_devs = 70;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.pcitopoinfo.devs.p = buffer();
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.pcitopoinfo.nodes.p = (void *)core_va(CONTROL_BUFFER + 1024);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.pcitopoinfo.num_devs, 64); /* so many in one call */
    for (unsigned i = 0; i < 64; i++)
        CU_ASSERT_EQUAL(node[i], i % 3 || i == 3 || i == 6 ? XEN_INVALID_DEV : 0);
    CU_ASSERT_EQUAL(node[64], 99);
    op->u.pcitopoinfo.devs.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(call(), -XEN_EFAULT);
    end();
}

static int64_t pool(unsigned op, unsigned id)
{
    struct xen_sysctl *s = sysctl_record(XEN_SYSCTL_cpupool_op);

    s->u.cpupool_op.op = op;
    s->u.cpupool_op.cpupool_id = id;
    s->u.cpupool_op.cpumap.bitmap.p = buffer();
    s->u.cpupool_op.cpumap.nr_bits = 64;
    return call();
}

static void pools(void)
{
    struct xen_sysctl *op = core_at(0);
    uint64_t *map = core_at(CONTROL_BUFFER);

    start();
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0), 0);
    CU_ASSERT_EQUAL(op->u.cpupool_op.sched_id, XEN_SCHEDULER_CREDIT2);
    CU_ASSERT_EQUAL(op->u.cpupool_op.n_dom, 1);
    CU_ASSERT_EQUAL(*map, arch_online_cpus().bits);
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1), -XEN_ENOENT);
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0), 0);
    CU_ASSERT_EQUAL(*map, 0);
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0), 0);
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1), -XEN_ENOENT);
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 0), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(pool(XEN_SYSCTL_CPUPOOL_OP_RMCPU, 0), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(pool(99, 0), -XEN_ENOSYS);
    op = sysctl_record(XEN_SYSCTL_sched_id);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
    op = sysctl_record(XEN_SYSCTL_scheduler_op);
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op->u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    CU_ASSERT_EQUAL(call(), 0);
    op->u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    CU_ASSERT_EQUAL(call(), 0);
    op->u.scheduler_op.u.sched_credit2.ratelimit_us = 1000;
    CU_ASSERT_EQUAL(call(), -XEN_EOPNOTSUPP);
    op->u.scheduler_op.sched_id = XEN_SCHEDULER_RTDS;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    end();
}

static void processors_features(void)
{
    uint32_t *word = core_at(CONTROL_BUFFER);
    struct xen_cpuid_leaf *leaf = core_at(CONTROL_BUFFER);
    struct xen_sysctl *op;

    start();
    op = sysctl_record(XEN_SYSCTL_get_cpu_featureset);
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cpu_featureset.nr_features, CPU_FEATURE_WORDS);
    op->u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_pv;
    op->u.cpu_featureset.features.p = buffer();
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(word[5], (uint32_t)CPU_POLICY_GUEST << 16 | 5);
    op->u.cpu_featureset.nr_features = 3;
    word[3] = 0;
    CU_ASSERT_EQUAL(call(), -XEN_ENOBUFS);
    CU_ASSERT_EQUAL(op->u.cpu_featureset.nr_features, 3);
    CU_ASSERT_EQUAL(word[3], 0);
    op->u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_hvm;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op = sysctl_record(XEN_SYSCTL_get_cpu_policy);
    op->u.cpu_policy.index = XEN_SYSCTL_cpu_policy_pv_default;
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cpu_policy.nr_leaves, CPU_POLICY_LEAVES_MAX);
    CU_ASSERT_EQUAL(op->u.cpu_policy.nr_msrs, 1);
    op->u.cpu_policy.leaves.p = buffer();
    CU_ASSERT_EQUAL(call(), 0);
    CU_ASSERT_EQUAL(op->u.cpu_policy.nr_leaves, CORE_LEAVES);
    CU_ASSERT_EQUAL(leaf[6].a, CPU_POLICY_GUEST);
    op->u.cpu_policy.nr_leaves = CORE_LEAVES - 1;
    CU_ASSERT_EQUAL(call(), -XEN_ENOBUFS);
    op->u.cpu_policy.index = XEN_SYSCTL_cpu_policy_hvm_max;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    op->u.cpu_policy.index = XEN_SYSCTL_cpu_policy_hvm_default;
    CU_ASSERT_EQUAL(call(), -XEN_EINVAL);
    (void)sysctl_record(XEN_SYSCTL_perfc_op);
    CU_ASSERT_EQUAL(call(), -XEN_ENOSYS);
    (void)sysctl_record(XEN_SYSCTL_tbuf_op);
    CU_ASSERT_EQUAL(call(), -XEN_EOPNOTSUPP);
    end();
}

static const struct test_case cases[] = {
    {"lists domains", lists_domains},
    {"reads the log", reads_the_log},
    {"huge counts", huge_counts},
    {"presses keys", presses_keys},
    {"counts", counts},
    {"topology", topology},
    {"idle time", idle_time},
    {"PCI topology", pci_topology},
    {"pools", pools},
    {"CPUID", processors_features},
    {NULL, NULL},
};

const struct suite suite_sysctl = {"sysctl", cases, NULL, NULL};
