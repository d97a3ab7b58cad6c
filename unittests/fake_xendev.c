/* SPDX-License-Identifier: MIT
 *
 * Stands in for tools/linux/xendev.c: one process as two domains. Granted pages are pages of a memory
 * file, whose numbers are the grants; ports are semaphores in pairs.
 */
#define _GNU_SOURCE /* memfd_create() */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "unittests/fake_xendev.h"

#define PAGES 2048U
#define PORTS 16U

struct fake_xendev fake;

static int memory = -1;
static uint32_t next_page;
static sem_t event[PORTS];
static uint32_t peer_of[PORTS];
static struct {
    uint8_t *byte;
    uint32_t port;
} on_unmap[PORTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void fake_begin(void)
{
    fake = (struct fake_xendev){.fail_at = ~0U};
    if (memory >= 0)
        close(memory);
    memory = memfd_create("granted", 0);
    if (memory < 0 || ftruncate(memory, PAGES * XENDEV_PAGE))
        abort();
    next_page = 8;
    memset(peer_of, 0, sizeof(peer_of));
    memset(on_unmap, 0, sizeof(on_unmap));
    for (unsigned i = 0; i < PORTS; i++)
        sem_init(&event[i], 0, 0);
}

/* Each call that may fail does, when its turn has come. */
static bool fails(void)
{
    return __atomic_fetch_add(&fake.calls, 1, __ATOMIC_SEQ_CST) == fake.fail_at;
}

int xendev_open(struct xendev *dev)
{
    *dev = (struct xendev){0, 0, 0};
    if (fails())
        return -ENODEV;
    __atomic_fetch_add(&fake.open, 1, __ATOMIC_SEQ_CST);
    return 0;
}

int xendev_open_mapper(struct xendev *dev)
{
    return xendev_open(dev);
}

void xendev_close(struct xendev *dev)
{
    (void)dev;
    __atomic_fetch_sub(&fake.open, 1, __ATOMIC_SEQ_CST);
}

static int map_pages(uint32_t pages, const uint32_t *refs, void **at, uint64_t *handle)
{
    uint8_t *range = mmap(NULL, pages * XENDEV_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (uint32_t i = 0; i < pages; i++)
        if (refs[i] >= PAGES ||
            mmap(range + i * XENDEV_PAGE, XENDEV_PAGE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, memory, (off_t)(refs[i] * XENDEV_PAGE)) == MAP_FAILED) {
            munmap(range, pages * XENDEV_PAGE);
            return -EINVAL;
        }
    *at = range;
    *handle = (uint64_t)(uintptr_t)range;
    __atomic_fetch_add(&fake.mapped, pages, __ATOMIC_SEQ_CST);
    return 0;
}

int xendev_share(struct xendev *dev, uint16_t domid, uint32_t pages, uint32_t *refs, void **at,
                 uint64_t *handle)
{
    (void)dev;
    (void)domid;
    if (fails())
        return -ENOSPC;
    for (uint32_t i = 0; i < pages; i++)
        refs[i] = __atomic_fetch_add(&next_page, 1, __ATOMIC_SEQ_CST);
    return map_pages(pages, refs, at, handle);
}

int xendev_map(struct xendev *dev, uint16_t domid, uint32_t pages, const uint32_t *refs, void **at,
               uint64_t *handle)
{
    (void)dev;
    (void)domid;
    return fails() ? -EPERM : map_pages(pages, refs, at, handle);
}

int xendev_on_unmap(struct xendev *dev, bool shared, uint64_t handle, uint32_t offset,
                    uint32_t port)
{
    (void)dev;
    (void)shared;
    if (fails())
        return -EINVAL;
    on_unmap[port].byte = (uint8_t *)(uintptr_t)handle + offset;
    on_unmap[port].port = port;
    return 0;
}

void xendev_unmap(struct xendev *dev, bool shared, uint64_t handle, void *at, uint32_t pages)
{
    (void)shared;
    for (unsigned i = 0; i < PORTS; i++)
        if (on_unmap[i].byte && on_unmap[i].byte >= (uint8_t *)at &&
            on_unmap[i].byte < (uint8_t *)at + pages * XENDEV_PAGE) {
            __atomic_store_n(on_unmap[i].byte, 0, __ATOMIC_SEQ_CST);
            on_unmap[i].byte = NULL;
            (void)xendev_send(dev, on_unmap[i].port);
        }
    if (handle != (uint64_t)(uintptr_t)at || munmap(at, pages * XENDEV_PAGE))
        abort();
    __atomic_fetch_sub(&fake.mapped, pages, __ATOMIC_SEQ_CST);
}

static int new_port(struct xendev *dev)
{
    int port = fails() ? -ENOSPC : (int)__atomic_add_fetch(&fake.ports, 1, __ATOMIC_SEQ_CST);

    dev->event = port;
    return port;
}

int xendev_offer_port(struct xendev *dev, uint16_t domid)
{
    (void)domid;
    return new_port(dev);
}

int xendev_bind_port(struct xendev *dev, uint16_t domid, uint32_t port)
{
    int own = new_port(dev);

    (void)domid;
    if (own < 0)
        return own;
    pthread_mutex_lock(&lock);
    peer_of[own] = port;
    peer_of[port] = (uint32_t)own;
    pthread_mutex_unlock(&lock);
    return own;
}

void xendev_unbind_port(struct xendev *dev, uint32_t port)
{
    (void)dev;
    (void)port;
    __atomic_fetch_add(&fake.unbound, 1, __ATOMIC_SEQ_CST);
}

int xendev_send(struct xendev *dev, uint32_t port)
{
    uint32_t peer;

    (void)dev;
    pthread_mutex_lock(&lock);
    peer = peer_of[port];
    pthread_mutex_unlock(&lock);
    return sem_post(&event[peer]);
}

int xendev_wait(struct xendev *dev, int timeout_ms)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000 + (timeout_ms < 0 ? 1000 : 0);
    return sem_timedwait(&event[dev->event], &end) ? 0 : 1;
}

int xendev_sleep(struct xendev *dev, int timeout_ms)
{
    struct timespec end;

    if (timeout_ms < 0)
        return sem_wait(&event[dev->event]) ? 0 : 1;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += timeout_ms * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    return sem_timedwait(&event[dev->event], &end) ? 0 : 1;
}

int xendev_unmask(struct xendev *dev, uint32_t port)
{
    (void)dev;
    (void)port;
    return 0;
}
