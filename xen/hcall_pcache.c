/* SPDX-License-Identifier: MIT
 *
 * pcache_op: a domain and its pages in the page cache (include/public/lagan/pcache.h).
 *
 * A query is read once, served, and written back. The copying form touches the guest's page between the two
 * halves of a put or get, with no lock held; if that faults, a page that was to be got is as it was, and one that
 * was to be put is not kept. A batch can be interrupted between two queries: what is left is then the call's new
 * arguments. A call for one query never is.
 */
#include "xen/hcall_pcache.h"

#include <lagan/arch.h>

#include "include/public/lagan/pcache.h"
#include "mm/frame.h"
#include "mm/pcache.h"
#include "mm/type.h"
#include "xen/domain.h"
#include "xen/hypercall.h"
#include "arch_current.h"
#include "arch_inline.h"

STATIC_ASSERT(sizeof(struct lagan_pcache_query) == 48);
STATIC_ASSERT(sizeof(struct lagan_pcache_flush) == 32);
STATIC_ASSERT(sizeof(struct lagan_pcache_pool) == 16);
STATIC_ASSERT(sizeof(struct lagan_pcache_stats) == 232);

#define ALL_FLAGS                                                                       \
    (LAGAN_PCACHE_PUT | LAGAN_PCACHE_GET | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_EXCHANGE | \
     LAGAN_PCACHE_VIRTUAL | LAGAN_PCACHE_STAY)

/* ---- a guest's page ---- */

/* Copies the guest's page to, or from, a frame of the cache's. */
static int copy_page_in(const struct domain *d, const struct lagan_pcache_query *q, mfn_t to)
{
    if (q->flags & LAGAN_PCACHE_VIRTUAL)
        return copy_from_guest(arch_map_frame(to), guest_ptr(q->page), PAGE_SIZE);
    if (!frame_get(mfn(q->page), d->id))
        return -XEN_EPERM;
    arch_copy_page(arch_map_frame(to), arch_map_frame(mfn(q->page)));
    frame_put(mfn(q->page));
    return 0;
}

static int copy_page_out(const struct domain *d, const struct lagan_pcache_query *q, mfn_t from)
{
    int rc;

    if (q->flags & LAGAN_PCACHE_VIRTUAL)
        return copy_to_guest(guest_ptr(q->page), arch_map_frame(from), PAGE_SIZE);
    rc = frame_get_writable(mfn(q->page), d->id);
    if (rc)
        return rc == -XEN_EBUSY || rc == -XEN_ERESTART ? -XEN_EBUSY : -XEN_EPERM;
    arch_copy_page(arch_map_frame(mfn(q->page)), arch_map_frame(from));
    frame_put_writable(mfn(q->page));
    return 0;
}

/* ---- one query ---- */

static void set_names(const struct lagan_pcache_query *q, struct pcache_name *put,
                      struct pcache_name *get)
{
    bool keyed = q->flags & LAGAN_PCACHE_KEYED;

    *put = (struct pcache_name){.pool = q->pool, .key = keyed ? q->new : q->name};
    *get = (struct pcache_name){.pool = q->pool, .key = q->old, .name = keyed ? 0 : q->old_name};
}

static int query_exchange(struct pcache *pc, struct lagan_pcache_query *q)
{
    struct pcache_query e = {.put = q->flags & LAGAN_PCACHE_PUT,
                             .get = q->flags & LAGAN_PCACHE_GET};
    struct pcache_answer r;
    int rc;

    set_names(q, &e.put_name, &e.get_name);
    rc = pcache_exchange(pc, mfn(q->page), &e, &r);
    if (rc)
        return rc;
    q->page = r.frame.n;
    if (e.put && !q->pool)
        q->new = r.id;
    return (r.hit ? LAGAN_PCACHE_HIT : 0) | (r.kept ? LAGAN_PCACHE_KEPT : 0) |
           (r.exchanged ? LAGAN_PCACHE_EXCHANGED : 0) | (r.blank ? LAGAN_PCACHE_BLANK : 0);
}

/* The put of the copying form: KEPT, 0 or an error. */
static int query_put(const struct domain *d, struct pcache *pc, struct lagan_pcache_query *q,
                     const struct pcache_name *n)
{
    struct pcache_held h;
    bool room, kept;
    int rc;

    room = pcache_put(pc, n, &h, &rc);
    if (!q->pool)
        q->new = h.id;
    if (!room)
        return rc;
    rc = copy_page_in(d, q, h.frame);
    kept = pcache_put_end(pc, &h, rc == 0);
    if (rc && !q->pool)
        q->new = 0;
    return kept ? LAGAN_PCACHE_KEPT : rc;
}

/* What was wanted is taken before the put, which may be under the same key, and copied after it. */
static int query_copy(const struct domain *d, struct pcache *pc, struct lagan_pcache_query *q)
{
    bool stays = q->flags & LAGAN_PCACHE_STAY, hit = false;
    struct pcache_name put, get;
    struct pcache_held h;
    int status = 0, rc = 0;

    set_names(q, &put, &get);
    if (q->flags & LAGAN_PCACHE_GET)
        hit = pcache_get(pc, &get, stays, &h);
    if (q->flags & LAGAN_PCACHE_PUT)
        status = query_put(d, pc, q, &put);
    if (!hit)
        return status;
    if (status >= 0)
        rc = copy_page_out(d, q, h.frame);
    pcache_get_end(pc, &h, status >= 0 && rc == 0);
    if (status < 0)
        return status;
    return rc ? rc : status | LAGAN_PCACHE_HIT;
}

static int check_query(const struct pcache *pc, const struct lagan_pcache_query *q)
{
    bool keyed = q->flags & LAGAN_PCACHE_KEYED;

    if ((q->flags & ~ALL_FLAGS) || !(q->flags & (LAGAN_PCACHE_PUT | LAGAN_PCACHE_GET)))
        return -XEN_EINVAL;
    if ((q->flags & LAGAN_PCACHE_EXCHANGE) &&
        (q->flags & (LAGAN_PCACHE_VIRTUAL | LAGAN_PCACHE_STAY)))
        return -XEN_EINVAL;
    if ((q->flags & LAGAN_PCACHE_VIRTUAL) && q->page % PAGE_SIZE)
        return -XEN_EINVAL;
    if (!keyed)
        return q->pool ? -XEN_EINVAL : 0;
    return pcache_pool_there(pc, q->pool) ? 0 : -XEN_ENOENT;
}

/* A persistent page is memory of the domain's own as it is: it is copied, as the ABI allows for each exchange. */
static bool exchanges(const struct pcache *pc, const struct lagan_pcache_query *q)
{
    return (q->flags & LAGAN_PCACHE_EXCHANGE) && !pcache_pool_is_persistent(pc, q->pool);
}

static int query_one(struct domain *d, struct pcache *pc, guest_ptr_t where)
{
    struct lagan_pcache_query q;

    if (copy_from_guest(&q, where, sizeof(q)))
        return -XEN_EFAULT;
    q.status = check_query(pc, &q);
    if (!q.status)
        q.status = exchanges(pc, &q) ? query_exchange(pc, &q) : query_copy(d, pc, &q);
    return copy_to_guest(where, &q, sizeof(q));
}

/* ---- flushing ---- */

static int do_flush(struct pcache *pc, struct lagan_pcache_flush *f)
{
    struct pcache_name id = {.key = f->first};

    if (f->pool >= PCACHE_POOLS)
        return -XEN_EINVAL;
    switch (f->what) {
    case LAGAN_PCACHE_FLUSH_ID:
        f->flushed += pcache_flush(pc, &id);
        return 0;
    case LAGAN_PCACHE_FLUSH_KEYS:
        return f->keys ? pcache_flush_keys(pc, f->pool, f->first, f->keys, &f->cursor, &f->flushed)
                       : -XEN_EINVAL;
    case LAGAN_PCACHE_FLUSH_ALL:
    case LAGAN_PCACHE_FLUSH_POOL:
        return pcache_flush_pool(pc, f->what == LAGAN_PCACHE_FLUSH_ALL ? PCACHE_POOLS : f->pool,
                                 &f->cursor, &f->flushed);
    default:
        return -XEN_EINVAL;
    }
}

static int flush_one(struct pcache *pc, guest_ptr_t where)
{
    struct lagan_pcache_flush f;
    int rc;

    if (copy_from_guest(&f, where, sizeof(f)))
        return -XEN_EFAULT;
    rc = do_flush(pc, &f);
    if (rc != -XEN_ERESTART)
        f.cursor = 0;
    if (copy_to_guest(where, &f, sizeof(f)))
        return -XEN_EFAULT;
    return rc;
}

/* ---- batches, pools, figures ---- */

static int64_t batch(struct domain *d, struct pcache *pc, const struct hypercall_args *args)
{
    bool query = (unsigned)args->a[0] == LAGAN_PCACHE_query;
    size_t bytes = query ? sizeof(struct lagan_pcache_query) : sizeof(struct lagan_pcache_flush);
    unsigned count = (unsigned)args->a[2];
    guest_ptr_t at = guest_ptr(args->a[1]);

    if (count == 0 || count > LAGAN_PCACHE_BATCH_MAX)
        return -XEN_EINVAL;
    if (!guest_range_ok(at, count * bytes))
        return -XEN_EFAULT;
    for (unsigned i = 0; i < count; i++, at = guest_ptr_add(at, bytes)) {
        struct hypercall_args rest = *args;
        int rc = -XEN_ERESTART;

        if (i == 0 || !arch_preempt_pending())
            rc = query ? query_one(d, pc, at) : flush_one(pc, at);
        if (rc == -XEN_ERESTART) {
            rest.a[1] = at.va;
            rest.a[2] = count - i;
            return hypercall_continue(&rest);
        }
        if (rc)
            return rc;
    }
    return 0;
}

static int64_t pool_new(struct pcache *pc, guest_ptr_t arg)
{
    struct lagan_pcache_pool p;

    if (copy_from_guest(&p, arg, sizeof(p)))
        return -XEN_EFAULT;
    if (p.kind > LAGAN_PCACHE_PERSISTENT || p.pool || p.cursor || p.reserved[0] || p.reserved[1])
        return -XEN_EINVAL;
    return pcache_pool_new(pc, p.kind == LAGAN_PCACHE_PERSISTENT);
}

static int64_t pool_destroy(struct pcache *pc, guest_ptr_t arg)
{
    struct lagan_pcache_pool p;
    int rc;

    if (copy_from_guest(&p, arg, sizeof(p)))
        return -XEN_EFAULT;
    if (p.kind || p.reserved[0] || p.reserved[1])
        return -XEN_EINVAL;
    rc = pcache_pool_destroy(pc, p.pool, &p.cursor);
    return rc == -XEN_ERESTART && copy_to_guest(arg, &p, sizeof(p)) ? -XEN_EFAULT : rc;
}

static int64_t info(const struct domain *d, struct pcache *pc, guest_ptr_t arg)
{
    struct lagan_pcache_stats s = {.domid = d->id};

    pcache_get_stats(pc, &s);
    return copy_to_guest(arg, &s, sizeof(s));
}

int64_t hcall_pcache_op(const struct hypercall_args *args)
{
    struct domain *self = current_vcpu()->domain;
    unsigned command = (unsigned)args->a[0];
    guest_ptr_t arg = guest_ptr(args->a[1]);
    struct pcache *pc;
    int rc;

    if (command >= LAGAN_PCACHE_set_quota && command <= LAGAN_PCACHE_host)
        return self->privileged ? pcache_control(command, arg, (unsigned)args->a[2]) : -XEN_EPERM;
    if (command < LAGAN_PCACHE_query || command > LAGAN_PCACHE_pool_destroy)
        return -XEN_ENOSYS;
    rc = domain_pcache(self, &pc);
    if (rc)
        return rc;
    switch (command) {
    case LAGAN_PCACHE_info:
        return info(self, pc, arg);
    case LAGAN_PCACHE_pool_new:
        return pool_new(pc, arg);
    case LAGAN_PCACHE_pool_destroy:
        return pool_destroy(pc, arg);
    default:
        return batch(self, pc, args);
    }
}
