/* SPDX-License-Identifier: MIT
 *
 * compat: 32-bit code in guest user mode and in the guest kernel. It is only built as an image that
 * lies at low addresses, where such code can run.
 */
#include "kit/kit.h"

const char guest_name[] = "compat";

void compat_syscall(void);
void compat_sysenter(void);
void compat_int80(void);
void compat_ud(void);
void compat_privileged(void);
extern const uint64_t kit_stubs[];

__asm__(".text\n.code32\n"
        "compat_syscall: mov $0x1234, %eax; syscall; ud2\n"
        "compat_sysenter: sysenter; ud2\n"
        "compat_int80: mov $0x4321, %eax; int $0x80; ud2\n"
        "compat_ud: ud2\n"
        "compat_privileged: hlt\n"
        ".code64\n");

static struct fault run(void (*code)(void), bool user)
{
    struct iret_frame to = {(uint64_t)code, FLAT_RING3_CS32 | (user ? 3 : 0), 0x202,
                            user_stack_top() + 8, FLAT_USER_SS};

    if (!user) { /* its exceptions are pushed on the stack it runs on */
        to.cs &= ~3UL;
        to.rsp = (uint64_t)__builtin_frame_address(0) - 2048;
    }
    return guarded_iret(&to, NULL);
}

static void check_fault(const char *name, struct fault fault, unsigned vector, void (*at)(void))
{
    check_begin(name);
    check_part(fault.vector == vector, "vector %u error %lx", fault.vector, fault.frame.error);
    check_part(fault.frame.rip == (uint64_t)at, "RIP %lx, expected %lx", fault.frame.rip,
               (uint64_t)at);
    check_end();
}

static void check_syscall32(void)
{
    struct callback_register request = {
        .type = CALLBACKTYPE_syscall32, .flags = CALLBACKF_mask_events, .address = kit_stubs[35]};
    struct fault fault = run(compat_syscall, true);

    check_begin("syscall32-no-callback");
    check_part(fault.vector == 6 || fault.vector == 13, "vector %u", fault.vector);
    check_part(fault.frame.rip >= (uint64_t)compat_syscall &&
                   fault.frame.rip < (uint64_t)compat_sysenter,
               "RIP %lx", fault.frame.rip);
    check_end();

    check_result("syscall32-register", hv_callback(CALLBACKOP_register, &request), 0);
    fault = run(compat_syscall, true);
    if (fault.vector == 6) {
        check_skip("syscall32", "this CPU has no SYSCALL in 32-bit code");
        return;
    }
    check_begin("syscall32");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part((fault.frame.rax & 0xffffffff) == 0x1234, "RAX %lx", fault.frame.rax);
    check_part((fault.frame.cs & 0xffff) == (FLAT_RING3_CS32 | 3), "CS %x", fault.frame.cs);
    check_part((fault.frame.ss & 0xffff) == FLAT_USER_SS, "SS %lx", fault.frame.ss);
    check_part(fault.frame.rip == (uint64_t)compat_syscall + 7, "RIP %lx", fault.frame.rip);
    check_part((fault.frame.rflags & 0x202) == 0x202, "RFLAGS %lx", fault.frame.rflags);
    check_end();

    fault = run(compat_syscall, false);
    check_begin("syscall32-kernel");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part((fault.frame.cs & 3) == 0, "CS %x", fault.frame.cs);
    check_end();
}

static void check_sysenter(void)
{
    struct callback_register request = {
        .type = CALLBACKTYPE_sysenter, .flags = CALLBACKF_mask_events, .address = kit_stubs[35]};
    struct fault fault = run(compat_sysenter, true);
    long rc;

    check_begin("sysenter-no-callback");
    check_part(fault.vector == 6 || fault.vector == 13, "vector %u", fault.vector);
    check_end();
    rc = hv_callback(CALLBACKOP_register, &request);
    fault = run(compat_sysenter, true);
    check_begin("sysenter");
    if (fault.vector == TRAP_SYSCALL) {
        check_part(rc == 0, "callback that was refused: %ld", rc);
        check_part((fault.frame.cs & 3) == 3, "CS %x", fault.frame.cs);
        check_part((fault.frame.rflags & 0x300) == 0x200, "RFLAGS %lx", fault.frame.rflags);
    } else { /* AMD's CPUs do not have it in long mode; then no hypervisor turns it on */
        check_part(fault.vector == 13 || fault.vector == 6, "vector %u", fault.vector);
        check_part(fault.frame.rip == (uint64_t)compat_sysenter, "RIP %lx", fault.frame.rip);
    }
    check_end();
}

void guest_main(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};
    struct fault fault;

    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    check_result("user-base", hv_mmuext(&op, 1), 0);
    check_syscall32();
    check_sysenter();
    fault = run(compat_int80, true);
    check_begin("int80");
    check_part(fault.vector == TRAP_INT80, "vector %u", fault.vector);
    check_part((fault.frame.cs & 0xffff) == (FLAT_RING3_CS32 | 3), "CS %x", fault.frame.cs);
    check_part(fault.frame.rip == (uint64_t)compat_int80 + 7, "RIP %lx", fault.frame.rip);
    check_end();
    check_fault("ud-user", run(compat_ud, true), 6, compat_ud);
    check_fault("ud-kernel", run(compat_ud, false), 6, compat_ud);
    check_fault("privileged-user", run(compat_privileged, true), 13, compat_privileged);
    check_fault("privileged-kernel", run(compat_privileged, false), 13, compat_privileged);
}
