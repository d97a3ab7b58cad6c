/* SPDX-License-Identifier: MIT
 *
 * What lagan-publish serves: descriptions, images and hash trees, and the commands that write the descriptions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_host.h"
#include "suite.h"
#include "tools/laganctl/command.h"
#include "tools/publish/serve.h"

enum { BLOCK = 4096 };

static char dir[] = "/tmp/publish-XXXXXX";
static char image[64], tree[64], text[4096];

/* A file of so many bytes; each block says its number. */
static void make_file(const char *path, size_t bytes)
{
    uint64_t block[BLOCK / 8];
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    for (uint64_t n = 0; bytes > 0; n++) {
        size_t part = bytes < BLOCK ? bytes : BLOCK;

        for (unsigned i = 0; i < BLOCK / 8; i++)
            block[i] = n + 1;
        CU_ASSERT_EQUAL(fwrite(block, 1, part, f), part);
        bytes -= part;
    }
    fclose(f);
}

/* A head as of veritysetup's, for so many blocks, before blocks that say their number. */
static void make_tree(uint64_t blocks, uint8_t algorithm, size_t hashes)
{
    uint8_t head[512] = "verity";
    int fd;

    make_file(tree, (1 + hashes) * BLOCK);
    head[8] = head[12] = 1;
    memcpy(head + 32, "sha256", 6);
    head[32] = algorithm;
    head[65] = head[69] = BLOCK >> 8;
    memcpy(head + 72, &blocks, 8);
    head[80] = 3;
    memcpy(head + 88, "\x01\x02\x03", 3);
    fd = open(tree, O_WRONLY);
    CU_ASSERT_EQUAL(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    close(fd);
}

static void start(void)
{
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(image, sizeof(image), "%s/image.erofs", dir);
    snprintf(tree, sizeof(tree), "%s/image.tree", dir);
    setenv("LAGAN_VOLUMES", dir, 1);
    memset(&fake_host, 0, sizeof(fake_host));
}

static void end(void)
{
    char path[128];

    unlink(image);
    unlink(tree);
    snprintf(path, sizeof(path), "%s/vol", dir);
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
    unsetenv("LAGAN_VOLUMES");
}

static void names(void)
{
    uint8_t id[16];

    CU_ASSERT_EQUAL(source_id("image", id), 0);
    CU_ASSERT_EQUAL(memcmp(id, "image\0\0\0\0\0\0\0\0\0\0", 16), 0);
    CU_ASSERT_EQUAL(source_id("a.b-c_D9xxxxxxxx", id), 0);
    CU_ASSERT_EQUAL(source_id("a.b-c_D9xxxxxxxxx", id), -EINVAL);
    CU_ASSERT_EQUAL(source_id("", id), -EINVAL);
    CU_ASSERT_EQUAL(source_id("..", id), -EINVAL);
    CU_ASSERT_EQUAL(source_id("a/b", id), -EINVAL);
    CU_ASSERT_EQUAL(source_id("a\xc3", id), -EINVAL);
}

static void descriptions(void)
{
    static const char *const bad[] = {"",
                                      "image=/x\n",
                                      "blocks=3\n",
                                      "image=/x\nblocks=0\n",
                                      "image=/x\nblocks=-1\n",
                                      "image=/x\nblocks=3x\n",
                                      "image=x\nblocks=3\n",
                                      "image=/x\nblocks=3\nwhat\n",
                                      "image=/x\nblocks=3\nroot=00\n",
                                      "image=/x\nblocks=3\nsalt=0g\n",
                                      "image=/x\nblocks=3\nother=1\n"};
    struct source s, again;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(source_parse(bad[i], &s), -EINVAL);
    CU_ASSERT_EQUAL(source_parse("image=/a=b\nblocks=3", &s), 0);
    CU_ASSERT_STRING_EQUAL(s.image, "/a=b");
    strcpy(s.tree, "/tree");
    s.root[31] = 0xab;
    s.salt_bytes = 2;
    s.salt[1] = 7;
    CU_ASSERT_EQUAL(source_print(&s, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(source_parse(text, &again), 0);
    CU_ASSERT_EQUAL(memcmp(&s, &again, sizeof(s)), 0);
    CU_ASSERT_EQUAL(source_print(&s, text, 50), -ENOSPC);
}

static void images(void)
{
    static uint64_t page[3][BLOCK / 8] __attribute__((aligned(4096)));
    struct source s = {.image_fd = -1, .tree_fd = -1};

    start();
    strcpy(s.image, image);
    CU_ASSERT_EQUAL(source_describe(&s), -ENOENT);
    make_file(image, 0);
    CU_ASSERT_EQUAL(source_describe(&s), -EINVAL);
    make_file(image, 4 * BLOCK + 100);
    CU_ASSERT_EQUAL(source_describe(&s), 0);
    CU_ASSERT_EQUAL(s.blocks, 5);
    CU_ASSERT_EQUAL(source_open(&s), 0);
    CU_ASSERT_EQUAL(source_read(&s, 1, 3, page), 0);
    CU_ASSERT(page[0][0] == 2 && page[2][511] == 4);
    memset(page, 0xee, sizeof(page));
    CU_ASSERT_EQUAL(source_read(&s, 3, 2, page), 0); /* with the end, behind which there is 0 */
    CU_ASSERT(page[0][0] == 4 && page[1][11] == 5 && page[1][13] == 0 && page[1][511] == 0);
    CU_ASSERT_EQUAL(source_read(&s, 4, 2, page), -EINVAL);
    CU_ASSERT_EQUAL(truncate(image, 2 * BLOCK), 0);
    CU_ASSERT_EQUAL(source_read(&s, 1, 3, page), -EIO);
    CU_ASSERT_EQUAL(source_read(&s, 4, 1, page), -EIO);
    source_close(&s);
    end();
}

static void trees(void)
{
    struct source s = {.image_fd = -1, .tree_fd = -1};
    struct lagan_ubc_create create;
    uint64_t page[BLOCK / 8];
    uint8_t id[16];

    CU_ASSERT(source_levels(1) == 0 && source_levels(2) == 1 && source_levels(128) == 1 &&
              source_levels(129) == 2 && source_levels(16385) == 3);
    start();
    strcpy(s.image, image);
    strcpy(s.tree, tree);
    make_file(image, 300 * BLOCK);
    make_tree(299, 's', 4);
    CU_ASSERT_EQUAL(source_describe(&s), -EINVAL);
    make_tree(300, 'x', 4);
    CU_ASSERT_EQUAL(source_describe(&s), -EINVAL);
    make_tree(300, 's', 4);
    CU_ASSERT_EQUAL(source_describe(&s), 0);
    CU_ASSERT(s.salt_bytes == 3 && s.salt[2] == 3);
    CU_ASSERT_EQUAL(source_open(&s), 0);
    CU_ASSERT_EQUAL(source_read_tree(&s, 1, 0, page), 0); /* the top comes first */
    CU_ASSERT_EQUAL(page[0], 2);
    CU_ASSERT_EQUAL(source_read_tree(&s, 0, 2, page), 0);
    CU_ASSERT_EQUAL(page[0], 5);
    CU_ASSERT_EQUAL(source_read_tree(&s, 0, 3, page), -EINVAL);
    CU_ASSERT_EQUAL(source_read_tree(&s, 1, 1, page), -EINVAL);
    source_close(&s);
    (void)source_id("vol", id);
    source_create(&s, id, &create);
    CU_ASSERT_EQUAL(create.flags, LAGAN_UBC_SLOTS | LAGAN_UBC_TREE);
    CU_ASSERT(create.blocks == 300 && create.salt_bytes == 3 && create.salt[0] == 1);
    end();
}

/* ---- serving: a volume as the hypervisor keeps it ---- */

enum { BLOCKS = 100, WANT_NONE = 0, WANT_NEW, WANT_GIVEN, WANT_REFUSED };

static struct {
    int want[BLOCKS];
    bool there[BLOCKS];
    unsigned wanted_back; /* blocks up to this one */
    int error;            /* of each insert */
    unsigned turns, inserts;
    bool gone;
} cache;

static int next_want(struct lagan_ubc_want *io)
{
    for (unsigned b = 0; b < BLOCKS && (io->flags & LAGAN_UBC_AGAIN); b++)
        if (cache.want[b] == WANT_GIVEN)
            cache.want[b] = WANT_NEW;
    for (unsigned b = 0; b < BLOCKS; b++)
        if (cache.want[b] == WANT_NEW) {
            cache.want[b] = WANT_GIVEN;
            io->block = b;
            return 0;
        }
    return -ENOENT;
}

static int look(const struct lagan_ubc_map *op)
{
    CU_ASSERT_FATAL(op->block < BLOCKS && op->flags == LAGAN_UBC_LOOK);
    if (op->block < cache.wanted_back)
        return -EAGAIN;
    return cache.there[op->block] ? 0 : -ENOENT;
}

static int put(const struct lagan_ubc_insert *op)
{
    CU_ASSERT_FATAL(op->block < BLOCKS);
    CU_ASSERT_EQUAL(*(const uint64_t *)op->address, op->block + 1);
    if (cache.error)
        return cache.error;
    if (op->block < cache.wanted_back)
        return -EAGAIN;
    cache.there[op->block] = true;
    cache.want[op->block] = WANT_NONE;
    cache.inserts++;
    return 0;
}

static int cache_list(unsigned cmd, void *list, unsigned count, uint64_t epoch)
{
    struct lagan_ubc_insert *inserts = list;
    struct lagan_ubc_want *wants = list;
    struct lagan_ubc_map *looks = list;

    CU_ASSERT(epoch == (cmd == LAGAN_UBC_insert ? 7 : 0));
    cache.turns += cmd == LAGAN_UBC_wanted;
    if (cache.gone)
        return -ENXIO;
    for (unsigned i = 0; i < count; i++)
        if (cmd == LAGAN_UBC_wanted)
            wants[i].status = next_want(&wants[i]);
        else if (cmd == LAGAN_UBC_map)
            looks[i].status = look(&looks[i]);
        else if (cmd == LAGAN_UBC_insert)
            inserts[i].status = put(&inserts[i]);
        else
            cache.want[wants[i].block] = WANT_REFUSED;
    return 0;
}

static _Alignas(BLOCK) struct serve_exchange x;

/* A round; how many turns it took. */
static unsigned serve(struct served *v)
{
    cache.turns = 0;
    serve_begin(v);
    while (serve_turn(NULL, &x, v) > 0)
        CU_ASSERT_FATAL(cache.turns < 100);
    return cache.turns;
}

static unsigned want(unsigned first, unsigned count, unsigned step)
{
    for (unsigned i = 0; i < count; i++)
        cache.want[first + i * step] = WANT_NEW;
    return count;
}

static unsigned wants_of(int state)
{
    unsigned count = 0;

    for (unsigned b = 0; b < BLOCKS; b++)
        count += cache.want[b] == state;
    return count;
}

static void served_start(struct served *v)
{
    start();
    memset(&cache, 0, sizeof(cache));
    fake_host.ubc_list = cache_list;
    *v = (struct served){.name = "vol", .epoch = 7, .again = true};
    make_file(image, BLOCKS * BLOCK);
    strcpy(v->source.image, image);
    v->source.blocks = BLOCKS;
    CU_ASSERT_EQUAL_FATAL(source_open(&v->source), 0);
}

static void served_end(struct served *v)
{
    source_close(&v->source);
    end();
}

/* What is wanted comes, and what follows it; each of it once. */
static void serving(void)
{
    struct served v;

    served_start(&v);
    (void)want(3, 1, 1);
    cache.want[5] = WANT_GIVEN; /* to who was there before */
    CU_ASSERT_EQUAL(serve(&v), 1);
    CU_ASSERT_EQUAL(cache.inserts, SERVE_AHEAD);
    CU_ASSERT(cache.there[3] && !cache.there[2]);
    CU_ASSERT_EQUAL(wants_of(WANT_NONE), BLOCKS);
    (void)want(1, 2, 1); /* up to what is there */
    (void)want(BLOCKS - 1, 1, 1);
    CU_ASSERT_EQUAL(serve(&v), 1);
    CU_ASSERT_EQUAL(cache.inserts, SERVE_AHEAD + 3);
    CU_ASSERT_EQUAL(wants_of(WANT_NONE), BLOCKS);
    CU_ASSERT_FALSE(v.again);
    cache.gone = true;
    CU_ASSERT_EQUAL(serve_turn(NULL, &x, &v), -ENXIO);
    served_end(&v);
}

/* What cannot be had just now is not forgotten, is not asked for in a loop, and nobody waits behind it. */
static void later(void)
{
    struct served v;

    served_start(&v);
    cache.wanted_back = 40;
    (void)want(0, 20, 2);
    (void)want(50, 1, 1);
    CU_ASSERT_EQUAL(serve(&v), 3);
    CU_ASSERT_TRUE(cache.there[50]);
    CU_ASSERT_EQUAL(wants_of(WANT_GIVEN), 20);
    CU_ASSERT_TRUE(v.again);
    CU_ASSERT_EQUAL(serve(&v), 3);
    CU_ASSERT_TRUE(v.again);
    cache.wanted_back = 0;
    cache.error = -ENOMEM;
    CU_ASSERT_EQUAL(serve(&v), 3);
    CU_ASSERT_TRUE(v.again);
    cache.error = 0;
    (void)serve(&v);
    CU_ASSERT_FALSE(v.again);
    CU_ASSERT_EQUAL(wants_of(WANT_NONE), BLOCKS);
    served_end(&v);
}

/* What cannot be had at all is refused, and said. */
static void refusals(void)
{
    int old = dup(STDERR_FILENO);
    struct served v;

    served_start(&v);
    CU_ASSERT_EQUAL(truncate(image, 10 * BLOCK), 0);
    (void)want(8, 5, 1);
    fflush(stderr);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    CU_ASSERT_EQUAL(serve(&v), 1);
    dup2(old, STDERR_FILENO);
    close(old);
    CU_ASSERT(cache.there[8] && cache.there[9]);
    CU_ASSERT_EQUAL(wants_of(WANT_REFUSED), 3);
    CU_ASSERT_FALSE(v.again);
    served_end(&v);
}

static int run(const char *command, const char *a, const char *b, const char *c)
{
    char *words[] = {(char *)"laganctl", (char *)"ubc", (char *)command, (char *)a, (char *)b,
                     (char *)c,          NULL};
    int count = 3, old = dup(STDERR_FILENO), status;

    while (words[count])
        count++;
    fflush(stderr);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    status = laganctl(count, words);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    return status;
}

static bool is_published(void)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/vol", dir);
    return access(path, F_OK) == 0;
}

static void commands(void)
{
    char hash_tree[80], root[80] = "root=";
    struct source s;
    FILE *f;

    start();
    make_file(image, 10 * BLOCK);
    CU_ASSERT_EQUAL(run("publish", image, "name=vol", NULL), 0);
    CU_ASSERT(fake_host.made.blocks == 10 && fake_host.made.flags == LAGAN_UBC_SLOTS);
    CU_ASSERT_EQUAL(memcmp(fake_host.made.id, "vol\0", 4), 0);
    CU_ASSERT_EQUAL(fake_host.allowed.domid, 0x7ff0); /* readers wait from now on */
    CU_ASSERT_TRUE(fake_host.allowed.rights & LAGAN_UBC_PUBLISH);
    CU_ASSERT_TRUE(is_published());
    snprintf(text, sizeof(text), "%s/vol", dir);
    f = fopen(text, "r");
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    CU_ASSERT_EQUAL(source_parse(text, &s), 0);
    CU_ASSERT_STRING_EQUAL(s.image, image);
    fake_host.volume[1] = fake_host.made;
    fake_host.volume[1].volume = 42;
    CU_ASSERT_EQUAL(run("withdraw", "vol", NULL, NULL), 0);
    CU_ASSERT_EQUAL(fake_host.destroyed, 42);
    CU_ASSERT_FALSE(is_published());
    /* What cannot be */
    CU_ASSERT_EQUAL(run("publish", image, "name=a/b", NULL), 1);
    CU_ASSERT_EQUAL(run("publish", "/nothing/there", NULL, NULL), 1);
    CU_ASSERT_EQUAL(run("publish", dir, "name=vol", NULL), 1);
    CU_ASSERT_EQUAL(run("publish", image, "name=vol", "what=1"), 2);
    make_tree(10, 's', 1);
    snprintf(hash_tree, sizeof(hash_tree), "tree=%s", tree);
    memset(root + 5, 'a', 64);
    CU_ASSERT_EQUAL(run("publish", image, hash_tree, NULL), 2); /* a root belongs to it */
    CU_ASSERT_EQUAL(run("publish", image, hash_tree, "root=12"), 1);
    CU_ASSERT_EQUAL(run("publish", image, root, NULL), 2);
    fake_host.error = -EEXIST;
    CU_ASSERT_EQUAL(run("publish", image, "name=vol", NULL), 1);
    CU_ASSERT_FALSE(is_published());
    CU_ASSERT_EQUAL(run("revoke", "vol", NULL, NULL), 0);
    CU_ASSERT_EQUAL(fake_host.revoked.count, 10);
    end();
}

static const struct test_case cases[] = {
    {"names", names},       {"descriptions", descriptions}, {"images", images},
    {"trees", trees},       {"serving", serving},           {"later", later},
    {"refusals", refusals}, {"commands", commands},         {NULL, NULL}};
const struct suite suite_publish = {"publish", cases, NULL, NULL};
