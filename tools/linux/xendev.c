/* SPDX-License-Identifier: MIT
 *
 * The kernel's devices, by their ioctls (Linux's own headers xen/evtchn.h, gntalloc.h, gntdev.h).
 */
#include "xendev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/types.h>
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xen/gntdev.h>

static int result(int rc)
{
    return rc < 0 ? -errno : rc;
}

static int open_all(struct xendev *dev, bool to_share, int flags)
{
    *dev = (struct xendev){
        .event = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC | flags), .alloc = -1, .map = -1};
    if (dev->event >= 0 && to_share) {
        dev->alloc = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
    }
    if (dev->event >= 0 && (dev->alloc >= 0 || !to_share)) {
        dev->map = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
    }
    if (dev->map < 0) {
        int rc = -errno;

        xendev_close(dev);
        return rc;
    }
    return 0;
}

int xendev_open(struct xendev *dev)
{
    return open_all(dev, true, O_NONBLOCK);
}

int xendev_open_mapper(struct xendev *dev)
{
    return open_all(dev, false, 0);
}

void xendev_close(struct xendev *dev)
{
    int fd[] = {dev->event, dev->alloc, dev->map};

    for (unsigned i = 0; i < 3; i++) {
        if (fd[i] >= 0) {
            (void)close(fd[i]);
        }
    }
    *dev = (struct xendev){-1, -1, -1};
}

/* ---- pages ---- */

static void forget(struct xendev *dev, bool shared, uint64_t handle, uint32_t pages)
{
    struct ioctl_gntalloc_dealloc_gref alloc = {.index = handle, .count = pages};
    struct ioctl_gntdev_unmap_grant_ref map = {.index = handle, .count = pages};

    if (shared) {
        (void)ioctl(dev->alloc, IOCTL_GNTALLOC_DEALLOC_GREF, &alloc);
    } else {
        (void)ioctl(dev->map, IOCTL_GNTDEV_UNMAP_GRANT_REF, &map);
    }
}

static int map_at(struct xendev *dev, bool shared, uint64_t handle, uint32_t pages, void **at)
{
    *at = mmap(NULL, pages * XENDEV_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
               shared ? dev->alloc : dev->map, (off_t)handle);
    if (*at == MAP_FAILED) {
        int rc = -errno;

        forget(dev, shared, handle, pages);
        return rc;
    }
    return 0;
}

int xendev_share(struct xendev *dev, uint16_t domid, uint32_t pages, uint32_t *refs, void **at,
                 uint64_t *handle)
{
    struct ioctl_gntalloc_alloc_gref *op = calloc(1, sizeof(*op) + pages * sizeof(refs[0]));
    int rc;

    if (op == NULL) {
        return -ENOMEM;
    }
    op->domid = domid;
    op->flags = GNTALLOC_FLAG_WRITABLE;
    op->count = pages;
    rc = result(ioctl(dev->alloc, IOCTL_GNTALLOC_ALLOC_GREF, op));
    if (rc == 0) {
        memcpy(refs, op->gref_ids, pages * sizeof(refs[0]));
        *handle = op->index;
        rc = map_at(dev, true, *handle, pages, at);
    }
    free(op);
    return rc;
}

int xendev_map(struct xendev *dev, uint16_t domid, uint32_t pages, const uint32_t *refs, void **at,
               uint64_t *handle)
{
    struct ioctl_gntdev_map_grant_ref *op = calloc(1, sizeof(*op) + pages * sizeof(op->refs[0]));
    struct ioctl_gntdev_grant_ref *list;
    int rc;

    if (op == NULL) {
        return -ENOMEM;
    }
    op->count = pages;
    list = op->refs;
    for (uint32_t i = 0; i < pages; i++) {
        list[i].domid = domid;
        list[i].ref = refs[i];
    }
    rc = result(ioctl(dev->map, IOCTL_GNTDEV_MAP_GRANT_REF, op));
    if (rc == 0) {
        *handle = op->index;
        rc = map_at(dev, false, *handle, pages, at);
    }
    free(op);
    return rc;
}

int xendev_on_unmap(struct xendev *dev, bool shared, uint64_t handle, uint32_t offset,
                    uint32_t port)
{
    struct ioctl_gntalloc_unmap_notify alloc = {.index = handle + offset,
                                                .action = UNMAP_NOTIFY_CLEAR_BYTE |
                                                          UNMAP_NOTIFY_SEND_EVENT,
                                                .event_channel_port = port};
    struct ioctl_gntdev_unmap_notify map = {
        .index = alloc.index, .action = alloc.action, .event_channel_port = port};

    return result(shared ? ioctl(dev->alloc, IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &alloc)
                         : ioctl(dev->map, IOCTL_GNTDEV_SET_UNMAP_NOTIFY, &map));
}

void xendev_unmap(struct xendev *dev, bool shared, uint64_t handle, void *at, uint32_t pages)
{
    (void)munmap(at, pages * XENDEV_PAGE);
    forget(dev, shared, handle, pages);
}

/* ---- ports ---- */

int xendev_offer_port(struct xendev *dev, uint16_t domid)
{
    struct ioctl_evtchn_bind_unbound_port op = {.remote_domain = domid};

    return result(ioctl(dev->event, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &op));
}

int xendev_bind_port(struct xendev *dev, uint16_t domid, uint32_t port)
{
    struct ioctl_evtchn_bind_interdomain op = {.remote_domain = domid, .remote_port = port};

    return result(ioctl(dev->event, IOCTL_EVTCHN_BIND_INTERDOMAIN, &op));
}

void xendev_unbind_port(struct xendev *dev, uint32_t port)
{
    struct ioctl_evtchn_unbind op = {.port = port};

    (void)ioctl(dev->event, IOCTL_EVTCHN_UNBIND, &op);
}

int xendev_send(struct xendev *dev, uint32_t port)
{
    struct ioctl_evtchn_notify op = {.port = port};

    return result(ioctl(dev->event, IOCTL_EVTCHN_NOTIFY, &op));
}

/* A port is masked when its event is read, and unmasked by writing it back. */
int xendev_wait(struct xendev *dev, int timeout_ms)
{
    struct pollfd fd = {.fd = dev->event, .events = POLLIN};
    int rc = result(poll(&fd, 1, timeout_ms));
    uint32_t port;

    if (rc <= 0) {
        return rc == -EINTR ? 0 : rc;
    }
    if (read(dev->event, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    return write(dev->event, &port, sizeof(port)) == (ssize_t)sizeof(port) ? 1 : -errno;
}

int xendev_sleep(struct xendev *dev, int timeout_ms)
{
    struct pollfd fd = {.fd = dev->event, .events = POLLIN};
    int rc = timeout_ms < 0 ? 1 : result(poll(&fd, 1, timeout_ms));
    uint32_t port;

    if (rc <= 0) {
        return rc == -EINTR ? 0 : rc;
    }
    if (read(dev->event, &port, sizeof(port)) != (ssize_t)sizeof(port)) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    return 1;
}

int xendev_unmask(struct xendev *dev, uint32_t port)
{
    return write(dev->event, &port, sizeof(port)) == (ssize_t)sizeof(port) ? 0 : -errno;
}
