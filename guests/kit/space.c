/* SPDX-License-Identifier: MIT
 *
 * Whole address spaces.
 */
#include "kit/space.h"
#include "kit/hypercall.h"
#include "kit/kit.h"
#include "kit/lib.h"

/* The kernel's own image and the list of frames: whoever runs on the space needs both. */
static void copy_kernel_part(uint64_t *l4)
{
    unsigned image = table_slot((void *)VIRT_BASE, 4);
    unsigned list = table_slot((void *)kit_start_info->mfn_list, 4);

    l4[image] = table_boot()[image];
    l4[list] = table_boot()[list];
}

void space_new(struct space *space, unsigned l1_count)
{
    memset(space, 0, sizeof(*space));
    space->l4 = table_new();
    space->l3 = table_new();
    space->l2 = table_new();
    copy_kernel_part(space->l4);
    space->l4[table_slot((void *)SPACE_VA, 4)] = entry_of(space->l3, TABLE_LINK);
    space->l3[0] = entry_of(space->l2, TABLE_LINK);
    space->l1_count = l1_count;
    for (unsigned i = 0; i < l1_count; i++) {
        space->l1[i] = table_new();
        space->l2[i] = entry_of(space->l1[i], TABLE_LINK);
    }
}

static void protect(uint64_t *table)
{
    long rc = page_make_readonly(table);

    if (rc != 0) {
        check_fail("kit-space-protect", "%ld", rc);
        kit_finish();
    }
}

void space_protect(struct space *space)
{
    protect(space->l4);
    protect(space->l3);
    protect(space->l2);
    for (unsigned i = 0; i < space->l1_count; i++) {
        protect(space->l1[i]);
    }
}

void space_new_pinned(struct space *space, unsigned l1_count)
{
    long rc;

    space_new(space, l1_count);
    space_protect(space);
    rc = table_pin(space->l4, 4);
    if (rc != 0) {
        check_fail("kit-space-pin", "%ld", rc);
        kit_finish();
    }
}

void space_delete(struct space *space)
{
    table_free(space->l4);
    table_free(space->l3);
    table_free(space->l2);
    for (unsigned i = 0; i < space->l1_count; i++) {
        table_free(space->l1[i]);
    }
}

long space_load(const struct space *space)
{
    const uint64_t *l4 = space != NULL ? space->l4 : table_boot();

    return table_op(MMUEXT_NEW_BASEPTR, va_to_mfn(l4));
}

/* The builder maps the image, its tables and at least half a MiB behind, rounded up to 4 MiB. */
uint64_t spare_first(void)
{
    return va_to_pfn((void *)kit_start_info->pt_base) + kit_start_info->nr_pt_frames + 1280;
}

/* The list of frames may lie in a block of its own frames, at the end of the memory. */
static uint64_t spare_end(void)
{
    uint64_t list = kit_start_info->first_p2m_pfn;

    return list > spare_first() && list < kit_start_info->nr_pages ? list
                                                                   : kit_start_info->nr_pages;
}

uint64_t spare_count(void)
{
    return spare_end() > spare_first() ? spare_end() - spare_first() : 0;
}

uint64_t spare_frame(uint64_t i)
{
    return pfn_to_mfn(spare_first() + i % spare_count());
}
