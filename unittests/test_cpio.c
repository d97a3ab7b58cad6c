/* SPDX-License-Identifier: MIT
 *
 * Trees out of archives: ordinary ones, odd ones, and ones that are cut off anywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "fileserver/cpio.h"
#include "unittests/cpio_kit.h"
#include "unittests/suite.h"

#define DIR  (CPIO_MODE_DIR | 0755)
#define FILE (CPIO_MODE_FILE | 0644)

static struct archive a;
static struct node node[64];
static struct tree tree;

static const struct node *find(const char *path)
{
    const struct node *n = tree.node;

    while (n && *path) {
        uint32_t length = (uint32_t)strcspn(path, "/");

        n = tree_child(n, path, length);
        path += length + (path[length] == '/');
    }
    return n;
}

static int read_archive(uint32_t max)
{
    return tree_read(&tree, node, max, a.bytes, a.size);
}

static void test_ordinary(void)
{
    a.size = 0;
    archive_add(&a, ".", CPIO_MODE_DIR | 0700, "", 0);
    archive_add(&a, "./etc", DIR, "", 0);
    archive_add(&a, "etc/motd", FILE, "hello\n", 6);
    archive_add(&a, "/a/b/c", FILE, "deep", 4);
    archive_add(&a, "link", CPIO_MODE_LINK | 0777, "etc/motd", 8);
    archive_end(&a);
    CU_ASSERT_EQUAL_FATAL(read_archive(64), 0);
    CU_ASSERT_EQUAL(tree.count, 7);
    CU_ASSERT_EQUAL(tree.node->mode, CPIO_MODE_DIR | 0700);
    CU_ASSERT_TRUE(find("etc/motd") && find("etc/motd")->size == 6);
    CU_ASSERT_EQUAL(memcmp(find("etc/motd")->data, "hello\n", 6), 0);
    CU_ASSERT_TRUE(find("a/b/c") && find("a/b")->mode == DIR && find("a/b/c")->uid == 7);
    CU_ASSERT_TRUE(find("link") && find("link")->size == 8);
    CU_ASSERT_PTR_NULL(find("etc/mot"));
    CU_ASSERT_PTR_NULL(find("motd"));
}

static void test_twice(void)
{
    a.size = 0;
    archive_add(&a, "x", FILE, "first", 5);
    archive_add(&a, "x", FILE, "2", 1);
    archive_end(&a);
    CU_ASSERT_EQUAL(read_archive(64), 0);
    CU_ASSERT_TRUE(tree.count == 2 && find("x")->size == 1 && *find("x")->data == '2');
}

static void test_refused(void)
{
    static const char *const names[][2] = {{"..", NULL},  {"a/../b", NULL}, {"f", "f/under"},
                                           {"d/in", "d"}, {".", NULL},      {"", NULL}};
    char longer[300];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        a.size = 0;
        archive_add(&a, names[i][0], FILE, "x", 1);
        if (names[i][1])
            archive_add(&a, names[i][1], FILE, "x", 1);
        archive_end(&a);
        CU_ASSERT_EQUAL(read_archive(64), -XEN_EINVAL);
    }
    memset(longer, 'n', 256);
    longer[256] = '\0';
    a.size = 0;
    archive_add(&a, longer, FILE, "x", 1);
    archive_end(&a);
    CU_ASSERT_EQUAL(read_archive(64), -XEN_EINVAL);
}

/* Each length but the whole, and each room that is too small; no byte behind the end is read. */
static void test_cut(void)
{
    a.size = 0;
    archive_add(&a, "d/e", FILE, "12345", 5);
    archive_add(&a, "f", FILE, "6789", 4);
    archive_end(&a);
    for (size_t size = 0; size < a.size - 1; size++) {
        uint8_t *part = malloc(size ? size : 1);

        memcpy(part, a.bytes, size);
        CU_ASSERT_EQUAL(tree_read(&tree, node, 64, part, size), -XEN_EINVAL);
        free(part);
    }
    for (uint32_t max = 0; max < 4; max++)
        CU_ASSERT_EQUAL(read_archive(max), -XEN_ENOSPC);
    CU_ASSERT_EQUAL(read_archive(4), 0);
    memcpy(a.bytes + 54, "ffffffff", 8); /* the first one's length */
    CU_ASSERT_EQUAL(read_archive(64), -XEN_EINVAL);
    memcpy(a.bytes + 54, "0000000x", 8);
    CU_ASSERT_EQUAL(read_archive(64), -XEN_EINVAL);
}

static const struct test_case cases[] = {
    {"an ordinary tree", test_ordinary},
    {"a name twice", test_twice},
    {"names that are refused", test_refused},
    {"cut off", test_cut},
    {NULL, NULL},
};

const struct suite suite_cpio = {.name = "cpio", .cases = cases};
