/* SPDX-License-Identifier: MIT
 *
 * Hash trees in dm-verity's format: what vouches for what.
 *
 * The lowest level has a digest of 32 bytes for each block of data, 128 to a block; each level above the same of
 * the one below, up to one of a single block, for which the root vouches. Levels are counted from 1 here, data
 * being 0, as in keys. A block is admitted when its digest stands in its parent, and the parent is in the cache: it
 * was admitted itself (INV-UBC-5). So nobody needs to be trusted, and the check of a block is one digest.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "ubc/sha256.h"
#include "ubc/ubc_int.h"

uint64_t ubc_tree_blocks(uint64_t data, unsigned level)
{
    while (level-- > 0)
        data = data > 1 ? (data + DIGESTS - 1) / DIGESTS : 0;
    return data;
}

unsigned ubc_tree_levels(uint64_t data)
{
    unsigned levels = 0;

    while (ubc_tree_blocks(data, levels + 1))
        levels++;
    ASSERT(levels <= TREE_LEVELS);
    return levels;
}

int ubc_tree_expected(const struct ubc_volume *v, uint64_t key, uint8_t digest[DIGEST_BYTES])
{
    unsigned level = key_level(key);
    uint64_t n = key_number(key);
    const struct ubc_page *parent;

    if (level == v->levels) {
        memcpy(digest, v->root, DIGEST_BYTES);
        return 0;
    }
    parent = ubc_index_find(&v->index[level + 1], n / DIGESTS);
    if (!parent || !ubc_page_peek(parent, n % DIGESTS * DIGEST_BYTES, digest, DIGEST_BYTES))
        return -XEN_ENODATA;
    return 0;
}

void ubc_tree_digest(const uint8_t *salt, unsigned salt_bytes, const void *page,
                     uint8_t digest[DIGEST_BYTES])
{
    struct sha256 s;

    sha256_begin(&s);
    sha256_add(&s, salt, salt_bytes);
    sha256_add(&s, page, PAGE_SIZE);
    sha256_end(&s, digest);
}
