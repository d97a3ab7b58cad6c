/* SPDX-License-Identifier: MIT
 *
 * Handles: the mappings of a domain, as it names them.
 *
 * They come in frames of 256, allocated when the domain has none left, and stay. Free ones are in
 * one list for each lane (a lane is a processor of the domain: one caller at a time), so that its
 * processors do not write each other's lines; a handle that is freed goes to the list of who frees
 * it. Only when no more frames may be had are the others' lists looked at. Each list has a lock,
 * which is nobody else's in all other cases.
 *
 * A handle's state says who has it: 0, the list; HANDLE_BUSY, one who unmaps it; else, whoever
 * takes it by a compare-and-swap.
 */
#include <lagan/arch.h>
#include "mm/heap.h"
#include "shmem/grant_int.h"

static size_t leaf_count(const struct maptrack *m)
{
    return (m->frame_limit + MAPTRACK_LEAF - 1) / MAPTRACK_LEAF;
}

int maptrack_create(struct maptrack *m, unsigned frame_limit, unsigned lanes)
{
    size_t lane_bytes = (lanes + 1) * sizeof(*m->lane); /* one to align them by */

    *m = (struct maptrack){.frame_limit = frame_limit, .lane_count = lanes};
    if (frame_limit > HANDLE_NONE / HANDLES_PER_FRAME || lane_bytes > 2 * SLAB_MAX ||
        leaf_count(m) * sizeof(*m->leaf) > SLAB_MAX)
        return -XEN_EINVAL;
    m->leaf = slab_alloc(leaf_count(m) * sizeof(*m->leaf) + 1);
    m->lane_memory = lane_bytes > SLAB_MAX ? page_alloc(0, HEAP_CLEAR) : slab_alloc(lane_bytes);
    if (!m->leaf || !m->lane_memory) {
        maptrack_destroy(m);
        return -XEN_ENOMEM;
    }
    m->lane = (struct maptrack_lane *)(((uintptr_t)m->lane_memory + 63) & ~(uintptr_t)63);
    for (unsigned i = 0; i < lanes; i++) {
        spin_init(&m->lane[i].lock, LK_GRANT_HANDLE);
        m->lane[i].first = HANDLE_NONE;
    }
    return 0;
}

void maptrack_destroy(struct maptrack *m)
{
    for (unsigned i = 0; i < m->frame_count; i++)
        page_free(m->leaf[i / MAPTRACK_LEAF][i % MAPTRACK_LEAF], 0);
    for (size_t i = 0; m->leaf && i < leaf_count(m); i++)
        page_free(m->leaf[i], 0);
    slab_free(m->leaf);
    if ((m->lane_count + 1) * sizeof(*m->lane) > SLAB_MAX)
        page_free(m->lane_memory, 0);
    else
        slab_free(m->lane_memory);
}

static uint32_t pop(const struct maptrack *m, struct maptrack_lane *lane)
{
    uint32_t handle;

    spin_lock(&lane->lock);
    handle = lane->first;
    if (handle != HANDLE_NONE)
        lane->first = maptrack_of(m, handle)->ref;
    spin_unlock(&lane->lock);
    return handle;
}

void maptrack_free(struct grant_table *t, unsigned lane, uint32_t handle)
{
    struct maptrack_lane *l = &t->maptrack.lane[lane];
    struct grant_handle *h = maptrack_of(&t->maptrack, handle);

    spin_lock(&l->lock);
    atomic_store_explicit(&h->state, 0, memory_order_release);
    __atomic_store_n(&h->ref, l->first, __ATOMIC_RELAXED);
    l->first = handle;
    spin_unlock(&l->lock);
}

/* One more frame; its handles are the lane's, but for the one that is returned. */
static uint32_t grow(struct grant_table *t, struct maptrack_lane *lane)
{
    struct maptrack *m = &t->maptrack;
    uint32_t n, first;
    struct grant_handle ***leaf, *frame = NULL;

    spin_lock(&t->lock);
    n = m->frame_count;
    first = n * (uint32_t)HANDLES_PER_FRAME;
    leaf = &m->leaf[n / MAPTRACK_LEAF];
    if (n < m->frame_limit && !*leaf)
        *leaf = page_alloc(0, HEAP_CLEAR);
    if (n < m->frame_limit && *leaf)
        frame = page_alloc(0, HEAP_CLEAR);
    if (frame) {
        for (uint32_t i = 1; i < HANDLES_PER_FRAME; i++)
            frame[i].ref = i + 1 < HANDLES_PER_FRAME ? first + i + 1 : HANDLE_NONE;
        (*leaf)[n % MAPTRACK_LEAF] = frame;
        atomic_store_explicit(&m->frame_count, n + 1, memory_order_release);
    }
    spin_unlock(&t->lock);
    if (!frame)
        return HANDLE_NONE;
    spin_lock(&lane->lock);
    frame[HANDLES_PER_FRAME - 1].ref = lane->first;
    lane->first = first + 1;
    spin_unlock(&lane->lock);
    return first;
}

uint32_t maptrack_alloc(struct grant_table *t, unsigned lane)
{
    struct maptrack *m = &t->maptrack;
    uint32_t handle = pop(m, &m->lane[lane]);

    if (likely(handle != HANDLE_NONE))
        return handle;
    handle = grow(t, &m->lane[lane]);
    for (unsigned i = 0; handle == HANDLE_NONE && i < m->lane_count; i++)
        handle = pop(m, &m->lane[i]);
    return handle;
}

uint32_t grant_handle_count(const struct grant_table *t)
{
    return maptrack_count(&t->maptrack);
}
