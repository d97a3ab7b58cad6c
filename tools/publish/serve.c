/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include <err.h>
#include <errno.h>
#include <string.h>

/* A turn. */
struct work {
    struct host *host;
    struct serve_exchange *x;
    struct served *v;
};

static void refuse(struct work *w, uint64_t block)
{
    w->x->want[0] = (struct lagan_ubc_want){.block = block};
    (void)!host_ubc_list(w->host, LAGAN_UBC_refuse, w->v->handle, w->x->want, 1, 0);
}

/* How many of the blocks from `first` on are missing, up to the first that is there; or why nobody can say that of the first. */
static int missing_from(struct work *w, uint64_t first)
{
    int count = 0, n = 0, rc;

    for (; count < SERVE_AHEAD && first + (unsigned)count < w->v->source.blocks; count++)
        w->x->look[count] =
            (struct lagan_ubc_map){.block = first + (unsigned)count, .flags = LAGAN_UBC_LOOK};
    rc = host_ubc_list(w->host, LAGAN_UBC_map, w->v->handle, w->x->look, (unsigned)count, 0);
    if (rc)
        return rc;
    while (n < count && w->x->look[n].status == -ENOENT)
        n++;
    return n ? n : w->x->look[0].status;
}

/* The blocks of the tree that vouch for this one, from the top. */
static int bring_tree(struct work *w, uint64_t block)
{
    for (unsigned level = source_levels(w->v->source.blocks); level-- > 0;) {
        uint64_t n = block >> (7 * (level + 1));
        int rc = source_read_tree(&w->v->source, level, n, w->x->data[0]);

        if (rc)
            return rc;
        w->x->insert[0] = (struct lagan_ubc_insert){.block = n,
                                                    .address = (uintptr_t)w->x->data[0],
                                                    .level = (uint8_t)level,
                                                    .flags = LAGAN_UBC_HASH};
        rc = host_ubc_list(w->host, LAGAN_UBC_insert, w->v->handle, w->x->insert, 1, w->v->epoch);
        if (rc || w->x->insert[0].status)
            return rc ? rc : w->x->insert[0].status;
    }
    return 0;
}

/* The status of the first. */
static int insert(struct work *w, uint64_t first, unsigned count)
{
    int rc;

    for (unsigned i = 0; i < count; i++)
        w->x->insert[i] =
            (struct lagan_ubc_insert){.block = first + i, .address = (uintptr_t)w->x->data[i]};
    rc = host_ubc_list(w->host, LAGAN_UBC_insert, w->v->handle, w->x->insert, count, w->v->epoch);
    return rc ? rc : w->x->insert[0].status;
}

/*
 * Read into memory of this program's own: what host_buffer() gives is mapped as a device's, into which the kernel does not
 * read past its page cache (-EFAULT, on any file system that really does so).
 */
static int read_and_insert(struct work *w, uint64_t block, unsigned count)
{
    static _Alignas(LAGAN_UBC_BLOCK_BYTES) uint8_t blocks[SERVE_AHEAD][LAGAN_UBC_BLOCK_BYTES];
    int rc = source_read(&w->v->source, block, count, blocks);

    if (rc && count > 1)
        rc = source_read(&w->v->source, block, count = 1, blocks);
    if (rc)
        return rc;
    memcpy(w->x->data, blocks, (size_t)count * LAGAN_UBC_BLOCK_BYTES);
    return insert(w, block, count);
}

/* False: it is to be asked for again, later. */
static bool bring(struct work *w, uint64_t block)
{
    int count = missing_from(w, block);
    int rc = count > 0 ? read_and_insert(w, block, (unsigned)count) : count;

    if (rc == -ENODATA && !(rc = bring_tree(w, block)))
        rc = read_and_insert(w, block, (unsigned)count);
    switch (rc) {
    case 0:
    case -EEXIST:
    case -ENXIO: /* the volume has ended: the next call says so */
        return true;
    case -EAGAIN: /* it has been invalidated meanwhile */
    case -ENOMEM: /* the host has none to spare */
    case -ENODATA:
        return false;
    default:
        warnx("%s: block %llu: %s", w->v->name, (unsigned long long)block,
              rc == -EILSEQ ? "not what the tree says" : strerror(-rc));
        refuse(w, block);
        return true;
    }
}

void serve_begin(struct served *v)
{
    v->asks = v->again;
    v->again = false;
}

int serve_turn(struct host *host, struct serve_exchange *x, struct served *v)
{
    struct work w = {host, x, v};
    uint64_t block[SERVE_TURN];
    unsigned count = 0;
    int rc;

    for (unsigned i = 0; i < SERVE_TURN; i++)
        x->want[i] = (struct lagan_ubc_want){.flags = i == 0 && v->asks ? LAGAN_UBC_AGAIN : 0};
    rc = host_ubc_list(host, LAGAN_UBC_wanted, v->handle, x->want, SERVE_TURN, 0);
    if (rc == -ENXIO)
        return rc;
    if (rc) {
        warnx("%s: %s", v->name, strerror(-rc));
        v->again = true;
        return 0;
    }
    v->asks = false;
    while (count < SERVE_TURN && x->want[count].status == 0) {
        block[count] = x->want[count].block;
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        if (!bring(&w, block[i]))
            v->again = true;
    return count == SERVE_TURN;
}
