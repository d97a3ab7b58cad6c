/* SPDX-License-Identifier: MIT
 *
 * The ways between modes: system calls, software interrupts, iret frames good and bad, events on
 * top of user mode.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

/* ---- from user mode ---- */

static void user_syscall(void *argument)
{
    user_exit((uint64_t)argument);
}

static void check_syscall(void)
{
    struct fault fault = guarded_user(user_syscall, (void *)0x1234);

    check_begin("syscall");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part(fault.frame.rax == 0x1234, "RAX %lx", fault.frame.rax);
    check_part((fault.frame.cs & 3) == 3, "CS %x", fault.frame.cs);
    check_part(fault.frame.rcx == fault.frame.rip, "RCX %lx, RIP %lx", fault.frame.rcx,
               fault.frame.rip);
    check_part(fault.frame.rip > (uint64_t)user_syscall &&
                   fault.frame.rip < (uint64_t)user_syscall + 64,
               "RIP %lx", fault.frame.rip);
    check_part(fault.frame.rsp <= user_stack_top() && fault.frame.rsp > user_stack_top() - 256,
               "RSP %lx", fault.frame.rsp);
    check_end();
}

static void int80(void *argument)
{
    __asm__ volatile("int $0x80" : : "a"(argument) : "memory");
}

static void int81(void *argument)
{
    (void)argument;
    __asm__ volatile("int $0x81" : : : "memory");
}

static void int85(void *argument)
{
    (void)argument;
    __asm__ volatile("int $0x85" : : : "memory");
}

static void check_int80(bool user)
{
    struct fault fault = user ? guarded_user(int80, (void *)7) : guarded(int80, (void *)7);

    check_begin(user ? "int80-user" : "int80-kernel");
    check_part(fault.vector == TRAP_INT80, "vector %u", fault.vector);
    check_part(fault.frame.rax == 7, "RAX %lx", fault.frame.rax);
    check_part((fault.frame.cs & 3) == (user ? 3 : 0), "CS %x", fault.frame.cs);
    check_part(memcmp((void *)(fault.frame.rip - 2), "\xcd\x80", 2) == 0, "RIP %lx",
               fault.frame.rip);
    check_end();
}

/* A gate that is closed to user mode, or that does not exist: #GP with the vector's error code.
 * QEMU before 8 puts n * 16 + 2 there, and a hypervisor that takes the vector from it goes astray;
 * that is skipped. */
static void check_closed_gate(const char *name, guarded_fn *run, unsigned vector)
{
    struct fault fault = guarded_user(run, NULL);

    if (fault.vector == 13 && fault.frame.error == vector * 8 + 2) {
        check_pass(name);
    } else if (fault.vector == 13 && fault.frame.error == vector * 16 + 2) {
        check_skip(name, "the emulator's error code is wrong");
    } else {
        check_fail(name, "vector %u error %lx", fault.vector, fault.frame.error);
    }
}

/* ---- iret ---- */

static void stop_here(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

/* Every register arrives as the frame has it, those that SYSCALL uses among them. */
static struct trap_frame pattern;

static void go_with_pattern(void *argument)
{
    struct trap_frame used = pattern; /* the way out uses it up */

    (void)argument;
    kit_leave_to(&used);
}

static void check_all_registers(void)
{
    uint64_t *registers = (uint64_t *)&pattern;
    struct fault fault;

    for (unsigned i = 0; i < 15; i++) {
        registers[i] = 0x1111111111111111UL * i + 0xabcdef;
    }
    pattern.rip = (uint64_t)stop_here;
    pattern.cs = FLAT_USER_CS | 3;
    pattern.rflags = 0x202 | 0x8d5; /* carry and its like */
    pattern.rsp = user_stack_top();
    pattern.ss = FLAT_USER_SS;
    fault = guarded(go_with_pattern, NULL);
    check_begin("iret-registers");
    check_part(fault.vector == 6, "vector %u", fault.vector);
    /* stop_here() sets up its frame before it stops: RBP is its own. */
    fault.frame.rbp = pattern.rbp;
    check_part(memcmp(&fault.frame, &pattern, 15 * sizeof(uint64_t)) == 0,
               "rcx %lx r11 %lx rax %lx rdi %lx r15 %lx", fault.frame.rcx, fault.frame.r11,
               fault.frame.rax, fault.frame.rdi, fault.frame.r15);
    check_part((fault.frame.rflags & 0x8d5) == 0x8d5, "RFLAGS %lx", fault.frame.rflags);
    check_end();
}

/* Flags that a guest may not have are dropped, not obeyed. */
static void check_iret_flags(void)
{
    struct iret_frame to = {(uint64_t)stop_here, FLAT_USER_CS | 3, 0, user_stack_top(),
                            FLAT_USER_SS};
    struct fault fault;

    to.rflags = 0x202 | 0x3000 | 0x20000 | 0x4000; /* IOPL 3, VM, NT */
    fault = guarded_iret(&to, NULL);
    check_begin("iret-flags");
    check_part(fault.vector == 6, "vector %u", fault.vector);
    check_part((fault.frame.rflags & 0x23000) == 0, "RFLAGS %lx", fault.frame.rflags);
    check_end();
}

/* An iret frame that the CPU refuses: the guest's kernel gets a #GP (or its failsafe callback), in
 * kernel mode or at the target, and nobody else is harmed. */
static void bad_iret(const char *name, struct iret_frame to)
{
    struct fault fault = guarded_iret(&to, NULL);

    check_begin(name);
    check_part(fault.vector == 13 || fault.vector == TRAP_FAILSAFE || fault.vector == 14,
               "vector %u error %lx", fault.vector, fault.frame.error);
    check_end();
}

static void check_bad_irets(void)
{
    const uint64_t rip = (uint64_t)stop_here, rsp = user_stack_top();
    const uint64_t cs = FLAT_USER_CS | 3, ss = FLAT_USER_SS;

    bad_iret("iret-rip-non-canonical",
             (struct iret_frame){0x0000900000000000UL, cs, 0x202, rsp, ss});
    bad_iret("iret-rip-hypervisor", (struct iret_frame){0xffff830000000000UL, cs, 0x202, rsp, ss});
    bad_iret("iret-cs-beyond", (struct iret_frame){rip, 0x7003, 0x202, rsp, ss});
    bad_iret("iret-cs-null", (struct iret_frame){rip, 3, 0x202, rsp, ss});
    bad_iret("iret-cs-hypervisor", (struct iret_frame){rip, 0xe00b, 0x202, rsp, ss});
    bad_iret("iret-cs-data", (struct iret_frame){rip, FLAT_USER_SS | 3, 0x202, rsp, ss});
    bad_iret("iret-ss-beyond", (struct iret_frame){rip, cs, 0x202, rsp, 0x7003});
    bad_iret("iret-ss-code", (struct iret_frame){rip, cs, 0x202, rsp, cs});
    bad_iret("iret-cs-ldt", (struct iret_frame){rip, 0x7, 0x202, rsp, ss});
}

/* ---- page tables of user mode ----
 *
 * Tables that lack one slot of the kernel's, that of the frame list: user mode must not see it. The
 * kernel must, in a handler and afterwards. */
static uint64_t user_l4[512] PAGE_ALIGNED;

static void read_word(void *argument)
{
    __asm__ volatile("mov (%0), %%rax" : : "r"(argument) : "rax");
}

static long set_user_base(const void *l4)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};

    op.arg1.mfn = va_to_mfn(l4);
    return hv_mmuext(&op, 1);
}

static bool hypervisor_slot(unsigned slot)
{
    return slot >= 256 && slot < 272;
}

static void check_user_tables(void)
{
    const uint64_t *l4 = (const uint64_t *)kit_start_info->pt_base;
    const volatile uint64_t *list = (const volatile uint64_t *)kit_start_info->mfn_list;
    unsigned slot = (unsigned)((uint64_t)list >> 39) & 511;
    struct fault fault;

    if (slot == 511) {
        check_skip("user-tables", "the frame list lies beside the image");
        return;
    }
    for (unsigned i = 0; i < 512; i++) {
        user_l4[i] = hypervisor_slot(i) || i == slot ? 0 : l4[i];
    }
    (void)page_make_readonly(user_l4);
    check_begin("user-tables");
    check_part(set_user_base(user_l4) == 0, "refused");
    fault = guarded_user(read_word, (void *)(uint64_t)list);
    check_part(fault.vector == 14 && fault.cr2 == (uint64_t)list, "user: vector %u cr2 %lx",
               fault.vector, fault.cr2);
    check_part(list[0] != 0, "the list is gone");
    fault = guarded_user(user_syscall, NULL);
    check_part(fault.vector == TRAP_SYSCALL && list[0] != 0, "vector %u", fault.vector);
    fault = guarded_user(stop_here, NULL);
    check_part(fault.vector == 6 && list[0] != 0, "vector %u", fault.vector);
    check_part(set_user_base((void *)kit_start_info->pt_base) == 0, "set back");
    check_end();
}

/* ---- events and user mode ---- */

static volatile uint64_t spins;

static void spin_until_tick(void *argument)
{
    const volatile uint64_t *ticks = argument;

    for (uint64_t start = *ticks; *ticks < start + 2;) {
        spins++;
    }
    user_exit(1);
}

/* Upcalls interrupt user mode and come back to it with all registers. */
static void check_user_upcalls(void)
{
    struct fault fault;

    (void)time_bind_timer();
    (void)timer_periodic(5 * MS);
    fault = guarded_user(spin_until_tick, (void *)(uint64_t)time_tick_counter(0));
    (void)timer_stop_periodic();
    check_begin("user-upcalls");
    check_part(fault.vector == TRAP_SYSCALL && fault.frame.rax == 1, "vector %u", fault.vector);
    check_part(spins > 0, "never ran");
    check_end();
}

/* ---- nested entries ---- */

static bool nested_seen;

static bool fault_again(struct trap_frame *frame)
{
    struct fault inner;

    if (frame->vector != 3) {
        return false;
    }
    trap_set_handler(3, NULL);
    inner = guarded(stop_here, NULL);
    nested_seen = inner.vector == 6;
    return true;
}

static void check_nested(void)
{
    trap_set_handler(3, fault_again);
    nested_seen = false;
    __asm__ volatile("int3" : : : "memory");
    trap_set_handler(3, NULL);
    check_true("nested", nested_seen, "no exception inside a handler");
}

void check_entries(void)
{
    check_syscall();
    check_int80(false);
    check_int80(true);
    check_closed_gate("int81-user", int81, 0x81);
    check_closed_gate("int85-user", int85, 0x85);
    check_all_registers();
    check_iret_flags();
    check_bad_irets();
    check_user_tables();
    check_user_upcalls();
    check_nested();
}
