/* SPDX-License-Identifier: MIT
 *
 * streambench: what the transport costs, by the time stamp counter, as grantbench: under QEMU with
 * -icount shift=0 one tick is one instruction. The domain is both ends, on pages that it grants to
 * itself and maps, and a channel to itself: the same code and the same calls as between two.
 */
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"
#include "kit/stream.h"
#include "transport/message.h"

const char guest_name[] = "streambench";

#define ROUNDS 200U
#define BULK   32768U
#define BATCH  16U

static struct conn server, client;
static struct conn_memory own PAGE_ALIGNED, seen PAGE_ALIGNED;
static uint8_t bytes[BULK], page[BATCH][PAGE_SIZE] PAGE_ALIGNED,
    window[BATCH][PAGE_SIZE] PAGE_ALIGNED;
static uint32_t refs[BATCH];
static struct messages at_server, at_client;
static struct message message;
static uint16_t self;
static long result;

static void note(bool good)
{
    result = good ? result : -1;
}

static void measure(const char *name, void (*operation)(void), uint64_t divisor)
{
    uint64_t start, ticks;

    operation();
    operation();
    start = read_tsc();
    for (unsigned i = 0; i < ROUNDS; i++) {
        operation();
    }
    ticks = (read_tsc() - start) / ROUNDS / divisor;
    kit_printf("BENCH %s %lu\n", name, ticks);
    check_true(name, result == 0 && ticks > 0, "%ld, %lu ticks", result, ticks);
    result = 0;
}

/* In and out again, `piece` bytes at a time: both ends are awake. */
static void stream_pieces(uint32_t piece)
{
    for (uint32_t at = 0; at < BULK; at += piece) {
        note(stream_write(&client.stream, bytes + at, piece) == piece);
        note(stream_read(&server.stream, bytes + at, piece) == piece);
    }
}

static void stream_64(void)
{
    stream_pieces(64);
}

static void stream_1k(void)
{
    stream_pieces(1024);
}

static void stream_32k(void)
{
    stream_pieces(BULK);
}

/* Written where it is read from: one copy in all. */
static void stream_one_copy(void)
{
    for (uint32_t left = BULK; left > 0;) {
        void *room;
        int64_t length = stream_room(&client.stream, &room);

        length = length < left ? length : left;
        note(length > 0);
        stream_written(&client.stream, (uint32_t)length);
        note(stream_read(&server.stream, bytes, (uint32_t)length) == length);
        left -= (uint32_t)length;
    }
}

/* One byte each way, with the events that somebody asleep would need. */
static void round_trip(void)
{
    uint8_t byte = 1;

    note(stream_read(&server.stream, &byte, 1) == 0);
    note(stream_write(&client.stream, &byte, 1) == 1 && client.stream.kick);
    conn_kick(&client);
    note(event_pending(server.link.port));
    event_clear(server.link.port);
    note(stream_read(&server.stream, &byte, 1) == 1);
    note(stream_read(&client.stream, &byte, 1) == 0);
    note(stream_write(&server.stream, &byte, 1) == 1 && server.stream.kick);
    conn_kick(&server);
    note(event_pending(client.link.port));
    event_clear(client.link.port);
    note(stream_read(&client.stream, &byte, 1) == 1);
}

static void request(unsigned pages)
{
    uint64_t cookie, id;

    message.head = (struct lagan_message){.bytes = 48, .pages = (uint8_t)pages};
    for (unsigned i = 0; i < pages; i++) {
        message.page[i] = (struct lagan_message_page){.ref = refs[i], .length = PAGE_SIZE};
    }
    note(message_request(&at_client, &message, 1) == 1);
    note(message_receive(&at_server, &message, &cookie) == 1);
    id = message.head.id;
    if (pages > 0) {
        static grant_handle_t handle[BATCH];

        note(link_map(self, refs, pages, window, handle) == 0);
        for (unsigned i = 0; i < pages; i++) {
            (void)*(volatile uint8_t *)window[i];
        }
        note(link_unmap(pages, window, handle));
    }
    message.head = (struct lagan_message){.bytes = 48};
    note(message_respond(&at_server, &message, id) == 1);
    note(message_receive(&at_client, &message, &cookie) == 1);
}

static void message_alone(void)
{
    request(0);
}

static void message_pages(void)
{
    request(BATCH);
}

void guest_main(void)
{
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    check_result("setup", grant_begin(1), 0);
    self = own_domain();
    check_result("serve", conn_serve(&server, &own, self), 0);
    check_result("join", conn_join(&client, &seen, self), 0);
    client.stream.kick = server.stream.kick = false;
    measure("stream-64-per-kib", stream_64, BULK / 1024);
    measure("stream-1k-per-kib", stream_1k, BULK / 1024);
    measure("stream-32k-per-kib", stream_32k, BULK / 1024);
    measure("stream-one-copy-per-kib", stream_one_copy, BULK / 1024);
    measure("stream-round-trip", round_trip, 1);
    check_result("messages", message_begin(&at_server, &server.stream), 0);
    check_result("messages-too", message_begin(&at_client, &client.stream), 0);
    link_grant(self, page, BATCH, refs);
    measure("message-round-trip", message_alone, 1);
    measure("message-64k-by-pages", message_pages, 1);
    check_true("leave", conn_leave(&client), "something was not mapped");
}
