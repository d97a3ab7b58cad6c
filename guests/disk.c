/* SPDX-License-Identifier: MIT
 *
 * disk: works on the disk that the control domain's block backend serves it, by the protocol of Xen's blkif.h and
 * nothing of Linux: a guest that is made, works and is gone in a fraction of a second, for tests that make many.
 * It reads the whole disk with many requests under way; then it turns the last blocks round and back again, and sees after
 * each time that they are as written. The disk is left as it was. If all went well, it tells the sum of what it has read by
 * the node data/sum, as cksum(1) prints it: whether that is right, the other side knows.
 *
 *   disk=NUMBER  the device by its number in the store (51712: xvda)
 *   keep=1       does not write
 */
#include "kit/cksum.h"
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"
#include "storetest/client.h"

#include <xen/io/xenbus.h>

#define xen_mb()  __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()
#include <xen/io/blkif.h>

const char guest_name[] = "disk";

#define PATIENCE    (60000 * MS) /* what a script of the control domain's may take */
#define XVDA        51712U
#define SECTOR      512U
#define ENTRIES     32U /* what a page has room for */
#define PAGES_EACH  BLKIF_MAX_SEGMENTS_PER_REQUEST
#define REQUESTS    8U
#define PAGES       (REQUESTS * PAGES_EACH)
#define RING_REF    8U /* the first ones are the console's and the store's */
#define DATA_REF    16U
#define PAGE_SECTOR (PAGE_SIZE / SECTOR)

static uint8_t ring_page[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t data[PAGES * PAGE_SIZE] PAGE_ALIGNED; /* of each request so many */

static struct {
    uint64_t number; /* of the device, in the store */
    uint16_t owner;  /* the backend's domain */
    char backend[128];
    uint32_t port;
    uint64_t sectors;
    blkif_front_ring_t ring;
} disk;

/* ---- the store ---- */

static const char *read_node(const char *directory, const char *node)
{
    char path[192];

    (void)kit_snprintf(path, sizeof(path), "%s/%s|", directory, node);
    return xs_ask(XS_READ, 0, path);
}

/* A node of this end's; what it says of the device. */
static const char *own_directory(void)
{
    static char directory[64];

    (void)kit_snprintf(directory, sizeof(directory), "device/vbd/%lu", disk.number);
    return directory;
}

static void write_node(const char *node, uint64_t value)
{
    char request[128];

    (void)kit_snprintf(request, sizeof(request), "%s/%s|%lu", own_directory(), node, value);
    check_part(strcmp(xs_ask(XS_WRITE, 0, request), "OK|") == 0, "writing %s", node);
}

static bool number_of(const char *text, uint64_t *number)
{
    const char *at = text;

    for (*number = 0; *at >= '0' && *at <= '9'; at++) {
        *number = *number * 10 + (uint64_t)(*at - '0');
    }
    return at != text && *at == '\0';
}

/* Waits until the backend is in this state. */
static bool backend_is(uint64_t wanted)
{
    uint64_t end = time_now() + PATIENCE, state = 0;

    while (time_now() < end) {
        if (number_of(read_node(disk.backend, "state"), &state) && state == wanted) {
            return true;
        }
        time_sleep(2 * MS);
    }
    check_part(false, "the backend is in state %lu, not %lu", state, wanted);
    return false;
}

/* ---- the two ends come together, and part ---- */

static bool connect(void)
{
    uint64_t owner;

    (void)kit_snprintf(disk.backend, sizeof(disk.backend), "%s",
                       read_node(own_directory(), "backend"));
    if (disk.backend[0] != '/' || !number_of(read_node(own_directory(), "backend-id"), &owner)) {
        check_part(false, "there is no disk %lu: %s", disk.number, disk.backend);
        return false;
    }
    disk.owner = (uint16_t)owner;
    SHARED_RING_INIT((blkif_sring_t *)(void *)ring_page);
    disk.ring = (blkif_front_ring_t){.nr_ents = ENTRIES, .sring = (void *)ring_page};
    if (grant_begin(1) != 0 || event_alloc_unbound(DOMID_SELF, disk.owner, &disk.port) != 0) {
        check_part(false, "no grant table or no port");
        return false;
    }
    event_unmask(disk.port);
    grant_access(RING_REF, disk.owner, ring_page, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        grant_access(DATA_REF + i, disk.owner, data + i * PAGE_SIZE, 0);
    }
    if (!backend_is(XenbusStateInitWait)) {
        return false;
    }
    write_node("ring-ref", RING_REF);
    write_node("event-channel", disk.port);
    write_node("state", XenbusStateInitialised);
    if (!backend_is(XenbusStateConnected)) {
        return false;
    }
    check_part(number_of(read_node(disk.backend, "sectors"), &disk.sectors), "no size");
    check_part(disk.sectors > 0 && disk.sectors % PAGE_SECTOR == 0, "%lu sectors", disk.sectors);
    write_node("state", XenbusStateConnected);
    return disk.sectors != 0;
}

static void part(void)
{
    check_begin("parted");
    write_node("state", XenbusStateClosing);
    (void)backend_is(XenbusStateClosing);
    write_node("state", XenbusStateClosed);
    (void)backend_is(XenbusStateClosed);
    check_part(grant_end(RING_REF), "the ring is still mapped");
    for (unsigned i = 0; i < PAGES; i++) {
        check_part(grant_end(DATA_REF + i), "page %u is still mapped", i);
    }
    check_end();
}

/* ---- reading and writing ---- */

/* Asks for what begins at this sector: as many pages as a request takes, or as the disk has. How many. */
static unsigned ask(uint8_t operation, unsigned slot, uint64_t sector)
{
    uint64_t left = (disk.sectors - sector) / PAGE_SECTOR;
    unsigned pages = left < PAGES_EACH ? (unsigned)left : PAGES_EACH;
    struct blkif_request *request = RING_GET_REQUEST(&disk.ring, disk.ring.req_prod_pvt);

    *request = (struct blkif_request){
        .operation = operation,
        .nr_segments = (uint8_t)pages,
        .handle = (blkif_vdev_t)disk.number,
        .id = slot,
        .sector_number = sector,
    };
    for (unsigned i = 0; i < pages; i++) {
        request->seg[i] = (struct blkif_request_segment){
            .gref = DATA_REF + slot * PAGES_EACH + i,
            .last_sect = PAGE_SECTOR - 1,
        };
    }
    disk.ring.req_prod_pvt++;
    return pages;
}

/* Waits for so many answers. False if one is missing or is an error. */
static bool answers(unsigned count)
{
    uint64_t end = time_now() + PATIENCE;
    bool good = true;

    while (count > 0) {
        uint64_t events = event_count(disk.port);
        unsigned more;

        while (disk.ring.rsp_cons != *(volatile RING_IDX *)&disk.ring.sring->rsp_prod) {
            struct blkif_response *answer;

            xen_rmb();
            answer = RING_GET_RESPONSE(&disk.ring, disk.ring.rsp_cons++);
            check_part(answer->status == BLKIF_RSP_OKAY, "status %d", answer->status);
            good = good && answer->status == BLKIF_RSP_OKAY;
            count--;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&disk.ring, more);
        if (count > 0 && !more && !wait_for(event_counter(disk.port), events + 1, PATIENCE) &&
            time_now() > end) {
            check_part(false, "%u answers are missing", count);
            return false;
        }
    }
    return good;
}

static void push(void)
{
    int notify;

    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&disk.ring, notify);
    if (notify) {
        (void)event_send(disk.port);
    }
}

/* Reads the whole disk and tells its sum; false if something of it could not be read. */
static bool read_all(uint32_t *sum)
{
    uint64_t sector = 0;

    *sum = 0;
    while (sector < disk.sectors) {
        unsigned pages = 0, count = 0;

        memset(data, 0x5a, sizeof(data));
        while (count < REQUESTS && sector + pages * PAGE_SECTOR < disk.sectors) {
            pages += ask(BLKIF_OP_READ, count++, sector + pages * PAGE_SECTOR);
        }
        push();
        if (!answers(count)) {
            return false;
        }
        *sum = cksum_add(*sum, data, pages * PAGE_SIZE);
        sector += pages * PAGE_SECTOR;
    }
    *sum = cksum_end(*sum, disk.sectors * SECTOR);
    return true;
}

/* One request at the end of the disk. */
static bool transfer(uint8_t operation)
{
    uint64_t pages = disk.sectors / PAGE_SECTOR;
    uint64_t first = pages > PAGES_EACH ? pages - PAGES_EACH : 0;

    (void)ask(operation, 0, first * PAGE_SECTOR);
    push();
    return answers(1);
}

static void turn_round(void)
{
    for (uint64_t i = 0; i < PAGES_EACH * PAGE_SIZE; i++) {
        data[i] = (uint8_t)~data[i];
    }
}

/* Twice, so that all is as before; read back from the backend each time. */
static void write_some(void)
{
    check_begin("write");
    check_part(transfer(BLKIF_OP_READ), "read");
    for (unsigned time = 0; time < 2; time++) {
        uint32_t sum;

        turn_round();
        sum = cksum_add(0, data, PAGES_EACH * PAGE_SIZE);
        check_part(transfer(BLKIF_OP_WRITE), "write");
        memset(data, 0xa5, sizeof(data));
        check_part(transfer(BLKIF_OP_READ), "read again");
        check_part(cksum_add(0, data, PAGES_EACH * PAGE_SIZE) == sum, "not what was written");
    }
    check_end();
}

void guest_main(void)
{
    char request[64];
    uint32_t sum = 0;
    bool there;

    cksum_begin();
    (void)time_bind_timer();
    disk.number = args_number("disk", XVDA);
    if (!xs_connect()) {
        check_fail("connect", "there is no store");
        return;
    }
    check_begin("connected");
    there = connect();
    check_end();
    if (!there) {
        return;
    }
    check_begin("read");
    check_part(read_all(&sum), "not all of it");
    check_end();
    if (args_number("keep", 0) == 0) {
        write_some();
    }
    part();
    if (check_all_passed()) {
        (void)kit_snprintf(request, sizeof(request), "data/sum|%u", sum);
        check_true("told", strcmp(xs_ask(XS_WRITE, 0, request), "OK|") == 0, "%s", request);
    }
}
