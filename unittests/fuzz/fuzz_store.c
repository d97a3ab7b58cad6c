/* SPDX-License-Identifier: MIT
 *
 * The store and three domains that do to their ring pages what they like: requests that are almost
 * right, bytes, indices, new starts; domains come and go. The auditor after every step; at the end,
 * when all domains have gone, only what the store itself has made is left.
 */
#include <stdlib.h>
#include <string.h>

#include "store/admin.h"
#include "store/birth.h"
#include "store/ring.h"
#include "store/store.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOMAINS 3

static struct store store;
static _Alignas(4096) uint8_t memory[STORE_PAGES * POOL_PAGE];
static struct pool_page pages[STORE_PAGES];
static _Alignas(4096) uint8_t page[DOMAINS][4096];
static struct client *client[DOMAINS];

static struct xenstore_domain_interface *ring(unsigned d)
{
    return (struct xenstore_domain_interface *)page[d];
}

static void come(unsigned d)
{
    struct domain_facts facts = {.domid = (uint16_t)(1 + d), .name = "d", .vcpus = 1};

    memset(page[d], 0, sizeof(page[d]));
    client[d] = store_introduce(&store, facts.domid, ring(d));
    if (!client[d] || birth_of_domain(&store, &facts))
        abort();
}

static void go(unsigned d)
{
    death_of_domain(&store, client[d]->domid);
    store_release(&store, client[d]);
    client[d] = NULL;
}

static void put(unsigned d, const void *bytes, size_t count)
{
    struct xenstore_domain_interface *r = ring(d);

    for (size_t i = 0; i < count; i++)
        r->req[MASK_XENSTORE_IDX(r->req_prod + i)] = ((const char *)bytes)[i];
    r->req_prod += (uint32_t)count;
}

/* One of a few paths, absolute or relative, now and then an odd one. */
static size_t path(struct input *in, char *to)
{
    static const char *const paths[] = {
        "data",           "data/a",  "data/a/b", "data/b",
        "memory",         "control", "/",        "/local/domain/1/data/a",
        "@releaseDomain", "a//b",    "",         "/local/domain/2/data"};
    unsigned which = byte(in);
    size_t length;

    if (which >= 240) {
        for (length = 0; length < which - 230; length++)
            to[length] = (char)byte(in);
        return length;
    }
    length = strlen(paths[which % 12]);
    memcpy(to, paths[which % 12], length + 1);
    return length + 1;
}

static void request(struct input *in, unsigned d)
{
    static const char *const rests[] = {"", "n1", "b2", "T", "F", "0", "token", "value"};
    struct xsd_sockmsg header = {.type = byte(in) % 26, .req_id = 7, .tx_id = byte(in) % 4};
    char payload[600];
    size_t length = path(in, payload);
    unsigned rest = byte(in);

    if (header.type == XS_TRANSACTION_END || header.type == XS_TRANSACTION_START)
        length = 0;
    if (rest & 0x80) {
        memset(payload + length, 'v', rest);
        length += rest;
    } else {
        strcpy(payload + length, rests[rest % 8]);
        length += strlen(rests[rest % 8]) + (rest >> 6 & 1);
    }
    header.len = (uint32_t)length + (rest == 0x7f ? 5000 : 0);
    put(d, &header, sizeof(header));
    put(d, payload, length);
}

static void step(struct input *in)
{
    unsigned what = byte(in), d = what % DOMAINS;
    uint64_t notify;

    if (!client[d])
        come(d);
    what /= DOMAINS;
    if (what < 50) {
        request(in, d);
    } else if (what < 60) {
        ring(d)->rsp_cons = ring(d)->rsp_prod;
    } else if (what < 64) {
        uint8_t bytes[16];

        for (unsigned i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)byte(in);
        put(d, bytes, byte(in) % 16);
    } else if (what < 68) {
        page[d][2048 + byte(in) % 28] = (uint8_t)byte(in);
    } else if (what < 72) {
        ring(d)->connection = XENSTORE_RECONNECT;
    } else if (what < 76) {
        go(d);
    } else if (what < 80) {
        store_shut_down(&store, client[d]);
    } else if (what < 82) {
        (void)admin_remove(&store, "/local/domain/1/data");
    }
    if (client[d])
        client[d]->due = true;
    (void)store_round(&store, &notify);
    if (!store_audit(&store))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned free;

    store_init(&store, memory, pages);
    if (birth_of_store(&store))
        abort();
    free = store.pool.free_count;
    memset(client, 0, sizeof(client));
    while (in.left)
        step(&in);
    for (unsigned d = 0; d < DOMAINS; d++)
        if (client[d])
            go(d);
    if (store.pool.free_count != free || !store_audit(&store))
        abort();
    return 0;
}
