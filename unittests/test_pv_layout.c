/* SPDX-License-Identifier: MIT
 *
 * The memory picture of a new domain (pv_layout.h): order, counts that suffice, refusals.
 */
#include <stdlib.h>

#include "suite.h"
#include "xen/arch/x86/pv_layout.h"

#define MIB (UINT64_C(1) << 20)

/* Tables that mapping [start, end) really touches, counted by walking it page by page. */
static uint64_t count_tables(uint64_t start, uint64_t end)
{
    uint64_t count = 0;

    for (unsigned shift = 21; shift <= 39; shift += 9) {
        uint64_t last = UINT64_MAX;

        for (uint64_t va = start; va < end; va += PAGE_SIZE)
            if (va >> shift != last) {
                last = va >> shift;
                count++;
            }
    }
    return count;
}

static void check_picture(const struct pv_layout_input *in, const struct pv_layout *l)
{
    uint64_t end = in->virt_base + (l->mapped_count << PAGE_SHIFT);
    uint64_t stack_end = in->virt_base + ((l->stack_gfn + 1) << PAGE_SHIFT);

    CU_ASSERT(in->virt_base + (l->start_info_gfn << PAGE_SHIFT) >= in->image_end);
    CU_ASSERT(l->store_gfn == l->start_info_gfn + 1 && l->console_gfn == l->store_gfn + 1);
    CU_ASSERT(l->tables_gfn == l->console_gfn + 1);
    CU_ASSERT(l->stack_gfn == l->tables_gfn + l->tables_count);
    CU_ASSERT(l->tables_count >= 1 + count_tables(in->virt_base, end));
    CU_ASSERT(l->mapped_count == in->page_count || end - stack_end >= 512 << 10);
    CU_ASSERT(l->mapped_count == in->page_count || end % (4 * MIB) == 0);
    CU_ASSERT(l->mapped_count <= in->page_count && l->used_count <= in->page_count);
    CU_ASSERT(l->p2m_count * PAGE_SIZE >= in->page_count * 8);
    if (in->init_p2m != PV_NO_ADDRESS) {
        CU_ASSERT(l->p2m_va == in->init_p2m);
        CU_ASSERT(l->p2m_tables_count ==
                  count_tables(in->init_p2m, in->init_p2m + l->p2m_count * PAGE_SIZE));
        CU_ASSERT(l->p2m_tables_gfn + l->p2m_tables_count == l->used_count);
    } else {
        CU_ASSERT(l->p2m_tables_count == 0);
        CU_ASSERT(l->p2m_gfn + l->p2m_count <= l->start_info_gfn);
    }
    if (in->initrd_bytes && in->initrd_by_frame)
        CU_ASSERT(l->initrd_gfn > l->stack_gfn);
    if (in->initrd_bytes && !in->initrd_by_frame)
        CU_ASSERT(l->initrd_gfn + l->initrd_count <= l->start_info_gfn);
}

static void linux_like(void)
{
    struct pv_layout_input in = {.virt_base = 0xffffffff80000000,
                                 .image_end = 0xffffffff84a00000,
                                 .init_p2m = 0x8000000000,
                                 .page_count = 512 * MIB / PAGE_SIZE,
                                 .initrd_bytes = 20 * MIB + 5,
                                 .initrd_by_frame = true};
    struct pv_layout l;

    CU_ASSERT_FATAL(pv_layout_compute(&in, &l) == 0);
    check_picture(&in, &l);
    CU_ASSERT(l.initrd_count == 20 * 256 + 1);
}

static void no_notes(void)
{
    struct pv_layout_input in = {.image_end = 2 * MIB,
                                 .init_p2m = PV_NO_ADDRESS,
                                 .page_count = 32 * MIB / PAGE_SIZE,
                                 .initrd_bytes = 1};
    struct pv_layout l;

    CU_ASSERT_FATAL(pv_layout_compute(&in, &l) == 0);
    check_picture(&in, &l);
    CU_ASSERT(l.p2m_va == (l.p2m_gfn << PAGE_SHIFT));
}

static void refusals(void)
{
    const struct pv_layout_input good = {
        .image_end = 2 * MIB, .init_p2m = PV_NO_ADDRESS, .page_count = 4 * MIB / PAGE_SIZE};
    struct pv_layout_input in = good;
    struct pv_layout l;

    CU_ASSERT(pv_layout_compute(&in, &l) == 0);
    in.page_count = 2 * MIB / PAGE_SIZE;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_ENOMEM);
    in = good;
    in.image_end = in.virt_base;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
    in = good;
    in.initrd_bytes = 3 * MIB;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_ENOMEM);
    in.initrd_bytes = UINT64_MAX;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
    in = good;
    in.init_p2m = 0xffff800000000000; /* the hypervisor's */
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
    in.init_p2m = 0x8000000800; /* not a page's */
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
    in.init_p2m = 4 * MIB; /* where the image's tables are */
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
    in = good;
    in.virt_base = 0x7fffffe00000;
    in.image_end = 0x7ffffff80000;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
    in.virt_base = 0xfffffffffff00000;
    in.image_end = 0xfffffffffff80000;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_EINVAL);
}

/* The exact number of pages that suffices does; one less does not. */
static void smallest(void)
{
    struct pv_layout_input in = {.virt_base = 0xffffffff80000000,
                                 .image_end = 0xffffffff80200000,
                                 .init_p2m = 0x8000000000,
                                 .page_count = 1 << 16,
                                 .initrd_bytes = 12345,
                                 .initrd_by_frame = true};
    struct pv_layout l;

    CU_ASSERT_FATAL(pv_layout_compute(&in, &l) == 0);
    do
        in.page_count = l.used_count;
    while (pv_layout_compute(&in, &l) == 0 && l.used_count < in.page_count);
    CU_ASSERT(pv_layout_compute(&in, &l) == 0);
    check_picture(&in, &l);
    in.page_count--;
    CU_ASSERT(pv_layout_compute(&in, &l) == -XEN_ENOMEM);
}

static void random_inputs(void)
{
    srandom((unsigned)test_seed);
    for (unsigned i = 0; i < 2000; i++) {
        struct pv_layout_input in = {
            .virt_base = random() & 1 ? 0xffffffff80000000 : (uint64_t)(random() & 0xff) * MIB,
            .init_p2m =
                random() & 1 ? PV_NO_ADDRESS : 0x8000000000 + (uint64_t)(random() & 0xfffff000),
            .page_count = (uint64_t)random() % (256 * MIB / PAGE_SIZE),
            .initrd_bytes = random() & 1 ? (uint64_t)random() % (64 * MIB) : 0,
            .initrd_by_frame = random() & 1,
        };
        struct pv_layout l;

        in.image_end = in.virt_base + 1 + (uint64_t)random() % (32 * MIB);
        if (pv_layout_compute(&in, &l) == 0)
            check_picture(&in, &l);
    }
}

static const struct test_case cases[] = {{"a kernel with all notes", linux_like},
                                         {"a kernel without notes", no_notes},
                                         {"refusals", refusals},
                                         {"the smallest domain", smallest},
                                         {"random inputs", random_inputs},
                                         {NULL, NULL}};

const struct suite suite_pv_layout = {"pv_layout", cases, NULL, NULL};
