/* SPDX-License-Identifier: MIT
 *
 * pcache_op, the control domain's part: quotas, figures of any domain, the ledger, the curve.
 */
#include "include/public/lagan/pcache.h"
#include "mm/pcache.h"
#include "xen/domain.h"
#include "xen/hcall_pcache.h"

STATIC_ASSERT(sizeof(struct lagan_pcache_quota) == 24);
STATIC_ASSERT(sizeof(struct lagan_pcache_ledger) == 40);
STATIC_ASSERT(sizeof(struct lagan_pcache_freeze) == 8);
STATIC_ASSERT(sizeof(struct lagan_pcache_curve) == 536);
STATIC_ASSERT(sizeof(struct lagan_pcache_host) == 128);

#define LEDGER_MAX 17 /* entries of one domain */

/* The domain, with a reference, and its cache. */
static int find(domid_t id, struct domain **d, struct pcache **pc)
{
    int rc;

    *d = domain_find_target(id);
    if (!*d)
        return -XEN_ESRCH;
    rc = domain_pcache(*d, pc);
    if (rc)
        domain_put(*d);
    return rc;
}

/* The same for a question: a domain that has never used the cache has none afterwards either, and *pc is NULL. */
static int look_up(domid_t id, struct domain **d, struct pcache **pc)
{
    *d = domain_find_target(id);
    if (!*d)
        return -XEN_ESRCH;
    *pc = atomic_load_explicit(&(*d)->pcache, memory_order_acquire);
    return 0;
}

static int64_t set_quota(guest_ptr_t arg)
{
    struct lagan_pcache_quota q;
    struct pcache *pc;
    struct domain *d;
    int rc;

    if (copy_from_guest(&q, arg, sizeof(q)))
        return -XEN_EFAULT;
    if (q.reserved0)
        return -XEN_EINVAL;
    rc = find(q.domid, &d, &pc);
    if (rc)
        return rc;
    rc = pcache_set_quota(pc, q.floor, q.ceiling, q.weight);
    domain_put(d);
    return rc;
}

static int64_t get_stats(guest_ptr_t arg)
{
    struct lagan_pcache_stats s;
    struct pcache *pc;
    struct domain *d;
    int rc;

    if (copy_from_guest(&s, arg, offsetof(struct lagan_pcache_stats, flags)))
        return -XEN_EFAULT;
    if (s.reserved0)
        return -XEN_EINVAL;
    rc = look_up(s.domid, &d, &pc);
    if (rc)
        return rc;
    s.domid = d->id;
    if (pc)
        pcache_get_stats(pc, &s);
    else
        pcache_no_stats(&s);
    domain_put(d);
    return copy_to_guest(arg, &s, sizeof(s));
}

static int64_t get_ledger(guest_ptr_t arg, unsigned max)
{
    struct lagan_pcache_ledger l[LEDGER_MAX];
    struct pcache *pc;
    struct domain *d;
    unsigned count;
    domid_t id;
    int rc;

    if (max == 0 || max > 64)
        return -XEN_EINVAL;
    if (copy_from_guest(&id, arg, sizeof(id)))
        return -XEN_EFAULT;
    rc = look_up(id, &d, &pc);
    if (rc)
        return rc;
    count = pc ? pcache_get_ledger(pc, l, LEDGER_MAX) : 0;
    domain_put(d);
    if (copy_to_guest(arg, l, min_u64(count, max) * sizeof(l[0])))
        return -XEN_EFAULT;
    return count;
}

static int64_t freeze(guest_ptr_t arg)
{
    struct lagan_pcache_freeze f;
    struct pcache *pc;
    struct domain *d;
    int rc;

    if (copy_from_guest(&f, arg, sizeof(f)))
        return -XEN_EFAULT;
    if (f.reserved0 || f.on > 1)
        return -XEN_EINVAL;
    if (f.domid == DOMID_INVALID) {
        pcache_freeze(NULL, f.on);
        return 0;
    }
    rc = find(f.domid, &d, &pc);
    if (rc)
        return rc;
    pcache_freeze(pc, f.on);
    domain_put(d);
    return 0;
}

static int64_t get_curve(guest_ptr_t arg)
{
    struct lagan_pcache_curve c = {0};
    struct pcache *pc;
    struct domain *d;
    int rc;

    if (copy_from_guest(&c, arg, offsetof(struct lagan_pcache_curve, points)))
        return -XEN_EFAULT;
    if (c.reserved0)
        return -XEN_EINVAL;
    rc = look_up(c.domid, &d, &pc);
    if (rc)
        return rc;
    if (pc)
        pcache_get_curve(pc, &c);
    domain_put(d);
    return copy_to_guest(arg, &c, sizeof(c));
}

static int64_t get_host(guest_ptr_t arg)
{
    struct lagan_pcache_host h;

    pcache_get_host(&h);
    return copy_to_guest(arg, &h, sizeof(h));
}

int64_t pcache_control(unsigned command, guest_ptr_t arg, unsigned count)
{
    switch (command) {
    case LAGAN_PCACHE_set_quota:
        return set_quota(arg);
    case LAGAN_PCACHE_get_stats:
        return get_stats(arg);
    case LAGAN_PCACHE_ledger:
        return get_ledger(arg, count);
    case LAGAN_PCACHE_freeze:
        return freeze(arg);
    case LAGAN_PCACHE_curve:
        return get_curve(arg);
    default:
        return get_host(arg);
    }
}
