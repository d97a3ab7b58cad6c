/* SPDX-License-Identifier: MIT
 *
 * Crash dumps.
 *
 * Nothing here may rely on what may just have broken: no lock is taken (log_enter_crash() turns the
 * console to polling), no memory is allocated, and the backtrace follows frame pointers only within
 * the mapped parts of the CPU's own stack. A crash within the dump ends it.
 *
 * INV-CRASH-1: one CPU prints; it is the one whose number is in crash_cpu.
 */
#include <stdarg.h>
#include <stdatomic.h>

#include <lagan/arch.h>
#include <lagan/lock.h>
#include <lagan/printk.h>

#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/crash.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/power.h"
#include "xen/arch/x86/sections.h"
#include "xen/arch/x86/symbols.h"
#include "xen/arch/x86/trap_hv.h"
#include "xen/log.h"
#include "xen/options.h"
#include "arch_inline.h"

#define BACKTRACE_MAX   32
#define QEMU_EXIT_CRASH 0x12
#define NOBODY          UINT32_MAX

extern char cpu0_stack[];
static _Atomic uint32_t crash_cpu = NOBODY;

static LAGAN_NORETURN void stop_cpu(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

/* Returns on the first CPU that crashes, with the others told to stop. */
static void begin(void)
{
    uint32_t expect = NOBODY, cpu = arch_cpu();
    unsigned other;

    __asm__ volatile("cli" : : : "memory");
    if (!atomic_compare_exchange_strong(&crash_cpu, &expect, cpu)) {
        if (expect == cpu)
            return;
        stop_cpu();
    }
    log_enter_crash();
    for_each_cpu (other, cpumask_without(arch_online_cpus(), cpumask_of(cpu)))
        apic_send_nmi(other);
}

void crash_stop_if_asked(const struct cpu_user_regs *regs)
{
    uint32_t cpu = atomic_load(&crash_cpu);

    (void)regs;
    if (cpu != NOBODY && cpu != arch_cpu())
        stop_cpu();
}

static LAGAN_NORETURN void end(void)
{
    machine_qemu_exit(QEMU_EXIT_CRASH);
    if (!options.noreboot) {
        printk(LOG_ERR, "The host restarts.\n");
        machine_restart();
    }
    printk(LOG_ERR, "The host has stopped (noreboot).\n");
    stop_cpu();
}

/* A mapped word of the CPU's own stack, or of the boot stack before it has moved. */
static bool on_stack(uint64_t address)
{
    uint64_t bottom = address & ~(uint64_t)(STACK_SIZE - 1);
    uint64_t own = VA_STACKS + (uint64_t)(arch_cpu() + 1) * STACK_STRIDE - STACK_SIZE;
    uint64_t offset = address - bottom;

    if (address & 7 || (bottom != own && bottom != (uint64_t)cpu0_stack))
        return false;
    return offset < STACK_GUARD_OFFSET || offset >= STACK_GUARD_OFFSET + PAGE_SIZE;
}

static void print_code_address(uint64_t address)
{
    uint64_t offset;
    const char *name = symbol_find(address, &offset);

    printk(LOG_ERR, "  %016lx %s+%#lx\n", address, name ? name : "?", name ? offset : 0);
}

/* return addresses lie behind the call: one less is in the function that called. */
static void backtrace(uint64_t rip, uint64_t rbp)
{
    printk(LOG_ERR, "Backtrace:\n");
    if (rip)
        print_code_address(rip);
    for (unsigned i = 0; i < BACKTRACE_MAX && on_stack(rbp) && on_stack(rbp + 8); i++) {
        const uint64_t *frame = (const uint64_t *)rbp;

        if (!address_is_code(frame[1]))
            break;
        print_code_address(frame[1]);
        if (frame[0] <= rbp)
            break;
        rbp = frame[0];
    }
}

static void print_registers(const struct cpu_user_regs *r)
{
    printk(LOG_ERR, "rip %04x:%016lx rflags %08lx error %04x vector %u\n", r->cs, r->rip, r->rflags,
           r->error_code, r->entry_vector);
    printk(LOG_ERR, "rsp %04x:%016lx rbp %016lx\n", r->ss, r->rsp, r->rbp);
    printk(LOG_ERR, "rax %016lx rbx %016lx rcx %016lx\n", r->rax, r->rbx, r->rcx);
    printk(LOG_ERR, "rdx %016lx rsi %016lx rdi %016lx\n", r->rdx, r->rsi, r->rdi);
    printk(LOG_ERR, "r8  %016lx r9  %016lx r10 %016lx\n", r->r8, r->r9, r->r10);
    printk(LOG_ERR, "r11 %016lx r12 %016lx r13 %016lx\n", r->r11, r->r12, r->r13);
    printk(LOG_ERR, "r14 %016lx r15 %016lx\n", r->r14, r->r15);
}

static void print_cpu(uint64_t cr2)
{
    const struct lock_trace *locks = &cpu_info()->locks;

    printk(LOG_ERR, "cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx\n", read_cr0(), cr2, read_cr3(),
           read_cr4());
    for (unsigned i = 0; i < locks->depth && i < LOCK_TRACE_DEPTH; i++)
        printk(LOG_ERR, "lock held: level %u\n", locks->level[i]);
}

void crash_show_state(const struct cpu_user_regs *regs)
{
    print_registers(regs);
    if ((regs->cs & 3) == 0)
        backtrace(regs->rip, regs->rbp);
}

void crash_note(const char *fmt, ...)
{
    va_list args;

    begin();
    va_start(args, fmt);
    vprintk(LOG_ERR, fmt, args);
    va_end(args);
}

/* True the second time it is called: the dump itself has crashed. */
static bool again(void)
{
    static bool before;
    bool was = before;

    before = true;
    return was;
}

void crash_trap(const struct cpu_user_regs *regs, uint64_t cr2)
{
    begin();
    if (again())
        end();
    printk(LOG_ERR, "\n*** Lagan crashed on CPU %u: %s (vector %u, error code %#x)\n", arch_cpu(),
           trap_name(regs->entry_vector), regs->entry_vector, regs->error_code);
    print_registers(regs);
    print_cpu(cr2);
    backtrace(regs->rip, regs->rbp);
    end();
}

static LAGAN_NORETURN void crash_here(void)
{
    print_cpu(read_cr2());
    backtrace(0, (uint64_t)__builtin_frame_address(0));
    end();
}

void arch_panic(const char *fmt, ...)
{
    va_list args;

    begin();
    if (again())
        end();
    printk(LOG_ERR, "\n*** Lagan stopped on CPU %u: ", arch_cpu());
    va_start(args, fmt);
    vprintk(LOG_ERR, fmt, args);
    va_end(args);
    crash_here();
}

void assert_failed(const char *what, const char *file, int line)
{
    begin();
    if (again())
        end();
    printk(LOG_ERR, "\n*** Lagan stopped on CPU %u: %s at %s:%d\n", arch_cpu(), what, file, line);
    crash_here();
}

LAGAN_INIT void crash_early(const char *text)
{
    volatile uint16_t *screen = (volatile uint16_t *)0xb8000; /* the boot tables map it there */

    for (const char *c = text; *c; c++) {
        out8(0x3f8, (uint8_t)*c);
        *screen++ = (uint16_t)(0x0f00 | (uint8_t)*c);
    }
    stop_cpu();
}
