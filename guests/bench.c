/* SPDX-License-Identifier: MIT
 *
 * bench: what the hypervisor's most frequent services cost, by the time stamp counter. Run under
 * QEMU with -icount shift=0 one tick is one instruction, so that the figures repeat exactly and can
 * be compared between hypervisors. Each line is `BENCH name value`: ticks for one operation, the
 * loop itself taken off.
 */
#include "kit/kit.h"

const char guest_name[] = "bench";

#define ROUNDS 2000UL

static uint32_t own_port;
static volatile uint64_t partner_rounds, partner_stop;

static void nothing(void)
{
    __asm__ volatile("");
}

static void null_call(void)
{
    (void)hv_version(XENVER_version, NULL);
}

static void unknown_call(void)
{
    (void)hypercall1(60, 0);
}

static void send_to_self(void)
{
    (void)event_send(own_port);
}

static void exception(void)
{
    __asm__ volatile("ud2");
}

static void yield_alone(void)
{
    (void)hv_sched(SCHEDOP_yield, NULL);
}

static void page_remap(void)
{
    static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;
    static uint64_t frame;

    frame = frame != 0 ? frame : va_to_mfn(page);
    (void)hv_update_va_mapping(page, frame * PAGE_SIZE | PTE_P | PTE_W | PTE_A | PTE_D,
                               UVMF_INVLPG);
}

static void descriptor_call(void)
{
    struct multicall_entry calls[8];

    for (unsigned i = 0; i < 8; i++) {
        calls[i].op = __HYPERVISOR_xen_version;
        calls[i].args[0] = XENVER_version;
        calls[i].args[1] = 0;
    }
    (void)hv_multicall(calls, 8);
}

/* Past the ud2. */
static bool skip(struct trap_frame *frame)
{
    frame->rip += 2;
    return true;
}

static uint64_t ticks_of(void (*operation)(void))
{
    uint64_t start, end;

    for (unsigned i = 0; i < 100; i++) {
        operation();
    }
    start = read_tsc();
    for (unsigned long i = 0; i < ROUNDS; i++) {
        operation();
    }
    end = read_tsc();
    return (end - start) / ROUNDS;
}

static uint64_t loop_cost;

static uint64_t measure(const char *name, void (*operation)(void))
{
    uint64_t ticks = ticks_of(operation) - loop_cost;

    kit_printf("BENCH %s %lu\n", name, ticks);
    return ticks;
}

static void partner(void *argument)
{
    (void)argument;
    while (!partner_stop) {
        partner_rounds++;
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
}

/* Two vCPUs that yield to one another, meant for one CPU: each round is two switches. */
static void measure_switch(void)
{
    uint64_t before, start, rounds, ticks;

    if (cpu_count() < 2 || cpu_start(1, partner, NULL) != 0) {
        check_skip("vcpu-switch", "one vCPU");
        return;
    }
    (void)wait_for(&partner_rounds, 100, 5000 * MS);
    before = partner_rounds;
    start = read_tsc();
    for (unsigned long i = 0; i < ROUNDS; i++) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    ticks = read_tsc() - start;
    rounds = partner_rounds - before;
    partner_stop = 1;
    kit_printf("BENCH vcpu-switch %lu\n", rounds == 0 ? 0 : ticks / (2 * rounds));
    kit_printf("BENCH yields-per-switch-pair %lu\n", rounds == 0 ? 0 : ROUNDS / rounds);
    check_true("vcpu-switch", rounds > 0, "%s", "the other vCPU did not run");
}

void guest_main(void)
{
    uint64_t taken;

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    loop_cost = ticks_of(nothing);
    check_true("null-call", measure("null-hypercall", null_call) > 0, "%s", "no time");
    (void)measure("unknown-hypercall", unknown_call);
    (void)measure("multicall-of-8", descriptor_call);
    (void)measure("page-remap", page_remap);

    (void)event_bind_ipi(0, &own_port);
    (void)measure("event-send-masked", send_to_self);
    event_unmask(own_port);
    taken = event_count(own_port);
    (void)measure("event-send-with-upcall", send_to_self);
    check_true("upcalls", event_count(own_port) - taken == ROUNDS + 100, "%lu upcalls",
               event_count(own_port) - taken);

    trap_set_handler(6, skip);
    check_true("exception", measure("exception-and-iret", exception) > 0, "%s", "no time");
    trap_set_handler(6, NULL);
    (void)measure("yield-alone", yield_alone);
    measure_switch();
}
