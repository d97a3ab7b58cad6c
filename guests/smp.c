/* SPDX-License-Identifier: MIT
 *
 * smp: up to eight vCPUs. Each is brought up with a GDT and a GS base of its own, answers
 * interrupts from vCPU 0 and from its neighbour, takes its own timer, polls, goes down and comes up
 * again; run states are read on the way.
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "smp";

/* The bounds are wide: the machine under test is an emulated one, its host may be busy. */
#define SOON (60000 * MS)

/* A flat 64-bit code segment, a data segment, of privilege 3; at the selectors that kernels use. */
#define DESC_CODE 0x00affb000000ffffUL
#define DESC_DATA 0x00cff3000000ffffUL

static struct ap {
    volatile uint64_t alive; /* times that its main function was entered */
    volatile uint64_t gs_ok; /* what it read by GS was right */
    volatile uint64_t ticks_ok;
    volatile uint64_t polled;
    volatile uint64_t neighbour_sent;
    volatile uint64_t leave; /* vCPU 0 wants it to return */
    volatile uint64_t left;
    uint64_t magic; /* found through GS */
    uint32_t ipi;   /* bound by vCPU 0 for it */
    uint32_t poll_port;
} aps[KIT_CPUS_MAX];

static uint64_t gdts[KIT_CPUS_MAX][512] PAGE_ALIGNED;
static struct vcpu_guest_context context;
static struct vcpu_runstate_info runstates[KIT_CPUS_MAX];
static unsigned count;

static uint64_t read_gs(void)
{
    uint64_t value;

    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(value) : "i"(offsetof(struct ap, magic)));
    return value;
}

/* As wait_for(), but gives the CPU up after a few tries. For vCPU 0, which sleeps by its timer. */
static bool comes(const volatile uint64_t *counter, uint64_t value)
{
    uint64_t end = time_now() + SOON;

    for (unsigned tries = 0; *counter < value && time_now() < end; tries++) {
        if (tries < 20) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        } else {
            time_sleep(MS);
        }
    }
    return *counter >= value;
}

static void use_timer(struct ap *ap, unsigned id)
{
    uint64_t before;

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    before = time_ticks(id);
    (void)timer_singleshot(time_now() + 5 * MS, 0);
    while ((void)upcalls_mask(), time_ticks(id) == before) {
        (void)hv_sched(SCHEDOP_block, NULL);
    }
    upcalls_unmask();
    ap->ticks_ok = 1;
}

/* What each vCPU but the first runs. */
static void ap_main(void *argument)
{
    struct ap *ap = argument;
    unsigned id = (unsigned)(ap - aps);
    evtchn_port_t port = ap->poll_port;
    struct sched_poll poll = {.nr_ports = 1};
    struct vcpu_register_runstate_memory_area area = {.addr.v = &runstates[id]};

    ap->alive++;
    ap->gs_ok += read_gs() == ap->magic;
    upcalls_unmask();
    event_unmask(ap->ipi);
    if (ap->alive == 1) {
        (void)hv_vcpu(VCPUOP_register_runstate_memory_area, id, &area);
        use_timer(ap, id);
        if (id + 1 < count) {
            ap->neighbour_sent = event_send(aps[id + 1].ipi) == 0;
        }
        set_xen_guest_handle(poll.ports, &port);
        poll.timeout = time_now() + SOON;
        while (!event_pending(port) && time_now() < poll.timeout) {
            (void)hv_sched(SCHEDOP_poll, &poll);
        }
        ap->polled = event_pending(port) && time_now() < poll.timeout;
    }
    /* Masked from the look to the block, which unmasks: no wake-up is lost between them. */
    while ((void)upcalls_mask(), !ap->leave) {
        (void)hv_sched(SCHEDOP_block, NULL);
    }
    ap->left++;
}

/* Starts one vCPU through a context with what kernels put in it: a GDT frame, kernel selectors from
 * it, a GS base. */
static long start_ap(unsigned id)
{
    struct cpu *cpu = cpu_by_id(id);
    long rc;

    gdts[id][2] = DESC_CODE;
    gdts[id][3] = DESC_DATA;
    aps[id].magic = 0x1a9a000 + id;
    rc = page_make_readonly(gdts[id]);
    if (rc != 0) {
        return rc;
    }
    cpu->id = id;
    cpu->info = &kit_shared_info->vcpu_info[id];
    cpu->main = ap_main;
    cpu->argument = &aps[id];
    cpu_context(id, &context);
    context.user_regs.cs = 0x10;
    context.user_regs.ss = 0x18;
    context.gdt_frames[0] = va_to_mfn(gdts[id]);
    context.gdt_ents = 16;
    context.gs_base_kernel = (uint64_t)&aps[id];
    rc = hv_vcpu(VCPUOP_initialise, id, &context);
    return rc;
}

static void check_states(const char *name, long (*ask)(unsigned id), long want)
{
    check_begin(name);
    for (unsigned id = 1; id < count; id++) {
        long got = ask(id);

        check_part(got == want, "vCPU %u: %ld, expected %ld", id, got, want);
    }
    check_end();
}

static long ask_up(unsigned id)
{
    return hv_vcpu(VCPUOP_is_up, id, NULL);
}

static long bring_up(unsigned id)
{
    return hv_vcpu(VCPUOP_up, id, NULL);
}

static long initialise_again(unsigned id)
{
    return hv_vcpu(VCPUOP_initialise, id, &context);
}

/* A vCPU that takes itself down is off its CPU a moment after it stops being up. */
static long runstate_at_rest(unsigned id)
{
    struct vcpu_runstate_info info;
    uint64_t end = time_now() + SOON;
    long rc;

    do {
        rc = hv_vcpu(VCPUOP_get_runstate_info, id, &info);
        time_sleep(MS);
    } while (rc == 0 && info.state != RUNSTATE_offline && time_now() < end);
    return rc != 0 ? rc : info.state;
}

static void all_reach(const char *name, size_t field, uint64_t value)
{
    check_begin(name);
    for (unsigned id = 1; id < count; id++) {
        const volatile uint64_t *counter = (void *)((char *)&aps[id] + field);

        check_part(comes(counter, value), "vCPU %u: %lu of %lu", id, *counter, value);
    }
    check_end();
}

static void make_ports(void)
{
    check_begin("ports");
    for (unsigned id = 1; id < count; id++) {
        check_part(event_bind_ipi(id, &aps[id].ipi) == 0, "vCPU %u", id);
        check_part(event_bind_ipi(id, &aps[id].poll_port) == 0, "vCPU %u", id);
    }
    check_end();
}

static void check_interrupts(void)
{
    check_begin("interrupts");
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned id = 1; id < count; id++) {
            uint64_t before = event_count(aps[id].ipi);

            check_part(event_send(aps[id].ipi) == 0, "send refused");
            check_part(comes(event_counter(aps[id].ipi), before + 1),
                       "vCPU %u, round %u: no interrupt", id, round);
        }
    }
    check_end();
}

static void wake_pollers(void)
{
    time_sleep(20 * MS);
    for (unsigned id = 1; id < count; id++) {
        (void)event_send(aps[id].poll_port); /* masked: only the poll sees it */
    }
    all_reach("poll", offsetof(struct ap, polled), 1);
}

/* What the hypervisor has written to our memory. */
static uint64_t area_blocked(void)
{
    return ((volatile struct vcpu_runstate_info *)runstates)->time[RUNSTATE_blocked];
}

static void check_runstate(void)
{
    struct vcpu_register_runstate_memory_area area = {.addr.v = &runstates[0]};
    struct vcpu_runstate_info info;
    uint64_t sum = 0, before, start, blocked;

    check_begin("runstate");
    check_part(hv_vcpu(VCPUOP_register_runstate_memory_area, 0, &area) == 0, "refused");
    (void)hv_sched(SCHEDOP_yield, NULL);
    check_part(((volatile struct vcpu_runstate_info *)runstates)->state == RUNSTATE_running,
               "state %d", runstates[0].state);
    before = runstates[0].time[RUNSTATE_blocked];
    start = time_now();
    /* A busy host may take the time away before we block: then there is little left to sleep. */
    for (unsigned i = 0; i < 50 && area_blocked() < before + 5 * MS; i++) {
        time_sleep(10 * MS);
    }
    blocked = area_blocked() - before;
    check_part(blocked >= 5 * MS && blocked <= time_now() - start, "%lu ns blocked of %lu", blocked,
               time_now() - start);
    check_part(hv_vcpu(VCPUOP_get_runstate_info, 0, &info) == 0, "refused");
    for (unsigned i = 0; i < 4; i++) {
        sum += info.time[i];
    }
    check_part(info.state == RUNSTATE_running && sum > 0 && sum < time_now() + MS,
               "state %d, %lu ns in all at %lu", info.state, sum, time_now());
    check_part(hv_vcpu(VCPUOP_get_runstate_info, 100, &info) == -XEN_ENOENT, "no such vCPU");
    check_end();
}

/* A vCPU that sleeps has been written down as sleeping: the others look there before they spin for it. */
static long area_at_rest(unsigned id, int state)
{
    const volatile struct vcpu_runstate_info *area = &runstates[id];
    uint64_t end = time_now() + SOON;

    while (area->state != state && time_now() < end) {
        time_sleep(MS);
    }
    return area->state;
}

static long area_asleep(unsigned id)
{
    return area_at_rest(id, RUNSTATE_blocked);
}

static long area_offline(unsigned id)
{
    return area_at_rest(id, RUNSTATE_offline);
}

/* Down and up again: the main function is entered once more, on the same registers. */
static void check_down_and_up(void)
{
    check_states("area-asleep", area_asleep, RUNSTATE_blocked);
    for (unsigned id = 1; id < count; id++) {
        aps[id].leave = 1;
        (void)event_send(aps[id].ipi);
    }
    all_reach("leave", offsetof(struct ap, left), 1);
    check_begin("down");
    for (unsigned id = 1; id < count; id++) {
        uint64_t end = time_now() + SOON;

        while (ask_up(id) != 0 && time_now() < end) {
            time_sleep(MS);
        }
        check_part(ask_up(id) == 0, "vCPU %u is still up", id);
    }
    check_end();
    check_states("offline", runstate_at_rest, RUNSTATE_offline);
    check_states("area-offline", area_offline, RUNSTATE_offline);
    for (unsigned id = 1; id < count; id++) {
        aps[id].leave = 0;
    }
    check_states("up-again", bring_up, 0);
    all_reach("alive-again", offsetof(struct ap, alive), 2);
    all_reach("gs-again", offsetof(struct ap, gs_ok), 2);
    check_interrupts();
    /* From outside, too. */
    check_begin("down-from-outside");
    for (unsigned id = 1; id < count; id++) {
        check_part(hv_vcpu(VCPUOP_down, id, NULL) == 0, "vCPU %u", id);
        check_part(ask_up(id) == 0, "vCPU %u is up", id);
    }
    check_end();
}

/* Of a port between domains the upcall comes to the vCPU that it was bound to last. */
static struct {
    volatile uint64_t events;
    volatile unsigned taken_by;
} moved;

static void note_taker(uint32_t port, void *data)
{
    (void)port;
    (void)data;
    moved.taken_by = this_cpu()->id;
    moved.events++;
}

static void check_moved_port(void)
{
    uint32_t port = 0, other = 0;

    check_begin("port-moves");
    check_part(event_alloc_unbound(DOMID_SELF, DOMID_SELF, &port) == 0 &&
                   event_bind_interdomain(DOMID_SELF, port, &other) == 0,
               "ports");
    event_set_handler(port, note_taker, NULL);
    event_unmask(port);
    for (unsigned i = 0; i < 2 * count; i++) {
        unsigned id = (i + 1) % count;
        uint64_t before = moved.events;

        check_part(event_bind_vcpu(port, id) == 0, "to vCPU %u", id);
        check_part(event_send(other) == 0 && comes(&moved.events, before + 1),
                   "no event at vCPU %u", id);
        check_part(moved.taken_by == id, "vCPU %u took what is vCPU %u's", moved.taken_by, id);
    }
    check_part(event_close(other) == 0 && event_close(port) == 0, "close");
    check_end();
    event_set_handler(port, NULL, NULL);
}

static void check_absent(void)
{
    check_result("is-up-absent", hv_vcpu(VCPUOP_is_up, 8000, NULL), -XEN_ENOENT);
    check_result("is-up-huge", hv_vcpu(VCPUOP_is_up, UINT32_MAX, NULL), -XEN_ENOENT);
    check_result("up-absent", hv_vcpu(VCPUOP_up, 8000, NULL), -XEN_ENOENT);
    check_result("is-up-self", hv_vcpu(VCPUOP_is_up, 0, NULL), 1);
    check_result("unknown-op", hv_vcpu(77, 0, NULL), -XEN_ENOSYS);
    check_result("initialise-twice-self", hv_vcpu(VCPUOP_initialise, 0, &context), -XEN_EEXIST);
}

void guest_main(void)
{
    count = cpu_count();
    kit_printf("smp: %u vCPUs\n", count);
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    cpu_context(0, &context);
    check_absent();
    check_runstate();
    if (count < 2) {
        check_skip("all-the-rest", "one vCPU");
        return;
    }
    make_ports();
    check_states("down-at-first", ask_up, 0);
    check_states("up-without-state", bring_up, -XEN_EINVAL);
    check_states("initialise", start_ap, 0);
    check_states("initialise-again", initialise_again, -XEN_EEXIST);
    check_states("up", bring_up, 0);
    check_states("is-up", ask_up, 1);
    all_reach("alive", offsetof(struct ap, alive), 1);
    all_reach("own-gs", offsetof(struct ap, gs_ok), 1);
    all_reach("own-timer", offsetof(struct ap, ticks_ok), 1);
    wake_pollers();
    check_interrupts();
    check_begin("from-neighbour");
    for (unsigned id = 2; id < count; id++) {
        check_part(aps[id - 1].neighbour_sent == 1, "vCPU %u did not send", id - 1);
    }
    check_end();
    check_moved_port();
    check_down_and_up();
}
