/* SPDX-License-Identifier: MIT
 *
 * Attacks by what a vCPU is given to run with, and by not letting go of it.
 */
#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/lib.h"

static struct vcpu_guest_context context;
static uint8_t plain[PAGE_SIZE] PAGE_ALIGNED;

/* Contexts that VCPUOP_initialise must refuse. The vCPU stays uninitialised. */
static void bad_contexts(void)
{
    if (cpu_count() < 2) {
        return;
    }
    cpu_context(1, &context);
    context.ctrlreg[3] = xen_pfn_to_cr3(1UL << 39);
    check_part(hv_vcpu(VCPUOP_initialise, 1, &context) < 0, "CR3 in no frame");
    context.ctrlreg[3] = 0;
    check_part(hv_vcpu(VCPUOP_initialise, 1, &context) < 0, "CR3 0");
    context.ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn(plain));
    check_part(hv_vcpu(VCPUOP_initialise, 1, &context) < 0, "CR3 a writable page");
    cpu_context(1, &context);
    context.gdt_ents = 9000;
    check_part(hv_vcpu(VCPUOP_initialise, 1, &context) < 0, "9000 descriptors");
    context.gdt_ents = 512;
    context.gdt_frames[0] = va_to_mfn((void *)kit_start_info->pt_base);
    check_part(hv_vcpu(VCPUOP_initialise, 1, &context) < 0, "a page table for a GDT");
    cpu_context(1, &context);
    context.ldt_ents = 9000;
    check_part(hv_vcpu(VCPUOP_initialise, 1, &context) < 0, "9000 LDT entries");
    check_part(hv_vcpu(VCPUOP_up, 1, NULL) < 0, "up without a state");
    check_part(hv_vcpu(VCPUOP_initialise, 1, (void *)0xffff830000000000UL) == -XEN_EFAULT,
               "a context in the hypervisor");
}

/* Selectors and flags that are made harmless or end in the vCPU's own exceptions. Which of the two
 * is the hypervisor's choice; the vCPU runs with no more than ring 3 rights in either case. */
static volatile uint64_t ran, ring, flags_seen;

static void report(void *argument)
{
    uint64_t cs, flags;

    (void)argument;
    __asm__ volatile("mov %%cs, %0; pushf; pop %1" : "=r"(cs), "=r"(flags));
    ring = cs & 3;
    flags_seen = flags;
    ran = 1;
}

/* The bad selectors have been found out when they were loaded; the entry stub has nulled them. */
static bool go_on(struct trap_frame *frame)
{
    (void)frame;
    return true;
}

static void wild_context(void)
{
    struct cpu *cpu = cpu_by_id(1);
    long rc;

    if (cpu_count() < 2) {
        return;
    }
    cpu->id = 1;
    cpu->info = &kit_shared_info->vcpu_info[1];
    cpu->main = report;
    cpu_context(1, &context);
    context.user_regs.rflags = 0x3000 | 0x20000 | 0x4000 | 0x100000 | 0x80000; /* IOPL VM NT VIF */
    context.user_regs.cs = FLAT_KERNEL_CS & ~3;
    context.user_regs.ss = FLAT_KERNEL_SS & ~3;
    context.user_regs.ds = 0xe008;
    context.user_regs.es = 0xfff8;
    context.user_regs.fs = 0xe00b;
    context.user_regs.gs = 0x7;
    context.debugreg[7] = ~0UL;
    context.debugreg[0] = 0xffff830000000000UL;
    context.ctrlreg[0] = ~0UL;
    context.ctrlreg[4] = ~0UL;
    rc = hv_vcpu(VCPUOP_initialise, 1, &context);
    if (rc != 0) {
        return;
    }
    trap_set_handler(TRAP_FAILSAFE, go_on);
    trap_set_handler(13, go_on);
    (void)hv_vcpu(VCPUOP_up, 1, NULL);
    if (wait_for(&ran, 1, 500 * MS)) {
        check_part(ring == 3, "ring %lu", ring);
        check_part((flags_seen & 0x23000) == 0, "RFLAGS %lx", flags_seen);
    }
    (void)hv_vcpu(VCPUOP_down, 1, NULL);
    trap_set_handler(TRAP_FAILSAFE, NULL);
    trap_set_handler(13, NULL);
}

/* Runs with upcalls masked and never lets go: others must get their share all the same. For as long
 * as told. */
static void hog(void)
{
    uint64_t end = time_now() + args_number("ms", 300) * MS;

    (void)upcalls_mask();
    while (time_now() < end) {
        (void)hv_version(XENVER_version, NULL);
    }
    upcalls_unmask();
}

static void spin(void)
{
    uint64_t end = time_now() + args_number("ms", 300) * MS;

    (void)upcalls_mask();
    while (time_now() < end) {
    }
    upcalls_unmask();
}

/* As fast as it can: yield, block with an event pending, send to itself. */
static void churn(void)
{
    uint64_t end = time_now() + args_number("ms", 300) * MS;
    uint32_t port = 0;

    check_part(event_bind_ipi(0, &port) == 0, "no port");
    event_unmask(port);
    while (time_now() < end) {
        (void)hv_sched(SCHEDOP_yield, NULL);
        (void)upcalls_mask();
        (void)event_send(port);
        (void)hv_sched(SCHEDOP_block, NULL);
    }
    (void)event_close(port);
}

/* FPU and debug state that stays set: the others must not notice. */
static void leave_state(void)
{
    uint32_t control = 0x1f00;
    uint64_t end = time_now() + args_number("ms", 100) * MS;

    __asm__ volatile("fninit; fld1; ldmxcsr %0; pcmpeqd %%xmm3, %%xmm3" : : "m"(control));
    (void)hypercall2(__HYPERVISOR_set_debugreg, 0, (uint64_t)plain);
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0x30003);
    while (time_now() < end) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
}

/* Has vCPU 1 run main(), whether or not an earlier attack has used it. */
static void start_second(void (*main)(void *))
{
    long rc;

    for (unsigned i = 0; i < 1000 && hv_vcpu(VCPUOP_is_up, 1, NULL) == 1; i++) {
        time_sleep(MS);
    }
    rc = cpu_start(1, main, NULL);
    if (rc == -XEN_EEXIST) {
        rc = hv_vcpu(VCPUOP_up, 1, NULL);
    }
    check_part(rc == 0, "vCPU 1: %ld", rc);
}

/* ---- LDT pages that the hypervisor itself is the first to touch ----
 *
 * A page becomes part of an LDT when it is first used, and that may take a flush on other CPUs, where
 * this domain's vCPU 1 spins. Here the first use is by the hypervisor: when it loads DS for a vCPU that
 * comes back to a CPU, and when its IRETQ loads CS. */
#define LDT_DATA 0x00cff3000000ffffUL
#define LDT_CODE 0x00affb000000ffffUL

#define LDT_SELECTOR (1 * 8 + 7) /* of LDT_DATA */

static uint64_t ldt[512] PAGE_ALIGNED;
static volatile uint64_t stop_spinning, spinning, spinner_left;
/* There is no LDT just now: a CPU that is given to vCPU 0 meanwhile cannot load what it has from there. */
static volatile bool ldt_away;
static uint64_t lost_es, lost_with_ldt, lost_other;

/* The failsafe callback: what could not be loaded is named, and null now. */
static bool selectors_lost(struct trap_frame *frame)
{
    (void)frame;
    if (!ldt_away) {
        lost_with_ldt++;
    } else if (kit_failsafe_selectors[1] == LDT_SELECTOR) {
        lost_es++;
    } else if (kit_failsafe_selectors[3] != LDT_SELECTOR) { /* of user GS: hv_set_segment_base() */
        lost_other++;
    }
    return true;
}

static void spin_until_told(void *argument)
{
    (void)argument;
    spinning = 1;
    while (!stop_spinning) {
        (void)*(volatile uint64_t *)&ldt[0];
    }
    spinner_left = 1;
}

static void use_ldt(unsigned entries)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};

    op.arg1.linear_addr = (uint64_t)ldt;
    op.arg2.nr_ents = entries;
    check_part(hv_mmuext(&op, 1) == 0, "set_ldt");
}

/* The page was written a moment ago: no CPU may still have it mapped writable. */
static void renew_ldt(void)
{
    ldt_away = true;
    use_ldt(0);
    check_part(page_make_writable(ldt) == 0, "writable");
    *(volatile uint64_t *)&ldt[1] = LDT_DATA;
    *(volatile uint64_t *)&ldt[2] = LDT_CODE;
    check_part(page_make_readonly(ldt) == 0, "readonly");
    use_ldt(512);
    ldt_away = false;
}

static uint16_t take_es(void)
{
    uint16_t selector;

    __asm__ volatile("mov %%es, %0; mov %1, %%es" : "=&r"(selector) : "r"(0));
    return selector;
}

/* A selector of the LDT is in ES while other vCPUs have the CPU; at the end the LDT is there, or not.
 * Exactly if ES is lost the guest is told. */
static void come_back(bool with_ldt)
{
    uint64_t before = lost_es;
    uint16_t es;

    renew_ldt();
    __asm__ volatile("mov %0, %%es" : : "r"((uint16_t)LDT_SELECTOR));
    if (with_ldt) {
        renew_ldt();
    } else {
        ldt_away = true;
        use_ldt(0);
    }
    time_sleep(2 * MS);
    es = take_es();
    check_part(es == (lost_es == before ? LDT_SELECTOR : 0), "ES %x, lost %lu times", es,
               lost_es - before);
}

static void stop_in_user_mode(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

static void ldt_from_inside(void)
{
    struct iret_frame to = {(uint64_t)stop_in_user_mode, 2 * 8 + 7, 0x202, user_stack_top(),
                            FLAT_USER_SS};
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};

    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    check_part(hv_mmuext(&op, 1) == 0, "user base");
    stop_spinning = spinning = spinner_left = 0;
    (void)time_bind_timer();
    if (cpu_count() >= 2) {
        start_second(spin_until_told);
        check_part(wait_for(&spinning, 1, 5000 * MS), "vCPU 1 does not spin");
    }
    lost_es = lost_with_ldt = lost_other = 0;
    trap_set_handler(TRAP_FAILSAFE, selectors_lost);
    for (unsigned i = 0; i < 20; i++) {
        struct fault fault;

        renew_ldt();
        fault = guarded_iret(&to, NULL);
        check_part(fault.vector == 6, "iret: vector %u error %lx", fault.vector, fault.frame.error);
        come_back(true);
        come_back(false);
        renew_ldt();
        check_part(hv_set_segment_base(SEGBASE_GS_USER_SEL, LDT_SELECTOR) == 0, "user GS");
    }
    check_part(lost_es > 0, "never told of a selector that is lost");
    check_part(lost_with_ldt == 0, "%lu times lost with the LDT there", lost_with_ldt);
    check_part(lost_other == 0, "%lu times told of another selector", lost_other);
    stop_spinning = 1;
    if (cpu_count() >= 2) {
        (void)wait_for(&spinner_left, 1, 5000 * MS);
    }
    trap_set_handler(TRAP_FAILSAFE, NULL);
    (void)hv_set_segment_base(SEGBASE_GS_USER_SEL, 0);
    use_ldt(0);
}

/* vCPU 1 runs user mode on a code segment whose descriptor vCPU 0 takes away: whatever interrupts it next,
 * an NMI of the machine's included, cannot go back there. The guest kernel hears of it. */
#define STALE_CODE 40

static uint64_t stale_gdt[512] PAGE_ALIGNED;
static volatile uint64_t on_stale, stale_end, stale_vector;

static void spin_on_flag(void *argument)
{
    on_stale = 1;
    while (*(volatile uint64_t *)argument == 0) {
    }
    user_exit(0);
}

static void run_on_stale(void *argument)
{
    struct iret_frame to = {(uint64_t)spin_on_flag, STALE_CODE * 8 + 3, 0x202, user_stack_top(),
                            FLAT_USER_SS};
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};
    unsigned long frames[16] = {va_to_mfn(stale_gdt)};

    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    (void)hv_mmuext(&op, 1);
    (void)argument;
    (void)hv_set_gdt(frames, 512);
    (void)timer_periodic(5 * MS);
    stale_vector = guarded_iret(&to, (void *)(uint64_t)&stale_end).vector;
    (void)timer_stop_periodic();
    (void)hv_set_gdt(frames, 0);
    on_stale = 2;
}

static void stale_segment(void)
{
    uint64_t address = va_to_mfn(stale_gdt) * PAGE_SIZE + STALE_CODE * sizeof(uint64_t);

    if (cpu_count() < 2) {
        return;
    }
    (void)time_bind_timer();
    on_stale = stale_end = 0;
    stale_gdt[STALE_CODE] = LDT_CODE;
    check_part(page_make_readonly(stale_gdt) == 0, "readonly");
    start_second(run_on_stale);
    check_part(wait_for(&on_stale, 1, 5000 * MS), "vCPU 1 does not start");
    time_sleep(30 * MS);
    check_part(on_stale == 1, "vector %lu before", stale_vector);
    check_part(hv_update_descriptor(address, 0) == 0, "update_descriptor");
    time_sleep(args_number("ms", 300) * MS);
    check_part(wait_for(&on_stale, 2, 5000 * MS), "it runs on");
    check_part(stale_vector == 13 || stale_vector == 11, "vector %lu", stale_vector);
    stale_end = 1;
    (void)page_make_writable(stale_gdt);
}

/* Touches the windows of descriptor tables, and addresses like them, as if they were memory. */
static void read_at(void *argument)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(argument) : "rax");
}

static void touch_windows(void)
{
    static const uint64_t windows[] = {
        0xffff820000000000UL, 0xffff82000000e000UL, 0xffff820000010000UL, 0xffff820000010ff0UL,
        0xffff820000030000UL, 0xffff828000000000UL, 0xffff830000000000UL,
    };

    renew_ldt();
    for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        struct fault fault = guarded(read_at, (void *)windows[i]);

        check_part(fault.vector == 14 && fault.cr2 == windows[i], "%lx: vector %u cr2 %lx",
                   windows[i], fault.vector, fault.cr2);
    }
    use_ldt(0);
}

const struct attack evil_cpus[] = {
    {"bad-contexts", bad_contexts, false},
    {"wild-context", wild_context, false},
    {"hog", hog, false},
    {"spin", spin, false},
    {"churn", churn, false},
    {"leave-state", leave_state, false},
    {"ldt-from-inside", ldt_from_inside, false},
    {"touch-windows", touch_windows, false},
    {"stale-segment", stale_segment, false},
    {NULL, NULL, false},
};
