/* SPDX-License-Identifier: MIT
 *
 * lagan-9pd's tree: a client that asks for what it should not have, and more than there is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unittests/host_tree_kit.h"

static void test_escapes(void)
{
    static const char *const bad[] = {"a/b", "/", "../secret", "/etc/passwd", "dir/../../secret"};
    static char longest[300];

    kit_start();
    /* The root is its own parent. */
    CU_ASSERT_EQUAL(ask_walk(1, 2, "../../.."), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 2), 3);
    CU_ASSERT_EQUAL(ask_walk(2, 3, "secret"), ENOENT);
    CU_ASSERT_EQUAL(ask_walk(2, 3, "file"), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 4, "dir/../../dir/inner"), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 2), 5);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *name = bad[i];

        CU_ASSERT_EQUAL(ask_walk_raw(1, 9, name, (uint32_t)strlen(name)), EINVAL);
        CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 1, name, NULL, 0777), EINVAL);
        CU_ASSERT_EQUAL(ask_make(P9_TSYMLINK, 1, name, "x", 0), EINVAL);
        CU_ASSERT_EQUAL(ask_make(P9_TMKNOD, 1, name, NULL, S_IFREG | 0666), EINVAL);
        CU_ASSERT_EQUAL(ask_link(1, 3, name), EINVAL);
        CU_ASSERT_EQUAL(ask_rename(1, "file", 1, name), EINVAL);
        CU_ASSERT_EQUAL(ask_rename(1, name, 1, "stolen"), EINVAL);
        CU_ASSERT_EQUAL(ask_unlink(1, name, 0), EINVAL);
        CU_ASSERT_EQUAL(ask_create(2, name, 1, 0666), EINVAL);
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *name = i ? ".." : ".";

        CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 1, name, NULL, 0777), EINVAL);
        CU_ASSERT_EQUAL(ask_rename(1, "file", 1, name), EINVAL);
        CU_ASSERT_EQUAL(ask_rename(1, name, 1, "file2"), EINVAL);
        CU_ASSERT_EQUAL(ask_unlink(1, name, 0x200), EINVAL);
        CU_ASSERT_EQUAL(ask_create(2, name, 0, 0666), EINVAL);
    }
    CU_ASSERT_EQUAL(ask_walk_raw(1, 9, "fi\0le", 5), EINVAL);
    CU_ASSERT_EQUAL(ask_walk_raw(1, 9, "", 0), ENOENT);
    memset(longest, 'x', sizeof(longest));
    CU_ASSERT_EQUAL(ask_walk_raw(1, 9, longest, 255), ENOENT);
    CU_ASSERT_EQUAL(ask_walk_raw(1, 9, longest, 256), ENAMETOOLONG);
    /* Links are what they are; nothing is below them, and nothing can be opened through them. */
    CU_ASSERT_EQUAL(ask_walk(1, 9, "topdir/secret"), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 2), 1);
    CU_ASSERT_EQUAL(ask_walk(1, 9, "near/inner"), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 2), 1);
    CU_ASSERT_EQUAL(ask_walk(1, 9, "up"), 0);
    CU_ASSERT_EQUAL(ask_open(9, 0), ELOOP);
    CU_ASSERT_EQUAL(ask_open(9, 1 | P9_OPEN_TRUNC), ELOOP);
    CU_ASSERT_EQUAL(ask_create(2, "up", 1 | P9_OPEN_TRUNC, 0666), ELOOP);
    CU_ASSERT_EQUAL(ask_walk(1, 10, "topdir"), 0);
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 10, "made", NULL, 0777), ENOTDIR);
    CU_ASSERT_EQUAL(ask_unlink(10, "secret", 0), ENOTDIR);
    CU_ASSERT_EQUAL(ask_rename(10, "secret", 1, "stolen"), ENOTDIR);
    CU_ASSERT_EQUAL(ask_rename(1, "file", 10, "secret"), ENOTDIR);
    CU_ASSERT_EQUAL(ask_create(10, "secret", 1, 0666), ENOTDIR);
    kit_finish();
}

/* What blocks or does anything when opened is not opened; nor is it by making it anew. */
static void test_special(void)
{
    struct stat st;

    kit_start();
    CU_ASSERT_EQUAL(mkfifo(kit_path("export/fifo"), 0666), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 2, "fifo"), 0);
    CU_ASSERT_EQUAL(ask_open(2, 0), ENXIO);
    CU_ASSERT_EQUAL(ask_walk(1, 3, NULL), 0);
    CU_ASSERT_EQUAL(ask_create(3, "fifo", 1, 0666), ENXIO);
    CU_ASSERT_EQUAL(ask_create(3, "dir", 0, 0666), EISDIR);
    kit_tree.devices = true;
    if (geteuid() == 0 && ask_make(P9_TMKNOD, 1, "null", NULL, S_IFCHR | 0666) == 0) {
        CU_ASSERT_EQUAL(stat(kit_path("export/null"), &st), 0);
        CU_ASSERT_TRUE(S_ISCHR(st.st_mode) && st.st_rdev == 0x103);
        CU_ASSERT_EQUAL(ask_walk(1, 4, "null"), 0);
        CU_ASSERT_EQUAL(ask_open(4, 2), ENXIO);
        CU_ASSERT_EQUAL(ask_create(3, "null", 2, 0666), ENXIO);
    }
    kit_finish();
}

/* A directory that somebody moves out while a client is in it: it may stay where it is, but comes up
 * again where it went down. */
static void test_moved_away(void)
{
    kit_start();
    mkdir(kit_path("export/dir/sub"), 0755);
    CU_ASSERT_EQUAL(ask_walk(1, 2, "dir/sub"), 0);
    CU_ASSERT_EQUAL(rename(kit_path("export/dir/sub"), kit_path("away")), 0);
    CU_ASSERT_EQUAL(ask_walk(2, 3, "../../secret"), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 2), 2); /* export/dir, export: no secret there */
    CU_ASSERT_EQUAL(ask_walk(2, 3, ".."), 0);
    CU_ASSERT_EQUAL(ask_walk(3, 4, "inner"), 0);
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 2, "inside", NULL, 0755), 0);
    CU_ASSERT_EQUAL(access(kit_path("away/inside"), F_OK), 0);
    kit_finish();
}

static void test_read_only(void)
{
    kit_start();
    p9_session_end(&kit_served);
    kit_begin_session(true);
    CU_ASSERT_EQUAL(ask_walk(1, 2, "file"), 0);
    CU_ASSERT_EQUAL(ask_open(2, 1), EROFS);
    CU_ASSERT_EQUAL(ask_open(2, P9_OPEN_TRUNC), EROFS);
    CU_ASSERT_EQUAL(ask_open(2, 0), 0);
    CU_ASSERT_EQUAL(ask_read(2, 0, 10), 5);
    CU_ASSERT_EQUAL(ask_write(2, 0, "x", 1), -EROFS);
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 1, "x", NULL, 0755), EROFS);
    CU_ASSERT_EQUAL(ask_unlink(1, "file", 0), EROFS);
    CU_ASSERT_EQUAL(ask_rename(1, "file", 1, "x"), EROFS);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_MODE, 0, 0, 0), EROFS);
    CU_ASSERT_EQUAL(ask_xattr_create(1, "user.x", 1), EROFS);
    CU_ASSERT_EQUAL(ask_one(P9_TREMOVE, 2), EROFS);
    CU_ASSERT_EQUAL(access(kit_path("export/file"), F_OK), 0);
    kit_finish();
}

/* One user's files are the guest's root's, all others nobody's. */
static void test_squash(void)
{
    uint32_t mode, uid;
    uint64_t size;

    kit_start();
    kit_tree.squash = true;
    kit_tree.uid = geteuid();
    kit_tree.gid = getegid();
    CU_ASSERT_EQUAL(ask_walk(1, 2, "file"), 0);
    CU_ASSERT_EQUAL(ask_getattr(2, &mode, &uid, &size), 0);
    CU_ASSERT_EQUAL(uid, 0);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_UID, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_UID, 0, 1000, 0), EPERM);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_MODE, 06755, 0, 0), 0);
    CU_ASSERT_EQUAL(ask_getattr(2, &mode, &uid, &size), 0);
    CU_ASSERT_EQUAL(mode, S_IFREG | 0755);
    kit_tree.uid++;
    CU_ASSERT_EQUAL(ask_getattr(2, &mode, &uid, &size), 0);
    CU_ASSERT_EQUAL(uid, 65534);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_UID, 0, 0, 0), EPERM);
    kit_finish();
}

static void test_limits(void)
{
    unsigned files = kit_open_files(), error = 0;

    kit_start();
    for (uint32_t i = 2; i <= KIT_FIDS; i++)
        CU_ASSERT_EQUAL(ask_walk(1, i, "file"), 0);
    CU_ASSERT_EQUAL(ask_walk(1, KIT_FIDS + 1, "file"), ENFILE);
    for (uint32_t i = 2; i <= KIT_FIDS; i++)
        CU_ASSERT_EQUAL(ask_clunk(i), 0);
    kit_tree.nodes_max = 20;
    for (uint32_t i = 2; i <= 25 && error == 0; i++)
        error = ask_walk(1, i, "dir/inner");
    CU_ASSERT_EQUAL(error, 0);           /* of the second name: so far was walked */
    CU_ASSERT_EQUAL(kit_tree.nodes, 19); /* two each, and the root */
    for (unsigned i = 0; kit_has_xattrs && i < 300 && error == 0; i++)
        error = ask_xattr_create(1, "user.x", TREE_XATTR_MAX) ?: (ask_clunk(1), ask_attach(1, 0));
    CU_ASSERT_EQUAL(error, 0);
    for (uint32_t i = 100; i < 130 && error == 0; i++) {
        CU_ASSERT_EQUAL(ask_attach(i, 0), 0);
        error = ask_xattr_create(i, "user.x", TREE_XATTR_MAX);
    }
    CU_ASSERT_EQUAL(error, ENOMEM);
    CU_ASSERT_EQUAL(kit_tree.xattr_bytes, TREE_XATTR_TOTAL);
    kit_finish();
    CU_ASSERT_EQUAL(kit_open_files(), files);
}

static const struct test_case cases[] = {
    {"ways out", test_escapes},
    {"what is not opened", test_special},
    {"a directory moved away", test_moved_away},
    {"read-only", test_read_only},
    {"one user", test_squash},
    {"limits", test_limits},
    {NULL, NULL},
};

const struct suite suite_host_tree_hostile = {.name = "host_tree_hostile", .cases = cases};
