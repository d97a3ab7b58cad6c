/* SPDX-License-Identifier: MIT
 *
 * Decoders of the sub-operations of vcpu_op that deal with time.
 */
#include <lagan/types.h>
#include <xen/vcpu.h>
#include "arch_inline.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/sched.h"
#include "xen/vcpu_timer.h"

STATIC_ASSERT(sizeof(struct vcpu_set_singleshot_timer) == 16);
STATIC_ASSERT(sizeof(struct vcpu_register_runstate_memory_area) == 8);

static int64_t get_runstate(struct vcpu *v, guest_ptr_t arg)
{
    struct vcpu_runstate_info info;

    sched_get_runstate(v, &info);
    return copy_to_guest(arg, &info, sizeof(info));
}

/* The area gets its first contents now, so a bad address is refused while the guest still looks; v
 * need not be the caller: a kernel registers for vCPUs that it has not yet started. */
static int64_t register_runstate(struct vcpu *v, guest_ptr_t arg)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info info;
    int rc = copy_from_guest(&area, arg, sizeof(area));

    if (rc)
        return rc;
    if (area.addr.p) {
        sched_get_runstate(v, &info);
        rc = copy_to_guest(guest_ptr(area.addr.p), &info, sizeof(info));
        if (rc)
            return rc;
    }
    v->runstate_area = guest_ptr(area.addr.p);
    return 0;
}

static int64_t set_periodic(struct vcpu *v, guest_ptr_t arg)
{
    struct vcpu_set_periodic_timer set;
    int rc = copy_from_guest(&set, arg, sizeof(set));

    return rc ? rc : vcpu_set_periodic(v, set.period_ns);
}

static int64_t set_singleshot(struct vcpu *v, guest_ptr_t arg)
{
    struct vcpu_set_singleshot_timer set;
    int rc;

    if (v != sched_current())
        return -XEN_EINVAL;
    rc = copy_from_guest(&set, arg, sizeof(set));
    if (rc)
        return rc;
    if ((set.flags & VCPU_SSHOTTMR_future) && set.timeout_abs_ns < arch_time_ns())
        return -XEN_ETIME;
    vcpu_set_singleshot(v, set.timeout_abs_ns);
    return 0;
}

static int64_t stop_singleshot(struct vcpu *v)
{
    if (v != sched_current())
        return -XEN_EINVAL;
    vcpu_stop_singleshot(v);
    return 0;
}

int64_t vcpu_op_time(struct vcpu *v, unsigned cmd, guest_ptr_t arg)
{
    switch (cmd) {
    case VCPUOP_get_runstate_info:
        return get_runstate(v, arg);
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(v, arg);
    case VCPUOP_set_periodic_timer:
        return set_periodic(v, arg);
    case VCPUOP_stop_periodic_timer:
        vcpu_stop_periodic(v);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return set_singleshot(v, arg);
    case VCPUOP_stop_singleshot_timer:
        return stop_singleshot(v);
    default:
        return -XEN_ENOSYS;
    }
}
