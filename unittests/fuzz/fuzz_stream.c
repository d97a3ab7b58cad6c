/* SPDX-License-Identifier: MIT
 *
 * One honest end, with messages on it, and everything that the other end can do to the shared page:
 * the input is a list of actions. Own pages of the rings are allocated to the byte.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/message.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(4096) uint8_t page[4096];
static struct stream stream;
static struct messages messages;
static struct message message;

/* A record as an honest end would write it, but for what the input changes. */
static void put_record(struct input *in, uint8_t *bytes, uint32_t ring)
{
    struct lagan_stream *shared = (void *)page;
    struct lagan_message head = {.kind = (uint8_t)(byte(in) % 5),
                                 .pages = (uint8_t)(byte(in) % 18)};
    const uint8_t *from = (const uint8_t *)&head;

    head.bytes = (uint16_t)(byte(in) * 3);
    head.id = head.kind == LAGAN_MESSAGE_HELLO
                  ? LAGAN_MESSAGE_MAGIC | (uint64_t)LAGAN_MESSAGE_VERSION << 32
                  : 64 + byte(in);
    for (uint32_t i = 0; i < sizeof(head); i++)
        bytes[(shared->left.prod + i) & (ring - 1)] = from[i];
    shared->left.prod += (16 + head.bytes + head.pages * 8U + 15U) & ~15U;
}

static void step(struct input *in, uint8_t *left, uint32_t ring)
{
    static uint8_t buffer[255 * 20];
    uint32_t length;
    uint64_t cookie;

    switch (byte(in) % 10) {
    case 0:
        page[byte(in) % 24] = (uint8_t)byte(in);
        break;
    case 1:
        left[(byte(in) * 16 + byte(in)) & (ring - 1)] = (uint8_t)byte(in);
        break;
    case 2:
    case 3:
        put_record(in, left, ring);
        break;
    case 4:
        ((struct lagan_stream *)page)->right.cons = stream.out.own;
        break;
    case 5:
        message.head.pages = message.head.bytes = 0;
        (void)message_request(&messages, &message, 1);
        break;
    case 6:
        length = byte(in) * 20;
        if (stream_read(&stream, buffer, length) > length)
            abort();
        break;
    case 7:
        (void)stream_write(&stream, buffer, byte(in) * 20);
        break;
    case 8:
        if (byte(in) == 0)
            stream_peer_gone(&stream);
        break;
    default:
        for (unsigned i = 0; i < 4; i++)
            if (message_receive(&messages, &message, &cookie) == 1 &&
                (message.head.pages > LAGAN_MESSAGE_PAGES ||
                 message.head.bytes > LAGAN_MESSAGE_BYTES))
                abort();
    }
    if (stream.in.seen - stream.in.own > stream.in.size ||
        stream.out.own - stream.out.seen > stream.out.size || messages.pending_count > 64)
        abort(); /* INV-RING-1 */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t orders[][2] = {{10, 11}, {12, 12}, {13, 10}};
    struct input in = {data, size};
    const uint16_t *order = orders[byte(&in) % 3];
    struct stream_layout layout;
    uint32_t refs[8] = {0};
    uint8_t *left, *right;

    if (stream_layout(&layout, order[0], order[1]))
        abort();
    left = malloc(4096 * layout.left_pages + 1);
    right = malloc(4096 * layout.right_pages + 1);
    memset(left, 0, 4096 * layout.left_pages + 1);
    stream_serve(&stream, page, &layout, refs, left, right);
    if (message_begin(&messages, &stream))
        abort();
    while (in.left)
        step(&in, layout.left_pages ? left : page + (1U << order[0]), 1U << order[0]);
    free(left);
    free(right);
    return 0;
}
