/* SPDX-License-Identifier: MIT
 *
 * pressure: a control domain that decides about the memory of two others by every command that there is. Domain 1
 * follows (`balloon` with role=told), domain 2 does not (role=told deaf); both end when their ceiling is end=N MiB.
 * Nothing here depends on how long something takes: each step waits until the hypervisor says that it is so.
 *
 *   end=N   (9)
 */
#include "kit/balloon.h"
#include "kit/kit.h"

const char guest_name[] = "pressure";

#define PATIENCE  (60000 * MS)
#define MIB_PAGES 256UL
#define FOLLOWS   1
#define DEAF      2

static uint32_t events, low_memory, domains;

/* ---- the commands ---- */

static struct lagan_pressure_host host(void)
{
    struct lagan_pressure_host h = {0};

    check_part(hv_pressure(LAGAN_PRESSURE_get_host, &h) == 0, "get_host");
    events |= h.events;
    return h;
}

static struct lagan_pressure_domain domain(uint16_t domid)
{
    struct lagan_pressure_domain d = {.domid = domid};

    check_part(hv_pressure(LAGAN_PRESSURE_get_domain, &d) == 0, "get_domain %u", domid);
    return d;
}

static uint64_t have(uint16_t domid)
{
    return domain(domid).state.have;
}

static long order(unsigned command, uint16_t domid, uint64_t pages)
{
    struct lagan_pressure_order o = {.domid = domid, .pages = pages};

    return hv_pressure(command, &o);
}

static long limits(uint16_t domid, uint64_t floor, uint64_t ceiling, uint32_t weight)
{
    struct lagan_pressure_limits l = {
        .domid = domid, .weight = weight, .floor = floor, .ceiling = ceiling};

    return hv_pressure(LAGAN_PRESSURE_set_limits, &l);
}

static long marks(uint64_t low, uint64_t min, uint32_t flags)
{
    struct lagan_pressure_host h = {.low = low, .min = min, .flags = flags};

    return hv_pressure(LAGAN_PRESSURE_set_host, &h);
}

/* ---- waiting ---- */

static bool wait_until(bool (*done)(uint64_t), uint64_t what)
{
    uint64_t end = time_now() + PATIENCE;

    while (!done(what)) {
        if (time_now() > end) {
            return false;
        }
        time_sleep(20 * MS);
    }
    return true;
}

static bool has_come(uint64_t event)
{
    (void)host();
    return (events & event) == event;
}

static bool follower_has(uint64_t pages)
{
    return have(FOLLOWS) == pages;
}

static bool follower_spoke(uint64_t nothing)
{
    return domain(FOLLOWS).need.working_set != nothing;
}

static bool has_rung(uint64_t port)
{
    return event_count((uint32_t)port) > 0;
}

/* That it comes is waited for; what it says was forgotten before. */
static void expect_event(const char *name, uint32_t event)
{
    check_true(name, wait_until(has_come, event), "events %x", events);
}

/* ---- the steps ---- */

static void listen(const char *name, uint32_t virq, uint32_t *port)
{
    check_result(name, event_bind_virq(virq, 0, port), 0);
    event_unmask(*port);
}

static void refusals(void)
{
    struct lagan_pressure_domain nobody = {.domid = 77};
    struct lagan_pressure_report_for stranger = {.domid = 77};
    uint64_t most = domain(FOLLOWS).state.ceiling;

    check_begin("refusals");
    check_part(hv_pressure(LAGAN_PRESSURE_get_domain, &nobody) == -XEN_ESRCH, "domain 77");
    check_part(limits(77, 1, 2, 256) == -XEN_ESRCH, "limits of domain 77");
    check_part(limits(FOLLOWS, 0, 2048, 256) == -XEN_EINVAL, "no floor");
    check_part(limits(FOLLOWS, 3000, 2048, 256) == -XEN_EINVAL, "a floor above the ceiling");
    check_part(limits(FOLLOWS, 2048, most + 1, 256) == -XEN_EINVAL, "a ceiling above maxmem");
    check_part(limits(FOLLOWS, 2048, most, 0) == -XEN_EINVAL, "no weight");
    check_part(order(LAGAN_PRESSURE_reserve, 77, 5000) == -XEN_ESRCH, "reserve for domain 77");
    check_part(hv_pressure(LAGAN_PRESSURE_report_for, &stranger) == -XEN_ESRCH, "report for 77");
    check_part(order(LAGAN_PRESSURE_reserve, FOLLOWS, most + 1) == -XEN_EINVAL, "over maxmem");
    check_part(marks(5, 6, 0) == -XEN_EINVAL, "min above low");
    check_part(marks(6, 5, 2) == -XEN_EINVAL, "an unknown flag");
    check_end();
}

static void orders(void)
{
    uint64_t most = domain(FOLLOWS).state.ceiling;
    struct lagan_pressure_domain d;

    check_true("speaks", wait_until(follower_spoke, 0), "it has not reported");
    check_result("limits", limits(FOLLOWS, 8 * MIB_PAGES, most, 512), 0);
    d = domain(FOLLOWS);
    check_true("limits-hold",
               d.weight == 512 && d.state.floor == 8 * MIB_PAGES && d.state.ceiling == most,
               "weight %u, %lu..%lu", d.weight, d.state.floor, d.state.ceiling);
    check_result("under-the-floor", order(LAGAN_PRESSURE_set_target, FOLLOWS, 8 * MIB_PAGES - 1),
                 -XEN_EINVAL);
    check_result("smaller", order(LAGAN_PRESSURE_set_target, FOLLOWS, 20 * MIB_PAGES), 0);
    check_true("gives", wait_until(follower_has, 20 * MIB_PAGES), "%lu", have(FOLLOWS));
    check_true("fixed", (domain(FOLLOWS).state.flags & LAGAN_PRESSURE_FIXED) != 0, "flags %x",
               domain(FOLLOWS).state.flags);
    check_result("larger", order(LAGAN_PRESSURE_set_target, FOLLOWS, 40 * MIB_PAGES), 0);
    check_true("takes", wait_until(follower_has, 40 * MIB_PAGES), "%lu", have(FOLLOWS));
}

static void not_following(void)
{
    uint64_t before = have(DEAF);

    check_result("order-to-the-deaf", order(LAGAN_PRESSURE_set_target, DEAF, 16 * MIB_PAGES), 0);
    expect_event("told-that-late", LAGAN_PRESSURE_EVENT_LATE);
    check_true("late",
               domain(DEAF).lapses > 0 && (domain(DEAF).state.flags & LAGAN_PRESSURE_LATE) != 0 &&
                   have(DEAF) == before,
               "%u lapses, flags %x", domain(DEAF).lapses, domain(DEAF).state.flags);
    check_result("order-ends", order(LAGAN_PRESSURE_set_target, DEAF, 0), 0);
}

/* We take memory ourselves until both marks are passed. */
static void watermarks(void)
{
    struct lagan_pressure_host h = host();
    uint64_t own = balloon_have();

    check_result("marks", marks(h.free - 2 * MIB_PAGES, h.free - 4 * MIB_PAGES, 0), 0);
    check_true("nothing-yet", (events & (LAGAN_PRESSURE_EVENT_LOW | LAGAN_PRESSURE_EVENT_MIN)) == 0,
               "events %x", events);
    (void)balloon_move(own + 8 * MIB_PAGES, ~0UL);
    check_true("took", balloon_have() == own + 8 * MIB_PAGES, "%lu", balloon_have());
    expect_event("told-of-marks", LAGAN_PRESSURE_EVENT_LOW | LAGAN_PRESSURE_EVENT_MIN);
    check_true("virq-enomem", wait_until(has_rung, low_memory), "none");
    (void)balloon_move(own, ~0UL);
    check_result("marks-back", marks(h.low, h.min, 0), 0);
}

/* What is there is claimed at once. */
static void reservation(void)
{
    uint64_t want = have(FOLLOWS) + 4 * MIB_PAGES;

    check_result("reserve", order(LAGAN_PRESSURE_reserve, FOLLOWS, want), 0);
    check_true("claimed",
               domain(FOLLOWS).claimed == 4 * MIB_PAGES && host().claimed == 4 * MIB_PAGES,
               "%lu, %lu", domain(FOLLOWS).claimed, host().claimed);
    check_result("give-up", order(LAGAN_PRESSURE_reserve, FOLLOWS, 0), 0);
    check_true("unclaimed", host().claimed == 0, "%lu", host().claimed);
}

/* What others have has to be asked of them: of one that gives, and of one that does not. */
static void make_room(void)
{
    struct lagan_pressure_host h = host();
    uint64_t want;

    check_result("policy-on", marks(h.low, h.min, LAGAN_PRESSURE_POLICY), 0);
    check_result("not-fixed", order(LAGAN_PRESSURE_set_target, FOLLOWS, 0), 0);
    check_result("impossible", order(LAGAN_PRESSURE_reserve, DEAF, domain(DEAF).state.ceiling),
                 -XEN_ENOMEM);
    h = host();
    events = 0;
    want = have(DEAF) + h.free + 8 * MIB_PAGES;
    check_result("ask", order(LAGAN_PRESSURE_reserve, DEAF, want), -XEN_EAGAIN);
    expect_event("told-that-reserved", LAGAN_PRESSURE_EVENT_RESERVED);
    check_result("reserved", order(LAGAN_PRESSURE_reserve, DEAF, want), 0);
    check_true("for-it", have(DEAF) + domain(DEAF).claimed == want, "%lu + %lu, not %lu",
               have(DEAF), domain(DEAF).claimed, want);
    check_result("not-needed", order(LAGAN_PRESSURE_reserve, DEAF, 0), 0);
    h = host();
    events = 0;
    want = have(FOLLOWS) + h.free + 4 * MIB_PAGES;
    check_result("ask-the-deaf", order(LAGAN_PRESSURE_reserve, FOLLOWS, want), -XEN_EAGAIN);
    expect_event("told-that-refused", LAGAN_PRESSURE_EVENT_REFUSED);
    check_result("refused", order(LAGAN_PRESSURE_reserve, FOLLOWS, want), -XEN_ENOMEM);
}

static void deaths(void)
{
    uint64_t end = args_number("end", 9) * MIB_PAGES;

    events = 0;
    check_result("one-ends", limits(FOLLOWS, end, end, 256), 0);
    expect_event("told-of-its-end", LAGAN_PRESSURE_EVENT_DIED);
    check_true("virq-dom-exc", wait_until(has_rung, domains), "none");
    check_result("the-other", limits(DEAF, end, end, 256), 0);
}

void guest_main(void)
{
    (void)time_bind_timer();
    check_result("start", balloon_start(), 0);
    listen("hear-of-low-memory", VIRQ_ENOMEM, &low_memory);
    listen("hear-of-domains", VIRQ_DOM_EXC, &domains);
    check_true("policy-off", (host().flags & LAGAN_PRESSURE_POLICY) == 0, "it is on");
    refusals();
    orders();
    not_following();
    watermarks();
    reservation();
    make_room();
    deaths();
    check_true("events", balloon_events() > 0, "none");
}
