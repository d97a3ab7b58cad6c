/* SPDX-License-Identifier: MIT
 *
 * The daemon's domains: whom it adopts, what it believes, what it passes on, and what it leaves alone. The hypervisor is
 * fake_host.c, the store fake_store.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lagand_world.h"

#define REPORT "1 51200 20480 10240 7 1000"

static struct lagan_pressure_domain *web(void)
{
    return &fake_host.pressure[WEB];
}

static struct guest *guest(uint16_t domid)
{
    for (unsigned i = 0; i < keeper.count; i++)
        if (keeper.guest[i].domid == domid)
            return &keeper.guest[i];
    return NULL;
}

/* web reports, and is managed. */
static void adopted(void)
{
    world_start();
    world_report(3, REPORT);
    world_quiet();
}

static void end(void)
{
    host_close(keeper.host);
    store_close(keeper.store);
    fake_host.opened = 0;
}

/* ---- adoption ---- */

static void adoption(void)
{
    world_start();
    CU_ASSERT_TRUE(fake_host.pressure_host.flags & LAGAN_PRESSURE_POLICY);
    CU_ASSERT_EQUAL(fake_host.reports, 0); /* nobody is touched who has not asked for it */
    CU_ASSERT_EQUAL(fake_host.domain[WEB].max_pages, 513 * MIB);
    CU_ASSERT_STRING_EQUAL(world_node(3, "lagan/target"), "");
    world_report(3, REPORT);
    CU_ASSERT_EQUAL(fake_host.domain[WEB].max_pages, 1025 * MIB);
    CU_ASSERT(web()->state.floor == 128 * MIB && web()->state.ceiling == 1024 * MIB &&
              web()->weight == 256);
    CU_ASSERT_EQUAL(fake_host.report.domid, 3);
    CU_ASSERT(fake_host.report.need.working_set == 51200 && fake_host.report.need.free == 20480 &&
              fake_host.report.need.reclaimable == 10240 &&
              fake_host.report.need.refault_rate == 7 && fake_host.report.need.stall_ppm == 1000);
    CU_ASSERT_STRING_EQUAL(world_node(3, "lagan/target"), "524288");
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "524288");
    CU_ASSERT_TRUE(world_said("web: managed from now on, with 512 MiB, between 128 and 1024 MiB"));
    CU_ASSERT_TRUE(world_said("web: its agent reports: it uses 200 of 512 MiB"));
    CU_ASSERT_FALSE(guest(5)->adopted);
    CU_ASSERT_EQUAL(fake_host.domain[DB].max_pages, 513 * MIB);
    end();
}

/* By the rules: always, never, and Domain-0 only if it has one. */
static void rules(void)
{
    world_start();
    end();
    config.rule[0] = config.usual;
    strcpy(config.rule[0].name, "db");
    config.rule[0].manage = MANAGE_ALWAYS;
    config.rule[0].floor_percent = 0;
    config.rule[0].floor = 300 * MIB;
    config.rule[0].ceiling = 700 * MIB;
    config.rule[0].weight = 512;
    config.rule[1] = config.usual;
    strcpy(config.rule[1].name, "web");
    config.rule[1].manage = MANAGE_NEVER;
    config.count = 2;
    world_restart();
    CU_ASSERT_TRUE(guest(5)->adopted);
    CU_ASSERT(fake_host.limits.floor == 300 * MIB && fake_host.limits.ceiling == 700 * MIB &&
              fake_host.limits.weight == 512);
    /* Without an agent it counts as needing what it began with, down to its floor. */
    CU_ASSERT(fake_host.report.domid == 5 && fake_host.report.need.working_set == 512 * MIB &&
              fake_host.report.need.reclaimable == 212 * MIB);
    world_report(3, REPORT);
    world_report(0, REPORT);
    CU_ASSERT_FALSE(guest(3)->adopted);
    CU_ASSERT_FALSE(guest(0)->adopted);
    /* An administrator's word counts more. */
    CU_ASSERT_EQUAL(keeper_manage(&keeper, 3, false), 0);
    CU_ASSERT_TRUE(guest(3)->adopted);
    CU_ASSERT_EQUAL(keeper_manage(&keeper, 99, false), -ESRCH);
    end();
}

static void floors_that_do_not_fit(void)
{
    world_start();
    fake_host.no_room = 1;
    world_report(3, REPORT);
    CU_ASSERT_TRUE(world_said("a floor of 128 MiB does not fit"));
    CU_ASSERT_TRUE(guest(3)->adopted);
    CU_ASSERT_EQUAL(web()->state.floor, 1);
    end();
}

/* No memory of xl's in the store: it is left alone. */
static void strangers(void)
{
    world_start();
    world_put(3, "memory/static-max", NULL);
    world_report(3, REPORT);
    CU_ASSERT_FALSE(guest(3)->adopted);
    CU_ASSERT_EQUAL(fake_host.reports, 0);
    world_put(3, "memory/static-max", "many");
    world_report(3, REPORT);
    CU_ASSERT_FALSE(guest(3)->adopted);
    end();
}

/* ---- reports ---- */

static void hostile_reports(void)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "hello",
                                      "2 1 1 1 1 1",
                                      "1 -1 1 1 1 1",
                                      "1 1 1 1 1 1 ",
                                      " 1 1 1 1 1 1",
                                      "1 1 1 1 1 1 1 1",
                                      "1 1 1 1 1 1 -1",
                                      "1 1 1 1 1",
                                      "1  1 1 1 1 1",
                                      "1 1 1 1 1 1000001",
                                      "1 4294967296 1 1 1 1",
                                      "1 99999999999999999999999999999999 1 1 1 1",
                                      "1 0x10 1 1 1 1",
                                      "1 1 1 1 1 1\n"};
    unsigned reports;

    adopted();
    reports = fake_host.reports;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        world_report(3, bad[i]);
    fake_store_put_bytes("/local/domain/3/data/lagan/report", "1 1 1 1 1 1\0", 12);
    world_pass(300);
    world_report(3,
                 "1 11111111 11111111 11111111 11111111 11111111 11111111 11111111 11111111 1111");
    CU_ASSERT_EQUAL(fake_host.reports, reports);
    CU_ASSERT_EQUAL(guest(3)->refused, sizeof(bad) / sizeof(*bad) + 2);
    CU_ASSERT_EQUAL(line_count, 1); /* a guest does not fill the log */
    CU_ASSERT_TRUE(world_said("web: its agent says what cannot be"));
    fake_host.error = -EINVAL; /* the hypervisor knows better */
    world_report(3, REPORT);
    CU_ASSERT_EQUAL(guest(3)->refused, sizeof(bad) / sizeof(*bad) + 3);
    world_report(3, REPORT);
    CU_ASSERT_EQUAL(fake_host.reports, reports + 1);
    world_report(3, "");
    CU_ASSERT_EQUAL(line_count, 2); /* it was right in between */
    end();
}

/* What it has given while its report was under way was free then. */
static void late_reports(void)
{
    adopted();
    web()->state.have = 512 * MIB - 20000;
    world_report(3, "1 51200 20480 10240 7 1000 131072");
    CU_ASSERT(fake_host.report.need.free == 480 && fake_host.report.need.reclaimable == 10240);
    web()->state.have = 512 * MIB - 25480;
    world_report(3, "1 51200 20480 10240 7 1000 131072");
    CU_ASSERT(fake_host.report.need.free == 0 && fake_host.report.need.reclaimable == 5240);
    web()->state.have = 512 * MIB - 90000;
    world_report(3, "1 51200 20480 10240 7 1000 131072");
    CU_ASSERT(fake_host.report.need.free == 0 && fake_host.report.need.reclaimable == 0);
    web()->state.have = 600 * MIB; /* what it has got is another matter */
    world_report(3, "1 51200 20480 10240 7 1000 131072");
    CU_ASSERT(fake_host.report.need.free == 20480 && fake_host.report.need.reclaimable == 10240);
    end();
}

/* Who has no agent gives what it has beside its floor, also what it got later. */
static void without_agent(void)
{
    unsigned reports;

    world_start();
    CU_ASSERT_EQUAL(keeper_manage(&keeper, 5, false), 0);
    CU_ASSERT_EQUAL(fake_host.report.need.reclaimable, 384 * MIB);
    reports = fake_host.reports;
    world_tick();
    CU_ASSERT_EQUAL(fake_host.reports, reports);
    fake_host.pressure[DB].state.have = 700 * MIB;
    world_tick();
    CU_ASSERT_EQUAL(fake_host.reports, reports + 1);
    CU_ASSERT(fake_host.report.domid == 5 && fake_host.report.need.working_set == 512 * MIB &&
              fake_host.report.need.reclaimable == 572 * MIB);
    /* It has one: from now on that speaks. */
    world_report(5, REPORT);
    reports = fake_host.reports;
    fake_host.pressure[DB].state.have = 600 * MIB;
    world_tick();
    CU_ASSERT_EQUAL(fake_host.reports, reports);
    end();
}

/* However often it writes, it is read five times a second. */
static void floods(void)
{
    unsigned reports;

    adopted();
    reports = fake_host.reports;
    for (unsigned i = 0; i < 200; i++) {
        world_put(3, "data/lagan/report", REPORT);
        world_pass(5);
    }
    CU_ASSERT(fake_host.reports - reports >= 4 && fake_host.reports - reports <= 6);
    /* The last one is not forgotten. */
    reports = fake_host.reports;
    world_put(3, "data/lagan/report", "1 7 7 7 7 7");
    world_pass(0);
    CU_ASSERT_EQUAL(fake_host.reports, reports);
    CU_ASSERT_EQUAL(keeper_work(&keeper), 200);
    world_pass(200);
    CU_ASSERT_EQUAL(fake_host.report.need.working_set, 7);
    CU_ASSERT_EQUAL(keeper_work(&keeper), -1);
    end();
}

static void silence(void)
{
    adopted();
    for (unsigned i = 0; i < 44; i++)
        world_tick();
    CU_ASSERT_FALSE(world_said("silent"));
    world_tick();
    world_tick();
    CU_ASSERT_TRUE(world_said("web: its agent is silent: it is not asked for memory"));
    CU_ASSERT(fake_host.report.need.working_set == 51200 && fake_host.report.need.free == 0 &&
              fake_host.report.need.reclaimable == 0);
    CU_ASSERT_EQUAL(line_count, 1);
    world_report(3, REPORT);
    CU_ASSERT_EQUAL(fake_host.report.need.free, 20480);
    world_report(3, NULL); /* an agent that ends takes its word back */
    CU_ASSERT_EQUAL(fake_host.report.need.free, 0);
    end();
}

/* ---- targets ---- */

static void targets(void)
{
    adopted();
    web()->state.target = 640 * MIB;
    keeper_pass_targets(&keeper);
    world_pass(0);
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "655360");
    CU_ASSERT_STRING_EQUAL(world_node(3, "lagan/target"), "655360");
    CU_ASSERT_EQUAL(fake_store.commits, 1);
    keeper_pass_targets(&keeper);
    world_tick();
    CU_ASSERT_EQUAL(fake_store.commits, 1); /* no news */
    CU_ASSERT_FALSE(guest(3)->by_hand);     /* what we write is not taken for another's */
    web()->state.target = 600 * MIB;
    fake_store.conflicts = 2;
    keeper_pass_targets(&keeper);
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "614400");
    /* Too many others: the next look tries again. */
    web()->state.target = 500 * MIB;
    fake_store.conflicts = 5;
    keeper_pass_targets(&keeper);
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "614400");
    world_tick();
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "512000");
    CU_ASSERT_EQUAL(keeper.moves, 3);
    /* Who is not adopted has no targets of ours. */
    fake_host.pressure[DB].state.target = 100 * MIB;
    world_tick();
    CU_ASSERT_STRING_EQUAL(world_node(5, "memory/target"), "524288");
    end();
}

static void xl_mem_set(void)
{
    (void)host_set_max(NULL, 3, 301 * MIB);
    world_put(3, "memory/target", "307200");
    fake_store.meanwhile = NULL;
}

static void check_hand(void)
{
    CU_ASSERT_TRUE(guest(3)->by_hand);
    CU_ASSERT(fake_host.target.domid == 3 && fake_host.target.pages == 300 * MIB);
    CU_ASSERT_TRUE(web()->state.flags & LAGAN_PRESSURE_FIXED);
    CU_ASSERT_EQUAL(fake_host.domain[WEB].max_pages, 301 * MIB);
    CU_ASSERT_STRING_EQUAL(world_node(3, "lagan/hand"), "1");
    web()->state.target = 200 * MIB;
    world_tick();
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "307200");
}

/* xl mem-set beside us: seen by its event, or in the middle of a transaction of ours. */
static void by_hand(void)
{
    adopted();
    xl_mem_set();
    world_pass(0);
    CU_ASSERT_TRUE(world_said("web: 512 -> 300 MiB: set by hand, until laganctl mem auto web"));
    check_hand();
    CU_ASSERT_EQUAL(keeper_manage(&keeper, 3, false), 0);
    CU_ASSERT_TRUE(guest(3)->by_hand);
    CU_ASSERT_EQUAL(keeper_manage(&keeper, 3, true), 0);
    CU_ASSERT_FALSE(guest(3)->by_hand);
    CU_ASSERT_EQUAL(fake_host.target.pages, 0);
    CU_ASSERT(web()->state.floor == 128 * MIB && web()->state.ceiling == 1024 * MIB);
    CU_ASSERT_STRING_EQUAL(world_node(3, "lagan/hand"), "");
    world_tick();
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "204800");
    end();
}

static void by_hand_meanwhile(void)
{
    adopted();
    web()->state.target = 600 * MIB;
    fake_store.meanwhile = xl_mem_set;
    keeper_pass_targets(&keeper);
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "307200");
    check_hand();
    end();
}

/* More than it may have: nobody is given that, and nothing breaks. */
static void by_a_hand_that_lies(void)
{
    adopted();
    world_put(3, "memory/target", "99999999");
    world_pass(0);
    CU_ASSERT_TRUE(world_said("by hand, which cannot be"));
    CU_ASSERT_EQUAL(fake_host.domain[WEB].max_pages, 1025 * MIB);
    world_put(3, "memory/target", "rubbish");
    world_pass(0);
    world_put(3, "memory/target", "0");
    world_pass(0);
    world_tick();
    CU_ASSERT_EQUAL(keeper_manage(&keeper, 3, true), 0);
    CU_ASSERT_FALSE(guest(3)->by_hand);
    end();
}

/* laganctl speaks to the hypervisor directly, and that is seen. */
static void other_limits(void)
{
    adopted();
    web()->state.floor = 200 * MIB;
    web()->weight = 1000;
    world_tick();
    CU_ASSERT_TRUE(world_said("web: between 200 and 1024 MiB from now on, weight 1000"));
    xl_mem_set();
    world_pass(0);
    web()->state.flags &= ~LAGAN_PRESSURE_FIXED; /* laganctl mem target web policy */
    world_tick();
    CU_ASSERT_FALSE(guest(3)->by_hand);
    CU_ASSERT(web()->state.floor == 200 * MIB && web()->weight == 1000);
    end();
}

static void lapses(void)
{
    adopted();
    web()->lapses++;
    web()->state.target = 400 * MIB;
    world_tick();
    CU_ASSERT_TRUE(world_said("web: does not follow: it has 512 MiB and was to have 400"));
    world_quiet();
    world_tick();
    CU_ASSERT_FALSE(world_said("does not follow"));
    end();
}

/* ---- another daemon ---- */

static void restart(void)
{
    adopted();
    web()->state.target = 640 * MIB;
    web()->state.floor = 222 * MIB;
    world_tick();
    end();
    world_quiet();
    world_restart();
    CU_ASSERT_TRUE(guest(3)->adopted);
    CU_ASSERT_FALSE(guest(3)->by_hand);
    CU_ASSERT_EQUAL(guest(3)->start, 512 * MIB);
    CU_ASSERT_EQUAL(web()->state.floor, 222 * MIB);
    CU_ASSERT_TRUE(world_said("web: taken up again"));
    CU_ASSERT_FALSE(guest(5)->adopted);
    /* What has changed meanwhile is passed on. */
    end();
    web()->state.target = 600 * MIB;
    world_restart();
    world_tick();
    CU_ASSERT_STRING_EQUAL(world_node(3, "memory/target"), "614400");
    /* Somebody else has used the time. */
    end();
    xl_mem_set();
    world_restart();
    check_hand();
    /* That is remembered, too. */
    end();
    web()->state.flags &= ~LAGAN_PRESSURE_FIXED;
    world_restart();
    check_hand();
    end();
}

/* What the daemon before has said of it holds on: in the middle of its work it is not taken for one that needs only what it
 * began with. */
static void known_needs(void)
{
    adopted();
    end();
    world_put(3, "data/lagan/report", NULL);
    fake_host.reports = 0;
    world_restart();
    CU_ASSERT_TRUE(guest(3)->adopted);
    CU_ASSERT_EQUAL(fake_host.reports, 0);
    end();
    world_put(3, "data/lagan/report", REPORT);
    world_restart();
    CU_ASSERT_EQUAL(fake_host.reports, 1);
    CU_ASSERT_EQUAL(fake_host.report.need.working_set, 51200);
    end();
    web()->need.working_set = 0; /* nobody has said anything yet */
    world_put(3, "data/lagan/report", NULL);
    world_restart();
    CU_ASSERT_EQUAL(fake_host.report.need.working_set, 512 * MIB);
    end();
}

static void release(void)
{
    adopted();
    web()->state.target = 640 * MIB;
    world_tick();
    keeper_release(&keeper);
    CU_ASSERT_EQUAL(fake_host.domain[WEB].max_pages, 641 * MIB);
    xl_mem_set();
    world_pass(0);
    keeper_release(&keeper);
    CU_ASSERT_FALSE(fake_host.pressure_host.flags & LAGAN_PRESSURE_POLICY);
    CU_ASSERT_EQUAL(fake_host.domain[WEB].max_pages, 301 * MIB);
    CU_ASSERT_FALSE(web()->state.flags & LAGAN_PRESSURE_FIXED);
    CU_ASSERT_EQUAL(fake_host.domain[DB].max_pages, 513 * MIB);
    /* The next one remembers. */
    end();
    world_restart();
    check_hand();
    end();
}

/* ---- births, names and deaths ---- */

static void lives(void)
{
    unsigned watches;

    adopted();
    watches = fake_store.watches;
    fake_host.domain[WEB].dying = true;
    fake_store_put("@releaseDomain", "");
    world_pass(0);
    CU_ASSERT_PTR_NULL(guest(3));
    CU_ASSERT_TRUE(world_said("web: gone, with 512 MiB"));
    CU_ASSERT_EQUAL(fake_store.watches, watches - 3);
    world_put(3, "lagan/target", NULL);
    world_put(3, "data/lagan/report", NULL);
    world_domain(WEB, 3, "mail", 64 * MIB, 64 * MIB);
    world_pass(0);
    CU_ASSERT_STRING_EQUAL(guest(3)->name, "mail");
    CU_ASSERT_FALSE(guest(3)->adopted);
    world_report(3, REPORT);
    CU_ASSERT_TRUE(guest(3)->adopted);
    strcpy(fake_host.domain[WEB].name, "post");
    world_tick();
    CU_ASSERT_STRING_EQUAL(guest(3)->name, "post");
    /* It ends between a look at the list and a call. */
    fake_host.domain_count = WEB;
    keeper_pass_targets(&keeper);
    world_report(3, REPORT);
    CU_ASSERT_PTR_NOT_NULL(guest(3));
    world_tick();
    CU_ASSERT_PTR_NULL(guest(3));
    /* Paths that nobody should send. */
    keeper_event(&keeper, "/local/domain/99999/data/lagan/report");
    keeper_event(&keeper, "/local/domain/x");
    keeper_event(&keeper, "/local/domain/0/");
    keeper_event(&keeper, "");
    end();
}

static const struct test_case cases[] = {
    {"adoption", adoption},
    {"rules", rules},
    {"floors that do not fit", floors_that_do_not_fit},
    {"strangers", strangers},
    {"hostile reports", hostile_reports},
    {"reports that come late", late_reports},
    {"without an agent", without_agent},
    {"floods", floods},
    {"silence", silence},
    {"targets", targets},
    {"by hand", by_hand},
    {"by hand meanwhile", by_hand_meanwhile},
    {"by a hand that lies", by_a_hand_that_lies},
    {"other limits", other_limits},
    {"lapses", lapses},
    {"another daemon", restart},
    {"needs that are known", known_needs},
    {"release", release},
    {"births and deaths", lives},
    {NULL, NULL},
};

const struct suite suite_lagand = {"lagand", cases, NULL, NULL};
