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

static void multicall(void)
{
    struct multicall_entry calls[8];

    for (unsigned i = 0; i < 8; i++) {
        calls[i].op = __HYPERVISOR_xen_version;
        calls[i].args[0] = XENVER_version;
        calls[i].args[1] = 0;
    }
    (void)hv_multicall(calls, 8);
}

/* From the guest kernel to its own next instruction: the iret hypercall and nothing else. */
static void iret_to_here(void)
{
    __asm__ volatile("mov %%rsp, %%rsi\n\t"
                     "push %[ss]\n\t"
                     "push %%rsi\n\t"
                     "pushq $0x202\n\t"
                     "push %[cs]\n\t"
                     "lea 1f(%%rip), %%rdi\n\t"
                     "push %%rdi\n\t"
                     "pushq $0\n\t" /* flags: restore all registers */
                     "push %%rcx\n\t"
                     "push %%r11\n\t"
                     "push %%rax\n\t"
                     "mov %[nr], %%eax\n\t"
                     "syscall\n"
                     "1:"
                     :
                     : [ss] "r"((uint64_t)FLAT_KERNEL_SS), [cs] "r"(FLAT_KERNEL_CS & ~3UL),
                       [nr] "i"(__HYPERVISOR_iret)
                     : "rax", "rcx", "rsi", "rdi", "r11", "memory");
}

static void set_timer(void)
{
    static uint64_t deadline;

    deadline = deadline != 0 ? deadline + 1 : time_now() + 3600000 * MS;
    (void)hv_set_timer(deadline);
}

static void unmask_port(void)
{
    (void)event_unmask_call(own_port);
}

/* A port that has nothing behind it, on any machine. */
static void read_port(void)
{
    __asm__ volatile("in %%dx, %%al" : : "d"(0x378) : "rax");
}

static void forced_cpuid(void)
{
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : : "a"(0x40000000) : "rbx", "rcx", "rdx");
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

/* ---- guest user mode ---- */

static volatile uint64_t user_ticks;

static void call_from_user(void *argument)
{
    uint64_t start = read_tsc();

    (void)argument;
    for (unsigned long i = 0; i < ROUNDS; i++) {
        user_exit(0);
    }
    user_ticks = read_tsc() - start;
    user_exit(1);
}

/* Goes straight back, but for the last one. */
static bool answer(struct trap_frame *frame)
{
    return frame->rax == 0;
}

static void measure_user(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};

    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    check_result("user-base", hv_mmuext(&op, 1), 0);
    trap_set_handler(TRAP_SYSCALL, answer);
    check_true("user-calls", guarded_user(call_from_user, NULL).vector == TRAP_SYSCALL, "%s",
               "user mode did not come back");
    trap_set_handler(TRAP_SYSCALL, NULL);
    kit_printf("BENCH user-syscall-and-iret %lu\n", user_ticks / ROUNDS);
}

/* ---- two vCPUs ---- */

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

/* ---- events ---- */

/* A send on the own port while it is masked, then with the upcall. */
static void measure_events(const char *masked, const char *with_upcall)
{
    uint64_t taken;

    (void)measure(masked, send_to_self);
    event_unmask(own_port);
    taken = event_count(own_port);
    (void)measure(with_upcall, send_to_self);
    taken = event_count(own_port) - taken;
    check_true(with_upcall, taken == ROUNDS + 100, "%lu upcalls", taken);
}

void guest_main(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    loop_cost = ticks_of(nothing);
    check_true("null-call", measure("null-hypercall", null_call) > 0, "%s", "no time");
    (void)measure("unknown-hypercall", unknown_call);
    (void)measure("multicall-of-8", multicall);
    (void)measure("iret", iret_to_here);
    (void)measure("update-va-mapping", page_remap);
    (void)measure("set-timer", set_timer);
    (void)hv_set_timer(0);

    (void)event_bind_ipi(0, &own_port);
    measure_events("event-send-masked", "event-send-with-upcall");
    (void)measure("event-unmask", unmask_port);

    trap_set_handler(6, skip);
    check_true("exception", measure("exception-and-iret", exception) > 0, "%s", "no time");
    trap_set_handler(6, NULL);
    measure_user();
    check_result("iopl", hv_physdev(PHYSDEVOP_set_iopl, &iopl), 0);
    (void)measure("port-read", read_port);
    (void)measure("forced-cpuid", forced_cpuid);
    (void)measure("yield-alone", yield_alone);
    measure_switch();

    event_mask(own_port);
    check_result("fifo", event_use_fifo(1), 0);
    measure_events("fifo-send-masked", "fifo-send-with-upcall");
}
