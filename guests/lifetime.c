/* SPDX-License-Identifier: MIT
 *
 * lifetime: how long the end of a large domain keeps a CPU from others. The watcher, which is the control domain, has
 * an event due every few ten microseconds and notes how late it is, while domain 1 is taken apart: all its memory
 * mapped by page tables four levels deep, a thousand event channels, pages granted that the watcher maps, and pages
 * of the watcher's mapped by it. On one CPU with -icount a nanosecond is an instruction.
 *
 *   role=victim   builds all that, says that it is ready, and ends when it is told to
 *   bound=NS      the watcher: more than this fails
 */
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"
#include "lagan/pressure.h"

const char guest_name[] = "lifetime";

#define PATIENCE  (60000 * MS)
#define VICTIM    1
#define SHARED    16U /* pages that each maps of the other */
#define CHANNELS  1000U
#define FIRST_REF 16U
#define READY     5U /* word of the first shared page */
#define GO        6U

static volatile uint64_t window[SHARED][PAGE_SIZE / sizeof(uint64_t)] PAGE_ALIGNED;
static volatile uint64_t page[SHARED][PAGE_SIZE / sizeof(uint64_t)] PAGE_ALIGNED;
static grant_handle_t handle[SHARED];
static uint32_t port[CHANNELS];

static void share(uint16_t with)
{
    check_result("grant-table", grant_begin(1), 0);
    for (unsigned i = 0; i < SHARED; i++) {
        grant_access(FIRST_REF + i, with, page[i], 0);
    }
}

/* Of the other, who may not have granted it yet. */
static void map_shared(uint16_t domain)
{
    uint64_t end = time_now() + PATIENCE;

    for (unsigned i = 0; i < SHARED; i++) {
        while (grant_map(domain, FIRST_REF + i, (void *)(uint64_t)window[i], GNTMAP_host_map,
                         &handle[i]) != GNTST_okay) {
            if (time_now() > end) {
                check_fail("map-shared", "page %u", i);
                kit_finish();
            }
            time_sleep(MS);
        }
    }
}

/* ---- the victim ---- */

static uint64_t used;

static uint64_t next_frame(void)
{
    return spare_frame(used++);
}

/* A table in the next spare frame; `each` is called for its entries. */
static uint64_t fill_table(unsigned count, uint64_t (*each)(void))
{
    uint64_t entries[TABLE_SLOTS]; /* of each level its own, as one fills another */
    uint64_t mfn;

    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        entries[i] = i < count ? each() << 12 | TABLE_PAGE : 0;
    }
    mfn = next_frame();
    if (page_map((void *)(uint64_t)page[1], mfn, TABLE_PAGE) != 0) {
        check_fail("table", "frame %lx", mfn);
        kit_finish();
    }
    memcpy((void *)(uint64_t)page[1], entries, PAGE_SIZE);
    (void)page_make_writable((void *)(uint64_t)page[1]);
    return mfn;
}

static uint64_t l1_table(void)
{
    return fill_table(TABLE_SLOTS, next_frame);
}

static uint64_t l2_table(void)
{
    uint64_t left = spare_count() - used;

    return fill_table(left > 520 * 515 ? TABLE_SLOTS : (unsigned)((left - 8) / 513), l1_table);
}

static uint64_t l3_table(void)
{
    return fill_table(1, l2_table);
}

static void victim(void)
{
    long rc = 0;

    check_result("pin", table_op(MMUEXT_PIN_L4_TABLE, fill_table(1, l3_table)), 0);
    kit_printf("%lu of %lu frames are in or under page tables\n", used, spare_count());
    for (unsigned i = 0; i < CHANNELS; i++) {
        rc = event_alloc_unbound(DOMID_SELF, 0, &port[i]) != 0 ? -1 : rc;
    }
    check_result("channels", rc, 0);
    share(0);
    map_shared(0);
    window[0][READY] = port[0];
    while (window[0][GO] == 0) {
        time_sleep(MS);
    }
}

/* ---- the watcher ---- */

static bool victim_is_there(void)
{
    struct lagan_pressure_domain d = {.domid = VICTIM};

    return hypercall2(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_get_domain, ptr_arg(&d)) == 0;
}

static void connect(void)
{
    uint64_t end = time_now() + PATIENCE;
    uint32_t own;
    long rc = 0;

    while (page[0][READY] == 0 && time_now() < end) {
        time_sleep(MS);
    }
    for (unsigned i = 0; i < CHANNELS; i++) {
        rc = event_bind_interdomain(VICTIM, (uint32_t)page[0][READY] + i, &own) != 0 ? -1 : rc;
    }
    check_result("connect", rc, 0);
}

/* An event is due; how late it comes. */
static uint64_t lateness(uint64_t in)
{
    uint64_t deadline = time_now() + in, ticks = time_ticks(0);

    (void)timer_singleshot(deadline, 0);
    if (!wait_for(time_tick_counter(0), ticks + 1, 1000 * MS)) {
        return ~0UL;
    }
    return time_last_tick(0) > deadline ? time_last_tick(0) - deadline : 0;
}

static void watcher(void)
{
    uint64_t longest = 0, quiet = 0, bound = args_number("bound", 0), events = 0, start;
    long rc = 0;

    share(VICTIM);
    map_shared(VICTIM);
    connect();
    for (unsigned i = 0; i < 50; i++) {
        uint64_t late = lateness(30000 + i * 700);

        quiet = late > quiet ? late : quiet;
    }
    start = time_now();
    page[0][GO] = 1;
    while (victim_is_there() && time_now() - start < PATIENCE) {
        uint64_t late = lateness(30000 + events++ % 64 * 700);

        longest = late > longest ? late : longest;
        /* It waits for us at the end, and has to be let go some time. */
        for (unsigned i = 0; events == 20 && i < SHARED; i++) {
            rc = grant_unmap(handle[i], window[i]) != GNTST_okay ? -1 : rc;
        }
    }
    kit_printf("BENCH teardown-hold %lu\n", longest);
    kit_printf("%lu events, %lu late without it, gone after %lu us\n", events, quiet,
               (time_now() - start) / 1000);
    check_result("let-go", rc, 0);
    check_true("gone", !victim_is_there(), "it is still there");
    check_true("events-came", events > 100, "%lu", events);
    check_true("teardown-hold", bound == 0 || longest <= bound, "%lu ns", longest);
}

void guest_main(void)
{
    (void)time_bind_timer();
    if (args_is("role", "victim")) {
        victim();
    } else {
        watcher();
    }
}
