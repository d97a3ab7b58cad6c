/* SPDX-License-Identifier: MIT
 *
 * Hypercalls by SYSCALL: registers to arguments and back (number in RAX; RDI, RSI, RDX, R10, R8,
 * R9), and the hypercall page for guests that ask for one.
 */
#include <lagan/string.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pv_hypercall.h"
#include "xen/arch/x86/pv_trap.h"
#include "xen/domain.h"
#include "xen/hypercall.h"

#define SYSCALL_LENGTH 2

void hypercall(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    struct hypercall_args args = {{regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
    int64_t result = hypercall_call(regs->rax, &args);

    if (unlikely(v->hypercall.restart)) {
        v->hypercall.restart = false;
        regs->rip -= SYSCALL_LENGTH;
        regs->rdi = v->hypercall.args.a[0];
        regs->rsi = v->hypercall.args.a[1];
        regs->rdx = v->hypercall.args.a[2];
        regs->r10 = v->hypercall.args.a[3];
        regs->r8 = v->hypercall.args.a[4];
        return; /* R9 is no argument of any call: kernels count on its being kept */
    }
    regs->rax = (uint64_t)result;
}

/* push %rcx; push %r11; mov $nr, %eax; syscall; pop %r11; pop %rcx; ret */
static void write_stub(uint8_t *stub, uint32_t nr)
{
    static const uint8_t head[] = {0x51, 0x41, 0x53, 0xb8};
    static const uint8_t tail[] = {0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};

    memcpy(stub, head, sizeof(head));
    memcpy(stub + sizeof(head), &nr, sizeof(nr));
    memcpy(stub + sizeof(head) + sizeof(nr), tail, sizeof(tail));
}

/* push %rcx; push %r11; push %rax; mov $23, %eax; syscall: completes struct iret_context, never
 * returns. */
static void write_iret_stub(uint8_t *stub)
{
    static const uint8_t code[] = {0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret,
                                   0,    0,    0,    0x0f, 0x05};

    memcpy(stub, code, sizeof(code));
}

void pv_write_hypercall_page(void *page)
{
    memset(page, 0xcc, PAGE_SIZE);
    for (uint32_t nr = 0; nr < PAGE_SIZE / HYPERCALL_STUB_SIZE; nr++)
        write_stub((uint8_t *)page + nr * HYPERCALL_STUB_SIZE, nr);
    write_iret_stub((uint8_t *)page + __HYPERVISOR_iret * HYPERCALL_STUB_SIZE);
}
