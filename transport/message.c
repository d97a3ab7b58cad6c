/* SPDX-License-Identifier: MIT
 *
 * Records on a stream.
 *
 * A record is written whole before the stream's index moves, so that the reader finds either all of
 * it or none. The reader believes nothing of that: it copies the head once, computes from its copy
 * how long the record is, and waits until so much is there. It never parses what is still in shared
 * memory.
 *
 * An id is the slot of the request below, and a number that differs from use to use of the slot:
 * a response that comes twice, or to a request of long ago, is found out.
 *
 * INV-MESSAGE-1: pending_count slots have an id, and id % MESSAGE_PENDING is the slot.
 */
#include "transport/message.h"

_Static_assert(sizeof(struct lagan_message) == 16, "wire format");
_Static_assert(sizeof(struct lagan_message_page) == 8, "wire format");
_Static_assert(sizeof(struct message) <= 1024, "the smallest ring takes the largest record");

static uint32_t record_length(const struct lagan_message *head)
{
    uint32_t length = (uint32_t)sizeof(*head) + head->bytes +
                      head->pages * (uint32_t)sizeof(struct lagan_message_page);

    return (length + LAGAN_MESSAGE_ALIGN - 1) & ~(LAGAN_MESSAGE_ALIGN - 1U);
}

static bool head_is_good(const struct lagan_message *head)
{
    return head->pages <= LAGAN_MESSAGE_PAGES && head->bytes <= LAGAN_MESSAGE_BYTES &&
           head->kind <= LAGAN_MESSAGE_NOTICE;
}

static bool pages_are_good(const struct message *message)
{
    for (unsigned i = 0; i < message->head.pages; i++) {
        const struct lagan_message_page *page = &message->page[i];

        if (page->length == 0 || page->length > LAGAN_STREAM_PAGE ||
            page->offset > LAGAN_STREAM_PAGE - page->length) {
            return false;
        }
    }
    return true;
}

static int fail(struct messages *m)
{
    if (m->stream->error == 0 || m->stream->error == -XEN_ENOTCONN) {
        m->stream->error = -XEN_EBADMSG;
    }
    return m->stream->error;
}

/* ---- sending ---- */

static int send(struct messages *m, const struct message *message)
{
    static const uint8_t zeros[LAGAN_MESSAGE_ALIGN];
    const struct lagan_message *head = &message->head;
    uint32_t pages = head->pages * (uint32_t)sizeof(message->page[0]);
    uint32_t length, at = 0;
    int64_t room;

    if (!head_is_good(head) || !pages_are_good(message)) {
        return -XEN_EINVAL;
    }
    length = record_length(head);
    room = stream_await_room(m->stream, length);
    if (room <= 0) {
        return (int)room;
    }
    stream_put(m->stream, at, head, sizeof(*head));
    at += (uint32_t)sizeof(*head);
    stream_put(m->stream, at, message->page, pages);
    at += pages;
    stream_put(m->stream, at, message->bytes, head->bytes);
    at += head->bytes;
    stream_put(m->stream, at, zeros, length - at);
    stream_written(m->stream, length);
    return 1;
}

int message_begin(struct messages *m, struct stream *stream)
{
    struct message hello = {.head = {.kind = LAGAN_MESSAGE_HELLO}};
    int rc;

    memset(m, 0, sizeof(*m));
    m->stream = stream;
    hello.head.id = LAGAN_MESSAGE_MAGIC | (uint64_t)LAGAN_MESSAGE_VERSION << 32;
    rc = send(m, &hello);
    /* The ring is empty: there is room, or somebody lies. */
    return rc < 0 ? rc : rc == 0 ? fail(m) : 0;
}

int message_request(struct messages *m, struct message *message, uint64_t cookie)
{
    uint32_t slot = 0;
    int rc;

    while (slot < MESSAGE_PENDING && m->pending[slot].id != 0) {
        slot++;
    }
    if (slot == MESSAGE_PENDING) {
        return -XEN_EBUSY;
    }
    message->head.kind = LAGAN_MESSAGE_REQUEST;
    message->head.id = (uint64_t)(m->round + 1) * MESSAGE_PENDING + slot;
    rc = send(m, message);
    if (rc == 1) {
        m->round++;
        m->pending[slot].id = message->head.id;
        m->pending[slot].cookie = cookie;
        m->pending_count++;
    }
    return rc;
}

int message_respond(struct messages *m, struct message *message, uint64_t id)
{
    message->head.kind = LAGAN_MESSAGE_RESPONSE;
    message->head.id = id;
    return send(m, message);
}

int message_notify(struct messages *m, struct message *message)
{
    message->head.kind = LAGAN_MESSAGE_NOTICE;
    message->head.id = 0;
    return send(m, message);
}

/* ---- receiving ---- */

static bool is_hello(const struct lagan_message *head)
{
    return head->kind == LAGAN_MESSAGE_HELLO && (uint32_t)head->id == LAGAN_MESSAGE_MAGIC &&
           head->id >> 32 == LAGAN_MESSAGE_VERSION;
}

static bool take_slot(struct messages *m, uint32_t slot, uint64_t *cookie)
{
    if (m->pending[slot].id == 0) {
        return false;
    }
    *cookie = m->pending[slot].cookie;
    m->pending[slot].id = 0;
    m->pending_count--;
    return true;
}

static bool is_expected(struct messages *m, const struct lagan_message *head, uint64_t *cookie)
{
    uint32_t slot = head->id % MESSAGE_PENDING;

    switch (head->kind) {
    case LAGAN_MESSAGE_RESPONSE:
        return m->pending[slot].id == head->id && take_slot(m, slot, cookie);
    case LAGAN_MESSAGE_HELLO:
        return false; /* a second one */
    default:
        return true;
    }
}

/* One record, if all of it is there. */
static int receive(struct messages *m, struct message *message)
{
    struct lagan_message head;
    uint32_t length, pages;
    int64_t count = stream_await_bytes(m->stream, sizeof(head));

    if (count <= 0) {
        return (int)count;
    }
    stream_get(m->stream, 0, &head, sizeof(head));
    if (!head_is_good(&head)) {
        return fail(m);
    }
    length = record_length(&head);
    count = stream_await_bytes(m->stream, length);
    if (count <= 0) {
        return (int)count;
    }
    /* The copy that was checked counts: the head in the ring may be another by now. */
    message->head = head;
    pages = head.pages * (uint32_t)sizeof(message->page[0]);
    stream_get(m->stream, sizeof(head), message->page, pages);
    stream_get(m->stream, (uint32_t)sizeof(head) + pages, message->bytes, head.bytes);
    stream_done(m->stream, length);
    return pages_are_good(message) ? 1 : fail(m);
}

int message_receive(struct messages *m, struct message *message, uint64_t *cookie)
{
    int rc = receive(m, message);

    if (rc == 1 && !m->greeted) {
        if (!is_hello(&message->head)) {
            return fail(m);
        }
        m->greeted = true;
        rc = receive(m, message);
    }
    if (rc == 1 && !is_expected(m, &message->head, cookie)) {
        return fail(m);
    }
    return rc;
}

bool message_take_pending(struct messages *m, uint64_t *cookie)
{
    for (uint32_t slot = 0; slot < MESSAGE_PENDING; slot++) {
        if (take_slot(m, slot, cookie)) {
            return true;
        }
    }
    return false;
}
