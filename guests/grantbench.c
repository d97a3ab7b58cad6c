/* SPDX-License-Identifier: MIT
 *
 * grantbench: what grants cost, by the time stamp counter. Under QEMU with -icount shift=0 one tick
 * is one instruction. Each line is `BENCH name value`: ticks for one operation (of a list: for the
 * whole list), without the loop. The domain grants to itself: the same paths as between two, but
 * for the look-up of the other.
 *
 * peer=ID pairs=MS: instead, for so long, copies pages of its own to and from a grant of domain ID, and says
 * how many, so that two pairs can be compared with one.
 */
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "grantbench";

#define ROUNDS 500U
#define BATCH  16U
#define REF    8U

static uint8_t page[BATCH][PAGE_SIZE] PAGE_ALIGNED, window[BATCH][PAGE_SIZE] PAGE_ALIGNED;
static struct gnttab_map_grant_ref map[BATCH];
static struct gnttab_unmap_grant_ref unmap[BATCH];
static struct gnttab_copy copy[BATCH];
static long result; /* of the last call: an error makes the figure worthless */
static uint64_t loop_cost;

static void note(long rc)
{
    result = rc != 0 ? rc : result;
}

static void nothing(void)
{
    __asm__ volatile("");
}

static uint64_t ticks_of(void (*operation)(void))
{
    uint64_t start;

    operation();
    operation();
    start = read_tsc();
    for (unsigned i = 0; i < ROUNDS; i++) {
        operation();
    }
    return (read_tsc() - start) / ROUNDS;
}

static void measure(const char *name, void (*operation)(void))
{
    uint64_t ticks = ticks_of(operation) - loop_cost;

    kit_printf("BENCH %s %lu\n", name, ticks);
    check_true(name, result == 0 && ticks > 0, "%ld, %lu ticks", result, ticks);
    result = 0;
}

/* ---- mapping ---- */

static void map_some(unsigned count, bool touch)
{
    note(hv_grant(GNTTABOP_map_grant_ref, map, count));
    for (unsigned i = 0; i < count; i++) {
        note(map[i].status);
        unmap[i].handle = map[i].handle;
        if (touch) {
            (void)*(volatile uint8_t *)window[i];
        }
    }
    note(hv_grant(GNTTABOP_unmap_grant_ref, unmap, count));
    for (unsigned i = 0; i < count; i++) {
        note(unmap[i].status);
    }
}

static void map_one(void)
{
    map_some(1, false);
}

static void map_one_touched(void)
{
    map_some(1, true);
}

static void map_batch(void)
{
    map_some(BATCH, false);
}

static void map_batch_touched(void)
{
    map_some(BATCH, true);
}

/* ---- copies ---- */

static void copy_some(unsigned count)
{
    note(hv_grant(GNTTABOP_copy, copy, count));
    for (unsigned i = 0; i < count; i++) {
        note(copy[i].status);
    }
}

static void copy_one(void)
{
    copy_some(1);
}

static void copy_batch(void)
{
    copy_some(BATCH);
}

static void fill_copies(uint16_t domain, uint16_t length, bool to_own)
{
    for (unsigned i = 0; i < BATCH; i++) {
        copy[i] = (struct gnttab_copy){.len = length, .flags = GNTCOPY_source_gref};
        copy[i].source.domid = domain;
        copy[i].source.u.ref = REF + i;
        copy[i].dest.domid = to_own ? DOMID_SELF : domain;
        copy[i].dest.u.ref = REF + (i + 1) % BATCH;
        if (to_own) {
            copy[i].dest.u.gmfn = va_to_mfn(window[i]);
        } else {
            copy[i].flags |= GNTCOPY_dest_gref;
        }
    }
}

static void measure_all(uint16_t self)
{
    for (unsigned i = 0; i < BATCH; i++) {
        grant_access(REF + i, self, page[i], 0);
        map[i] = (struct gnttab_map_grant_ref){.host_addr = (uint64_t)window[i],
                                               .flags = GNTMAP_host_map,
                                               .ref = REF + i,
                                               .dom = self};
        unmap[i].host_addr = (uint64_t)window[i];
    }
    measure("grant-map-unmap", map_one);
    measure("grant-map-touch-unmap", map_one_touched);
    measure("grant-map-unmap-x16", map_batch);
    measure("grant-map-touch-unmap-x16", map_batch_touched);
    for (unsigned i = 0; i < BATCH; i++) {
        map[i].flags |= GNTMAP_readonly;
    }
    measure("grant-map-unmap-read-only", map_one);
    for (unsigned i = 0; i < BATCH; i++) {
        map[i].flags = GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_application_map;
        map[i].host_addr = unmap[i].host_addr = page_entry_address(window[i]);
    }
    measure("grant-map-unmap-by-entry-x16", map_batch);
    for (unsigned i = 0; i < BATCH; i++) {
        note(page_make_writable(window[i]));
    }
    fill_copies(self, 64, false);
    measure("grant-copy-64", copy_one);
    measure("grant-copy-64-x16", copy_batch);
    fill_copies(self, PAGE_SIZE, false);
    measure("grant-copy-4k", copy_one);
    measure("grant-copy-64k", copy_batch);
    fill_copies(self, PAGE_SIZE, true);
    measure("grant-copy-64k-to-own", copy_batch);
}

/* Both sides of a pair do the same. */
static void run_pair(uint16_t peer, uint64_t ms)
{
    uint64_t rounds = 0, end;

    for (unsigned i = 0; i < BATCH; i++) {
        grant_access(REF + i, peer, page[i], 0);
    }
    fill_copies(peer, 1024, true);
    do {
        result = 0;
        copy_one();
        time_sleep(MS);
    } while (result != 0);
    end = time_now() + ms * MS;
    while (time_now() < end && result == 0) {
        copy_batch();
        rounds++;
    }
    kit_printf("BENCH pair-copies %lu\n", rounds * BATCH);
    time_sleep(200 * MS); /* the other may be at it still */
    check_true("pair", rounds > 0, "%lu", rounds);
}

void guest_main(void)
{
    uint64_t ms = args_number("pairs", 0);

    (void)time_bind_timer();
    check_result("setup", grant_begin(1), 0);
    if (ms != 0) {
        run_pair((uint16_t)args_number("peer", 0), ms);
        return;
    }
    (void)timer_stop_periodic();
    loop_cost = ticks_of(nothing);
    measure_all(own_domain());
}
