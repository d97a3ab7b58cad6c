/* SPDX-License-Identifier: MIT
 *
 * One ring's thread. A request's fields are copied and parsed; what a file has in it goes between the
 * file and the pages of the ring, with no copy of ours between. The front end may rewrite these pages at
 * any time: then it has rewritten the bytes of its own file, and nothing else is ever read there twice.
 *
 * A request is taken out of the ring after its answer has been put in: who restarts after a crash finds
 * it there again.
 *
 * While a lane is busy its event channel is masked, so that requests that come meanwhile are no
 * interrupts. It unmasks the channel, looks once more, and sleeps. Before that it may spin: on a host with
 * processors to spare the next request of a client that waits for each answer is there within
 * microseconds, which is less than it takes to wake a thread.
 *
 * INV-LANE-1: no answer is longer than the room that was found before the request was begun.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "connection.h"

#define LUCK_MAX 16

static bool stops(const struct lane *lane)
{
    return atomic_load_explicit(&lane->connection->stop, memory_order_relaxed);
}

/* ---- Tflush ---- */

/* How far the others have to come. */
static void flush_begin(struct lane *lane, uint16_t tag)
{
    struct connection *c = lane->connection;
    struct flush *flush = &lane->flush[lane->flush_count++];

    *flush = (struct flush){.tag = tag};
    for (unsigned i = 0; i < c->lanes; i++) {
        flush->until[i] = shared_load(&c->lane[i].ring.in.shared->prod);
    }
}

static bool is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool flush_is_due(const struct lane *lane, struct flush *flush)
{
    struct connection *c = lane->connection;
    bool due = true;

    for (unsigned i = 0; i < c->lanes; i++) {
        struct lane *other = &c->lane[i];
        uint32_t at = flush->answered ? shared_load(&other->ring.out.shared->cons)
                                      : atomic_load(&other->taken);

        due =
            due && (other == lane || atomic_load(&other->ended) || !is_before(at, flush->until[i]));
    }
    if (!due || flush->answered) {
        return due;
    }
    flush->answered = true;
    for (unsigned i = 0; i < c->lanes; i++) {
        flush->until[i] = atomic_load(&c->lane[i].given);
    }
    return flush_is_due(lane, flush);
}

/* Answers those that are due: how many, or the ring's error. */
static int flush_some(struct lane *lane)
{
    int count = 0;

    for (unsigned i = 0; i < lane->flush_count;) {
        uint8_t head[P9_HEAD];
        struct p9_out out = {.start = head, .max = sizeof(head)};
        int rc;

        if (!flush_is_due(lane, &lane->flush[i])) {
            i++;
            continue;
        }
        p9_begin(&out, P9_TFLUSH + 1, lane->flush[i].tag);
        p9_finish(&out, 0);
        rc = pfs_send(&lane->ring, head, out.length, NULL, 0);
        if (rc <= 0) {
            return rc;
        }
        lane->flush[i] = lane->flush[--lane->flush_count];
        count++;
    }
    return count;
}

/* ---- one request ---- */

static void refuse(const struct p9_request *request, struct p9_reply *reply)
{
    struct p9_out out = {.start = reply->head, .max = reply->head_max};

    p9_begin(&out, P9_RLERROR, (unsigned)request->bytes[5] | (unsigned)request->bytes[6] << 8);
    p9_put(&out, 4, EIO);
    p9_finish(&out, 0);
    reply->head_length = out.length;
    reply->data_length = 0;
}

static void done(struct lane *lane, uint32_t length)
{
    pfs_take(&lane->ring, length);
    atomic_store(&lane->given, lane->ring.out.own);
    atomic_store(&lane->taken, lane->ring.in.own);
}

static int answer(struct lane *lane, const struct p9_request *request)
{
    struct connection *c = lane->connection;
    uint32_t most = p9_reply_max(&c->session, request);
    /* Another ring's Tversion may change the session's msize at any time: this answer keeps to what has been found. */
    struct p9_reply reply = {.head = lane->head, .head_max = most < LANE_HEAD ? most : LANE_HEAD};
    int64_t room = pfs_room(&lane->ring);

    if (room < most) {
        return room < 0 ? (int)room : 0;
    }
    ring_pieces(&lane->ring.out, P9_READ_HEAD, most - P9_READ_HEAD, reply.room.at,
                reply.room.length);
    if (atomic_load_explicit(&c->refuse, memory_order_relaxed)) {
        refuse(request, &reply);
    } else if (!p9_answer(&c->session, request, &reply)) {
        return -EBADMSG;
    }
    ring_put(&lane->ring.out, 0, lane->head, reply.head_length);
    pfs_give(&lane->ring, reply.head_length + reply.data_length);
    done(lane, request->length);
    return 1;
}

/* 1: one was answered; 0: there is none, or no room; the ring's error. */
static int turn(struct lane *lane)
{
    struct p9_request request = {.bytes = lane->message};
    struct pfs_ring *ring = &lane->ring;
    uint8_t head[PFS_HEAD_BYTES];
    int64_t length = pfs_next(ring, MSIZE_MAX, head);
    uint32_t own;

    if (length <= 0) {
        return (int)length;
    }
    request.length = (uint32_t)length;
    own = head[4] == P9_TWRITE ? P9_WRITE_HEAD : LANE_BYTES;
    request.private_length = request.length < own ? request.length : own;
    ring_get(&ring->in, 0, lane->message, request.private_length);
    memcpy(lane->message, head, sizeof(head));
    if (head[4] == P9_TFLUSH && lane->flush_count < FLUSHES_MAX) {
        flush_begin(lane, (uint16_t)(head[5] | head[6] << 8));
        done(lane, request.length);
        return 1;
    }
    ring_pieces(&ring->in, request.private_length, request.length - request.private_length,
                request.data.at, request.data.length);
    return answer(lane, &request);
}

/* ---- the thread ---- */

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Whether something came. Who is out of luck tries again now and then only. */
static bool spin(struct lane *lane)
{
    const uint32_t *where = &lane->ring.in.shared->prod;
    uint64_t end;

    if (lane->connection->options.spin_us == 0 || (lane->luck <= 0 && ++lane->luck <= 0)) {
        return false;
    }
    end = now_us() + lane->connection->options.spin_us;
    do {
        for (unsigned i = 0; i < 32; i++) {
            if (shared_load(where) != lane->ring.in.own) {
                lane->luck = lane->luck + 4 < LUCK_MAX ? lane->luck + 4 : LUCK_MAX;
                return true;
            }
            __builtin_ia32_pause();
        }
    } while (now_us() < end && !stops(lane));
    lane->luck = lane->luck > 1 ? lane->luck - 1 : -4 * LUCK_MAX;
    return false;
}

/* Sends the event that is due: at once for each answer, since its reader waits. */
static int work(struct lane *lane)
{
    int rc = turn(lane), flushed = 0;

    if (rc >= 0 && lane->flush_count > 0) {
        flushed = flush_some(lane);
        rc = flushed < 0 ? flushed : rc + flushed;
    }
    if (lane->ring.kick) {
        lane->ring.kick = false;
        (void)xendev_send(&lane->dev, lane->port);
    }
    return rc;
}

void lane_serve(struct lane *lane)
{
    bool masked = false, spun = false;
    int rc = 0;

    while (!stops(lane) && rc >= 0) {
        rc = work(lane);
        if (rc > 0) {
            spun = false;
        } else if (rc == 0 && !spun) {
            /* Once before each sleep; then it looks again. */
            spun = true;
            (void)spin(lane);
        } else if (rc == 0 && masked) {
            masked = false;
            rc = xendev_unmask(&lane->dev, lane->port);
        } else if (rc == 0) {
            rc = xendev_sleep(&lane->dev, lane->flush_count > 0 ? 1 : -1);
            masked = rc > 0;
            spun = false;
        }
    }
    atomic_store(&lane->ended, true);
    if (rc < 0 && lane->connection->options.broken != NULL) {
        lane->connection->options.broken(lane->connection->options.arg);
    }
}
