/* SPDX-License-Identifier: MIT
 *
 * Watches: what fires, for whom, and what becomes of events that nobody takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/admin.h"
#include "store/birth.h"
#include "store/watch.h"
#include "store_kit.h"
#include "suite.h"

static struct peer *a, *b;

static void fresh(void)
{
    store_kit_reset();
    a = store_kit_add(0, 5);
    b = store_kit_add(1, 6);
}

#define ok(peer, type, request) CU_ASSERT_STRING_EQUAL(peer_ask(peer, type, 0, request), "OK|")
#define events(peer, list)      CU_ASSERT_STRING_EQUAL(peer_events(peer), list)

static void test_firing(void)
{
    fresh();
    ok(a, XS_WATCH, "data|tok|");
    events(a, "data|tok|");
    ok(a, XS_WRITE, "data/x|1");
    events(a, "data/x|tok|");
    ok(a, XS_WRITE, "data/d/e|1");
    events(a, "data/d/e|tok|");
    ok(a, XS_MKDIR, "data/d/e|");
    ok(a, XS_WRITE, "drivers/x|1");
    ok(a, XS_RM, "data/none|");
    events(a, "");
    ok(a, XS_SET_PERMS, "data/x|n5|r6|");
    events(a, "data/x|tok|");
    ok(a, XS_RM, "data/d|");
    events(a, "data/d|tok|");
    ok(a, XS_UNWATCH, "data|tok|");
    ok(a, XS_WRITE, "data/x|2");
    events(a, "");
}

static void test_bounds_of_a_watch(void)
{
    fresh();
    ok(a, XS_WATCH, "data/ab|t|");
    ok(a, XS_WATCH, "/|root|");
    events(a, "data/ab|t| /|root|");
    ok(a, XS_WRITE, "data/a|1");
    events(a, "/local/domain/5/data/a|root|");
    ok(a, XS_WRITE, "data/abc|1");
    events(a, "/local/domain/5/data/abc|root|");
    ok(a, XS_WRITE, "data/ab|1");
    events(a, "data/ab|t| /local/domain/5/data/ab|root|");
}

/* Relative and absolute are different watches, told in their own words. */
static void test_relative(void)
{
    fresh();
    ok(a, XS_WATCH, "data|t|");
    ok(a, XS_WATCH, "/local/domain/5/data|t|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WATCH, 0, "data|t|"), "!EEXIST");
    ok(a, XS_WATCH, "data|other|");
    events(a, "data|t| /local/domain/5/data|t| data|other|");
    ok(a, XS_WRITE, "data/x|1");
    events(a, "data/x|t| /local/domain/5/data/x|t| data/x|other|");
    ok(a, XS_UNWATCH, "data|t|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_UNWATCH, 0, "data|t|"), "!ENOENT");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_UNWATCH, 0, "dat a|t|"), "!EINVAL");
    ok(a, XS_WRITE, "data/x|2");
    events(a, "/local/domain/5/data/x|t| data/x|other|");
}

/* The removal of something above tells a watch its own path; one on what is not there stays silent.
 */
static void test_removal(void)
{
    fresh();
    ok(a, XS_WRITE, "data/p/q/r|1");
    ok(a, XS_WATCH, "data/p/q/r|deep|");
    ok(a, XS_WATCH, "data/p|same|");
    ok(a, XS_WATCH, "data/p/none|none|");
    ok(a, XS_WATCH, "data|up|");
    (void)peer_events(a);
    ok(a, XS_RM, "data/p|");
    events(a, "data/p|same| data/p|up| data/p/q/r|deep|");
}

static void test_permission_to_see(void)
{
    fresh();
    ok(b, XS_WATCH, "/local/domain/5/data|t|");
    events(b, "/local/domain/5/data|t|");
    ok(a, XS_WRITE, "data/secret|1");
    events(b, "");
    ok(a, XS_SET_PERMS, "data/secret|n5|r6|");
    events(b, "/local/domain/5/data/secret|t|");
    ok(a, XS_WRITE, "data/secret|2");
    events(b, "/local/domain/5/data/secret|t|");
    ok(b, XS_WATCH, "/local/domain/5/data/secret|own|");
    ok(a, XS_WRITE, "data/hidden|1");
    ok(b, XS_WATCH, "/local/domain/5/data/hidden|own|");
    (void)peer_events(b);
    ok(a, XS_RM, "data|");
    events(b, "/local/domain/5/data/secret|own|");
}

static void test_special(void)
{
    static const char for_b[] = "n0\0r6";
    struct peer *c;

    fresh();
    ok(a, XS_WATCH, "@releaseDomain|t|");
    ok(b, XS_WATCH, "@releaseDomain|t|");
    ok(b, XS_WATCH, "@introduceDomain|i|");
    events(b, "@releaseDomain|t| @introduceDomain|i|");
    (void)peer_events(a);
    CU_ASSERT_EQUAL(admin_set_perms(kit_store, "@releaseDomain", for_b, sizeof(for_b)), 0);
    CU_ASSERT_EQUAL(admin_set_perms(kit_store, "@introduceDomain", for_b, sizeof(for_b)), 0);
    c = store_kit_add(2, 7);
    events(b, "@introduceDomain|i|");
    store_shut_down(kit_store, c->client);
    store_shut_down(kit_store, c->client);
    events(b, "@releaseDomain|t|");
    store_release(kit_store, c->client);
    c->page = NULL;
    events(b, "@releaseDomain|t|");
    events(a, "");
    ok(a, XS_WRITE, "data/x|1");
    ok(a, XS_UNWATCH, "@releaseDomain|t|");
    events(b, "");
}

static void test_limits(void)
{
    char request[2000];

    fresh();
    for (unsigned i = 0; i < WATCHES_MAX; i++) {
        sprintf(request, "data/w%u|t|", i);
        ok(a, XS_WATCH, request);
    }
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WATCH, 0, "data|t|"), "!E2BIG");
    ok(b, XS_WATCH, "data|t|");
    ok(a, XS_RESET_WATCHES, "|");
    CU_ASSERT_EQUAL(a->client->watch_count, 0);
    ok(a, XS_WATCH, "data|t|");
    memset(request, 't', sizeof(request));
    memcpy(request, "data|", 5);
    strcpy(request + 5 + TOKEN_MAX + 1, "|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WATCH, 0, request), "!E2BIG");
    strcpy(request + 5 + TOKEN_MAX, "|");
    ok(a, XS_WATCH, request);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WATCH, 0, "|t|"), "!EINVAL");
}

/* A watch that is taken back takes its events along, those of others stay. */
static void test_taken_back(void)
{
    fresh();
    CU_ASSERT_EQUAL(watch_add(kit_store, a->client, "data", "t"), 0);
    CU_ASSERT_EQUAL(watch_add(kit_store, a->client, "data", "u"), 0);
    CU_ASSERT_EQUAL(a->client->event_count, 2);
    CU_ASSERT_EQUAL(watch_remove(kit_store, a->client, "data", "t"), 0);
    CU_ASSERT_EQUAL(a->client->event_count, 1);
    CU_ASSERT(store_audit(kit_store));
    events(a, "data|u|");
}

/* Events wait in the order of the changes, the same one once; what is too much is folded. */
static void test_queue(void)
{
    char request[64];
    unsigned listed = 0;

    fresh();
    ok(b, XS_WRITE, "data/x|1");
    ok(b, XS_SET_PERMS, "data|n6|r5|");
    ok(b, XS_SET_PERMS, "data/x|n6|r5|");
    ok(a, XS_WATCH, "/local/domain/6/data|t|");
    (void)peer_events(a);
    a->deaf = true;
    for (unsigned i = 0; i < 5000; i++)
        ok(b, XS_WRITE, "data/x|1");
    /* The first few went into the ring before it was full. */
    CU_ASSERT(a->client->event_count <= 1);
    for (unsigned i = 0; i < 400; i++) {
        sprintf(request, "data/many%u|", i % 200);
        ok(b, i < 200 ? XS_MKDIR : XS_RM, request);
    }
    CU_ASSERT_EQUAL(a->client->event_count, EVENTS_MAX);
    store_kit_settle();
    a->deaf = false;
    store_kit_settle();
    CU_ASSERT_STRING_EQUAL(a->event[a->events - 1], "/local/domain/6/data|t|");
    for (unsigned i = 0; i < a->events; i++)
        listed += strstr(a->event[i], "many") != NULL;
    CU_ASSERT(listed >= EVENTS_MAX - 1 && listed < 200);
    (void)peer_events(a);
    ok(b, XS_WRITE, "data/x|2");
    events(a, "/local/domain/6/data/x|t|");
    CU_ASSERT_EQUAL(a->client->link, LINK_UP);
}

static const struct test_case cases[] = {{"what fires", test_firing},
                                         {"a watch ends at a slash", test_bounds_of_a_watch},
                                         {"relative watches", test_relative},
                                         {"removal of something above", test_removal},
                                         {"only what may be read", test_permission_to_see},
                                         {"special events", test_special},
                                         {"limits", test_limits},
                                         {"taken back", test_taken_back},
                                         {"events that nobody takes", test_queue},
                                         {NULL, NULL}};

const struct suite suite_store_watch = {.name = "store: watches", .cases = cases};
