/* SPDX-License-Identifier: MIT
 *
 * Giving frames back and taking them. The list of frames (p2m) of a frame that is not ours says so
 * before it is given back: nobody may find it there any more. When frames come, the hypervisor has
 * set its own table (m2p) to the numbers that we asked for, and we set ours.
 */
#include "kit/balloon.h"
#include "kit/kit.h"
#include "kit/space.h"

#define NO_FRAME    (~0UL)
#define BATCH       256U
#define STAMP_EACH  16U /* only so many frames are looked into: that takes two mappings each */
#define STAMP_MAGIC 0x6c6167616e000000UL

static struct {
    uint64_t base, base_count; /* first number and count of those we started with */
    uint64_t count;            /* on the stack now */
    uint64_t extra[BALLOON_EXTRA];
    uint64_t wrong;
    uint32_t port;
} balloon;

static volatile uint64_t window[PAGE_SIZE / sizeof(uint64_t)] PAGE_ALIGNED;

/* ---- the stack ---- */

static uint64_t number_of(uint64_t i)
{
    return i < balloon.base_count ? balloon.base + i
                                  : kit_start_info->nr_pages + i - balloon.base_count;
}

static uint64_t *entry_of_number(uint64_t i)
{
    return i < balloon.base_count ? (uint64_t *)kit_start_info->mfn_list + balloon.base + i
                                  : &balloon.extra[i - balloon.base_count];
}

uint64_t balloon_top(void)
{
    return balloon.count > 0 ? *entry_of_number(balloon.count - 1) : NO_FRAME;
}

/* ---- stamps ---- */

/* Looks into a frame: checks what it holds, and leaves the stamp there. */
static void look_into(uint64_t i, uint64_t mfn, uint64_t holds)
{
    if (i % STAMP_EACH != 0) {
        return;
    }
    if (page_map((void *)(uint64_t)window, mfn, PTE_P | PTE_W | PTE_A | PTE_D | PTE_U) != 0) {
        balloon.wrong++;
        return;
    }
    balloon.wrong += window[7] != holds;
    window[7] = STAMP_MAGIC + i;
    balloon.wrong += page_make_writable((void *)(uint64_t)window) != 0;
}

/* ---- the hypervisor ---- */

static long reservation(unsigned op, uint64_t *list, uint64_t count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return hv_memory(op, &r);
}

uint64_t balloon_have(void)
{
    domid_t self = DOMID_SELF;

    return (uint64_t)hv_memory(XENMEM_current_reservation, &self);
}

static uint64_t give(uint64_t count)
{
    uint64_t list[BATCH], n = 0;
    long done;

    while (n < count && n < BATCH && balloon.count > n) {
        uint64_t i = balloon.count - 1 - n;

        list[n] = *entry_of_number(i);
        look_into(i, list[n], STAMP_MAGIC + i);
        *entry_of_number(i) = NO_FRAME;
        n++;
    }
    done = reservation(XENMEM_decrease_reservation, list, n);
    balloon.wrong += done != (long)n; /* all were ours, and nobody else's */
    balloon.count -= n;
    return n;
}

static uint64_t take(uint64_t count)
{
    uint64_t list[BATCH], n = 0;
    long done;

    while (n < count && n < BATCH && balloon.count + n < balloon.base_count + BALLOON_EXTRA) {
        list[n] = number_of(balloon.count + n);
        n++;
    }
    done = reservation(XENMEM_populate_physmap, list, n);
    n = done > 0 ? (uint64_t)done : 0;
    for (uint64_t k = 0; k < n; k++) {
        uint64_t i = balloon.count + k;

        balloon.wrong += mfn_to_pfn(list[k]) != number_of(i);
        *entry_of_number(i) = list[k];
        look_into(i, list[k], 0); /* it must be clear */
    }
    balloon.count += n;
    return n;
}

uint64_t balloon_move(uint64_t target, uint64_t most)
{
    uint64_t moved = 0;

    while (moved < most) {
        uint64_t have = balloon_have(), n;

        if (have == target) {
            break;
        }
        n = have > target ? have - target : target - have;
        n = n < most - moved ? n : most - moved;
        n = have > target ? give(n) : take(n);
        if (n == 0) {
            break;
        }
        moved += n;
    }
    return moved;
}

/* ---- pressure ---- */

long balloon_start(void)
{
    struct lagan_pressure_state state;
    long rc = hv_pressure(LAGAN_PRESSURE_get, &state);

    if (rc != 0) {
        return rc;
    }
    balloon.count = balloon.base_count = spare_count();
    balloon.base = spare_first();
    for (uint64_t i = 0; i < balloon.count; i++) {
        look_into(i, *entry_of_number(i), 0);
    }
    rc = event_bind_virq(VIRQ_LAGAN_PRESSURE, 0, &balloon.port);
    if (rc == 0) {
        event_unmask(balloon.port);
    }
    return rc;
}

struct lagan_pressure_state balloon_state(void)
{
    struct lagan_pressure_state state = {0};

    if (hv_pressure(LAGAN_PRESSURE_get, &state) != 0) {
        balloon.wrong++;
    }
    return state;
}

uint64_t balloon_events(void)
{
    return event_count(balloon.port);
}

long balloon_report(uint64_t need, uint64_t hard)
{
    uint64_t have = balloon_have();
    struct lagan_pressure_need report = {.working_set = need};

    report.free = have > need ? have - need : 0;
    if (have - report.free > hard) {
        report.reclaimable = have - report.free - hard;
    }
    return hv_pressure(LAGAN_PRESSURE_report, &report);
}

uint64_t balloon_wrong(void)
{
    return balloon.wrong;
}
