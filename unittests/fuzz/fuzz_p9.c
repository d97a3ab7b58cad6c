/* SPDX-License-Identifier: MIT
 *
 * The file servers' way in: a 9pfs ring whose front end writes the input into it, as messages that
 * are almost right or as bytes, and moves the indices as it likes; behind it the server's engine
 * with a small tree, which is an archive, or a directory of this machine that somebody rearranges
 * meanwhile. What is beside that directory stays as it is. And the input itself as a cpio archive.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fileserver/p9_archive.h"
#include "tools/lagan-9pd/tree.h"
#include "transport/pfs.h"
#include "unittests/cpio_kit.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ORDER 3U

static _Alignas(4096) uint8_t page[4096];
static uint8_t *pages;
static struct pfs_ring front, back;
static struct archive archive;
static struct node node[32], odd[32];
static struct tree tree;
static struct p9_session session;
static struct p9_fid fids[512];

static void serve(void)
{
    static uint8_t request[16384], head[16384];
    struct p9_request what = {.bytes = request};
    static uint8_t room[16384];
    struct p9_reply reply = {.head = head, .head_max = sizeof(head)};
    int64_t length;

    while ((length = pfs_receive(&back, request, session.msize)) > 0) {
        what.private_length = what.length = (uint32_t)length;
        reply.room = (struct p9_pieces){.at = {room, room + 8},
                                        .length = {8, p9_reply_max(&session, &what) - 19}};
        if (!p9_answer(&session, &what, &reply))
            abort(); /* the ring has checked the length */
        if (!p9_session_audit(&session) || reply.head_length + reply.data_length > session.msize)
            abort();
        if (reply.head_length + reply.data_length > p9_reply_max(&session, &what) &&
            request[4] != P9_TVERSION)
            abort();
        if (pfs_send(&back, head, reply.head_length, reply.data ? reply.data : room,
                     reply.data_length) != 1)
            return;
    }
}

/* A message with fields that are mostly small numbers and short names. */
static void send_message(struct input *in)
{
    static const uint8_t types[] = {100, 104, 110, 12,  116, 40, 24,  120, 8,  22, 108,
                                    118, 50,  30,  122, 7,   14, 16,  18,  20, 26, 32,
                                    52,  54,  70,  72,  74,  76, 110, 104, 14, 110};
    uint8_t message[256];
    struct p9_out out = {.start = message, .max = sizeof(message)};
    unsigned what = byte(in), fields = byte(in) % 8;

    p9_begin(&out, types[what % 32], byte(in));
    for (unsigned i = 0; i < fields; i++) {
        unsigned kind = byte(in), value = byte(in);

        if (kind % 8 == 7)
            p9_put_string(&out, (const char *)"9P2000.Ldir.." + value % 6, kind / 8 % 9);
        else
            p9_put(&out, 1U << kind % 4, kind & 0x80 ? (uint64_t)value << kind % 60 : value % 8);
    }
    p9_finish(&out, 0);
    (void)pfs_send(&front, message, out.length, NULL, 0);
}

/* ---- a directory of this machine ---- */

static char top[] = "/tmp/fuzz_p9.XXXXXX";
static struct host_tree host;

static const char *at(const char *name)
{
    static char text[2][64];
    static unsigned which;

    which ^= 1;
    snprintf(text[which], sizeof(text[which]), "%s/%s", top, name);
    return text[which];
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    return ftw->level == 0 ? 0 : remove(name);
}

static void put_file(const char *name)
{
    FILE *file = fopen(at(name), "w");

    if (file) {
        fputs("secret", file);
        fclose(file);
    }
}

static void remove_top(void)
{
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    rmdir(top);
}

static void host_begin(void)
{
    static bool made;

    if (!made && (!mkdtemp(top) || atexit(remove_top)))
        abort();
    made = true;
    umask(0);
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    put_file("secret");
    if (mkdir(at("export"), 0777) || mkdir(at("export/dir"), 0777) ||
        symlink("../..", at("export/L")) || symlink("../secret", at("export/d")))
        abort();
    put_file("export/9");
    put_file("export/dir/9");
    host = (struct host_tree){.nodes_max = 64};
    if (host_tree_begin(&host, at("export")))
        abort();
}

/* Somebody else in the same directory. */
static void rearrange(unsigned how)
{
    switch (how % 6) {
    case 0:
        (void)!rename(at("export/dir"), at("away"));
        break;
    case 1:
        (void)!rename(at("away"), at("export/dir"));
        break;
    case 2:
        (void)!unlink(at("export/9"));
        (void)!symlink("../secret", at("export/9"));
        break;
    case 3:
        (void)!unlink(at("export/9"));
        put_file("export/dir/9");
        break;
    case 4:
        (void)!rename(at("export/dir"), at("away"));
        (void)!symlink("..", at("export/dir"));
        break;
    default:
        (void)!mkfifo(at("export/9P"), 0666);
        break;
    }
}

/* All is given back, and what is not served is as it was. */
static void host_end(void)
{
    struct stat st, dir;
    char text[8] = "";
    int fd = open(at("secret"), O_RDONLY);

    p9_session_end(&session);
    if (host.nodes != 1 || host.xattr_bytes || session.fid_count)
        abort();
    host_tree_end(&host);
    if (fd < 0 || fstat(fd, &st) || st.st_nlink != 1 || st.st_uid != geteuid() ||
        (st.st_mode & 07777) != 0666 || read(fd, text, 7) != 6 || strcmp(text, "secret") ||
        stat(top, &dir) || dir.st_nlink > 4)
        abort();
    close(fd);
}

static void step(struct input *in)
{
    static uint8_t got[16384];
    unsigned what = byte(in);

    if (what < 180) {
        send_message(in);
    } else if (what < 200) {
        uint8_t bytes[8];

        for (unsigned i = 0; i < 8; i++)
            bytes[i] = (uint8_t)byte(in);
        ring_put(&front.out, 0, bytes, 8);
        ring_wrote(&front.out, 8);
    } else if (what < 204) {
        page[byte(in) % 80] = (uint8_t)byte(in);
    } else if (session.fs == &host_tree_fs) {
        rearrange(what);
    }
    serve();
    while (pfs_receive(&front, got, sizeof(got)) > 0)
        ;
}

static void begin(bool on_host)
{
    static const uint32_t refs[PFS_REFS_MAX];
    static uint8_t data[9000];

    pages = malloc(4096 << ORDER);
    archive.size = 0;
    archive_add(&archive, "dir/a", CPIO_MODE_FILE | 0644, data, sizeof(data));
    archive_add(&archive, "dir/9", CPIO_MODE_FILE | 0644, "x", 1);
    archive_add(&archive, "l", CPIO_MODE_LINK | 0777, "dir/a", 5);
    archive_end(&archive);
    if (tree_read(&tree, node, 32, archive.bytes, archive.size))
        abort();
    p9_archive_session(&session, &tree, fids, 512, pfs_message_max(ORDER));
    if (on_host) {
        host_begin();
        session.fs = &host_tree_fs;
        session.tree = &host;
        session.read_only = false;
    }
    memset(pages, 0, 4096 << ORDER);
    pfs_offer(&front, page, ORDER, refs, pages);
    pfs_accept(&back, page, ORDER, pages);
}

static void read_archive(const uint8_t *data, size_t size)
{
    struct tree other;

    if (tree_read(&other, odd, 32, data, size) == 0)
        for (uint32_t i = 1; i < other.count; i++)
            if (odd[i].size > size || !node_is_dir(odd[i].parent) ||
                !tree_child(odd[i].parent, odd[i].name, odd[i].name_length))
                abort(); /* INV-TREE-1, INV-TREE-2 */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    bool on_host;

    read_archive(data, size);
    on_host = byte(&in) % 2;
    begin(on_host);
    while (in.left)
        step(&in);
    if (on_host)
        host_end();
    free(pages);
    return 0;
}
