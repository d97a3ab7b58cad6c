/* SPDX-License-Identifier: MIT
 *
 * Memory for the store: pages that are divided into equal pieces, each page for one account. An
 * account never has more pages than its limit, so what one domain fills, fragments or keeps is its
 * own. The sum of all limits is at most the pool: an account below its limit always gets a page.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_PAGE    4096U
#define POOL_CLASSES 11U

struct pool_page {
    struct pool_account *account;  /* NULL: free */
    struct pool_page *next, *prev; /* of the account's pages of this class with room; or free */
    uint16_t used;                 /* pieces given out */
    uint16_t free;                 /* the first free piece, linked through their first bytes */
    uint8_t class;
};

struct pool {
    uint8_t *base;
    struct pool_page *page;
    struct pool_page *free;
    unsigned count, free_count;
};

struct pool_account {
    struct pool *pool;
    unsigned pages, limit;
    struct pool_page *room[POOL_CLASSES];
};

/* `count` pages at `base`, and as many descriptors; both stay the pool's. */
void pool_init(struct pool *pool, void *base, struct pool_page *pages, unsigned count);
void pool_account_init(struct pool_account *account, struct pool *pool, unsigned limit);
/* Not cleared; aligned to 8. NULL: the account's limit, or more than a page. */
void *pool_alloc(struct pool_account *account, size_t bytes);
/* NULL is fine. */
void pool_free(struct pool *pool, void *memory);
/* Who pays for it. */
struct pool_account *pool_account_of(const struct pool *pool, const void *memory);
/* Counts everything again: false if a count or list is wrong. */
bool pool_audit(const struct pool *pool);
bool pool_account_audit(const struct pool_account *account);
