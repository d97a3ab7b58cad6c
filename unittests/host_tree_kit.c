/* SPDX-License-Identifier: MIT
 *
 * See host_tree_kit.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unittests/host_tree_kit.h"

#define MSIZE 65536U

struct host_tree kit_tree;
struct p9_session kit_served;
struct p9_out ask_out;
struct p9_in ask_in;
uint8_t ask_room[MSIZE];
bool kit_has_xattrs;

static struct p9_fid fids[KIT_FIDS];
static uint8_t request[MSIZE], reply[MSIZE];
static char top[64], export[80];

/* ---- a client ---- */

void ask_begin(unsigned type)
{
    ask_out = (struct p9_out){.start = request, .max = sizeof(request)};
    p9_begin(&ask_out, type, 5);
}

/* The reply's error, or 0 with `in` at its fields; what was read is in `room`, in two pieces. */
unsigned ask(void)
{
    struct p9_request what = {.bytes = request};
    struct p9_reply r = {.head = reply, .head_max = sizeof(reply)};
    uint32_t most;

    p9_finish(&ask_out, 0);
    what.private_length = what.length = ask_out.length;
    most = p9_reply_max(&kit_served, &what);
    r.room = (struct p9_pieces){.at = {ask_room, ask_room + 100}, .length = {100, most - 111}};
    CU_ASSERT_TRUE_FATAL(p9_answer(&kit_served, &what, &r));
    CU_ASSERT_TRUE_FATAL(r.head_length + r.data_length <= most);
    CU_ASSERT_TRUE_FATAL(p9_session_audit(&kit_served));
    ask_in = (struct p9_in){.at = reply, .left = r.head_length};
    (void)p9_get(&ask_in, 4);
    if (p9_get(&ask_in, 1) == P9_RLERROR) {
        (void)p9_get(&ask_in, 2);
        return (unsigned)p9_get(&ask_in, 4);
    }
    (void)p9_get(&ask_in, 2);
    return 0;
}

void ask_text(const char *text)
{
    p9_put_string(&ask_out, text, (uint32_t)strlen(text));
}

unsigned ask_attach(uint32_t fid, uint32_t uid)
{
    ask_begin(P9_TATTACH);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 4, P9_NOFID);
    ask_text("someone");
    ask_text("/etc"); /* what it would like has no effect */
    p9_put(&ask_out, 4, uid);
    return ask();
}

/* names: one, or NULL; with slashes several. How many were walked is in `in`. */
unsigned ask_walk(uint32_t fid, uint32_t new_fid, const char *names)
{
    unsigned count = names != NULL;

    for (const char *p = names; p != NULL && (p = strchr(p, '/')) != NULL; p++)
        count++;
    ask_begin(P9_TWALK);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 4, new_fid);
    p9_put(&ask_out, 2, count);
    while (count-- != 0) {
        uint32_t length = (uint32_t)strcspn(names, "/");

        p9_put_string(&ask_out, names, length);
        names += length + 1;
    }
    return ask();
}

/* One name, whatever is in it. */
unsigned ask_walk_raw(uint32_t fid, uint32_t new_fid, const char *name, uint32_t length)
{
    ask_begin(P9_TWALK);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 4, new_fid);
    p9_put(&ask_out, 2, 1);
    p9_put_string(&ask_out, name, length);
    return ask();
}

unsigned ask_one(unsigned type, uint32_t fid)
{
    ask_begin(type);
    p9_put(&ask_out, 4, fid);
    return ask();
}

unsigned ask_clunk(uint32_t fid)
{
    return ask_one(P9_TCLUNK, fid);
}

unsigned ask_open(uint32_t fid, uint32_t flags)
{
    ask_begin(P9_TLOPEN);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 4, flags);
    return ask();
}

unsigned ask_create(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
    ask_begin(P9_TLCREATE);
    p9_put(&ask_out, 4, fid);
    ask_text(name);
    p9_put(&ask_out, 4, flags);
    p9_put(&ask_out, 4, mode);
    p9_put(&ask_out, 4, 0);
    return ask();
}

/* How many bytes, or minus the error. */
int ask_read(uint32_t fid, uint64_t offset, uint32_t count)
{
    unsigned error;

    ask_begin(P9_TREAD);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 8, offset);
    p9_put(&ask_out, 4, count);
    error = ask();
    return error ? -(int)error : (int)p9_get(&ask_in, 4);
}

int ask_write(uint32_t fid, uint64_t offset, const void *bytes, uint32_t count)
{
    unsigned error;

    ask_begin(P9_TWRITE);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 8, offset);
    p9_put(&ask_out, 4, count);
    p9_put_bytes(&ask_out, bytes, count);
    error = ask();
    return error ? -(int)error : (int)p9_get(&ask_in, 4);
}

unsigned ask_make(unsigned type, uint32_t dir, const char *name, const char *target, uint32_t mode)
{
    ask_begin(type);
    p9_put(&ask_out, 4, dir);
    ask_text(name);
    if (type == P9_TSYMLINK)
        ask_text(target);
    else
        p9_put(&ask_out, 4, mode);
    if (type == P9_TMKNOD)
        p9_put(&ask_out, 8, 0x300000001);
    p9_put(&ask_out, 4, 0);
    return ask();
}

unsigned ask_link(uint32_t dir, uint32_t fid, const char *name)
{
    ask_begin(P9_TLINK);
    p9_put(&ask_out, 4, dir);
    p9_put(&ask_out, 4, fid);
    ask_text(name);
    return ask();
}

unsigned ask_rename(uint32_t dir, const char *name, uint32_t to, const char *to_name)
{
    ask_begin(P9_TRENAMEAT);
    p9_put(&ask_out, 4, dir);
    ask_text(name);
    p9_put(&ask_out, 4, to);
    ask_text(to_name);
    return ask();
}

unsigned ask_unlink(uint32_t dir, const char *name, uint32_t flags)
{
    ask_begin(P9_TUNLINKAT);
    p9_put(&ask_out, 4, dir);
    ask_text(name);
    p9_put(&ask_out, 4, flags);
    return ask();
}

unsigned ask_setattr(uint32_t fid, uint32_t valid, uint32_t mode, uint32_t uid, uint64_t size)
{
    ask_begin(P9_TSETATTR);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 4, valid);
    p9_put(&ask_out, 4, mode);
    p9_put(&ask_out, 4, uid);
    p9_put(&ask_out, 4, uid);
    p9_put(&ask_out, 8, size);
    p9_put(&ask_out, 8, 1000);
    p9_put(&ask_out, 8, 0x7fffffff); /* no nanoseconds: not one of the kernel's own numbers */
    p9_put(&ask_out, 8, 2000);
    p9_put(&ask_out, 8, 5);
    return ask();
}

unsigned ask_getattr(uint32_t fid, uint32_t *mode, uint32_t *uid, uint64_t *size)
{
    unsigned error;

    ask_begin(P9_TGETATTR);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 8, P9_GETATTR_ALL);
    error = ask();
    (void)p9_get(&ask_in, 8);
    (void)p9_get(&ask_in, 5);
    (void)p9_get(&ask_in, 8);
    *mode = (uint32_t)p9_get(&ask_in, 4);
    *uid = (uint32_t)p9_get(&ask_in, 4);
    (void)p9_get(&ask_in, 4);
    (void)p9_get(&ask_in, 8);
    (void)p9_get(&ask_in, 8);
    *size = p9_get(&ask_in, 8);
    return error;
}

unsigned ask_xattr_walk(uint32_t fid, uint32_t new_fid, const char *name)
{
    ask_begin(P9_TXATTRWALK);
    p9_put(&ask_out, 4, fid);
    p9_put(&ask_out, 4, new_fid);
    ask_text(name);
    return ask();
}

unsigned ask_xattr_create(uint32_t fid, const char *name, uint64_t size)
{
    ask_begin(P9_TXATTRCREATE);
    p9_put(&ask_out, 4, fid);
    ask_text(name);
    p9_put(&ask_out, 8, size);
    p9_put(&ask_out, 4, 0);
    return ask();
}

/* ---- the tree: top/secret and top/export, of which the latter is served ---- */

const char *kit_path(const char *name)
{
    static char text[2][200];
    static unsigned which;

    which ^= 1;
    snprintf(text[which], sizeof(text[which]), "%s/%s", top, name);
    return text[which];
}

void kit_put_file(const char *name, const char *content)
{
    FILE *file = fopen(kit_path(name), "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(content, file);
    fclose(file);
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(name);
}

void kit_begin_session(bool read_only)
{
    kit_served.fs = &host_tree_fs;
    kit_served.tree = &kit_tree;
    kit_served.guard = NULL;
    kit_served.fid = fids;
    kit_served.fid_max = KIT_FIDS;
    kit_served.msize_max = MSIZE;
    kit_served.read_only = read_only;
    p9_session_begin(&kit_served);
    ask_begin(P9_TVERSION);
    p9_put(&ask_out, 4, MSIZE);
    ask_text("9P2000.L");
    CU_ASSERT_EQUAL(ask(), 0);
    CU_ASSERT_EQUAL(ask_attach(1, 0), 0);
}

void kit_start(void)
{
    umask(0);
    strcpy(top, "/tmp/host_tree.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(top));
    snprintf(export, sizeof(export), "%s/export", top);
    mkdir(export, 0755);
    kit_put_file("secret", "secret");
    kit_put_file("export/file", "hello");
    mkdir(kit_path("export/dir"), 0755);
    kit_put_file("export/dir/inner", "inner");
    CU_ASSERT_EQUAL(symlink("../secret", kit_path("export/up")), 0);
    CU_ASSERT_EQUAL(symlink(top, kit_path("export/topdir")), 0);
    CU_ASSERT_EQUAL(symlink("dir", kit_path("export/near")), 0);
    kit_has_xattrs = setxattr(kit_path("export/file"), "user.a", "value", 5, 0) == 0;
    (void)!setxattr(kit_path("export/file"), "trusted.host", "value", 5, 0);
    kit_tree = (struct host_tree){.nodes_max = 1000};
    CU_ASSERT_EQUAL_FATAL(host_tree_begin(&kit_tree, export), 0);
    kit_begin_session(false);
}

unsigned kit_open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (dir && readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* All is given back, and nobody has been at what is not served. */
void kit_finish(void)
{
    char text[16] = "";
    FILE *file = fopen(kit_path("secret"), "r");
    struct stat st;

    p9_session_end(&kit_served);
    CU_ASSERT_EQUAL(kit_served.fid_count, 0);
    CU_ASSERT_EQUAL(kit_tree.nodes, 1);
    CU_ASSERT_EQUAL(kit_tree.xattr_bytes, 0);
    host_tree_end(&kit_tree);
    CU_ASSERT_EQUAL(kit_tree.nodes, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_TRUE(fgets(text, sizeof(text), file) && strcmp(text, "secret") == 0);
    CU_ASSERT_TRUE(fstat(fileno(file), &st) == 0 && st.st_nlink == 1);
    fclose(file);
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
