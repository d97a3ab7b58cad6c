/* SPDX-License-Identifier: MIT
 *
 * See link.h. An event channel is what tells of a peer's death: the hypervisor closes the dead one's
 * end, whereupon ours is unbound again. It does not say so by an event, so who waits looks from time
 * to time.
 */
#include "kit/link.h"
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define LOOK_AGAIN (20 * MS)

static uint32_t next_ref = LAGAN_MEETING_REF + 1;

long link_offer(struct link *link, uint16_t peer)
{
    *link = (struct link){.peer = peer};
    return event_alloc_unbound(DOMID_SELF, peer, &link->port);
}

long link_bind(struct link *link, uint16_t peer, uint32_t port)
{
    *link = (struct link){.peer = peer, .met = true};
    return event_bind_interdomain(peer, port, &link->port);
}

void link_close(struct link *link)
{
    if (link->port != 0) {
        (void)event_close(link->port);
        event_clear(link->port);
    }
    link->port = 0;
}

void link_send(const struct link *link)
{
    (void)event_send(link->port);
}

bool link_peer_here(struct link *link)
{
    struct evtchn_status status = {0};
    uint64_t now = time_now();

    if (link->port == 0) {
        return false;
    }
    if (link->looked == 0 || now - link->looked > LOOK_AGAIN / 2) {
        link->looked = now;
        link->here = event_status(link->port, &status) == 0 &&
                     (status.status == EVTCHNSTAT_interdomain ||
                      (status.status == EVTCHNSTAT_unbound && !link->met));
        link->met = link->met || status.status == EVTCHNSTAT_interdomain;
    }
    return link->here;
}

void link_wait(const struct link *link, unsigned count, uint64_t ns)
{
    evtchn_port_t ports[8];
    struct sched_poll poll = {.timeout = time_now() + (ns < LOOK_AGAIN ? ns : LOOK_AGAIN)};

    for (unsigned i = 0; i < count && poll.nr_ports < 8; i++) {
        if (link[i].port != 0) {
            ports[poll.nr_ports++] = link[i].port;
        }
    }
    set_xen_guest_handle(poll.ports, ports);
    (void)hv_sched(SCHEDOP_poll, &poll);
    for (unsigned i = 0; i < poll.nr_ports; i++) {
        event_clear(ports[i]);
    }
}

/* ---- pages ---- */

void link_grant(uint16_t peer, const void *va, uint32_t pages, uint32_t *refs)
{
    for (uint32_t i = 0; i < pages; i++) {
        refs[i] = next_ref++;
        grant_access(refs[i], peer, (const uint8_t *)va + i * PAGE_SIZE, 0);
    }
}

int link_map(uint16_t peer, const uint32_t *refs, uint32_t pages, void *va, grant_handle_t *handle)
{
    static struct gnttab_map_grant_ref map[LINK_PAGES_MAX];
    static grant_handle_t mapped[1];
    int status = 0;

    for (uint32_t i = 0; i < pages; i++) {
        map[i] = (struct gnttab_map_grant_ref){.host_addr = (uint64_t)va + i * PAGE_SIZE,
                                               .flags = GNTMAP_host_map,
                                               .ref = refs[i],
                                               .dom = peer,
                                               .status = GNTST_general_error};
    }
    if (hv_grant(GNTTABOP_map_grant_ref, map, pages) != 0) {
        status = GNTST_general_error;
    }
    for (uint32_t i = 0; i < pages; i++) {
        handle[i] = map[i].handle;
        if (map[i].status != GNTST_okay && status == 0) {
            status = map[i].status;
        }
    }
    for (uint32_t i = 0; status != 0 && i < pages; i++) {
        if (map[i].status == GNTST_okay) {
            mapped[0] = map[i].handle;
            (void)link_unmap(1, (uint8_t *)va + i * PAGE_SIZE, mapped);
        }
    }
    return status;
}

bool link_unmap(uint32_t pages, void *va, const grant_handle_t *handle)
{
    static struct gnttab_unmap_grant_ref unmap[LINK_PAGES_MAX];
    bool all = true;

    for (uint32_t i = 0; i < pages; i++) {
        unmap[i] = (struct gnttab_unmap_grant_ref){.host_addr = (uint64_t)va + i * PAGE_SIZE,
                                                   .handle = handle[i]};
    }
    all = hv_grant(GNTTABOP_unmap_grant_ref, unmap, pages) == 0;
    for (uint32_t i = 0; i < pages; i++) {
        all = all && unmap[i].status == GNTST_okay;
    }
    return all;
}

/* ---- meeting ---- */

void link_publish(uint16_t peer, void *page, const struct lagan_meeting *meeting)
{
    struct lagan_meeting *shared = page;

    memset(page, 0, PAGE_SIZE);
    *shared = *meeting;
    shared->version = LAGAN_MEETING_VERSION;
    shared->state = LAGAN_MEETING_OPEN;
    __atomic_store_n(&shared->magic, LAGAN_MEETING_MAGIC, __ATOMIC_SEQ_CST);
    grant_access(LAGAN_MEETING_REF, peer, page, GTF_readonly);
}

void link_farewell(void *page)
{
    struct lagan_meeting *shared = page;

    __atomic_store_n(&shared->state, LAGAN_MEETING_CLOSED, __ATOMIC_SEQ_CST);
}

int link_find(uint16_t peer, void *window, struct lagan_meeting *meeting)
{
    const volatile struct lagan_meeting *shared = window;
    grant_handle_t handle;

    if (grant_map(peer, LAGAN_MEETING_REF, window, GNTMAP_host_map | GNTMAP_readonly, &handle) !=
        GNTST_okay) {
        return -XEN_ENOENT;
    }
    *meeting = *shared;
    (void)grant_unmap(handle, window);
    if (meeting->magic != LAGAN_MEETING_MAGIC || meeting->version != LAGAN_MEETING_VERSION ||
        meeting->rings == 0 || meeting->rings > LAGAN_MEETING_RINGS) {
        return -XEN_EBADMSG;
    }
    return 0;
}

/* ---- sudden death ---- */

static void die(uint32_t port, void *data)
{
    (void)port;
    (void)data;
    kit_shutdown(SHUTDOWN_crash);
}

void link_die_in(uint64_t us)
{
    event_set_handler(time_bind_timer(), die, NULL);
    (void)hv_set_timer(time_now() + us * 1000);
}
