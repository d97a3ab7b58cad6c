/* SPDX-License-Identifier: MIT
 *
 * Decoders of sched_op and set_timer_op.
 */
#include <lagan/types.h>
#include <xen/sched.h>
#include "xen/domain.h"
#include "xen/domain_watchdog.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "xen/sched.h"
#include "xen/vcpu_timer.h"

#define POLL_PORTS_MAX 128 /* more is -XEN_EINVAL, as guests of this ABI know it */

STATIC_ASSERT(sizeof(struct sched_shutdown) == 4);
STATIC_ASSERT(sizeof(struct sched_remote_shutdown) == 8);
STATIC_ASSERT(sizeof(struct sched_watchdog) == 8);
STATIC_ASSERT(sizeof(struct sched_pin_override) == 4);
STATIC_ASSERT(sizeof(struct sched_poll) == 24);
STATIC_ASSERT(offsetof(struct sched_poll, timeout) == 16);

/* Which reason for an end a caller names: it ends for it now, or latches it for later. */
static int64_t decode_shutdown(guest_ptr_t arg, bool now)
{
    struct domain *d = sched_current()->domain;
    struct sched_shutdown shutdown;
    int rc = copy_from_guest(&shutdown, arg, sizeof(shutdown));

    if (rc)
        return rc;
    if (shutdown.reason > SHUTDOWN_MAX)
        return -XEN_EINVAL;
    if (now)
        domain_shutdown(d, (int)shutdown.reason);
    else
        domain_latch_shutdown(d, (int)shutdown.reason);
    return 0;
}

/* Another domain is declared to have ended: what becomes of it is the caller's to see to. */
static int64_t decode_remote_shutdown(guest_ptr_t arg)
{
    struct domain *self = sched_current()->domain, *d;
    struct sched_remote_shutdown op;
    int rc;

    if (!self->privileged)
        return -XEN_EPERM;
    rc = copy_from_guest(&op, arg, sizeof(op));
    if (rc)
        return rc;
    if (op.reason > SHUTDOWN_MAX)
        return -XEN_EINVAL;
    if (op.domain_id == DOMID_SELF || op.domain_id == self->id)
        return -XEN_EPERM; /* that is SCHEDOP_shutdown */
    d = domain_find(op.domain_id);
    if (!d)
        return -XEN_ESRCH;
    domain_shutdown(d, (int)op.reason);
    domain_put(d);
    return 0;
}

static int64_t decode_watchdog(guest_ptr_t arg)
{
    struct domain *d = sched_current()->domain;
    struct sched_watchdog op;
    int rc = copy_from_guest(&op, arg, sizeof(op));

    if (rc)
        return rc;
    return op.id ? domain_watchdog_set(d, op.id, op.timeout) : domain_watchdog_start(d, op.timeout);
}

/* Which processor a vCPU sits on is the control domain's business only: some firmware wants to be
 * called on a certain one. */
static int64_t decode_pin_override(guest_ptr_t arg)
{
    struct sched_pin_override op;
    int rc;

    if (!sched_current()->domain->privileged)
        return -XEN_EPERM;
    rc = copy_from_guest(&op, arg, sizeof(op));
    return rc ? rc : sched_pin_current(op.pcpu);
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
        return decode_shutdown(arg, true);
    case SCHEDOP_shutdown_code:
        return decode_shutdown(arg, false);
    case SCHEDOP_remote_shutdown:
        return decode_remote_shutdown(arg);
    case SCHEDOP_watchdog:
        return decode_watchdog(arg);
    case SCHEDOP_pin_override:
        return decode_pin_override(arg);
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
