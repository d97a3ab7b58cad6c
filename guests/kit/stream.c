/* SPDX-License-Identifier: MIT
 *
 * See stream.h.
 */
#include "kit/stream.h"
#include "kit/kit.h"

long conn_serve(struct conn *conn, struct conn_memory *memory, uint16_t peer)
{
    struct lagan_meeting meeting = {.kind = LAGAN_MEETING_STREAM, .rings = 1};
    struct stream_layout layout;
    uint32_t refs[2 * CONN_PAGES];
    long rc = link_offer(&conn->link, peer);

    if (rc == 0) {
        rc = stream_layout(&layout, CONN_ORDER, CONN_ORDER);
    }
    if (rc != 0) {
        return rc;
    }
    conn->memory = memory;
    link_grant(peer, memory->left, CONN_PAGES, refs);
    link_grant(peer, memory->right, CONN_PAGES, refs + CONN_PAGES);
    stream_serve(&conn->stream, memory->page, &layout, refs, memory->left, memory->right);
    link_grant(peer, memory->page, 1, &meeting.ring[0].ref);
    meeting.ring[0].port = conn->link.port;
    link_publish(peer, memory->meeting, &meeting);
    return 0;
}

/* The rings that page 0 names, once that is mapped. */
static int join_rings(struct conn *conn, uint16_t peer)
{
    struct conn_memory *memory = conn->memory;
    struct stream_layout layout;
    uint32_t refs[2 * CONN_PAGES];
    int rc = stream_look(memory->page, &layout, refs, 2 * CONN_PAGES);

    if (rc != 0) {
        return rc;
    }
    if (layout.left_pages != CONN_PAGES || layout.right_pages != CONN_PAGES) {
        return -XEN_EINVAL;
    }
    if (link_map(peer, refs, CONN_PAGES, memory->left, conn->left_handle) != 0) {
        return -XEN_ESRCH;
    }
    if (link_map(peer, refs + CONN_PAGES, CONN_PAGES, memory->right, conn->right_handle) != 0) {
        (void)link_unmap(CONN_PAGES, memory->left, conn->left_handle);
        return -XEN_ESRCH;
    }
    stream_join(&conn->stream, memory->page, &layout, memory->left, memory->right);
    conn_kick(conn);
    return 0;
}

int conn_join(struct conn *conn, struct conn_memory *memory, uint16_t peer)
{
    struct lagan_meeting meeting;
    int rc = link_find(peer, memory->meeting, &meeting);

    conn->memory = memory;
    if (rc != 0) {
        return rc;
    }
    if (meeting.kind != LAGAN_MEETING_STREAM) {
        return -XEN_EBADMSG;
    }
    if (link_bind(&conn->link, peer, meeting.ring[0].port) != 0) {
        return -XEN_ESRCH;
    }
    if (link_map(peer, &meeting.ring[0].ref, 1, memory->page, &conn->page_handle) != 0) {
        link_close(&conn->link);
        return -XEN_ESRCH;
    }
    rc = join_rings(conn, peer);
    if (rc != 0) {
        (void)link_unmap(1, memory->page, &conn->page_handle);
        link_close(&conn->link);
    }
    return rc;
}

void conn_kick(struct conn *conn)
{
    if (conn->stream.kick) {
        conn->stream.kick = false;
        link_send(&conn->link);
    }
}

void conn_wait(struct conn *conn)
{
    conn_kick(conn);
    if (!link_peer_here(&conn->link)) {
        stream_peer_gone(&conn->stream);
    } else {
        link_wait(&conn->link, 1, 1000 * MS);
    }
}

int conn_write(struct conn *conn, const void *bytes, uint32_t length)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        int64_t moved = stream_write(&conn->stream, at, length);

        if (moved < 0) {
            return (int)moved;
        }
        at += moved;
        length -= (uint32_t)moved;
        if (moved == 0) {
            conn_wait(conn);
        }
        conn_kick(conn);
    }
    return 0;
}

int conn_read(struct conn *conn, void *bytes, uint32_t length)
{
    uint8_t *at = bytes;

    while (length > 0) {
        int64_t moved = stream_read(&conn->stream, at, length);

        if (moved < 0) {
            return (int)moved;
        }
        at += moved;
        length -= (uint32_t)moved;
        if (moved == 0) {
            conn_wait(conn);
        }
        conn_kick(conn);
    }
    return 0;
}

void conn_close(struct conn *conn)
{
    stream_close(&conn->stream);
    conn_kick(conn);
}

bool conn_leave(struct conn *conn)
{
    struct conn_memory *memory = conn->memory;
    bool all = link_unmap(1, memory->page, &conn->page_handle);

    all = link_unmap(CONN_PAGES, memory->left, conn->left_handle) && all;
    all = link_unmap(CONN_PAGES, memory->right, conn->right_handle) && all;
    link_close(&conn->link);
    return all;
}
