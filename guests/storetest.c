/* SPDX-License-Identifier: MIT
 *
 * storetest: the store as a guest sees it: its own part, watches, transactions, limits, and what
 * becomes of a guest that breaks the protocol. Two of them (role=first, role=second peer=ID) share a
 * counter that both change in transactions. role=waits waits to be told to shut down.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "storetest/client.h"

#define SOON (60000 * MS)

const char guest_name[] = "storetest";

static void check_answer(const char *name, const char *got, const char *want)
{
    check_true(name, strcmp(got, want) == 0, "%s, expected %s", got, want);
}

/* One request outside of transactions, and its answer. */
static void check_ask(const char *name, uint32_t type, const char *request, const char *want)
{
    check_answer(name, xs_ask(type, 0, request), want);
}

/* ---- what every domain finds ---- */

static void own_part(void)
{
    check_ask("vcpu-online", XS_READ, "cpu/0/availability|", "online");
    check_ask("shutdown-empty", XS_READ, "control/shutdown|", "");
    check_ask("reset-watches-offered", XS_READ, "control/platform-feature-xs_reset_watches|", "1");
    check_ask("not-there", XS_READ, "data/none|", "!ENOENT");
    check_ask("not-allowed", XS_WRITE, "memory/target|1", "!EACCES");
    check_ask("not-readable", XS_DIRECTORY, "/local/domain|", "!EACCES");
    check_ask("not-a-path", XS_READ, "data//x|", "!EINVAL");
    check_ask("not-a-request", 99, "|", "!ENOSYS");
    check_ask("only-for-the-control-domain", XS_INTRODUCE, "9|1|1|", "!EACCES");
    check_ask("write", XS_WRITE, "data/a/b|some text", "OK|");
    check_ask("read", XS_READ, "data/a/b|", "some text");
    check_ask("list", XS_DIRECTORY, "data|", "a|");
    check_ask("remove", XS_RM, "data/a|", "OK|");
    check_ask("removed", XS_DIRECTORY, "data|", "");
}

static void watches(void)
{
    check_ask("watch", XS_WATCH, "data|tok|", "OK|");
    check_true("watch-fires-at-once", xs_event("data|tok|", SOON), "no event");
    check_ask("watched-write", XS_WRITE, "data/w|1", "OK|");
    check_true("watch-fires", xs_event("data/w|tok|", SOON), "no event");
    check_ask("unwatch", XS_UNWATCH, "data|tok|", "OK|");
    check_ask("unwatched-write", XS_WRITE, "data/w|2", "OK|");
    check_true("unwatched-is-silent", !xs_event("data/w|tok|", 20 * MS), "an event");
}

/* A transaction that writes one value, begun anew each time it is lost: all that are open are lost
 * when a domain goes (store/tx.c), so at most once for each of the others. */
static void commit(void)
{
    unsigned tries = 4;
    const char *answer;

    do {
        uint32_t t = xs_start();

        check_answer("inside-write", xs_ask(XS_WRITE, t, "data/t|1"), "OK|");
        check_ask("outside-unseen", XS_READ, "data/t|", "!ENOENT");
        answer = xs_ask(XS_TRANSACTION_END, t, "T|");
    } while (strcmp(answer, "!EAGAIN") == 0 && --tries > 0);
    check_answer("commit", answer, "OK|");
}

static void transactions(void)
{
    uint32_t t;

    commit();
    check_ask("outside-seen", XS_READ, "data/t|", "1");
    t = xs_start();
    check_answer("inside-read", xs_ask(XS_READ, t, "data/t|"), "1");
    check_answer("inside-change", xs_ask(XS_WRITE, t, "data/t|2"), "OK|");
    check_ask("outside-change", XS_WRITE, "data/t|3", "OK|");
    check_answer("conflict", xs_ask(XS_TRANSACTION_END, t, "T|"), "!EAGAIN");
    check_ask("not-committed", XS_READ, "data/t|", "3");
}

/* Nodes until there is no more room, and many requests in a row. */
static void limits(void)
{
    const char *answer = "OK|";
    char request[64];
    unsigned made = 0;

    for (; strcmp(answer, "OK|") == 0 && made < 5000; made++) {
        (void)kit_snprintf(request, sizeof(request), "data/many/n%u|", made);
        answer = xs_ask(XS_MKDIR, 0, request);
    }
    check_answer("no-room", answer, "!ENOSPC");
    check_true("some-room", made > 100, "%u nodes", made);
    check_ask("room-again", XS_RM, "data/many|", "OK|");
    check_begin("flood");
    for (unsigned i = 0; i < 300; i++) {
        (void)kit_snprintf(request, sizeof(request), "data/x|%u", i);
        check_part(strcmp(xs_ask(XS_WRITE, 0, request), "OK|") == 0, "request %u", i);
    }
    check_end();
}

/* ---- breaking the protocol ---- */

static void recover(const char *name)
{
    bool again = xs_reconnect();
    const char *answer = again ? xs_ask(XS_WRITE, 0, "data/x|again") : "!";

    check_true(name, strcmp(answer, "OK|") == 0, "connection %u, %s", xs_page->connection, answer);
}

static void lies(void)
{
    struct xsd_sockmsg header = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};

    check_true("features-offered",
               xs_page->server_features ==
                   (XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR),
               "%u", xs_page->server_features);
    xs_page->req_prod += XENSTORE_RING_SIZE + 1;
    xs_ring();
    check_true("request-index", xs_error(XENSTORE_ERROR_RINGIDX), "error %u", xs_page->error);
    recover("request-index-recovers");
    xs_page->rsp_cons -= XENSTORE_RING_SIZE + 1;
    xs_ring();
    check_true("answer-index", xs_error(XENSTORE_ERROR_RINGIDX), "error %u", xs_page->error);
    recover("answer-index-recovers");
    for (unsigned i = 0; i < sizeof(header); i++) {
        xs_page->req[MASK_XENSTORE_IDX(xs_page->req_prod + i)] = ((const char *)&header)[i];
    }
    __atomic_store_n(&xs_page->req_prod, xs_page->req_prod + sizeof(header), __ATOMIC_RELEASE);
    xs_ring();
    check_true("too-long", xs_error(XENSTORE_ERROR_PROTO), "error %u", xs_page->error);
    recover("too-long-recovers");
}

/* ---- two domains ---- */

#define TURNS 40

static unsigned number(const char *text)
{
    unsigned value = 0;

    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (unsigned)(*text - '0');
    }
    return value;
}

/* Adds one to the shared counter, however often it takes. */
static bool count_up(const char *counter)
{
    char request[96];

    for (unsigned tries = 0; tries < 1000; tries++) {
        uint32_t t = xs_start();
        unsigned value;

        (void)kit_snprintf(request, sizeof(request), "%s|", counter);
        value = number(xs_ask(XS_READ, t, request));
        (void)kit_snprintf(request, sizeof(request), "%s|%u", counter, value + 1);
        (void)xs_ask(XS_WRITE, t, request);
        if (strcmp(xs_ask(XS_TRANSACTION_END, t, "T|"), "OK|") == 0) {
            return true;
        }
    }
    return false;
}

/* Waits until a node that the other makes has a value. */
static bool wait_value(const char *path, const char *value)
{
    char request[96], event[96];
    bool good = false;

    (void)kit_snprintf(request, sizeof(request), "%s|wait|", path);
    (void)kit_snprintf(event, sizeof(event), "%s|wait|", path);
    (void)xs_ask(XS_WATCH, 0, request);
    for (unsigned i = 0; i < 200 && !good; i++) {
        char read[96];

        (void)xs_event(event, 50 * MS);
        (void)kit_snprintf(read, sizeof(read), "%s|", path);
        good = strcmp(xs_ask(XS_READ, 0, read), value) == 0;
    }
    (void)xs_ask(XS_UNWATCH, 0, request);
    return good;
}

static void turns(const char *counter)
{
    check_begin("transactions-of-two");
    for (unsigned i = 0; i < TURNS; i++) {
        check_part(count_up(counter), "turn %u", i);
    }
    check_end();
}

static void first(void)
{
    char request[64];
    unsigned peer = (unsigned)args_number("peer", 3);

    check_ask("secret", XS_WRITE, "data/secret|1", "OK|");
    check_ask("counter", XS_WRITE, "data/meet/counter|0", "OK|");
    (void)kit_snprintf(request, sizeof(request), "data/meet/counter|n%u|b%u|",
                       number(xs_ask(XS_READ, 0, "domid|")), peer);
    check_ask("share", XS_SET_PERMS, request, "OK|");
    check_ask("done-node", XS_WRITE, "data/done|0", "OK|");
    (void)kit_snprintf(request, sizeof(request), "data/done|n%u|b%u|",
                       number(xs_ask(XS_READ, 0, "domid|")), peer);
    check_ask("share-done", XS_SET_PERMS, request, "OK|");
    turns("data/meet/counter");
    check_true("second-is-done", wait_value("data/done", "1"), "not within ten seconds");
    check_true("every-turn-counted", number(xs_ask(XS_READ, 0, "data/meet/counter|")) == 2 * TURNS,
               "%u", number(xs_ask(XS_READ, 0, "data/meet/counter|")));
    check_ask("finished", XS_WRITE, "data/done|2", "OK|");
}

static void second(void)
{
    char base[64], path[96];
    unsigned peer = (unsigned)args_number("peer", 2);

    (void)kit_snprintf(base, sizeof(base), "/local/domain/%u/data", peer);
    (void)kit_snprintf(path, sizeof(path), "%s/done", base);
    check_true("first-is-there", wait_value(path, "0"), "not within ten seconds");
    (void)kit_snprintf(path, sizeof(path), "%s/secret|", base);
    check_ask("hidden", XS_READ, path, "!EACCES");
    (void)kit_snprintf(path, sizeof(path), "%s/secret|2", base);
    check_ask("protected", XS_WRITE, path, "!EACCES");
    (void)kit_snprintf(path, sizeof(path), "%s/meet/counter", base);
    turns(path);
    (void)kit_snprintf(path, sizeof(path), "%s/done|1", base);
    check_ask("tell", XS_WRITE, path, "OK|");
}

/* ---- the administrator ---- */

static void waits(void)
{
    bool told = false;

    check_ask("watch-shutdown", XS_WATCH, "control/shutdown|s|", "OK|");
    kit_printf("waiting\n");
    for (unsigned i = 0; i < 600 && !told; i++) {
        (void)xs_event("control/shutdown|s|", 50 * MS);
        told = strcmp(xs_ask(XS_READ, 0, "control/shutdown|"), "poweroff") == 0;
    }
    check_true("told-to-shut-down", told, "not within thirty seconds");
    check_ask("acknowledged", XS_WRITE, "control/shutdown|", "OK|");
}

void guest_main(void)
{
    char name[64];

    if (!xs_connect()) {
        check_fail("connect", "there is no store");
        return;
    }
    (void)kit_snprintf(name, sizeof(name), "%s", xs_ask(XS_READ, 0, "name|"));
    check_true("name", name[0] != '!', "%s", name);
    if (args_is("role", "first")) {
        first();
    } else if (args_is("role", "second")) {
        second();
    } else if (args_is("role", "waits")) {
        waits();
    } else {
        own_part();
        watches();
        transactions();
        limits();
        lies();
    }
}
