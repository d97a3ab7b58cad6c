/* SPDX-License-Identifier: MIT
 *
 * sysctl: the host's processors, its one node, its one pool of processors, and what guests see of
 * CPUID.
 *
 * The scheduler is said to be credit2: it has that one's parameters (weights, and caps in per cent of
 * a processor), so the tools for it serve.
 */
#include <lagan/arch.h>

#include "mm/claim.h"
#include "mm/heap.h"
#include "xen/control.h"
#include "xen/guest_access.h"
#include "xen/topology.h"

/* ---- processors ---- */

static bool same_core(unsigned a, unsigned b)
{
    return cpu_place[a].package == cpu_place[b].package && cpu_place[a].core == cpu_place[b].core;
}

/* Threads of CPU 0's core, and cores of its package. */
static void count_topology(uint32_t *threads, uint32_t *cores)
{
    cpumask_t online = arch_online_cpus();
    unsigned cpu, in_package = 0;

    *threads = 0;
    for_each_cpu (cpu, online) {
        if (same_core(cpu, 0))
            ++*threads;
        if (cpu_place[cpu].package == cpu_place[0].package)
            in_package++;
    }
    *cores = in_package / *threads ? in_package / *threads : 1;
}

static unsigned highest_cpu(void)
{
    cpumask_t online = arch_online_cpus();
    unsigned cpu, highest = 0;

    for_each_cpu (cpu, online)
        highest = cpu;
    return highest;
}

static int physinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *p = &op->u.physinfo;

    *p = (struct xen_sysctl_physinfo){
        .nr_cpus = cpumask_count(arch_online_cpus()),
        .max_cpu_id = highest_cpu(),
        .nr_nodes = 1,
        .cpu_khz = (uint32_t)arch_tsc_khz(),
        .capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
        .total_pages = arch_ram_pages(),
        .free_pages = heap_free_pages(),
        .scrub_pages = heap_dirty_pages(),
        .outstanding_pages = heap_claimed_pages(),
        .max_mfn = arch_max_mfn() - 1,
    };
    count_topology(&p->threads_per_core, &p->cores_per_socket);
    for (unsigned i = 0; i < ARRAY_SIZE(p->hw_cap); i++)
        p->hw_cap[i] = arch_cpu_features(CPU_POLICY_MACHINE, i);
    return 0;
}

static int cpu_topology(struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    guest_ptr_t to = guest_ptr((uint64_t)t->cputopo.p);
    uint32_t count = highest_cpu() + 1;
    cpumask_t online = arch_online_cpus();

    if (to.va)
        count = (uint32_t)min_u64(count, t->num_cpus);
    t->num_cpus = count;
    for (unsigned i = 0; to.va && i < count; i++) {
        struct xen_sysctl_cputopo place = {XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID,
                                           XEN_INVALID_NODE_ID};

        if (cpumask_test(online, i))
            place = (struct xen_sysctl_cputopo){cpu_place[i].core, cpu_place[i].package, 0};
        if (copy_to_guest(guest_ptr_add(to, i * sizeof(place)), &place, sizeof(place)))
            return -XEN_EFAULT;
    }
    return 0;
}

static int idle_times(struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *g = &op->u.getcpuinfo;
    guest_ptr_t to = guest_ptr((uint64_t)g->info.p);
    uint32_t count = (uint32_t)min_u64(g->max_cpus, highest_cpu() + 1);
    cpumask_t online = arch_online_cpus();

    for (unsigned i = 0; i < count; i++) {
        struct xen_sysctl_cpuinfo info = {cpumask_test(online, i) ? sched_idle_time(i) : 0};

        if (copy_to_guest(guest_ptr_add(to, i * sizeof(info)), &info, sizeof(info)))
            return -XEN_EFAULT;
    }
    g->nr_cpus = count;
    return 0;
}

/* ---- the node ---- */

#define DISTANCE_TO_ITSELF 10

static int numa(struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *n = &op->u.numainfo;
    guest_ptr_t memory = guest_ptr((uint64_t)n->meminfo.p),
                distance = guest_ptr((uint64_t)n->distance.p);
    struct xen_sysctl_meminfo m = {arch_ram_pages() << PAGE_SHIFT, heap_free_pages() << PAGE_SHIFT};
    uint32_t d = DISTANCE_TO_ITSELF;
    bool room = n->num_nodes > 0 || (!memory.va && !distance.va);

    n->num_nodes = room;
    if (room && memory.va && copy_to_guest(memory, &m, sizeof(m)))
        return -XEN_EFAULT;
    return room && distance.va && copy_to_guest(distance, &d, sizeof(d)) ? -XEN_EFAULT : 0;
}

#define DEVICES_MAX 64U /* in one call; callers ask on after the last one that was told */

/* Every device is at the one node. */
static int pci_nodes(struct xen_sysctl *op)
{
    struct xen_sysctl_pcitopoinfo *t = &op->u.pcitopoinfo;
    guest_ptr_t from = guest_ptr((uint64_t)t->devs.p), to = guest_ptr((uint64_t)t->nodes.p);
    uint32_t count = (uint32_t)min_u64(t->num_devs, DEVICES_MAX), node;
    struct physdev_pci_device device;

    if (count == 0 || !from.va || !to.va)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < count; i++) {
        if (copy_from_guest(&device, guest_ptr_add(from, i * sizeof(device)), sizeof(device)))
            return -XEN_EFAULT;
        node = arch_pci_device_exists(device.seg, device.bus, device.devfn) ? 0 : XEN_INVALID_DEV;
        if (copy_to_guest(guest_ptr_add(to, i * sizeof(node)), &node, sizeof(node)))
            return -XEN_EFAULT;
    }
    t->num_devs = count;
    return 0;
}

/* ---- the pool, and the scheduler ---- */

static int pool_info(struct xen_sysctl_cpupool_op *p)
{
    if (p->cpupool_id)
        return -XEN_ENOENT; /* there is none with this number or a higher one */
    p->sched_id = XEN_SCHEDULER_CREDIT2;
    p->n_dom = domain_count();
    return control_put_bits(&p->cpumap, arch_online_cpus().bits);
}

static int pool(struct xen_sysctl *op)
{
    struct xen_sysctl_cpupool_op *p = &op->u.cpupool_op;
    struct domain *d;

    switch (p->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        return pool_info(p);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO: /* all belong to the pool */
        return control_put_bits(&p->cpumap, 0);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN: /* it is where it is to go */
        if (p->cpupool_id)
            return -XEN_ENOENT;
        d = domain_find((domid_t)p->domid);
        if (!d)
            return -XEN_ESRCH;
        domain_put(d);
        return 0;
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}

/* Its one parameter is how long nobody is preempted, which with us is never a rule of its own: 0. */
static int scheduler(struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;

    if (s->cpupool_id)
        return -XEN_ESRCH;
    if (s->sched_id != XEN_SCHEDULER_CREDIT2)
        return -XEN_EINVAL;
    if (s->cmd == XEN_SYSCTL_SCHEDOP_putinfo)
        return s->u.sched_credit2.ratelimit_us ? -XEN_EOPNOTSUPP : 0;
    if (s->cmd != XEN_SYSCTL_SCHEDOP_getinfo)
        return -XEN_EINVAL;
    s->u.sched_credit2.ratelimit_us = 0;
    return 0;
}

/* ---- CPUID ---- */

static int feature_set(struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_featureset *f = &op->u.cpu_featureset;
    guest_ptr_t to = guest_ptr((uint64_t)f->features.p);
    uint32_t words[CPU_FEATURE_WORDS], count = (uint32_t)min_u64(f->nr_features, CPU_FEATURE_WORDS);
    enum cpu_policy_kind kind = CPU_POLICY_MACHINE;
    bool short_of_room = f->nr_features < CPU_FEATURE_WORDS;

    if (f->index == XEN_SYSCTL_cpu_featureset_pv || f->index == XEN_SYSCTL_cpu_featureset_pv_max)
        kind = CPU_POLICY_GUEST;
    else if (f->index > XEN_SYSCTL_cpu_featureset_host)
        return -XEN_EINVAL; /* there are no other guests */
    f->nr_features = CPU_FEATURE_WORDS;
    if (!to.va)
        return 0;
    for (unsigned i = 0; i < count; i++)
        words[i] = arch_cpu_features(kind, i);
    if (copy_to_guest(to, words, count * sizeof(*words)))
        return -XEN_EFAULT;
    f->nr_features = count;
    return short_of_room ? -XEN_ENOBUFS : 0;
}

static int put_policy(struct xen_sysctl_cpu_policy *p, enum cpu_policy_kind kind)
{
    struct xen_cpuid_leaf *leaf = page_alloc(0, 0);
    uint32_t count;
    int rc = 0;

    if (!leaf)
        return -XEN_ENOMEM;
    count = arch_cpu_policy_leaves(kind, NULL, leaf);
    if (p->nr_leaves < count)
        rc = -XEN_ENOBUFS;
    else
        rc = copy_to_guest(guest_ptr((uint64_t)p->leaves.p), leaf, count * sizeof(*leaf));
    p->nr_leaves = count;
    page_free(leaf, 0);
    return rc;
}

static int cpu_policy(struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_policy *p = &op->u.cpu_policy;
    enum cpu_policy_kind kind = CPU_POLICY_MACHINE;
    int rc = 0;

    if (p->_rsvd || p->index == XEN_SYSCTL_cpu_policy_hvm_max ||
        p->index > XEN_SYSCTL_cpu_policy_pv_default)
        return -XEN_EINVAL;
    if (p->index > XEN_SYSCTL_cpu_policy_host)
        kind = CPU_POLICY_GUEST;
    if (p->leaves.p)
        rc = put_policy(p, kind);
    else
        p->nr_leaves = CPU_POLICY_LEAVES_MAX;
    p->nr_msrs = p->msrs.p ? 0 : 1; /* none has one of its own */
    return rc;
}

/* ---- what there is not ---- */

static int refused(const struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_get_pmstat:
    case XEN_SYSCTL_pm_op:
        return -XEN_ENODEV; /* power is the firmware's business */
    case XEN_SYSCTL_cpu_hotplug:
    case XEN_SYSCTL_page_offline_op:
    case XEN_SYSCTL_coverage_op:
    case XEN_SYSCTL_psr_cmt_op:
    case XEN_SYSCTL_psr_alloc:
    case XEN_SYSCTL_livepatch_op:
    case XEN_SYSCTL_tbuf_op:
        return -XEN_EOPNOTSUPP;
    default: /* counters of performance and locks are not in Debian's Xen either */
        return -XEN_ENOSYS;
    }
}

int control_host_op(struct xen_sysctl *op, bool *write_back)
{
    switch (op->cmd) {
    case XEN_SYSCTL_physinfo:
        return physinfo(op);
    case XEN_SYSCTL_sched_id:
        op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
        return 0;
    case XEN_SYSCTL_cputopoinfo:
        return cpu_topology(op);
    case XEN_SYSCTL_getcpuinfo:
        return idle_times(op);
    case XEN_SYSCTL_pcitopoinfo:
        return pci_nodes(op);
    case XEN_SYSCTL_numainfo:
        return numa(op);
    case XEN_SYSCTL_cpupool_op:
        return pool(op);
    case XEN_SYSCTL_scheduler_op:
        return scheduler(op);
    case XEN_SYSCTL_get_cpu_levelling_caps:
        op->u.cpu_levelling_caps.caps = 0;
        return 0;
    case XEN_SYSCTL_get_cpu_featureset:
        return feature_set(op);
    case XEN_SYSCTL_get_cpu_policy:
        return cpu_policy(op);
    default:
        *write_back = false;
        return refused(op);
    }
}
