/* SPDX-License-Identifier: MIT
 *
 * Claims, and the count of what is free.
 *
 * INV-HEAP-5 in two halves. While nothing is claimed, a request takes its frames off `available`
 * and then looks whether there is a claim; a claim is first added to `claimed`, and then compared
 * with `available`. Of two that come together at least one sees the other. While something is
 * claimed, requests are counted under the heap's lock.
 */
#include "mm/claim.h"
#include "mm/heap_lists.h"

static void (*watch)(uint64_t pages);

void claim_watch(void (*lack)(uint64_t pages))
{
    watch = lack;
}

static void refused(bool ok, uint64_t pages)
{
    if (unlikely(!ok) && watch)
        watch(pages);
}

/* True if the frames were there, and nobody's. */
static bool take_unclaimed(uint64_t count)
{
    uint64_t before = atomic_fetch_sub(&heap.available, count);

    if (likely(before >= count && before <= INT64_MAX && atomic_load(&heap.claimed) == 0))
        return true;
    atomic_fetch_add(&heap.available, count);
    return false;
}

/* `available` may be below 0 for a moment, while somebody finds out that it does not suffice. */
static bool suffices(uint64_t available, uint64_t needed)
{
    return available <= INT64_MAX && available >= needed;
}

/* A claim is for what the account lacks. Frames that were on their way to it when it claimed have come
 * since, and were not paid for by the claim: so much of it is everybody's again. */
static void trim_locked(struct account *a)
{
    uint64_t have = atomic_load(&a->pages);
    uint64_t lacks = a->claim_for > have ? a->claim_for - have : 0;

    if (a->claim > lacks) {
        atomic_fetch_sub(&heap.claimed, a->claim - lacks);
        a->claim = lacks;
    }
}

bool claim_reserve(struct account *a, uint64_t count, uint64_t *from_claim)
{
    uint64_t own = 0, before;
    bool ok;

    *from_claim = 0;
    if (likely(atomic_load_explicit(&heap.claimed, memory_order_relaxed) == 0) &&
        take_unclaimed(count))
        return true;
    spin_lock(&heap.lock);
    if (a)
        own = min_u64(a->claim, count);
    before = atomic_fetch_sub(&heap.available, count);
    ok = suffices(before, heap.claimed - own + count);
    if (ok) {
        atomic_fetch_sub(&heap.claimed, own);
        if (a)
            a->claim -= own;
        *from_claim = own;
    } else {
        atomic_fetch_add(&heap.available, count);
    }
    spin_unlock(&heap.lock);
    refused(ok, count);
    return ok;
}

void claim_unreserve(struct account *a, uint64_t count, uint64_t from_claim)
{
    spin_lock(&heap.lock);
    atomic_fetch_add(&heap.available, count);
    if (a && from_claim && !atomic_load(&a->dying)) {
        a->claim += from_claim;
        atomic_fetch_add(&heap.claimed, from_claim);
        trim_locked(a);
    }
    spin_unlock(&heap.lock);
}

void claim_trim(struct account *a)
{
    spin_lock(&heap.lock);
    trim_locked(a);
    spin_unlock(&heap.lock);
}

int claim_set(struct account *a, uint64_t pages)
{
    uint64_t want, have;
    int rc = 0;

    spin_lock(&a->lock);
    spin_lock(&heap.lock);
    have = a->pages;
    want = pages > have ? pages - have : 0;
    if (pages && (a->dying || want == 0 || pages > a->max_pages)) {
        rc = -XEN_EINVAL;
    } else {
        atomic_fetch_sub(&heap.claimed, a->claim);
        atomic_fetch_add(&heap.claimed, want);
        if (want && !suffices(atomic_load(&heap.available), heap.claimed)) {
            atomic_fetch_sub(&heap.claimed, want);
            atomic_fetch_add(&heap.claimed, a->claim);
            rc = -XEN_ENOMEM;
        } else {
            a->claim = want;
            a->claim_for = pages;
        }
    }
    spin_unlock(&heap.lock);
    spin_unlock(&a->lock);
    refused(rc != -XEN_ENOMEM, want);
    return rc;
}

uint64_t claim_pages(const struct account *a)
{
    return a->claim;
}

void claim_end(struct account *a)
{
    spin_lock(&heap.lock);
    atomic_fetch_sub(&heap.claimed, a->claim);
    a->claim = 0;
    spin_unlock(&heap.lock);
}

uint64_t heap_claimed_pages(void)
{
    return heap.claimed;
}
