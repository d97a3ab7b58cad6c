/* SPDX-License-Identifier: MIT
 *
 * The page cache's client. Pages are named by address where they are copied: that needs no table. In
 * exchange a frame must be mapped nowhere, so the page is unmapped first, and whatever frame comes back
 * is mapped in its place and written into our list of frames.
 */
#include "kit/pcache.h"

#include "kit/check.h"
#include "kit/kit.h"

#define ENTRY_FLAGS (PTE_P | PTE_W | PTE_A | PTE_D | PTE_U)

/* One query. Its status, or the error of the whole call. */
static int32_t query(struct lagan_pcache_query *q)
{
    long rc = hv_pcache(LAGAN_PCACHE_query, q, 1);

    return rc != 0 ? (int32_t)rc : q->status;
}

bool pcache_there(void)
{
    struct lagan_pcache_stats s = {.domid = DOMID_SELF};

    return hv_pcache(LAGAN_PCACHE_info, &s, 1) == 0 && s.ceiling > 0;
}

uint64_t pcache_put(const void *page, uint64_t name, bool *kept)
{
    struct lagan_pcache_query q = {
        .flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL, .page = ptr_arg(page), .name = name};
    int32_t status = query(&q);

    *kept = status > 0 && (status & LAGAN_PCACHE_KEPT) != 0;
    return status >= 0 ? q.new : 0;
}

bool pcache_swap(void *page, uint64_t name, uint64_t *id, uint64_t old, uint64_t old_name)
{
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL,
                                   .page = ptr_arg(page),
                                   .name = name,
                                   .old = old,
                                   .old_name = old_name};
    int32_t status;

    q.flags |= old != 0 ? LAGAN_PCACHE_GET : 0;
    status = query(&q);
    *id = status >= 0 ? q.new : 0;
    return status > 0 && (status & LAGAN_PCACHE_HIT) != 0;
}

bool pcache_get(void *page, uint64_t id, uint64_t name)
{
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_VIRTUAL,
                                   .page = ptr_arg(page),
                                   .old = id,
                                   .old_name = name};
    int32_t status = query(&q);

    return status > 0 && (status & LAGAN_PCACHE_HIT) != 0;
}

static uint64_t flush(struct lagan_pcache_flush f)
{
    return hv_pcache(LAGAN_PCACHE_flush, &f, 1) == 0 ? f.flushed : 0;
}

uint64_t pcache_flush(uint64_t id)
{
    return flush((struct lagan_pcache_flush){.what = LAGAN_PCACHE_FLUSH_ID, .first = id});
}

bool pcache_exchange(void *page, bool put, uint64_t name, uint64_t *id, uint64_t old,
                     uint64_t old_name)
{
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_EXCHANGE,
                                   .page = va_to_mfn(page),
                                   .name = put ? name : 0,
                                   .old = old,
                                   .old_name = old_name};
    int32_t status;

    q.flags |= put ? LAGAN_PCACHE_PUT : 0;
    q.flags |= old != 0 ? LAGAN_PCACHE_GET : 0;
    check_part(page_unmap(page) == 0, "a page cannot be unmapped");
    status = query(&q);
    check_part(status >= 0, "exchange of frame %lx: status %d", va_to_mfn(page), status);
    if (status > 0 && (status & LAGAN_PCACHE_EXCHANGED) != 0) {
        check_part(mfn_to_pfn(q.page) == va_to_pfn(page), "frame %lx is named %lx, not %lx", q.page,
                   mfn_to_pfn(q.page), va_to_pfn(page));
        ((uint64_t *)kit_start_info->mfn_list)[va_to_pfn(page)] = q.page;
    }
    check_part(page_map(page, va_to_mfn(page), ENTRY_FLAGS) == 0, "a page cannot be mapped");
    if (id != NULL) {
        *id = status >= 0 ? q.new : 0;
    }
    return status > 0 && (status & LAGAN_PCACHE_HIT) != 0;
}

/* ---- keys ---- */

long pcache_pool_new(unsigned kind)
{
    struct lagan_pcache_pool p = {.kind = (uint16_t)kind};

    return hv_pcache(LAGAN_PCACHE_pool_new, &p, 1);
}

long pcache_pool_destroy(unsigned pool)
{
    struct lagan_pcache_pool p = {.pool = (uint16_t)pool};

    return hv_pcache(LAGAN_PCACHE_pool_destroy, &p, 1);
}

int32_t pcache_put_key(unsigned pool, uint64_t key, const void *page)
{
    struct lagan_pcache_query q = {.flags =
                                       LAGAN_PCACHE_PUT | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_VIRTUAL,
                                   .pool = (uint16_t)pool,
                                   .new = key,
                                   .page = ptr_arg(page)};

    return query(&q);
}

int32_t pcache_get_key(unsigned pool, uint64_t key, void *page)
{
    struct lagan_pcache_query q = {.flags =
                                       LAGAN_PCACHE_GET | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_VIRTUAL,
                                   .pool = (uint16_t)pool,
                                   .old = key,
                                   .page = ptr_arg(page)};

    return query(&q);
}

uint64_t pcache_flush_keys(unsigned pool, uint64_t first, uint64_t keys)
{
    return flush((struct lagan_pcache_flush){
        .what = LAGAN_PCACHE_FLUSH_KEYS, .pool = (uint16_t)pool, .first = first, .keys = keys});
}

struct lagan_pcache_stats pcache_info(void)
{
    struct lagan_pcache_stats s = {.domid = DOMID_SELF};
    long rc = hv_pcache(LAGAN_PCACHE_info, &s, 1);

    if (rc != 0) {
        check_fail("pcache-info", "%ld", rc);
        kit_finish();
    }
    return s;
}
