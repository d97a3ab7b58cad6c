/* SPDX-License-Identifier: MIT
 *
 * Hypercall numbers to decoders. A decoder (hcall_*.c) is the only code that touches guest
 * pointers: it copies in once, checks everything, calls the module that does the work, copies out.
 */
#pragma once

#include <lagan/types.h>

struct hypercall_args {
    uint64_t a[6];
};

/* A vCPU's hypercall that wants to be made again: set by hypercall_continue(), consumed by the
 * dispatch. */
struct hypercall_restart {
    struct hypercall_args args;
    bool restart;
};

/* Runs hypercall `nr`; -XEN_ENOSYS when there is none. If the vCPU's hypercall.restart is set
 * afterwards the call is not over and the result means nothing. */
int64_t hypercall_call(uint64_t nr, const struct hypercall_args *args);

/* Decoders: the current vCPU calls; a negative XEN_E* or a result. */
int64_t hcall_set_trap_table(const struct hypercall_args *args);
int64_t hcall_set_gdt(const struct hypercall_args *args);
int64_t hcall_stack_switch(const struct hypercall_args *args);
int64_t hcall_set_callbacks(const struct hypercall_args *args);
int64_t hcall_callback_op(const struct hypercall_args *args);
int64_t hcall_fpu_taskswitch(const struct hypercall_args *args);
int64_t hcall_sched_op(const struct hypercall_args *args);
int64_t hcall_set_debugreg(const struct hypercall_args *args);
int64_t hcall_get_debugreg(const struct hypercall_args *args);
int64_t hcall_update_descriptor(const struct hypercall_args *args);
int64_t hcall_memory_op(const struct hypercall_args *args);
int64_t hcall_multicall(const struct hypercall_args *args);
int64_t hcall_mmu_update(const struct hypercall_args *args);
int64_t hcall_update_va_mapping(const struct hypercall_args *args);
int64_t hcall_update_va_mapping_otherdomain(const struct hypercall_args *args);
int64_t hcall_set_timer_op(const struct hypercall_args *args);
int64_t hcall_xen_version(const struct hypercall_args *args);
int64_t hcall_console_io(const struct hypercall_args *args);
int64_t hcall_vm_assist(const struct hypercall_args *args);
int64_t hcall_iret(const struct hypercall_args *args);
int64_t hcall_vcpu_op(const struct hypercall_args *args);
int64_t hcall_set_segment_base(const struct hypercall_args *args);
int64_t hcall_mmuext_op(const struct hypercall_args *args);
int64_t hcall_event_channel_op(const struct hypercall_args *args);
int64_t hcall_grant_table_op(const struct hypercall_args *args);
int64_t hcall_physdev_op(const struct hypercall_args *args);
int64_t hcall_sysctl(const struct hypercall_args *args);
int64_t hcall_domctl(const struct hypercall_args *args);
int64_t hcall_platform_op(const struct hypercall_args *args);
int64_t hcall_mca(const struct hypercall_args *args);
int64_t hcall_host_op(const struct hypercall_args *args);
int64_t hcall_ubc_op(const struct hypercall_args *args);
int64_t hcall_pressure_op(const struct hypercall_args *args);
int64_t hcall_pcache_op(const struct hypercall_args *args);

/* Asks that the call be made again with these arguments once pending work is done: for operations
 * that stop at -XEN_ERESTART with a cursor. They are a copy of what the decoder got, in which
 * arguments of this call may have changed: the other registers are not the call's, and guests rely
 * on finding them as they were. Returns what the decoder must return. */
int64_t hypercall_continue(const struct hypercall_args *args);
