/* SPDX-License-Identifier: MIT
 *
 * The memory picture of a new PV domain (pv_layout.h). The number of page tables depends on how
 * much is mapped, and what is mapped includes the tables: the count is raised until it suffices.
 */
#include "xen/arch/x86/pv_layout.h"

#define SLACK_BYTES (UINT64_C(512) << 10)
#define ALIGN_BYTES (UINT64_C(4) << 20)
#define L1_SHIFT    21 /* one L1 table maps 2 MiB */
#define L2_SHIFT    30
#define L3_SHIFT    39
#define HV_START    UINT64_C(0xffff800000000000)
#define HV_END      UINT64_C(0xffff880000000000)

static uint64_t pages_of(uint64_t bytes)
{
    return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* Tables of one level that the range [start, end) needs, start < end. */
static uint64_t tables_of_level(uint64_t start, uint64_t end, unsigned shift)
{
    return ((end - 1) >> shift) - (start >> shift) + 1;
}

/* L1, L2 and L3 tables for [start, end). */
static uint64_t lower_tables(uint64_t start, uint64_t end)
{
    return tables_of_level(start, end, L1_SHIFT) + tables_of_level(start, end, L2_SHIFT) +
           tables_of_level(start, end, L3_SHIFT);
}

static bool range_is_guests(uint64_t start, uint64_t end)
{
    if (end <= start)
        return false;
    if (end <= UINT64_C(0x800000000000))
        return true;
    return start >= HV_END;
}

/* Lays out everything behind the image for a given number of tables; returns the end of what is
 * mapped. */
static uint64_t place_mapped(const struct pv_layout_input *in, struct pv_layout *out)
{
    uint64_t gfn_next = pages_of(in->image_end - in->virt_base);
    uint64_t end;

    out->initrd_count = pages_of(in->initrd_bytes);
    if (!in->initrd_by_frame) {
        out->initrd_gfn = gfn_next;
        gfn_next += out->initrd_count;
    }
    out->p2m_count = pages_of(in->page_count * sizeof(uint64_t));
    if (in->init_p2m == PV_NO_ADDRESS) {
        out->p2m_gfn = gfn_next;
        out->p2m_va = in->virt_base + (gfn_next << PAGE_SHIFT);
        gfn_next += out->p2m_count;
    }
    out->start_info_gfn = gfn_next++;
    out->store_gfn = gfn_next++;
    out->console_gfn = gfn_next++;
    out->tables_gfn = gfn_next;
    gfn_next += out->tables_count;
    out->stack_gfn = gfn_next++;
    end = in->virt_base + (gfn_next << PAGE_SHIFT) + SLACK_BYTES;
    out->used_count = gfn_next;
    return (end + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1);
}

/* What is not mapped from virt_base on: the initrd by frame number, the p2m list at its own
 * address. */
static void place_unmapped(const struct pv_layout_input *in, struct pv_layout *out)
{
    if (in->initrd_by_frame) {
        out->initrd_gfn = out->used_count;
        out->used_count += out->initrd_count;
    }
    if (in->init_p2m != PV_NO_ADDRESS) {
        uint64_t end = in->init_p2m + (out->p2m_count << PAGE_SHIFT);

        out->p2m_gfn = out->used_count;
        out->p2m_va = in->init_p2m;
        out->p2m_tables_gfn = out->p2m_gfn + out->p2m_count;
        out->p2m_tables_count = lower_tables(in->init_p2m, end);
        out->used_count += out->p2m_count + out->p2m_tables_count;
    }
}

int pv_layout_compute(const struct pv_layout_input *in, struct pv_layout *out)
{
    uint64_t need, end;

    *out = (struct pv_layout){.tables_count = 1};
    if (in->image_end <= in->virt_base || in->page_count > UINT64_C(1) << 32 ||
        in->initrd_bytes > UINT64_C(1) << 44)
        return -XEN_EINVAL;
    for (;;) {
        end = place_mapped(in, out);
        if (!range_is_guests(in->virt_base, end))
            return -XEN_EINVAL;
        need = 1 + lower_tables(in->virt_base, end);
        if (need <= out->tables_count)
            break;
        out->tables_count = need;
    }
    place_unmapped(in, out);
    if (in->init_p2m != PV_NO_ADDRESS &&
        (in->init_p2m & (PAGE_SIZE - 1) ||
         !range_is_guests(in->init_p2m, in->init_p2m + (out->p2m_count << PAGE_SHIFT)) ||
         in->init_p2m >> L3_SHIFT == in->virt_base >> L3_SHIFT))
        return -XEN_EINVAL;
    if (out->used_count > in->page_count)
        return -XEN_ENOMEM;
    out->mapped_count = min_u64((end - in->virt_base) >> PAGE_SHIFT, in->page_count);
    return 0;
}
