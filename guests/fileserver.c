/* SPDX-License-Identifier: MIT
 *
 * fileserver: serves the tree in its ramdisk (cpio, newc) to other domains, by 9P2000.L over the
 * rings of Xen's 9pfs, as back end. A client offers its rings in its meeting page
 * (lagan/transport.h); what xenstore would say, that page says.
 *
 * client=ID: the first client's domain. clients=N: so many, with numbers that follow. expect=crash:
 * they are to end without a word. die-us=US: this domain crashes so long after the first came.
 */
#include "fileserver/p9_archive.h"
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"
#include "kit/link.h"
#include "transport/pfs.h"

const char guest_name[] = "fileserver";

#define CLIENTS   4U
#define RINGS     2U
#define ORDER_MAX 5U
#define PAGES     (1U << ORDER_MAX)
#define MSIZE     32768U
#define NODES     8192U
#define FIDS      512U
#define TURN      16U /* requests of one ring before the others have theirs */
#define PATIENCE  (60000 * MS)
#define LOOK      (20 * MS) /* so often: is it still there? */

struct lane {
    struct pfs_ring ring;
    unsigned order;
    bool mapped;
    bool answer_waits; /* there was no room for it yet */
    struct p9_reply reply;
    grant_handle_t index_handle, handle[PAGES];
};

enum phase { ABSENT, SERVED, ENDED };

static struct client {
    uint16_t domain;
    enum phase phase;
    bool failed; /* broke the protocol */
    uint64_t looked;
    struct link link[RINGS];
    struct lane lane[RINGS];
    struct p9_session session;
} clients[CLIENTS];

static struct node nodes[NODES];
static struct tree tree;
static struct p9_fid fids[CLIENTS][FIDS];
static uint8_t heads[CLIENTS][RINGS][MSIZE];
static uint8_t index_window[CLIENTS][RINGS][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t data_window[CLIENTS][RINGS][PAGES][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t meeting_window[PAGE_SIZE] PAGE_ALIGNED;

/* ---- a client comes ---- */

static int map_ring(unsigned n, unsigned r, uint32_t ref)
{
    static uint32_t refs[PFS_REFS_MAX];
    struct lane *lane = &clients[n].lane[r];
    void *page = index_window[n][r];

    *lane = (struct lane){.mapped = false};
    if (link_map(clients[n].domain, &ref, 1, page, &lane->index_handle) != 0) {
        return -XEN_ESRCH;
    }
    if (pfs_look(page, &lane->order, refs) != 0 || lane->order > ORDER_MAX ||
        link_map(clients[n].domain, refs, 1U << lane->order, data_window[n][r], lane->handle) !=
            0) {
        (void)link_unmap(1, page, &lane->index_handle);
        return -XEN_EBADMSG;
    }
    pfs_accept(&lane->ring, page, lane->order, data_window[n][r]);
    lane->mapped = true;
    return 0;
}

static bool unmap_rings(unsigned n)
{
    bool all = true;

    for (unsigned r = 0; r < RINGS; r++) {
        struct lane *lane = &clients[n].lane[r];

        if (lane->mapped) {
            all = link_unmap(1, index_window[n][r], &lane->index_handle) && all;
            all = link_unmap(1U << lane->order, data_window[n][r], lane->handle) && all;
        }
        lane->mapped = false;
        link_close(&clients[n].link[r]);
    }
    return all;
}

/* Whether it has come: its page is there, and all that the page names could be had. */
static void look_for(unsigned n)
{
    struct client *c = &clients[n];
    struct lagan_meeting meeting;
    uint32_t msize = MSIZE;
    int rc = link_find(c->domain, meeting_window, &meeting);

    if (rc != 0 || meeting.kind != LAGAN_MEETING_9PFS || meeting.rings > RINGS ||
        meeting.state != LAGAN_MEETING_OPEN) {
        return;
    }
    for (unsigned r = 0; r < meeting.rings; r++) {
        if (link_bind(&c->link[r], c->domain, meeting.ring[r].port) != 0 ||
            map_ring(n, r, meeting.ring[r].ref) != 0) {
            (void)unmap_rings(n);
            return;
        }
        if (msize > pfs_message_max(c->lane[r].order)) {
            msize = pfs_message_max(c->lane[r].order);
        }
    }
    p9_archive_session(&c->session, &tree, fids[n], FIDS, msize);
    c->phase = SERVED;
}

/* ---- serving ---- */

static int answer(struct client *c, unsigned n, unsigned r)
{
    static uint8_t request[MSIZE];
    struct p9_request what = {.bytes = request};
    struct lane *lane = &c->lane[r];
    uint8_t *head = heads[n][r];
    int64_t length;
    int rc;

    if (!lane->answer_waits) {
        length = pfs_receive(&lane->ring, request, c->session.msize);
        if (length <= 0) {
            return (int)length;
        }
        what.private_length = what.length = (uint32_t)length;
        lane->reply = (struct p9_reply){.head = head, .head_max = MSIZE};
        if (!p9_answer(&c->session, &what, &lane->reply)) {
            return -XEN_EBADMSG;
        }
    }
    rc = pfs_send(&lane->ring, head, lane->reply.head_length, lane->reply.data,
                  lane->reply.data_length);
    lane->answer_waits = rc == 0;
    return rc;
}

/* Whether anything was done. */
static bool serve(unsigned n)
{
    struct client *c = &clients[n];
    bool busy = false;

    for (unsigned r = 0; r < RINGS && !c->failed; r++) {
        struct lane *lane = &c->lane[r];
        int rc = 0;

        for (unsigned i = 0; lane->mapped && i < TURN; i++) {
            rc = answer(c, n, r);
            if (rc <= 0) {
                break;
            }
            busy = true;
        }
        c->failed = rc < 0;
        if (lane->ring.kick) {
            lane->ring.kick = false;
            link_send(&c->link[r]);
        }
    }
    return busy;
}

/* Did it say that it would go? */
static bool said_so(const struct client *c)
{
    struct lagan_meeting meeting;

    return link_find(c->domain, meeting_window, &meeting) == 0 &&
           meeting.state == LAGAN_MEETING_CLOSED;
}

static void look_after(unsigned n)
{
    struct client *c = &clients[n];
    bool here = !c->failed, closed;

    if (here && time_now() - c->looked < LOOK) {
        return;
    }
    c->looked = time_now();
    for (unsigned r = 0; r < RINGS; r++) {
        here = here && (c->link[r].port == 0 || link_peer_here(&c->link[r]));
    }
    closed = said_so(c);
    if (here && !closed) {
        return;
    }
    c->phase = ENDED;
    kit_printf("(client %u: %lu requests, %lu refused)\n", c->domain, c->session.requests,
               c->session.refused);
    check_true("unmap", unmap_rings(n), "something was not mapped");
    check_true("protocol", !c->failed, "broken");
    check_true("fids", p9_session_audit(&c->session), "lost");
    check_true("client-ends", closed != args_is("expect", "crash"), "closed: %u", closed);
}

static void serve_all(unsigned count)
{
    uint64_t die = args_number("die-us", 0), waited_since = time_now();
    unsigned ended = 0;

    while (ended < count && time_now() - waited_since < PATIENCE) {
        struct link ports[CLIENTS * RINGS];
        unsigned port_count = 0;
        bool busy = false;

        ended = 0;
        for (unsigned n = 0; n < count; n++) {
            if (clients[n].phase == ABSENT) {
                look_for(n);
                if (clients[n].phase == SERVED && die != 0) {
                    link_die_in(die);
                    die = 0;
                }
            }
            if (clients[n].phase == SERVED) {
                bool did = serve(n);

                busy = busy || did;
                look_after(n);
                for (unsigned r = 0; r < RINGS; r++) {
                    ports[port_count++] = clients[n].link[r];
                }
            }
            ended += clients[n].phase == ENDED;
        }
        if (busy) {
            waited_since = time_now();
        } else {
            link_wait(ports, port_count, 10 * MS);
        }
    }
    check_true("clients", ended == count, "%u of %u came and went", ended, count);
}

void guest_main(void)
{
    unsigned count = (unsigned)args_number("clients", 1);
    int rc;

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    check_result("setup", grant_begin(1), 0);
    rc = tree_read(&tree, nodes, NODES, (const void *)kit_start_info->mod_start,
                   kit_start_info->mod_len);
    check_result("tree", rc, 0);
    if (rc != 0 || count > CLIENTS) {
        return;
    }
    for (unsigned n = 0; n < count; n++) {
        clients[n].domain = (uint16_t)(args_number("client", 0) + n);
    }
    serve_all(count);
}
