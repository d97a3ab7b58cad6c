/* SPDX-License-Identifier: MIT
 *
 * Two domains. The server grants pages and watches them; the client maps, copies, tries what it was
 * not granted, and in the end leaves without unmapping.
 *
 * Entry 8 is the way to meet: a page in which both count.
 */
#include "grant/grant.h"

#define MEET_REF  8U
#define READ_REF  9U
#define WRITE_REF 10U
#define WILD_REF  11U /* rewritten all the time */
#define TAKEN_REF 12U /* taken back */
#define PATIENCE  (20000 * MS)

struct meet {
    volatile uint64_t client, server; /* stages */
    uint64_t foreign_frame;           /* one of the server's pages, not granted */
};

enum { STAGE_MET = 1, STAGE_COPIED, STAGE_WILD, STAGE_HELD, STAGE_TAKEN, STAGE_DONE };

static struct meet *meet;

static void wild_rewriting(uint16_t peer)
{
    volatile grant_entry_v1_t *e = grant_v1(WILD_REF);
    uint64_t end = time_now() + PATIENCE;
    unsigned turn = 0;

    while (meet->client < STAGE_WILD && time_now() < end) {
        e->domid = turn % 3 ? peer : DOMID_SELF;
        e->frame = turn % 5 ? (uint32_t)va_to_mfn(granted[turn % 4]) : 0xffffff;
        e->flags = (uint16_t)(turn % 7 ? GTF_permit_access : turn * 37);
        turn++;
        if (turn % 64 == 0) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
}

/* ---- a page that is taken back ---- */

static int revoke(grant_ref_t ref, uint64_t timeout_ns)
{
    struct lagan_grant_revoke op = {.ref = ref, .timeout_ns = timeout_ns};
    long rc = hv_grant(LAGAN_GNTTABOP_revoke, &op, 1);

    return rc != 0 ? (int)rc - 1000 : op.status;
}

/* The client holds the page and does not let go. */
static void server_takes_back(void)
{
    uint64_t start, end = time_now() + PATIENCE;
    int status;

    check_true("held", wait_for(&meet->client, STAGE_HELD, PATIENCE), "stage %lu", meet->client);
    check_result("revoke-of-others", revoke(READ_REF, 0), GNTST_okay);
    check_result("revoke-not-revocable", revoke(MEET_REF, 0), GNTST_permission_denied);
    start = time_now();
    check_result("revoke", revoke(TAKEN_REF, 50 * MS), GNTST_eagain);
    check_true("revoke-not-yet", (grant_v1(TAKEN_REF)->flags & GTF_reading) != 0, "0x%x",
               grant_v1(TAKEN_REF)->flags);
    while ((status = revoke(TAKEN_REF, 0)) == GNTST_eagain && time_now() < end) {
        time_sleep(MS);
    }
    check_result("revoke-in-the-end", status, GNTST_okay);
    check_true("revoke-in-time", time_now() - start >= 50 * MS, "%lu ns", time_now() - start);
    check_true("revoke-ends-use", grant_end(TAKEN_REF), "0x%x", grant_v1(TAKEN_REF)->flags);
    memset(granted[6], 0xee, PAGE_SIZE);
    meet->server = STAGE_TAKEN;
}

static void client_holds(uint16_t peer)
{
    struct lagan_grant_next next = {.handle = 0};
    uint32_t port = 0;
    grant_handle_t h;

    check_result("revoke-virq", event_bind_virq(LAGAN_VIRQ_REVOKE, 0, &port), 0);
    event_unmask(port);
    check_result("hold", grant_map(peer, TAKEN_REF, window[6], MAP_RW, &h), GNTST_okay);
    *(volatile uint8_t *)&window[6][1] = 0x11;
    meet->client = STAGE_HELD;
    check_true("told", wait_for(event_counter(port), 1, PATIENCE), "%lu events", event_count(port));
    check_true("told-which",
               hv_grant(LAGAN_GNTTABOP_next_revoked, &next, 1) == 0 && next.status == GNTST_okay &&
                   next.handle == h,
               "%d, %u of %u", next.status, next.handle, h);
    check_true("taken", wait_for(&meet->server, STAGE_TAKEN, PATIENCE), "stage %lu", meet->server);
    check_true("copy-stays",
               *(volatile uint8_t *)&window[6][0] == 0x66 &&
                   *(volatile uint8_t *)&window[6][1] == 0x11,
               "0x%x 0x%x", window[6][0], window[6][1]);
    *(volatile uint8_t *)&window[6][0] = 0x67; /* its own now */
    check_result("unmap-taken", grant_unmap(h, window[6]), GNTST_okay);
    (void)page_make_writable(window[6]);
    (void)event_close(port);
}

void pair_server(uint16_t peer)
{
    check_result("setup", grant_begin(1), 0);
    meet = (struct meet *)(void *)granted[0];
    meet->foreign_frame = va_to_mfn(granted[5]);
    memset(granted[1], 0x5a, PAGE_SIZE);
    grant_access(READ_REF, peer, granted[1], GTF_readonly);
    grant_access(WRITE_REF, peer, granted[2], 0);
    memset(granted[6], 0x66, PAGE_SIZE);
    grant_access(TAKEN_REF, peer, granted[6], LAGAN_GTF_revocable);
    grant_access(MEET_REF, peer, granted[0], 0);
    check_true("client-comes", wait_for(&meet->client, STAGE_MET, PATIENCE), "stage %lu",
               meet->client);
    check_true("meet-in-use", (grant_v1(MEET_REF)->flags & GTF_writing) != 0, "0x%x",
               grant_v1(MEET_REF)->flags);
    check_true("client-copies", wait_for(&meet->client, STAGE_COPIED, PATIENCE), "stage %lu",
               meet->client);
    check_true("client-wrote", granted[2][0] == 0x5a && granted[2][PAGE_SIZE - 1] == 0x5a, "0x%x",
               granted[2][0]);
    meet->server = STAGE_COPIED;
    wild_rewriting(peer);
    grant_v1(WILD_REF)->flags = 0;
    meet->server = STAGE_WILD;
    server_takes_back();
    /* The client ends without unmapping: its end does it. */
    check_true("client-done", wait_for(&meet->client, STAGE_DONE, PATIENCE), "stage %lu",
               meet->client);
    {
        uint64_t end = time_now() + PATIENCE;

        while (!grant_end(MEET_REF) && time_now() < end) {
            time_sleep(MS);
        }
    }
    check_true("client-gone", grant_v1(MEET_REF)->flags == 0, "0x%x", grant_v1(MEET_REF)->flags);
    check_true("page-is-a-table-now", table_pin((uint64_t *)(void *)granted[2], 1) != 0,
               "it is mapped writable here");
}

static void client_copies(uint16_t peer)
{
    struct gnttab_copy op = {.len = PAGE_SIZE, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref};

    op.source.u.ref = READ_REF;
    op.dest.u.ref = WRITE_REF;
    op.source.domid = op.dest.domid = peer;
    check_result("copy", grant_copy(&op), GNTST_okay);
    op.dest.u.ref = READ_REF;
    check_result("copy-to-read-only", grant_copy(&op), GNTST_general_error);
    op.dest.u.ref = 30;
    check_result("copy-to-empty", grant_copy(&op), GNTST_general_error);
    op.flags = GNTCOPY_dest_gref;
    op.source.u.gmfn = meet->foreign_frame;
    op.source.domid = DOMID_SELF;
    op.dest.u.ref = WRITE_REF;
    check_result("copy-of-foreign", grant_copy(&op), GNTST_bad_page);
    op.source.domid = peer;
    check_result("copy-of-foreign-by-number", grant_copy(&op), GNTST_permission_denied);
}

static void client_maps(uint16_t peer)
{
    grant_handle_t h;

    check_result("map-read-only", grant_map(peer, READ_REF, window[1], MAP_RO, &h), GNTST_okay);
    check_true("map-reaches", *(volatile uint8_t *)window[1] == 0x5a, "0x%x", window[1][0]);
    check_result("map-writable-refused", grant_map(peer, READ_REF, window[2], MAP_RW, NULL),
                 GNTST_general_error);
    /* What is mapped cannot be mapped once more by hand, nor made writable. */
    check_true("by-hand", page_map(window[2], meet->foreign_frame, PTE_P | PTE_W | PTE_U) != 0,
               "a foreign frame");
    check_true("by-hand-granted",
               page_map(window[2], (*table_walk(window[1], 1) & PTE_FRAME) / PAGE_SIZE,
                        PTE_P | PTE_U) != 0,
               "a granted frame");
    check_true("by-hand-writable",
               hv_update_va_mapping(window[1], *table_walk(window[1], 1) | PTE_W, UVMF_INVLPG) != 0,
               "made writable");
    check_result("unmap", grant_unmap(h, window[1]), GNTST_okay);
    (void)page_make_writable(window[1]);
}

/* The server rewrites the entry meanwhile: each try is granted or refused, nothing else. */
static void client_tries_wild(uint16_t peer)
{
    unsigned granted_count = 0, odd = 0;
    struct gnttab_copy op = {.len = 64, .flags = GNTCOPY_source_gref};

    op.source.u.ref = WILD_REF;
    op.source.domid = peer;
    op.dest.u.gmfn = va_to_mfn(granted[3]);
    op.dest.domid = DOMID_SELF;
    for (unsigned i = 0; i < 3000; i++) {
        grant_handle_t h;
        int status = i % 2 ? grant_map(peer, WILD_REF, window[4], i % 4 == 1 ? MAP_RO : MAP_RW, &h)
                           : grant_copy(&op);

        granted_count += status == GNTST_okay;
        odd += status != GNTST_okay && status != GNTST_general_error && status != GNTST_bad_page;
        if (i % 2 && status == GNTST_okay) {
            (void)*(volatile uint8_t *)window[4];
            odd += grant_unmap(h, window[4]) != GNTST_okay;
        }
        if (i % 16 == 0) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
    (void)page_make_writable(window[4]);
    check_true("wild", odd == 0, "%u odd results", odd);
    kit_printf("(%u of 3000 were granted)\n", granted_count);
}

void pair_client(uint16_t peer)
{
    uint64_t end = time_now() + PATIENCE;
    grant_handle_t h;
    int status;

    while ((status = grant_map(peer, MEET_REF, window[0], MAP_RW, &h)) != GNTST_okay &&
           time_now() < end) {
        time_sleep(MS);
    }
    check_result("meet", status, GNTST_okay);
    if (status != GNTST_okay) {
        return;
    }
    meet = (struct meet *)(void *)window[0];
    meet->client = STAGE_MET;
    client_maps(peer);
    client_copies(peer);
    meet->client = STAGE_COPIED;
    check_true("server-goes-on", wait_for(&meet->server, STAGE_COPIED, PATIENCE), "stage %lu",
               meet->server);
    client_tries_wild(peer);
    meet->client = STAGE_WILD;
    check_true("server-stops", wait_for(&meet->server, STAGE_WILD, PATIENCE), "stage %lu",
               meet->server);
    client_holds(peer);
    (void)grant_map(peer, READ_REF, window[5], MAP_RO, &h);
    (void)page_make_writable(window[5]); /* instead of unmapping it */
    check_result("lost-by-hand", grant_unmap(h, window[5]), GNTST_general_error);
    meet->client = STAGE_DONE;
}
