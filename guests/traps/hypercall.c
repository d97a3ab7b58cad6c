/* SPDX-License-Identifier: MIT
 *
 * Hypercalls that set the vCPU's registers, multicalls, the hypercall page, and numbers that do not
 * exist.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

static void check_debug_registers(void)
{
    check_begin("debugreg-calls");
    check_part(hypercall2(__HYPERVISOR_set_debugreg, 1, 0x2000) == 0, "set DR1");
    check_part(hypercall1(__HYPERVISOR_get_debugreg, 1) == 0x2000, "get DR1");
    check_part(hypercall2(__HYPERVISOR_set_debugreg, 0, 0xffff820000000000UL) < 0,
               "DR0 in the hypervisor");
    check_part(hypercall2(__HYPERVISOR_set_debugreg, 8, 0) < 0, "set DR8");
    check_part(hypercall1(__HYPERVISOR_get_debugreg, 8) < 0, "get DR8: %ld",
               hypercall1(__HYPERVISOR_get_debugreg, 8));
    check_part(hypercall2(__HYPERVISOR_set_debugreg, 7, 0x2000) == 0 ||
                   hypercall1(__HYPERVISOR_get_debugreg, 7) != 0x2400,
               "general detect allowed");
    check_part(hypercall2(__HYPERVISOR_set_debugreg, 7, 0) == 0, "set DR7");
    check_part(hypercall2(__HYPERVISOR_set_debugreg, 1, 0) == 0, "set DR1");
    check_end();
}

static uint8_t watched[64];

static void touch(void *argument)
{
    (void)argument;
    *(volatile uint8_t *)watched = 1;
}

static void step(void *argument)
{
    (void)argument;
    __asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop" : : : "memory", "cc");
}

/* A watchpoint of the guest's works, and the next debug exception does not mention it. */
static void check_watchpoint(void)
{
    struct fault fault;

    (void)hypercall2(__HYPERVISOR_set_debugreg, 0, (uint64_t)watched);
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0x10002); /* write, one byte */
    fault = guarded(touch, NULL);
    check_begin("watchpoint");
    check_part(fault.vector == 1, "vector %u", fault.vector);
    check_part((hypercall1(__HYPERVISOR_get_debugreg, 6) & 1) == 1, "DR6 %lx",
               hypercall1(__HYPERVISOR_get_debugreg, 6));
    check_end();
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    (void)hypercall2(__HYPERVISOR_set_debugreg, 6, 0xffff0ff0);
    fault = guarded(step, NULL);
    check_begin("watchpoint-forgotten");
    check_part(fault.vector == 1, "vector %u", fault.vector);
    check_part((hypercall1(__HYPERVISOR_get_debugreg, 6) & 0x400f) == 0x4000, "DR6 %lx",
               hypercall1(__HYPERVISOR_get_debugreg, 6));
    check_end();
    (void)hypercall2(__HYPERVISOR_set_debugreg, 6, 0xffff0ff0);
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0x10002);
    fault = guarded(touch, NULL);
    (void)hypercall2(__HYPERVISOR_set_debugreg, 7, 0);
    check_begin("step-forgotten");
    check_part(fault.vector == 1, "vector %u", fault.vector);
    check_part((hypercall1(__HYPERVISOR_get_debugreg, 6) & 0x400f) == 1, "DR6 %lx",
               hypercall1(__HYPERVISOR_get_debugreg, 6));
    check_end();
    (void)hypercall2(__HYPERVISOR_set_debugreg, 6, 0xffff0ff0);
    check_true("watchpoint-off", guarded(touch, NULL).vector == TRAP_NONE, "%s", "still there");
}

static uint64_t read_gs_0(void)
{
    uint64_t found;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(found));
    return found;
}

static uint64_t read_fs_0(void)
{
    uint64_t found;

    __asm__ volatile("mov %%fs:0, %0" : "=r"(found));
    return found;
}

static void user_reads_gs(void *argument)
{
    (void)argument;
    user_exit(read_gs_0());
}

static void check_segment_bases(void)
{
    static uint64_t kernel = 0x11, user = 0x22, thread = 0x33;
    struct fault fault;

    check_begin("segment-bases");
    check_part(hv_set_segment_base(SEGBASE_GS_KERNEL, (uint64_t)&kernel) == 0, "kernel GS");
    check_part(hv_set_segment_base(SEGBASE_GS_USER, (uint64_t)&user) == 0, "user GS");
    check_part(hv_set_segment_base(SEGBASE_FS, (uint64_t)&thread) == 0, "FS");
    check_part(read_gs_0() == 0x11 && read_fs_0() == 0x33, "GS %lx FS %lx", read_gs_0(),
               read_fs_0());
    fault = guarded_user(user_reads_gs, NULL);
    check_part(fault.vector == TRAP_SYSCALL && fault.frame.rax == 0x22, "user: vector %u GS %lx",
               fault.vector, fault.frame.rax);
    check_part(read_gs_0() == 0x11, "GS %lx after user mode", read_gs_0());
    check_part(hv_set_segment_base(SEGBASE_FS, 0x0000900000000000UL) == -XEN_EINVAL,
               "FS not canonical");
    check_part(hv_set_segment_base(SEGBASE_GS_USER, 0x0000900000000000UL) == -XEN_EINVAL,
               "user GS not canonical");
    check_part(hv_set_segment_base(SEGBASE_GS_USER_SEL, 0) == 0, "user GS selector 0");
    check_part(hv_set_segment_base(SEGBASE_GS_USER_SEL, 0x7003) == 0, "a bad user GS selector");
    check_part(hv_set_segment_base(77, 0) == -XEN_EINVAL, "no such base");
    check_part(read_gs_0() == 0x11, "GS %lx in the end", read_gs_0());
    check_end();
}

/* ---- multicall ---- */

static void check_multicall(void)
{
    struct multicall_entry calls[4] = {
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version, 0}},
        {.op = 60},
        {.op = __HYPERVISOR_set_segment_base, .args = {77, 0}},
        {.op = __HYPERVISOR_multicall},
    };

    check_begin("multicall");
    check_part(hv_multicall(calls, 4) == 0, "refused");
    check_part(calls[0].result >= 0x40011, "result %lx", calls[0].result);
    check_part((long)calls[1].result == -XEN_ENOSYS, "unknown: %ld", (long)calls[1].result);
    check_part((long)calls[2].result == -XEN_EINVAL, "error: %ld", (long)calls[2].result);
    check_part((long)calls[3].result < 0, "nested: %ld", (long)calls[3].result);
    check_part(hv_multicall(calls, 0) == 0, "none");
    check_end();
}

/* ---- the hypercall page, and numbers ---- */

extern uint8_t kit_hypercall_page[];

static void check_page(void)
{
    long (*call)(unsigned long, unsigned long);

    call = (long (*)(unsigned long, unsigned long))(uint64_t)(kit_hypercall_page +
                                                              32 * __HYPERVISOR_xen_version);
    check_true("hypercall-page", call(XENVER_version, 0) >= 0x40011, "%lx",
               call(XENVER_version, 0));
}

static void check_unknown(void)
{
    static const unsigned numbers[] = {11, 43, 47, 56, 60, 63, 64, 100, 1000};

    check_begin("unknown-numbers");
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        long rc = hypercall5(numbers[i], 1, 2, 3, 4, 5);

        check_part(rc == -XEN_ENOSYS, "number %u: %ld", numbers[i], rc);
    }
    check_part(hypercall1(0x8000000000000001UL, 0) == -XEN_ENOSYS, "number with bit 63");
    check_part(hypercall1(1UL << 32 | __HYPERVISOR_xen_version, 0) != 0x40011 ||
                   hv_version(0, NULL) > 0,
               "number with bit 32");
    check_part(hypercall1(~0UL, 0) == -XEN_ENOSYS, "number -1");
    check_end();
    check_begin("unknown-operations");
    check_part(hv_version(99, NULL) == -XEN_ENOSYS, "version: %ld", hv_version(99, NULL));
    check_part(hv_sched(99, NULL) == -XEN_ENOSYS, "sched");
    check_part(hv_vcpu(99, 0, NULL) == -XEN_ENOSYS, "vcpu");
    check_part(hv_event(99, NULL) == -XEN_ENOSYS, "event");
    check_part(hv_callback(99, NULL) == -XEN_ENOSYS, "callback");
    check_part(hypercall3(__HYPERVISOR_console_io, 99, 0, 0) == -XEN_ENOSYS, "console");
    check_part(hv_memory(63, NULL) == -XEN_ENOSYS, "memory: %ld", hv_memory(63, NULL));
    check_part(hypercall2(__HYPERVISOR_vm_assist, 99, 0) == -XEN_ENOSYS, "assist");
    check_part(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 99) == -XEN_EINVAL,
               "assist type");
    check_end();
}

/* A failed call leaves all registers but RAX, RCX and R11 alone; so does a good one. */
static void check_kept_registers(void)
{
    register uint64_t rdi __asm__("rdi") = 99, rsi __asm__("rsi") = 0x22, rdx __asm__("rdx") = 0x33;
    register uint64_t r10 __asm__("r10") = 0x44, r8 __asm__("r8") = 0x55, r9 __asm__("r9") = 0x66;
    register uint64_t r12 __asm__("r12") = 0x77, r15 __asm__("r15") = 0x88;
    uint64_t rax = __HYPERVISOR_xen_version;

    __asm__ volatile("syscall"
                     : "+a"(rax), "+r"(rdi), "+r"(rsi), "+r"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
                       "+r"(r12), "+r"(r15)
                     :
                     : "rcx", "r11", "memory");
    check_true("kept-registers",
               rdi == 99 && rsi == 0x22 && rdx == 0x33 && r10 == 0x44 && r8 == 0x55 && r9 == 0x66 &&
                   r12 == 0x77 && r15 == 0x88,
               "%lx %lx %lx %lx %lx %lx", rdi, rsi, rdx, r10, r8, r9);
}

void check_registers(void)
{
    check_debug_registers();
    check_watchpoint();
    check_segment_bases();
    check_multicall();
    check_page();
    check_unknown();
    check_kept_registers();
}
