/* SPDX-License-Identifier: MIT
 *
 * reserve: memory_op from inside: each operation, each refusal with the error that Debian's Xen
 * 4.17 answers, and what becomes of frames that are mapped, tables, not ours, or given twice.
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "reserve";

#define NO_DOMAIN 0x7000U
#define NO_FRAME  ((1UL << 40) - 3)
#define LIST_MAX  512U

static xen_pfn_t list[LIST_MAX] PAGE_ALIGNED, out[LIST_MAX] PAGE_ALIGNED;
static volatile uint64_t window[PAGE_SIZE / 8] PAGE_ALIGNED;

struct e820 {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));
static struct e820 map[128];

static bool control(void)
{
    return (kit_start_info->flags & SIF_INITDOMAIN) != 0;
}

static long reserve(unsigned op, xen_pfn_t *frames, unsigned long count, unsigned order,
                    unsigned flags)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .mem_flags = flags, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return hv_memory(op, &r);
}

static long pages_now(void)
{
    domid_t self = DOMID_SELF;

    return hv_memory(XENMEM_current_reservation, &self);
}

/* Gives a frame of ours back and makes another one the same guest frame. */
static void give_and_take(unsigned long count)
{
    long before = pages_now();

    check_begin(count > 1 ? "give-and-take-many" : "give-and-take");
    for (unsigned long i = 0; i < count; i++) {
        list[i] = spare_frame(i);
        out[i] = mfn_to_pfn(list[i]);
    }
    check_part(reserve(XENMEM_decrease_reservation, list, count, 0, 0) == (long)count, "decrease");
    check_part(pages_now() == before - (long)count, "%ld pages left of %ld", pages_now(), before);
    check_part(mfn_to_pfn(list[0]) == ~0UL, "it has a name still");
    for (unsigned long i = 0; i < count; i++) {
        list[i] = out[i];
    }
    check_part(reserve(XENMEM_populate_physmap, list, count, 0, 0) == (long)count, "populate");
    check_part(pages_now() == before, "%ld pages, not %ld", pages_now(), before);
    for (unsigned long i = 0; i < count; i++) {
        check_part(mfn_to_pfn(list[i]) == out[i], "frame %lx is page %lx", list[i], out[i]);
        ((uint64_t *)kit_start_info->mfn_list)[out[i]] = list[i];
    }
    check_end();
}

static void list_arguments(void)
{
    long before = pages_now();

    check_result("nothing", reserve(XENMEM_increase_reservation, list, 0, 0, 0), 0);
    check_result("list-bad", reserve(XENMEM_populate_physmap, (xen_pfn_t *)8, 1, 0, 0), 0);
    check_result("list-of-hypervisor",
                 reserve(XENMEM_increase_reservation, (xen_pfn_t *)0xffff830000000000, 1, 0, 0), 0);
    check_result("list-wraps", reserve(XENMEM_populate_physmap, list, 1UL << 61, 0, 0), 0);
    check_result("decrease-list-bad", reserve(XENMEM_decrease_reservation, (xen_pfn_t *)8, 1, 0, 0),
                 0);
    list[0] = 40000;
    check_result("order-64", reserve(XENMEM_populate_physmap, list, 1, 64, 0), 0);
    check_result("order-19", reserve(XENMEM_populate_physmap, list, 1, 19, 0), 0);
    check_result("order-max", reserve(XENMEM_decrease_reservation, list, 1, ~0U, 0), 0);
    check_result("on-demand",
                 reserve(XENMEM_populate_physmap, list, 1, 0, XENMEMF_populate_on_demand), 0);
    check_result("bits-12", reserve(XENMEM_populate_physmap, list, 1, 0, 12), 0);
    check_result("bits-1", reserve(XENMEM_populate_physmap, list, 1, 0, 1), 0);
    check_result("node-5", reserve(XENMEM_populate_physmap, list, 1, 0, XENMEMF_exact_node(5)), 0);
    check_result("past-the-end", reserve(XENMEM_populate_physmap | 5 << 6, list, 4, 0, 0), 5);
    check_result("struct-bad", hv_memory(XENMEM_populate_physmap, (void *)8), 0);
    check_true("all-refused", pages_now() == before, "%ld pages, not %ld", pages_now(), before);
}

/* Some memory more than we have, where our limit lets us; it goes back. */
static void more(void)
{
    domid_t self = DOMID_SELF;
    long before = pages_now(), limit = hv_memory(XENMEM_maximum_reservation, &self);

    if (limit < before + 1024) {
        list[0] = 50000;
        unsigned long room = (unsigned long)(limit - before);
        long rc;

        check_begin("more-limit");
        if (room < LIST_MAX) {
            check_part(reserve(XENMEM_increase_reservation, list, room + 1, 0, 0) == (long)room,
                       "not %lu", room);
            check_part(pages_now() == limit, "%ld pages", pages_now());
            rc = reserve(XENMEM_decrease_reservation, list, room, 0, 0);
            check_part(rc == (long)room, "%ld of %lu go back", rc, room);
        }
        check_end();
        return;
    }
    list[0] = 51200;
    check_result("more-order-9", reserve(XENMEM_populate_physmap, list, 1, 9, 0), 1);
    check_true("more-order-9-name", list[0] % 512 == 0 && mfn_to_pfn(list[0] + 511) == 51711,
               "%lx: %lx", list[0], mfn_to_pfn(list[0] + 511));
    check_result("more-order-9-back", reserve(XENMEM_decrease_reservation, list, 1, 9, 0), 1);
    check_result("more-bits-24", reserve(XENMEM_increase_reservation, list, 1, 2, 24), 1);
    check_true("more-bits-24-low", list[0] < 4096, "%lx", list[0]);
    check_result("more-bits-24-back", reserve(XENMEM_decrease_reservation, list, 1, 2, 0), 1);
    check_result("more-node-0",
                 reserve(XENMEM_increase_reservation, list, 1, 0, XENMEMF_exact_node(0)), 1);
    check_true("more-no-name", mfn_to_pfn(list[0]) == ~0UL, "%lx", mfn_to_pfn(list[0]));
    check_true("more-clean", page_map((void *)window, list[0], PTE_P) == 0 && window[9] == 0, "%lx",
               window[9]);
    (void)page_make_writable((void *)window);
    check_result("more-node-0-back", reserve(XENMEM_decrease_reservation, list, 1, 0, 0), 1);
    check_true("more-all-back", pages_now() == before, "%ld pages, not %ld", pages_now(), before);
}

static void not_ours(const char *name, uint64_t frame)
{
    long before = pages_now(), rc;

    list[0] = frame;
    rc = reserve(XENMEM_decrease_reservation, list, 1, 0, 0);
    check_true(name, rc == 0 && pages_now() == before, "%ld, %ld pages of %ld", rc, pages_now(),
               before);
}

/* What cannot be given back; and what is given back only when its last use ends. */
static void frames(void)
{
    long before = pages_now();
    uint64_t mine = spare_frame(20), pfn = mfn_to_pfn(mine);

    not_ours("give-no-frame", NO_FRAME);
    not_ours("give-last-frame", ~0UL);
    not_ours("give-device", 0xfee00);
    not_ours("give-hypervisors", 0x200);
    list[0] = list[1] = mine;
    check_result("give-twice", reserve(XENMEM_decrease_reservation, list, 2, 0, 0), 1);
    check_true("give-twice-once", pages_now() == before - 1, "%ld", pages_now());
    list[0] = pfn;
    check_result("give-twice-anew", reserve(XENMEM_populate_physmap, list, 1, 0, 0), 1);
    ((uint64_t *)kit_start_info->mfn_list)[pfn] = list[0];
    list[0] = spare_frame(21);
    list[1] = NO_FRAME;
    list[2] = spare_frame(22);
    pfn = mfn_to_pfn(list[0]);
    check_result("give-stops", reserve(XENMEM_decrease_reservation, list, 3, 0, 0), 1);
    check_true("give-stops-there", mfn_to_pfn(spare_frame(22)) != ~0UL, "the third is gone");
    list[0] = pfn;
    check_result("give-stops-anew", reserve(XENMEM_populate_physmap, list, 1, 0, 0), 1);
    ((uint64_t *)kit_start_info->mfn_list)[pfn] = list[0];
    check_true("frames-kept", pages_now() == before, "%ld pages, not %ld", pages_now(), before);
}

/* ---- exchange ---- */

static struct xen_memory_exchange last;

static long exchange(unsigned long in_count, unsigned in_order, unsigned long out_count,
                     unsigned out_order, unsigned long done)
{
    last = (struct xen_memory_exchange){
        .in = {.nr_extents = in_count, .extent_order = in_order, .domid = DOMID_SELF},
        .out = {.nr_extents = out_count, .extent_order = out_order, .domid = DOMID_SELF},
        .nr_exchanged = done};
    set_xen_guest_handle(last.in.extent_start, list);
    set_xen_guest_handle(last.out.extent_start, out);
    return hv_memory(XENMEM_exchange, &last);
}

static void check_exchange(const char *name, long rc, long want, unsigned long done)
{
    check_true(name, rc == want && last.nr_exchanged == done, "%ld and %lu, not %ld and %lu", rc,
               (unsigned long)last.nr_exchanged, want, done);
}

static void exchanges(void)
{
    long before = pages_now();
    uint64_t pfn[64];

    for (unsigned i = 0; i < 64; i++) {
        list[i] = spare_frame(100 + i);
        pfn[i] = mfn_to_pfn(list[i]);
    }
    out[0] = 60000;
    check_exchange("exchange-64-for-1", exchange(64, 0, 1, 6, 0), 0, 64);
    check_true("exchange-in-a-row", out[0] % 64 == 0 && mfn_to_pfn(out[0] + 63) == 60063,
               "%lx, %lx", out[0], mfn_to_pfn(out[0] + 63));
    check_true("exchange-gone", mfn_to_pfn(list[5]) == ~0UL, "%lx", mfn_to_pfn(list[5]));
    list[0] = out[0];
    for (unsigned i = 0; i < 64; i++) {
        out[i] = pfn[i];
    }
    check_exchange("exchange-1-for-64", exchange(1, 6, 64, 0, 0), 0, 1);
    for (unsigned i = 0; i < 64; i++) {
        ((uint64_t *)kit_start_info->mfn_list)[pfn[i]] = out[i];
    }
    list[0] = spare_frame(170);
    list[1] = NO_FRAME;
    out[0] = out[1] = mfn_to_pfn(list[0]);
    check_exchange("exchange-part", exchange(2, 0, 2, 0, 0), -XEN_EINVAL, 1);
    ((uint64_t *)kit_start_info->mfn_list)[out[1]] = out[0];
    list[0] = list[1] = spare_frame(171);
    check_exchange("exchange-twice-one", exchange(2, 0, 1, 1, 0), -XEN_EINVAL, 0);
    check_exchange("exchange-sizes", exchange(2, 0, 1, 0, 0), -XEN_EINVAL, 0);
    check_exchange("exchange-nothing", exchange(0, 0, 0, 0, 0), 0, 0);
    check_exchange("exchange-done-already", exchange(1, 0, 1, 0, 1), 0, 1);
    check_exchange("exchange-done-more", exchange(1, 0, 1, 0, 2), -XEN_EINVAL, 2);
    check_exchange("exchange-order-19", exchange(1, 19, 1, 19, 0), -XEN_EPERM, 0);
    check_exchange("exchange-order-64", exchange(1, 64, 1, 0, 0), -XEN_EPERM, 0);
    check_true("exchange-counts", pages_now() == before, "%ld pages, not %ld", pages_now(), before);
}

/* ---- maps and refusals ---- */

static void maps(void)
{
    struct xen_memory_map m = {.nr_entries = 128};
    uint64_t ram = 0;
    long rc;

    set_xen_guest_handle(m.buffer, (void *)map);
    rc = hv_memory(XENMEM_machine_memory_map, &m);
    if (!control()) {
        check_result("map-of-machine", rc, -XEN_EPERM);
        rc = hv_memory(XENMEM_memory_map, &m);
        check_true("map", rc == 0 && m.nr_entries == 1 && map[0].start == 0 && map[0].type == 1,
                   "%ld, %u", rc, m.nr_entries);
        return;
    }
    for (unsigned i = 0; rc == 0 && i < m.nr_entries; i++) {
        ram += map[i].type == 1 ? map[i].size : 0;
    }
    check_true("map-of-machine", rc == 0 && ram > 100UL << 20, "%ld, %lx of RAM", rc, ram);
    m.nr_entries = 1;
    check_result("map-of-machine-short", hv_memory(XENMEM_machine_memory_map, &m), -XEN_EINVAL);
    set_xen_guest_handle(m.buffer, (void *)0);
    check_result("map-of-machine-count", hv_memory(XENMEM_machine_memory_map, &m), 0);
    check_true("map-of-machine-counted", m.nr_entries > 2, "%u", m.nr_entries);
    check_result("map-none", hv_memory(XENMEM_memory_map, &m), -XEN_ENOSYS);
}

static void refusals(void)
{
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .gpfn = 5};
    struct xen_remove_from_physmap gone = {.domid = DOMID_SELF, .gpfn = 5};
    struct xen_pod_target pod = {.domid = DOMID_SELF};
    domid_t nobody = NO_DOMAIN, self = DOMID_SELF;

    check_result("physmap-add", hv_memory(XENMEM_add_to_physmap, &add), -XEN_EACCES);
    add.space = XENMAPSPACE_gmfn_foreign;
    check_result("physmap-add-foreign", hv_memory(XENMEM_add_to_physmap, &add), -XEN_ENOSYS);
    check_result("physmap-remove", hv_memory(XENMEM_remove_from_physmap, &gone), -XEN_EACCES);
    check_result("pod-get", hv_memory(XENMEM_get_pod_target, &pod),
                 control() ? -XEN_EINVAL : -XEN_EPERM);
    check_result("paging", hv_memory(20, &pod), -XEN_ENOSYS);
    check_result("sharing", hv_memory(22, &pod), -XEN_ENOSYS);
    check_result("unknown-8", hv_memory(8, NULL), -XEN_ENOSYS);
    check_result("unknown-40", hv_memory(40, NULL), -XEN_ENOSYS);
    check_result("counts-of-nobody", hv_memory(XENMEM_current_reservation, &nobody), -XEN_ESRCH);
    check_result("counts-bad", hv_memory(XENMEM_maximum_reservation, (void *)8), -XEN_EFAULT);
    check_result("highest-frame", hv_memory(XENMEM_maximum_gpfn, &self), 0);
    check_result("claim-of-nobody",
                 reserve(XENMEM_claim_pages, NULL, 10, 0, 0), /* names itself by DOMID_SELF */
                 control() ? -XEN_EINVAL : -XEN_EPERM);
}

void guest_main(void)
{
    long at_start = pages_now();

    give_and_take(1);
    give_and_take(LIST_MAX);
    list_arguments();
    more();
    frames();
    exchanges();
    maps();
    refusals();
    check_true("end-pages", pages_now() == at_start, "%ld pages, not %ld", pages_now(), at_start);
}
