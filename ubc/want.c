/* SPDX-License-Identifier: MIT
 *
 * What readers ask the publisher for.
 *
 * A volume has room for UBC_WANTS blocks that are asked for and not answered, and for UBC_WANTS_EACH of one reader, so
 * that a few readers cannot keep the others from asking. The publisher fetches them in the order in which they came,
 * inserts the block, or refuses it. What it has fetched stays written down until then: one that begins anew asks for all
 * of it again. Who has asked is told when anything is answered, and asks again. What a reader has asked for goes with him,
 * unless another waits for it too.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "ubc/ubc_int.h"

enum want_state { WANT_NONE, WANT_NEW, WANT_GIVEN, WANT_REFUSED };

struct ubc_want {
    uint64_t block, serial;
    const struct ubc_client *by; /* NULL: he has gone, and others wait for it */
    uint32_t state;
    uint32_t others; /* somebody else waits for it too */
};

#define UBC_WANTS      ((unsigned)(PAGE_SIZE / sizeof(struct ubc_want)))
#define UBC_WANTS_EACH (UBC_WANTS / 4)

static bool has_publisher(const struct ubc_volume *v)
{
    const struct list *l;

    list_for_each (l, &v->readers) {
        const struct ubc_reader *r = list_entry(l, struct ubc_reader, link);

        if (!r->leaving && (r->rights & LAGAN_UBC_PUBLISH))
            return true;
    }
    return false;
}

static struct ubc_want *find(const struct ubc_volume *v, uint64_t block)
{
    for (unsigned i = 0; v->wants && i < UBC_WANTS; i++)
        if (v->wants[i].state != WANT_NONE && v->wants[i].block == block)
            return &v->wants[i];
    return NULL;
}

/* A place for a new one: free, or of a refusal that nobody has come for. NULL: there are too many. */
static struct ubc_want *find_place(struct ubc_volume *v, const struct ubc_client *by)
{
    struct ubc_want *place = NULL;
    unsigned mine = 0;

    for (unsigned i = 0; i < UBC_WANTS; i++) {
        struct ubc_want *w = &v->wants[i];

        if (w->state == WANT_NONE || (w->state == WANT_REFUSED && !place))
            place = w;
        else
            mine += w->by == by && w->state != WANT_REFUSED;
    }
    return mine < UBC_WANTS_EACH ? place : NULL;
}

int ubc_want(struct ubc_volume *v, struct ubc_reader *r, uint64_t block)
{
    struct ubc_want *w;

    if (block >= v->blocks || !has_publisher(v))
        return -XEN_ENOENT;
    if (!v->wants)
        v->wants = page_alloc(0, HEAP_CLEAR | HEAP_TRY);
    if (!v->wants)
        return -XEN_ENOMEM;
    w = find(v, block);
    if (w && w->state == WANT_REFUSED) {
        w->state = WANT_NONE;
        return -XEN_EIO;
    }
    r->waits = true;
    if (w) {
        w->others |= w->by != r->client;
        return -XEN_EBUSY;
    }
    w = find_place(v, r->client);
    if (!w)
        return -XEN_EAGAIN;
    *w =
        (struct ubc_want){.block = block, .serial = ++v->asked, .by = r->client, .state = WANT_NEW};
    atomic_fetch_or(&v->news, UBC_NEWS_ASKED);
    return -XEN_EBUSY;
}

bool ubc_want_met(struct ubc_volume *v, uint64_t key)
{
    struct ubc_want *w = key_level(key) == 0 ? find(v, key_number(key)) : NULL;

    if (!w)
        return false;
    w->state = WANT_NONE;
    atomic_fetch_or(&v->news, UBC_NEWS_ANSWERED);
    return true;
}

void ubc_want_forget(struct ubc_volume *v, const struct ubc_client *c)
{
    for (unsigned i = 0; v->wants && i < UBC_WANTS; i++) {
        struct ubc_want *w = &v->wants[i];

        if (c && w->by != c)
            continue;
        w->by = NULL;
        if (!c || !w->others || w->state == WANT_REFUSED)
            w->state = WANT_NONE;
    }
}

/* ---- the publisher's side ---- */

static int next_wanted(struct ubc_volume *v, struct lagan_ubc_want *io)
{
    struct ubc_want *first = NULL;

    for (unsigned i = 0; v->wants && i < UBC_WANTS; i++) {
        struct ubc_want *w = &v->wants[i];

        if (w->state == WANT_GIVEN && (io->flags & LAGAN_UBC_AGAIN))
            w->state = WANT_NEW;
        if (w->state == WANT_NEW && (!first || w->serial < first->serial))
            first = w;
    }
    if (!first)
        return -XEN_ENOENT;
    first->state = WANT_GIVEN;
    io->block = first->block;
    return 0;
}

int ubc_wanted(const struct ubc_ref *ref, struct lagan_ubc_want *io)
{
    struct ubc_reader *r;
    int rc;

    if (io->flags & ~LAGAN_UBC_AGAIN)
        return -XEN_EINVAL;
    rc = ubc_enter(ref, LAGAN_UBC_PUBLISH, &r);
    if (rc)
        return rc;
    rc = next_wanted(ref->volume, io);
    ubc_leave(ref->volume);
    return rc;
}

int ubc_refuse(const struct ubc_ref *ref, const struct lagan_ubc_want *in)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_reader *r;
    struct ubc_want *w;
    int rc;

    if (in->flags)
        return -XEN_EINVAL;
    rc = ubc_enter(ref, LAGAN_UBC_PUBLISH, &r);
    if (rc)
        return rc;
    w = find(v, in->block);
    if (w && w->state != WANT_REFUSED) {
        w->state = WANT_REFUSED;
        atomic_fetch_or(&v->news, UBC_NEWS_ANSWERED);
    } else {
        rc = -XEN_ENOENT;
    }
    ubc_leave(v);
    return rc;
}

/* ---- who is to be told ---- */

void ubc_news(const struct ubc_ref *ref, struct ubc_tell *tell)
{
    struct ubc_volume *v = ref->volume;
    unsigned news;
    struct list *l;

    tell->count = 0;
    if (likely(!atomic_load(&v->news)))
        return;
    spin_lock(&v->lock);
    news = atomic_exchange(&v->news, 0);
    list_for_each (l, &v->readers) {
        struct ubc_reader *r = list_entry(l, struct ubc_reader, link);
        bool answered = (news & UBC_NEWS_ANSWERED) && r->waits;

        if (answered)
            r->waits = false;
        if (answered || ((news & UBC_NEWS_ASKED) && (r->rights & LAGAN_UBC_PUBLISH)))
            tell->id[tell->count++] = r->client->account->id;
    }
    spin_unlock(&v->lock);
}
