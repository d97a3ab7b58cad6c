/* SPDX-License-Identifier: MIT
 *
 * Hypercalls. The SYSCALL instruction is used as it is, without the hypercall page: RAX has the
 * number and gets the result; RCX and R11 are lost, all other registers are kept. Results are
 * negative XEN_E* on an error.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

static inline long hypercall5(unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                              unsigned long d, unsigned long e)
{
    register unsigned long r10 __asm__("r10") = d;
    register unsigned long r8 __asm__("r8") = e;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                     : "0"(nr)
                     : "rcx", "r11", "memory");
    return result;
}

static inline long hypercall3(unsigned long nr, unsigned long a, unsigned long b, unsigned long c)
{
    return hypercall5(nr, a, b, c, 0, 0);
}

static inline long hypercall2(unsigned long nr, unsigned long a, unsigned long b)
{
    return hypercall5(nr, a, b, 0, 0, 0);
}

static inline long hypercall1(unsigned long nr, unsigned long a)
{
    return hypercall5(nr, a, 0, 0, 0, 0);
}

/* A pointer as a hypercall argument. */
static inline unsigned long ptr_arg(const volatile void *p)
{
    return (unsigned long)p;
}

static inline long hv_version(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_xen_version, cmd, ptr_arg(arg));
}

static inline long hv_sched(unsigned int cmd, const void *arg)
{
    return hypercall2(__HYPERVISOR_sched_op, cmd, ptr_arg(arg));
}

static inline long hv_event(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_event_channel_op, cmd, ptr_arg(arg));
}

static inline long hv_vcpu(unsigned int cmd, unsigned int vcpu, const void *arg)
{
    return hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, ptr_arg(arg));
}

static inline long hv_memory(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_memory_op, cmd, ptr_arg(arg));
}

static inline long hv_callback(unsigned int cmd, const void *arg)
{
    return hypercall2(__HYPERVISOR_callback_op, cmd, ptr_arg(arg));
}

static inline long hv_physdev(unsigned int cmd, void *arg)
{
    return hypercall2(__HYPERVISOR_physdev_op, cmd, ptr_arg(arg));
}

static inline long hv_set_trap_table(const struct trap_info *table)
{
    return hypercall1(__HYPERVISOR_set_trap_table, ptr_arg(table));
}

static inline long hv_set_timer(uint64_t deadline)
{
    return hypercall1(__HYPERVISOR_set_timer_op, deadline);
}

static inline long hv_update_va_mapping(const void *va, uint64_t entry, unsigned long flags)
{
    return hypercall3(__HYPERVISOR_update_va_mapping, ptr_arg(va), entry, flags);
}

/* *done gets how many of them were carried out; it may be NULL. */
static inline long hv_mmu_update(struct mmu_update *updates, unsigned int count, unsigned int *done,
                                 unsigned int domain)
{
    return hypercall5(__HYPERVISOR_mmu_update, ptr_arg(updates), count, ptr_arg(done), domain, 0);
}

static inline long hv_mmuext(struct mmuext_op *op, unsigned int count)
{
    return hypercall5(__HYPERVISOR_mmuext_op, ptr_arg(op), count, 0, DOMID_SELF, 0);
}

static inline long hv_set_gdt(const unsigned long *frames, unsigned int entries)
{
    return hypercall2(__HYPERVISOR_set_gdt, ptr_arg(frames), entries);
}

static inline long hv_update_descriptor(uint64_t machine_address, uint64_t descriptor)
{
    return hypercall2(__HYPERVISOR_update_descriptor, machine_address, descriptor);
}

static inline long hv_stack_switch(uint16_t ss, uint64_t sp)
{
    return hypercall2(__HYPERVISOR_stack_switch, ss, sp);
}

static inline long hv_set_segment_base(unsigned int which, uint64_t base)
{
    return hypercall2(__HYPERVISOR_set_segment_base, which, base);
}

static inline long hv_multicall(struct multicall_entry *calls, unsigned long count)
{
    return hypercall2(__HYPERVISOR_multicall, ptr_arg(calls), count);
}

static inline long hv_console_write(const char *text, unsigned long length)
{
    return hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, length, ptr_arg(text));
}
