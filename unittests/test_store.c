/* SPDX-License-Identifier: MIT
 *
 * The store: nodes, paths, permissions, limits, as a domain sees them through its ring.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/admin.h"
#include "store/tree.h"
#include "store_kit.h"
#include "suite.h"

static struct peer *a, *b;

/* Each case begins with it. */
static void fresh(void)
{
    store_kit_reset();
    a = store_kit_add(0, 5);
    b = store_kit_add(1, 6);
}

struct exchange {
    uint32_t type;
    const char *request, *answer;
};

static void run(struct peer *peer, const struct exchange *e)
{
    for (; e->request; e++) {
        const char *answer = peer_ask(peer, e->type, 0, e->request);

        if (strcmp(answer, e->answer) != 0)
            printf("request %u %s: %s, not %s\n", e->type, e->request, answer, e->answer);
        CU_ASSERT_STRING_EQUAL(answer, e->answer);
    }
    store_kit_settle();
}

static void test_nodes(void)
{
    static const struct exchange list[] = {{XS_READ, "name|", ""},
                                           {XS_READ, "domid|", "5"},
                                           {XS_READ, "/local/domain/5/domid|", "5"},
                                           {XS_READ, "data/x|", "!ENOENT"},
                                           {XS_WRITE, "data/x|one", "OK|"},
                                           {XS_READ, "data/x|", "one"},
                                           {XS_WRITE, "data/x|", "OK|"},
                                           {XS_READ, "data/x|", ""},
                                           {XS_WRITE, "data/x|a|b|", "OK|"},
                                           {XS_READ, "data/x|", "a|b|"},
                                           {XS_WRITE, "data/deep/er/node|v", "OK|"},
                                           {XS_READ, "data/deep/er|", ""},
                                           {XS_DIRECTORY, "data|", "x|deep|"},
                                           {XS_DIRECTORY, "data/deep|", "er|"},
                                           {XS_DIRECTORY, "data/x|", ""},
                                           {XS_DIRECTORY, "data/none|", "!ENOENT"},
                                           {XS_MKDIR, "data/x|", "OK|"},
                                           {XS_READ, "data/x|", "a|b|"},
                                           {XS_MKDIR, "data/y/z|", "OK|"},
                                           {XS_DIRECTORY, "data|", "x|deep|y|"},
                                           {XS_RM, "data/deep|", "OK|"},
                                           {XS_READ, "data/deep/er/node|", "!ENOENT"},
                                           {XS_RM, "data/deep|", "OK|"},
                                           {XS_RM, "data/no/such|", "!ENOENT"},
                                           {XS_DIRECTORY, "data|", "x|y|"},
                                           {XS_GET_DOMAIN_PATH, "7|", "/local/domain/7|"},
                                           {XS_GET_DOMAIN_PATH, "00007|", "/local/domain/7|"},
                                           {XS_IS_DOMAIN_INTRODUCED, "6|", "T|"},
                                           {XS_IS_DOMAIN_INTRODUCED, "7|", "F|"},
                                           {0, NULL, NULL}};

    fresh();
    run(a, list);
}

static void test_malformed(void)
{
    static const struct exchange list[] = {{XS_READ, "", "!EINVAL"},
                                           {XS_READ, "|", "!EINVAL"},
                                           {XS_READ, "data", "!EINVAL"},
                                           {XS_READ, "data|data|", "!EINVAL"},
                                           {XS_READ, "data/|", "!EINVAL"},
                                           {XS_READ, "data//x|", "!EINVAL"},
                                           {XS_READ, "//|", "!EINVAL"},
                                           {XS_READ, "da ta|", "!EINVAL"},
                                           {XS_READ, "d\x80|", "!EINVAL"},
                                           {XS_WRITE, "data/q", "!EINVAL"},
                                           {XS_WRITE, "data/%|v", "!EINVAL"},
                                           {XS_MKDIR, "data/q|r|", "!EINVAL"},
                                           {XS_RM, "|", "!EINVAL"},
                                           {XS_DIRECTORY_PART, "data|", "!EINVAL"},
                                           {XS_DIRECTORY_PART, "data|x|", "!EINVAL"},
                                           {XS_DIRECTORY_PART, "data|99999999999|", "!EINVAL"},
                                           {XS_GET_DOMAIN_PATH, "|", "!EINVAL"},
                                           {XS_GET_DOMAIN_PATH, "65536|", "!EINVAL"},
                                           {XS_GET_DOMAIN_PATH, "5x|", "!EINVAL"},
                                           {XS_GET_DOMAIN_PATH, "5", "!EINVAL"},
                                           {XS_IS_DOMAIN_INTRODUCED, "-1|", "!EINVAL"},
                                           {XS_SET_PERMS, "data|", "!EINVAL"},
                                           {XS_SET_PERMS, "data|x5|", "!EINVAL"},
                                           {XS_SET_PERMS, "data|n5", "!EINVAL"},
                                           {XS_SET_PERMS, "data|n65536|", "!EINVAL"},
                                           {XS_WATCH, "data|", "!EINVAL"},
                                           {XS_WATCH, "da ta|t|", "!EINVAL"},
                                           {XS_TRANSACTION_END, "X|", "!EINVAL"},
                                           {XS_TRANSACTION_END, "T|", "!ENOENT"},
                                           {XS_CONTROL, "help|", "!EACCES"},
                                           {XS_INTRODUCE, "9|1|1|", "!EACCES"},
                                           {XS_RELEASE, "6|", "!EACCES"},
                                           {XS_RESUME, "6|", "!EACCES"},
                                           {XS_SET_TARGET, "6|5|", "!EACCES"},
                                           {XS_WATCH_EVENT, "data|t|", "!ENOSYS"},
                                           {XS_ERROR, "EINVAL|", "!ENOSYS"},
                                           {20, "|", "!ENOSYS"},
                                           {XS_TYPE_COUNT, "|", "!ENOSYS"},
                                           {XS_INVALID, "|", "!ENOSYS"},
                                           {0xffffffff, "|", "!ENOSYS"},
                                           {0, NULL, NULL}};

    fresh();
    run(a, list);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 77, "data|"), "!ENOENT");
}

static void test_path_lengths(void)
{
    char request[XENSTORE_PAYLOAD_MAX] = "data/";

    fresh();
    memset(request + 5, 'x', 2043);
    strcpy(request + 2048, "|v");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, request), "OK|");
    strcpy(request + 2048, "x|v");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, request), "!EINVAL");
    strcpy(request, "/local/domain/5/data/");
    memset(request + 21, 'y', 3072 - 21);
    strcpy(request + 3072, "|v");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, request), "OK|");
    strcpy(request + 3072, "|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 0, request), "v");
    strcpy(request + 3072, "y|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 0, request), "!EINVAL");
    store_kit_settle();
}

static void test_permissions(void)
{
    static const struct exchange owner[] = {
        {XS_GET_PERMS, "data|", "n5|"},
        {XS_GET_PERMS, "memory|", "n0|r5|"},
        {XS_WRITE, "memory/target|1", "!EACCES"},
        {XS_RM, "memory/target|", "!EACCES"},
        {XS_MKDIR, "memory/more|", "!EACCES"},
        {XS_SET_PERMS, "memory|n5|", "!EACCES"},
        {XS_WRITE, "data/p|1", "OK|"},
        {XS_GET_PERMS, "data/p|", "n5|"},
        {XS_SET_PERMS, "data/p|n6|", "!EPERM"},
        {XS_SET_PERMS, "data/p|n5|r6|", "OK|"},
        {XS_GET_PERMS, "data/p|", "n5|r6|"},
        {XS_SET_PERMS, "data/p|n5|r1|r2|r3|r4|r6|r7|", "!ENOSPC"},
        {XS_SET_PERMS, "data/w|n5|", "!ENOENT"},
        {XS_WRITE, "data/w/x|1", "OK|"},
        {XS_SET_PERMS, "data/w|n5|b6|", "OK|"},
        {XS_WRITE, "data/only|1", "OK|"},
        {XS_SET_PERMS, "data/only|n5|w6|", "OK|"},
        {XS_WRITE, "data/all|1", "OK|"},
        {XS_SET_PERMS, "data/all|b5|n6|", "OK|"},
        {XS_READ, "/local/domain/6/data|", "!EACCES"},
        {XS_READ, "/local/domain/6/none|", "!EACCES"},
        {XS_READ, "/none|", "!EACCES"},
        {XS_DIRECTORY, "/|", "!EACCES"},
        {XS_RM, "/|", "!EINVAL"},
        {XS_GET_PERMS, "@releaseDomain|", "!EACCES"},
        {XS_SET_PERMS, "@releaseDomain|n0|r5|", "!EACCES"},
        {0, NULL, NULL}};
    static const struct exchange other[] = {
        {XS_READ, "/local/domain/5/data/p|", "1"},
        {XS_WRITE, "/local/domain/5/data/p|2", "!EACCES"},
        {XS_WRITE, "/local/domain/5/data/p/q|2", "!EACCES"},
        {XS_GET_PERMS, "/local/domain/5/data/p|", "n5|r6|"},
        {XS_SET_PERMS, "/local/domain/5/data/p|n5|b6|", "!EACCES"},
        {XS_WRITE, "/local/domain/5/data/w/mine|2", "OK|"},
        {XS_GET_PERMS, "/local/domain/5/data/w/mine|", "n6|b6|"},
        {XS_READ, "/local/domain/5/data/only|", "!EACCES"},
        {XS_WRITE, "/local/domain/5/data/only|2", "OK|"},
        {XS_READ, "/local/domain/5/data/all|", "!EACCES"},
        {0, NULL, NULL}};
    static const struct exchange back[] = {{XS_READ, "data/only|", "2"},
                                           {XS_READ, "data/w/mine|", "!EACCES"},
                                           {XS_DIRECTORY, "data/w|", "x|mine|"},
                                           {XS_RM, "data/w|", "OK|"},
                                           {0, NULL, NULL}};

    fresh();
    run(a, owner);
    run(b, other);
    run(a, back);
}

/* As many as the limit allows, with or without memory; the other domain does not notice. */
static void test_node_limit(void)
{
    char request[64];
    unsigned made = 0;

    fresh();
    do
        sprintf(request, "data/n%u|", made);
    while (strcmp(peer_ask(a, XS_MKDIR, 0, request), "OK|") == 0 && ++made < 2 * NODES_MAX);
    CU_ASSERT_STRING_EQUAL(a->answer, "!ENOSPC");
    CU_ASSERT(made > NODES_MAX - 64 && made <= NODES_MAX);
    CU_ASSERT_STRING_EQUAL(peer_ask(b, XS_WRITE, 0, "data/z|1"), "OK|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_RM, 0, "data/n3|"), "OK|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_MKDIR, 0, "data/again|"), "OK|");
    store_kit_settle();
}

static void test_memory_limit(void)
{
    char request[4000];
    unsigned made = 0;

    fresh();
    do {
        memset(request, 'v', sizeof(request) - 1);
        request[sizeof(request) - 1] = '\0';
        memcpy(request, "data/nxxx|", 10);
        sprintf(request + 6, "%03u", made);
        request[9] = '|';
    } while (strcmp(peer_ask(a, XS_WRITE, 0, request), "OK|") == 0 && ++made < NODES_MAX);
    CU_ASSERT_STRING_EQUAL(a->answer, "!ENOSPC");
    CU_ASSERT(made > CLIENT_PAGES / 2 && made < CLIENT_PAGES);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 0, "data/n000|") + 3985, "vvvv");
    /* A refused write leaves nothing; room can always be made. */
    sprintf(request, "data/n%03u|", made);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_READ, 0, request), "!ENOENT");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_RM, 0, "data/n000|"), "OK|");
    CU_ASSERT_STRING_EQUAL(peer_ask(b, XS_WRITE, 0, "data/z|1"), "OK|");
    store_kit_settle();
}

/* Who writes pays: one domain cannot use up what is another's through a node that it may write. */
static void test_writer_pays(void)
{
    char request[4000];
    unsigned pages;

    fresh();
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, "data/w|1"), "OK|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_SET_PERMS, 0, "data/w|n5|b6|"), "OK|");
    pages = a->client->account.pages;
    memset(request, 'v', sizeof(request) - 1);
    request[sizeof(request) - 1] = '\0';
    memcpy(request, "/local/domain/5/data/w|", 23);
    for (unsigned i = 0; i < 6; i++) {
        uint32_t tx = peer_start(b);

        for (unsigned j = 0; j < 6; j++)
            (void)peer_ask(b, XS_WRITE, tx, request);
    }
    CU_ASSERT_STRING_EQUAL(b->answer, "!ENOSPC");
    CU_ASSERT_EQUAL(a->client->account.pages, pages);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, "data/free|1"), "OK|");
    (void)peer_ask(b, XS_RESET_WATCHES, 0, "|");
    CU_ASSERT_STRING_EQUAL(peer_ask(b, XS_WRITE, 0, request), "OK|");
    CU_ASSERT_EQUAL(a->client->account.pages, pages);
    /* When the writer goes, the value is the node's owner's. */
    store_release(kit_store, b->client);
    CU_ASSERT_EQUAL(strlen(peer_ask(a, XS_READ, 0, "data/w|")), 3999 - 23);
    CU_ASSERT(a->client->account.pages > pages);
    CU_ASSERT(store_audit(kit_store));
    b = store_kit_add(1, 6);
}

static void test_directory_part(void)
{
    char request[64], want[64], all[20000] = "";
    unsigned offset = 0;
    uint64_t generation = 0;

    fresh();
    for (unsigned i = 0; i < 300; i++) {
        sprintf(request, "data/a-rather-long-name-%u|", i);
        CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_MKDIR, 0, request), "OK|");
    }
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_DIRECTORY, 0, "data|"), "!E2BIG");
    for (;;) {
        const char *part;

        sprintf(request, "data|%u|", offset);
        part = peer_ask(a, XS_DIRECTORY_PART, 0, request);
        if (generation)
            CU_ASSERT_EQUAL(strtoull(part, NULL, 10), generation);
        generation = strtoull(part, NULL, 10);
        part = strchr(part, '|');
        CU_ASSERT_FATAL(part != NULL && generation != 0);
        part++;
        strcat(all, part);
        if (strcmp(part, "|") == 0 || strcmp(part + strlen(part) - 2, "||") == 0)
            break;
        offset += (unsigned)strlen(part);
        CU_ASSERT_FATAL(offset < 10000);
    }
    for (unsigned i = 0; i < 300; i++) {
        sprintf(want, "a-rather-long-name-%u|", i);
        CU_ASSERT_PTR_NOT_NULL(strstr(all, want));
    }
    CU_ASSERT_STRING_EQUAL(all + strlen(all) - 2, "||");
    (void)peer_ask(a, XS_MKDIR, 0, "data/one-more|");
    CU_ASSERT(strtoull(peer_ask(a, XS_DIRECTORY_PART, 0, "data|0|"), NULL, 10) != generation);
    CU_ASSERT_STRING_EQUAL(strchr(peer_ask(a, XS_DIRECTORY_PART, 0, "data|90000|"), '|'), "||");
}

/* The deepest tree that a path can say, made and removed, some of it in one request. */
static void test_deep(void)
{
    char request[XENSTORE_PAYLOAD_MAX];
    size_t at = (size_t)sprintf(request, "/local/domain/5/data");
    unsigned made = 0;

    fresh();
    for (; at < 3070; at += 2) {
        strcpy(request + at, "/x|");
        made += strcmp(peer_ask(a, XS_MKDIR, 0, request), "OK|") == 0;
    }
    CU_ASSERT(made > NODES_MAX - 64);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_RM, 0, "data/x|"), "OK|");
    strcpy(request, "data");
    for (at = 4; at < 2000; at += 2)
        strcpy(request + at, "/y|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_MKDIR, 0, request), "!ENOSPC");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_DIRECTORY, 0, "data|"), "");
    strcpy(request + 4 + 2 * 100, "|");
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_MKDIR, 0, request), "OK|");
    store_kit_settle();
}

static const struct test_case cases[] = {{"nodes", test_nodes},
                                         {"malformed requests", test_malformed},
                                         {"lengths of paths", test_path_lengths},
                                         {"permissions", test_permissions},
                                         {"no more nodes", test_node_limit},
                                         {"no more memory", test_memory_limit},
                                         {"who writes pays", test_writer_pays},
                                         {"a long directory in parts", test_directory_part},
                                         {"a deep tree", test_deep},
                                         {NULL, NULL}};

const struct suite suite_store = {.name = "store: nodes", .cases = cases};
