/* SPDX-License-Identifier: MIT
 *
 * What a Linux program needs of the kernel to share memory with another domain: /dev/xen/evtchn,
 * gntalloc and gntdev, as few functions as the stream library wants. xendev.c has them; the unit tests
 * link another file in its place.
 *
 * All return a negative errno, and 0 or more otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define XENDEV_PAGE 4096UL

struct xendev {
    int event, alloc, map; /* file descriptors */
};

int xendev_open(struct xendev *dev);
/* For who only maps: nothing can be shared then. xendev_sleep() is how it waits. */
int xendev_open_mapper(struct xendev *dev);
void xendev_close(struct xendev *dev);

/* Grants so many new pages, writable, to a domain, and maps them at *at; refs gets their numbers.
 * *handle is for the two calls below. */
int xendev_share(struct xendev *dev, uint16_t domid, uint32_t pages, uint32_t *refs, void **at,
                 uint64_t *handle);
/* Maps so many pages of another domain's, side by side. */
int xendev_map(struct xendev *dev, uint16_t domid, uint32_t pages, const uint32_t *refs, void **at,
               uint64_t *handle);
/* When the pages of the handle are unmapped, be it by the death of the process, the kernel clears
 * the byte at `offset` and sends on the port. */
int xendev_on_unmap(struct xendev *dev, bool shared, uint64_t handle, uint32_t offset,
                    uint32_t port);
void xendev_unmap(struct xendev *dev, bool shared, uint64_t handle, void *at, uint32_t pages);

/* A port for the domain to bind; one bound to the domain's. The port, or the error. */
int xendev_offer_port(struct xendev *dev, uint16_t domid);
int xendev_bind_port(struct xendev *dev, uint16_t domid, uint32_t port);
void xendev_unbind_port(struct xendev *dev, uint32_t port);
int xendev_send(struct xendev *dev, uint32_t port);
/* Takes an event, whatever its port; waits for at most so long, or without end if negative. 1: one
 * came. 0: none did. */
int xendev_wait(struct xendev *dev, int timeout_ms);
/* The same in two steps, for who would not be woken while busy: sleeps until an event comes or a signal
 * does, and leaves the port masked; -1: without end. 1, 0 or the error. Then, unmasks it. */
int xendev_sleep(struct xendev *dev, int timeout_ms);
int xendev_unmask(struct xendev *dev, uint32_t port);
