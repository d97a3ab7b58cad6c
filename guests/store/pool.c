/* SPDX-License-Identifier: MIT
 *
 * Pages of equal pieces. A page is the account's from its first piece to its last; one that has
 * become empty goes back to the pool at once, where any account may take it.
 *
 * INV-POOL-1: the pages with this account are account->pages <= account->limit.
 * INV-POOL-2: a page is on its account's list of its class exactly while it has a free piece.
 * INV-POOL-3: a page's used pieces and the length of its free list make up its size.
 */
#include "store/pool.h"

#define NO_PIECE 0xffffU

static const uint16_t class_bytes[POOL_CLASSES] = {32,  64,  96,   128,  192, 256,
                                                   384, 512, 1024, 2048, 4096};

static unsigned pieces(unsigned class)
{
    return POOL_PAGE / class_bytes[class];
}

static uint8_t *page_start(const struct pool *pool, const struct pool_page *page)
{
    return pool->base + (size_t)(page - pool->page) * POOL_PAGE;
}

static struct pool_page *page_of(const struct pool *pool, const void *memory)
{
    return &pool->page[(size_t)((const uint8_t *)memory - pool->base) / POOL_PAGE];
}

static uint16_t *piece_link(const struct pool *pool, const struct pool_page *page, unsigned piece)
{
    return (uint16_t *)(void *)(page_start(pool, page) + piece * class_bytes[page->class]);
}

void pool_init(struct pool *pool, void *base, struct pool_page *pages, unsigned count)
{
    *pool = (struct pool){.base = base, .page = pages, .count = count, .free_count = count};
    for (unsigned i = count; i-- > 0;) {
        pages[i] = (struct pool_page){.next = pool->free};
        pool->free = &pages[i];
    }
}

void pool_account_init(struct pool_account *account, struct pool *pool, unsigned limit)
{
    *account = (struct pool_account){.pool = pool, .limit = limit};
}

/* ---- lists ---- */

static void list_add(struct pool_page **list, struct pool_page *page)
{
    page->prev = NULL;
    page->next = *list;
    if (*list != NULL) {
        (*list)->prev = page;
    }
    *list = page;
}

static void list_remove(struct pool_page **list, struct pool_page *page)
{
    if (page->prev != NULL) {
        page->prev->next = page->next;
    } else {
        *list = page->next;
    }
    if (page->next != NULL) {
        page->next->prev = page->prev;
    }
}

/* ---- pages ---- */

static struct pool_page *take_page(struct pool_account *account, unsigned class)
{
    struct pool *pool = account->pool;
    struct pool_page *page = pool->free;

    if (account->pages >= account->limit || page == NULL) {
        return NULL;
    }
    pool->free = page->next;
    pool->free_count--;
    account->pages++;
    *page = (struct pool_page){.account = account, .class = (uint8_t) class};
    for (unsigned i = 0; i < pieces(class); i++) {
        *piece_link(pool, page, i) = (uint16_t)(i + 1 < pieces(class) ? i + 1 : NO_PIECE);
    }
    list_add(&account->room[class], page);
    return page;
}

static void give_page(struct pool *pool, struct pool_page *page)
{
    list_remove(&page->account->room[page->class], page);
    page->account->pages--;
    *page = (struct pool_page){.next = pool->free};
    pool->free = page;
    pool->free_count++;
}

/* ---- pieces ---- */

void *pool_alloc(struct pool_account *account, size_t bytes)
{
    unsigned class = 0;
    struct pool_page *page;
    uint16_t *piece;

    while (class < POOL_CLASSES && class_bytes[class] < bytes) {
        class ++;
    }
    if (class == POOL_CLASSES) {
        return NULL;
    }
    page = account->room[class];
    if (page == NULL) {
        page = take_page(account, class);
    }
    if (page == NULL) {
        return NULL;
    }
    piece = piece_link(account->pool, page, page->free);
    page->free = *piece;
    page->used++;
    if (page->free == NO_PIECE) {
        list_remove(&account->room[class], page);
    }
    return piece;
}

void pool_free(struct pool *pool, void *memory)
{
    struct pool_page *page;
    size_t offset;

    if (memory == NULL) {
        return;
    }
    page = page_of(pool, memory);
    offset = (size_t)((uint8_t *)memory - page_start(pool, page));
    if (page->free == NO_PIECE) {
        list_add(&page->account->room[page->class], page);
    }
    *(uint16_t *)memory = page->free;
    page->free = (uint16_t)(offset / class_bytes[page->class]);
    if (--page->used == 0) {
        give_page(pool, page);
    }
}

struct pool_account *pool_account_of(const struct pool *pool, const void *memory)
{
    return page_of(pool, memory)->account;
}

/* ---- audit ---- */

static bool page_audit(const struct pool *pool, const struct pool_page *page)
{
    unsigned limit = pieces(page->class), free = 0;
    bool listed = false;

    for (unsigned i = page->free; i != NO_PIECE; i = *piece_link(pool, page, i)) {
        if (i >= limit || free++ > limit) {
            return false;
        }
    }
    for (const struct pool_page *p = page->account->room[page->class]; p != NULL; p = p->next) {
        listed |= p == page;
    }
    return page->used > 0 && page->used + free == limit && listed == (free > 0);
}

bool pool_account_audit(const struct pool_account *account)
{
    const struct pool *pool = account->pool;
    unsigned pages = 0;

    for (unsigned i = 0; i < pool->count; i++) {
        pages += pool->page[i].account == account;
    }
    return pages == account->pages && pages <= account->limit;
}

bool pool_audit(const struct pool *pool)
{
    unsigned free = 0;

    for (unsigned i = 0; i < pool->count; i++) {
        const struct pool_page *page = &pool->page[i];

        if (page->account == NULL) {
            free++;
        } else if (!page_audit(pool, page)) {
            return false;
        }
    }
    return free == pool->free_count;
}
