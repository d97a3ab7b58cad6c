/* SPDX-License-Identifier: MIT
 *
 * transport: two domains, a stream and messages between them. The client sends bytes and gets them
 * back changed; then it sends requests that name pages of its own, which the server maps, changes
 * and gives back, two at a time and in the other order. Nothing of the pages is copied.
 *
 * role=server|client peer=ID. mib=N: so much through the stream each way. rounds=N: all so often.
 * expect=crash: the other ends without a word. die-us=US: this domain crashes after so long.
 */
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"
#include "kit/stream.h"
#include "transport/message.h"

const char guest_name[] = "transport";

#define PATIENCE (60000 * MS)
#define PIECE    5000U
#define BUFFERS  4U
#define PER      4U /* pages of a request */
#define REQUESTS 64U
#define TYPE_XOR 1U

static struct conn conn;
static struct conn_memory memory PAGE_ALIGNED;
static uint8_t buffer[BUFFERS][PER][PAGE_SIZE] PAGE_ALIGNED, window[2][PER][PAGE_SIZE] PAGE_ALIGNED;
static struct messages messages;
static struct message message;

static uint8_t pattern(uint64_t n)
{
    return (uint8_t)(n * 11 + n / 253);
}

static uint8_t inverted(uint64_t n)
{
    return pattern(n) ^ 0xff;
}

/* ---- the stream ---- */

/* Client: as much as the rings hold is under way; the server sends each byte back, inverted. */
static int stream_client(uint64_t total)
{
    static uint8_t bytes[PIECE];
    uint64_t wrote = 0, got = 0, wrong = 0;

    while (got < total) {
        uint32_t length = (uint32_t)(total - wrote < PIECE ? total - wrote : PIECE);
        int64_t moved = 0, came;

        for (uint32_t i = 0; i < length; i++) {
            bytes[i] = pattern(wrote + i);
        }
        moved = stream_write(&conn.stream, bytes, length);
        /* Not more than the stream's part: messages may follow at once. */
        length = (uint32_t)(total - got < PIECE ? total - got : PIECE);
        came = moved < 0 ? moved : stream_read(&conn.stream, bytes, length);
        if (came < 0) {
            return (int)came;
        }
        for (int64_t i = 0; i < came; i++) {
            wrong += bytes[i] != inverted(got + (uint64_t)i);
        }
        wrote += (uint64_t)moved;
        got += (uint64_t)came;
        if (moved == 0 && came == 0) {
            conn_wait(&conn);
        }
        conn_kick(&conn);
    }
    check_part(wrong == 0, "%lu bytes differ", wrong);
    return 0;
}

static int stream_server(uint64_t total)
{
    static uint8_t bytes[PIECE];

    for (uint64_t done = 0; done < total;) {
        int64_t came = stream_read(&conn.stream, bytes, PIECE);
        int rc;

        if (came < 0) {
            return (int)came;
        }
        if (came == 0) {
            conn_wait(&conn);
            continue;
        }
        for (int64_t i = 0; i < came; i++) {
            bytes[i] ^= 0xff;
        }
        rc = conn_write(&conn, bytes, (uint32_t)came);
        if (rc != 0) {
            return rc;
        }
        done += (uint64_t)came;
    }
    return 0;
}

/* ---- messages ---- */

static int receive(uint64_t *cookie)
{
    int rc;

    while ((rc = message_receive(&messages, &message, cookie)) == 0) {
        conn_wait(&conn);
    }
    conn_kick(&conn);
    return rc;
}

static uint32_t refs[BUFFERS][PER];

static int ask(unsigned b, uint64_t n)
{
    int rc;

    message.head = (struct lagan_message){.type = TYPE_XOR, .pages = PER};
    for (unsigned p = 0; p < PER; p++) {
        memset(buffer[b][p], pattern(n + p), PAGE_SIZE);
        message.page[p] = (struct lagan_message_page){.ref = refs[b][p], .length = PAGE_SIZE};
    }
    while ((rc = message_request(&messages, &message, b | n << 8)) == 0) {
        conn_wait(&conn);
    }
    conn_kick(&conn);
    return rc;
}

/* Two requests at a time, whose answers come in the other order. */
static int message_client(uint64_t requests)
{
    uint64_t cookie, wrong = 0, disorder = 0, last = 0;

    for (uint64_t n = 0; n < requests; n++) {
        int rc = ask((unsigned)(n % BUFFERS), n);

        for (unsigned k = 0; rc == 1 && n % 2 == 1 && k < 2; k++) {
            rc = receive(&cookie);
            for (unsigned i = 0; rc == 1 && i < PER; i++) {
                const uint8_t *page = buffer[cookie & 0xff][i];
                uint8_t want = inverted((cookie >> 8) + i);

                wrong += page[0] != want || page[PAGE_SIZE - 1] != want;
            }
            wrong += message.head.status != 0;
            disorder += k == 1 && cookie >> 8 < last;
            last = cookie >> 8;
        }
        if (rc != 1) {
            return rc;
        }
    }
    check_part(wrong == 0, "%lu pages or answers are wrong", wrong);
    check_part(disorder == requests / 2, "%lu answers out of order", disorder);
    return 0;
}

/* Maps a request's pages, inverts them in place, and lets go of them. */
static int work_on(const struct message *request)
{
    static grant_handle_t handle[PER];
    uint32_t list[PER];

    for (unsigned i = 0; i < PER; i++) {
        list[i] = request->page[i].ref;
    }
    if (request->head.pages != PER || link_map(conn.link.peer, list, PER, window[0], handle) != 0) {
        return -XEN_EINVAL;
    }
    for (unsigned i = 0; i < PER; i++) {
        for (unsigned k = 0; k < PAGE_SIZE / 8; k++) {
            ((uint64_t *)(void *)window[0][i])[k] ^= ~0UL;
        }
    }
    return link_unmap(PER, window[0], handle) ? 0 : -XEN_EIO;
}

static int respond(uint64_t id, int status)
{
    int rc;

    message.head = (struct lagan_message){.status = (int16_t)status};
    while ((rc = message_respond(&messages, &message, id)) == 0) {
        conn_wait(&conn);
    }
    conn_kick(&conn);
    return rc;
}

static int message_server(uint64_t requests)
{
    static struct message held;

    for (uint64_t n = 0; n < requests; n++) {
        uint64_t cookie;
        int rc = receive(&cookie), status;

        if (rc == 1 && n % 2 == 0) {
            held = message;
            continue;
        }
        if (rc == 1) {
            status = work_on(&message);
            rc = respond(message.head.id, status);
        }
        if (rc == 1) {
            status = work_on(&held);
            rc = respond(held.head.id, status);
        }
        if (rc != 1) {
            return rc;
        }
    }
    return 0;
}

/* ---- both ---- */

static int run(bool server)
{
    uint64_t total = args_number("mib", 1) << 20, rounds = args_number("rounds", 1);
    int rc = server ? stream_server(total) : stream_client(total);

    if (rc == 0) {
        rc = message_begin(&messages, &conn.stream);
    }
    for (uint64_t i = 0; rc == 0 && i < rounds; i++) {
        rc = server ? message_server(REQUESTS) : message_client(REQUESTS);
    }
    return rc;
}

static int meet(bool server, uint16_t peer)
{
    uint64_t end = time_now() + PATIENCE;
    int rc;

    if (server) {
        rc = (int)conn_serve(&conn, &memory, peer);
        while (rc == 0 && !stream_connected(&conn.stream) && time_now() < end) {
            conn_wait(&conn);
        }
        return rc;
    }
    while ((rc = conn_join(&conn, &memory, peer)) != 0 && time_now() < end) {
        time_sleep(MS);
    }
    for (unsigned b = 0; b < BUFFERS; b++) {
        link_grant(peer, buffer[b], PER, refs[b]);
    }
    return rc;
}

/* The client closes; the server finds that out by reading, and the client that its pages are free. */
static void part(bool server)
{
    unsigned busy = 0;
    uint8_t byte;

    if (server) {
        check_result("closed", conn_read(&conn, &byte, 1), -XEN_ENOTCONN);
        return;
    }
    conn_close(&conn);
    check_true("unmap", conn_leave(&conn), "something was not mapped");
    for (unsigned i = 0; i < BUFFERS * PER; i++) {
        busy += !grant_end(refs[i / PER][i % PER]);
    }
    check_true("pages-free", busy == 0, "%u pages are still mapped", busy);
}

void guest_main(void)
{
    bool server = args_is("role", "server");
    uint64_t die = args_number("die-us", 0);
    int rc;

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    check_result("setup", grant_begin(1), 0);
    rc = meet(server, (uint16_t)args_number("peer", 0));
    check_result("meet", rc, 0);
    if (rc != 0) {
        return;
    }
    if (die != 0) {
        link_die_in(die);
    }
    check_begin("run");
    rc = run(server);
    if (args_is("expect", "crash")) {
        check_end();
        check_result("peer-gone", rc, -XEN_ESRCH);
        check_true("unmap", server || conn_leave(&conn), "something was not mapped");
        return;
    }
    check_part(rc == 0, "%d", rc);
    check_end();
    part(server);
}
