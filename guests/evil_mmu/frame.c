/* SPDX-License-Identifier: MIT
 *
 * Frames that are something else already: descriptor pages, pinned tables that are given back to the
 * host, areas that the hypervisor writes, frames of others.
 */
#include "evil_mmu/evil_mmu.h"
#include "kit/grant.h"
#include "kit/lib.h"

/* A new frame for a page of ours whose frame has been given back. */
static void replace(const void *va)
{
    uint64_t pfn = va_to_pfn(va);
    uint64_t frame = 0;

    check_part(page_unmap((void *)va) == 0, "not unmapped"); /* which frees the old one */
    check_part(reserve_one(XENMEM_populate_physmap, pfn, &frame) == 1, "no new frame");
    ((uint64_t *)kit_start_info->mfn_list)[pfn] = frame;
    check_part(page_make_writable((void *)va) == 0, "the new frame cannot be mapped");
}

/* ---- descriptors ---- */

static uint64_t gdt[TABLE_SLOTS] PAGE_ALIGNED;

static void descriptor_page(void)
{
    unsigned long frame = va_to_mfn(gdt);
    uint64_t kernel_code = 0x00cf9a000000ffffUL; /* privilege 0 */
    struct space s;

    filled_space(&s, 1);
    check_part(table_pin(s.l4, 4) == 0 && space_load(&s) == 0, "load");
    (void)page_make_readonly(gdt);
    check_part(hv_set_gdt(&frame, 512) == 0, "GDT");
    check_part(page_make_writable(gdt) < 0, "writable in place");
    check_part(table_set(space_entry(&s, 9), entry_of(gdt, TABLE_PAGE)) < 0, "writable elsewhere");
    check_part(table_set(space_entry(&s, 9), entry_of(gdt, PTE_P)) == 0, "readable elsewhere");
    check_part(table_set(space_entry(&s, 9), entry_of(gdt, PTE_P | PTE_W)) < 0, "made writable");
    check_part(faults_on_write((uint64_t)space_va(9)), "written");
    check_part(table_set(gdt, kernel_code) < 0, "written by mmu_update");
    check_part(table_op(MMUEXT_CLEAR_PAGE, frame) < 0, "cleared");
    (void)hv_update_descriptor(frame * PAGE_SIZE + 64, kernel_code);
    check_part((*(volatile uint64_t *)&gdt[8] & 3UL << 45) == 3UL << 45 || gdt[8] == 0,
               "a descriptor of privilege 0: %lx", gdt[8]);
    for (unsigned level = 1; level <= 4; level++) {
        check_part(table_pin(gdt, level) < 0, "pinned as L%u", level);
    }
    check_part(hv_set_gdt(NULL, 0) == 0, "no GDT");
    check_part(table_set(space_entry(&s, 9), entry_of(gdt, TABLE_PAGE)) == 0, "not released");
    check_part(hv_set_gdt(&frame, 512) < 0, "a GDT that is mapped writable");
    check_part(space_load(NULL) == 0 && table_unpin(s.l4) == 0, "end");
    give_back_space(&s);
    (void)page_make_writable(gdt);
    memset(gdt, 0, sizeof(gdt));
}

/* ---- given back in use ---- */

static uint64_t doomed[TABLE_SLOTS] PAGE_ALIGNED;

static void give_back_pinned(void)
{
    for (unsigned level = 1; level <= 4; level++) {
        uint64_t frame = va_to_mfn(doomed);
        long rc;

        (void)page_make_readonly(doomed);
        check_part(table_pin(doomed, level) == 0, "pin");
        rc = reserve_one(XENMEM_decrease_reservation, frame, NULL);
        if (page_make_writable(doomed) == 0) {
            /* It was unpinned by the way; then it must not be pinned any more. */
            check_part(table_unpin(doomed) < 0, "L%u: pinned and writable", level);
        } else {
            check_part(table_unpin(doomed) == 0, "L%u: unpin", level);
        }
        check_part(rc == 1 || reserve_one(XENMEM_decrease_reservation, frame, NULL) == 1,
                   "L%u: not given back", level);
        replace(doomed);
    }
}

static void give_back_loaded(void)
{
    static uint64_t l4[TABLE_SLOTS] PAGE_ALIGNED;
    struct space s;
    uint64_t frame = va_to_mfn(l4);
    long rc;

    space_new(&s, 1);
    memcpy(l4, s.l4, PAGE_SIZE);
    space_protect(&s);
    (void)page_make_readonly(l4);
    check_part(table_op(MMUEXT_NEW_BASEPTR, frame) == 0, "load");
    rc = reserve_one(XENMEM_decrease_reservation, frame, NULL);
    check_part(page_make_writable(l4) < 0, "loaded, given back and writable");
    check_part(hv_version(XENVER_version, NULL) > 0, "nothing works");
    check_part(space_load(NULL) == 0, "back");
    check_part(rc == 1 || reserve_one(XENMEM_decrease_reservation, frame, NULL) == 1, "%ld", rc);
    replace(l4);
    give_back_space(&s);
}

static void unpin_loaded(void)
{
    struct space s;

    filled_space(&s, 2);
    check_part(table_pin(s.l4, 4) == 0 && space_load(&s) == 0, "load");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(s.l4)) == 0, "load for user mode");
    check_part(table_unpin(s.l4) == 0, "unpin");
    check_part(page_make_writable(s.l4) < 0, "L4 writable");
    check_part(page_make_writable(s.l1[1]) < 0, "L1 writable");
    check_part(table_pin(s.l4, 3) < 0, "pinned as L3");
    check_part(space_load(NULL) == 0, "back");
    check_part(page_make_writable(s.l4) < 0, "L4 writable, user mode has it");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, 0) == 0, "none for user mode");
    give_back_space(&s);
}

/* ---- what the hypervisor writes ---- */

static void shared_areas(void)
{
    static uint64_t page[TABLE_SLOTS] PAGE_ALIGNED;
    uint64_t info = kit_start_info->shared_info / PAGE_SIZE;
    struct vcpu_register_vcpu_info area = {.mfn = va_to_mfn(page)};

    for (unsigned i = 0; i < 4; i++) {
        check_part(table_op(MMUEXT_PIN_L1_TABLE + i, info) < 0, "shared_info as L%u", i + 1);
    }
    check_part(table_op(MMUEXT_NEW_BASEPTR, info) < 0, "shared_info loaded");
    if (cpu_count() < 2 || hv_vcpu(VCPUOP_register_vcpu_info, 1, &area) != 0) {
        return;
    }
    (void)page_make_readonly(page);
    for (unsigned level = 1; level <= 4; level++) {
        check_part(table_pin(page, level) < 0, "vcpu_info as L%u", level);
    }
    (void)page_make_writable(page);
}

/* ---- others' frames ---- */

#define LENT_MAX 16U
#define NEAR     64U

/* The hypervisor's frames that we may map, and so write: shared_info and our grant table. They are ours
 * to clear and to copy to; what else they must not be used for, shared_areas() tries. */
static xen_pfn_t lent[1 + LENT_MAX];
static unsigned lent_count;

static void learn_lent(void)
{
    struct gnttab_query_size size = {.dom = DOMID_SELF};
    struct gnttab_setup_table setup = {.dom = DOMID_SELF};

    lent[0] = kit_start_info->shared_info / PAGE_SIZE;
    lent_count = 1;
    if (hv_grant(GNTTABOP_query_size, &size, 1) != 0 || size.status != GNTST_okay) {
        return;
    }
    check_part(size.nr_frames <= LENT_MAX, "%u frames of a grant table", size.nr_frames);
    setup.nr_frames = size.nr_frames < LENT_MAX ? size.nr_frames : LENT_MAX;
    set_xen_guest_handle(setup.frame_list, lent + 1);
    check_part(hv_grant(GNTTABOP_setup_table, &setup, 1) == 0 && setup.status == GNTST_okay,
               "grant table: %d", setup.status);
    lent_count += setup.nr_frames;
}

static bool ours(uint64_t mfn)
{
    uint64_t pfn = mfn_to_pfn(mfn);

    for (unsigned i = 0; i < lent_count; i++) {
        if (lent[i] == mfn) {
            return true;
        }
    }
    return pfn < kit_start_info->nr_pages && pfn_to_mfn(pfn) == mfn;
}

/* Where the hypervisor has what it uses for us. */
static bool near_lent(uint64_t mfn)
{
    for (unsigned i = 0; i < lent_count; i++) {
        if (mfn + NEAR >= lent[i] && mfn <= lent[i] + NEAR) {
            return true;
        }
    }
    return false;
}

static void use_frame(const struct space *s, uint64_t mfn)
{
    unsigned long gdt_frame = mfn;
    struct mmuext_op copy = {.cmd = MMUEXT_COPY_PAGE, .arg1.mfn = va_to_mfn(doomed)};

    copy.arg2.src_mfn = mfn;
    for (unsigned i = 0; i < 4; i++) {
        check_part(table_op(MMUEXT_PIN_L1_TABLE + i, mfn) < 0, "%lx pinned", mfn);
    }
    check_part(table_op(MMUEXT_UNPIN_TABLE, mfn) < 0, "%lx unpinned", mfn);
    check_part(table_op(MMUEXT_NEW_BASEPTR, mfn) < 0, "%lx loaded", mfn);
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, mfn) < 0, "%lx loaded for user mode", mfn);
    check_part(table_op(MMUEXT_CLEAR_PAGE, mfn) < 0, "%lx cleared", mfn);
    check_part(hv_mmuext(&copy, 1) < 0, "%lx copied", mfn);
    check_part(hv_set_gdt(&gdt_frame, 512) < 0, "%lx as GDT", mfn);
    check_part(table_update(mfn * PAGE_SIZE, 0) < 0, "%lx written", mfn);
    check_part(table_update(mfn * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 0) < 0, "%lx renamed", mfn);
    check_part(hv_update_descriptor(mfn * PAGE_SIZE, 0) < 0, "%lx as descriptors", mfn);
    check_part(table_set(&s->l2[9], mfn * PAGE_SIZE | TABLE_LINK) < 0, "%lx as L1", mfn);
    check_part(table_set(&s->l3[9], mfn * PAGE_SIZE | TABLE_LINK) < 0, "%lx as L2", mfn);
    check_part(table_set(&s->l4[9], mfn * PAGE_SIZE | TABLE_LINK) < 0, "%lx as L3", mfn);
    check_part(table_set(space_entry(s, 9), mfn * PAGE_SIZE | PTE_P | PTE_W) < 0, "%lx mapped",
               mfn);
    check_part(reserve_one(XENMEM_decrease_reservation, mfn, NULL) < 1, "%lx given back", mfn);
}

/* From 1 MiB to the end of RAM below 2 GiB: no I/O is there that a first domain could have. Each 61st, and
 * all beside those that are lent to us. */
static void frames_of_others(void)
{
    long end = hv_memory(XENMEM_maximum_ram_page, NULL);
    struct space s;
    unsigned tried = 0;

    check_part(end > 0, "maximum_ram_page: %ld", end);
    learn_lent();
    space_new_pinned(&s, 1);
    for (uint64_t mfn = 0x100; mfn < (uint64_t)end && mfn < 0x80000; mfn++) {
        if ((mfn % 61 == 0 || near_lent(mfn)) && !ours(mfn)) {
            use_frame(&s, mfn);
            tried++;
        }
    }
    kit_printf("%u frames of others\n", tried);
    check_part(table_unpin(s.l4) == 0, "unpin");
    give_back_space(&s);
}

/* ---- deadly: what a kernel cannot run without ---- */

static void base_without_kernel(void)
{
    uint64_t *l4 = table_new();

    (void)page_make_readonly(l4);
    (void)table_op(MMUEXT_NEW_BASEPTR, va_to_mfn(l4));
}

static void unlink_own_kernel(void)
{
    unsigned slot = table_slot((void *)VIRT_BASE, 4);
    struct space s;

    space_new_pinned(&s, 1);
    (void)space_load(&s);
    (void)table_set(&s.l4[slot], 0);
    (void)table_op(MMUEXT_TLB_FLUSH_LOCAL, 0);
}

const struct attack evil_mmu_frames[] = {
    {"frame-descriptor-page", descriptor_page, false},
    {"frame-give-back-pinned", give_back_pinned, false},
    {"frame-give-back-loaded", give_back_loaded, false},
    {"frame-unpin-loaded", unpin_loaded, false},
    {"frame-shared-areas", shared_areas, false},
    {"frame-of-others", frames_of_others, false},
    {"base-without-kernel", base_without_kernel, true},
    {"unlink-own-kernel", unlink_own_kernel, true},
    {NULL, NULL, false},
};
