/* SPDX-License-Identifier: MIT
 *
 * Decoders of sched_op and set_timer_op.
 */
#include <lagan/types.h>
#include <xen/sched.h>
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "xen/sched.h"
#include "xen/vcpu_timer.h"

#define POLL_PORTS_MAX 128 /* more is -XEN_EINVAL, as guests of this ABI know it */

STATIC_ASSERT(sizeof(struct sched_shutdown) == 4);
STATIC_ASSERT(sizeof(struct sched_poll) == 24);
STATIC_ASSERT(offsetof(struct sched_poll, timeout) == 16);

static int64_t decode_shutdown(guest_ptr_t arg)
{
    struct sched_shutdown shutdown;
    int rc = copy_from_guest(&shutdown, arg, sizeof(shutdown));

    if (rc)
        return rc;
    if (shutdown.reason > SHUTDOWN_MAX)
        return -XEN_EINVAL;
    domain_shutdown(sched_current()->domain, (int)shutdown.reason);
    return 0;
}

static int64_t decode_poll(guest_ptr_t arg)
{
    evtchn_port_t ports[POLL_PORTS_MAX];
    struct sched_poll poll;
    uint64_t list;
    int rc = copy_from_guest(&poll, arg, sizeof(poll));

    if (rc)
        return rc;
    if (poll.nr_ports > POLL_PORTS_MAX)
        return -XEN_EINVAL;
    list = (uint64_t)(uintptr_t)poll.ports.p;
    if (poll.nr_ports)
        rc = copy_from_guest(ports, guest_ptr(list), poll.nr_ports * sizeof(ports[0]));
    if (rc)
        return rc;
    return sched_poll_current(ports, poll.nr_ports, poll.timeout);
}

int64_t hcall_sched_op(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[1]);

    switch ((uint32_t)args->a[0]) {
    case SCHEDOP_yield:
        sched_yield_current();
        return 0;
    case SCHEDOP_block:
        sched_block_current();
        return 0;
    case SCHEDOP_shutdown:
        return decode_shutdown(arg);
    case SCHEDOP_poll:
        return decode_poll(arg);
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hcall_set_timer_op(const struct hypercall_args *args)
{
    struct vcpu *v = sched_current();

    if (args->a[0])
        vcpu_set_singleshot(v, args->a[0]);
    else
        vcpu_stop_singleshot(v);
    return 0;
}
