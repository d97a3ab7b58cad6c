/* SPDX-License-Identifier: MIT
 *
 * vcpu_op: vCPUs of one's own domain are given registers, brought up and taken down; their records
 * moved.
 */
#include <lagan/nospec.h>
#include <lagan/string.h>
#include <lagan/types.h>

#include <xen/vcpu.h>

#include "mm/heap.h"
#include "mm/type.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "xen/vcpu_timer.h"
#include "arch_current.h"
#include "arch_inline.h"

/* The context is 5 KiB: too much for the stack, too rare for a permanent buffer. Validating the
 * page tables that it names may take long: then the call is made again, and finds them further on.
 */
static int64_t initialise(struct vcpu *v, const struct hypercall_args *args)
{
    struct vcpu_guest_context *context = page_alloc(order_of_bytes(sizeof(*context)), 0);
    int rc;

    if (!context)
        return -XEN_ENOMEM;
    rc = copy_from_guest(context, guest_ptr(args->a[2]), sizeof(*context));
    if (!rc) {
        spin_lock(&v->domain->lock);
        rc = v->initialised ? -XEN_EEXIST : arch_vcpu_initialise(v, context);
        if (!rc)
            v->initialised = true;
        spin_unlock(&v->domain->lock);
    }
    page_free(context, order_of_bytes(sizeof(*context)));
    return rc == -XEN_ERESTART ? hypercall_continue(args) : rc;
}

/* `down` changes under the domain's lock, so that what is decided by it there stays true. */
static int64_t bring_up(struct vcpu *v)
{
    bool was_down;

    if (!v->initialised)
        return -XEN_EINVAL;
    spin_lock(&v->domain->lock);
    was_down = atomic_exchange(&v->down, false);
    spin_unlock(&v->domain->lock);
    if (was_down)
        vcpu_wake(v);
    return 0;
}

/* The last vCPU to go down takes the domain with it. */
static int64_t take_down(struct vcpu *v)
{
    struct domain *d = v->domain;
    struct vcpu *other;
    unsigned i, up = 0;

    spin_lock(&d->lock);
    for_each_vcpu (d, other, i)
        up += other != v && !other->down;
    if (up)
        v->down = true;
    spin_unlock(&d->lock);
    if (!up) {
        domain_shutdown(d, SHUTDOWN_poweroff);
        return 0;
    }
    vcpu_sleep(v);
    return 0;
}

/* Moves v's record into the guest's own page. Everybody who raises events for v looks at v->info,
 * so the new place is filled before it is shown, and events that were marked in the old place
 * meanwhile are not lost: event_recheck_vcpu() makes the guest look at everything. Only v itself
 * changes its mask, so it must not run: it is the caller, or down, and the domain's lock, which is
 * held, keeps it down. */
static int move_info(struct vcpu *v, mfn_t frame, uint64_t offset)
{
    vcpu_info_t *info;
    int rc;

    if (v->info_frame.n != MFN_INVALID.n)
        return -XEN_EINVAL;
    if (v != current_vcpu() && !v->down)
        return -XEN_EINVAL;
    rc = frame_get_writable(frame, v->domain->id);
    if (rc)
        return rc == -XEN_ERESTART ? rc : -XEN_EINVAL;
    info = (vcpu_info_t *)((uint8_t *)arch_map_frame(frame) + offset);
    memcpy(info, v->info, sizeof(*info));
    v->info_frame = frame;
    atomic_thread_fence(memory_order_seq_cst);
    v->info = info;
    return 0;
}

static int64_t register_info(struct vcpu *v, const struct hypercall_args *args)
{
    struct vcpu_register_vcpu_info place;
    int rc;

    if (copy_from_guest(&place, guest_ptr(args->a[2]), sizeof(place)))
        return -XEN_EFAULT;
    if (place.offset > PAGE_SIZE - sizeof(vcpu_info_t) || place.offset % sizeof(uint64_t))
        return -XEN_EINVAL;
    spin_lock(&v->domain->lock);
    rc = move_info(v, mfn(place.mfn), place.offset);
    spin_unlock(&v->domain->lock);
    if (rc == 0)
        event_recheck_vcpu(v);
    return rc == -XEN_ERESTART ? hypercall_continue(args) : rc;
}

static int64_t send_nmi(struct vcpu *v)
{
    v->arch.nmi_pending = true;
    v->exit_work = 1;
    vcpu_kick(v);
    return 0;
}

int64_t hcall_vcpu_op(const struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    unsigned cmd = (unsigned)args->a[0], id = (unsigned)args->a[1];
    guest_ptr_t arg = guest_ptr(args->a[2]);
    struct vcpu *v;

    if (id >= d->vcpu_count)
        return -XEN_ENOENT;
    v = d->vcpu[index_nospec(id, d->vcpu_count)];
    switch (cmd) {
    case VCPUOP_initialise:
        return initialise(v, args);
    case VCPUOP_up:
        return bring_up(v);
    case VCPUOP_down:
        return take_down(v);
    case VCPUOP_is_up:
        return !v->down;
    case VCPUOP_register_vcpu_info:
        return register_info(v, args);
    case VCPUOP_send_nmi:
        return send_nmi(v);
    default:
        return vcpu_op_time(v, cmd, arg);
    }
}
