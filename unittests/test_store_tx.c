/* SPDX-License-Identifier: MIT
 *
 * Transactions: what they see, when they conflict, what they leave behind.
 */
#include <stdio.h>
#include <string.h>

#include "store_kit.h"
#include "suite.h"

static struct peer *a, *b;

static void fresh(void)
{
    store_kit_reset();
    a = store_kit_add(0, 5);
    b = store_kit_add(1, 6);
    /* A place where both may do everything. */
    (void)peer_ask(a, XS_MKDIR, 0, "data/both|");
    (void)peer_ask(a, XS_SET_PERMS, 0, "data/both|b5|");
    (void)peer_ask(a, XS_SET_PERMS, 0, "data|b5|");
}

#define BOTH "/local/domain/5/data/both"
#define is(peer, type, tx, request, answer) \
    CU_ASSERT_STRING_EQUAL(peer_ask(peer, type, tx, request), answer)

static void test_sight(void)
{
    uint32_t t;

    fresh();
    is(a, XS_WRITE, 0, "data/x|old", "OK|");
    t = peer_start(a);
    is(a, XS_WRITE, t, "data/x|new", "OK|");
    is(a, XS_WRITE, t, "data/d/e|v", "OK|");
    is(a, XS_READ, t, "data/x|", "new");
    is(a, XS_READ, t, "data/d/e|", "v");
    is(a, XS_READ, t, "data/d|", "");
    is(a, XS_READ, 0, "data/x|", "old");
    is(a, XS_READ, 0, "data/d|", "!ENOENT");
    is(a, XS_DIRECTORY, t, "data|", "both|x|d|");
    is(a, XS_DIRECTORY, 0, "data|", "both|x|");
    is(a, XS_RM, t, "data/d|", "OK|");
    is(a, XS_READ, t, "data/d/e|", "!ENOENT");
    is(a, XS_WRITE, t, "data/d/f|w", "OK|");
    is(a, XS_DIRECTORY, t, "data/d|", "f|");
    is(a, XS_SET_PERMS, t, "data/x|n5|r6|", "OK|");
    is(a, XS_GET_PERMS, t, "data/x|", "n5|r6|");
    is(a, XS_GET_PERMS, 0, "data/x|", "b5|");
    is(a, XS_TRANSACTION_END, t, "T|", "OK|");
    is(a, XS_TRANSACTION_END, t, "T|", "!ENOENT");
    is(a, XS_READ, t, "data/x|", "!ENOENT");
    is(a, XS_READ, 0, "data/x|", "new");
    is(a, XS_GET_PERMS, 0, "data/x|", "n5|r6|");
    is(a, XS_DIRECTORY, 0, "data|", "both|x|d|");
    is(a, XS_DIRECTORY, 0, "data/d|", "f|");
    is(a, XS_READ, 0, "data/d/f|", "w");
}

/* What was there, taken away and made again, is new. */
static void test_again(void)
{
    uint32_t t;

    fresh();
    is(a, XS_WRITE, 0, "data/d/x|1", "OK|");
    is(a, XS_WRITE, 0, "data/d/y|1", "OK|");
    t = peer_start(a);
    is(a, XS_RM, t, "data/d|", "OK|");
    is(a, XS_RM, t, "data/d|", "OK|");
    is(a, XS_DIRECTORY, t, "data|", "both|");
    is(a, XS_WRITE, t, "data/d/y|2", "OK|");
    is(a, XS_DIRECTORY, t, "data/d|", "y|");
    is(a, XS_READ, t, "data/d/x|", "!ENOENT");
    is(a, XS_RM, t, "data/d/y|", "OK|");
    is(a, XS_WRITE, t, "data/d/y|3", "OK|");
    is(a, XS_DIRECTORY, t, "data/d|", "y|");
    is(a, XS_READ, 0, "data/d/x|", "1");
    is(a, XS_TRANSACTION_END, t, "T|", "OK|");
    is(a, XS_DIRECTORY, 0, "data/d|", "y|");
    is(a, XS_READ, 0, "data/d/y|", "3");
    store_kit_settle();
}

static void test_given_up(void)
{
    uint32_t t;
    unsigned nodes;

    fresh();
    nodes = a->client->nodes;
    t = peer_start(a);
    is(a, XS_WRITE, t, "data/d/e/f|1", "OK|");
    is(a, XS_RM, t, "data/both|", "OK|");
    is(a, XS_TRANSACTION_START, t, "|", "!EBUSY");
    CU_ASSERT_EQUAL(a->client->nodes, nodes + 3);
    is(a, XS_TRANSACTION_END, t, "F|", "OK|");
    CU_ASSERT_EQUAL(a->client->nodes, nodes);
    is(a, XS_DIRECTORY, 0, "data|", "both|");
    t = peer_start(a);
    is(a, XS_WRITE, t, "data/d|1", "OK|");
    is(a, XS_RESET_WATCHES, 0, "|", "OK|");
    CU_ASSERT_EQUAL(a->client->nodes, nodes);
    is(a, XS_TRANSACTION_END, t, "T|", "!ENOENT");
    store_kit_settle();
}

/* In a transaction a does `mine`; meanwhile b does `theirs`: does a's end succeed? */
struct race {
    const char *name;
    uint32_t mine;
    const char *mine_request;
    uint32_t theirs;
    const char *their_request;
    bool conflict;
};

static const struct race races[] = {
    {"read, written", XS_READ, BOTH "/x|", XS_WRITE, BOTH "/x|2", true},
    {"read, another written", XS_READ, BOTH "/x|", XS_WRITE, BOTH "/y|2", false},
    {"written, written", XS_WRITE, BOTH "/x|1", XS_WRITE, BOTH "/x|2", true},
    {"written, another written", XS_WRITE, BOTH "/x|1", XS_WRITE, BOTH "/y|2", false},
    {"made, another made", XS_WRITE, BOTH "/m|1", XS_WRITE, BOTH "/n|2", false},
    {"made, made", XS_WRITE, BOTH "/m|1", XS_WRITE, BOTH "/m|2", true},
    {"absent, made", XS_READ, BOTH "/m|", XS_MKDIR, BOTH "/m|", true},
    {"absent, made above", XS_READ, BOTH "/m/n|", XS_MKDIR, BOTH "/m|", true},
    {"listed, made", XS_DIRECTORY, BOTH "|", XS_MKDIR, BOTH "/m|", true},
    {"listed, child written", XS_DIRECTORY, BOTH "|", XS_WRITE, BOTH "/x|2", false},
    {"listed, removed", XS_DIRECTORY, BOTH "|", XS_RM, BOTH "/x|", true},
    {"listed, made deeper", XS_DIRECTORY, BOTH "|", XS_MKDIR, BOTH "/x/z|", false},
    {"read, removed", XS_READ, BOTH "/x|", XS_RM, BOTH "/x|", true},
    {"read, removed above", XS_READ, BOTH "/x|", XS_RM, BOTH "|", true},
    {"removed, written", XS_RM, BOTH "/x|", XS_WRITE, BOTH "/x|2", true},
    {"removed, removed", XS_RM, BOTH "/x|", XS_RM, BOTH "/x|", true},
    {"permissions, written", XS_GET_PERMS, BOTH "/x|", XS_WRITE, BOTH "/x|2", true},
    {"read, read", XS_READ, BOTH "/x|", XS_READ, BOTH "/x|", false},
};

static void test_conflicts(void)
{
    for (unsigned i = 0; i < sizeof(races) / sizeof(races[0]); i++) {
        const struct race *r = &races[i];
        uint32_t t;

        fresh();
        is(b, XS_WRITE, 0, BOTH "/x|0", "OK|");
        is(b, XS_WRITE, 0, BOTH "/y|0", "OK|");
        (void)peer_ask(b, XS_SET_PERMS, 0, BOTH "/x|b6|");
        t = peer_start(a);
        (void)peer_ask(a, r->mine, t, r->mine_request);
        is(a, XS_WRITE, t, "drivers/done|1", "OK|");
        CU_ASSERT(peer_ask(b, r->theirs, 0, r->their_request)[0] != '!');
        CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_TRANSACTION_END, t, "T|"),
                               r->conflict ? "!EAGAIN" : "OK|");
        if (strcmp(a->answer, r->conflict ? "!EAGAIN" : "OK|") != 0)
            printf("race: %s\n", r->name);
        is(a, XS_READ, 0, "drivers/done|", r->conflict ? "!ENOENT" : "1");
        store_kit_settle();
    }
}

/* Also against another transaction, and both ways; the loser's second try succeeds. */
static void test_two(void)
{
    uint32_t t, u;

    fresh();
    is(a, XS_WRITE, 0, BOTH "/n|1", "OK|");
    t = peer_start(a);
    u = peer_start(b);
    is(a, XS_READ, t, BOTH "/n|", "1");
    is(b, XS_READ, u, BOTH "/n|", "1");
    is(a, XS_WRITE, t, BOTH "/n|2", "OK|");
    is(b, XS_WRITE, u, BOTH "/n|2", "OK|");
    is(b, XS_TRANSACTION_END, u, "T|", "OK|");
    is(a, XS_TRANSACTION_END, t, "T|", "!EAGAIN");
    t = peer_start(a);
    is(a, XS_READ, t, BOTH "/n|", "2");
    is(a, XS_WRITE, t, BOTH "/n|3", "OK|");
    is(a, XS_TRANSACTION_END, t, "T|", "OK|");
    is(b, XS_READ, 0, BOTH "/n|", "3");
}

/* What was absent, came, was seen, and went again: it is not as if nothing had been. */
static void test_back_again(void)
{
    uint32_t t, u;

    fresh();
    t = peer_start(a);
    u = peer_start(a);
    is(a, XS_READ, t, BOTH "/n|", "!ENOENT");
    is(a, XS_READ, u, BOTH "/n|", "!ENOENT");
    is(b, XS_WRITE, 0, BOTH "/n|1", "OK|");
    is(a, XS_READ, t, BOTH "/n|", "1");
    is(a, XS_WRITE, u, BOTH "/n|2", "OK|");
    is(b, XS_RM, 0, BOTH "/n|", "OK|");
    is(a, XS_TRANSACTION_END, t, "T|", "!EAGAIN");
    is(a, XS_TRANSACTION_END, u, "T|", "!EAGAIN");
    is(a, XS_READ, 0, BOTH "|", "");
    store_kit_settle();
}

static void test_events(void)
{
    uint32_t t;

    fresh();
    is(b, XS_WATCH, 0, BOTH "|t|", "OK|");
    (void)peer_events(b);
    t = peer_start(a);
    is(a, XS_WRITE, t, BOTH "/d/e|1", "OK|");
    is(a, XS_WRITE, t, BOTH "/f|1", "OK|");
    CU_ASSERT_STRING_EQUAL(peer_events(b), "");
    is(a, XS_TRANSACTION_END, t, "T|", "OK|");
    CU_ASSERT_STRING_EQUAL(peer_events(b), BOTH "/d/e|t| " BOTH "/f|t|");
    t = peer_start(a);
    is(a, XS_WRITE, t, BOTH "/f|2", "OK|");
    is(a, XS_TRANSACTION_END, t, "F|", "OK|");
    CU_ASSERT_STRING_EQUAL(peer_events(b), "");
}

static void test_limits(void)
{
    char request[64];
    uint32_t t = 0;
    unsigned n;

    fresh();
    for (n = 0; n < TXS_MAX; n++)
        t = peer_start(a);
    CU_ASSERT(t != 0);
    is(a, XS_TRANSACTION_START, 0, "|", "!ENOSPC");
    CU_ASSERT(peer_start(b) != 0);
    for (n = 0; n < TX_LOG_MAX; n++)
        is(a, XS_WRITE, t, "data/x|1", "OK|");
    is(a, XS_WRITE, t, "data/x|2", "!ENOSPC");
    is(a, XS_RM, t, "data/x|", "!ENOSPC");
    is(a, XS_SET_PERMS, t, "data/x|n5|", "!ENOSPC");
    is(a, XS_TRANSACTION_END, t, "T|", "OK|");
    is(a, XS_READ, 0, "data/x|", "1");
    is(a, XS_RESET_WATCHES, 0, "|", "OK|");
    t = peer_start(a);
    for (n = 0; n < 2 * TX_READS_MAX; n++) {
        sprintf(request, "data/n%u|", n);
        if (strcmp(peer_ask(a, XS_READ, t, request), "!ENOENT") != 0)
            break;
    }
    CU_ASSERT_STRING_EQUAL(a->answer, "!ENOSPC");
    is(a, XS_TRANSACTION_END, t, "T|", "OK|");
    store_kit_settle();
}

/* When a domain goes, all open transactions fail, and what they held is free. */
static void test_lost(void)
{
    uint32_t t;

    fresh();
    is(a, XS_WRITE, 0, "data/x|1", "OK|");
    t = peer_start(a);
    is(a, XS_WRITE, t, "data/x|2", "OK|");
    is(a, XS_WRITE, t, "data/y|2", "OK|");
    is(b, XS_WRITE, peer_start(b), BOTH "/z|2", "OK|");
    store_release(kit_store, b->client);
    b->page = NULL;
    store_kit_settle();
    is(a, XS_READ, t, "data/x|", "1");
    is(a, XS_WRITE, t, "data/x|3", "OK|");
    is(a, XS_RM, t, "data/x|", "OK|");
    is(a, XS_SET_PERMS, t, "data/x|n5|", "OK|");
    is(a, XS_TRANSACTION_END, t, "T|", "!EAGAIN");
    is(a, XS_READ, 0, "data/x|", "1");
    is(a, XS_READ, 0, "data/y|", "!ENOENT");
    store_kit_settle();
}

static const struct test_case cases[] = {{"what it sees", test_sight},
                                         {"removed and made again", test_again},
                                         {"given up", test_given_up},
                                         {"conflicts", test_conflicts},
                                         {"two", test_two},
                                         {"back again", test_back_again},
                                         {"events at the end", test_events},
                                         {"limits", test_limits},
                                         {"a domain goes meanwhile", test_lost},
                                         {NULL, NULL}};

const struct suite suite_store_tx = {.name = "store: transactions", .cases = cases};
