/* SPDX-License-Identifier: MIT
 *
 * The table of hypercalls, their dispatch, restarts, and multicall.
 *
 * A decoder that was preempted asks to be called again (hypercall_continue): the guest's RIP goes
 * back to the SYSCALL instruction and its argument registers take the new values, so that after
 * softirqs (and perhaps another vCPU) the same call is made again with its cursor. A decoder without a
 * cursor that meets -XEN_ERESTART returns it, and is called again as it was. Inside a
 * multicall the entry itself takes the new arguments, and it is the multicall that is made again.
 */
#include "xen/hypercall.h"

#include <lagan/arch.h>
#include <xen/xen.h>
#include <xen/arch-x86/xen-mca.h>

#include "include/public/lagan/host.h"
#include "include/public/lagan/pcache.h"
#include "include/public/lagan/pressure.h"
#include "include/public/lagan/ubc.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "arch_current.h"
#include "arch_inline.h"

typedef int64_t (*hypercall_fn)(const struct hypercall_args *args);

#define HYPERCALL_SLOTS 64 /* a power of two: find_hypercall() */

static const hypercall_fn hypercalls[HYPERCALL_SLOTS] = {
    [__HYPERVISOR_set_trap_table] = hcall_set_trap_table,
    [__HYPERVISOR_mmu_update] = hcall_mmu_update,
    [__HYPERVISOR_set_gdt] = hcall_set_gdt,
    [__HYPERVISOR_stack_switch] = hcall_stack_switch,
    [__HYPERVISOR_set_callbacks] = hcall_set_callbacks,
    [__HYPERVISOR_fpu_taskswitch] = hcall_fpu_taskswitch,
    [__HYPERVISOR_set_debugreg] = hcall_set_debugreg,
    [__HYPERVISOR_get_debugreg] = hcall_get_debugreg,
    [__HYPERVISOR_update_descriptor] = hcall_update_descriptor,
    [__HYPERVISOR_memory_op] = hcall_memory_op,
    [__HYPERVISOR_platform_op] = hcall_platform_op,
    [__HYPERVISOR_multicall] = hcall_multicall,
    [__HYPERVISOR_update_va_mapping] = hcall_update_va_mapping,
    [__HYPERVISOR_set_timer_op] = hcall_set_timer_op,
    [__HYPERVISOR_xen_version] = hcall_xen_version,
    [__HYPERVISOR_console_io] = hcall_console_io,
    [__HYPERVISOR_grant_table_op] = hcall_grant_table_op,
    [__HYPERVISOR_vm_assist] = hcall_vm_assist,
    [__HYPERVISOR_iret] = hcall_iret,
    [__HYPERVISOR_update_va_mapping_otherdomain] = hcall_update_va_mapping_otherdomain,
    [__HYPERVISOR_vcpu_op] = hcall_vcpu_op,
    [__HYPERVISOR_set_segment_base] = hcall_set_segment_base,
    [__HYPERVISOR_mmuext_op] = hcall_mmuext_op,
    [__HYPERVISOR_sched_op] = hcall_sched_op,
    [__HYPERVISOR_callback_op] = hcall_callback_op,
    [__HYPERVISOR_event_channel_op] = hcall_event_channel_op,
    [__HYPERVISOR_sysctl] = hcall_sysctl,
    [__HYPERVISOR_domctl] = hcall_domctl,
    [__HYPERVISOR_physdev_op] = hcall_physdev_op,
    [__HYPERVISOR_mca] = hcall_mca,
    [LAGAN_HYPERVISOR_host_op] = hcall_host_op,
    [LAGAN_HYPERVISOR_pcache_op] = hcall_pcache_op,
    [LAGAN_HYPERVISOR_ubc_op] = hcall_ubc_op,
    [LAGAN_HYPERVISOR_pressure_op] = hcall_pressure_op,
};

/* A processor may guess past the check of the number, so the index is cut to the table's size: in a
 * copy of the number of which the compiler does not know that it has been checked. */
static hypercall_fn find_hypercall(uint64_t nr)
{
    uint64_t index = nr;

    if (unlikely(nr >= HYPERCALL_SLOTS))
        return NULL;
    __asm__ volatile("" : "+r"(index));
    return hypercalls[index & (HYPERCALL_SLOTS - 1)];
}

int64_t hypercall_call(uint64_t nr, const struct hypercall_args *args)
{
    hypercall_fn fn = find_hypercall(nr);
    int64_t result = likely(fn != NULL) ? fn(args) : -XEN_ENOSYS;

    /* Somebody else's unfinished work was in the way, and has been gone on with. */
    return likely(result != -XEN_ERESTART) ? result : hypercall_continue(args);
}

int64_t hypercall_continue(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();

    v->hypercall.args = *args;
    v->hypercall.restart = true;
    return 0;
}

/* ---- multicall ---- */

#define CALLED_IRET 1

/* struct multicall_entry, with the arguments as decoders take them. */
struct call {
    uint64_t op;
    int64_t result;
    struct hypercall_args args;
};
STATIC_ASSERT(sizeof(struct call) == sizeof(struct multicall_entry));
STATIC_ASSERT(offsetof(struct call, result) == offsetof(struct multicall_entry, result));
STATIC_ASSERT(offsetof(struct call, args) == offsetof(struct multicall_entry, args));

/* Calls the entry at `where`, from a fresh copy of it. 0: done; -XEN_ERESTART: the entry, whose
 * arguments in guest memory now hold its cursor, must be called again. CALLED_IRET: the registers
 * are those of where the iret led, RAX being *iret_result; nothing after it is run. */
static int call_entry(struct vcpu *v, guest_ptr_t where, int64_t *iret_result)
{
    struct call call;
    int64_t result;

    if (copy_from_guest(&call, where, sizeof(call)))
        return -XEN_EFAULT;
    result = call.op == __HYPERVISOR_multicall ? -XEN_EINVAL : hypercall_call(call.op, &call.args);
    if (unlikely(v->hypercall.restart)) {
        v->hypercall.restart = false;
        if (copy_to_guest(guest_ptr_add(where, offsetof(struct call, args)), &v->hypercall.args,
                          sizeof(call.args)))
            return -XEN_EFAULT;
        return -XEN_ERESTART;
    }
    if (unlikely(call.op == __HYPERVISOR_iret)) {
        *iret_result = result;
        return CALLED_IRET;
    }
    return copy_to_guest(guest_ptr_add(where, offsetof(struct call, result)), &result,
                         sizeof(result));
}

int64_t hcall_multicall(const struct hypercall_args *args)
{
    struct vcpu *v = current_vcpu();
    guest_ptr_t list = guest_ptr(args->a[0]);
    uint64_t count = args->a[1];
    int64_t iret_result = 0;

    if (count > UINT64_MAX / sizeof(struct multicall_entry) ||
        !guest_range_ok(list, count * sizeof(struct multicall_entry)))
        return -XEN_EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        guest_ptr_t where = guest_ptr_add(list, i * sizeof(struct multicall_entry));
        int rc = i && arch_preempt_pending() ? -XEN_ERESTART : call_entry(v, where, &iret_result);

        if (rc == -XEN_ERESTART) {
            struct hypercall_args rest = *args;

            rest.a[0] = where.va;
            rest.a[1] = count - i;
            return hypercall_continue(&rest);
        }
        if (rc == CALLED_IRET)
            return iret_result;
        if (rc)
            return rc;
    }
    return 0;
}
