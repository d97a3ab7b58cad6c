/* SPDX-License-Identifier: MIT
 *
 * Exceptions that the CPU raises. Each is provoked twice, in guest kernel and in guest user mode;
 * the handler must get the right vector, error code, RIP, mode and, for a page fault, address.
 *
 * Not all can be seen under emulation: QEMU's TCG raises neither #AC nor #XM. Where nothing came
 * and the CPU says that it is an emulated one, the check is skipped.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

static uint8_t victim[PAGE_SIZE] PAGE_ALIGNED;  /* mapped as each case wants it */
static uint8_t landing[PAGE_SIZE] PAGE_ALIGNED; /* code that may not be run */

/* ---- provocations ---- */

static void divide(void *argument)
{
    (void)argument;
    __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx"
                     :
                     :
                     : "rax", "rcx", "rdx");
}

static void single_step(void *argument)
{
    (void)argument;
    __asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop; nop" : : : "memory", "cc");
}

static void breakpoint(void *argument)
{
    (void)argument;
    __asm__ volatile("int3");
}

static void overflow(void *argument)
{
    (void)argument;
    __asm__ volatile("int $4");
}

static void undefined(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

static void use_fpu(void *argument)
{
    (void)argument;
    __asm__ volatile("fnop");
}

static void read_non_canonical(void *argument)
{
    (void)argument;
    __asm__ volatile("mov %0, %%rax; mov (%%rax), %%rax" : : "i"(0x0000900000000000UL) : "rax");
}

static void halt(void *argument)
{
    (void)argument;
    __asm__ volatile("lgdt (%%rsp)" : : : "memory");
}

static void read_byte(void *argument)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(argument) : "rax");
}

static void write_byte(void *argument)
{
    __asm__ volatile("movb $1, (%0)" : : "r"(argument) : "memory");
}

static void run_at(void *argument)
{
    __asm__ volatile("call *%0" : : "r"(argument) : "memory");
}

static void misalign(void *argument)
{
    (void)argument;
    __asm__ volatile("pushf; orq $0x40000, (%%rsp); popf; mov -63(%%rsp), %%eax"
                     :
                     :
                     : "rax", "memory", "cc");
}

static void divide_x87(void *argument)
{
    uint16_t control = 0x037b; /* all masked but division by zero */

    (void)argument;
    __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(control));
}

static void divide_sse(void *argument)
{
    uint32_t control = 0x1d80;

    (void)argument;
    __asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; mov $1, %%eax; cvtsi2ss %%eax, %%xmm1; "
                     "divss %%xmm0, %%xmm1"
                     :
                     : "m"(control)
                     : "rax");
}

/* ---- cases ----
 *
 * In user mode there is nobody to return to: a provocation that provokes nothing ends in a page
 * fault at address 0, where its empty stack sends it.
 */

enum kind { FAULT, TRAP, EMULATION_LACKS };

static const struct exception_case {
    const char *name;
    guarded_fn *run;
    unsigned vector;
    enum kind kind; /* a trap's RIP is past the instruction */
} cases[] = {
    {"de", divide, 0, FAULT},
    {"db", single_step, 1, TRAP},
    {"bp", breakpoint, 3, TRAP},
    {"of", overflow, 4, TRAP},
    {"ud", undefined, 6, FAULT},
    {"gp-non-canonical", read_non_canonical, 13, FAULT},
    {"gp-privileged", halt, 13, FAULT},
    {"mf", divide_x87, 16, FAULT},
    {"ac", misalign, 17, EMULATION_LACKS},
    {"xm", divide_sse, 19, EMULATION_LACKS},
};

/* Back to all exceptions masked. */
static void reset_fpu(void)
{
    uint32_t control = 0x1f80;

    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(control));
}

static void check_frame(const struct fault *fault, bool user)
{
    unsigned privilege = fault->frame.cs & 3;

    check_part(privilege == (user ? 3 : 0), "CS %x in %s mode", fault->frame.cs,
               user ? "user" : "kernel");
    check_part((fault->frame.rflags & 0x3000) == 0, "RFLAGS %lx", fault->frame.rflags);
    check_part((fault->frame.rflags & 0x200) != 0, "event flag lost: RFLAGS %lx",
               fault->frame.rflags);
    check_part(fault->frame.saved_mask == 0, "saved mask %x", fault->frame.saved_mask);
}

static void one_case(const struct exception_case *c, bool user)
{
    char name[48];
    struct fault fault;

    (void)kit_snprintf(name, sizeof(name), "%s-%s", c->name, user ? "user" : "kernel");
    fault = user ? guarded_user(c->run, NULL) : guarded(c->run, NULL);
    reset_fpu();
    if (c->kind == EMULATION_LACKS && fault.vector != c->vector &&
        (fault.vector == TRAP_NONE || fault.vector == 14)) {
        check_skip(name, "this CPU does not raise it: emulated");
        return;
    }
    check_begin(name);
    check_part(fault.vector == c->vector, "vector %u, expected %u", fault.vector, c->vector);
    check_part(fault.frame.error == 0, "error code %lx", fault.frame.error);
    check_part(fault.frame.rip >= (uint64_t)c->run && fault.frame.rip < (uint64_t)c->run + 128,
               "RIP %lx, expected near %p", fault.frame.rip, (void *)c->run);
    check_frame(&fault, user);
    check_end();
}

/* ---- page faults ---- */

static void page_fault(const char *what, guarded_fn *run, uint8_t *where, uint64_t error, bool user)
{
    char name[48];
    struct fault fault;

    (void)kit_snprintf(name, sizeof(name), "pf-%s-%s", what, user ? "user" : "kernel");
    fault = user ? guarded_user(run, where) : guarded(run, where);
    check_begin(name);
    check_part(fault.vector == 14, "vector %u", fault.vector);
    check_part(fault.frame.error == (error | (user ? 4 : 0)), "error code %lx, expected %lx",
               fault.frame.error, error | (user ? 4 : 0));
    check_part(fault.cr2 == (uint64_t)where, "address %lx, expected %p", fault.cr2, where);
    check_frame(&fault, user);
    check_end();
}

/* The hypervisor's own memory: the present bit may say either, the rest may not. */
static void hypervisor_fault(bool user)
{
    uint8_t *where = (uint8_t *)0xffff820000000000UL;
    struct fault fault = user ? guarded_user(read_byte, where) : guarded(read_byte, where);

    check_begin(user ? "pf-hypervisor-user" : "pf-hypervisor-kernel");
    check_part(fault.vector == 14 && fault.cr2 == (uint64_t)where, "vector %u at %lx", fault.vector,
               fault.cr2);
    check_part((fault.frame.error & ~1UL) == (user ? 4 : 0), "error code %lx", fault.frame.error);
    check_frame(&fault, user);
    check_end();
}

static void check_page_faults(bool user)
{
    (void)page_unmap(victim);
    page_fault("read-absent", read_byte, victim + 5, 0, user);
    page_fault("write-absent", write_byte, victim + 4095, 2, user);
    hypervisor_fault(user);
    (void)page_make_readonly(victim);
    page_fault("write-readonly", write_byte, victim, 3, user);
    page_fault("write-m2p", write_byte, (uint8_t *)MACH2PHYS_VIRT_START, 3, user);
    (void)page_make_writable(victim);
    (void)page_map(landing, va_to_mfn(landing), PTE_P | PTE_A | PTE_NX);
    page_fault("run-nx", run_at, landing, 0x11, user);
    page_fault("read-null", read_byte, NULL, 0, user);
}

/* #NM comes once for each time that the guest has set TS, and not in between. */
static void check_device_not_available(void)
{
    struct fault fault;

    check_begin("nm");
    for (unsigned user = 0; user < 2; user++) {
        check_part(hypercall1(__HYPERVISOR_fpu_taskswitch, 1) == 0, "refused");
        fault = user ? guarded_user(use_fpu, NULL) : guarded(use_fpu, NULL);
        check_part(fault.vector == 7, "vector %u in mode %u", fault.vector, user);
        check_part(guarded(use_fpu, NULL).vector == TRAP_NONE, "again after it was taken");
    }
    check_part(hypercall1(__HYPERVISOR_fpu_taskswitch, 1) == 0, "refused");
    check_part(hypercall1(__HYPERVISOR_fpu_taskswitch, 0) == 0, "refused");
    check_part(guarded(use_fpu, NULL).vector == TRAP_NONE, "after TS was cleared");
    check_end();
}

void check_exceptions(void)
{
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        one_case(&cases[i], false);
        one_case(&cases[i], true);
    }
    check_page_faults(false);
    check_page_faults(true);
    check_device_not_available();
}
