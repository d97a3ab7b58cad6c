/* SPDX-License-Identifier: MIT
 *
 * Descriptor tables in their windows, on the real frame and type accounting of mm/. After each step
 * a recount (INV-DESC-1, INV-LDT-1): every guest frame has exactly the SEGDESC references that the
 * windows hold.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "pv_host.h"

#include "arch/host.h"
#include "xen/arch/x86/pv_desc.c"
#include "xen/arch/x86/pv_ldt.c"

#define GUEST_FRAMES 24
#define VCPUS        20
#define CODE_SEGMENT UINT64_C(0x00af9b000000ffff) /* 64-bit code, DPL 0 */
#define TSS_BUSY     UINT64_C(0x00008b0000000000)
#define DPL_3        (UINT64_C(3) << 45)
#define LDT_BASE     UINT64_C(0x7000000000)

static struct domain domain;
static struct vcpu vcpus[VCPUS];
static struct account other_account;
static mfn_t frames[GUEST_FRAMES], foreign;
static unsigned loaded_ldt_entries;

bool guest_range_ok(guest_ptr_t p, uint64_t bytes);

mfn_t cpu_gdt_page(unsigned cpu)
{
    return mfn(HOST_LOW_START + cpu);
}

void load_ldt(uint64_t base, unsigned entry_count)
{
    CU_ASSERT_EQUAL(base, pv_ldt_va(pv_host_vcpu));
    loaded_ldt_entries = entry_count;
}

void load_no_ldt(void)
{
    loaded_ldt_entries = 0;
}

static uint64_t *page_of(mfn_t m)
{
    return arch_map_frame(m);
}

static void setup(void)
{
    host_heap(64, 256);
    accounts_init();
    memset(&domain, 0, sizeof(domain));
    memset(vcpus, 0, sizeof(vcpus));
    domain.id = 5;
    domain.vcpu_count = VCPUS;
    CU_ASSERT_FATAL(account_init(&domain.account, 5, 100) == 0);
    CU_ASSERT_FATAL(account_init(&other_account, 6, 100) == 0);
    CU_ASSERT_FATAL(account_alloc(&other_account, 0, 0, &foreign) == 0);
    for (unsigned i = 0; i < GUEST_FRAMES; i++)
        CU_ASSERT_FATAL(account_alloc(&domain.account, 0, 0, &frames[i]) == 0);
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].id = i;
        vcpus[i].domain = &domain;
        vcpus[i].arch.l4_kernel = MFN_INVALID;
        domain.vcpu[i] = &vcpus[i];
    }
    pv_host_vcpu = &vcpus[0];
    pv_desc_init();
    CU_ASSERT_FATAL(pv_windows_init(&domain) == 0);
}

static void teardown(void)
{
    pv_windows_destroy(&domain);
    for (unsigned i = 0; i < GUEST_FRAMES; i++)
        CU_ASSERT_EQUAL(frame_refs(frame_of(frames[i])), 1);
    while (account_relinquish(&domain.account) || account_relinquish(&other_account))
        ;
    account_destroy(&domain.account);
    account_destroy(&other_account);
    page_free(zero_page, 0);
}

/* The L1 entry that the hardware would find for a page of a vCPU's window. */
static uint64_t walk(unsigned vcpu, unsigned page)
{
    uint64_t va = pv_gdt_va(&vcpus[vcpu]) + page * PAGE_SIZE;
    uint64_t e = perdomain_l4_entry(5);

    CU_ASSERT_EQUAL(va >> 39 & 511, SLOT_PERDOMAIN);
    for (unsigned level = 3; level >= 1; level--) {
        CU_ASSERT_FALSE(e & (PTE_US | PTE_G));
        if (!(e & PTE_P))
            return 0;
        e = page_of(pte_frame(e))[pte_index(va, level)];
    }
    return e;
}

/* Recounts: each window entry against the bookkeeping, and the references of every guest frame. */
static void audit(void)
{
    unsigned uses[GUEST_FRAMES] = {0};

    for (unsigned i = 0; i < VCPUS; i++) {
        const struct arch_vcpu *a = &vcpus[i].arch;

        for (unsigned page = 0; page < WINDOW_PAGES; page++) {
            uint64_t e = walk(i, page);
            bool own = e & PTE_P && !mfn_equal(pte_frame(e), arch_frame_of(zero_page)) &&
                       page != WINDOW_CPU_PAGE;
            bool expected = page < PV_GDT_FRAMES ? page < gdt_frames(a->gdt_entry_count)
                            : page >= WINDOW_LDT_FIRST
                                ? a->ldt_mapped >> (page - WINDOW_LDT_FIRST) & 1
                                : false;

            CU_ASSERT_EQUAL(own, expected);
            CU_ASSERT(page > WINDOW_CPU_PAGE || e & PTE_P); /* INV-DESC-2 */
            CU_ASSERT(!(e & PTE_P) || (e & PTE_NX && !(e & (PTE_US | PTE_G))));
            CU_ASSERT(own || page == WINDOW_CPU_PAGE || !(e & PTE_RW));
            for (unsigned f = 0; own && f < GUEST_FRAMES; f++)
                uses[f] += mfn_equal(frames[f], pte_frame(e));
        }
    }
    for (unsigned f = 0; f < GUEST_FRAMES; f++) {
        CU_ASSERT_EQUAL(frame_refs(frame_of(frames[f])), 1 + uses[f]);
        CU_ASSERT_EQUAL(type_of(frames[f]) == TYPE_SEGDESC ? type_count(frames[f]) : 0, uses[f]);
    }
}

static void test_windows(void)
{
    setup();
    CU_ASSERT_EQUAL(pv_gdt_va(&vcpus[1]) - pv_gdt_va(&vcpus[0]), 128 * 1024);
    CU_ASSERT_EQUAL(pv_ldt_va(&vcpus[1]) - pv_gdt_va(&vcpus[1]), 64 * 1024);
    CU_ASSERT_EQUAL(perdomain_l4_entry(7), 0);
    CU_ASSERT_EQUAL(perdomain_l4_entry(DOMID_SELF), 0);
    audit();
    for (unsigned i = 0; i < VCPUS; i++) {
        pv_window_set_cpu(&vcpus[i], i % 3);
        CU_ASSERT_EQUAL(pte_frame(walk(i, WINDOW_CPU_PAGE)).n, HOST_LOW_START + i % 3);
        CU_ASSERT_EQUAL(walk(i, 15), 0);
    }
    pv_window_set_cpu(&vcpus[3], 2);
    CU_ASSERT_EQUAL(pte_frame(walk(3, WINDOW_CPU_PAGE)).n, HOST_LOW_START + 2);
    audit();
    teardown();
}

static void test_windows_no_memory(void)
{
    uint64_t before;
    unsigned n;

    setup();
    pv_windows_destroy(&domain);
    before = heap_free_pages();
    for (n = 1;; n++) {
        int rc;

        host_fail_after(n);
        rc = pv_windows_init(&domain);
        host_fail_off();
        if (rc == 0)
            break;
        CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
        CU_ASSERT_EQUAL(heap_free_pages(), before);
    }
    CU_ASSERT_EQUAL(n, 5); /* four pages for 20 vCPUs */
    teardown();
}

static void test_gdt(void)
{
    struct vcpu *v;

    setup();
    v = &vcpus[17];
    page_of(frames[0])[2] = CODE_SEGMENT;
    pv_host_invlpgs = 0;
    CU_ASSERT_EQUAL(pv_set_gdt(v, frames, 16), 0);
    CU_ASSERT_EQUAL(pv_host_invlpgs, 0); /* not the current one */
    CU_ASSERT_EQUAL(pte_frame(walk(17, 0)).n, frames[0].n);
    CU_ASSERT_EQUAL(page_of(frames[0])[2], CODE_SEGMENT | DPL_3);
    audit();
    CU_ASSERT_EQUAL(type_get(frames[0], TYPE_WRITABLE), -XEN_EBUSY); /* INV-TYPE-2 */

    CU_ASSERT_EQUAL(pv_set_gdt(v, frames, FIRST_HV_GDT_ENTRY), 0); /* all 14 */
    audit();
    CU_ASSERT_EQUAL(pv_set_gdt(v, frames, FIRST_HV_GDT_ENTRY + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_set_gdt(&vcpus[0], frames + 13, 513), 0); /* one shared, one new; current */
    CU_ASSERT_EQUAL(pv_host_invlpgs, PV_GDT_FRAMES);
    audit();
    CU_ASSERT_EQUAL(pv_set_gdt(v, frames + 2, 512), 0);
    audit();
    CU_ASSERT_EQUAL(pv_set_gdt(v, NULL, 0), 0);
    audit();
    CU_ASSERT_EQUAL(type_get(frames[0], TYPE_WRITABLE), 0); /* free for other use again */
    type_put(frames[0]);
    teardown();
}

/* A frame that cannot be taken, at each place of the list: the old table stays. */
static void test_gdt_refused(void)
{
    static const char *const why[] = {"foreign", "system segment", "writable", "no frame"};
    uint64_t invlpgs;

    setup();
    CU_ASSERT_EQUAL(pv_set_gdt(&vcpus[0], frames + 20, 1024), 0);
    invlpgs = pv_host_invlpgs;
    for (unsigned bad = 0; bad < PV_GDT_FRAMES; bad++)
        for (unsigned kind = 0; kind < ARRAY_SIZE(why); kind++) {
            mfn_t list[PV_GDT_FRAMES];
            int rc;

            memcpy(list, frames, sizeof(list));
            page_of(frames[bad])[511] = kind == 1 ? TSS_BUSY : 0;
            if (kind == 0)
                list[bad] = foreign;
            if (kind == 2)
                CU_ASSERT_EQUAL(type_get(frames[bad], TYPE_WRITABLE), 0);
            if (kind == 3)
                list[bad] = mfn(UINT64_MAX >> 8);
            rc = pv_set_gdt(&vcpus[0], list, FIRST_HV_GDT_ENTRY);
            CU_ASSERT_EQUAL(rc, kind == 2 ? -XEN_EBUSY : -XEN_EINVAL);
            if (kind == 2)
                type_put(frames[bad]);
            page_of(frames[bad])[511] = 0;
            CU_ASSERT_EQUAL(vcpus[0].arch.gdt_entry_count, 1024);
            audit();
        }
    CU_ASSERT_EQUAL(pv_host_invlpgs, invlpgs);
    teardown();
}

static void test_update_descriptor(void)
{
    uint64_t at;
    struct vcpu *v;

    setup();
    v = &vcpus[0];
    at = frames[1].n << PAGE_SHIFT;
    CU_ASSERT_EQUAL(pv_set_gdt(v, &frames[1], 16), 0);
    CU_ASSERT_EQUAL(pv_update_descriptor(v, at + 8 * 12, CODE_SEGMENT), 0);
    CU_ASSERT_EQUAL(page_of(frames[1])[12], CODE_SEGMENT | DPL_3);
    CU_ASSERT_EQUAL(pv_update_descriptor(v, at + 8 * 12, TSS_BUSY), -XEN_EINVAL);
    CU_ASSERT_EQUAL(page_of(frames[1])[12], CODE_SEGMENT | DPL_3);
    CU_ASSERT_EQUAL(pv_update_descriptor(v, at + 4, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_update_descriptor(v, foreign.n << PAGE_SHIFT, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_update_descriptor(v, UINT64_MAX - 7, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_update_descriptor(v, (frames[2].n << PAGE_SHIFT) + 4088, 7), 0); /* plain */
    CU_ASSERT_EQUAL(page_of(frames[2])[511], 7);
    audit();
    teardown();
}

/* Guest tables that map LDT_BASE + n pages to frames[8 + n]: L4, L3, L2, L1 in frames[4..7]. */
static void build_tables(struct vcpu *v)
{
    uint64_t flags = PTE_P | PTE_RW | PTE_US;

    for (unsigned i = 0; i < 3; i++)
        page_of(frames[4 + i])[pte_index(LDT_BASE, 4 - i)] = frames[5 + i].n << PAGE_SHIFT | flags;
    for (unsigned i = 0; i < 16; i++)
        page_of(frames[7])[pte_index(LDT_BASE, 1) + i] = frames[8 + i].n << PAGE_SHIFT | PTE_P;
    v->arch.l4_kernel = frames[4];
}

static void test_ldt(void)
{
    struct vcpu *v;
    uint64_t va;

    setup();
    v = &vcpus[0];
    va = pv_ldt_va(v);
    build_tables(v);
    CU_ASSERT_EQUAL(pv_set_ldt(v, LDT_BASE + 8, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_set_ldt(v, LDT_BASE, 8193), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_set_ldt(v, VA_DIRECT, 8), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pv_set_ldt(v, LDT_BASE, 8192 - 511), 0);
    CU_ASSERT_EQUAL(loaded_ldt_entries, 8192 - 511);
    audit();

    CU_ASSERT_FALSE(pv_ldt_fault(v, va - 1));
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + (8192 - 511) * 8)); /* behind the limit, in the window */
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 65536));
    CU_ASSERT(pv_ldt_fault(v, va + 4096 + 24));
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 4096 + 24)); /* mapped: not the reason any more */
    CU_ASSERT_EQUAL(pte_frame(walk(0, 17)).n, frames[9].n);
    CU_ASSERT(pv_ldt_fault(v, va + 15 * 4096));
    audit();

    page_of(frames[10])[0] = TSS_BUSY;
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 2 * 4096));
    page_of(frames[7])[pte_index(LDT_BASE, 1) + 3] = foreign.n << PAGE_SHIFT | PTE_P;
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 3 * 4096));
    page_of(frames[7])[pte_index(LDT_BASE, 1) + 4] = 0;
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 4 * 4096));
    CU_ASSERT_EQUAL(type_get(frames[8 + 5], TYPE_WRITABLE), 0);
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 5 * 4096));
    type_put(frames[8 + 5]);
    page_of(frames[4])[pte_index(LDT_BASE, 4)] = 0; /* no tables at all */
    CU_ASSERT_FALSE(pv_ldt_fault(v, va + 6 * 4096));
    audit();

    pv_host_invlpgs = 0;
    pv_unmap_ldt(v);
    CU_ASSERT(pv_host_invlpgs >= 2 && v->arch.ldt_mapped == 0 &&
              v->arch.ldt_entry_count == 8192 - 511);
    audit();
    build_tables(v);
    CU_ASSERT(pv_ldt_fault(v, va));
    pv_destroy_ldt(v);
    CU_ASSERT_EQUAL(loaded_ldt_entries, 0);
    CU_ASSERT_FALSE(pv_ldt_fault(v, va));
    audit();
    CU_ASSERT_EQUAL(pv_set_ldt(v, LDT_BASE, 512), 0);
    CU_ASSERT(pv_ldt_fault(v, va));
    teardown(); /* with pages mapped: pv_windows_destroy() lets them go */
}

static const struct test_case cases[] = {
    {"windows of 20 vCPUs", test_windows},
    {"windows: each allocation fails", test_windows_no_memory},
    {"set_gdt", test_gdt},
    {"set_gdt: each refusal at each place", test_gdt_refused},
    {"update_descriptor", test_update_descriptor},
    {"LDT", test_ldt},
    {NULL, NULL},
};

const struct suite suite_pv_desc = {.name = "pv_desc", .cases = cases};
