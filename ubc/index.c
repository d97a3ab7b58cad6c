/* SPDX-License-Identifier: MIT
 *
 * From numbers of blocks to pages: a tree of nodes of 512 pointers, as high as the highest number that it
 * had to hold needs. A node goes when nothing is left in it: what nodes cost is for pages that are there, and not for
 * those that once were, however far from each other a publisher inserted them.
 */
#include "ubc/ubc_int.h"

#define FANOUT_BITS 9
STATIC_ASSERT(1 << FANOUT_BITS == INDEX_FANOUT);
STATIC_ASSERT(INDEX_FANOUT * sizeof(void *) == PAGE_SIZE);

static unsigned digit(uint64_t n, unsigned height)
{
    return (unsigned)(n >> (FANOUT_BITS * (height - 1))) & (INDEX_FANOUT - 1);
}

static bool has_place(const struct ubc_index *x, uint64_t n)
{
    return x->height > 0 && n >> (FANOUT_BITS * x->height) == 0;
}

struct ubc_page *ubc_index_find(const struct ubc_index *x, uint64_t n)
{
    void **node = x->root;

    if (!has_place(x, n))
        return NULL;
    for (unsigned h = x->height; h > 1 && node; h--)
        node = node[digit(n, h)];
    return node ? node[digit(n, 1)] : NULL;
}

/* One level more on top, until n has a place. */
static bool grow(struct ubc_index *x, uint64_t n)
{
    while (!has_place(x, n)) {
        void **root = page_alloc(0, HEAP_CLEAR | HEAP_TRY);

        if (!root)
            return false;
        root[0] = x->root;
        x->root = root;
        x->height++;
    }
    return true;
}

bool ubc_index_reserve(struct ubc_index *x, uint64_t n)
{
    void **node;

    if (!grow(x, n))
        return false;
    node = x->root;
    for (unsigned h = x->height; h > 1; h--) {
        void **next = &node[digit(n, h)];

        if (!*next)
            *next = page_alloc(0, HEAP_CLEAR | HEAP_TRY);
        if (!*next)
            return false;
        node = *next;
    }
    return true;
}

void ubc_index_set(struct ubc_index *x, uint64_t n, struct ubc_page *page)
{
    void **node = x->root;

    ASSERT(has_place(x, n));
    for (unsigned h = x->height; h > 1; h--)
        node = node[digit(n, h)];
    node[digit(n, 1)] = page;
}

/* True: the node has become empty. Its neighbours are looked at first: pages go in order of number, or alone. */
static bool trim(void **node, unsigned height, uint64_t n)
{
    unsigned at = digit(n, height);

    if (height > 1 && node[at] && trim(node[at], height - 1, n)) {
        page_free(node[at], 0);
        node[at] = NULL;
    }
    for (unsigned i = 0; i < INDEX_FANOUT; i++)
        if (node[(at + i) % INDEX_FANOUT])
            return false;
    return true;
}

/* All that is there has a place below the first entry. */
static bool is_too_high(void **root)
{
    unsigned i = 1;

    while (i < INDEX_FANOUT && !root[i])
        i++;
    return i == INDEX_FANOUT;
}

void ubc_index_trim(struct ubc_index *x, uint64_t n)
{
    if (x->height && trim(x->root, x->height, has_place(x, n) ? n : 0)) {
        page_free(x->root, 0);
        *x = (struct ubc_index){0};
    }
    while (x->height > 1 && is_too_high(x->root)) {
        void **root = x->root;

        x->root = root[0];
        x->height--;
        page_free(root, 0);
    }
}

/* In the node, whose numbers begin with `n`'s digits above it, from n on. */
static struct ubc_page *next_in(void **node, unsigned height, uint64_t n)
{
    for (unsigned i = digit(n, height); i < INDEX_FANOUT; i++, n = 0) {
        struct ubc_page *p;

        if (!node[i])
            continue;
        p = height == 1 ? node[i] : next_in(node[i], height - 1, n);
        if (p)
            return p;
    }
    return NULL;
}

struct ubc_page *ubc_index_next(const struct ubc_index *x, uint64_t n)
{
    return has_place(x, n) ? next_in(x->root, x->height, n) : NULL;
}

static void free_node(void **node, unsigned height)
{
    for (unsigned i = 0; height > 1 && i < INDEX_FANOUT; i++)
        if (node[i])
            free_node(node[i], height - 1);
    page_free(node, 0);
}

void ubc_index_free(struct ubc_index *x)
{
    if (x->height)
        free_node(x->root, x->height);
    *x = (struct ubc_index){0};
}
