/* SPDX-License-Identifier: MIT
 *
 * Entries that are refused, with the error for each. After each the entry is what it was.
 */
#include "mmu/mmu.h"

/* Tries one value in a slot that is empty before and after. */
static void refuse(const char *name, uint64_t *slot, uint64_t value, long want)
{
    volatile uint64_t *watched = slot;
    long rc = table_set(slot, value);

    check_true(name, rc == want && *watched == 0, "result %ld, expected %ld; entry %lx", rc, want,
               *watched);
    if (*watched != 0) {
        (void)table_set(slot, 0);
    }
}

/* The same for one that holds `value` with other bits: it has to stay as it is. */
static void refuse_change(const char *name, uint64_t *slot, uint64_t value, long want)
{
    volatile uint64_t *watched = slot;
    uint64_t before = *watched;
    long rc = table_set(slot, value);

    check_true(name, rc == want && *watched == before, "result %ld, expected %ld; entry %lx, %lx",
               rc, want, *watched, before);
}

static void lowest_level(void)
{
    const struct space *s = &mmu_space;
    uint64_t *slot = space_entry(s, 20);
    uint64_t data = entry_of(&mmu_data[0], PTE_P | PTE_W);

    refuse("refused-l1-no-frame", slot, NO_FRAME * PAGE_SIZE | PTE_P, -XEN_EPERM);
    refuse("refused-l1-reserved-bit", slot, data | 1UL << 51, -XEN_EPERM);
    refuse("refused-l1-itself", slot, entry_of(s->l1[0], PTE_P | PTE_W), -XEN_EBUSY);
    refuse("refused-l1-of-l1", slot, entry_of(s->l1[1], PTE_P | PTE_W), -XEN_EBUSY);
    refuse("refused-l1-of-l2", slot, entry_of(s->l2, PTE_P | PTE_W), -XEN_EBUSY);
    refuse("refused-l1-of-l3", slot, entry_of(s->l3, PTE_P | PTE_W), -XEN_EBUSY);
    refuse("refused-l1-of-l4", slot, entry_of(s->l4, PTE_P | PTE_W), -XEN_EBUSY);
    refuse("refused-l1-of-boot-l4", slot, entry_of(table_boot(), PTE_P | PTE_W), -XEN_EBUSY);

    /* Seeing tables is allowed; making that writable afterwards is not. */
    check_result("refused-l1-view", table_set(slot, entry_of(s->l1[0], PTE_P)), 0);
    refuse_change("refused-l1-view-writable", slot, entry_of(s->l1[0], PTE_P | PTE_W), -XEN_EBUSY);
    (void)table_set(slot, 0);
}

static void upper_levels(void)
{
    const struct space *s = &mmu_space;
    uint64_t *l2 = s->l2 + 20, *l3 = s->l3 + 20, *l4 = s->l4 + 20;
    uint64_t data = entry_of(&mmu_data[0], TABLE_LINK);

    refuse("refused-l2-no-frame", l2, NO_FRAME * PAGE_SIZE | TABLE_LINK, -XEN_EINVAL);
    refuse("refused-l3-no-frame", l3, NO_FRAME * PAGE_SIZE | TABLE_LINK, -XEN_EINVAL);
    refuse("refused-l4-no-frame", l4, NO_FRAME * PAGE_SIZE | TABLE_LINK, -XEN_EINVAL);
    refuse("refused-l2-superpage", l2, TABLE_LINK | PTE_PSE, -XEN_EINVAL);
    refuse("refused-l3-superpage", l3, TABLE_LINK | PTE_PSE, -XEN_EINVAL);
    refuse("refused-l4-superpage", l4, TABLE_LINK | PTE_PSE, -XEN_EINVAL);
    refuse("refused-l2-data", l2, data, -XEN_EINVAL);
    refuse("refused-l3-data", l3, data, -XEN_EINVAL);
    refuse("refused-l4-data", l4, data, -XEN_EINVAL);
    refuse("refused-l2-of-l3", l2, entry_of(s->l3, TABLE_LINK), -XEN_EINVAL);
    refuse("refused-l2-of-l4", l2, entry_of(s->l4, TABLE_LINK), -XEN_EINVAL);
    refuse("refused-l3-of-l1", l3, entry_of(s->l1[0], TABLE_LINK), -XEN_EINVAL);
    refuse("refused-l3-of-l4", l3, entry_of(s->l4, TABLE_LINK), -XEN_EINVAL);
    refuse("refused-l4-of-l1", l4, entry_of(s->l1[0], TABLE_LINK), -XEN_EINVAL);
    refuse("refused-l4-of-l2", l4, entry_of(s->l2, TABLE_LINK), -XEN_EINVAL);
    refuse("refused-l2-reserved-bit", l2, entry_of(s->l1[0], TABLE_LINK) | 1UL << 51, -XEN_EINVAL);
    refuse("refused-l2-global", l2, entry_of(s->l1[0], TABLE_LINK | PTE_G), -XEN_EINVAL);
    refuse("refused-l4-global", l4, entry_of(s->l3, TABLE_LINK | PTE_G), -XEN_EINVAL);
}

/* Only flags change, so a shortcut could let them pass. */
static void flags_only(void)
{
    const struct space *s = &mmu_space;

    refuse_change("refused-l2-becomes-superpage", s->l2, s->l2[0] | PTE_PSE, -XEN_EINVAL);
    refuse_change("refused-l3-becomes-superpage", s->l3, s->l3[0] | PTE_PSE, -XEN_EINVAL);
    refuse_change("refused-l2-becomes-global", s->l2, s->l2[0] | PTE_G, -XEN_EINVAL);
    refuse_change("refused-l2-becomes-reserved", s->l2, s->l2[0] | 1UL << 51, -XEN_EINVAL);
    refuse_change("refused-l4-becomes-superpage", s->l4 + 2, s->l4[2] | PTE_PSE, -XEN_EINVAL);
}

static void slots_of_the_hypervisor(void)
{
    uint64_t *table = mmu_space.l4;
    long rc = 0;

    check_begin("refused-hypervisor-slots");
    for (unsigned slot = 256; slot < 272; slot++) {
        uint64_t before = table[slot];

        rc = table_set(&table[slot], entry_of(mmu_space.l3, TABLE_LINK));
        check_part(rc == -XEN_EINVAL, "%u: %ld", slot, rc);
        rc = table_set(&table[slot], 0);
        check_part(rc == -XEN_EINVAL, "%u cleared: %ld", slot, rc);
        check_part(table[slot] == before, "%u has changed", slot);
    }
    check_end();
    check_result("refused-slot-272-is-free",
                 table_set(&table[272], entry_of(mmu_space.l3, TABLE_LINK)), 0);
    check_result("refused-slot-255-is-free",
                 table_set(&table[255], entry_of(mmu_space.l3, TABLE_LINK)), 0);
    (void)table_set(&table[272], 0);
    (void)table_set(&table[255], 0);
}

static void descriptors(void)
{
    struct data_page *gdt = &mmu_data[2];
    unsigned long frame = va_to_mfn(gdt);
    uint64_t *slot = space_entry(&mmu_space, 21), word = gdt->word[0];

    gdt->word[0] = 0;
    check_result("refused-gdt-writable", hv_set_gdt(&frame, 512), -XEN_EINVAL);
    (void)page_make_readonly(gdt);
    check_result("refused-gdt", hv_set_gdt(&frame, 512), 0);
    refuse("refused-l1-of-gdt", slot, entry_of(gdt, PTE_P | PTE_W), -XEN_EBUSY);
    check_result("refused-gdt-made-writable", page_make_writable(gdt), -XEN_EBUSY);
    refuse("refused-gdt-as-table", mmu_space.l2 + 21, entry_of(gdt, TABLE_LINK), -XEN_EINVAL);
    check_result("refused-gdt-by-mmu-update", table_set((uint64_t *)gdt + 8, 0), -XEN_EINVAL);
    check_result("refused-gdt-view", table_set(slot, entry_of(gdt, PTE_P)), 0);
    (void)table_set(slot, 0);
    check_result("refused-gdt-gone", hv_set_gdt(NULL, 0), 0);
    check_result("refused-gdt-writable-again", page_make_writable(gdt), 0);
    gdt->word[0] = word;
}

/* The frames of the hypervisor's own table of frames, where it tells them. */
static void frames_of_m2p(void)
{
    xen_pfn_t first = 0;
    struct xen_machphys_mfn_list list = {.max_extents = 1};
    uint64_t *slot = space_entry(&mmu_space, 22);
    volatile uint64_t *watched = slot;
    long rc;

    set_xen_guest_handle(list.extent_start, &first);
    if (hv_memory(XENMEM_machphys_mfn_list, &list) != 0 || list.nr_extents == 0) {
        check_skip("refused-l1-of-m2p", "the frames of the M2P are not told");
        return;
    }
    /* Whether it is somebody else's frame or one in another use is for the hypervisor to say. */
    rc = table_set(slot, first * PAGE_SIZE | PTE_P | PTE_W);
    check_true("refused-l1-of-m2p", (rc == -XEN_EBUSY || rc == -XEN_EINVAL) && *watched == 0,
               "result %ld; entry %lx", rc, *watched);
    refuse("refused-l2-of-m2p", mmu_space.l2 + 22, first * PAGE_SIZE | TABLE_LINK, -XEN_EINVAL);
}

void mmu_refused_tests(void)
{
    lowest_level();
    upper_levels();
    flags_only();
    slots_of_the_hypervisor();
    descriptors();
    frames_of_m2p();
}
