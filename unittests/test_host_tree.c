/* SPDX-License-Identifier: MIT
 *
 * lagan-9pd's tree: a client that asks for what it should have.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unittests/host_tree_kit.h"

static void test_read_write(void)
{
    static uint8_t bytes[30000];
    unsigned files = kit_open_files();

    kit_start();
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    CU_ASSERT_EQUAL(ask_walk(1, 2, "file"), 0);
    CU_ASSERT_EQUAL(ask_open(2, 2), 0);
    CU_ASSERT_EQUAL(ask_read(2, 0, 100), 5);
    CU_ASSERT_EQUAL(memcmp(ask_room, "hello", 5), 0);
    CU_ASSERT_EQUAL(ask_write(2, 3, bytes, sizeof(bytes)), sizeof(bytes));
    CU_ASSERT_EQUAL(ask_read(2, 3, sizeof(bytes)), sizeof(bytes));
    CU_ASSERT_EQUAL(memcmp(ask_room, bytes, sizeof(bytes)), 0);
    CU_ASSERT_EQUAL(ask_read(2, 3 + sizeof(bytes), 10), 0);
    CU_ASSERT_EQUAL(ask_read(2, ~0ULL, 10), -EINVAL);
    ask_begin(P9_TWRITE);
    p9_put(&ask_out, 4, 2);
    p9_put(&ask_out, 8, 0);
    p9_put(&ask_out, 4, 1000);
    p9_put_bytes(&ask_out, "more to come", 12);
    CU_ASSERT_EQUAL(ask(), EINVAL);
    CU_ASSERT_EQUAL(ask_write(2, ~0ULL - 5, bytes, 10), -EFBIG);
    CU_ASSERT_EQUAL(ask_one(P9_TFSYNC, 2), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 3, NULL), 0);
    CU_ASSERT_EQUAL(ask_create(3, "new", 2 | P9_OPEN_CREATE | P9_OPEN_EXCL, 0640), 0);
    CU_ASSERT_EQUAL(ask_write(3, 0, "abc", 3), 3);
    CU_ASSERT_EQUAL(ask_walk(1, 4, NULL), 0);
    CU_ASSERT_EQUAL(ask_create(4, "new", 2 | P9_OPEN_CREATE | P9_OPEN_EXCL, 0640), EEXIST);
    CU_ASSERT_EQUAL(ask_create(4, "new", 1 | P9_OPEN_CREATE | P9_OPEN_APPEND, 0640), 0);
    CU_ASSERT_EQUAL(ask_write(4, 0, "def", 3), 3);
    CU_ASSERT_EQUAL(ask_read(4, 0, 3), -EBADF);
    CU_ASSERT_EQUAL(ask_read(3, 0, 100), 6);
    CU_ASSERT_EQUAL(memcmp(ask_room, "abcdef", 6), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 5, "new"), 0);
    CU_ASSERT_EQUAL(ask_open(5, 1 | P9_OPEN_TRUNC), 0);
    CU_ASSERT_EQUAL(ask_read(3, 0, 100), 0);
    kit_finish();
    CU_ASSERT_EQUAL(kit_open_files(), files);
}

static void test_names(void)
{
    uint32_t mode, uid;
    uint64_t size;

    kit_start();
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 1, "d", NULL, 0750), 0);
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 1, "d", NULL, 0750), EEXIST);
    CU_ASSERT_EQUAL(ask_make(P9_TSYMLINK, 1, "s", "any/where", 0), 0);
    CU_ASSERT_EQUAL(ask_make(P9_TMKNOD, 1, "p", NULL, S_IFIFO | 0600), 0);
    CU_ASSERT_EQUAL(ask_make(P9_TMKNOD, 1, "null", NULL, S_IFCHR | 0666), EPERM);
    CU_ASSERT_EQUAL(ask_make(P9_TMKNOD, 1, "odd", NULL, 0170000), EINVAL);
    CU_ASSERT_EQUAL(ask_walk(1, 2, "d"), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 3, "file"), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 4, "s"), 0);
    CU_ASSERT_EQUAL(ask_getattr(2, &mode, &uid, &size), 0);
    CU_ASSERT_EQUAL(mode, S_IFDIR | 0750);
    CU_ASSERT_EQUAL(ask_one(P9_TREADLINK, 4), 0);
    CU_ASSERT_TRUE(ask_in.left == 11 && memcmp(ask_in.at + 2, "any/where", 9) == 0);
    CU_ASSERT_EQUAL(ask_one(P9_TREADLINK, 3), EINVAL);
    CU_ASSERT_EQUAL(ask_link(2, 3, "l"), 0);
    CU_ASSERT_EQUAL(ask_link(2, 4, "sl"), 0); /* the link, not where it leads */
    CU_ASSERT_EQUAL(ask_rename(2, "l", 1, "m"), 0);
    CU_ASSERT_EQUAL(ask_rename(2, "l", 1, "m"), ENOENT);
    CU_ASSERT_EQUAL(ask_unlink(1, "d", 0x200), ENOTEMPTY);
    CU_ASSERT_EQUAL(ask_unlink(1, "d", 0), EISDIR);
    CU_ASSERT_EQUAL(ask_unlink(2, "sl", 0), 0);
    CU_ASSERT_EQUAL(ask_unlink(1, "d", 0x200), 0);
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 2, "x", NULL, 0750), ENOENT);
    CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 3, "x", NULL, 0750), ENOTDIR);
    ask_begin(P9_TRENAME);
    p9_put(&ask_out, 4, 3);
    p9_put(&ask_out, 4, 1);
    ask_text("moved");
    CU_ASSERT_EQUAL(ask(), 0);
    CU_ASSERT_EQUAL(access(kit_path("export/moved"), F_OK), 0);
    kit_put_file("export/file", "another"); /* where it was */
    CU_ASSERT_EQUAL(ask_one(P9_TREMOVE, 3), ENOENT);
    CU_ASSERT_EQUAL(access(kit_path("export/file"), F_OK), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 3, "moved"), 0);
    CU_ASSERT_EQUAL(ask_one(P9_TREMOVE, 3), 0);
    CU_ASSERT_EQUAL(access(kit_path("export/moved"), F_OK), -1);
    CU_ASSERT_EQUAL(ask_one(P9_TREMOVE, 1), EBUSY); /* the root; its fid goes nevertheless */
    CU_ASSERT_EQUAL(ask_clunk(1), EBADF);
    kit_finish();
}

static void test_attributes(void)
{
    uint32_t mode, uid;
    uint64_t size;
    struct stat st;

    kit_start();
    CU_ASSERT_EQUAL(ask_walk(1, 2, "file"), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 3, "up"), 0);
    CU_ASSERT_EQUAL(ask_getattr(2, &mode, &uid, &size), 0);
    CU_ASSERT_TRUE(mode == (S_IFREG | 0666) && size == 5);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_MODE | P9_SET_SIZE, 04755, 0, 3), 0);
    CU_ASSERT_EQUAL(ask_getattr(2, &mode, &uid, &size), 0);
    CU_ASSERT_TRUE(mode == (S_IFREG | 04755) && size == 3);
    CU_ASSERT_EQUAL(ask_setattr(2, 0x1f0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(stat(kit_path("export/file"), &st), 0);
    CU_ASSERT_TRUE(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000 &&
                   st.st_mtim.tv_nsec == 5);
    CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_SIZE, 0, 0, ~0ULL), EFBIG);
    CU_ASSERT_EQUAL(ask_setattr(1, P9_SET_SIZE, 0, 0, 0), EISDIR);
    CU_ASSERT_EQUAL(ask_setattr(3, P9_SET_SIZE, 0, 0, 0), EINVAL);
    CU_ASSERT_EQUAL(ask_setattr(3, P9_SET_MODE, 0777, 0, 0), EOPNOTSUPP);
    CU_ASSERT_EQUAL(ask_one(P9_TSTATFS, 1), 0);
    CU_ASSERT_EQUAL(ask_in.left, 60);
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(ask_setattr(2, P9_SET_UID | P9_SET_GID, 0, 77, 0), 0);
        CU_ASSERT_EQUAL(ask_setattr(3, P9_SET_UID, 0, 78, 0), 0);
        CU_ASSERT_EQUAL(lstat(kit_path("export/up"), &st), 0);
        CU_ASSERT_EQUAL(st.st_uid, 78);
        CU_ASSERT_EQUAL(stat(kit_path("secret"), &st), 0);
        CU_ASSERT_EQUAL(st.st_uid, 0); /* the link, not where it leads */
        CU_ASSERT_EQUAL(ask_attach(9, 1234), 0);
        CU_ASSERT_EQUAL(ask_make(P9_TMKDIR, 9, "his", NULL, 0700), 0);
        CU_ASSERT_EQUAL(stat(kit_path("export/his"), &st), 0);
        CU_ASSERT_EQUAL(st.st_uid, 1234);
        CU_ASSERT_EQUAL(ask_create(9, "hisfile", 1, 0600), 0);
        CU_ASSERT_EQUAL(stat(kit_path("export/hisfile"), &st), 0);
        CU_ASSERT_EQUAL(st.st_uid, 1234);
    }
    kit_finish();
}

/* All names, each once, with room for few or many in a reply; from the middle; and back. */
static void test_readdir(void)
{
    static const uint32_t rooms[] = {300, 4000, 60000};

    kit_start();
    for (unsigned i = 0; i < 500; i++) {
        char name[64];

        snprintf(name, sizeof(name), "export/dir/%0*u", (int)(i % 40 + 3), i);
        kit_put_file(name, "");
    }
    CU_ASSERT_EQUAL(ask_walk(1, 2, "dir"), 0);
    CU_ASSERT_EQUAL(ask_open(2, 0), 0);
    CU_ASSERT_EQUAL(ask_read(2, 0, 10), -EISDIR);
    for (unsigned i = 0; i < 6; i++) {
        unsigned seen = 0, sum = 0;
        uint64_t cookie = 0;

        for (;;) {
            ask_begin(P9_TREADDIR);
            p9_put(&ask_out, 4, 2);
            p9_put(&ask_out, 8, cookie);
            p9_put(&ask_out, 4, rooms[i % 3]);
            CU_ASSERT_EQUAL_FATAL(ask(), 0);
            CU_ASSERT_EQUAL(p9_get(&ask_in, 4), ask_in.left);
            if (ask_in.left == 0)
                break;
            while (ask_in.left) {
                uint32_t length;
                const char *name;

                (void)p9_get(&ask_in, 5);
                (void)p9_get(&ask_in, 8);
                cookie = p9_get(&ask_in, 8);
                (void)p9_get(&ask_in, 1);
                name = p9_get_string(&ask_in, &length);
                seen++;
                if (*name >= '0' && *name <= '9')
                    for (unsigned at = 0, value = 0; at <= length; at++) {
                        if (at == length)
                            sum += value;
                        else
                            value = value * 10 + (unsigned)(name[at] - '0');
                    }
            }
            CU_ASSERT_FALSE_FATAL(ask_in.bad);
        }
        CU_ASSERT_EQUAL(seen, 500 + 3);
        CU_ASSERT_EQUAL(sum, 500 * 499 / 2);
    }
    CU_ASSERT_EQUAL(ask_walk(1, 3, "file"), 0);
    CU_ASSERT_EQUAL(ask_open(3, 0), 0);
    ask_begin(P9_TREADDIR);
    p9_put(&ask_out, 4, 3);
    p9_put(&ask_out, 8, 0);
    p9_put(&ask_out, 4, 1000);
    CU_ASSERT_EQUAL(ask(), ENOTDIR);
    kit_finish();
}

static unsigned lock_call(unsigned type, uint32_t fid, unsigned kind, uint64_t start_at,
                          uint64_t length)
{
    ask_begin(type);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 1, kind);
    if (type == P9_TLOCK)
        p9_put(&ask_out, 4, 0);
    p9_put(&ask_out, 8, start_at);
    p9_put(&ask_out, 8, length);
    p9_put(&ask_out, 4, 99);
    ask_text("guest");
    return ask();
}

static void test_locks(void)
{
    kit_start();
    CU_ASSERT_EQUAL(ask_walk(1, 2, "file"), 0);
    CU_ASSERT_EQUAL(ask_walk(1, 3, "file"), 0);
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 2, P9_LOCK_WRITE, 0, 0), EBADF);
    CU_ASSERT_EQUAL(ask_open(2, 2), 0);
    CU_ASSERT_EQUAL(ask_open(3, 2), 0);
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 2, P9_LOCK_WRITE, 10, 5), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 1), P9_LOCK_DONE);
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 3, P9_LOCK_READ, 0, 0), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 1), P9_LOCK_BLOCKED);
    CU_ASSERT_EQUAL(lock_call(P9_TGETLOCK, 3, P9_LOCK_READ, 0, 0), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 1), P9_LOCK_WRITE);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 8), 10);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 8), 5);
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 3, P9_LOCK_READ, 0, 10), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 1), P9_LOCK_DONE);
    CU_ASSERT_EQUAL(ask_clunk(2), 0); /* closing gives up the lock */
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 3, P9_LOCK_WRITE, 0, 0), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 1), P9_LOCK_DONE);
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 3, 7, 0, 0), EINVAL);
    CU_ASSERT_EQUAL(lock_call(P9_TLOCK, 3, P9_LOCK_READ, ~0ULL, 1), EINVAL);
    CU_ASSERT_EQUAL(lock_call(P9_TGETLOCK, 3, P9_LOCK_NONE, 0, 1), EINVAL);
    kit_finish();
}

static void test_xattrs(void)
{
    kit_start();
    CU_ASSERT_EQUAL(ask_walk(1, 2, "file"), 0);
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 3, "security.capability"), EOPNOTSUPP);
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 3, "trusted.x"), EOPNOTSUPP);
    CU_ASSERT_EQUAL(ask_xattr_create(2, "security.capability", 20), EOPNOTSUPP);
    CU_ASSERT_EQUAL(ask_xattr_create(2, "user.big", TREE_XATTR_MAX + 1), E2BIG);
    CU_ASSERT_EQUAL(ask_xattr_create(2, "user.big", ~0ULL), E2BIG);
    CU_ASSERT_EQUAL(ask_xattr_create(2, "", 1), EINVAL);
    if (!kit_has_xattrs) {
        kit_finish();
        return;
    }
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 3, "user.a"), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 8), 5);
    CU_ASSERT_EQUAL(ask_read(3, 0, 100), 5);
    CU_ASSERT_EQUAL(memcmp(ask_room, "value", 5), 0);
    CU_ASSERT_EQUAL(ask_read(3, 4, 100), 1);
    CU_ASSERT_EQUAL(ask_read(3, 1ULL << 63, 100), 0);
    CU_ASSERT_EQUAL(ask_write(3, 0, "x", 1), -EBADF);
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 4, ""), 0);
    CU_ASSERT_EQUAL(p9_get(&ask_in, 8), 7);
    CU_ASSERT_EQUAL(ask_walk(2, 5, NULL), 0);
    CU_ASSERT_EQUAL(ask_xattr_create(5, "user.b", 4), 0);
    CU_ASSERT_EQUAL(ask_read(5, 0, 1), -EBADF);
    CU_ASSERT_EQUAL(ask_write(5, 0, "12", 2), 2);
    CU_ASSERT_EQUAL(ask_write(5, 1, "34", 2), -ENOSPC);
    CU_ASSERT_EQUAL(ask_write(5, 2, "345", 3), -ENOSPC);
    CU_ASSERT_EQUAL(ask_write(5, 2, "34", 2), 2);
    CU_ASSERT_EQUAL(ask_clunk(5), 0);
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 5, "user.b"), 0);
    CU_ASSERT_EQUAL(ask_read(5, 0, 100), 4);
    CU_ASSERT_EQUAL(ask_clunk(5), 0);
    CU_ASSERT_EQUAL(ask_walk(2, 5, NULL), 0);
    CU_ASSERT_EQUAL(ask_xattr_create(5, "user.b", 4), 0);
    CU_ASSERT_EQUAL(ask_clunk(5), EINVAL); /* half a value is none */
    CU_ASSERT_EQUAL(ask_walk(2, 5, NULL), 0);
    CU_ASSERT_EQUAL(ask_xattr_create(5, "user.b", 0), 0);
    CU_ASSERT_EQUAL(ask_clunk(5), 0);
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 5, "user.b"), ENODATA);
    CU_ASSERT_EQUAL(ask_walk(2, 5, NULL), 0);
    CU_ASSERT_EQUAL(ask_xattr_create(5, "user.b", 2), 0);
    CU_ASSERT_EQUAL(ask_write(5, 0, "12", 2), 2);
    kit_tree.ending = true;
    CU_ASSERT_EQUAL(ask_clunk(5), EINVAL);
    kit_tree.ending = false;
    CU_ASSERT_EQUAL(ask_xattr_walk(2, 5, "user.b"), ENODATA);
    kit_finish();
}

static const struct test_case cases[] = {
    {"reading and writing", test_read_write},
    {"names", test_names},
    {"attributes", test_attributes},
    {"directories", test_readdir},
    {"locks", test_locks},
    {"extended attributes", test_xattrs},
    {NULL, NULL},
};

const struct suite suite_host_tree = {.name = "host_tree", .cases = cases};
