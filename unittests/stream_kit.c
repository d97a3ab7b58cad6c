/* SPDX-License-Identifier: MIT
 *
 * See stream_kit.h. Rings of their own pages are allocated to the byte, so that a sanitizer sees any
 * access beyond.
 */
#include <stdlib.h>

#include "unittests/stream_kit.h"

void pair_begin(struct stream_pair *pair, unsigned left_order, unsigned right_order)
{
    struct stream_layout seen;
    uint32_t refs[512], got[512];

    if (stream_layout(&pair->layout, left_order, right_order))
        abort();
    pair->page = aligned_alloc(4096, 4096);
    pair->left = pair->layout.left_pages ? malloc(4096 * pair->layout.left_pages) : NULL;
    pair->right = pair->layout.right_pages ? malloc(4096 * pair->layout.right_pages) : NULL;
    for (uint32_t i = 0; i < 512; i++)
        refs[i] = 100 + i;
    stream_serve(&pair->server, pair->page, &pair->layout, refs, pair->left, pair->right);
    if (stream_look(pair->page, &seen, got, 512) || seen.left_order != left_order ||
        seen.right_order != right_order)
        abort();
    for (uint32_t i = 0; i < seen.left_pages + seen.right_pages; i++)
        if (got[i] != refs[i])
            abort();
    stream_join(&pair->client, pair->page, &seen, pair->left, pair->right);
}

void pair_end(struct stream_pair *pair)
{
    free(pair->page);
    free(pair->left);
    free(pair->right);
}
