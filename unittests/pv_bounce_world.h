/* SPDX-License-Identifier: MIT
 *
 * The machine under the ways into the guest kernel: the sources themselves, with the CPU's registers, the guest's
 * stack and the parts that are tested elsewhere played by the host. For test_pv_bounce.c only.
 */
#pragma once

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pv_host.h"

#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/cpuctl.h"
#include "xen/arch/x86/segment.h"
#include "xen/hypercall.h"
#include "xen/softirq.h"

static struct cpu_info cpu;
static unsigned gs_swaps;
static uint64_t loaded_cr3, dr6, dr6_written, fault_va;
static bool irqs_on;

#define cpu_info()        (&cpu)
#define swapgs()          ((void)gs_swaps++)
#define write_cr3(v)      (loaded_cr3 = (v))
#define read_cr2()        fault_va
#define read_dr6()        dr6
#define write_dr6(v)      (dr6_written = (v))
#define interrupts_on()   ((void)(irqs_on = true))
#define interrupts_off()  ((void)(irqs_on = false))
#define softirq_pending() (cpu.softirq_pending != 0)

#include "xen/arch/x86/smap.h"
#undef SMAP_STAC
#undef SMAP_CLAC
#define SMAP_STAC ""
#define SMAP_CLAC ""
#include "xen/arch/x86/guest_words.h"
#undef GUEST_STORE
#undef GUEST_LOAD
#define GUEST_STORE(at, value, fault)        \
    do {                                     \
        if (!stack_word(at))                 \
            goto fault;                      \
        *stack_word(at) = (uint64_t)(value); \
    } while (0)
#define GUEST_LOAD(value, at, failed)                  \
    do {                                               \
        if (stack_word(at))                            \
            (value) = *stack_word(at);                 \
        else                                           \
            (failed) = true, (value) = 0xbadbadbadbad; \
    } while (0)

/* The word of the guest's stack at that address of its own; NULL: there is no memory. */
static uint64_t *stack_word(const uint64_t *guest);

#include "xen/arch/x86/pv_bounce.c"
#include "xen/arch/x86/pv_iret.c"
#include "xen/arch/x86/pv_trap.c"

#define STACK     UINT64_C(0x10000) /* the guest's stack: one page */
#define TOP       (STACK + PAGE_SIZE)
#define CODE      UINT64_C(0x30000) /* four bytes that can be read */
#define HANDLER   UINT64_C(0xffffffff81001000)
#define USER_RSP  UINT64_C(0x7fff12345678)
#define ALL_FLAGS UINT64_C(0x3f7fd7)

/* ---- the machine, and the parts that are tested elsewhere ---- */

struct vcpu *pv_host_vcpu;
uint64_t pv_host_cr0, pv_host_cr4;
unsigned pv_host_invlpgs;

static struct domain domain;
static struct vcpu vcpu;
static vcpu_info_t info;
static struct pv_trap traps[256];
static uint64_t stack[PAGE_SIZE / 8];
static uint8_t code[4];
static struct cpu_user_regs *const regs = &cpu.guest_regs;
static unsigned crashes, hypercalls, interrupt_vector, softirqs;
static enum emul_result emulated;
static bool ldt_mapped, ptwr_taken, ts_cleared;

void domain_crash(struct domain *d, const char *fmt, ...)
{
    (void)d, (void)fmt;
    crashes++;
}

static uint64_t *stack_word(const uint64_t *guest)
{
    uint64_t va = (uint64_t)guest;

    return va >= STACK && va < TOP ? stack + (va - STACK) / sizeof(uint64_t) : NULL;
}

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    if (src.va == CODE && bytes <= sizeof(code))
        memcpy(dst, code, bytes);
    else
        return -XEN_EFAULT;
    return 0;
}

enum emul_result pv_emulate_privileged(struct cpu_user_regs *r)
{
    (void)r;
    return emulated;
}

enum emul_result pv_emulate_forced_cpuid(struct cpu_user_regs *r)
{
    (void)r;
    return emulated;
}

bool pv_ptwr_emulate(struct vcpu *v, struct cpu_user_regs *r, uint64_t address)
{
    (void)v, (void)r, (void)address;
    return ptwr_taken;
}

bool pv_device_write(struct vcpu *v, struct cpu_user_regs *r, uint64_t address)
{
    (void)v, (void)r, (void)address;
    BUG(); /* no domain here is privileged */
}

uint64_t pv_ldt_va(const struct vcpu *v)
{
    (void)v;
    return VA_PERDOMAIN + PV_WINDOW_GDT_PAGES * PAGE_SIZE;
}

bool pv_ldt_fault(struct vcpu *v, uint64_t address)
{
    (void)v, (void)address;
    return ldt_mapped;
}

void fpu_set_ts(struct vcpu *v, bool set)
{
    (void)v;
    ts_cleared = !set;
}

void hypercall(struct cpu_user_regs *r)
{
    (void)r;
    hypercalls++;
}

void interrupt(unsigned vector)
{
    interrupt_vector = vector;
    CU_ASSERT_FALSE(irqs_on); /* handlers run with interrupts off */
}

void softirq_run(void)
{
    CU_ASSERT_TRUE(irqs_on);
    CU_ASSERT_PTR_EQUAL(regs->rip, CODE); /* before anything is delivered */
    cpu.softirq_pending = 0;
    softirqs++;
}
