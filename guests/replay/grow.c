/* SPDX-License-Identifier: MIT
 *
 * The pages of the lru above `pages` are mapped nowhere, have no entry in the list of frames, and belong to nobody.
 *
 * Half of the cache counts as in use, as Linux's active lists would: so it does not ask for more because
 * of what it has. That it would make use of more only its evicted pages say, through the hypervisor's cache.
 */
#include "replay/grow.h"

#include "kit/balloon.h"
#include "kit/kit.h"
#include "replay/lru.h"

#define ENTRY_FLAGS (PTE_P | PTE_W | PTE_A | PTE_D | PTE_U)
#define BATCH       256U
#define NO_FRAME    (~0UL)

static struct {
    unsigned pages, most;
} grow;

static uint64_t *frame_entry(unsigned slot)
{
    return (uint64_t *)kit_start_info->mfn_list + va_to_pfn(lru_page(slot));
}

static long reservation(unsigned op, uint64_t *list, uint64_t count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return hv_memory(op, &r);
}

static bool give(unsigned first, unsigned count)
{
    uint64_t list[BATCH];

    for (unsigned i = 0; i < count; i++) {
        uint64_t *entry = frame_entry(first + i);

        list[i] = *entry;
        *entry = NO_FRAME;
        if (page_unmap(lru_page(first + i)) != 0) {
            return false;
        }
    }
    return reservation(XENMEM_decrease_reservation, list, count) == (long)count;
}

long grow_start(unsigned from, unsigned most)
{
    struct lagan_pressure_state state;

    for (unsigned first = from; first < LRU_PAGES_MAX; first += BATCH) {
        unsigned left = LRU_PAGES_MAX - first;

        if (!give(first, left < BATCH ? left : BATCH)) {
            check_fail("give", "at page %u", first);
        }
    }
    grow.pages = from;
    grow.most = most < LRU_PAGES_MAX ? most : LRU_PAGES_MAX;
    grow_turn();
    return hv_pressure(LAGAN_PRESSURE_get, &state);
}

unsigned grow_pages(void)
{
    return grow.pages;
}

static unsigned take(unsigned count)
{
    uint64_t list[BATCH];
    long done;

    for (unsigned i = 0; i < count; i++) {
        list[i] = va_to_pfn(lru_page(grow.pages + i));
    }
    done = reservation(XENMEM_populate_physmap, list, count);
    for (unsigned i = 0; done > 0 && i < (unsigned)done; i++) {
        *frame_entry(grow.pages + i) = list[i];
        check_part(page_map(lru_page(grow.pages + i), list[i], ENTRY_FLAGS) == 0,
                   "a page that came cannot be mapped");
    }
    return done > 0 ? (unsigned)done : 0;
}

void grow_turn(void)
{
    domid_t self = DOMID_SELF;
    uint64_t have = (uint64_t)hv_memory(XENMEM_current_reservation, &self);
    struct lagan_pressure_need need = {.working_set = have - grow.pages / 2};
    struct lagan_pressure_state state;
    unsigned left, taken;

    check_part(hv_pressure(LAGAN_PRESSURE_report, &need) == 0, "the report is refused");
    check_part(hv_pressure(LAGAN_PRESSURE_get, &state) == 0, "no target");
    left = state.target > state.have ? (unsigned)(state.target - state.have) : 0;
    if (left > grow.most - grow.pages) {
        left = grow.most - grow.pages;
    }
    for (; left > 0; left -= taken) {
        taken = take(left < BATCH ? left : BATCH);
        if (taken == 0) {
            break;
        }
        grow.pages += taken;
    }
    lru_set_pages(grow.pages);
}
