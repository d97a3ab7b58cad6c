/* SPDX-License-Identifier: MIT
 *
 * Xen's 9pfs ring. Its index page has, like a stream, a pair of indices for each way, which count
 * bytes modulo 2^32; so the same code keeps them (ring.h) and the same checks hold.
 *
 * A message says its own length. That is read once, from our copy of its first bytes, and held
 * against what may be; what is copied then is not parsed before all of it is ours.
 */
#include "transport/pfs.h"
#include <xen/grant_table.h>
#include <xen/io/9pfs.h>

_Static_assert(offsetof(struct xen_9pfs_data_intf, in_prod) == 4, "as struct lagan_stream_ring");
_Static_assert(offsetof(struct xen_9pfs_data_intf, out_cons) == 64, "as struct lagan_stream_ring");
_Static_assert(offsetof(struct xen_9pfs_data_intf, ref) == 132, "public layout");

static void begin(struct pfs_ring *ring, void *page, unsigned order, void *data, bool front)
{
    struct xen_9pfs_data_intf *shared = page;
    struct lagan_stream_ring *in = (void *)&shared->in_cons, *out = (void *)&shared->out_cons;
    uint32_t half = pfs_message_max(order);

    ring->kick = false;
    ring->error = 0;
    ring_begin(front ? &ring->in : &ring->out, in, data, half);
    ring_begin(front ? &ring->out : &ring->in, out, (uint8_t *)data + half, half);
}

void pfs_offer(struct pfs_ring *ring, void *page, unsigned order, const uint32_t *refs, void *data)
{
    struct xen_9pfs_data_intf *shared = page;

    memset(page, 0, LAGAN_STREAM_PAGE);
    shared->ring_order = order;
    for (uint32_t i = 0; i < 1U << order; i++) {
        shared->ref[i] = refs[i];
    }
    begin(ring, page, order, data, true);
}

int pfs_look(const void *page, unsigned *order, uint32_t refs[PFS_REFS_MAX])
{
    const struct xen_9pfs_data_intf *shared = page;

    *order = shared_load(&shared->ring_order);
    if (*order == 0 || *order > PFS_ORDER_MAX) {
        return -XEN_EINVAL;
    }
    for (uint32_t i = 0; i < 1U << *order; i++) {
        refs[i] = shared_load(&shared->ref[i]);
    }
    return 0;
}

/* Where the front begins to count is its own affair. */
void pfs_accept(struct pfs_ring *ring, void *page, unsigned order, void *data)
{
    begin(ring, page, order, data, false);
    ring->in.own = ring->in.seen = shared_load(&ring->in.shared->cons);
    ring->out.own = ring->out.seen = shared_load(&ring->out.shared->prod);
}

static int fail(struct pfs_ring *ring, int error)
{
    if (ring->error == 0) {
        ring->error = error;
    }
    return ring->error;
}

int64_t pfs_next(struct pfs_ring *ring, uint32_t max, uint8_t head[PFS_HEAD_BYTES])
{
    uint32_t length;
    int64_t count = ring->error != 0 ? ring->error : ring_count(&ring->in);

    if (count < 0) {
        return fail(ring, (int)count);
    }
    if (count < PFS_HEAD_BYTES) {
        return 0;
    }
    ring_get(&ring->in, 0, head, PFS_HEAD_BYTES);
    length = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
    if (length < PFS_HEAD_BYTES || length > max || length > ring->in.size) {
        return fail(ring, -XEN_EBADMSG);
    }
    return count < length ? 0 : length;
}

void pfs_take(struct pfs_ring *ring, uint32_t length)
{
    ring_read(&ring->in, length);
    ring->kick = true;
}

int64_t pfs_receive(struct pfs_ring *ring, uint8_t *message, uint32_t max)
{
    uint8_t head[PFS_HEAD_BYTES];
    int64_t length = pfs_next(ring, max, head);

    if (length <= 0) {
        return length;
    }
    ring_get(&ring->in, 0, message, (uint32_t)length);
    /* The head was read twice; the copy shall say what was checked. */
    memcpy(message, head, sizeof(head));
    pfs_take(ring, (uint32_t)length);
    return length;
}

int64_t pfs_room(struct pfs_ring *ring)
{
    int64_t room = ring->error != 0 ? ring->error : ring_room(&ring->out);

    return room < 0 ? fail(ring, (int)room) : room;
}

void pfs_give(struct pfs_ring *ring, uint32_t length)
{
    ring_wrote(&ring->out, length);
    ring->kick = true;
}

int pfs_send(struct pfs_ring *ring, const uint8_t *head, uint32_t head_length, const uint8_t *more,
             uint32_t more_length)
{
    uint32_t length = head_length + more_length;
    int64_t room;

    if (length > ring->out.size) {
        return -XEN_EMSGSIZE;
    }
    room = pfs_room(ring);
    if (room < length) {
        return room < 0 ? (int)room : 0;
    }
    ring_put(&ring->out, 0, head, head_length);
    if (more_length > 0) {
        ring_put(&ring->out, head_length, more, more_length);
    }
    pfs_give(ring, length);
    return 1;
}
