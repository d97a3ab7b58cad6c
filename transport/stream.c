/* SPDX-License-Identifier: MIT
 *
 * A byte stream over two rings in shared pages (ring.h).
 *
 * Events are sent only to whom they help. Who finds no bytes, or no room, sets a bit in a byte of
 * page 0, looks once more, and only then sleeps; who has moved its index takes the bit back and
 * sends an event if it was set:
 *
 *         waits for bytes                        has written bytes
 *     (1) sets the bit                       (a) stores prod
 *         ---- full barrier ----                 ---- full barrier ----
 *     (2) reads prod: still nothing          (b) takes the bit back: was it set?
 *         sleeps until an event                  then sends an event
 *
 * If (2) does not see (a), (b) comes after (1) and sees the bit; the event is kept by the channel
 * until the sleeper takes it, so that it does not matter whether it sleeps yet. Both bit operations
 * are locked instructions and full barriers themselves. unittests/spin/wakeup.pml explores this, and
 * that it fails without either barrier or without (2).
 *
 * A bit may be set and an event may come although there is nothing to do: after (2) has found
 * bytes, or because the other end likes to. Callers try again after each event, and nothing more.
 */
#include "transport/stream.h"

_Static_assert(sizeof(struct lagan_stream) == 24, "libvchan's layout");
_Static_assert(offsetof(struct lagan_stream, client_live) == 20, "libvchan's layout");

/* ---- layout ---- */

static bool order_is_good(unsigned order)
{
    return order >= LAGAN_STREAM_ORDER_MIN && order <= LAGAN_STREAM_ORDER_MAX;
}

static uint32_t pages_of(unsigned order)
{
    return order < 12 ? 0 : 1U << (order - 12);
}

/* Rings in page 0 have fixed places by their order, and the list of grants must end before them. */
int stream_layout(struct stream_layout *layout, unsigned left_order, unsigned right_order)
{
    uint32_t pages, end = LAGAN_STREAM_PAGE;

    if (!order_is_good(left_order) || !order_is_good(right_order)) {
        return -XEN_EINVAL;
    }
    if (left_order < 12 && left_order == right_order) {
        return -XEN_EINVAL;
    }
    if (left_order == 11 || right_order == 11) {
        end = 2048;
    }
    if (left_order == 10 || right_order == 10) {
        end = 1024;
    }
    pages = pages_of(left_order) + pages_of(right_order);
    if (sizeof(struct lagan_stream) + 4 * pages > end) {
        return -XEN_EINVAL;
    }
    layout->left_order = (uint16_t)left_order;
    layout->right_order = (uint16_t)right_order;
    layout->left_pages = pages_of(left_order);
    layout->right_pages = pages_of(right_order);
    return 0;
}

static void *bytes_of(void *page, unsigned order, void *pages)
{
    return order < 12 ? (uint8_t *)page + (1U << order) : pages;
}

static void set_up(struct stream *s, void *page, const struct stream_layout *layout, void *left,
                   void *right)
{
    struct lagan_stream *shared = page;

    s->shared = shared;
    s->kick = false;
    s->error = 0;
    ring_begin(s->server ? &s->in : &s->out, &shared->left,
               bytes_of(page, layout->left_order, left), 1U << layout->left_order);
    ring_begin(s->server ? &s->out : &s->in, &shared->right,
               bytes_of(page, layout->right_order, right), 1U << layout->right_order);
}

/* As libvchan: each asks from the start to be told of the other's first bytes. */
void stream_serve(struct stream *s, void *page, const struct stream_layout *layout,
                  const uint32_t *refs, void *left, void *right)
{
    struct lagan_stream *shared = page;

    memset(page, 0, LAGAN_STREAM_PAGE);
    shared->left_order = layout->left_order;
    shared->right_order = layout->right_order;
    shared->client_live = LAGAN_STREAM_NOT_YET;
    shared->server_live = LAGAN_STREAM_OPEN;
    shared->client_notify = LAGAN_STREAM_NOTIFY_WRITE;
    shared->server_notify = LAGAN_STREAM_NOTIFY_WRITE;
    for (uint32_t i = 0; i < layout->left_pages + layout->right_pages; i++) {
        shared->grants[i] = refs[i];
    }
    s->server = true;
    set_up(s, page, layout, left, right);
}

int stream_look(const void *page, struct stream_layout *layout, uint32_t *refs, uint32_t max)
{
    const struct lagan_stream *shared = page;
    unsigned left = __atomic_load_n(&shared->left_order, __ATOMIC_RELAXED);
    unsigned right = __atomic_load_n(&shared->right_order, __ATOMIC_RELAXED);
    int rc = stream_layout(layout, left, right);

    if (rc != 0) {
        return rc;
    }
    if (shared_load_byte(&shared->server_live) != LAGAN_STREAM_OPEN) {
        return -XEN_ENOTCONN;
    }
    if (layout->left_pages + layout->right_pages > max) {
        return -XEN_E2BIG;
    }
    for (uint32_t i = 0; i < layout->left_pages + layout->right_pages; i++) {
        refs[i] = shared_load(&shared->grants[i]);
    }
    return 0;
}

/* A server may have written before we came, so the indices need not be 0 on its side; ours are what
 * the page says, once: a lie harms only the bytes that this stream carries. */
void stream_join(struct stream *s, void *page, const struct stream_layout *layout, void *left,
                 void *right)
{
    s->server = false;
    set_up(s, page, layout, left, right);
    s->in.own = s->in.seen = shared_load(&s->in.shared->cons);
    s->out.own = s->out.seen = shared_load(&s->out.shared->prod);
    __atomic_store_n(&s->shared->client_live, LAGAN_STREAM_OPEN, __ATOMIC_SEQ_CST);
    s->kick = true; /* the server waits for us, not for a byte */
}

/* ---- the other end ---- */

static int fail(struct stream *s, int error)
{
    if (s->error == 0) {
        s->error = error;
    }
    return s->error;
}

/* The byte by which we ask the other end for events, and that by which it asks us. */
static uint8_t *asked_of_peer(struct stream *s)
{
    return s->server ? &s->shared->client_notify : &s->shared->server_notify;
}

static uint8_t *asked_of_us(struct stream *s)
{
    return s->server ? &s->shared->server_notify : &s->shared->client_notify;
}

static bool peer_is_open(struct stream *s)
{
    uint8_t live = shared_load_byte(s->server ? &s->shared->client_live : &s->shared->server_live);

    return live == LAGAN_STREAM_OPEN || (s->server && live == LAGAN_STREAM_NOT_YET);
}

/* (1) of the head comment. */
static void ask(struct stream *s, uint8_t bit)
{
    (void)__atomic_fetch_or(asked_of_peer(s), bit, __ATOMIC_SEQ_CST);
}

/* (b) of the head comment. */
static void tell(struct stream *s, uint8_t bit)
{
    uint8_t was = __atomic_fetch_and(asked_of_us(s), (uint8_t)~bit, __ATOMIC_SEQ_CST);

    if ((was & bit) != 0) {
        s->kick = true;
    }
}

/* What ring_count() or ring_room() said. */
static int64_t checked(struct stream *s, int64_t count)
{
    return count < 0 ? fail(s, (int)count) : count;
}

int64_t stream_readable(struct stream *s)
{
    bool is_open;
    int64_t count;

    if (s->error == -XEN_EBADMSG) {
        return s->error;
    }
    /* In this order: who closes has written before. */
    is_open = s->error == 0 && peer_is_open(s);
    count = checked(s, ring_count(&s->in));
    if (count == 0 && !is_open) {
        return fail(s, -XEN_ENOTCONN);
    }
    return count;
}

int64_t stream_writable(struct stream *s)
{
    if (s->error != 0) {
        return s->error;
    }
    if (!peer_is_open(s)) {
        /* Not kept as the stream's error: there may still be something to read. */
        return -XEN_ENOTCONN;
    }
    return checked(s, ring_room(&s->out));
}

int64_t stream_await_bytes(struct stream *s, uint32_t least)
{
    int64_t count = stream_readable(s);

    if (count >= 0 && count < least) {
        ask(s, LAGAN_STREAM_NOTIFY_WRITE);
        count = stream_readable(s);
        if (count >= 0 && count < least && (s->error != 0 || !peer_is_open(s))) {
            /* The rest will never come; unless it came since, and then it is there. */
            count = stream_readable(s);
            if (count >= 0 && count < least) {
                return fail(s, -XEN_ENOTCONN);
            }
        }
    }
    return count >= 0 && count < least ? 0 : count;
}

int64_t stream_await_room(struct stream *s, uint32_t least)
{
    int64_t room = stream_writable(s);

    if (room >= 0 && room < least) {
        ask(s, LAGAN_STREAM_NOTIFY_READ);
        room = stream_writable(s);
    }
    return room >= 0 && room < least ? 0 : room;
}

/* ---- bytes ---- */

int64_t stream_room(struct stream *s, void **at)
{
    int64_t room = stream_await_room(s, 1);
    uint32_t length;

    if (room <= 0) {
        return room;
    }
    *at = ring_piece(&s->out, room, &length);
    return length;
}

int64_t stream_bytes(struct stream *s, const void **at)
{
    int64_t count = stream_await_bytes(s, 1);
    uint32_t length;

    if (count <= 0) {
        return count;
    }
    *at = ring_piece(&s->in, count, &length);
    return length;
}

void stream_written(struct stream *s, uint32_t length)
{
    ring_wrote(&s->out, length);
    tell(s, LAGAN_STREAM_NOTIFY_WRITE);
}

void stream_done(struct stream *s, uint32_t length)
{
    ring_read(&s->in, length);
    tell(s, LAGAN_STREAM_NOTIFY_READ);
}

void stream_put(struct stream *s, uint32_t skip, const void *from, uint32_t length)
{
    ring_put(&s->out, skip, from, length);
}

void stream_get(struct stream *s, uint32_t skip, void *to, uint32_t length)
{
    ring_get(&s->in, skip, to, length);
}

int64_t stream_write(struct stream *s, const void *bytes, uint32_t length)
{
    int64_t room = length > 0 ? stream_await_room(s, 1) : stream_writable(s);

    if (room <= 0 || length == 0) {
        return room < 0 ? room : 0;
    }
    length = room < length ? (uint32_t)room : length;
    ring_put(&s->out, 0, bytes, length);
    stream_written(s, length);
    return length;
}

int64_t stream_read(struct stream *s, void *bytes, uint32_t length)
{
    int64_t count = length > 0 ? stream_await_bytes(s, 1) : stream_readable(s);

    if (count <= 0 || length == 0) {
        return count < 0 ? count : 0;
    }
    length = count < length ? (uint32_t)count : length;
    ring_get(&s->in, 0, bytes, length);
    stream_done(s, length);
    return length;
}

/* ---- beginning and end ---- */

bool stream_connected(struct stream *s)
{
    if (shared_load_byte(&s->shared->client_live) == LAGAN_STREAM_NOT_YET) {
        ask(s, LAGAN_STREAM_NOTIFY_WRITE);
        return shared_load_byte(&s->shared->client_live) != LAGAN_STREAM_NOT_YET;
    }
    return true;
}

void stream_close(struct stream *s)
{
    __atomic_store_n(s->server ? &s->shared->server_live : &s->shared->client_live,
                     LAGAN_STREAM_CLOSED, __ATOMIC_SEQ_CST);
    (void)fail(s, -XEN_ENOTCONN);
    s->kick = true;
}

void stream_peer_gone(struct stream *s)
{
    (void)fail(s, -XEN_ESRCH);
}
