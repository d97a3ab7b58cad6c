/* SPDX-License-Identifier: MIT
 *
 * The worst table to take apart: each entry of an L1 is the last use of a frame that the domain has given
 * back while it was mapped. Unpinning it frees 512 frames.
 */
#include "kit/lib.h"
#include "mmubench/mmubench.h"

static xen_pfn_t frames[TABLE_SLOTS];
static uint64_t *table;

static long reserve(unsigned command)
{
    struct xen_memory_reservation reservation = {.nr_extents = TABLE_SLOTS, .domid = DOMID_SELF};

    set_xen_guest_handle(reservation.extent_start, frames);
    return hv_memory(command, &reservation) == TABLE_SLOTS ? 0 : -1;
}

/* Frames for the pages that have none; afterwards frames[] has their numbers. */
static long take_frames(uint64_t first_pfn)
{
    long rc;

    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        frames[i] = first_pfn + i;
    }
    rc = reserve(XENMEM_populate_physmap);
    for (unsigned i = 0; rc == 0 && i < TABLE_SLOTS; i++) {
        ((uint64_t *)kit_start_info->mfn_list)[first_pfn + i] = frames[i];
    }
    return rc;
}

/* Pinned, with every frame given back. */
static long fill(void)
{
    long rc = page_make_writable(table);

    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        table[i] = frames[i] * PAGE_SIZE | TABLE_PAGE;
    }
    rc = rc != 0 ? rc : page_make_readonly(table);
    rc = rc != 0 ? rc : table_pin(table, 1);
    return rc != 0 ? rc : reserve(XENMEM_decrease_reservation);
}

static long unpin(void)
{
    return table_unpin(table);
}

static uint64_t first_pfn;

static long renew(void)
{
    long rc = take_frames(first_pfn);

    return rc != 0 ? rc : fill();
}

void last_use_measure(void)
{
    table = table_new();
    first_pfn = mfn_to_pfn(spare_frame(0));
    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        frames[i] = spare_frame(i);
    }
    check_result("last-use", fill(), 0);
    hold_measure("unpin-last-use-hold", unpin, "pin-give-back-hold", renew);
    check_result("last-use-end", unpin() | take_frames(first_pfn), 0);
    table_free(table);
}
