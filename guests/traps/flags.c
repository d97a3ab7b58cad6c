/* SPDX-License-Identifier: MIT
 *
 * RFLAGS on the ways into the guest kernel and back, single steps, and the failsafe callback.
 *
 * Entry stubs of this file's own note the flags with which the hypervisor enters the guest kernel
 * before the kit's stubs, and C, change them.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

#define TF 0x100UL
#define DF 0x400UL
#define NT 0x4000UL
#define RF 0x10000UL
#define AC 0x40000UL
#define ID 0x200000UL
#define CF 0x1UL

/* Order of the kit's stubs (entry.S). */
enum { STUB_INT80 = 32, STUB_EVENT = 34, STUB_SYSCALL };
extern const uint64_t kit_stubs[];

volatile uint64_t flags_at_entry, stack_at_entry;
void flags_stub_ud(void);
void flags_stub_int80(void);
void flags_stub_event(void);
void flags_stub_syscall(void);
void flags_do_ud(void);
void flags_do_int80(void);
void flags_do_syscall(void);
void flags_do_spin(void);
void flags_do_read(void);
void flags_do_read_kernel(void);
void flags_step_syscall(void);
void flags_step_user(void);
extern const char flags_step_0[], flags_after_syscall[], flags_step_end[];
uint64_t flags_next[4];

#define STUB(name, n)                     \
    ".globl " name "\n" name ": pushfq\n" \
    "popq flags_at_entry(%rip)\n"         \
    "mov %rsp, stack_at_entry(%rip)\n"    \
    "jmp *(flags_next + 8 * " #n ")(%rip)\n"

__asm__(".text\n" STUB("flags_stub_ud", 0) STUB("flags_stub_int80", 1) STUB("flags_stub_event", 2)
            STUB("flags_stub_syscall", 3) "flags_do_ud: ud2\n"
                                          "flags_do_int80: int $0x80; ud2\n"
                                          "flags_do_syscall: syscall; ud2\n"
                                          "flags_do_read: pushfq; popq %rax; syscall; ud2\n"
                                          "flags_do_read_kernel: pushfq; popq %rax; ud2\n"
                                          /* RDI: counter, until it has moved */
                                          "flags_do_spin: mov (%rdi), %rax\n"
                                          "1: cmp (%rdi), %rax; je 1b\n"
                                          "pushfq; popq %rax; syscall; ud2\n"
                                          "flags_step_syscall: pushfq; orq $0x100, (%rsp); popfq\n"
                                          "flags_step_0: mov $17, %eax\n"
                                          "xor %edi, %edi\n"
                                          "syscall\n"
                                          "flags_after_syscall: nop\n"
                                          "mov %cr2, %rax\n"
                                          "nop\n"
                                          "pushfq; andq $~0x100, (%rsp)\n"
                                          "popfq\n"
                                          "flags_step_end: ret\n"
                                          "flags_step_user: nop; nop; syscall; ud2\n");

static void use_stubs(bool own)
{
    struct trap_info table[3] = {trap_table()[6], trap_table()[32]};
    struct callback_register request = {.flags = CALLBACKF_mask_events};

    flags_next[0] = kit_stubs[6];
    flags_next[1] = kit_stubs[STUB_INT80];
    flags_next[2] = kit_stubs[STUB_EVENT];
    flags_next[3] = kit_stubs[STUB_SYSCALL];
    if (own) {
        table[0].address = (uint64_t)flags_stub_ud;
        table[1].address = (uint64_t)flags_stub_int80;
    }
    (void)hv_set_trap_table(table);
    request.type = CALLBACKTYPE_event;
    request.address = own ? (uint64_t)flags_stub_event : kit_stubs[STUB_EVENT];
    (void)hv_callback(CALLBACKOP_register, &request);
    request.type = CALLBACKTYPE_syscall;
    request.address = own ? (uint64_t)flags_stub_syscall : kit_stubs[STUB_SYSCALL];
    (void)hv_callback(CALLBACKOP_register, &request);
}

/* The interrupted context's flags are in the frame; the handler starts without those that would
 * hurt it, and with interrupts on, whatever was interrupted. */
static void check_way(const char *name, void (*code)(void), unsigned vector, bool user)
{
    const uint64_t given = DF | NT | AC | ID | CF, cleared = TF | NT | RF | AC;
    struct iret_frame to = {(uint64_t)code, FLAT_USER_CS | 3, given | 0x202, user_stack_top(),
                            FLAT_USER_SS};
    struct fault fault;

    if (!user) {
        to.cs = FLAT_KERNEL_CS & ~3U;
        to.ss = FLAT_KERNEL_SS;
        to.rsp =
            ((uint64_t)__builtin_frame_address(0) & ~15UL) - 2048 + 5; /* where the frame goes */
    }
    flags_at_entry = 0;
    fault = guarded_iret(&to, NULL);
    check_begin(name);
    check_part(fault.vector == vector, "vector %u", fault.vector);
    check_part((fault.frame.rflags & 0x3fffff & ~(RF | 0x8d4)) == (given | 0x202), "frame %lx",
               fault.frame.rflags);
    check_part((flags_at_entry & (cleared | 0x23000)) == 0, "at entry %lx", flags_at_entry);
    check_part((flags_at_entry & 0x202) == 0x202, "at entry %lx", flags_at_entry);
    /* Seven words without an error code, below a multiple of 16. */
    check_part((stack_at_entry + 56) % 16 == 0, "stack %lx", stack_at_entry);
    check_part(user || stack_at_entry == to.rsp - 5 - 56, "stack %lx, not below %lx",
               stack_at_entry, to.rsp);
    check_end();
}

/* Linux has a CLD where exceptions enter it and none where system calls do, as a machine's SYSCALL clears the flag. A
 * user program that has set it must not have the kernel copy backwards. Debian's Xen hands it on. */
static void check_direction(const char *name, void (*code)(void), unsigned vector)
{
    struct iret_frame to = {(uint64_t)code, FLAT_USER_CS | 3, 0x202 | DF, user_stack_top(),
                            FLAT_USER_SS};
    struct fault fault;
    xen_extraversion_t extra = "";

    (void)hv_version(XENVER_extraversion, extra);
    if (strcmp(extra, ".0-lagan") != 0) {
        check_skip(name, "this hypervisor hands the flag on");
        return;
    }
    flags_at_entry = DF;
    fault = guarded_iret(&to, NULL);
    check_begin(name);
    check_part(fault.vector == vector, "vector %u", fault.vector);
    check_part((flags_at_entry & DF) == 0, "at entry %lx", flags_at_entry);
    check_part(fault.frame.rflags & DF, "frame %lx", fault.frame.rflags);
    check_end();
}

/* The interrupt flag of an iret frame is the upcall mask, and comes back in the next frame. */
static void check_masked(const char *name, void (*code)(void), unsigned vector, bool masked)
{
    struct iret_frame to = {(uint64_t)code, FLAT_USER_CS | 3, masked ? 2 : 0x202, user_stack_top(),
                            FLAT_USER_SS};
    struct fault fault = guarded_iret(&to, NULL);

    upcalls_unmask();
    check_begin(name);
    check_part(fault.vector == vector, "vector %u", fault.vector);
    check_part(fault.frame.saved_mask == masked, "saved mask %u", fault.frame.saved_mask);
    check_part((fault.frame.rflags & 0x200) == (masked ? 0 : 0x200), "frame %lx",
               fault.frame.rflags);
    check_end();
}

/* IOPL, VM, VIF and VIP of an iret frame do not reach the CPU: it is asked, not the next frame. */
static void check_privileged_flags(void)
{
    const uint64_t privileged = 0x3000 | 0x20000 | 0x80000 | 0x100000;
    struct iret_frame to = {(uint64_t)flags_do_read, FLAT_USER_CS | 3, 0x202 | privileged,
                            user_stack_top(), FLAT_USER_SS};
    struct fault fault = guarded_iret(&to, NULL);

    check_begin("flags-privileged");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part((fault.frame.rax & privileged) == 0, "user %lx", fault.frame.rax);
    to.rip = (uint64_t)flags_do_read_kernel;
    to.cs = FLAT_KERNEL_CS & ~3U;
    to.rsp = (uint64_t)__builtin_frame_address(0) - 2048;
    fault = guarded_iret(&to, NULL);
    check_part(fault.vector == 6, "vector %u", fault.vector);
    check_part((fault.frame.rax & privileged) == 0, "kernel %lx", fault.frame.rax);
    check_end();
}

static void check_upcall_flags(void)
{
    struct iret_frame to = {(uint64_t)flags_do_spin, FLAT_USER_CS | 3, 0x202 | DF | NT | ID,
                            user_stack_top(), FLAT_USER_SS};
    struct fault fault;

    (void)time_bind_timer();
    (void)timer_periodic(5 * MS);
    flags_at_entry = 0;
    fault = guarded_iret(&to, (void *)(uint64_t)time_tick_counter(0));
    (void)timer_stop_periodic();
    check_begin("flags-upcall");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part((fault.frame.rax & (DF | NT | ID)) == (DF | NT | ID), "after it %lx",
               fault.frame.rax);
    check_end();
}

/* ---- single steps ---- */

#define STEPS_MAX 16
static uint64_t steps[STEPS_MAX];
static unsigned step_count;

static bool note_step(struct trap_frame *frame)
{
    if (step_count < STEPS_MAX) {
        steps[step_count++] = frame->rip;
    } else {
        frame->rflags &= ~TF;
    }
    return true;
}

static void run_steps(void *argument)
{
    (void)argument;
    flags_step_syscall();
}

static bool stepped_at(uint64_t rip)
{
    for (unsigned i = 0; i < step_count; i++) {
        if (steps[i] == rip) {
            return true;
        }
    }
    return false;
}

static void check_steps(void)
{
    struct iret_frame to = {(uint64_t)flags_step_user, FLAT_USER_CS | 3, 0x202 | TF,
                            user_stack_top(), FLAT_USER_SS};
    struct fault fault;

    trap_set_handler(1, note_step);
    step_count = 0;
    fault = guarded(run_steps, NULL);
    check_begin("step-hypercall");
    check_part(fault.vector == TRAP_NONE, "vector %u", fault.vector);
    check_part(stepped_at((uint64_t)flags_after_syscall), "not at the instruction behind SYSCALL");
    check_part(stepped_at((uint64_t)flags_after_syscall + 1), "not behind the next");
    check_part(stepped_at((uint64_t)flags_after_syscall + 4), "not behind MOV from CR2");
    check_part(step_count == 9, "%u steps", step_count);
    check_end();

    step_count = 0;
    fault = guarded_iret(&to, NULL);
    check_begin("step-user");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part(fault.frame.rflags & TF, "flags %lx", fault.frame.rflags);
    check_part(step_count == 2, "%u steps", step_count);
    check_end();
    trap_set_handler(1, NULL);
}

/* ---- the virtual task-switched flag ---- */

static void use_fpu(void *argument)
{
    (void)argument;
    __asm__ volatile("fnop");
}

/* It stays set while the vCPU sleeps and others run; the first use of the FPU clears it. */
static void check_task_switched(void)
{
    struct fault fault;

    (void)hypercall1(__HYPERVISOR_fpu_taskswitch, 1);
    time_sleep(10 * MS);
    fault = guarded(use_fpu, NULL);
    check_begin("ts-asleep");
    check_part(fault.vector == 7, "vector %u", fault.vector);
    check_part(guarded(use_fpu, NULL).vector == TRAP_NONE, "still set");
    check_end();
}

/* ---- failsafe ---- */

static uint64_t gdt[512] PAGE_ALIGNED;
#define DATA     0x00cff3000000ffffUL
#define SELECTOR (30 * 8 + 3)

static uint16_t read_es(void)
{
    uint16_t es;

    __asm__ volatile("mov %%es, %0" : "=r"(es));
    return es;
}

static void load_es(uint16_t selector)
{
    __asm__ volatile("mov %0, %%es" : : "r"(selector));
}

static bool go_on(struct trap_frame *frame)
{
    (void)frame;
    return true;
}

static uint64_t descriptor_address(void)
{
    return va_to_mfn(gdt) * PAGE_SIZE + 30 * sizeof(gdt[0]);
}

/* What an iret frame asks for cannot be loaded: the exception comes as if the target had raised it. The
 * failsafe callback has no part in it. SS not present is #NP in QEMU, #SS on a machine. */
#define ABSENT_CODE  31
#define ABSENT_STACK 32

static const struct bad_iret {
    const char *name;
    uint16_t cs, ss;
    unsigned vector, error;
} bad_irets[] = {
    {"iret-fault-cs-beyond", 0x7003, FLAT_USER_SS, 13, 0x7000},
    {"iret-fault-cs-absent", ABSENT_CODE * 8 + 3, FLAT_USER_SS, 11, ABSENT_CODE * 8},
    {"iret-fault-cs-null", 3, FLAT_USER_SS, 13, 0},
    {"iret-fault-cs-hypervisor", 0xe00b, FLAT_USER_SS, 13, 0xe008},
    {"iret-fault-cs-ldt", 7, FLAT_USER_SS, 13, 4},
    {"iret-fault-cs-data", FLAT_USER_SS, FLAT_USER_SS, 13, FLAT_USER_SS & ~3},
    {"iret-fault-ss-beyond", FLAT_USER_CS | 3, 0x7003, 13, 0x7000},
    {"iret-fault-ss-absent", FLAT_USER_CS | 3, ABSENT_STACK * 8 + 3, 11, ABSENT_STACK * 8},
    {"iret-fault-ss-null", FLAT_USER_CS | 3, 3, 13, 0},
};

static void check_bad_iret(const struct bad_iret *bad)
{
    struct iret_frame to = {(uint64_t)flags_do_ud, bad->cs, 0x202, user_stack_top(), bad->ss};
    uint64_t before = this_cpu()->failsafes;
    struct fault fault = guarded_iret(&to, NULL);

    check_begin(bad->name);
    check_part(fault.vector == bad->vector || (bad->vector == 11 && fault.vector == 12),
               "vector %u", fault.vector);
    check_part(fault.frame.error == bad->error, "error code %lx", fault.frame.error);
    check_part(this_cpu()->failsafes == before, "failsafe callback");
    check_part(fault.frame.cs == (bad->cs | 3u), "CS %x", fault.frame.cs);
    check_part(fault.frame.ss == (bad->ss | 3u), "SS %lx", fault.frame.ss);
    check_part(fault.frame.rip == to.rip && fault.frame.rsp == to.rsp, "RIP %lx RSP %lx",
               fault.frame.rip, fault.frame.rsp);
    check_end();
}

/* A selector whose descriptor has gone stays loaded until the vCPU is switched. A hypervisor that
 * switched it tells by the failsafe callback; one that had no need to has lost nothing. */
static void check_failsafe_switch(void)
{
    uint64_t before = this_cpu()->failsafes, after;
    uint16_t es;

    trap_set_handler(TRAP_FAILSAFE, go_on);
    load_es(SELECTOR);
    (void)hv_update_descriptor(descriptor_address(), 0);
    time_sleep(20 * MS);
    es = read_es();
    after = this_cpu()->failsafes;
    check_begin("failsafe-switch");
    if (es == SELECTOR) {
        check_part(after == before, "called for nothing");
    } else {
        check_part(es == 0, "ES %x", es);
        check_part(after == before + 1, "called %lu times", after - before);
        check_part((kit_failsafe_selectors[1] & 0xffff) == SELECTOR, "ES in the frame %lx",
                   kit_failsafe_selectors[1]);
    }
    check_end();
    load_es(0);
    trap_set_handler(TRAP_FAILSAFE, NULL);
}

static void check_failsafe(void)
{
    unsigned long frames[16] = {va_to_mfn(gdt)};

    gdt[30] = DATA;
    gdt[ABSENT_CODE] = 0x00af7b000000ffff;
    gdt[ABSENT_STACK] = 0x00cf73000000ffff;
    (void)page_make_readonly(gdt);
    check_result("failsafe-gdt", hv_set_gdt(frames, 512), 0);
    for (unsigned i = 0; i < sizeof(bad_irets) / sizeof(bad_irets[0]); i++) {
        check_bad_iret(&bad_irets[i]);
    }
    check_failsafe_switch();
    (void)hv_set_gdt(frames, 0);
    (void)page_make_writable(gdt);
}

void check_flags(void)
{
    use_stubs(true);
    check_way("flags-ud-user", flags_do_ud, 6, true);
    check_way("flags-ud-kernel", flags_do_ud, 6, false);
    check_way("flags-int80-user", flags_do_int80, TRAP_INT80, true);
    check_way("flags-syscall-user", flags_do_syscall, TRAP_SYSCALL, true);
    check_direction("direction-ud", flags_do_ud, 6);
    check_direction("direction-int80", flags_do_int80, TRAP_INT80);
    check_direction("direction-syscall", flags_do_syscall, TRAP_SYSCALL);
    check_masked("mask-ud", flags_do_ud, 6, false);
    check_masked("mask-ud-masked", flags_do_ud, 6, true);
    check_masked("mask-syscall", flags_do_syscall, TRAP_SYSCALL, false);
    check_masked("mask-syscall-masked", flags_do_syscall, TRAP_SYSCALL, true);
    check_privileged_flags();
    check_upcall_flags();
    use_stubs(false);
    check_steps();
    check_task_switched();
    check_failsafe();
}
