/* SPDX-License-Identifier: MIT
 *
 * Streams of domctl and sysctl by a control domain that has lost its mind: any operation, on any
 * domain, itself included, with any numbers and addresses in the record. The domains that it makes
 * run, have memory and tables, and end in between. After each call everything is audited; at the end
 * all of them can be destroyed and every page comes back.
 *
 * Each call is a record of numbers, over which a template puts what lets it get past the first check.
 */
#include "unittests/control_kit.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    size_t end = min_u64(bytes, 8 * (byte(in) % 12));

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

static void fill_frames(struct input *in, struct xen_domctl *op)
{
    uint64_t *list = core_at(LIST);

    for (unsigned i = 0; i < LIST_LENGTH; i++)
        list[i] = some_frame(in, op->domain);
    op->u.getpageframeinfo3.num = byte(in) < 240 ? byte(in) % LIST_LENGTH : number(in);
    op->u.getpageframeinfo3.array.p = (void *)core_va(LIST);
}

/* Puts something sensible over the numbers. */
static void fill_domctl(struct input *in, struct xen_domctl *op)
{
    static const uint32_t likely[] = {
        XEN_DOMCTL_createdomain,   XEN_DOMCTL_destroydomain,  XEN_DOMCTL_pausedomain,
        XEN_DOMCTL_unpausedomain,  XEN_DOMCTL_resumedomain,   XEN_DOMCTL_getpageframeinfo3,
        XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_getvcpucontext, XEN_DOMCTL_max_mem,
        XEN_DOMCTL_hypercall_init, XEN_DOMCTL_setvcpuaffinity};

    op->cmd = byte(in) < 150 ? likely[byte(in) % ARRAY_SIZE(likely)] : byte(in) % 90;
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
        op->u.vcpuaffinity.flags %= 8;
        op->u.vcpuaffinity.cpumap_hard.bitmap.p = (void *)core_va(LIST);
        op->u.vcpuaffinity.cpumap_soft.bitmap.p = (void *)core_va(LIST + 64);
        break;
    case XEN_DOMCTL_scheduler_op:
        op->u.scheduler_op.sched_id = byte(in) % 8;
        break;
    default:
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

static void call_sysctl(struct input *in)
{
    struct xen_sysctl *op = sysctl_record(byte(in) % 34);

    fill_numbers(in, &op->u, sizeof(op->u));
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
