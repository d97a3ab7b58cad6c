/* SPDX-License-Identifier: MIT
 *
 * Random requests of three domains, in and out of transactions, against a naive model.
 *
 * The model knows no transactions. What a transaction's requests were answered is written down; when
 * it ends well, the same requests are made to the model then, one after another, and must get the
 * same answers: the transaction was as if it had happened at its end. When it ends in EAGAIN,
 * somebody must have changed something since its start. Watches are counted on: after every change
 * whoever watches the path and may read it must have an event.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_store.h"
#include "store_kit.h"
#include "suite.h"

#define STEPS   20000
#define DOMAINS 3
#define ASKED   100
#define BASE    "/local/domain/5/data"

struct asked {
    uint32_t type;
    char path[64], value[16], answer[512];
    char others;
};

/* A transaction of the test's. */
struct open {
    uint32_t id; /* 0: none */
    unsigned changes_before;
    unsigned count;
    struct asked asked[ASKED];
};

static struct model model;
static struct open open_tx[DOMAINS][2];
static unsigned changes; /* requests and commits that have changed the store */
static unsigned committed, refused;

static void random_path(char *path)
{
    static const char *const names[] = {"a", "b", "c", "ab"};
    unsigned depth = 1 + (unsigned)rand() % 3;

    strcpy(path, BASE);
    while (depth--)
        sprintf(path + strlen(path), "/%s", names[rand() % 4]);
}

static const char *ask_model(const struct asked *q, unsigned who)
{
    switch (q->type) {
    case XS_READ:
        return model_read(&model, q->path, who);
    case XS_WRITE:
        return model_write(&model, q->path, q->value, who);
    case XS_MKDIR:
        return model_write(&model, q->path, NULL, who);
    case XS_RM:
        return model_rm(&model, q->path, who);
    case XS_DIRECTORY:
        return model_list(&model, q->path, who);
    default:
        return model_perms(&model, q->path, who, q->others);
    }
}

static void choose(struct asked *q)
{
    static const uint32_t types[] = {XS_READ, XS_READ,      XS_WRITE,     XS_WRITE,     XS_WRITE,
                                     XS_RM,   XS_DIRECTORY, XS_GET_PERMS, XS_SET_PERMS, XS_MKDIR};

    memset(q, 0, sizeof(*q));
    q->type = types[rand() % 10];
    random_path(q->path);
    if (q->type == XS_WRITE)
        sprintf(q->value, "%d", rand() % 1000);
    if (q->type == XS_SET_PERMS)
        q->others = "nrwbbb"[rand() % 6];
}

static const char *ask_store(const struct asked *q, struct peer *peer, uint32_t tx)
{
    char request[128];

    if (q->type == XS_SET_PERMS)
        sprintf(request, "%s|%c%u|", q->path, q->others, peer->domid);
    else
        sprintf(request, "%s|%s", q->path, q->value);
    return peer_ask(peer, q->type, tx, request);
}

static bool is_change(uint32_t type)
{
    return type == XS_WRITE || type == XS_MKDIR || type == XS_RM || type == XS_SET_PERMS;
}

static void complain(const struct asked *q, unsigned who, const char *model_says)
{
    printf("step: domain %u, type %u, %s %s: store %s, model %s\n", who, q->type, q->path, q->value,
           q->answer, model_says);
}

static void compare(const struct asked *q, unsigned who)
{
    const char *want = ask_model(q, who);

    if (strcmp(q->answer, want) != 0)
        complain(q, who, want);
    CU_ASSERT_STRING_EQUAL_FATAL(q->answer, want);
}

static void outside(struct peer *peer)
{
    struct asked q;

    choose(&q);
    strcpy(q.answer, ask_store(&q, peer, 0));
    compare(&q, peer->domid);
    changes += is_change(q.type) && q.answer[0] != '!';
}

static void inside(struct peer *peer, struct open *o)
{
    struct asked *q = &o->asked[o->count];

    choose(q);
    strcpy(q->answer, ask_store(q, peer, o->id));
    if (strcmp(q->answer, "!ENOSPC") != 0)
        o->count++;
}

static void end(struct peer *peer, struct open *o)
{
    bool commit = rand() % 4 != 0;
    const char *answer = peer_ask(peer, XS_TRANSACTION_END, o->id, commit ? "T|" : "F|");

    o->id = 0;
    if (!commit) {
        CU_ASSERT_STRING_EQUAL(answer, "OK|");
        return;
    }
    if (strcmp(answer, "!EAGAIN") == 0) {
        CU_ASSERT_FATAL(changes != o->changes_before);
        refused++;
        return;
    }
    CU_ASSERT_STRING_EQUAL_FATAL(answer, "OK|");
    committed++;
    for (unsigned i = 0; i < o->count; i++) {
        compare(&o->asked[i], peer->domid);
        changes += is_change(o->asked[i].type) && o->asked[i].answer[0] != '!';
    }
}

static void in_transaction(struct peer *peer, struct open *o)
{
    if (o->id == 0) {
        o->id = peer_start(peer);
        CU_ASSERT_FATAL(o->id != 0);
        o->changes_before = changes;
        o->count = 0;
    } else if (o->count == ASKED || rand() % 6 == 0) {
        end(peer, o);
    } else {
        inside(peer, o);
    }
}

static void begin(void)
{
    store_kit_reset();
    memset(open_tx, 0, sizeof(open_tx));
    for (unsigned i = 0; i < DOMAINS; i++)
        (void)store_kit_add(i, (uint16_t)(5 + i));
    (void)peer_ask(&kit_peer[0], XS_SET_PERMS, 0, "data|b5|");
    memset(&model, 0, sizeof(model));
    model.count = 1;
    strcpy(model.node[0].path, BASE);
    model.node[0].owner = 5;
    model.node[0].others = 'b';
}

static void test_random(void)
{
    srand((unsigned)test_seed);
    begin();
    committed = refused = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned who = (unsigned)rand() % DOMAINS;

        if (rand() % 3)
            in_transaction(&kit_peer[who], &open_tx[who][rand() % 2]);
        else
            outside(&kit_peer[who]);
        if (step % 32 == 0)
            store_kit_settle();
    }
    /* Both happen often, or the test shows nothing. */
    CU_ASSERT(committed > STEPS / 100);
    CU_ASSERT(refused > STEPS / 100);
}

/* ---- watches ---- */

static bool has_event(struct peer *peer, const char *path, const char *token)
{
    char want[128];

    sprintf(want, "%s|%s|", path, token);
    for (unsigned i = 0; i < peer->events; i++)
        if (strcmp(peer->event[i], want) == 0)
            return true;
    return false;
}

/* Domain i watches a path of its own with its number as token. */
static void test_watches(void)
{
    char watched[DOMAINS][64], token[4], request[256];

    srand((unsigned)test_seed + 1);
    begin();
    for (unsigned step = 0; step < STEPS / 10; step++) {
        struct peer *peer = &kit_peer[rand() % DOMAINS];
        bool wanted[DOMAINS] = {false};
        struct asked q;

        for (unsigned i = 0; i < DOMAINS; i++) {
            random_path(watched[i]);
            if (rand() % 2)
                strcpy(watched[i], BASE);
            sprintf(request, "%s|%u|", watched[i], i);
            CU_ASSERT_STRING_EQUAL(peer_ask(&kit_peer[i], XS_WATCH, 0, request), "OK|");
            (void)peer_events(&kit_peer[i]);
        }
        choose(&q);
        for (unsigned i = 0; i < DOMAINS && q.type == XS_RM; i++) {
            struct model_node *n = model_find(&model, q.path);

            wanted[i] =
                n && model_may(n, kit_peer[i].domid, 'r') && model_below(watched[i], q.path);
        }
        strcpy(q.answer, ask_store(&q, peer, 0));
        compare(&q, peer->domid);
        for (unsigned i = 0; i < DOMAINS; i++) {
            struct model_node *n = model_find(&model, q.path);

            if (q.type == XS_WRITE || q.type == XS_SET_PERMS)
                wanted[i] =
                    n && model_may(n, kit_peer[i].domid, 'r') && model_below(watched[i], q.path);
            wanted[i] = wanted[i] && q.answer[0] != '!';
            store_kit_settle();
            sprintf(token, "%u", i);
            if (q.type != XS_MKDIR)
                CU_ASSERT_EQUAL(has_event(&kit_peer[i], q.path, token), wanted[i]);
            sprintf(request, "%s|%u|", watched[i], i);
            (void)peer_ask(&kit_peer[i], XS_UNWATCH, 0, request);
            kit_peer[i].events = 0;
        }
    }
}

static const struct test_case cases[] = {
    {"random requests and transactions", test_random},
    {"random changes are seen by those who watch", test_watches},
    {NULL, NULL}};

const struct suite suite_store_model = {.name = "store: model", .cases = cases};
