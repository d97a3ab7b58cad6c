/* SPDX-License-Identifier: MIT
 *
 * See p9_client.h. The connection ends with an error when the server breaks the protocol
 * (-XEN_EBADMSG), is gone (-XEN_ESRCH), or has not said anything for PATIENCE (-XEN_ETIMEDOUT).
 */
#include "fileclient/p9_client.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define PATIENCE   (30000 * MS)
#define DATA_BYTES (PAGE_SIZE << CLIENT_ORDER)

static uint8_t meeting_page[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t index_page[CLIENT_RINGS][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t data_pages[CLIENT_RINGS][DATA_BYTES] PAGE_ALIGNED;
static uint8_t request[512];

long client_offer(struct p9_client *c, uint16_t server)
{
    struct lagan_meeting meeting = {.kind = LAGAN_MEETING_9PFS, .rings = CLIENT_RINGS};
    uint32_t refs[1U << CLIENT_ORDER];

    memset(c, 0, sizeof(*c));
    c->msize = CLIENT_MSIZE;
    for (unsigned i = 0; i < CLIENT_RINGS; i++) {
        long rc = link_offer(&c->link[i], server);

        if (rc != 0) {
            return rc;
        }
        link_grant(server, data_pages[i], 1U << CLIENT_ORDER, refs);
        pfs_offer(&c->ring[i], index_page[i], CLIENT_ORDER, refs, data_pages[i]);
        link_grant(server, index_page[i], 1, &meeting.ring[i].ref);
        meeting.ring[i].port = c->link[i].port;
    }
    link_publish(server, meeting_page, &meeting);
    return 0;
}

void client_finish(struct p9_client *c)
{
    uint64_t end = time_now() + PATIENCE;

    link_farewell(meeting_page);
    link_send(&c->link[0]);
    while (link_peer_here(&c->link[0]) && time_now() < end) {
        link_wait(c->link, CLIENT_RINGS, PATIENCE);
    }
}

static int fail(struct p9_client *c, int error)
{
    if (c->error == 0) {
        c->error = error;
    }
    return c->error;
}

/* ---- messages ---- */

/* A message that has come, into the slot that it answers. */
static int take(struct p9_client *c, unsigned ring, const uint8_t *message, uint32_t length)
{
    struct p9_in in = {.at = message, .left = length};
    struct client_slot *slot;
    unsigned type, tag;

    (void)p9_get(&in, 4);
    type = (unsigned)p9_get(&in, 1);
    tag = (unsigned)p9_get(&in, 2);
    if (tag >= CLIENT_SLOTS) {
        return fail(c, -XEN_EBADMSG);
    }
    slot = &c->slot[tag];
    if (slot->state != SLOT_SENT || slot->ring != ring ||
        (type != slot->type + 1U && type != P9_RLERROR)) {
        return fail(c, -XEN_EBADMSG);
    }
    memcpy(slot->reply, message, length);
    slot->length = length;
    slot->state = SLOT_DONE;
    c->messages++;
    return 0;
}

/* Takes what has come on all rings: how many messages, or the error. */
static int receive(struct p9_client *c)
{
    static uint8_t message[CLIENT_MSIZE];
    int count = 0;

    for (unsigned i = 0; i < CLIENT_RINGS; i++) {
        int64_t length;

        while ((length = pfs_receive(&c->ring[i], message, c->msize)) > 0) {
            if (take(c, i, message, (uint32_t)length) != 0) {
                return c->error;
            }
            count++;
        }
        if (length < 0) {
            return fail(c, (int)length);
        }
        if (c->ring[i].kick) {
            c->ring[i].kick = false;
            link_send(&c->link[i]);
        }
    }
    return count;
}

/* One step towards something: takes what there is, or sleeps for a while. 0 or the error. */
static int wait_a_bit(struct p9_client *c, uint64_t end)
{
    int count = c->error != 0 ? c->error : receive(c);

    if (count != 0) {
        return count < 0 ? count : 0;
    }
    for (unsigned i = 0; i < CLIENT_RINGS; i++) {
        if (!link_peer_here(&c->link[i])) {
            /* What it said before it went may have come since. */
            count = receive(c);
            return count > 0 ? 0 : fail(c, -XEN_ESRCH);
        }
    }
    if (time_now() >= end) {
        return fail(c, -XEN_ETIMEDOUT);
    }
    link_wait(c->link, CLIENT_RINGS, PATIENCE);
    return 0;
}

void client_begin(struct p9_out *out, unsigned type)
{
    *out = (struct p9_out){.start = request, .max = sizeof(request)};
    p9_begin(out, type, 0);
}

static int free_slot(const struct p9_client *c)
{
    for (unsigned i = 0; i < CLIENT_SLOTS; i++) {
        if (c->slot[i].state == SLOT_FREE) {
            return (int)i;
        }
    }
    return -XEN_EBUSY;
}

int client_send(struct p9_client *c, struct p9_out *out, unsigned ring)
{
    uint64_t end = time_now() + PATIENCE;
    int slot = free_slot(c), rc = c->error;

    if (slot < 0 || out->bad) {
        return slot < 0 ? slot : -XEN_EINVAL;
    }
    p9_finish(out, 0);
    out->start[5] = (uint8_t)slot;
    out->start[6] = 0;
    while (rc == 0) {
        rc = pfs_send(&c->ring[ring], out->start, out->length, NULL, 0);
        if (rc == 0) {
            rc = wait_a_bit(c, end);
        }
    }
    if (rc < 0) {
        return fail(c, rc);
    }
    c->slot[slot].state = SLOT_SENT;
    c->slot[slot].type = out->start[4];
    c->slot[slot].ring = (uint8_t)ring;
    c->ring[ring].kick = false;
    link_send(&c->link[ring]);
    return slot;
}

int client_wait(struct p9_client *c, int slot, struct p9_in *in)
{
    struct client_slot *s;
    uint64_t end = time_now() + PATIENCE;

    if (slot < 0) {
        return slot;
    }
    s = &c->slot[slot];
    while (s->state != SLOT_DONE) {
        int rc = wait_a_bit(c, end);

        if (rc != 0) {
            return rc;
        }
    }
    s->state = SLOT_FREE;
    *in = (struct p9_in){.at = s->reply + P9_HEAD, .left = s->length - P9_HEAD};
    if (s->reply[4] == P9_RLERROR) {
        uint32_t error = (uint32_t)p9_get(in, 4);

        return error == 0 || error > 4095 ? fail(c, -XEN_EBADMSG) : -(int)error;
    }
    return 0;
}

int client_call(struct p9_client *c, struct p9_out *out, struct p9_in *in)
{
    return client_wait(c, client_send(c, out, 0), in);
}

/* ---- requests ---- */

int client_start(struct p9_client *c, uint32_t root_fid)
{
    struct p9_out out;
    struct p9_in in;
    int rc;

    client_begin(&out, P9_TVERSION);
    p9_put(&out, 4, CLIENT_MSIZE);
    p9_put_string(&out, "9P2000.L", 8);
    rc = client_call(c, &out, &in);
    if (rc != 0) {
        return rc;
    }
    c->msize = (uint32_t)p9_get(&in, 4);
    if (in.bad || c->msize < P9_MSIZE_MIN || c->msize > CLIENT_MSIZE || in.left != 10 ||
        memcmp(in.at + 2, "9P2000.L", 8) != 0) {
        return fail(c, -XEN_EBADMSG);
    }
    client_begin(&out, P9_TATTACH);
    p9_put(&out, 4, root_fid);
    p9_put(&out, 4, P9_NOFID);
    p9_put_string(&out, "", 0);
    p9_put_string(&out, "", 0);
    p9_put(&out, 4, 0);
    return client_call(c, &out, &in);
}

static int walk(struct p9_client *c, uint32_t from, uint32_t fid, const char *path)
{
    struct p9_out out;
    struct p9_in in;
    unsigned names = 0;
    uint32_t at;
    int rc;

    client_begin(&out, P9_TWALK);
    p9_put(&out, 4, from);
    p9_put(&out, 4, fid);
    at = out.length;
    p9_put(&out, 2, 0);
    while (*path != '\0') {
        uint32_t length = 0;

        while (path[length] != '\0' && path[length] != '/') {
            length++;
        }
        p9_put_string(&out, path, length);
        path += length + (path[length] == '/' ? 1 : 0);
        names++;
    }
    if (out.bad || names > P9_WALK_MAX) {
        return -XEN_EINVAL;
    }
    out.start[at] = (uint8_t)names;
    rc = client_call(c, &out, &in);
    return rc != 0 ? rc : p9_get(&in, 2) != names ? -XEN_ENOENT : 0;
}

int client_open(struct p9_client *c, uint32_t root_fid, uint32_t fid, const char *path)
{
    struct p9_out out;
    struct p9_in in;
    int rc = walk(c, root_fid, fid, path);

    if (rc != 0) {
        return rc;
    }
    client_begin(&out, P9_TLOPEN);
    p9_put(&out, 4, fid);
    p9_put(&out, 4, 0);
    return client_call(c, &out, &in);
}

int client_clunk(struct p9_client *c, uint32_t fid)
{
    struct p9_out out;
    struct p9_in in;

    client_begin(&out, P9_TCLUNK);
    p9_put(&out, 4, fid);
    return client_call(c, &out, &in);
}

int client_send_read(struct p9_client *c, unsigned type, uint32_t fid, uint64_t offset,
                     uint32_t count, unsigned ring)
{
    struct p9_out out;

    client_begin(&out, type);
    p9_put(&out, 4, fid);
    p9_put(&out, 8, offset);
    p9_put(&out, 4, count);
    return client_send(c, &out, ring);
}

int64_t client_wait_read(struct p9_client *c, int slot, uint32_t count, const uint8_t **at)
{
    struct p9_in in;
    int rc = client_wait(c, slot, &in);
    uint32_t got;

    if (rc != 0) {
        return rc;
    }
    got = (uint32_t)p9_get(&in, 4);
    if (in.bad || got != in.left || got > count) {
        return fail(c, -XEN_EBADMSG);
    }
    *at = in.at;
    return got;
}
