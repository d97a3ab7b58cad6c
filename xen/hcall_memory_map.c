/* SPDX-License-Identifier: MIT
 *
 * memory_op: maps of memory.
 *
 * A domain that the control domain gave no map sees one piece of RAM from 0 to its limit: a Linux
 * kernel prepares for as much (maxmem=), uses what it has, and can grow into the rest by its balloon
 * driver. Behind that it sees the windows of the buffer cache that it may map, at their machine addresses, as
 * devices of memory: its kernel maps such addresses as they are, and has a driver for them. The control domain itself is told nothing here, as on Xen: it asks for the machine's map.
 */
#include "xen/memory_map.h"

#include <lagan/arch.h>
#include <xen/memory.h>

#include "mm/heap.h"
#include "xen/guest_access.h"
#include "arch_current.h"

#define PIECE_RAM 1
#define PIECE_PERSISTENT \
    12 /* memory that keeps its content, as firmware called it before there was a standard */

static size_t map_bytes(unsigned count)
{
    return sizeof(struct memory_map) + count * sizeof(struct memory_piece);
}

/* Behind the RAM, ascending as maps are, if the domain can have no RAM there. */
static bool window_piece(const struct domain *d, unsigned i, struct memory_piece *piece)
{
    uint64_t floor = d->account.max_pages, blocks, best_blocks = 0;
    mfn_t base, best = MFN_INVALID;

    do {
        best = MFN_INVALID;
        for (unsigned n = 0; ubc_window_of(&d->account, n, &base, &blocks); n++)
            if (base.n >= floor && base.n < best.n) {
                best = base;
                best_blocks = blocks;
            }
        floor = best.n + 1;
    } while (i-- > 0 && best.n != MFN_INVALID.n);
    *piece =
        (struct memory_piece){best.n << PAGE_SHIFT, best_blocks << PAGE_SHIFT, PIECE_PERSISTENT};
    return best.n != MFN_INVALID.n;
}

/* The control domain may put another map in its place meanwhile: a reader gets pieces of either. */
static bool own_piece(struct domain *d, unsigned i, struct memory_piece *piece)
{
    bool found;

    spin_lock(&d->lock);
    found = d->memory_map && i < d->memory_map->count;
    if (found)
        *piece = d->memory_map->piece[i];
    else if (!d->memory_map && !d->privileged && i == 0) {
        *piece = (struct memory_piece){0, d->account.max_pages << PAGE_SHIFT, PIECE_RAM};
        found = true;
    } else if (!d->memory_map && !d->privileged) {
        found = window_piece(d, i - 1, piece);
    }
    spin_unlock(&d->lock);
    return found;
}

static guest_ptr_t piece_at(guest_ptr_t buffer, unsigned i)
{
    return guest_ptr_add(buffer, i * sizeof(struct memory_piece));
}

static int put_count(guest_ptr_t arg, unsigned count)
{
    return copy_to_guest(guest_ptr_add(arg, offsetof(struct xen_memory_map, nr_entries)), &count,
                         sizeof(count));
}

int64_t memory_map_get(guest_ptr_t arg)
{
    struct domain *d = current_vcpu()->domain;
    struct xen_memory_map in;
    struct memory_piece piece;
    guest_ptr_t buffer;
    unsigned i;

    if (!own_piece(d, 0, &piece))
        return -XEN_ENOSYS;
    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    buffer = guest_ptr((uint64_t)in.buffer.p);
    for (i = 0; i < in.nr_entries && own_piece(d, i, &piece); i++)
        if (copy_to_guest(piece_at(buffer, i), &piece, sizeof(piece)))
            return -XEN_EFAULT;
    return put_count(arg, i);
}

int64_t memory_map_machine(guest_ptr_t arg)
{
    struct xen_memory_map in;
    struct memory_piece piece;
    guest_ptr_t buffer;
    unsigned count = 0;

    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    buffer = guest_ptr((uint64_t)in.buffer.p);
    while (arch_memory_piece(count, &piece))
        count++;
    if (buffer.va && in.nr_entries < count)
        return -XEN_EINVAL;
    for (unsigned i = 0; buffer.va && i < count && arch_memory_piece(i, &piece); i++)
        if (copy_to_guest(piece_at(buffer, i), &piece, sizeof(piece)))
            return -XEN_EFAULT;
    return put_count(arg, count);
}

/* The domain's map is `map` from now on (NULL: none). */
static void replace_map(struct domain *d, struct memory_map *map)
{
    struct memory_map *old;

    spin_lock(&d->lock);
    old = d->memory_map;
    d->memory_map = map;
    spin_unlock(&d->lock);
    if (old)
        page_free(old, order_of_bytes(map_bytes(old->count)));
}

void memory_map_free(struct domain *d)
{
    replace_map(d, NULL);
}

static int read_map(const struct xen_memory_map *in, struct memory_map **out)
{
    unsigned order = order_of_bytes(map_bytes(in->nr_entries));
    struct memory_map *map;

    *out = NULL;
    if (in->nr_entries == 0)
        return 0;
    map = page_alloc(order, 0);
    if (!map)
        return -XEN_ENOMEM;
    map->count = in->nr_entries;
    if (copy_from_guest(map->piece, guest_ptr((uint64_t)in->buffer.p),
                        in->nr_entries * sizeof(struct memory_piece))) {
        page_free(map, order);
        return -XEN_EFAULT;
    }
    *out = map;
    return 0;
}

int64_t memory_map_set(guest_ptr_t arg)
{
    struct xen_foreign_memory_map in;
    struct memory_map *map;
    struct domain *d;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.map.nr_entries > MEMORY_MAP_MAX)
        return -XEN_EINVAL;
    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    d = domain_find_target(in.domid);
    if (!d)
        return -XEN_ESRCH;
    rc = read_map(&in.map, &map);
    if (!rc)
        replace_map(d, map);
    domain_put(d);
    return rc;
}
