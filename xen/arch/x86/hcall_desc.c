/* SPDX-License-Identifier: MIT
 *
 * Decoders of the calls that say where a guest wants to be entered, and with which descriptors:
 * set_trap_table, set_callbacks, callback_op, set_gdt, update_descriptor.
 *
 * Entry points must be canonical: the way out to a guest never has to cope with an address at which
 * SYSRET or IRET itself would fault. An entry point in the hypervisor's part is allowed; the guest
 * then faults on its first instruction there.
 */
#include "xen/hypercall.h"

#include <xen/callback.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_msr_policy.h"
#include "xen/domain.h"
#include "xen/guest_access.h"

#define VECTORS 256

/* ---- set_trap_table(traps) ---- */

/* Reads entries up to the one with address 0: one page of them at most, and all before any takes
 * effect. */
static int read_traps(guest_ptr_t from, struct trap_info traps[VECTORS + 1], unsigned *count)
{
    for (unsigned i = 0; i <= VECTORS; i++) {
        int rc =
            copy_from_guest(&traps[i], guest_ptr_add(from, i * sizeof(*traps)), sizeof(*traps));

        if (rc)
            return rc;
        if (!traps[i].address) {
            *count = i;
            return 0;
        }
        if (!address_canonical(traps[i].address))
            return -XEN_EINVAL;
    }
    return -XEN_EINVAL; /* more entries than vectors, and no end */
}

int64_t hcall_set_trap_table(const struct hypercall_args *args)
{
    struct pv_trap *table = current_vcpu()->arch.traps;
    struct trap_info traps[VECTORS + 1];
    unsigned count;
    int rc;

    if (!args->a[0]) {
        for (unsigned i = 0; i < VECTORS; i++)
            table[i] = (struct pv_trap){0};
        return 0;
    }
    rc = read_traps(guest_ptr(args->a[0]), traps, &count);
    if (rc)
        return rc;
    for (unsigned i = 0; i < count; i++)
        table[traps[i].vector] = (struct pv_trap){
            .address = traps[i].address,
            .cs = traps[i].cs | 3,
            .dpl = TI_GET_DPL(&traps[i]),
            .mask_events = TI_GET_IF(&traps[i]) != 0,
        };
    return 0;
}

/* ---- set_callbacks(event, failsafe, syscall), callback_op(cmd, arg) ---- */

int64_t hcall_set_callbacks(const struct hypercall_args *args)
{
    struct arch_vcpu *a = &current_vcpu()->arch;

    for (unsigned i = 0; i < 3; i++)
        if (!address_canonical(args->a[i]))
            return -XEN_EINVAL;
    a->event = (struct pv_callback){args->a[0], true}; /* upcalls always mask events */
    a->failsafe = (struct pv_callback){args->a[1], false};
    a->syscall = (struct pv_callback){args->a[2], false};
    return 0;
}

/* SYSENTER is closed (cpu_begin.c): guests are told that there is no callback for it, and use INT 0x80
 * or SYSCALL in 32-bit code instead. */
static struct pv_callback *callback_of(struct arch_vcpu *a, unsigned type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &a->event;
    case CALLBACKTYPE_failsafe:
        return &a->failsafe;
    case CALLBACKTYPE_syscall:
        return &a->syscall;
    case CALLBACKTYPE_syscall32:
        return &a->syscall32;
    case CALLBACKTYPE_nmi:
        return &a->nmi;
    default:
        return NULL;
    }
}

static int64_t callback_register(struct vcpu *v, guest_ptr_t arg)
{
    struct callback_register op;
    struct pv_callback *callback;
    int rc = copy_from_guest(&op, arg, sizeof(op));

    if (rc)
        return rc;
    callback = callback_of(&v->arch, op.type);
    if (!callback)
        return -XEN_ENOSYS;
    if (!address_canonical(op.address))
        return -XEN_EINVAL;
    callback->address = op.address;
    callback->mask_events = op.type == CALLBACKTYPE_event || op.type == CALLBACKTYPE_nmi ||
                            (op.flags & CALLBACKF_mask_events);
    return 0;
}

/* A guest cannot do without most of them once it has them. */
static int64_t callback_unregister(struct vcpu *v, guest_ptr_t arg)
{
    struct callback_unregister op;
    int rc = copy_from_guest(&op, arg, sizeof(op));

    if (rc)
        return rc;
    if (!callback_of(&v->arch, op.type))
        return -XEN_ENOSYS;
    if (op.type != CALLBACKTYPE_nmi)
        return -XEN_EINVAL;
    v->arch.nmi = (struct pv_callback){0};
    return 0;
}

int64_t hcall_callback_op(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[1]);

    switch ((uint32_t)args->a[0]) {
    case CALLBACKOP_register:
        return callback_register(current_vcpu(), arg);
    case CALLBACKOP_unregister:
        return callback_unregister(current_vcpu(), arg);
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- set_gdt(frames, entries), update_descriptor(maddr, desc) ---- */

int64_t hcall_set_gdt(const struct hypercall_args *args)
{
    uint32_t entry_count = (uint32_t)args->a[1];
    mfn_t frames[PV_GDT_FRAMES];
    int rc;

    if (entry_count > PV_GDT_FRAMES * 512)
        return -XEN_EINVAL;
    STATIC_ASSERT(sizeof(mfn_t) == sizeof(xen_ulong_t)); /* the list is an array of frame numbers */
    rc = copy_from_guest(frames, guest_ptr(args->a[0]),
                         (entry_count + 511) / 512 * sizeof(frames[0]));
    if (!rc)
        rc = pv_set_gdt(current_vcpu(), frames, entry_count);
    return rc == -XEN_EBUSY ? -XEN_EINVAL : rc; /* a frame in use as something else, to the ABI */
}

int64_t hcall_update_descriptor(const struct hypercall_args *args)
{
    return pv_update_descriptor(current_vcpu(), args->a[0], args->a[1]);
}
