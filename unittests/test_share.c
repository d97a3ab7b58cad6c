/* SPDX-License-Identifier: MIT
 *
 * A share's life in the xenstore: domains that come and go, front ends that connect, and some that
 * write what they should not.
 */
#include <stdio.h>
#include <string.h>

#include "tools/lagan-9pd/share.h"
#include "unittests/fake_xendev.h"
#include "unittests/fake_xs.h"
#include "unittests/suite.h"

#define FRONT "/local/domain/7/device/9pfs/64"
#define BACK  "/local/domain/0/backend/lagan-9pfs/7/64"
#define ORDER 2U

static struct share share;

static bool is(const char *path, const char *text)
{
    const char *got = fake_xs_get(path);

    return text == NULL ? got == NULL : got != NULL && strcmp(got, text) == 0;
}

static void domain_comes(void)
{
    fake_xs_put("/local/domain/0/name", "Domain-0");
    fake_xs_put("/local/domain/5/name", "other");
    fake_xs_put("/local/domain/7/name", "web");
}

static void start(int writes)
{
    fake_begin();
    fake_xs_begin(writes);
    share = (struct share){.wake = -1, .token = "s0"};
    share_options_begin(&share.options);
    CU_ASSERT_PTR_NULL(share_option(&share.options, "domain", "web"));
    CU_ASSERT_PTR_NULL(share_option(&share.options, "tag", "share"));
    CU_ASSERT_PTR_NULL(share_option(&share.options, "path", "/tmp"));
}

static void state(const char *text)
{
    fake_xs_put(FRONT "/state", text);
    share_step(&share);
}

/* A front end's rings, which stay until the next start. */
static void offer(void)
{
    char text[16], path[80];

    for (unsigned i = 0; i < 2; i++) {
        uint32_t refs[1U << ORDER], ref;
        struct pfs_ring ring;
        struct xendev dev;
        void *page, *data;
        uint64_t handle;

        CU_ASSERT_EQUAL(xendev_open(&dev), 0);
        CU_ASSERT_EQUAL(xendev_share(&dev, 0, 1, &ref, &page, &handle), 0);
        CU_ASSERT_EQUAL(xendev_share(&dev, 0, 1U << ORDER, refs, &data, &handle), 0);
        pfs_offer(&ring, page, ORDER, refs, data);
        snprintf(path, sizeof(path), FRONT "/ring-ref%u", i);
        snprintf(text, sizeof(text), "%u", ref);
        fake_xs_put(path, text);
        snprintf(path, sizeof(path), FRONT "/event-channel-%u", i);
        snprintf(text, sizeof(text), "%d", xendev_offer_port(&dev, 0));
        fake_xs_put(path, text);
    }
    fake_xs_put(FRONT "/version", "1");
    fake_xs_put(FRONT "/num-rings", "2");
}

static void test_life(void)
{
    uint32_t mapped;

    start(-1);
    share_step(&share); /* nobody is there */
    CU_ASSERT_EQUAL(share.phase, SHARE_ABSENT);
    domain_comes();
    fake_xs_put("/local/domain/7/device/9pfs/0/tag", "xl's own");
    share_step(&share);
    CU_ASSERT_TRUE(is(FRONT "/state", "1") && is(FRONT "/backend", BACK) &&
                   is(FRONT "/tag", "share"));
    CU_ASSERT_TRUE(is(BACK "/state", "2") && is(BACK "/frontend", FRONT) &&
                   is(BACK "/versions", "1"));
    CU_ASSERT_EQUAL(fake_xs_watches(), 1);
    offer();
    mapped = fake.mapped;
    state("3");
    CU_ASSERT_PTR_NOT_NULL(share.connection);
    CU_ASSERT_TRUE(is(BACK "/state", "4"));
    state("4");
    CU_ASSERT_EQUAL(fake.mapped, mapped + 2 * (1 + (1U << ORDER)));
    /* It parts, and comes again. */
    state("6");
    CU_ASSERT_PTR_NULL(share.connection);
    CU_ASSERT_TRUE(is(BACK "/state", "6"));
    CU_ASSERT_EQUAL(fake.mapped, mapped);
    state("1");
    CU_ASSERT_TRUE(is(BACK "/state", "2"));
    state("3");
    CU_ASSERT_TRUE(is(BACK "/state", "4"));
    /* The domain dies, and is made anew. */
    fake_xs_remove("/local/domain/7");
    share_step(&share);
    CU_ASSERT_EQUAL(share.phase, SHARE_ABSENT);
    CU_ASSERT_EQUAL(fake.mapped, mapped);
    CU_ASSERT_TRUE(is(BACK "/state", NULL));
    CU_ASSERT_EQUAL(fake_xs_watches(), 0);
    fake_xs_put("/local/domain/9/name", "web");
    share_step(&share);
    CU_ASSERT_EQUAL(share.domid, 9);
    CU_ASSERT_TRUE(is("/local/domain/9/device/9pfs/64/state", "1"));
    share_withdraw(&share);
    CU_ASSERT_TRUE(is("/local/domain/0/backend/lagan-9pfs/9/64/state", "5"));
    CU_ASSERT_TRUE(share_is_withdrawn(&share));
    share_end(&share);
    CU_ASSERT_TRUE(is("/local/domain/9/device/9pfs/64/state", NULL));
    CU_ASSERT_TRUE(is("/local/domain/0/backend/lagan-9pfs/9/64/state", NULL));
}

/* The program has died, and another one finds the nodes. */
static void test_found_again(void)
{
    start(-1);
    domain_comes();
    share_step(&share);
    offer();
    state("3");
    connection_close(share.connection);
    host_tree_end(&share.tree);
    share.connection = NULL;
    share.phase = SHARE_ABSENT;
    state("4");
    CU_ASSERT_PTR_NOT_NULL(share.connection);
    CU_ASSERT_EQUAL(share.device, 64);
    CU_ASSERT_TRUE(is("/local/domain/7/device/9pfs/65/state", NULL));
    share_withdraw(&share);
    CU_ASSERT_FALSE(share_is_withdrawn(&share));
    fake_xs_put(FRONT "/state", "6");
    CU_ASSERT_TRUE(share_is_withdrawn(&share));
    share_end(&share);
}

static void test_hostile(void)
{
    static char endless[300];
    static const struct {
        const char *name, *text;
    } bad[] = {
        {"version", "2"},          {"version", ""},           {"num-rings", "0"},
        {"num-rings", "9"},        {"num-rings", "-1"},       {"num-rings", "2 "},
        {"num-rings", endless},    {"ring-ref1", ""},         {"ring-ref1", "4294967296"},
        {"ring-ref1", "0x10"},     {"ring-ref0", "99999999"}, {"event-channel-0", "+3"},
        {"event-channel-1", "3a"}, {"num-rings", "3"},
    };

    memset(endless, '1', sizeof(endless) - 1);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char path[80];
        uint32_t mapped;

        start(-1);
        domain_comes();
        share_step(&share);
        offer();
        mapped = fake.mapped;
        snprintf(path, sizeof(path), FRONT "/%s", bad[i].name);
        fake_xs_put(path, bad[i].text);
        state("3");
        CU_ASSERT_PTR_NULL(share.connection);
        CU_ASSERT_TRUE(is(BACK "/state", "5"));
        CU_ASSERT_EQUAL(fake.mapped, mapped);
        state("4"); /* nothing changes by asking again */
        CU_ASSERT_PTR_NULL(share.connection);
        state("77");
        state("6");
        state("1"); /* but by beginning anew */
        offer();
        state("3");
        CU_ASSERT_PTR_NOT_NULL(share.connection);
        state(endless);
        CU_ASSERT_PTR_NULL(share.connection);
        share_end(&share);
    }
}

/* The thread of a ring has given up. */
static void test_broken(void)
{
    start(-1);
    domain_comes();
    share_step(&share);
    offer();
    state("3");
    share.connection->options.broken(share.connection->options.arg);
    share_step(&share);
    CU_ASSERT_PTR_NULL(share.connection);
    CU_ASSERT_TRUE(is(BACK "/state", "5"));
    state("4");
    CU_ASSERT_PTR_NULL(share.connection);
    share_end(&share);
}

static void test_refused(void)
{
    for (int writes = 0; writes < 17; writes++) {
        start(writes);
        domain_comes();
        share_step(&share);
        CU_ASSERT_EQUAL(share.phase, SHARE_ABSENT);
        CU_ASSERT_EQUAL(share.tree.nodes, 0);
        CU_ASSERT_EQUAL(fake_xs_watches(), 0);
    }
    start(-1);
    domain_comes();
    CU_ASSERT_PTR_NULL(share_option(&share.options, "path", "/tmp/no/such/place"));
    share_step(&share);
    CU_ASSERT_EQUAL(share.phase, SHARE_ABSENT);
}

static const struct test_case cases[] = {
    {"from its offer to its end", test_life},         {"found again", test_found_again},
    {"front ends that write anything", test_hostile}, {"a broken protocol", test_broken},
    {"a store that refuses", test_refused},           {NULL, NULL},
};

const struct suite suite_share = {.name = "share", .cases = cases};
