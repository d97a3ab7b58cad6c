/* SPDX-License-Identifier: MIT
 *
 * What becomes of a frame when its use changes: by unlinking, by giving it back to the host, by
 * exchanging it.
 */
#include "mmu/mmu.h"

/* A kernel frees a page table and writes to the page in the next breath. */
static void within_one_multicall(void)
{
    struct mmu_update unlink = {.ptr = entry_address(mmu_space.l2 + 30)};
    uint64_t *table = table_new();
    struct mmuext_op unpin = {.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = va_to_mfn(table)};
    struct multicall_entry calls[3] = {
        {.op = __HYPERVISOR_mmuext_op, .args = {(unsigned long)&unpin, 1, 0, DOMID_SELF}},
        {.op = __HYPERVISOR_mmu_update, .args = {(unsigned long)&unlink, 1, 0, DOMID_SELF}},
        {.op = __HYPERVISOR_update_va_mapping,
         .args = {(unsigned long)table, entry_of(table, TABLE_PAGE), UVMF_INVLPG | UVMF_ALL}},
    };

    check_begin("types-one-multicall");
    check_part(page_make_readonly(table) == 0, "protect");
    check_part(table_pin(table, 1) == 0, "pin");
    check_part(table_set(mmu_space.l2 + 30, entry_of(table, TABLE_LINK)) == 0, "link");
    check_part(hv_multicall(calls, 3) == 0, "multicall");
    check_part(calls[0].result == 0 && calls[1].result == 0 && calls[2].result == 0,
               "results %ld %ld %ld", calls[0].result, calls[1].result, calls[2].result);
    *(volatile uint64_t *)table = 0;
    check_end();
    table_free(table);
}

/* A frame mapped many times cannot become a table until the last writable mapping is gone. */
static void every_mapping_counts(void)
{
    uint64_t *table = table_new();
    long rc;

    check_begin("types-every-mapping-counts");
    for (unsigned i = 40; i < 43; i++) {
        check_part(table_set(space_entry(&mmu_space, i), entry_of(table, TABLE_PAGE)) == 0, "map");
    }
    (void)page_make_readonly(table);
    for (unsigned i = 40; i < 43; i++) {
        rc = table_pin(table, 1);
        check_part(rc == -XEN_EINVAL, "pin with %u mappings: %ld", 43 - i, rc);
        /* Two ways to lose a right: read-only, or not there. */
        check_part(
            table_set(space_entry(&mmu_space, i), i % 2 ? 0 : entry_of(table, PTE_P | PTE_U)) == 0,
            "unmap");
    }
    check_part(table_pin(table, 1) == 0, "pin at last");
    check_part(table_set(space_entry(&mmu_space, 40), entry_of(table, TABLE_PAGE)) < 0, "writable");
    check_part(table_unpin(table) == 0, "unpin");
    check_end();
    (void)table_set(space_entry(&mmu_space, 40), 0);
    (void)table_set(space_entry(&mmu_space, 42), 0);
    table_free(table);
}

/* A table becomes one of another level only through being nothing. */
static void change_of_level(void)
{
    uint64_t *table = table_new();

    check_begin("types-change-of-level");
    (void)page_make_readonly(table);
    for (unsigned level = 1; level <= 4; level++) {
        unsigned next = level % 4 + 1;

        check_part(table_pin(table, level) == 0, "L%u", level);
        check_part(table_pin(table, next) == -XEN_EINVAL, "L%u as L%u: %ld", level, next,
                   table_pin(table, next));
        check_part(table_unpin(table) == 0, "L%u: unpin", level);
    }
    check_end();
    table_free(table);
}

static long reserve(unsigned command, xen_pfn_t *frame)
{
    struct xen_memory_reservation reservation = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(reservation.extent_start, frame);
    return hv_memory(command, &reservation);
}

static struct data_page window PAGE_ALIGNED;

/* Given back, a frame is ours no more, and a new one is. */
static void give_back(void)
{
    uint64_t mine = spare_frame(3), pfn = mfn_to_pfn(mine);
    xen_pfn_t frame = mine;
    long rc;

    check_begin("types-give-back");
    rc = reserve(XENMEM_decrease_reservation, &frame);
    check_part(rc == 1, "give back: %ld", rc);
    frame = mine;
    rc = reserve(XENMEM_decrease_reservation, &frame);
    check_part(rc == 0, "give back twice: %ld", rc);
    rc = page_map(&window, mine, PTE_P | PTE_W);
    check_part(first_domain() || rc == -XEN_EINVAL, "mapping what is not ours: %ld", rc);
    frame = pfn;
    rc = reserve(XENMEM_populate_physmap, &frame);
    check_part(rc == 1, "a new one: %ld", rc);
    check_part(mfn_to_pfn(frame) == pfn, "its number: %lx, not %lx", mfn_to_pfn(frame), pfn);
    ((uint64_t *)kit_start_info->mfn_list)[pfn] = frame;
    rc = page_map(&window, frame, PTE_P | PTE_W);
    check_part(rc == 0, "mapping the new one: %ld", rc);
    check_part(rc == 0 && window.word[7] == 0, "not scrubbed: %lx", window.word[7]);
    (void)page_make_writable(&window);
    check_end();
}

/* Given back while it is mapped: the mapping stays good until it is taken away. */
static void give_back_mapped(void)
{
    uint64_t mine = spare_frame(5), pfn = mfn_to_pfn(mine);
    xen_pfn_t frame = mine;
    long rc;

    check_begin("types-give-back-mapped");
    check_part(page_map(&window, mine, PTE_P | PTE_W) == 0, "mapping");
    window.word[0] = 4711;
    rc = reserve(XENMEM_decrease_reservation, &frame);
    check_part(rc == 1, "give back: %ld", rc);
    check_part(window.word[0] == 4711, "gone at once");
    window.word[0]++;
    (void)page_make_writable(&window);
    frame = pfn;
    rc = reserve(XENMEM_populate_physmap, &frame);
    check_part(rc == 1, "a new one: %ld", rc);
    ((uint64_t *)kit_start_info->mfn_list)[pfn] = frame;
    check_end();
}

static long exchange(struct xen_memory_exchange *e, xen_pfn_t *in, xen_pfn_t *out)
{
    e->in.nr_extents = e->out.nr_extents = 1;
    e->in.domid = e->out.domid = DOMID_SELF;
    set_xen_guest_handle(e->in.extent_start, in);
    set_xen_guest_handle(e->out.extent_start, out);
    e->nr_exchanged = 0;
    return hv_memory(XENMEM_exchange, e);
}

static void exchanges(void)
{
    struct xen_memory_exchange e = {.nr_exchanged = 0};
    uint64_t pfn = mfn_to_pfn(spare_frame(7));
    xen_pfn_t in = spare_frame(7), out = pfn;
    long rc = exchange(&e, &in, &out);

    if (rc == -XEN_ENOSYS) {
        check_skip("types-exchange", "there is no XENMEM_exchange");
        return;
    }
    check_begin("types-exchange");
    check_part(rc == 0 && e.nr_exchanged == 1, "%ld, %lu", rc, (uint64_t)e.nr_exchanged);
    check_part(mfn_to_pfn(out) == pfn, "frame %lx is page %lx", out, mfn_to_pfn(out));
    ((uint64_t *)kit_start_info->mfn_list)[pfn] = out;
    check_part(page_map(&window, out, PTE_P | PTE_W) == 0, "the new frame cannot be mapped");
    check_end();

    in = out;
    rc = exchange(&e, &in, &out); /* it is mapped */
    check_true("types-exchange-mapped", rc == -XEN_EINVAL && e.nr_exchanged == 0, "%ld, %lu", rc,
               (uint64_t)e.nr_exchanged);
    (void)page_make_writable(&window);

    in = NO_FRAME;
    rc = exchange(&e, &in, &out);
    check_true("types-exchange-no-frame", rc == -XEN_EINVAL && e.nr_exchanged == 0, "%ld, %lu", rc,
               (uint64_t)e.nr_exchanged);
    in = va_to_mfn(mmu_space.l1[0]);
    rc = exchange(&e, &in, &out);
    check_true("types-exchange-table", rc == -XEN_EINVAL && e.nr_exchanged == 0, "%ld, %lu", rc,
               (uint64_t)e.nr_exchanged);
}

void mmu_type_tests(void)
{
    within_one_multicall();
    every_mapping_counts();
    change_of_level();
    give_back();
    give_back_mapped();
    exchanges();
}
