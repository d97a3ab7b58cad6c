/* SPDX-License-Identifier: MIT
 *
 * events: event channels, first in the two-level form, then in the FIFO form.
 *
 *   (nothing)                        all operations within this domain
 *   role=server peer=ID rounds=N     ping-pong between two domains: the server offers its first
 * port to role=client peer=ID port=N       domain ID, the client binds to it (retrying while it is
 * not there yet) and both send in turn
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "events";

/* How long what has to come is waited for; nothing passes by its being over. */
#define SOON (60000 * MS)

/* True if `count` more events of the port arrive soon. */
static bool arrives(uint32_t port, uint64_t since, uint64_t count)
{
    return wait_for(event_counter(port), since + count, SOON) && event_count(port) == since + count;
}

static void check_ipi(const char *name)
{
    uint32_t port = 0;
    uint64_t before;

    check_begin(name);
    check_part(event_bind_ipi(0, &port) == 0 && port > 0, "bind refused");
    before = event_count(port);
    check_part(event_send(port) == 0, "send refused");
    check_part(event_count(port) == before && event_pending(port), "not pending while masked");
    event_unmask(port);
    check_part(arrives(port, before, 1), "%lu upcalls after unmask", event_count(port) - before);
    check_part(!event_pending(port), "still pending");
    for (unsigned i = 0; i < 100; i++) {
        check_part(event_send(port) == 0, "send %u refused", i);
    }
    check_part(arrives(port, before, 101), "%lu upcalls of 101", event_count(port) - before);
    check_part(event_close(port) == 0, "close refused");
    check_part(event_send(port) == -XEN_EINVAL, "send on a closed port");
    check_end();
}

/* Both ends in this domain. */
static void check_loopback(const char *name)
{
    uint32_t server = 0, client = 0;
    struct evtchn_status status;
    uint64_t got_server, got_client;

    check_begin(name);
    check_part(event_alloc_unbound(DOMID_SELF, DOMID_SELF, &server) == 0, "alloc refused");
    check_part(event_status(server, &status) == 0 && status.status == EVTCHNSTAT_unbound,
               "not unbound");
    check_part(event_send(server) == 0, "send on an unbound port is no error");
    check_part(event_bind_interdomain(DOMID_SELF, server, &client) == 0, "bind refused");
    check_part(event_status(client, &status) == 0 && status.status == EVTCHNSTAT_interdomain &&
                   status.u.interdomain.port == server,
               "status %u of the bound end", status.status);
    got_client = event_count(client);
    got_server = event_count(server);
    event_unmask(client);
    event_unmask(server);
    /* Binding itself notifies the new end once. */
    check_part(arrives(client, got_client, 1), "%lu events at binding",
               event_count(client) - got_client);
    got_server = event_count(server);
    check_part(event_send(client) == 0 && arrives(server, got_server, 1), "client to server");
    got_client = event_count(client);
    check_part(event_send(server) == 0 && arrives(client, got_client, 1), "server to client");
    check_part(event_close(client) == 0, "close refused");
    check_part(event_status(server, &status) == 0 && status.status == EVTCHNSTAT_unbound,
               "status %u of the end left over", status.status);
    check_part(event_bind_interdomain(DOMID_SELF, server, &client) == 0, "bind again refused");
    check_part(event_close(server) == 0 && event_close(client) == 0, "close refused");
    check_end();
}

static void check_virq(const char *name)
{
    uint32_t timer = time_bind_timer(), port = 0;
    uint64_t before = time_ticks(0);
    struct evtchn_status status;

    check_begin(name);
    check_part(event_status(timer, &status) == 0 && status.status == EVTCHNSTAT_virq &&
                   status.u.virq == VIRQ_TIMER,
               "status");
    check_part(event_bind_virq(VIRQ_TIMER, 0, &port) == -XEN_EEXIST, "bound twice");
    check_part(event_bind_virq(NR_VIRQS, 0, &port) == -XEN_EINVAL, "no such interrupt");
    check_part(event_bind_virq(VIRQ_TIMER, 100, &port) == -XEN_ENOENT, "no such vCPU");
    check_part(event_bind_vcpu(timer, 0) == -XEN_EINVAL, "a vCPU's own interrupt moved");
    (void)timer_singleshot(time_now() + MS, 0);
    check_part(wait_for(time_tick_counter(0), before + 1, SOON), "no tick");
    check_part(event_bind_virq(VIRQ_DEBUG, 0, &port) == 0 && event_close(port) == 0, "debug");
    check_end();
}

static void check_masks(const char *name)
{
    uint32_t port = 0;
    uint64_t before, upcalls;

    check_begin(name);
    check_part(event_bind_ipi(0, &port) == 0, "bind refused");
    event_unmask(port);
    before = event_count(port);
    event_mask(port);
    upcalls = this_cpu()->upcalls;
    check_part(event_send(port) == 0 && event_send(port) == 0, "send refused");
    (void)hv_sched(SCHEDOP_yield, NULL);
    check_part(event_count(port) == before, "taken while masked");
    check_part(event_pending(port), "not pending");
    event_clear(port);
    check_part(event_unmask_call(port) == 0 && event_count(port) == before,
               "taken after it was cleared");
    /* With the vCPU's own mask: one upcall when it is lifted, however many were sent. */
    (void)upcalls_mask();
    upcalls = this_cpu()->upcalls;
    for (unsigned i = 0; i < 5; i++) {
        check_part(event_send(port) == 0, "send refused");
    }
    check_part(this_cpu()->upcalls == upcalls, "upcall while upcalls are masked");
    upcalls_unmask();
    check_part(arrives(port, before, 1), "%lu events for five sends", event_count(port) - before);
    check_part(event_close(port) == 0, "close refused");
    check_end();
}

static void check_poll(const char *name)
{
    evtchn_port_t port = 0, list[2];
    struct sched_poll poll = {.nr_ports = 1};
    uint64_t before;

    set_xen_guest_handle(poll.ports, list);
    check_begin(name);
    check_part(event_bind_ipi(0, &port) == 0, "bind refused");
    event_mask(port);
    list[0] = port;
    check_part(event_send(port) == 0, "send refused");
    poll.timeout = time_now() + SOON;
    check_part(hv_sched(SCHEDOP_poll, &poll) == 0, "poll of a pending port");
    event_clear(port);
    before = time_now();
    poll.timeout = before + 20 * MS;
    check_part(hv_sched(SCHEDOP_poll, &poll) == 0, "poll with a time limit");
    check_part(time_now() >= before + 19 * MS, "over after %lu ns", time_now() - before);
    list[0] = 4000;
    check_part(hv_sched(SCHEDOP_poll, &poll) == -XEN_EINVAL, "poll of no port");
    poll.nr_ports = 129;
    check_part(hv_sched(SCHEDOP_poll, &poll) == -XEN_EINVAL, "129 ports");
    poll.nr_ports = 1;
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)0x1000);
    check_part(hv_sched(SCHEDOP_poll, &poll) == -XEN_EFAULT, "poll at a bad address");
    check_part(event_close(port) == 0, "close refused");
    check_end();
}

static void check_block(const char *name)
{
    uint32_t port = 0;
    uint64_t before;

    check_begin(name);
    check_part(event_bind_ipi(0, &port) == 0, "bind refused");
    event_unmask(port);
    before = event_count(port);
    /* An event that is pending when the vCPU blocks ends the block: no lost wake-up. */
    (void)upcalls_mask();
    check_part(event_send(port) == 0, "send refused");
    check_part(hv_sched(SCHEDOP_block, NULL) == 0, "block");
    check_part(upcalls_open(), "block leaves upcalls masked");
    check_part(event_count(port) == before + 1, "not taken");
    check_part(event_close(port) == 0, "close refused");
    check_end();
}

/* Every port that is closed can be had again, and lowest first. */
static void check_reuse(const char *name)
{
    uint32_t first[64], again = 0;

    check_begin(name);
    for (unsigned i = 0; i < 64; i++) {
        check_part(event_bind_ipi(0, &first[i]) == 0, "bind %u refused", i);
    }
    check_part(event_close(first[20]) == 0 && event_close(first[10]) == 0, "close refused");
    check_part(event_bind_ipi(0, &again) == 0 && again == first[10], "port %u, not %u", again,
               first[10]);
    check_part(event_bind_ipi(0, &again) == 0 && again == first[20], "port %u, not %u", again,
               first[20]);
    for (unsigned i = 0; i < 64; i++) {
        check_part(event_close(first[i]) == 0, "close %u refused", first[i]);
    }
    check_end();
}

static void check_errors(void)
{
    uint32_t port = 0, ipi = 0;
    struct evtchn_status status;

    check_result("send-port-0", event_send(0), -XEN_EINVAL);
    check_result("send-no-port", event_send(3000), -XEN_EINVAL);
    check_result("send-huge-port", event_send(UINT32_MAX), -XEN_EINVAL);
    check_result("close-port-0", event_close(0), -XEN_EINVAL);
    check_result("close-no-port", event_close(3000), -XEN_EINVAL);
    check_result("unmask-no-port", event_unmask_call(UINT32_MAX), -XEN_EINVAL);
    check_result("status-huge-port", event_status(UINT32_MAX, &status), -XEN_EINVAL);
    check_true("status-closed",
               event_status(60, &status) == 0 && status.status == EVTCHNSTAT_closed, "%u",
               status.status);
    check_result("ipi-no-vcpu", event_bind_ipi(100, &port), -XEN_ENOENT);
    check_result("bind-no-domain", event_bind_interdomain(0x7000, 1, &port), -XEN_ESRCH);
    check_result("bind-no-port", event_bind_interdomain(DOMID_SELF, 3000, &port), -XEN_EINVAL);
    check_result("bind-port-0", event_bind_interdomain(DOMID_SELF, 0, &port), -XEN_EINVAL);
    (void)event_bind_ipi(0, &ipi);
    check_result("bind-to-ipi", event_bind_interdomain(DOMID_SELF, ipi, &port), -XEN_EINVAL);
    check_result("ipi-other-vcpu", event_bind_vcpu(ipi, 0), -XEN_EINVAL);
    check_result("close-ipi", event_close(ipi), 0);
    check_result("bind-vcpu-no-port", event_bind_vcpu(3000, 0), -XEN_EINVAL);
    check_result("bind-vcpu-no-vcpu", event_bind_vcpu(1, 100), -XEN_ENOENT);
    check_result("unknown-op", hv_event(99, &status), -XEN_ENOSYS);
}

static void check_pointers(void)
{
    for (unsigned op = EVTCHNOP_bind_interdomain; op <= EVTCHNOP_unmask; op++) {
        char name[32];

        (void)kit_snprintf(name, sizeof(name), "bad-pointer-op-%u", op);
        check_result(name, hv_event(op, (void *)0x10), -XEN_EFAULT);
    }
}

static void check_fifo(void)
{
    struct evtchn_set_priority priority = {.priority = 3};
    struct evtchn_init_control bad = {.control_gfn = 1, .offset = 4092, .vcpu = 0};
    struct evtchn_expand_array more = {.array_gfn = 1};
    long rc;

    check_result("fifo-expand-too-soon", hv_event(EVTCHNOP_expand_array, &more), -XEN_EOPNOTSUPP);
    check_result("fifo-control-offset", hv_event(EVTCHNOP_init_control, &bad), -XEN_EINVAL);
    rc = event_use_fifo(cpu_count());
    check_result("fifo-start", rc, 0);
    if (rc != 0) {
        return;
    }
    (void)event_unmask_call(time_bind_timer());
    check_ipi("fifo-ipi");
    check_loopback("fifo-loopback");
    check_masks("fifo-masks");
    check_block("fifo-block");
    check_virq("fifo-timer");
    check_poll("fifo-poll");

    (void)event_bind_ipi(0, &priority.port);
    check_result("fifo-priority", hv_event(EVTCHNOP_set_priority, &priority), 0);
    priority.priority = 16;
    check_result("fifo-priority-16", hv_event(EVTCHNOP_set_priority, &priority), -XEN_EINVAL);
    (void)event_close(priority.port);
    check_result("fifo-expand", event_fifo_expand(), 0);
    more.array_gfn = 1UL << 40;
    check_result("fifo-expand-no-frame", hv_event(EVTCHNOP_expand_array, &more), -XEN_EINVAL);
}

/* Queues are taken by priority: 0 first. */
static struct {
    uint32_t port[4];
    unsigned order[4], count;
} queue;

static void note_order(uint32_t port, void *data)
{
    (void)port;
    if (queue.count < 4) {
        queue.order[queue.count++] = (unsigned)(uint64_t)data;
    }
}

#define NOT_SET 16 /* the priority that a port has from the start: between 6 and 8 */

static void check_order(const char *name, const uint32_t *priorities, const unsigned *expected)
{
    queue.count = 0;
    check_begin(name);
    for (unsigned i = 0; i < 4; i++) {
        struct evtchn_set_priority set = {.priority = priorities[i]};

        check_part(event_bind_ipi(0, &queue.port[i]) == 0, "bind refused");
        set.port = queue.port[i];
        check_part(set.priority == NOT_SET || hv_event(EVTCHNOP_set_priority, &set) == 0,
                   "priority refused");
        event_set_handler(queue.port[i], note_order, (void *)(uint64_t)i);
        event_unmask(queue.port[i]);
    }
    (void)upcalls_mask();
    for (unsigned i = 0; i < 4; i++) {
        (void)event_send(queue.port[i]);
    }
    upcalls_unmask();
    for (unsigned i = 0; i < 4; i++) {
        check_part(queue.count == 4 && queue.order[i] == expected[i], "%u of 4 taken, at %u: %u",
                   queue.count, i, queue.order[i]);
        event_set_handler(queue.port[i], NULL, NULL);
        (void)event_close(queue.port[i]);
    }
    check_end();
}

static void check_priorities(void)
{
    check_order("fifo-order", (const uint32_t[]){9, 2, 15, 0}, (const unsigned[]){3, 1, 0, 2});
    /* Its ports have had others before: those of the first one are given out again. */
    check_order("fifo-order-not-set", (const uint32_t[]){8, NOT_SET, 6, 15},
                (const unsigned[]){2, 1, 0, 3});
}

/* ---- two domains ---- */

static struct {
    uint32_t port;
    volatile uint64_t got;
} game;

static void play(uint32_t port, void *data)
{
    (void)data;
    game.got++;
    (void)event_send(port);
}

static void ping_pong(void)
{
    uint16_t peer = (uint16_t)args_number("peer", 0);
    uint64_t rounds = args_number("rounds", 200);
    uint32_t port = (uint32_t)args_number("port", 1);
    bool server = args_is("role", "server");
    long rc;

    if (server) {
        rc = event_alloc_unbound(DOMID_SELF, peer, &game.port);
        check_true("offer", rc == 0 && game.port == port, "result %ld port %u", rc, game.port);
    } else {
        uint64_t end = time_now() + SOON;

        do {
            rc = event_bind_interdomain(peer, port, &game.port);
            (void)hv_sched(SCHEDOP_yield, NULL);
        } while (rc != 0 && time_now() < end);
        check_result("bind", rc, 0);
    }
    if (rc != 0) {
        return;
    }
    event_set_handler(game.port, play, NULL);
    event_unmask(game.port);
    check_true("ping-pong", wait_for(&game.got, rounds, 2 * SOON), "%lu of %lu rounds", game.got,
               rounds);
}

void guest_main(void)
{
    if (args_has("role")) {
        ping_pong();
        return;
    }
    check_errors();
    check_pointers();
    check_ipi("ipi");
    check_loopback("loopback");
    check_virq("timer-virq");
    check_masks("masks");
    check_poll("poll");
    check_block("block");
    check_reuse("reuse");
    if (!args_has("nofifo")) {
        check_fifo();
        if (event_is_fifo()) {
            check_priorities();
        }
    }
}
