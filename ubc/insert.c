/* SPDX-License-Identifier: MIT
 *
 * Inserts: a copy, or a frame of the publisher's.
 *
 * Two things can be wrong with a block besides who brings it. It may be older than what is stored: the volume's
 * epoch counts invalidates, each group of blocks knows when it had the last, and who inserts says how far the count
 * was before the data was read (INV-UBC-4). Or, in a volume with a tree, its content may be wrong: that is looked at
 * in the page that will be the cache's, which no guest can write, and without the lock, as it takes long; what it
 * has to be is fixed by the generation, and the insert fails if that has ended meanwhile.
 *
 * The content is brought in a frame that the heap has lent (ubc_frame_get()), as large a block of which lies together
 * as can be had, so that what the heap asks back is in one piece.
 *
 * In a volume with a tree an insert of what is there succeeds, after the same work: its reader learns nothing
 * about who was there before him.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/spare.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

/* What the content has to be. */
struct vouch {
    bool needed;
    uint8_t digest[DIGEST_BYTES];
    uint8_t salt[sizeof(((struct lagan_ubc_create *)0)->salt)];
    unsigned salt_bytes;
};

/* The key; -XEN_EINVAL. Locked. */
static int find_key(const struct ubc_volume *v, const struct lagan_ubc_insert *in, uint64_t *key)
{
    unsigned level = in->flags & LAGAN_UBC_HASH ? in->level + 1u : 0;

    if (level > v->levels || (level == 0 && in->level) ||
        in->block >= ubc_tree_blocks(v->blocks, level))
        return -XEN_EINVAL;
    *key = key_of(level, in->block);
    return 0;
}

static int enter(const struct ubc_ref *ref, const struct lagan_ubc_insert *in, uint64_t *key)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_reader *r;
    int rc;

    if ((in->flags & ~(LAGAN_UBC_DONATE | LAGAN_UBC_HASH)) || in->reserved0)
        return -XEN_EINVAL;
    rc = ubc_enter(ref, LAGAN_UBC_PUBLISH | LAGAN_UBC_READ, &r);
    if (rc)
        return rc;
    if (v->is_window)
        rc = -XEN_EOPNOTSUPP;
    else if (!v->has_tree && !ref->control && !(r->rights & LAGAN_UBC_PUBLISH))
        rc = -XEN_EPERM;
    else
        rc = find_key(v, in, key);
    if (rc)
        ubc_leave(v);
    return rc;
}

static bool is_late(const struct ubc_volume *v, uint64_t block, uint64_t epoch)
{
    return epoch < v->invalidated[block % UBC_BUCKETS] || epoch > v->epoch;
}

/* Locked: whether a block of this number may come in now. */
static int check(struct ubc_volume *v, uint64_t key, uint64_t epoch)
{
    if (!v->has_tree && ubc_page_at(v, key))
        return -XEN_EEXIST;
    if (!v->has_tree && is_late(v, key_number(key), epoch)) {
        v->stats.refused++;
        return -XEN_EAGAIN;
    }
    return spare_works() ? 0 : -XEN_ENOMEM;
}

static int prepare_vouch(const struct ubc_volume *v, uint64_t key, struct vouch *w)
{
    w->needed = v->has_tree;
    if (!w->needed)
        return 0;
    w->salt_bytes = v->salt_bytes;
    if (v->salt_bytes)
        memcpy(w->salt, v->salt, v->salt_bytes);
    return ubc_tree_expected(v, key, w->digest);
}

int ubc_may_insert(const struct ubc_ref *ref, const struct lagan_ubc_insert *in, uint64_t epoch)
{
    struct vouch w;
    uint64_t key;
    int rc = enter(ref, in, &key);

    if (rc)
        return rc;
    rc = check(ref->volume, key, epoch);
    if (!rc)
        rc = prepare_vouch(ref->volume, key, &w);
    ubc_leave(ref->volume);
    return rc;
}

static bool is_vouched_for(const struct vouch *w, const void *page)
{
    uint8_t digest[DIGEST_BYTES];

    if (!w->needed)
        return true;
    ubc_tree_digest(w->salt, w->salt_bytes, page, digest);
    return memcmp(digest, w->digest, sizeof(digest)) == 0;
}

/* Locked, and everything is in order. *spare: the page was not needed. */
static int add(struct ubc_volume *v, uint64_t key, mfn_t frame, bool *spare)
{
    struct ubc_page *p;

    *spare = ubc_page_at(v, key) != NULL;
    if (*spare)
        return 0;
    p = ubc_page_prepare(v, key);
    if (!p)
        return -XEN_ENOMEM;
    ubc_page_add(v, p, frame);
    return 0;
}

int ubc_insert(const struct ubc_ref *ref, const struct lagan_ubc_insert *in, uint64_t epoch,
               mfn_t frame)
{
    struct ubc_volume *v = ref->volume;
    bool good, spare = false;
    struct vouch w;
    uint64_t key;
    int rc = enter(ref, in, &key);

    if (rc)
        return rc;
    rc = prepare_vouch(v, key, &w);
    ubc_leave(v);
    if (rc)
        return rc;
    good = is_vouched_for(&w, arch_map_frame(frame));
    rc = enter(ref, in, &key);
    if (rc)
        return rc;
    rc = good ? check(v, key, epoch) : -XEN_EILSEQ;
    if (!good)
        v->stats.refused++;
    if (!rc)
        rc = add(v, key, frame, &spare);
    ubc_leave(v);
    if (spare)
        ubc_frame_put(frame);
    return rc;
}

/* All that can fail comes before the frame changes hands. */
static int donate(struct ubc_volume *v, struct account *a, uint64_t key, mfn_t frame)
{
    struct ubc_page *p = ubc_page_prepare(v, key);
    int rc;

    if (!p)
        return -XEN_ENOMEM;
    rc = account_take(a, frame);
    if (rc) {
        ubc_page_cancel(v, p);
        return rc;
    }
    ubc_page_add(v, p, frame);
    return 0;
}

int ubc_donate(const struct ubc_ref *ref, const struct lagan_ubc_insert *in, uint64_t epoch)
{
    struct ubc_volume *v = ref->volume;
    uint64_t key;
    int rc = enter(ref, in, &key);

    if (rc)
        return rc;
    rc = v->has_tree ? -XEN_EOPNOTSUPP : check(v, key, epoch);
    if (!rc)
        rc = donate(v, ref->client->account, key, mfn(in->address));
    ubc_leave(v);
    return rc;
}
