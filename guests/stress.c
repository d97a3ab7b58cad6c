/* SPDX-License-Identifier: MIT
 *
 * stress: all vCPUs do everything at once, drawn at random: events among them (one by upcall, one
 * masked, for polls), timers, blocking, polling, yielding, taking each other down and up, changing
 * mappings, binding and closing ports. Then they come to rest, and each has to have seen the last
 * that was sent to it: a wake-up that was lost shows there.
 *
 *   ms=N        how long in all (3000)           seed=N   repeat a run (its seed is printed)
 *   peer=ID     a domain that does the same: both send to each other's port 2 all the time, also
 *               when the other one has ended
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "stress";

#define SOON        (60000 * MS)
#define VCPUS_LEAST 3U /* two that disturb each other, and the one that is never started */
#define TURN_MS     60 /* of disorder between two rests */
/* A rest is over at once, or by this timer if something was lost. Busy hosts are slow, not that
 * slow. */
#define LOST (60000 * MS)

static uint8_t pages[KIT_CPUS_MAX][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t records[KIT_CPUS_MAX][PAGE_SIZE] PAGE_ALIGNED;

static struct worker {
    uint32_t port, poll_port;        /* others send to them */
    volatile uint64_t sent, seen;    /* events by upcall */
    volatile uint64_t polled, asked; /* the same for the masked port */
    volatile uint64_t rested;        /* turns that have ended well */
    uint64_t random, last_time;
    uint64_t operations, lost, backwards, refused, not_running, page_wrong;
} workers[KIT_CPUS_MAX];

static struct {
    volatile uint64_t turn;  /* odd: disorder, even: rest */
    volatile uint64_t moved; /* records moved by the race at the start */
    volatile uint64_t racers, ready;
    uint64_t stop;
} shared;

static unsigned count;
static uint32_t peer_port, peer_end;

/* ---- odds and ends ---- */

static uint64_t draw(struct worker *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % below;
}

static void on_event(uint32_t port, void *data)
{
    struct worker *w = data;

    (void)port;
    w->seen = __atomic_load_n(&w->sent, __ATOMIC_SEQ_CST);
}

static void check_clock(struct worker *w)
{
    uint64_t now = time_now();

    w->backwards += now < w->last_time;
    w->last_time = now;
}

/* ---- operations ---- */

static void send(struct worker *w)
{
    struct worker *to = &workers[draw(w, count)];

    __atomic_fetch_add(&to->sent, 1, __ATOMIC_SEQ_CST);
    w->refused += event_send(to->port) != 0;
}

static void send_poll(struct worker *w)
{
    struct worker *to = &workers[draw(w, count)];

    __atomic_fetch_add(&to->asked, 1, __ATOMIC_SEQ_CST);
    w->refused += event_send(to->poll_port) != 0;
}

static void take_poll(struct worker *w)
{
    event_clear(w->poll_port);
    w->polled = __atomic_load_n(&w->asked, __ATOMIC_SEQ_CST);
}

static void poll(struct worker *w, uint64_t ns)
{
    evtchn_port_t port = w->poll_port;
    struct sched_poll request = {.nr_ports = 1, .timeout = time_now() + ns};

    set_xen_guest_handle(request.ports, &port);
    w->refused += hv_sched(SCHEDOP_poll, &request) != 0;
    take_poll(w);
}

static void arm(struct worker *w, uint64_t ns)
{
    if (draw(w, 4) == 0) {
        (void)timer_stop_singleshot();
    }
    w->refused += timer_singleshot(time_now() + ns, 0) != 0;
}

static void block(struct worker *w)
{
    (void)upcalls_mask();
    (void)timer_singleshot(time_now() + 1000 + draw(w, 300000), 0);
    (void)hv_sched(SCHEDOP_block, NULL);
    upcalls_unmask();
}

static void write_byte(void *page)
{
    *(volatile uint8_t *)page = 1;
}

static void remap(struct worker *w, unsigned id)
{
    w->refused += page_make_readonly(pages[id]) != 0;
    w->page_wrong += guarded(write_byte, pages[id]).vector != 14;
    w->refused += page_make_writable(pages[id]) != 0;
    w->page_wrong += guarded(write_byte, pages[id]).vector != TRAP_NONE;
}

/* Another vCPU (not the first) goes down and comes up. It may be down by another's doing. */
static void down_up(struct worker *w, unsigned id)
{
    unsigned other = 1 + (unsigned)draw(w, count - 1);

    if (other == id || count < 3) {
        return;
    }
    (void)hv_vcpu(VCPUOP_down, other, NULL);
    if (draw(w, 2) != 0) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    w->refused += hv_vcpu(VCPUOP_up, other, NULL) != 0;
}

static void ports(struct worker *w)
{
    uint32_t server = 0, client = 0;

    if (event_alloc_unbound(DOMID_SELF, DOMID_SELF, &server) != 0) {
        w->refused++;
        return;
    }
    if (event_bind_interdomain(DOMID_SELF, server, &client) == 0) {
        (void)event_send(server);
        (void)event_close(client);
    }
    (void)event_close(server);
}

static void run_state(struct worker *w, unsigned id)
{
    struct vcpu_runstate_info info;

    w->refused += hv_vcpu(VCPUOP_get_runstate_info, id, &info) != 0;
    w->not_running += info.state != RUNSTATE_running;
}

static void bother_peer(void)
{
    if (peer_end == 0) {
        (void)event_bind_interdomain((uint16_t)args_number("peer", 0), 2, &peer_end);
    } else {
        (void)event_send(peer_end);
    }
}

static void one_operation(struct worker *w, unsigned id)
{
    switch (draw(w, 16)) {
    case 0:
    case 1:
    case 2:
        send(w);
        break;
    case 3:
    case 4:
        send_poll(w);
        break;
    case 5:
        poll(w, draw(w, 400000));
        break;
    case 6:
        arm(w, draw(w, 200000));
        break;
    case 7:
    case 8:
        block(w);
        break;
    case 9:
        remap(w, id);
        break;
    case 10:
        down_up(w, id);
        break;
    case 11:
        ports(w);
        break;
    case 12:
        run_state(w, id);
        break;
    case 13:
        (void)hv_vcpu(VCPUOP_send_nmi, (unsigned)draw(w, count), NULL);
        break;
    case 14:
        if (args_number("peer", 0) != 0 && id == 0) {
            bother_peer();
        }
        break;
    default:
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
}

/* ---- turns ---- */

/* Blocks until the last event sent is seen; only an event may end it, the timer is far away. */
static void rest_by_block(struct worker *w)
{
    uint64_t end = time_now() + LOST;

    while ((void)upcalls_mask(), w->seen != w->sent && time_now() < end) {
        (void)timer_singleshot(end, 0);
        (void)hv_sched(SCHEDOP_block, NULL);
    }
    upcalls_unmask();
    w->lost += time_now() >= end;
}

static void rest_by_poll(struct worker *w)
{
    uint64_t end = time_now() + LOST;

    (void)timer_stop_singleshot();
    take_poll(w);
    while (w->polled != w->asked && time_now() < end) {
        poll(w, end - time_now());
    }
    w->lost += time_now() >= end;
}

static void work(struct worker *w, unsigned id)
{
    uint64_t turn = shared.turn;

    while (shared.turn == turn) {
        one_operation(w, id);
        check_clock(w);
        w->operations++;
    }
}

/* All have stopped sending when the turn became even; but a vCPU may have been on its way. */
static void settle(struct worker *w)
{
    __atomic_fetch_add(&shared.ready, 1, __ATOMIC_SEQ_CST);
    while (shared.ready < count) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    rest_by_block(w);
    rest_by_poll(w);
    w->rested++;
}

static void worker_main(void *argument)
{
    unsigned id = (unsigned)(uint64_t)argument;
    struct worker *w = &workers[id];

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    event_unmask(w->port);
    while (shared.stop == 0) {
        if (shared.turn % 2 != 0) {
            work(w, id);
        }
        /* It may have been down for a whole turn. */
        if (shared.turn / 2 > w->rested) {
            settle(w);
        } else {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
}

/* ---- vCPU 0 ---- */

static bool all_rested(uint64_t turns)
{
    uint64_t end = time_now() + SOON;

    for (unsigned id = 0; id < count; id++) {
        while (workers[id].rested < turns && time_now() < end) {
            (void)hv_vcpu(VCPUOP_up, id, NULL); /* somebody's down came last */
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
        if (workers[id].rested < turns) {
            return false;
        }
    }
    return true;
}

/* The end of a turn comes by vCPU 0's own operations: it must not wait for others meanwhile. */
static void work_until(uint64_t end)
{
    struct worker *w = &workers[0];

    while (time_now() < end) {
        one_operation(w, 0);
        check_clock(w);
        w->operations++;
    }
}

static void bring_all_up(void)
{
    for (unsigned id = 1; id < count; id++) {
        (void)hv_vcpu(VCPUOP_up, id, NULL);
    }
}

static void run_turns(void)
{
    uint64_t end = time_now() + args_number("ms", 3000) * MS, turns = 0;

    check_begin("turns");
    while (time_now() < end) {
        shared.ready = 0;
        shared.turn++;
        work_until(time_now() + TURN_MS * MS);
        shared.turn++;
        __atomic_fetch_add(&shared.ready, 1, __ATOMIC_SEQ_CST);
        while (shared.ready < count) {
            bring_all_up();
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
        rest_by_block(&workers[0]);
        rest_by_poll(&workers[0]);
        workers[0].rested++;
        turns++;
        if (!all_rested(turns)) {
            check_part(false, "a vCPU does not come to rest after turn %lu", turns);
            break;
        }
    }
    check_end();
}

static void sum_up(const char *name, size_t field)
{
    check_begin(name);
    for (unsigned id = 0; id < count; id++) {
        uint64_t n = *(const uint64_t *)((const char *)&workers[id] + field);

        check_part(n == 0, "%lu times on vCPU %u", n, id);
    }
    check_end();
}

/* All vCPUs want to move the record of one that is down: one may. */
static void move_record(void *argument)
{
    uint64_t id = (uint64_t)argument;
    struct vcpu_register_vcpu_info place = {.mfn = va_to_mfn(records[id])};

    __atomic_fetch_add(&shared.racers, 1, __ATOMIC_SEQ_CST);
    while (shared.racers < count) {
        __asm__ volatile("pause");
    }
    if (hv_vcpu(VCPUOP_register_vcpu_info, count, &place) == 0) {
        __atomic_fetch_add(&shared.moved, 1, __ATOMIC_SEQ_CST);
    }
}

static void ap(void *argument)
{
    move_record(argument);
    worker_main(argument);
}

static bool start(void)
{
    uint64_t seed = args_number("seed", read_tsc() | 1), peer = args_number("peer", 0);
    long rc = 0;

    kit_printf("stress: %u vCPUs, seed=%lu\n", count, seed);
    if (peer != 0) {
        rc = event_alloc_unbound(DOMID_SELF, (uint16_t)peer, &peer_port);
    }
    for (unsigned id = 0; id < count && rc == 0; id++) {
        struct worker *w = &workers[id];

        w->random = seed * (2 * id + 1);
        rc = event_bind_ipi(id, &w->port);
        rc = rc != 0 ? rc : event_bind_ipi(id, &w->poll_port);
        event_set_handler(w->port, on_event, w);
    }
    for (unsigned id = 1; id < count && rc == 0; id++) {
        rc = cpu_start(id, ap, (void *)(uint64_t)id);
    }
    check_result("start", rc, 0);
    return rc == 0;
}

void guest_main(void)
{
    count = cpu_count();
    if (count < VCPUS_LEAST) {
        check_fail("vcpus", "%u of them: it takes %u, of which the last never runs", count,
                   VCPUS_LEAST);
        return;
    }
    /* The last vCPU is never started: its record is what the others race for. */
    count--;
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    if (!start()) {
        return;
    }
    event_unmask(workers[0].port);
    move_record((void *)0);
    check_true("record-moved-once", wait_for(&shared.moved, 1, SOON), "never");
    run_turns();
    shared.stop = 1;
    check_true("record-moved-by-one", shared.moved == 1, "by %lu", shared.moved);
    sum_up("no-wake-up-lost", offsetof(struct worker, lost));
    sum_up("time-goes-on", offsetof(struct worker, backwards));
    sum_up("nothing-refused", offsetof(struct worker, refused));
    sum_up("runs-while-running", offsetof(struct worker, not_running));
    sum_up("mappings", offsetof(struct worker, page_wrong));
}
