/* SPDX-License-Identifier: MIT
 *
 * Streams of hypercalls by two domains with two vCPUs each, through the real dispatch: any number,
 * any arguments, structures in guest memory that are mostly well-formed and then spoilt. After each
 * call everything is audited; at the end every page must be back.
 *
 * Each call is: which vCPU, a template (what the guest's memory says), the spoiling, the call. The
 * templates only make sure that the depths of each decoder are reached.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/types.h>
#include <xen/memory.h>
#include <xen/version.h>

#include "include/public/lagan/pressure.h"
#include "include/public/lagan/ubc.h"
#include "mm/frame.h"
#include "ubc/ubc.h"
#include "unittests/core_world.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES = 700, DOMAINS = 2, LIST = 512, CALLS_MAX = 60 };

static struct domain *dom[DOMAINS];

/* Mostly small, sometimes the address of something, sometimes wild. */
static uint64_t number(struct input *in)
{
    static const uint64_t wild[] = {
        CORE_VA,    CORE_VA + LIST, CORE_READONLY,           CORE_BAD,           CORE_HV,
        UINT64_MAX, UINT32_MAX,     UINT64_C(1) << 63,       0x8000000000000000, 0x7ff0,
        DOMID_SELF, 1ULL << 32,     CORE_VA + CORE_BYTES - 4};
    unsigned b = byte(in);

    if (b < 160)
        return b % 20;
    if (b < 250)
        return wild[b % ARRAY_SIZE(wild)];
    return (uint64_t)b << byte(in) % 64;
}

/* A frame of one of the domains, or any number. */
static uint64_t frame(struct input *in)
{
    unsigned b = byte(in);
    struct domain *d = dom[b % DOMAINS];
    uint64_t m = d->account.first;

    for (unsigned i = b / 4 % 16; i > 0 && m; i--)
        m = frame_of(mfn(m))->next;
    if (b >= 250)
        return number(in);
    return b % 16 == 3 ? arch_frame_of(d->shared_info).n : m;
}

static void fill_reservation(struct input *in)
{
    struct xen_memory_reservation *r = core_at(0);
    uint64_t *list = core_at(LIST);

    memset(r, 0, sizeof(*r));
    r->extent_start.p = (void *)core_va(LIST);
    r->nr_extents = byte(in) % 24;
    r->extent_order = byte(in) % 4 ? 0 : byte(in) % 12;
    r->domid = byte(in) < 250 ? DOMID_SELF : 1;
    r->mem_flags = byte(in) < 200 ? 0 : (unsigned)number(in);
    for (unsigned i = 0; i < 24; i++)
        list[i] = frame(in);
}

/* Halves that fit together more often than not. */
static void fill_exchange(struct input *in)
{
    struct xen_memory_exchange *x = core_at(0);
    uint64_t *list = core_at(LIST);
    unsigned chunks = byte(in) % 5, in_order = byte(in) % 3, out_order = byte(in) % 4;
    unsigned order = in_order > out_order ? in_order : out_order;

    memset(x, 0, sizeof(*x));
    x->in.extent_start.p = (void *)core_va(LIST);
    x->in.nr_extents = chunks << (order - in_order);
    x->in.extent_order = in_order;
    x->out.extent_start.p = (void *)core_va(LIST + (byte(in) % 8 ? 64 * sizeof(*list) : 0));
    x->out.nr_extents = chunks << (order - out_order);
    x->out.extent_order = out_order;
    x->in.domid = DOMID_SELF;
    x->out.domid = byte(in) < 240 ? DOMID_SELF : 1;
    x->out.mem_flags = byte(in) < 200 ? 0 : (unsigned)number(in);
    x->nr_exchanged = byte(in) < 200 ? 0 : number(in);
    for (unsigned i = 0; i < 64; i++)
        list[i] = i < x->in.nr_extents ? frame(in) : 0;
}

/* Claims, the memory map, lists of frames: what wants a struct of numbers. */
static uint64_t memory_other(struct input *in)
{
    static const unsigned op[] = {XENMEM_claim_pages,      XENMEM_set_memory_map,
                                  XENMEM_memory_map,       XENMEM_machine_memory_map,
                                  XENMEM_machphys_mapping, XENMEM_machphys_mfn_list,
                                  XENMEM_maximum_gpfn,     XENMEM_maximum_ram_page};
    struct xen_memory_reservation *r = core_at(0);
    unsigned i = byte(in) % 16;

    if (i == 0)
        *r = (struct xen_memory_reservation){
            .nr_extents = byte(in), .domid = byte(in) % 4 ? DOMID_SELF : (domid_t)number(in)};
    return i < ARRAY_SIZE(op) ? op[i] : number(in);
}

static void fill_context(struct input *in)
{
    struct vcpu_guest_context *c = core_at(0);

    memset(c, 0, sizeof(*c));
    c->flags = VGCF_in_kernel;
    c->ctrlreg[3] = frame(in) << PAGE_SHIFT;
}

/* ---- the buffer cache ---- */

static uint64_t volume; /* that there was last */

static void fill_volume(struct input *in)
{
    *(struct lagan_ubc_create *)core_at(0) = (struct lagan_ubc_create){
        .id = {byte(in) % 4},
        .generation = byte(in) % 8,
        .blocks = byte(in) % 200,
        .flags = byte(in) % 8 == 0 ? LAGAN_UBC_TREE : byte(in) & LAGAN_UBC_SLOTS};
}

static void fill_pages(struct input *in, unsigned cmd)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t block = byte(in) % 8, where = core_va(PAGE_SIZE * (byte(in) % 14));

        if (cmd == LAGAN_UBC_insert)
            ((struct lagan_ubc_insert *)core_at(0))[i] =
                (struct lagan_ubc_insert){.block = block, .address = where};
        else if (cmd == LAGAN_UBC_map)
            ((struct lagan_ubc_map *)core_at(0))[i] = (struct lagan_ubc_map){
                .block = block,
                .address = where,
                .flags = byte(in) & (LAGAN_UBC_EXEC | LAGAN_UBC_LOOK | LAGAN_UBC_WANT)};
        else if (cmd == LAGAN_UBC_read)
            ((struct lagan_ubc_read *)core_at(0))[i] = (struct lagan_ubc_read){
                .block = block, .address = where, .length = (uint16_t)(byte(in) * 17)};
        else if (cmd == LAGAN_UBC_wanted || cmd == LAGAN_UBC_refuse)
            ((struct lagan_ubc_want *)core_at(0))[i] =
                (struct lagan_ubc_want){.block = block, .flags = byte(in) % 3};
        else
            ((struct lagan_ubc_unmap *)core_at(0))[i].handle = byte(in) % 4;
    }
    if (cmd == LAGAN_UBC_insert && byte(in) % 4 == 0) {
        ((struct lagan_ubc_insert *)core_at(0))->address = frame(in);
        ((struct lagan_ubc_insert *)core_at(0))->flags = LAGAN_UBC_DONATE;
    }
}

static void fill_cache(struct input *in, struct hypercall_args *args)
{
    unsigned cmd = byte(in) % 18;

    *args = (struct hypercall_args){{cmd, volume, core_va(0), byte(in) % 5, byte(in) % 4}};
    switch (cmd) {
    case LAGAN_UBC_create:
    case LAGAN_UBC_renew:
        fill_volume(in);
        break;
    case LAGAN_UBC_allow:
        *(struct lagan_ubc_allow *)core_at(0) = (struct lagan_ubc_allow){
            .domid = dom[byte(in) % DOMAINS]->id, .rights = byte(in) % 5, .limit = byte(in)};
        break;
    case LAGAN_UBC_open:
        *(struct lagan_ubc_open *)core_at(0) = (struct lagan_ubc_open){.id = {byte(in) % 4}};
        break;
    case LAGAN_UBC_revoke:
    case LAGAN_UBC_invalidate:
        *(struct lagan_ubc_range *)core_at(0) = (struct lagan_ubc_range){
            .first = byte(in) % 8,
            .count = byte(in) % 8,
            .timeout_ns = cmd == LAGAN_UBC_revoke ? byte(in) * 100000u : 0};
        break;
    default:
        fill_pages(in, cmd);
    }
}

/* What a guest would have learned from its last call. */
static void learn_volume(void)
{
    struct lagan_ubc_create out;

    for (unsigned slot = 0; slot < 4; slot++)
        if (ubc_list(slot, &out) == 0)
            volume = out.volume;
}

/* Leaves the arguments of a likely call behind and returns its number. */
static uint64_t template(struct input *in, struct hypercall_args *args)
{
    uint32_t *word = core_at(0);

    args->a[1] = core_va(0);
    for (unsigned i = 0; i < 8; i++)
        word[i] = (uint32_t)number(in);
    switch (byte(in) % 13) {
    case 0:
        args->a[0] = byte(in) % 16;
        if (byte(in) % 4 == 0)
            *(uint64_t *)core_at(0) = frame(in);
        return __HYPERVISOR_event_channel_op;
    case 1:
        fill_reservation(in);
        args->a[0] = (uint64_t[]){0, 1, 6, 6, 3, 4, 2, 12}[byte(in) % 8];
        return __HYPERVISOR_memory_op;
    case 2:
        fill_context(in);
        *args = (struct hypercall_args){{byte(in) % 2 * VCPUOP_up, byte(in) % 3, core_va(0)}};
        return __HYPERVISOR_vcpu_op;
    case 3:
        *(struct vcpu_register_vcpu_info *)core_at(0) =
            (struct vcpu_register_vcpu_info){.mfn = frame(in), .offset = byte(in) % 64 * 64};
        *args = (struct hypercall_args){{byte(in) % 14, byte(in) % 3, core_va(0)}};
        return __HYPERVISOR_vcpu_op;
    case 4:
        *(struct sched_poll *)core_at(0) = (struct sched_poll){
            .ports.p = (void *)core_va(LIST), .nr_ports = byte(in) % 4, .timeout = number(in)};
        args->a[0] = byte(in) % 9;
        if (args->a[0] != SCHEDOP_poll) /* small numbers: watchdogs, seconds, reasons, CPUs */
            for (unsigned i = 0; i < 2; i++)
                word[i] = byte(in) % 8 - 1u;
        return __HYPERVISOR_sched_op;
    case 5:
        args->a[0] = byte(in) % 14;
        return __HYPERVISOR_xen_version;
    case 6:
        *args = (struct hypercall_args){{byte(in) % 3, number(in), core_va(byte(in))}};
        return byte(in) % 2 ? __HYPERVISOR_console_io : __HYPERVISOR_vm_assist;
    case 7: /* reserved fields are mostly 0, numbers small */
        for (unsigned i = 0; i < 8; i++)
            word[16 + i] = word[i] < 20 ? 0 : word[i];
        for (unsigned i = 1; i < 16; i += 2)
            word[i] = 0;
        args->a[0] = byte(in) % 10;
        return LAGAN_HYPERVISOR_pressure_op;
    case 8:
        fill_exchange(in);
        args->a[0] = XENMEM_exchange;
        return __HYPERVISOR_memory_op;
    case 9:
        args->a[0] = memory_other(in);
        return __HYPERVISOR_memory_op;
    case 10:
    case 11:
        fill_cache(in, args);
        return LAGAN_HYPERVISOR_ubc_op;
    default:
        for (unsigned i = 0; i < 6; i++)
            args->a[i] = number(in);
        return byte(in) % 64;
    }
}

/* The call itself, or that call as one of the entries of a multicall. */
static void one_call(struct input *in, struct vcpu *v)
{
    struct hypercall_args args = {{0}};
    uint64_t nr = template(in, &args);
    unsigned spoil = byte(in);

    if (spoil >= 200)
        args.a[spoil % 6] = number(in);
    if (spoil >= 230)
        core_memory[number(in) % 1024] = (uint8_t)byte(in);
    if (byte(in) % 4 == 0) {
        struct multicall_entry *entry = core_at(2048);

        for (unsigned i = 0; i < 3; i++) {
            entry[i] = (struct multicall_entry){.op = i == 1 ? nr : byte(in) % 64};
            memcpy(entry[i].args, args.a, sizeof(args.a));
        }
        args = (struct hypercall_args){{core_va(2048), byte(in) % 4}};
        nr = __HYPERVISOR_multicall;
    }
    (void)core_call(v, nr, &args);
    learn_volume();
}

static struct domain *new_domain(bool privileged)
{
    struct domain *d = core_domain(2, 200);

    d->privileged = privileged;
    for (unsigned i = 0; i < 6; i++)
        (void)core_frame(d);
    return d;
}

/* A domain that has ended is replaced, as a toolstack would. */
static void replace_dead(unsigned i)
{
    bool privileged = dom[i]->privileged;

    core_kill(dom[i]);
    dom[i] = new_domain(privileged);
}

static void step(struct input *in)
{
    unsigned who = byte(in), i = who % DOMAINS;
    struct vcpu *v = dom[i]->vcpu[who / 2 % 2];

    if (dom[i]->shutting_down || who >= 254)
        replace_dead(i);
    else if (who >= 244)
        core_pass((uint64_t)byte(in) * 100000);
    else if (!core_runs(v) && who >= 200)
        event_mark_pending(v);
    else if (core_runs(v))
        one_call(in, v);
    core_settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    core_start(PAGES);
    volume = 0;
    dom[0] = new_domain(true);
    dom[1] = new_domain(false);
    host_preempt_every(3);
    for (unsigned n = 0; in.left > 0 && n < CALLS_MAX; n++) {
        step(&in);
        host_preempt_every(0);
        core_audit();
        if (ubc_audit())
            abort();
        host_preempt_every(3);
    }
    host_preempt_every(0);
    core_kill(dom[0]);
    core_kill(dom[1]);
    ubc_stop();
    if (!core_gone())
        abort();
    return 0;
}
