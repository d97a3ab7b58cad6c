/* SPDX-License-Identifier: MIT
 *
 * Streams of domctl and sysctl by a control domain that has lost its mind: any operation, on any
 * domain, itself included, with any numbers and addresses in the record. The domains that it makes
 * run, have memory and tables, and end in between. Time and again everything is audited; at the end
 * all of them can be destroyed and every page comes back.
 *
 * Each call is a record of numbers, over which a template puts what lets it get past the first check.
 */
#include "unittests/control_kit.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

enum { LIST = CONTROL_BUFFER, LIST_LENGTH = 16, CALLS_MAX = 60, HELD_MAX = 8, FRAMES = 20 };

static struct domain *dom0;
static mfn_t held[HELD_MAX]; /* frames that somebody else uses */
static unsigned held_count;

/* Mostly small, sometimes the address of something, sometimes wild. */
static uint64_t number(struct input *in)
{
    static const uint64_t wild[] = {0,
                                    CORE_VA,
                                    CORE_VA + LIST,
                                    CORE_VA + LIST,
                                    CORE_READONLY,
                                    CORE_BAD,
                                    CORE_HV,
                                    UINT64_MAX,
                                    UINT32_MAX,
                                    UINT64_C(1) << 63,
                                    DOMID_SELF,
                                    DOMID_FIRST_RESERVED,
                                    0xffff,
                                    CORE_VA + CORE_BYTES - 4};
    unsigned b = byte(in);

    if (b < 120)
        return b % 20;
    if (b < 250)
        return wild[b % ARRAY_SIZE(wild)];
    return (uint64_t)b << byte(in) % 64;
}

/* One of the domains, mostly; or any. */
static domid_t some_domain(struct input *in)
{
    unsigned b = byte(in);
    struct domain *d;
    domid_t id;

    if (b >= 245)
        return (domid_t)number(in);
    d = domain_find_next((domid_t)(b % 4 == 0 ? 0 : 1 + b / 4 % 8));
    if (!d)
        return dom0->id;
    id = d->id;
    domain_put(d);
    return id;
}

/* A frame of this domain, or any number. */
static uint64_t some_frame(struct input *in, domid_t id)
{
    unsigned b = byte(in);
    struct account *a = account_find(id < DOMID_FIRST_RESERVED ? id : 0);
    uint64_t m = a ? a->first : 0;

    for (unsigned i = b % 16; i > 0 && m; i--)
        m = frame_of(mfn(m))->next;
    return m && b < 220 ? m : number(in);
}

static void fill_numbers(struct input *in, void *record, size_t bytes)
{
    bool words = byte(in) % 2;
    unsigned b = byte(in);
    size_t end = min_u64(bytes, b < 160 ? 0 : 8 * (b % 12));

    for (size_t i = 0; i + 8 <= end && in->left > 0; i += words ? 4 : 8) {
        uint64_t n = number(in);

        memcpy((uint8_t *)record + i, &n, words ? 4 : 8);
    }
}

/* One thread plays all CPUs, so a call cannot wait for another one to stop a vCPU: all domains share
 * CPU 0, and there the control domain's turn is waited for. */
static void share_one_cpu(void)
{
    struct domain *d;
    struct vcpu *v;
    unsigned i;

    for (unsigned id = 0; id < DOMID_FIRST_RESERVED; id++) {
        d = domain_find_next((domid_t)id);
        if (!d)
            break;
        id = d->id;
        if (sched_set_weight(d, 256, 0))
            abort();
        for_each_vcpu (d, v, i)
            if (d->state == DOMAIN_ALIVE && sched_set_affinity(v, cpumask_of(0)))
                abort();
        domain_put(d);
    }
    for (unsigned n = 0; n == 0 || !core_runs(dom0->vcpu[0]); n++) {
        if (n > 1000)
            abort(); /* it is starved */
        core_pass(n * 1000000);
    }
}

/* ---- domctl ---- */

static void fill_creation(struct input *in, struct xen_domctl *op)
{
    op->domain = (domid_t)(byte(in) % 8);
    op->u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = byte(in) < 240 ? 1 + byte(in) % 3 : (uint32_t)number(in),
        .max_evtchn_port = byte(in) < 240 ? 1023 : (uint32_t)number(in),
        .max_grant_frames = byte(in) < 200 ? 4 : (int32_t)number(in),
        .max_maptrack_frames = byte(in) < 200 ? 4 : (int32_t)number(in),
        .grant_opts = byte(in) < 240 ? 1 : (uint32_t)number(in),
        .flags = byte(in) < 240 ? 0 : (uint32_t)number(in)};
}

static void fill_context(struct input *in, struct xen_domctl *op)
{
    vcpu_guest_context_t *c = core_at(LIST);

    memset(c, 0, sizeof(*c));
    c->flags = byte(in) < 200 ? VGCF_in_kernel | VGCF_online : (uint32_t)number(in);
    c->ctrlreg[3] = some_frame(in, op->domain) << PAGE_SHIFT;
    op->u.vcpucontext.vcpu = byte(in) % 4;
    op->u.vcpucontext.ctxt.p = (void *)core_va(LIST);
}

static uint64_t some_bits(struct input *in)
{
    return byte(in) < 128 ? 1 + byte(in) : number(in);
}

static void fill_bits(struct input *in, struct xenctl_bitmap *map, unsigned at)
{
    map->nr_bits = byte(in) < 200 ? byte(in) : (uint32_t)number(in);
    map->bitmap.p = (void *)(byte(in) < 230 ? core_va(at) : number(in));
}

static void fill_frames(struct input *in, struct xen_domctl *op)
{
    uint64_t *list = core_at(LIST);

    for (unsigned i = 0; i < LIST_LENGTH; i++)
        list[i] = some_frame(in, op->domain);
    op->u.getpageframeinfo3.num = byte(in) < 240 ? byte(in) % LIST_LENGTH : number(in);
    op->u.getpageframeinfo3.array.p = (void *)core_va(LIST);
}

static void fill_affinity(struct input *in, struct xen_domctl *op)
{
    struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;

    *(uint64_t *)core_at(LIST) = some_bits(in);
    a->vcpu = byte(in) % 4;
    a->flags = byte(in) % 8;
    fill_bits(in, &a->cpumap_hard, LIST);
    fill_bits(in, &a->cpumap_soft, LIST + 64);
}

static void fill_schedule(struct input *in, struct xen_domctl *op)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;

    s->sched_id = byte(in) < 240 ? XEN_SCHEDULER_CREDIT2 : byte(in);
    s->cmd = byte(in) % 3;
    s->u.credit2.weight = (uint16_t)number(in);
    s->u.credit2.cap = (uint16_t)number(in);
}

static void fill_policy(struct input *in, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *p = &op->u.cpu_policy;

    p->nr_leaves = byte(in) < 200 ? byte(in) : (uint32_t)number(in);
    p->nr_msrs = byte(in) < 200 ? 0 : (uint32_t)number(in);
    p->leaves.p = (void *)(byte(in) < 220 ? core_va(LIST) : number(in));
}

/* Rights to a few ports, frames or interrupts; or what is waited for, or a handle: numbers do. */
static void fill_small(struct input *in, struct xen_domctl *op)
{
    uint32_t *word = (uint32_t *)&op->u;

    for (unsigned i = 0; i < 4; i++)
        word[i] = byte(in) < 200 ? byte(in) % 8 : (uint32_t)number(in);
}

static const uint32_t domctls[] = {
    XEN_DOMCTL_createdomain,     XEN_DOMCTL_createdomain,    XEN_DOMCTL_destroydomain,
    XEN_DOMCTL_pausedomain,      XEN_DOMCTL_unpausedomain,   XEN_DOMCTL_unpausedomain,
    XEN_DOMCTL_resumedomain,     XEN_DOMCTL_getdomaininfo,   XEN_DOMCTL_getpageframeinfo3,
    XEN_DOMCTL_setvcpucontext,   XEN_DOMCTL_getvcpucontext,  XEN_DOMCTL_max_mem,
    XEN_DOMCTL_max_vcpus,        XEN_DOMCTL_hypercall_init,  XEN_DOMCTL_setvcpuaffinity,
    XEN_DOMCTL_getvcpuaffinity,  XEN_DOMCTL_getvcpuinfo,     XEN_DOMCTL_scheduler_op,
    XEN_DOMCTL_setdomainhandle,  XEN_DOMCTL_sendtrigger,     XEN_DOMCTL_set_address_size,
    XEN_DOMCTL_get_address_size, XEN_DOMCTL_settscinfo,      XEN_DOMCTL_gettscinfo,
    XEN_DOMCTL_setnodeaffinity,  XEN_DOMCTL_getnodeaffinity, XEN_DOMCTL_get_cpu_policy,
    XEN_DOMCTL_set_cpu_policy,   XEN_DOMCTL_settimeoffset,   XEN_DOMCTL_ioport_permission,
    XEN_DOMCTL_iomem_permission, XEN_DOMCTL_irq_permission};

static uint32_t choose_domctl(struct input *in)
{
    unsigned b = byte(in);

    if (b < 230)
        return domctls[b % ARRAY_SIZE(domctls)];
    return b < 250 ? byte(in) % 90U : (uint32_t)number(in);
}

/* Puts something sensible over the numbers. */
static void fill_domctl(struct input *in, struct xen_domctl *op)
{
    op->cmd = choose_domctl(in);
    switch (op->cmd) {
    case XEN_DOMCTL_createdomain:
        fill_creation(in, op);
        break;
    case XEN_DOMCTL_setvcpucontext:
    case XEN_DOMCTL_getvcpucontext:
        fill_context(in, op);
        break;
    case XEN_DOMCTL_getpageframeinfo3:
        fill_frames(in, op);
        break;
    case XEN_DOMCTL_hypercall_init:
        op->u.hypercall_init.gmfn = some_frame(in, op->domain);
        break;
    case XEN_DOMCTL_max_mem:
        op->u.max_mem.max_memkb = byte(in) < 200 ? byte(in) * 4U : number(in);
        break;
    case XEN_DOMCTL_setvcpuaffinity:
    case XEN_DOMCTL_getvcpuaffinity:
        fill_affinity(in, op);
        break;
    case XEN_DOMCTL_scheduler_op:
        fill_schedule(in, op);
        break;
    case XEN_DOMCTL_get_cpu_policy:
    case XEN_DOMCTL_set_cpu_policy:
        fill_policy(in, op);
        break;
    case XEN_DOMCTL_getnodeaffinity:
        fill_bits(in, &op->u.nodeaffinity.nodemap, LIST);
        break;
    default:
        if (byte(in) < 200)
            fill_small(in, op);
        break;
    }
}

static void call_domctl(struct input *in)
{
    struct xen_domctl *op = domctl_record(0, 0);

    fill_numbers(in, &op->u, sizeof(op->u));
    op->domain = some_domain(in);
    fill_domctl(in, op);
    if (byte(in) >= 250)
        op->interface_version = (uint32_t)number(in);
    (void)domctl_call(dom0);
}

/* ---- sysctl ---- */

static const uint32_t sysctls[] = {
    XEN_SYSCTL_getdomaininfolist, XEN_SYSCTL_readconsole,        XEN_SYSCTL_debug_keys,
    XEN_SYSCTL_availheap,         XEN_SYSCTL_physinfo,           XEN_SYSCTL_sched_id,
    XEN_SYSCTL_cputopoinfo,       XEN_SYSCTL_numainfo,           XEN_SYSCTL_cpupool_op,
    XEN_SYSCTL_scheduler_op,      XEN_SYSCTL_get_cpu_featureset, XEN_SYSCTL_get_cpu_policy,
    XEN_SYSCTL_getcpuinfo,        XEN_SYSCTL_pcitopoinfo,        XEN_SYSCTL_get_cpu_levelling_caps};

static void *some_list(struct input *in, unsigned at)
{
    return (void *)(byte(in) < 220 ? core_va(LIST + at) : number(in));
}

static uint32_t some_count(struct input *in)
{
    return byte(in) < 200 ? byte(in) % 80 : (uint32_t)number(in);
}

static void fill_pool(struct input *in, struct xen_sysctl *op)
{
    struct xen_sysctl_cpupool_op *p = &op->u.cpupool_op;

    p->op = byte(in) % 10;
    p->cpupool_id = byte(in) < 200 ? 0 : (uint32_t)number(in);
    p->domid = some_domain(in);
    fill_bits(in, &p->cpumap, LIST);
}

static void fill_lists(struct input *in, struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_getdomaininfolist:
        op->u.getdomaininfolist.max_domains = some_count(in);
        op->u.getdomaininfolist.buffer.p = some_list(in, 0);
        break;
    case XEN_SYSCTL_readconsole:
        op->u.readconsole.count = some_count(in);
        op->u.readconsole.buffer.p = some_list(in, 0);
        break;
    case XEN_SYSCTL_debug_keys:
        op->u.debug_keys.nr_keys = some_count(in);
        op->u.debug_keys.keys.p = some_list(in, 0);
        break;
    case XEN_SYSCTL_cputopoinfo:
        op->u.cputopoinfo.num_cpus = some_count(in);
        op->u.cputopoinfo.cputopo.p = some_list(in, 0);
        break;
    case XEN_SYSCTL_numainfo:
        op->u.numainfo.num_nodes = some_count(in);
        op->u.numainfo.meminfo.p = some_list(in, 0);
        op->u.numainfo.distance.p = some_list(in, 64);
        break;
    case XEN_SYSCTL_getcpuinfo:
        op->u.getcpuinfo.max_cpus = some_count(in);
        op->u.getcpuinfo.info.p = some_list(in, 0);
        break;
    case XEN_SYSCTL_pcitopoinfo:
        op->u.pcitopoinfo.num_devs = some_count(in);
        op->u.pcitopoinfo.devs.p = some_list(in, 0);
        op->u.pcitopoinfo.nodes.p = some_list(in, 512);
        break;
    default:
        break;
    }
}

static void fill_sysctl(struct input *in, struct xen_sysctl *op)
{
    switch (op->cmd) {
    case XEN_SYSCTL_cpupool_op:
        fill_pool(in, op);
        break;
    case XEN_SYSCTL_scheduler_op:
        op->u.scheduler_op.sched_id = byte(in) < 240 ? XEN_SCHEDULER_CREDIT2 : byte(in);
        op->u.scheduler_op.cmd = byte(in) % 3;
        op->u.scheduler_op.cpupool_id = byte(in) < 220 ? 0 : byte(in);
        break;
    case XEN_SYSCTL_get_cpu_featureset:
        op->u.cpu_featureset.index = byte(in) % 7;
        op->u.cpu_featureset.nr_features = some_count(in);
        op->u.cpu_featureset.features.p = some_list(in, 0);
        break;
    case XEN_SYSCTL_get_cpu_policy:
        op->u.cpu_policy._rsvd = byte(in) >= 240;
        op->u.cpu_policy.index = byte(in) % 7;
        op->u.cpu_policy.nr_leaves = some_count(in);
        op->u.cpu_policy.leaves.p = some_list(in, 0);
        break;
    default:
        fill_lists(in, op);
    }
}

static void call_sysctl(struct input *in)
{
    unsigned b = byte(in);
    struct xen_sysctl *op =
        sysctl_record(b < 230 ? sysctls[b % ARRAY_SIZE(sysctls)] : byte(in) % 34U);

    fill_numbers(in, &op->u, sizeof(op->u));
    fill_sysctl(in, op);
    if (byte(in) >= 250)
        op->interface_version = (uint32_t)number(in);
    (void)sysctl_call(dom0);
}

/* ---- what domains do meanwhile ---- */

static void let_go(void)
{
    while (held_count > 0)
        frame_put(held[--held_count]);
}

static void live(struct input *in, struct domain *d)
{
    mfn_t m;

    switch (byte(in) % 8) {
    case 0:
        domain_shutdown(d, (int)(byte(in) % 6));
        break;
    case 1: /* a table, pinned */
        if (d->state == DOMAIN_ALIVE && account_alloc(&d->account, 0, 0, &m) == 0)
            (void)!table_pin(&d->account, m, 1 + byte(in) % 4);
        break;
    case 2:
        if (d->account.first && held_count < HELD_MAX && frame_get(mfn(d->account.first), d->id))
            held[held_count++] = mfn(d->account.first);
        break;
    case 3:
        let_go();
        break;
    case 4:
        (void)!pressure_follow(d);
        break;
    default:
        for (unsigned i = byte(in) % FRAMES; i > 0; i--)
            (void)!account_alloc(&d->account, 0, 0, &m);
    }
}

static void step(struct input *in)
{
    unsigned what = byte(in);
    struct domain *d;

    if (what < 150) {
        call_domctl(in);
    } else if (what < 190) {
        call_sysctl(in);
    } else if (what < 210) {
        core_pass((uint64_t)byte(in) * 1000000);
    } else {
        d = domain_find_next((domid_t)(1 + what % 8));
        if (d) {
            live(in, d);
            domain_put(d);
        }
    }
    share_one_cpu();
}

/* However it was left, each domain can be ended by the control domain. */
static void end_all(void)
{
    struct domain *d;

    let_go();
    while ((d = domain_find_next(1)) != NULL) {
        domid_t id = d->id;

        domain_put(d);
        (void)domctl_record(XEN_DOMCTL_destroydomain, id);
        if (domctl_call(dom0))
            abort();
        core_pass(100000000);
        share_one_cpu();
        d = domain_find(id);
        if (d)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    dom0 = control_world();
    held_count = 0;
    share_one_cpu();
    host_preempt_every(3);
    for (unsigned n = 0; in.left > 0 && n < CALLS_MAX; n++) {
        step(&in);
        if (byte(&in) % 4)
            continue;
        host_preempt_every(0);
        core_audit();
        host_preempt_every(3);
    }
    host_preempt_every(0);
    end_all();
    core_kill(dom0);
    if (!core_gone())
        abort();
    return 0;
}

enum { TOO_SHORT = 200, FRESH = 1500 };

/* From nothing the fuzzer would grow inputs byte by byte; but any bytes are a stream of calls. So one that is too short
 * for some is made up anew. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    uint64_t x = seed + UINT64_C(0x9e3779b97f4a7c15);

    if (size >= TOO_SHORT || size_max < FRESH)
        return LLVMFuzzerMutate(data, size, size_max);
    for (size_t i = 0; i < FRESH; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (uint8_t)(x >> 32);
    }
    return FRESH;
}
