/* SPDX-License-Identifier: MIT
 *
 * Accounts: the register of them by id, and which frames each owns.
 *
 * A frame leaves its account's list when its last reference goes, not when the account gives it up:
 * until then it is charged, so that a domain cannot exceed its limit by leaving memory mapped
 * elsewhere, and a dead domain's account shows what others still hold.
 *
 * The register is an array in pages of its own, each there as long as an account in its range is:
 * look-ups need no lock, since who looks for an account knows that it stays, and so does its page.
 * Ids go up and round, so a host on which domains come and go would otherwise keep a page for each 512
 * that there ever were.
 */
#include <lagan/assert.h>
#include <lagan/nospec.h>
#include "mm/account_list.h"
#include "mm/claim.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/tlbclock.h"

#define LEAF_SIZE  (PAGE_SIZE / sizeof(struct account *))
#define LEAF_COUNT (0x8000 / LEAF_SIZE)

typedef struct account *_Atomic account_slot;

static struct {
    struct spinlock lock; /* LK_ACCOUNT, but not inside an account's */
    account_slot *_Atomic leaf[LEAF_COUNT];
    unsigned used[LEAF_COUNT];     /* [lock] accounts in it */
    account_slot first[LEAF_SIZE]; /* leaf 0: enough for nearly every host, so not from the heap */
    void (*emptied)(void);
} accounts;

/* ---- the register ---- */

/* The slot of an id, or NULL when its page is not there. */
static account_slot *slot_of(domid_t id)
{
    account_slot *leaf;

    if (id >= LEAF_COUNT * LEAF_SIZE)
        return NULL;
    leaf = atomic_load(&accounts.leaf[id / LEAF_SIZE]);
    return leaf ? &leaf[id % LEAF_SIZE] : NULL;
}

struct account *account_find(domid_t id)
{
    account_slot *slot = slot_of(id);

    return slot ? atomic_load(slot) : NULL;
}

void accounts_init(void)
{
    spin_init(&accounts.lock, LK_ACCOUNT);
    accounts.emptied = NULL;
    for (unsigned i = 0; i < LEAF_SIZE; i++)
        atomic_store(&accounts.first[i], NULL);
    atomic_store(&accounts.leaf[0], accounts.first);
    for (unsigned i = 1; i < LEAF_COUNT; i++)
        atomic_store(&accounts.leaf[i], NULL);
    for (unsigned i = 0; i < LEAF_COUNT; i++)
        accounts.used[i] = 0;
}

struct account *account_next(unsigned from)
{
    for (unsigned id = from; id < LEAF_COUNT * LEAF_SIZE; id++) {
        struct account *a = account_find((domid_t)id);

        if (a)
            return a;
        if (!slot_of((domid_t)id))
            id |= LEAF_SIZE - 1; /* no page, nobody in it */
    }
    return NULL;
}

/* Takes the slot, with `page` as its leaf if there is none. Returns the page if it was not needed. */
static void *take_slot(struct account *a, account_slot *page, int *rc)
{
    unsigned l = a->id / LEAF_SIZE;

    spin_lock(&accounts.lock);
    if (!atomic_load(&accounts.leaf[l]) && page) {
        atomic_store(&accounts.leaf[l], page);
        page = NULL;
    }
    if (!atomic_load(&accounts.leaf[l])) {
        *rc = -XEN_ERESTART;
    } else if (atomic_load(slot_of(a->id))) {
        *rc = -XEN_EEXIST;
    } else {
        atomic_store(slot_of(a->id), a);
        accounts.used[l]++;
        *rc = 0;
    }
    spin_unlock(&accounts.lock);
    return page;
}

int account_init(struct account *a, domid_t id, uint64_t max_pages)
{
    int rc;

    if (id >= LEAF_COUNT * LEAF_SIZE)
        return -XEN_EINVAL;
    *a = (struct account){.id = id, .max_pages = max_pages, .allowance = UINT64_MAX};
    spin_init(&a->lock, LK_ACCOUNT);
    do { /* again if the last other account has gone meanwhile, and the leaf with it */
        void *page = slot_of(id) ? NULL : page_alloc(0, HEAP_CLEAR);

        if (!page && !slot_of(id))
            return -XEN_ENOMEM;
        page_free(take_slot(a, page, &rc), 0);
    } while (rc == -XEN_ERESTART);
    return rc;
}

void account_destroy(struct account *a)
{
    unsigned l = a->id / LEAF_SIZE;
    void *page = NULL;

    BUG_ON(a->pages || a->first || a->claim);
    spin_lock(&accounts.lock);
    atomic_store(slot_of(a->id), NULL);
    if (--accounts.used[l] == 0 && l > 0)
        page = atomic_exchange(&accounts.leaf[l], NULL);
    spin_unlock(&accounts.lock);
    page_free(page, 0);
}

void accounts_watch(void (*emptied)(void))
{
    accounts.emptied = emptied;
}

void account_left(bool empty)
{
    if (unlikely(empty) && accounts.emptied)
        accounts.emptied();
}

/* ---- frames ---- */

static bool may_take(const struct account *a, uint64_t count)
{
    uint64_t limit = min_u64(a->max_pages, a->allowance);

    return limit >= count && a->pages <= limit - count;
}

uint64_t account_max_pages(struct account *a)
{
    uint64_t pages;

    spin_lock(&a->lock);
    pages = a->max_pages;
    spin_unlock(&a->lock);
    return pages;
}

void account_set_max_pages(struct account *a, uint64_t pages)
{
    spin_lock(&a->lock);
    a->max_pages = pages;
    spin_unlock(&a->lock);
}

void account_allow(struct account *a, uint64_t pages)
{
    if (a->allowance == pages) /* who else calls this is of no interest to anybody */
        return;
    spin_lock(&a->lock);
    a->allowance = pages;
    spin_unlock(&a->lock);
}

/* The frames become the account's, if it may have them (INV-ACC-2). */
static bool take_charge(struct account *a, mfn_t m, uint64_t count)
{
    uint64_t use = frame_use(FRAME_OWNED, 0, a->id, 1) | FRAME_ALLOCATED;
    bool ok;

    spin_lock(&a->lock);
    ok = !a->dying && may_take(a, count);
    if (ok) {
        account_link(a, m, count);
        atomic_fetch_add(&a->pages, count);
        if (unlikely(a->claim))
            claim_trim(a);
        for (uint64_t i = 0; i < count; i++)
            atomic_store_explicit(&frame_of(mfn(m.n + i))->use, use, memory_order_release);
    }
    spin_unlock(&a->lock);
    if (ok)
        heap_hand_over(count);
    return ok;
}

static void set_names(mfn_t m, uint64_t count, uint64_t first, uint64_t step)
{
    for (uint64_t i = 0; i < count; i++)
        arch_m2p_set(mfn(m.n + i), first + i * step);
}

int account_alloc_named(struct account *a, unsigned order, unsigned flags, uint64_t gfn, mfn_t *m)
{
    uint64_t count, from_claim;
    mfn_t got;

    if (order > HEAP_MAX_ORDER)
        return -XEN_ENOMEM;
    count = UINT64_C(1) << order;
    /* A first look without the lock, so as not to clear frames in vain. */
    if (!may_take(a, count))
        return -XEN_EPERM;
    if (!heap_alloc_for(a, order, flags | HEAP_CLEAR, &got, &from_claim))
        return -XEN_ENOMEM;
    /* Now, while nobody else can have the frames: from the moment they are the account's another
     * CPU may guess their numbers and give them back. */
    if (gfn != GFN_NONE)
        set_names(got, count, gfn, 1);
    if (!take_charge(a, got, count)) {
        set_names(got, count, UINT64_MAX, 0);
        heap_free_for(a, got, order, from_claim);
        return -XEN_EPERM;
    }
    *m = got;
    return 0;
}

int account_alloc(struct account *a, unsigned order, unsigned flags, mfn_t *m)
{
    return account_alloc_named(a, order, flags, GFN_NONE, m);
}

cpumask_t account_forget(struct account *a, mfn_t m)
{
    cpumask_t cpus;
    bool empty;

    BUG_ON(!a);
    spin_lock(&a->lock);
    account_unlink(a, m);
    cpus = (cpumask_t){atomic_load(&a->tlb_cpus)};
    ASSERT(a->pages > 0);
    empty = atomic_fetch_sub(&a->pages, 1) == 1 && a->dying;
    spin_unlock(&a->lock);
    account_left(empty);
    return cpus;
}

int account_release(struct account *a, mfn_t m)
{
    struct frame *f;
    uint64_t use;

    if (!arch_mfn_valid(m))
        return -XEN_EINVAL;
    f = frame_of(mfn(index_nospec(m.n, arch_max_mfn())));
    use = atomic_load(&f->use);
    do
        if ((use >> 48 & 0xff) != FRAME_OWNED || (domid_t)(use >> 32) != a->id ||
            !(use & FRAME_ALLOCATED))
            return -XEN_EINVAL;
    while (!atomic_compare_exchange_weak(&f->use, &use, use & ~FRAME_ALLOCATED));
    frame_put(m);
    return 0;
}

/* ---- frames that change hands ---- */

/* Nobody uses the frame any more, since `stamp`, whose word was `use`; `cpus` are the account's. */
static void forget_uses(mfn_t m, uint64_t use, uint32_t stamp, cpumask_t cpus)
{
    cpus = use & FRAME_ABROAD ? cpumask_all() : cpus;
    tlb_flush_stale(TLB_FREE, 1, stamp, cpumask_and(cpus, arch_online_cpus()));
    if (use & FRAME_UNCACHED)
        arch_cache_flush_frame(m);
    atomic_store(&frame_of(m)->type, 0);
    frame_of(m)->stamp = 0;
}

/* Between the two words nobody can get hold of the frame, and it leaves the list, as when its last
 * user lets go; but its content and its place stay. */
int account_take(struct account *a, mfn_t m)
{
    uint64_t flags = FRAME_ABROAD | FRAME_UNCACHED, use;
    struct frame *f;

    if (!arch_mfn_valid(m))
        return -XEN_EINVAL;
    f = frame_of(mfn(index_nospec(m.n, arch_max_mfn())));
    use = atomic_load(&f->use);
    do {
        if (((use ^ frame_use(FRAME_OWNED, 0, a->id, 0)) >> 32 & 0xffffff) ||
            !(use & FRAME_ALLOCATED))
            return -XEN_EINVAL;
        if ((uint32_t)use != 1)
            return -XEN_EBUSY;
    } while (!atomic_compare_exchange_weak(&f->use, &use,
                                           frame_use(FRAME_WAITING, 0, a->id, 0) | (use & flags)));
    arch_m2p_set(m, UINT64_MAX);
    forget_uses(m, use, tlb_clock_now(), account_forget(a, m));
    atomic_store(&f->use, frame_use(FRAME_HYPERVISOR, 0, HEAP_OTHER, 1));
    heap_adopt(1);
    return 0;
}

int account_give(struct account *a, mfn_t m)
{
    ASSERT(frame_of(m)->use == frame_use(FRAME_HYPERVISOR, 0, 0, 1));
    return take_charge(a, m, 1) ? 0 : -XEN_EPERM;
}

/* ---- the hypervisor's pages, lent ---- */

int account_share(struct account *a, mfn_t m)
{
    uint64_t use;

    if (!arch_mfn_valid(m))
        return -XEN_EINVAL;
    use = atomic_load(&frame_of(m)->use);
    do
        if (use != frame_use(FRAME_HYPERVISOR, 0, (domid_t)(use >> 32), 1))
            return -XEN_EINVAL;
    while (!atomic_compare_exchange_weak(&frame_of(m)->use, &use,
                                         frame_use(FRAME_SHARED, 0, a->id, 1)));
    heap_used_for((enum heap_cause)(domid_t)(use >> 32), HEAP_SHARED);
    return 0;
}

static int end_share(struct account *a, mfn_t m, uint64_t *use)
{
    uint64_t lent = frame_use(FRAME_SHARED, 0, a->id, 1);
    struct frame *f;

    if (!arch_mfn_valid(m))
        return -XEN_EINVAL;
    f = frame_of(m);
    *use = atomic_load(&f->use);
    do {
        if ((*use ^ lent) >> 32 & 0xffffff)
            return -XEN_EINVAL;
        if ((uint32_t)*use != 1)
            return -XEN_EBUSY;
    } while (!atomic_compare_exchange_weak(&f->use, use,
                                           frame_use(FRAME_HYPERVISOR, 0, HEAP_SHARED, 1)));
    return 0;
}

int account_unshare_since(struct account *a, mfn_t m, uint32_t stamp)
{
    uint64_t use;
    int rc = end_share(a, m, &use);

    if (rc == 0)
        forget_uses(m, use, stamp, (cpumask_t){atomic_load(&a->tlb_cpus)});
    return rc;
}

int account_unshare(struct account *a, mfn_t m)
{
    uint64_t use;
    int rc = end_share(a, m, &use);

    if (rc == 0) /* the time is read when nobody can map it any more */
        forget_uses(m, use, tlb_clock_now(), (cpumask_t){atomic_load(&a->tlb_cpus)});
    return rc;
}
