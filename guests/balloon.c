/* SPDX-License-Identifier: MIT
 *
 * balloon: a domain that lives under the memory policy, well-behaved or not. All amounts are in MiB, all
 * times in milliseconds since the host's start.
 *
 *   role=good         follows its target (the default)
 *   role=slow         follows, a few pages at a time
 *   role=deaf         asks for its target once, and never moves
 *   role=evil         says that it needs everything, gives nothing, tries to take more than its target, and to
 *                     give back what it cannot: typed, mapped, foreign, the same twice
 *   role=wants        says that it needs need=N, from wait=MS on, until it has least=N; and ends when it has end=N
 *   role=told         as `pressure` says, until its ceiling is end=N; with `deaf` it does not move
 *   role=late         has only to be there: checks that it was started by=MS
 *   need=N then=N     what it uses before and after switch=MS; until=MS: it ends
 *   hard=N            what it cannot do without (8)
 *   slack=MS          so late it may be, for the machine has other things to do (500)
 *   least=N most=N    pages that it must have before the switch, and must not
 *   later_least=N later_most=N   ... at the end
 */
#include "kit/balloon.h"
#include "kit/kit.h"

const char guest_name[] = "balloon";

#define MIB_PAGES 256UL
#define PAUSE     (20 * MS)
#define SLOW_MOST 512UL /* pages a turn */

static struct {
    uint64_t late, under_floor, above_ceiling, refused;
} seen;

static uint64_t pages(const char *key, uint64_t otherwise)
{
    return args_number(key, otherwise) * MIB_PAGES;
}

/* What no target may be. */
static void judge(const struct lagan_pressure_state *s)
{
    uint64_t least = s->have < s->floor ? s->have : s->floor;

    seen.under_floor += s->target < least;
    seen.above_ceiling += s->target > s->ceiling;
    seen.late += s->deadline != 0 && time_now() > s->deadline + args_number("slack", 500) * MS;
}

/* One turn: say what is needed, do what is asked. */
static void turn(uint64_t need, uint64_t most)
{
    struct lagan_pressure_state s;

    seen.refused += balloon_report(need, pages("hard", 8)) != 0;
    s = balloon_state();
    judge(&s);
    (void)balloon_move(s.target, most);
    time_sleep(PAUSE);
}

static void live_until(uint64_t end, uint64_t need, uint64_t most)
{
    while (time_now() < end) {
        turn(need, most);
    }
}

static void check_amount(const char *name, const char *least, const char *most)
{
    uint64_t have = balloon_have();

    kit_printf("%s: %lu pages\n", name, have);
    check_true(name, have >= pages(least, 0) && have <= pages(most, 1UL << 20), "%lu pages", have);
}

static void follow(uint64_t most)
{
    live_until(args_number("switch", 3000) * MS, pages("need", 8), most);
    check_amount("before", "least", "most");
    live_until(args_number("until", 6000) * MS, pages("then", 8), most);
    check_amount("after", "later_least", "later_most");
    check_true("events", balloon_events() > 0, "none");
    check_true("never-under-floor", seen.under_floor == 0, "%lu times", seen.under_floor);
    check_true("never-above-ceiling", seen.above_ceiling == 0, "%lu times", seen.above_ceiling);
    check_true("reports-accepted", seen.refused == 0, "%lu not", seen.refused);
    check_true("frames-right", balloon_wrong() == 0, "%lu wrong", balloon_wrong());
    if (most > SLOW_MOST) {
        check_true("in-time", seen.late == 0, "%lu times late", seen.late);
    }
}

static void deaf(void)
{
    uint64_t have = balloon_have();

    time_sleep(args_number("until", 6000) * MS - time_now());
    check_true("keeps-what-it-has", balloon_have() == have, "%lu of %lu", balloon_have(), have);
}

/* ---- misbehaving ---- */

static long give_back(uint64_t *list, uint64_t count)
{
    struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return hv_memory(XENMEM_decrease_reservation, &r);
}

/* Frames that cannot go: none of them does. A mapped or typed one is given up, but stays ours and counted
 * until its last use has ended: that is not tried, since we live on such frames. */
static void give_wrong(void)
{
    uint64_t shared = kit_start_info->shared_info / PAGE_SIZE, have = balloon_have();
    uint64_t list[] = {shared, 0, ~0UL, 1UL << 40, 0x10};

    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        check_part(give_back(&list[i], 1) == 0, "frame %lx goes", list[i]);
    }
    check_part(balloon_have() == have, "%lu of %lu pages", balloon_have(), have);
}

/* The same twice, in one list: the first counts. */
static void give_twice(void)
{
    uint64_t have = balloon_have(), mfn = balloon_top(), list[2] = {mfn, mfn};

    check_part(give_back(list, 2) == 1, "given twice");
    check_part(balloon_have() == have - 1, "%lu after one of %lu", balloon_have(), have);
    check_part(give_back(list, 1) == 0, "given a third time");
}

/* More than the target: nothing that the hypervisor has not offered, which may change meanwhile. */
static void take_more(void)
{
    uint64_t list[64], limit = balloon_have(), have;
    struct xen_memory_reservation r = {.nr_extents = 64, .domid = DOMID_SELF};
    struct lagan_pressure_state s;
    long taken;

    for (unsigned i = 0; i < 64; i++) {
        list[i] = kit_start_info->nr_pages + BALLOON_EXTRA - 64 + i;
    }
    set_xen_guest_handle(r.extent_start, list);
    do {
        s = balloon_state();
        limit = s.target > limit ? s.target : limit;
        taken = hv_memory(XENMEM_populate_physmap, &r);
        have = balloon_have();
        s = balloon_state();
        limit = s.target > limit ? s.target : limit;
    } while (taken == 64);
    check_part(have <= limit, "%lu pages, %lu allowed", have, limit);
}

static void lie(void)
{
    struct lagan_pressure_need need = {.working_set = 0xffffffff, .stall_ppm = 1000000};

    check_part(hv_pressure(LAGAN_PRESSURE_report, &need) == 0, "lie refused");
    need.working_set = ~0UL;
    check_part(hv_pressure(LAGAN_PRESSURE_report, &need) == -XEN_EINVAL, "wild lie accepted");
}

static void evil(void)
{
    uint64_t end = args_number("until", 6000) * MS;

    check_begin("misbehaving");
    give_twice();
    while (time_now() < end) {
        lie();
        give_wrong();
        take_more();
        time_sleep(PAUSE);
    }
    check_end();
    check_true("never-under-floor", balloon_state().target >= balloon_state().floor, "%lu",
               balloon_state().target);
}

static void late(void)
{
    uint64_t now = time_now() / MS, by = args_number("by", 0);

    kit_printf("started %lu ms after the host\n", now);
    check_true("in-bounded-time", now <= by, "%lu ms", now);
    time_sleep(500 * MS);
}

/* However long the others take; the benchmark wants to know. */
static void wants(void)
{
    uint64_t begin;

    live_until(args_number("wait", 0) * MS, pages("hard", 8), ~0UL);
    begin = time_now();
    while (balloon_have() < pages("least", 8)) {
        turn(pages("need", 8), ~0UL);
    }
    kit_printf("BENCH wanted-ms %lu\n", (time_now() - begin) / MS);
    kit_printf("has %lu pages\n", balloon_have());
    while (balloon_have() < pages("end", 9)) {
        turn(pages("need", 8), ~0UL);
    }
    check_true("frames-right", balloon_wrong() == 0, "%lu wrong", balloon_wrong());
}

/* Orders come from a control domain, which knows when it is enough. */
static void told(void)
{
    uint64_t end = pages("end", 9);

    while (balloon_state().ceiling != end) {
        if (args_has("deaf")) {
            time_sleep(PAUSE);
        } else {
            turn(pages("need", 8), ~0UL);
        }
    }
    check_true("frames-right", balloon_wrong() == 0, "%lu wrong", balloon_wrong());
    check_true("reports-accepted", seen.refused == 0, "%lu not", seen.refused);
}

static void check_answers(void)
{
    struct lagan_pressure_state s;

    check_result("no-such-command", hv_pressure(99, &s), -XEN_ENOSYS);
    check_result("bad-pointer", hv_pressure(LAGAN_PRESSURE_get, (void *)8), -XEN_EFAULT);
    check_result("bad-report", hv_pressure(LAGAN_PRESSURE_report, (void *)8), -XEN_EFAULT);
    check_result("not-for-us", hv_pressure(LAGAN_PRESSURE_get_host, &s), -XEN_EPERM);
    check_result("start", balloon_start(), 0);
}

void guest_main(void)
{
    (void)time_bind_timer();
    check_answers();
    if (args_is("role", "deaf")) {
        deaf();
    } else if (args_is("role", "evil")) {
        evil();
    } else if (args_is("role", "wants")) {
        wants();
    } else if (args_is("role", "told")) {
        told();
    } else if (args_is("role", "late")) {
        late();
    } else {
        follow(args_is("role", "slow") ? SLOW_MOST : ~0UL);
    }
}
