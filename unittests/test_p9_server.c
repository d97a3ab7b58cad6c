/* SPDX-License-Identifier: MIT
 *
 * The file server's engine, message by message, and its limits.
 */
#include <stdlib.h>
#include <string.h>

#include "fileserver/p9_archive.h"
#include "unittests/cpio_kit.h"
#include "unittests/suite.h"

#define MSIZE 8192U
#define FILES 40U
#define FIDS  512U

static struct archive a;
static struct node node[128];
static struct tree tree;
static struct p9_session session;
static struct p9_fid fids[FIDS];
static uint8_t request[MSIZE], reply[MSIZE];
static struct p9_out out;
static struct p9_in in;
static uint8_t big[10000];

static int make_tree(void)
{
    char name[32];

    a.size = 0;
    for (unsigned i = 0; i < sizeof(big); i++)
        big[i] = (uint8_t)(i * 5 + i / 256);
    archive_add(&a, "big", CPIO_MODE_FILE | 0644, big, sizeof(big));
    archive_add(&a, "empty", CPIO_MODE_FILE | 0600, "", 0);
    archive_add(&a, "link", CPIO_MODE_LINK | 0777, "dir/f1", 6);
    for (unsigned i = 0; i < FILES; i++) {
        memcpy(name, "dir/f00", 8);
        name[5] = (char)('0' + i / 10);
        name[6] = (char)('0' + i % 10);
        archive_add(&a, name, CPIO_MODE_FILE | 0644, name, 7);
    }
    archive_end(&a);
    return tree_read(&tree, node, 128, a.bytes, a.size);
}

static void begin(unsigned type)
{
    out = (struct p9_out){.start = request, .max = sizeof(request)};
    p9_begin(&out, type, 77);
}

/* Sends what is in `out`; the reply's error, or 0 with `in` at its fields. */
static unsigned call(void)
{
    unsigned type = request[4];
    struct p9_request what = {.bytes = request};
    struct p9_reply r = {.head = reply, .head_max = sizeof(reply)};

    p9_finish(&out, 0);
    CU_ASSERT_FALSE(out.bad);
    what.private_length = what.length = out.length;
    CU_ASSERT_TRUE_FATAL(p9_answer(&session, &what, &r));
    CU_ASSERT_TRUE_FATAL(r.head_length + r.data_length <= session.msize);
    CU_ASSERT_TRUE(type == P9_TVERSION ||
                   r.head_length + r.data_length <= p9_reply_max(&session, &what));
    if (r.data_length)
        memcpy(reply + r.head_length, r.data, r.data_length);
    CU_ASSERT_TRUE(p9_session_audit(&session));
    in = (struct p9_in){.at = reply, .left = r.head_length + r.data_length};
    CU_ASSERT_EQUAL(p9_get(&in, 4), r.head_length + r.data_length);
    if (reply[4] == P9_RLERROR) {
        in.at += 3;
        return (unsigned)p9_get(&in, 4);
    }
    CU_ASSERT_EQUAL(p9_get(&in, 1), type + 1);
    CU_ASSERT_EQUAL(p9_get(&in, 2), 77);
    return 0;
}

static unsigned version(const char *text, uint32_t msize)
{
    begin(P9_TVERSION);
    p9_put(&out, 4, msize);
    p9_put_string(&out, text, (uint32_t)strlen(text));
    return call();
}

static unsigned attach(uint32_t fid)
{
    begin(P9_TATTACH);
    p9_put(&out, 4, fid);
    p9_put(&out, 4, P9_NOFID);
    p9_put_string(&out, "root", 4);
    p9_put_string(&out, "", 0);
    p9_put(&out, 4, 0);
    return call();
}

/* path: names separated by '/'. */
static unsigned walk(uint32_t fid, uint32_t new_fid, const char *path)
{
    unsigned names = 0;

    for (const char *p = path; *p; names++)
        p += strcspn(p, "/") + (p[strcspn(p, "/")] == '/');
    begin(P9_TWALK);
    p9_put(&out, 4, fid);
    p9_put(&out, 4, new_fid);
    p9_put(&out, 2, names);
    while (*path) {
        uint32_t length = (uint32_t)strcspn(path, "/");

        p9_put_string(&out, path, length);
        path += length + (path[length] == '/');
    }
    return call();
}

/* A request of a fid and up to 16 bytes more. */
static unsigned simple(unsigned type, uint32_t fid, uint64_t first, unsigned first_bytes,
                       uint64_t second, unsigned second_bytes)
{
    begin(type);
    p9_put(&out, 4, fid);
    p9_put(&out, first_bytes, first);
    p9_put(&out, second_bytes, second);
    return call();
}

static unsigned open_fid(uint32_t fid)
{
    return simple(P9_TLOPEN, fid, 0x8000, 4, 0, 0);
}

static void start(void)
{
    CU_ASSERT_EQUAL_FATAL(make_tree(), 0);
    p9_archive_session(&session, &tree, fids, FIDS, MSIZE);
    CU_ASSERT_EQUAL(version("9P2000.L", 100000), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 4), MSIZE);
    CU_ASSERT_EQUAL(attach(1), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 1), P9_QID_DIR);
}

static void test_version(void)
{
    uint32_t length;

    p9_archive_session(&session, &tree, fids, FIDS, MSIZE);
    CU_ASSERT_EQUAL(attach(1), P9_EPROTO);
    CU_ASSERT_EQUAL(version("9P2000.L", 100), XEN_EINVAL);
    CU_ASSERT_EQUAL(version("9P2000.u", 5000), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 4), 5000);
    CU_ASSERT_EQUAL(memcmp(p9_get_string(&in, &length), "unknown", 7), 0);
    CU_ASSERT_EQUAL(attach(1), P9_EPROTO);
    start();
    CU_ASSERT_EQUAL(attach(2), 0);
    CU_ASSERT_EQUAL(attach(2), XEN_EBADF);
    CU_ASSERT_EQUAL(session.fid_count, 2);
    CU_ASSERT_EQUAL(version("9P2000.L", 4096), 0);
    CU_ASSERT_EQUAL(session.fid_count, 0);
    CU_ASSERT_EQUAL(session.msize, 4096);
}

static void test_walk(void)
{
    start();
    CU_ASSERT_EQUAL(walk(1, 2, "dir/f03"), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 2), 2);
    CU_ASSERT_EQUAL(session.fid_count, 2);
    CU_ASSERT_EQUAL(walk(1, 3, "nothing"), XEN_ENOENT);
    CU_ASSERT_EQUAL(walk(1, 3, "dir/nothing/x"), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 2), 1); /* a part: no new fid */
    CU_ASSERT_EQUAL(session.fid_count, 2);
    CU_ASSERT_EQUAL(walk(1, 1, "dir/nothing"), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 2), 1); /* nor does the old one move */
    CU_ASSERT_EQUAL(walk(1, 1, "dir/../big"), 0);
    CU_ASSERT_EQUAL(walk(1, 1, ""), 0);
    CU_ASSERT_EQUAL(walk(1, 3, "x"), XEN_ENOTDIR);
    CU_ASSERT_EQUAL(simple(P9_TCLUNK, 1, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(attach(1), 0);
    CU_ASSERT_EQUAL(walk(2, 3, "x"), XEN_ENOTDIR);
    CU_ASSERT_EQUAL(walk(1, 2, ""), XEN_EBADF);
    CU_ASSERT_EQUAL(walk(9, 10, ""), XEN_EBADF);
    CU_ASSERT_EQUAL(walk(1, P9_NOFID, ""), XEN_EBADF);
    CU_ASSERT_EQUAL(walk(2, 2, ""), 0);
    CU_ASSERT_EQUAL(walk(1, 4, "dir/../../dir/./f01"), 0);
    CU_ASSERT_EQUAL(walk(1, 5, "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"), XEN_EINVAL);
    CU_ASSERT_EQUAL(open_fid(4), 0);
    CU_ASSERT_EQUAL(walk(4, 5, ""), XEN_EBADF);
    CU_ASSERT_EQUAL(simple(P9_TCLUNK, 4, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(simple(P9_TCLUNK, 4, 0, 0, 0, 0), XEN_EBADF);
    CU_ASSERT_EQUAL(simple(P9_TREMOVE, 2, 0, 0, 0, 0), XEN_EROFS);
    CU_ASSERT_EQUAL(session.fid_count, 1);
}

static void test_read(void)
{
    uint64_t at = 0;

    start();
    CU_ASSERT_EQUAL(walk(1, 2, "big"), 0);
    CU_ASSERT_EQUAL(simple(P9_TREAD, 2, 0, 8, 100, 4), XEN_EBADF); /* not open */
    CU_ASSERT_EQUAL(open_fid(2), 0);
    CU_ASSERT_EQUAL(open_fid(2), XEN_EBADF);
    while (at < sizeof(big)) {
        uint32_t count;

        CU_ASSERT_EQUAL_FATAL(simple(P9_TREAD, 2, at, 8, 1000000, 4), 0);
        count = (uint32_t)p9_get(&in, 4);
        CU_ASSERT_TRUE_FATAL(count > 0 && count == in.left && at + count <= sizeof(big));
        CU_ASSERT_EQUAL(memcmp(in.at, big + at, count), 0);
        at += count;
    }
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t beyond[] = {sizeof(big), 1ULL << 32, ~0ULL};

        CU_ASSERT_EQUAL(simple(P9_TREAD, 2, beyond[i], 8, 100, 4), 0);
        CU_ASSERT_TRUE(p9_get(&in, 4) == 0 && in.left == 0);
    }
    CU_ASSERT_EQUAL(simple(P9_TREAD, 2, sizeof(big) - 5, 8, 100, 4), 0);
    CU_ASSERT_EQUAL(p9_get(&in, 4), 5);
    CU_ASSERT_EQUAL(attach(3), 0);
    CU_ASSERT_EQUAL(open_fid(3), 0);
    CU_ASSERT_EQUAL(simple(P9_TREAD, 3, 0, 8, 100, 4), XEN_EISDIR);
}

/* All entries, each once, with room for one, a few or all in a reply. */
static void test_readdir(void)
{
    static const uint32_t rooms[] = {60, 200, 100000};

    for (unsigned i = 0; i < 3; i++) {
        unsigned seen = 0, sum = 0;
        uint64_t cookie = 0;

        start();
        CU_ASSERT_EQUAL(walk(1, 2, "dir"), 0);
        CU_ASSERT_EQUAL(open_fid(2), 0);
        for (;;) {
            CU_ASSERT_EQUAL_FATAL(simple(P9_TREADDIR, 2, cookie, 8, rooms[i], 4), 0);
            CU_ASSERT_EQUAL(p9_get(&in, 4), in.left);
            if (in.left == 0)
                break;
            while (in.left) {
                uint32_t length;
                const char *name;

                (void)p9_get(&in, 13 - 8);
                (void)p9_get(&in, 8);
                cookie = p9_get(&in, 8);
                (void)p9_get(&in, 1);
                name = p9_get_string(&in, &length);
                CU_ASSERT_FALSE_FATAL(in.bad);
                seen++;
                if (length == 3)
                    sum += (unsigned)((name[1] - '0') * 10 + name[2] - '0');
            }
        }
        CU_ASSERT_EQUAL(seen, FILES + 2);
        CU_ASSERT_EQUAL(sum, FILES * (FILES - 1) / 2);
    }
    CU_ASSERT_EQUAL(simple(P9_TREADDIR, 2, 1ULL << 40, 8, 1000, 4), 0);
    CU_ASSERT_EQUAL(simple(P9_TREADDIR, 2, 3, 8, 1000, 4), 0); /* of another directory */
    CU_ASSERT_EQUAL(p9_get(&in, 4), 0);
}

static void test_attributes(void)
{
    uint32_t length;
    const char *target;

    start();
    CU_ASSERT_EQUAL(walk(1, 2, "big"), 0);
    CU_ASSERT_EQUAL(simple(P9_TGETATTR, 2, P9_GETATTR_ALL, 8, 0, 0), 0);
    CU_ASSERT_EQUAL(in.left, 153);
    CU_ASSERT_EQUAL(p9_get(&in, 8), 0x7ff);
    (void)p9_get(&in, 5);
    (void)p9_get(&in, 8);
    CU_ASSERT_EQUAL(p9_get(&in, 4), CPIO_MODE_FILE | 0644);
    CU_ASSERT_EQUAL(p9_get(&in, 4), 7);
    (void)p9_get(&in, 4 + 0);
    (void)p9_get(&in, 8);
    (void)p9_get(&in, 8);
    CU_ASSERT_EQUAL(p9_get(&in, 8), sizeof(big));
    CU_ASSERT_EQUAL(simple(P9_TSTATFS, 2, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(in.left, 60);
    CU_ASSERT_EQUAL(walk(1, 3, "link"), 0);
    CU_ASSERT_EQUAL(simple(P9_TREADLINK, 3, 0, 0, 0, 0), 0);
    target = p9_get_string(&in, &length);
    CU_ASSERT_TRUE(length == 6 && memcmp(target, "dir/f1", 6) == 0);
    CU_ASSERT_EQUAL(simple(P9_TREADLINK, 2, 0, 0, 0, 0), XEN_EINVAL);
}

static void test_refused(void)
{
    static const uint8_t changing[] = {P9_TLCREATE,  P9_TSYMLINK,     P9_TMKNOD, P9_TRENAME,
                                       P9_TSETATTR,  P9_TXATTRCREATE, P9_TLINK,  P9_TMKDIR,
                                       P9_TRENAMEAT, P9_TUNLINKAT,    P9_TWRITE};
    static const uint8_t unknown[] = {P9_TXATTRWALK, P9_TAUTH, P9_TLOCK, P9_TGETLOCK, 0, 200, 255};

    start();
    for (unsigned i = 0; i < sizeof(changing); i++)
        CU_ASSERT_EQUAL(simple(changing[i], 1, 0, 8, 0, 8), XEN_EROFS);
    for (unsigned i = 0; i < sizeof(unknown); i++)
        CU_ASSERT_EQUAL(simple(unknown[i], 1, 0, 8, 0, 8), XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(simple(P9_TFLUSH, 5, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(simple(P9_TFSYNC, 1, 0, 4, 0, 0), 0);
    CU_ASSERT_EQUAL(walk(1, 2, "big"), 0);
    for (unsigned flags = 1; flags < 0x800; flags <<= 1)
        if (flags & 0x643)
            CU_ASSERT_EQUAL(simple(P9_TLOPEN, 2, flags, 4, 0, 0), XEN_EROFS);
}

/* Every message, cut off at every length: an error, and nothing has happened. */
static void test_cut(void)
{
    start();
    begin(P9_TWALK);
    p9_put(&out, 4, 1);
    p9_put(&out, 4, 2);
    p9_put(&out, 2, 2);
    p9_put_string(&out, "dir", 3);
    p9_put_string(&out, "f01", 3);
    for (uint32_t whole = out.length, length = P9_HEAD; length < whole; length++) {
        out.length = length;
        CU_ASSERT_EQUAL(call(), XEN_EINVAL);
        CU_ASSERT_EQUAL(session.fid_count, 1);
    }
    for (unsigned type = 0; type < 256; type++)
        for (uint32_t length = P9_HEAD; length < 30; length++) {
            begin(type);
            memset(request + P9_HEAD, type == P9_TCLUNK ? 0xff : 1, 30);
            out.length = length;
            (void)call();
        }
}

/* Of a directory goes as much into an answer as there is room for, whatever msize has become meanwhile. */
static void test_less_room(void)
{
    struct p9_reply r = {.head = reply, .head_max = 300};
    struct p9_request what = {.bytes = request};

    start();
    CU_ASSERT_EQUAL(walk(1, 2, "dir"), 0);
    CU_ASSERT_EQUAL(open_fid(2), 0);
    begin(P9_TREADDIR);
    p9_put(&out, 4, 2);
    p9_put(&out, 8, 0);
    p9_put(&out, 4, MSIZE);
    p9_finish(&out, 0);
    what.private_length = what.length = out.length;
    CU_ASSERT_TRUE_FATAL(p9_answer(&session, &what, &r));
    CU_ASSERT_EQUAL(reply[4], P9_TREADDIR + 1);
    CU_ASSERT_TRUE(r.head_length > 250 && r.head_length <= 300);
    CU_ASSERT_EQUAL(r.data_length, 0);
}

static void test_no_message(void)
{
    static const uint32_t lengths[] = {6, 8, MSIZE + 1};
    struct p9_reply r = {.head = reply, .head_max = sizeof(reply)};

    start();
    begin(P9_TCLUNK);
    p9_finish(&out, 0);
    for (unsigned i = 0; i < 3; i++) {
        struct p9_request what = {
            .bytes = request, .private_length = lengths[i], .length = lengths[i]};

        CU_ASSERT_FALSE(p9_answer(&session, &what, &r));
    }
}

static void test_many_fids(void)
{
    start();
    for (uint32_t i = 2; i <= FIDS; i++)
        CU_ASSERT_EQUAL(walk(1, i, ""), 0);
    CU_ASSERT_EQUAL(walk(1, 10000, ""), XEN_ENFILE);
    for (uint32_t i = 1; i <= FIDS; i++)
        CU_ASSERT_EQUAL(simple(P9_TCLUNK, i, 0, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(session.fid_count, 0);
}

static const struct test_case cases[] = {
    {"version and attach", test_version},
    {"walk", test_walk},
    {"read", test_read},
    {"directories", test_readdir},
    {"attributes", test_attributes},
    {"what is refused", test_refused},
    {"messages cut off", test_cut},
    {"less room than msize", test_less_room},
    {"no message at all", test_no_message},
    {"as many fids as there are", test_many_fids},
    {NULL, NULL},
};

const struct suite suite_p9_server = {.name = "p9_server", .cases = cases};
