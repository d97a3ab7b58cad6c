/* SPDX-License-Identifier: MIT
 *
 * SHA-256, and volumes with a hash tree: what is right is admitted from any reader, what is wrong at any level
 * from nobody.
 */
#include <stdio.h>
#include <string.h>

#include "ubc/sha256.h"
#include "unittests/ubc_kit.h"

/* ---- SHA-256: the examples of FIPS 180-4, and lengths around the block's ---- */

static void digest_is(const void *data, size_t bytes, size_t piece, const char *hex)
{
    uint8_t digest[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];
    struct sha256 s;

    sha256_begin(&s);
    for (size_t at = 0; at < bytes; at += piece)
        sha256_add(&s, (const char *)data + at, min_u64(piece, bytes - at));
    sha256_end(&s, digest);
    for (unsigned i = 0; i < sizeof(digest); i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    CU_ASSERT_STRING_EQUAL(text, hex);
}

static void sha256(void)
{
    static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    static char a[1000];

    memset(a, 'a', sizeof(a));
    digest_is("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_is("abc", 3, 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t piece = 1; piece < 60; piece += 7)
        digest_is(two, 56, piece,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    for (size_t piece = 1; piece < 200; piece += 13)
        digest_is(a, 1000, piece,
                  "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
    digest_is(a, 55, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    digest_is(a, 64, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

/* ---- trees ---- */

enum { BLOCKS = 128 * 128 + 5, LEVELS = 3 };

/* Sparse data: only some blocks are ever looked at, the digests of the others are noise. */
static struct tree {
    uint8_t low[130][PAGE_SIZE]; /* level 0: 129 blocks */
    uint8_t mid[2][PAGE_SIZE];
    uint8_t top[PAGE_SIZE];
    struct lagan_ubc_create volume;
} t;

static void content(uint64_t block, void *page)
{
    ubc_fill(page, block, 0x1234);
}

static void digest_of(const void *page, uint8_t *out)
{
    ubc_tree_digest(t.volume.salt, t.volume.salt_bytes, page, out);
}

static void build(unsigned salt_bytes)
{
    uint64_t seed = kit_seed(71), page[PAGE_SIZE / 8];

    memset(&t, 0, sizeof(t));
    t.volume = (struct lagan_ubc_create){.id = {1},
                                         .generation = 1,
                                         .blocks = BLOCKS,
                                         .flags = LAGAN_UBC_TREE,
                                         .salt_bytes = salt_bytes};
    for (unsigned i = 0; i < salt_bytes; i++)
        t.volume.salt[i] = (uint8_t)kit_random(&seed);
    for (uint64_t b = 0; b < BLOCKS; b++) {
        uint8_t *at = t.low[b / 128] + b % 128 * 32;

        if (b % 1000 == 0 || b + 3 > BLOCKS) {
            content(b, page);
            digest_of(page, at);
        } else {
            memset(at, (int)kit_random(&seed), 32);
        }
    }
    for (unsigned i = 0; i < 129; i++)
        digest_of(t.low[i], t.mid[i / 128] + i % 128 * 32);
    for (unsigned i = 0; i < 2; i++)
        digest_of(t.mid[i], t.top + i * 32);
    digest_of(t.top, t.volume.root);
}

static int put(unsigned level, uint64_t n, const void *page)
{
    struct lagan_ubc_insert in = {
        .block = n, .level = level ? (uint8_t)(level - 1) : 0, .flags = level ? LAGAN_UBC_HASH : 0};

    return do_insert_page(UREAD, t.volume.volume, &in, 0, page);
}

static int put_data(uint64_t block)
{
    uint64_t page[PAGE_SIZE / 8];

    content(block, page);
    return put(0, block, page);
}

static void start(unsigned salt_bytes)
{
    ubc_start();
    build(salt_bytes);
    CU_ASSERT_EQUAL_FATAL(do_create(&t.volume), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_give(t.volume.volume, UREAD, LAGAN_UBC_READ, 10), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_give(t.volume.volume, UREAD2, LAGAN_UBC_READ, 10), 0);
}

static void levels(void)
{
    CU_ASSERT_EQUAL(ubc_tree_levels(1), 0);
    CU_ASSERT_EQUAL(ubc_tree_levels(2), 1);
    CU_ASSERT_EQUAL(ubc_tree_levels(128), 1);
    CU_ASSERT_EQUAL(ubc_tree_levels(129), 2);
    CU_ASSERT_EQUAL(ubc_tree_levels(128 * 128), 2);
    CU_ASSERT_EQUAL(ubc_tree_levels(128 * 128 + 1), 3);
    CU_ASSERT_EQUAL(ubc_tree_levels(LAGAN_UBC_BLOCKS_MAX), TREE_LEVELS);
    CU_ASSERT_EQUAL(ubc_tree_blocks(BLOCKS, 1), 129);
    CU_ASSERT_EQUAL(ubc_tree_blocks(BLOCKS, 2), 2);
    CU_ASSERT_EQUAL(ubc_tree_blocks(BLOCKS, 3), 1);
    CU_ASSERT_EQUAL(ubc_tree_blocks(BLOCKS, 4), 0);
}

static void right_tree(void)
{
    uint32_t tag, h;

    start(32);
    CU_ASSERT_EQUAL(put_data(0), -XEN_ENODATA);
    CU_ASSERT_EQUAL(put(1, 0, t.low[0]), -XEN_ENODATA);
    CU_ASSERT_EQUAL(put(2, 0, t.mid[0]), -XEN_ENODATA);
    CU_ASSERT_EQUAL(put(3, 0, t.top), 0);
    CU_ASSERT_EQUAL(put(2, 0, t.mid[0]), 0);
    CU_ASSERT_EQUAL(put(1, 0, t.low[0]), 0);
    CU_ASSERT_EQUAL(put_data(0), 0);
    CU_ASSERT_EQUAL(do_read_tag(UREAD2, t.volume.volume, 0, &tag), 0);
    CU_ASSERT_EQUAL(tag, 0x1234);
    CU_ASSERT_EQUAL(put_data(0), 0); /* whoever was there before */
    CU_ASSERT_EQUAL(do_stats(t.volume.volume).pages, 4);
    CU_ASSERT_EQUAL(put(2, 1, t.mid[1]), 0);
    CU_ASSERT_EQUAL(put(1, 128, t.low[128]), 0);
    CU_ASSERT_EQUAL(put_data(BLOCKS - 1), 0);
    CU_ASSERT_EQUAL(do_map_block(UREAD, t.volume.volume, BLOCKS - 1, 0, &h), 0);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, BLOCKS - 1, &tag));
    CU_ASSERT_EQUAL(do_invalidate(UCONTROL, t.volume.volume, 0, 1, NULL), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(do_donate(UCONTROL, t.volume.volume, 1000, 1, mfn(1)), -XEN_EOPNOTSUPP);
    ubc_check();
    /* Hash blocks can go while what they vouched for stays. */
    CU_ASSERT_EQUAL(ubc_reclaim(100), 6);
    CU_ASSERT_TRUE(ubc_sees(UREAD, 0, BLOCKS - 1, &tag));
    ubc_check();
    ubc_end();
}

/* One bit of one block, at each level, and a right block at a wrong place. */
static void wrong_tree(void)
{
    uint8_t page[PAGE_SIZE];

    start(5);
    memcpy(page, t.top, PAGE_SIZE);
    page[4095] ^= 1;
    CU_ASSERT_EQUAL(put(3, 0, page), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(3, 0, t.mid[0]), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(3, 1, t.top), -XEN_EINVAL);
    CU_ASSERT_EQUAL(put(4, 0, t.top), -XEN_EINVAL);
    CU_ASSERT_EQUAL(put(3, 0, t.top), 0);
    memcpy(page, t.mid[0], PAGE_SIZE);
    page[0] ^= 0x80;
    CU_ASSERT_EQUAL(put(2, 0, page), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(2, 1, t.mid[0]), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(2, 2, t.mid[0]), -XEN_EINVAL);
    CU_ASSERT_EQUAL(put(2, 0, t.mid[0]), 0);
    memcpy(page, t.low[7], PAGE_SIZE);
    page[2000] ^= 4;
    CU_ASSERT_EQUAL(put(1, 7, page), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(1, 6, t.low[7]), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(1, 7, t.low[7]), 0);
    content(1000, page);
    page[1] ^= 1;
    CU_ASSERT_EQUAL(put(0, 1000, page), -XEN_EILSEQ);
    content(1000, page);
    CU_ASSERT_EQUAL(put(0, 1001, page), -XEN_EILSEQ);
    CU_ASSERT_EQUAL(put(0, BLOCKS, page), -XEN_EINVAL);
    CU_ASSERT_EQUAL(put(0, 1000, page), 0);
    CU_ASSERT_EQUAL(do_stats(t.volume.volume).refused, 8);
    CU_ASSERT_EQUAL(do_stats(t.volume.volume).pages, 4);
    ubc_check();
    ubc_end();
}

/* Another salt, and no salt, are other trees. */
static void salts(void)
{
    start(256);
    CU_ASSERT_EQUAL(put(3, 0, t.top), 0);
    ubc_end();
    start(0);
    CU_ASSERT_EQUAL(put(3, 0, t.top), 0);
    ubc_end();
    start(16);
    CU_ASSERT_EQUAL(do_destroy(t.volume.volume), 0);
    t.volume.salt[15] ^= 1;
    CU_ASSERT_EQUAL(do_create(&t.volume), 0);
    CU_ASSERT_EQUAL(ubc_give(t.volume.volume, UREAD, LAGAN_UBC_READ, 10), 0);
    CU_ASSERT_EQUAL(put(3, 0, t.top), -XEN_EILSEQ);
    ubc_end();
}

/* A new generation has another root: nothing of the old tree is good for it. */
static void new_root(void)
{
    struct ubc_ref ref;
    struct lagan_ubc_create io;
    int rc;

    start(8);
    CU_ASSERT_EQUAL(put(3, 0, t.top), 0);
    io = t.volume;
    io.generation = 2;
    io.root[0] ^= 1;
    CU_ASSERT_EQUAL(ubc_get(&ud[UCONTROL].client, true, t.volume.volume, &ref), 0);
    while ((rc = ubc_renew(&ref, &io)) == -XEN_ERESTART)
        ;
    CU_ASSERT_EQUAL(rc, 0);
    ubc_put(&ref);
    t.volume.volume = io.volume;
    CU_ASSERT_EQUAL(put(2, 0, t.mid[0]), -XEN_ENODATA);
    CU_ASSERT_EQUAL(put(3, 0, t.top), -XEN_EILSEQ);
    ubc_check();
    ubc_end();
}

/* The root is the digest of the only block. */
static void one_block(void)
{
    uint64_t page[PAGE_SIZE / 8];

    ubc_start();
    memset(&t, 0, sizeof(t));
    t.volume = (struct lagan_ubc_create){.id = {1}, .blocks = 1, .flags = LAGAN_UBC_TREE};
    content(0, page);
    digest_of(page, t.volume.root);
    CU_ASSERT_EQUAL_FATAL(do_create(&t.volume), 0);
    CU_ASSERT_EQUAL(ubc_give(t.volume.volume, UREAD, LAGAN_UBC_READ, 10), 0);
    CU_ASSERT_EQUAL(put(1, 0, page), -XEN_EINVAL);
    CU_ASSERT_EQUAL(put_data(0), 0);
    ubc_check();
    ubc_end();
}

static const struct test_case cases[] = {{"SHA-256", sha256},
                                         {"levels of a tree", levels},
                                         {"a tree that is right", right_tree},
                                         {"a tree that is wrong, at each level", wrong_tree},
                                         {"salts", salts},
                                         {"a new root", new_root},
                                         {"a volume of one block", one_block},
                                         {NULL, NULL}};
const struct suite suite_ubc_tree = {"ubc_tree", cases, NULL, NULL};
