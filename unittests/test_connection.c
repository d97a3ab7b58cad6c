/* SPDX-License-Identifier: MIT
 *
 * lagan-9pd's rings and threads, with stand-ins for Linux's devices (fake_xendev.c) and a front end that
 * behaves, several that work side by side, and some that do not behave.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/lagan-9pd/connection.h"
#include "unittests/fake_xendev.h"
#include "unittests/suite.h"

#define RINGS 2U
#define ORDER 3U
#define BYTES (4096U << ORDER)

/* Where races are looked for, copies of bytes that change would be found. */
#ifdef __SANITIZE_THREAD__
#define DATA_CHANGES false
#else
#define DATA_CHANGES true
#endif

struct front_ring {
    struct xendev dev;
    struct pfs_ring ring;
    void *page, *data;
    uint64_t page_handle, data_handle;
    int port;
    uint8_t message[BYTES], reply[BYTES];
    struct p9_out out;
    struct p9_in in;
};

static struct front_ring rings[RINGS];
static struct front front;
static struct host_tree tree;
static struct connection *connection;
static _Atomic unsigned broken_calls;
static char top[64];

/* ---- a front end ---- */

static void offer(struct front_ring *r, unsigned i)
{
    uint32_t refs[1U << ORDER], ref;

    CU_ASSERT_EQUAL_FATAL(xendev_open(&r->dev), 0);
    CU_ASSERT_EQUAL_FATAL(xendev_share(&r->dev, 0, 1, &ref, &r->page, &r->page_handle), 0);
    CU_ASSERT_EQUAL_FATAL(xendev_share(&r->dev, 0, 1U << ORDER, refs, &r->data, &r->data_handle),
                          0);
    pfs_offer(&r->ring, r->page, ORDER, refs, r->data);
    r->port = xendev_offer_port(&r->dev, 0);
    CU_ASSERT_TRUE_FATAL(r->port > 0);
    front.ring[i].ref = ref;
    front.ring[i].port = (uint32_t)r->port;
}

static void note_broken(void *arg)
{
    (void)arg;
    atomic_fetch_add(&broken_calls, 1);
}

static const struct connection_options options = {.broken = note_broken, .spin_us = 5};

static void start(void)
{
    char name[80];
    FILE *file;

    umask(0);
    fake_begin();
    atomic_store(&broken_calls, 0);
    strcpy(top, "/tmp/connection.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(top));
    snprintf(name, sizeof(name), "%s/file", top);
    file = fopen(name, "w");
    for (unsigned i = 0; i < 20000; i++)
        fputc((int)(i * 7 + i / 256) & 255, file);
    fclose(file);
    front = (struct front){.domid = 1, .rings = RINGS};
    for (unsigned i = 0; i < RINGS; i++)
        offer(&rings[i], i);
    tree = (struct host_tree){.nodes_max = 1000};
    CU_ASSERT_EQUAL_FATAL(host_tree_begin(&tree, top), 0);
    connection = connection_open(&front, &tree, &options);
}

static void finish(void)
{
    char name[80];

    if (connection != NULL)
        connection_close(connection);
    connection = NULL;
    CU_ASSERT_EQUAL(tree.nodes, 1);
    host_tree_end(&tree);
    for (unsigned i = 0; i < RINGS; i++) {
        xendev_unmap(&rings[i].dev, true, rings[i].data_handle, rings[i].data, 1U << ORDER);
        xendev_unmap(&rings[i].dev, true, rings[i].page_handle, rings[i].page, 1);
        xendev_close(&rings[i].dev);
    }
    CU_ASSERT_EQUAL(fake.mapped, 0);
    CU_ASSERT_EQUAL(fake.open, 0);
    snprintf(name, sizeof(name), "%s/file", top);
    unlink(name);
    snprintf(name, sizeof(name), "%s/new", top);
    unlink(name);
    rmdir(top);
}

static void begin(struct front_ring *r, unsigned type, unsigned tag)
{
    r->out = (struct p9_out){.start = r->message, .max = sizeof(r->message)};
    p9_begin(&r->out, type, tag);
}

static void send_it(struct front_ring *r)
{
    p9_finish(&r->out, 0);
    while (pfs_send(&r->ring, r->message, r->out.length, NULL, 0) == 0)
        (void)xendev_wait(&r->dev, 1000);
    (void)xendev_send(&r->dev, (uint32_t)r->port);
}

/* The next reply's type; its tag and fields are in `in`. 0: nothing came. */
static unsigned receive(struct front_ring *r, unsigned *tag)
{
    int64_t length = 0;

    /* Events of before may still be there, so that a wait need not be one. */
    for (time_t end = time(NULL) + 60; length == 0 && time(NULL) < end;) {
        length = pfs_receive(&r->ring, r->reply, sizeof(r->reply));
        if (length == 0)
            (void)xendev_wait(&r->dev, 1000);
    }
    if (length <= 0)
        return 0;
    (void)xendev_send(&r->dev, (uint32_t)r->port);
    r->in = (struct p9_in){.at = r->reply, .left = (uint32_t)length};
    (void)p9_get(&r->in, 5);
    *tag = (unsigned)p9_get(&r->in, 2);
    return r->reply[4];
}

/* Its error, or 0. */
static unsigned call(struct front_ring *r)
{
    unsigned type = r->message[4], tag = ~0U, got;

    send_it(r);
    got = receive(r, &tag);
    CU_ASSERT_TRUE_FATAL(got == type + 1 || got == P9_RLERROR);
    CU_ASSERT_EQUAL(tag, (unsigned)r->message[5] | (unsigned)r->message[6] << 8);
    return got == P9_RLERROR ? (unsigned)p9_get(&r->in, 4) : 0;
}

static unsigned version(struct front_ring *r, uint32_t msize)
{
    begin(r, P9_TVERSION, P9_NOTAG);
    p9_put(&r->out, 4, msize);
    p9_put_string(&r->out, "9P2000.L", 8);
    return call(r);
}

static unsigned attach(struct front_ring *r, uint32_t fid)
{
    begin(r, P9_TATTACH, 1);
    p9_put(&r->out, 4, fid);
    p9_put(&r->out, 4, P9_NOFID);
    p9_put_string(&r->out, "", 0);
    p9_put_string(&r->out, "", 0);
    p9_put(&r->out, 4, 0);
    return call(r);
}

static unsigned walk(struct front_ring *r, uint32_t fid, uint32_t new_fid, const char *name)
{
    begin(r, P9_TWALK, 2);
    p9_put(&r->out, 4, fid);
    p9_put(&r->out, 4, new_fid);
    p9_put(&r->out, 2, name != NULL);
    if (name != NULL)
        p9_put_string(&r->out, name, (uint32_t)strlen(name));
    return call(r);
}

static unsigned of_fid(struct front_ring *r, unsigned type, uint32_t fid, unsigned flags)
{
    begin(r, type, 3);
    p9_put(&r->out, 4, fid);
    if (type == P9_TLOPEN)
        p9_put(&r->out, 4, flags);
    return call(r);
}

/* Whole files by pieces that go around the ring's corner at any place. */
static void read_file(struct front_ring *r, uint32_t fid, uint32_t piece)
{
    uint32_t at = 0, count;

    do {
        begin(r, P9_TREAD, 4);
        p9_put(&r->out, 4, fid);
        p9_put(&r->out, 8, at);
        p9_put(&r->out, 4, piece);
        CU_ASSERT_EQUAL_FATAL(call(r), 0);
        count = (uint32_t)p9_get(&r->in, 4);
        CU_ASSERT_EQUAL_FATAL(count, r->in.left);
        for (uint32_t i = 0; i < count; i++, at++)
            CU_ASSERT_EQUAL_FATAL(r->in.at[i], (uint8_t)(at * 7 + at / 256));
    } while (count != 0);
    CU_ASSERT_EQUAL(at, 20000);
}

static void write_file(struct front_ring *r, uint32_t fid, uint32_t piece)
{
    for (uint32_t at = 0, count; at < 20000; at += count) {
        uint8_t bytes[8192];

        count = 20000 - at < piece ? 20000 - at : piece;
        for (uint32_t i = 0; i < count; i++)
            bytes[i] = (uint8_t)((at + i) * 7 + (at + i) / 256);
        begin(r, P9_TWRITE, 4);
        p9_put(&r->out, 4, fid);
        p9_put(&r->out, 8, at);
        p9_put(&r->out, 4, count);
        p9_put_bytes(&r->out, bytes, count);
        CU_ASSERT_EQUAL_FATAL(call(r), 0);
        CU_ASSERT_EQUAL(p9_get(&r->in, 4), count);
    }
}

/* Answers that nobody reads stay as they are until somebody does. */
static void read_late(struct front_ring *r, uint32_t fid)
{
    unsigned tag;

    for (unsigned i = 0; i < 12; i++) {
        begin(r, P9_TREAD, i);
        p9_put(&r->out, 4, fid);
        p9_put(&r->out, 8, 1000 * i);
        p9_put(&r->out, 4, 7000);
        send_it(r);
    }
    usleep(20000);
    for (unsigned i = 0; i < 12; i++) {
        CU_ASSERT_EQUAL_FATAL(receive(r, &tag), P9_TREAD + 1);
        CU_ASSERT_EQUAL_FATAL(tag, i);
        CU_ASSERT_EQUAL(p9_get(&r->in, 4), 7000);
        for (uint32_t at = 0; at < 7000; at++)
            CU_ASSERT_EQUAL_FATAL(r->in.at[at],
                                  (uint8_t)((at + 1000 * i) * 7 + (at + 1000 * i) / 256));
    }
}

/* ---- tests ---- */

static void test_serve(void)
{
    struct front_ring *r = &rings[0];

    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    CU_ASSERT_EQUAL(attach(r, 1), P9_EPROTO);
    CU_ASSERT_EQUAL(version(r, 1U << 20), 0);
    CU_ASSERT_EQUAL(p9_get(&r->in, 4), pfs_message_max(ORDER));
    CU_ASSERT_EQUAL(attach(r, 1), 0);
    CU_ASSERT_EQUAL(walk(&rings[1], 1, 2, "file"), 0); /* either ring will do */
    CU_ASSERT_EQUAL(of_fid(r, P9_TLOPEN, 2, 0), 0);
    read_file(r, 2, 100000);
    for (uint32_t piece = 1; piece < 10000; piece = piece * 3 + 1)
        read_file(&rings[piece % 2], 2, piece + 500);
    read_late(r, 2);
    CU_ASSERT_EQUAL(walk(r, 1, 3, NULL), 0);
    begin(r, P9_TLCREATE, 9);
    p9_put(&r->out, 4, 3);
    p9_put_string(&r->out, "new", 3);
    p9_put(&r->out, 8, 2 | 0600ULL << 32);
    p9_put(&r->out, 4, 0);
    CU_ASSERT_EQUAL(call(r), 0);
    for (uint32_t piece = 333; piece < 8192; piece += 1777) {
        write_file(&rings[piece % 2], 3, piece);
        read_file(r, 3, 4321);
    }
    CU_ASSERT_EQUAL(atomic_load(&broken_calls), 0);
    finish();
}

static void *hammer(void *arg)
{
    struct front_ring *r = arg;
    uint32_t base = r == rings ? 100 : 200;

    for (unsigned i = 0; i < 60; i++) {
        CU_ASSERT_EQUAL(walk(r, 1, base, "file"), 0);
        CU_ASSERT_EQUAL(of_fid(r, P9_TLOPEN, base, 0), 0);
        read_file(r, base, 3000 + i * 31);
        read_file(r, 2, 2000 + i * 31); /* a fid of both */
        CU_ASSERT_EQUAL(of_fid(r, P9_TCLUNK, base, 0), 0);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t other;

    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    CU_ASSERT_EQUAL(version(rings, 8192), 0);
    CU_ASSERT_EQUAL(attach(rings, 1), 0);
    CU_ASSERT_EQUAL(walk(rings, 1, 2, "file"), 0);
    CU_ASSERT_EQUAL(of_fid(rings, P9_TLOPEN, 2, 0), 0);
    pthread_create(&other, NULL, hammer, &rings[1]);
    hammer(&rings[0]);
    pthread_join(other, NULL);
    CU_ASSERT_EQUAL(connection->session.fid_count, 2);
    finish();
}

/* Many requests at once on one ring, and each has its answer; a Tflush comes behind those before it,
 * on both rings. */
static void test_flush(void)
{
    unsigned tag;

    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    CU_ASSERT_EQUAL(version(rings, 8192), 0);
    CU_ASSERT_EQUAL(attach(rings, 1), 0);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 50; i++) {
            begin(&rings[0], P9_TGETATTR, i);
            p9_put(&rings[0].out, 4, 1);
            p9_put(&rings[0].out, 8, 0x7ff);
            send_it(&rings[0]);
        }
        for (unsigned i = 0; i < 3; i++) {
            begin(&rings[1], P9_TFLUSH, 60 + i);
            p9_put(&rings[1].out, 2, i);
            send_it(&rings[1]);
        }
        usleep(round * 100);
        /* None is flushed while the answers have not been read. */
        CU_ASSERT_EQUAL(pfs_receive(&rings[1].ring, rings[1].reply, BYTES), 0);
        for (unsigned i = 0; i < 50; i++) {
            CU_ASSERT_EQUAL(receive(&rings[0], &tag), P9_TGETATTR + 1);
            CU_ASSERT_EQUAL(tag, i);
        }
        for (unsigned i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(receive(&rings[1], &tag), P9_TFLUSH + 1);
            CU_ASSERT_TRUE(tag >= 60 && tag < 63);
        }
    }
    finish();
}

/* Threads that are another user: they can do what that one can, and the rest of the program is who it was. */
static void test_as_user(void)
{
    struct connection_options as_user = {.as_user = true};
    struct front_ring *r = &rings[0];
    char name[80];
    struct stat st;

    if (geteuid() != 0)
        return;
    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    connection_close(connection);
    CU_ASSERT_EQUAL(chmod(top, 0777), 0);
    tree.squash = true;
    tree.uid = tree.gid = 65534;
    connection = connection_open(&front, &tree, &as_user);
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    CU_ASSERT_EQUAL(version(r, 8192), 0);
    CU_ASSERT_EQUAL(attach(r, 1), 0);
    CU_ASSERT_EQUAL(walk(r, 1, 2, "file"), 0);
    CU_ASSERT_EQUAL(of_fid(r, P9_TLOPEN, 2, 0), 0);
    read_file(r, 2, 8000);
    snprintf(name, sizeof(name), "%s/file", top);
    CU_ASSERT_EQUAL(chmod(name, 0600), 0);
    CU_ASSERT_EQUAL(walk(r, 1, 3, "file"), 0);
    CU_ASSERT_EQUAL(of_fid(r, P9_TLOPEN, 3, 0), EACCES);
    CU_ASSERT_EQUAL(walk(r, 1, 4, NULL), 0);
    begin(r, P9_TLCREATE, 9);
    p9_put(&r->out, 4, 4);
    p9_put_string(&r->out, "new", 3);
    p9_put(&r->out, 8, 2 | 0600ULL << 32);
    p9_put(&r->out, 4, 0);
    CU_ASSERT_EQUAL(call(r), 0);
    write_file(r, 4, 5000);
    snprintf(name, sizeof(name), "%s/new", top);
    CU_ASSERT_EQUAL(stat(name, &st), 0);
    CU_ASSERT_EQUAL(st.st_uid, 65534);
    CU_ASSERT_EQUAL(walk(r, 1, 5, "new"), 0);
    CU_ASSERT_EQUAL(of_fid(r, P9_TLOPEN, 5, 1 | P9_OPEN_TRUNC), 0);
    CU_ASSERT_EQUAL(geteuid(), 0);
    finish();
}

/* Once it refuses, everybody hears so; who has been mapped again, too, until a new session begins. */
static void test_again(void)
{
    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    CU_ASSERT_EQUAL(version(rings, 8192), 0);
    CU_ASSERT_EQUAL(attach(rings, 1), 0);
    connection_refuse(connection);
    CU_ASSERT_EQUAL(walk(rings, 1, 2, "file"), EIO);
    CU_ASSERT_EQUAL(version(rings, 8192), EIO);
    connection_close(connection);
    connection = connection_open(&front, &tree, &options);
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    CU_ASSERT_EQUAL(walk(rings, 1, 2, "file"), P9_EPROTO);
    CU_ASSERT_EQUAL(version(rings, 8192), 0);
    CU_ASSERT_EQUAL(attach(rings, 1), 0);
    CU_ASSERT_EQUAL(walk(rings, 1, 2, "file"), 0);
    finish();
}

static void wait_for_broken(void)
{
    for (unsigned i = 0; i < 2000 && atomic_load(&broken_calls) == 0; i++)
        usleep(5000);
    CU_ASSERT_EQUAL(atomic_load(&broken_calls), 1);
}

static void test_hostile(void)
{
    static const uint8_t no_message[] = {3, 0, 0, 0, P9_TCLUNK, 1, 0},
                         too_long[] = {0xff, 0xff, 0xff, 0x7f, P9_TWRITE, 1, 0};

    for (unsigned kind = 0; kind < 4; kind++) {
        struct front_ring *r = &rings[kind % 2];

        start();
        CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
        CU_ASSERT_EQUAL(version(r, 8192), 0);
        switch (kind) {
        case 0:
            CU_ASSERT_EQUAL(pfs_send(&r->ring, no_message, 7, NULL, 0), 1);
            break;
        case 1:
            CU_ASSERT_EQUAL(pfs_send(&r->ring, too_long, 7, NULL, 0), 1);
            break;
        case 2: /* more than fits */
            shared_store(&r->ring.out.shared->prod, r->ring.out.own + BYTES);
            break;
        default: /* read what was never written, and ask */
            shared_store(&r->ring.in.shared->cons, r->ring.in.own + 5);
            begin(r, P9_TSTATFS, 1);
            p9_put(&r->out, 4, 1);
            p9_finish(&r->out, 0);
            CU_ASSERT_EQUAL(pfs_send(&r->ring, r->message, r->out.length, NULL, 0), 1);
            break;
        }
        (void)xendev_send(&r->dev, (uint32_t)r->port);
        wait_for_broken();
        /* The other ring is served until somebody closes all. */
        CU_ASSERT_EQUAL(version(&rings[(kind + 1) % 2], 8192), 0);
        finish();
    }
}

static _Atomic bool scribble;

static void *scribbler(void *arg)
{
    struct front_ring *r = arg;
    uint8_t *page = r->page, *data = r->data;
    unsigned seed = 1;

    while (atomic_load(&scribble)) {
        seed = seed * 1103515245 + 12345;
        if (seed % 64 == 0)
            __atomic_store_n(&page[seed / 64 % 160], (uint8_t)(seed >> 24), __ATOMIC_RELAXED);
        else if (DATA_CHANGES)
            __atomic_store_n(&data[seed / 64 % BYTES], (uint8_t)(seed >> 24), __ATOMIC_RELAXED);
    }
    return NULL;
}

/* Somebody rewrites all shared pages while requests are answered: the connection may break, no more. */
static void test_scribbler(void)
{
    for (unsigned round = 0; round < 5; round++) {
        pthread_t thread;

        start();
        CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
        CU_ASSERT_EQUAL(version(rings, 8192), 0);
        atomic_store(&scribble, true);
        pthread_create(&thread, NULL, scribbler, &rings[0]);
        for (unsigned i = 0; i < 2000; i++) {
            begin(&rings[0], i % 3 ? P9_TWRITE : P9_TREAD, i);
            p9_put(&rings[0].out, 4, i % 5);
            p9_put(&rings[0].out, 8, i);
            p9_put(&rings[0].out, 4, i % 3 ? 50 : 5000);
            if (i % 3)
                p9_put_bytes(&rings[0].out, top, 50);
            p9_finish(&rings[0].out, 0);
            (void)pfs_send(&rings[0].ring, rings[0].message, rings[0].out.length, NULL, 0);
            (void)xendev_send(&rings[0].dev, (uint32_t)rings[0].port);
            (void)pfs_receive(&rings[0].ring, rings[0].reply, BYTES);
        }
        atomic_store(&scribble, false);
        pthread_join(thread, NULL);
        finish();
    }
}

/* Each call of the kernel fails once: refused, and nothing stays. */
static void test_failures(void)
{
    bool opened = false;

    for (uint32_t n = 0; !opened; n++) {
        uint32_t mapped, open;

        start();
        CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
        connection_close(connection);
        mapped = fake.mapped;
        open = fake.open;
        fake.fail_at = fake.calls + n;
        connection = connection_open(&front, &tree, &options);
        fake.fail_at = ~0U;
        opened = connection != NULL;
        if (!opened) {
            CU_ASSERT_EQUAL(fake.mapped, mapped);
            CU_ASSERT_EQUAL(fake.open, open);
        } else {
            CU_ASSERT_TRUE(n >= 4 * RINGS);
        }
        finish();
    }
    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(connection);
    connection_close(connection);
    ((uint8_t *)rings[0].page)[128] = 10; /* the order */
    connection = connection_open(&front, &tree, &options);
    CU_ASSERT_PTR_NULL(connection);
    finish();
}

static const struct test_case cases[] = {
    {"files by rings", test_serve},
    {"two rings at a time", test_threads},
    {"flush", test_flush},
    {"as another user", test_as_user},
    {"refused, and mapped again", test_again},
    {"front ends that lie", test_hostile},
    {"pages that change", test_scribbler},
    {"calls that fail", test_failures},
    {NULL, NULL},
};

const struct suite suite_connection = {.name = "connection", .cases = cases};
