/* SPDX-License-Identifier: MIT
 *
 * See vstream.h. The pages of rings that are not in page 0 are granted, or mapped, in one call each.
 */
#include "vstream.h"

#include <errno.h>

#define REFS_MAX 512U /* two rings of the largest order */

static void let_go(struct vstream *v, struct vstream_pages *pages)
{
    if (pages->at != NULL) {
        xendev_unmap(&v->dev, v->stream.server, pages->handle, pages->at, pages->count);
    }
    pages->at = NULL;
}

static void give_back(struct vstream *v)
{
    let_go(v, &v->left);
    let_go(v, &v->right);
    let_go(v, &v->page);
    if (v->port != 0) {
        xendev_unbind_port(&v->dev, v->port);
    }
    v->port = 0;
    xendev_close(&v->dev);
}

static int begin(struct vstream *v, uint16_t domid, bool server)
{
    *v = (struct vstream){.domid = domid};
    v->stream.server = server;
    return xendev_open(&v->dev);
}

static int share(struct vstream *v, struct vstream_pages *pages, uint32_t count, uint32_t *refs)
{
    pages->count = count;
    return count == 0 ? 0
                      : xendev_share(&v->dev, v->domid, count, refs, &pages->at, &pages->handle);
}

static int map(struct vstream *v, struct vstream_pages *pages, uint32_t count, const uint32_t *refs)
{
    pages->count = count;
    return count == 0 ? 0 : xendev_map(&v->dev, v->domid, count, refs, &pages->at, &pages->handle);
}

int vstream_serve(struct vstream *v, uint16_t domid, unsigned left_order, unsigned right_order)
{
    struct stream_layout layout;
    uint32_t refs[REFS_MAX];
    int rc = stream_layout(&layout, left_order, right_order), port;

    if (rc != 0) {
        return rc;
    }
    rc = begin(v, domid, true);
    if (rc != 0) {
        return rc;
    }
    rc = share(v, &v->page, 1, &v->ref);
    rc = rc != 0 ? rc : share(v, &v->left, layout.left_pages, refs);
    rc = rc != 0 ? rc : share(v, &v->right, layout.right_pages, refs + layout.left_pages);
    port = rc != 0 ? rc : xendev_offer_port(&v->dev, domid);
    v->port = port > 0 ? (uint32_t)port : 0;
    rc = port < 0 ? port
                  : xendev_on_unmap(&v->dev, true, v->page.handle,
                                    offsetof(struct lagan_stream, server_live), v->port);
    if (rc != 0) {
        give_back(v);
        return rc;
    }
    stream_serve(&v->stream, v->page.at, &layout, refs, v->left.at, v->right.at);
    return 0;
}

int vstream_join(struct vstream *v, uint16_t domid, uint32_t ref, uint32_t port)
{
    struct stream_layout layout;
    uint32_t refs[REFS_MAX];
    int rc = begin(v, domid, false), own;

    if (rc != 0) {
        return rc;
    }
    rc = map(v, &v->page, 1, &ref);
    rc = rc != 0 ? rc : stream_look(v->page.at, &layout, refs, REFS_MAX);
    rc = rc != 0 ? rc : map(v, &v->left, layout.left_pages, refs);
    rc = rc != 0 ? rc : map(v, &v->right, layout.right_pages, refs + layout.left_pages);
    own = rc != 0 ? rc : xendev_bind_port(&v->dev, domid, port);
    v->port = own > 0 ? (uint32_t)own : 0;
    rc = own < 0 ? own
                 : xendev_on_unmap(&v->dev, false, v->page.handle,
                                   offsetof(struct lagan_stream, client_live), v->port);
    if (rc != 0) {
        give_back(v);
        return rc;
    }
    stream_join(&v->stream, v->page.at, &layout, v->left.at, v->right.at);
    return vstream_wait(v, 0);
}

static int kick(struct vstream *v)
{
    if (!v->stream.kick) {
        return 0;
    }
    v->stream.kick = false;
    return xendev_send(&v->dev, v->port);
}

void vstream_end(struct vstream *v)
{
    stream_close(&v->stream);
    (void)kick(v);
    give_back(v);
}

/* -ETIMEDOUT is for the callers: that no event came is no error of the stream's. */
static int wait_for_event(struct vstream *v, int timeout_ms)
{
    int rc = kick(v);

    rc = rc < 0 ? rc : xendev_wait(&v->dev, timeout_ms);
    return rc < 0 ? rc : rc == 0 ? -ETIMEDOUT : 0;
}

int vstream_wait(struct vstream *v, int timeout_ms)
{
    int rc = wait_for_event(v, timeout_ms);

    return rc == -ETIMEDOUT ? 0 : rc;
}

int vstream_write(struct vstream *v, const void *bytes, uint32_t length, int timeout_ms)
{
    const uint8_t *at = bytes;

    while (length > 0) {
        int64_t moved = stream_write(&v->stream, at, length);
        int rc = moved < 0 ? (int)moved : moved == 0 ? wait_for_event(v, timeout_ms) : kick(v);

        if (rc < 0) {
            return rc;
        }
        at += moved;
        length -= (uint32_t)moved;
    }
    return 0;
}

int vstream_read(struct vstream *v, void *bytes, uint32_t length, int timeout_ms)
{
    uint8_t *at = bytes;

    while (length > 0) {
        int64_t moved = stream_read(&v->stream, at, length);
        int rc = moved < 0 ? (int)moved : moved == 0 ? wait_for_event(v, timeout_ms) : kick(v);

        if (rc < 0) {
            return rc;
        }
        at += moved;
        length -= (uint32_t)moved;
    }
    return 0;
}
