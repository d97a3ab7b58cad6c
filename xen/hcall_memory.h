/* SPDX-License-Identifier: MIT
 *
 * Parts of memory_op that have a file of their own.
 */
#pragma once

#include <lagan/types.h>
#include "xen/domain.h"

/* The largest extent that a guest may ask for, and the control domain. */
#define GUEST_ORDER_MAX   9
#define CONTROL_ORDER_MAX 18

static inline unsigned memory_order_max(const struct domain *d)
{
    return d->privileged ? CONTROL_ORDER_MAX : GUEST_ORDER_MAX;
}

/* The domain that a call names, with a reference: one's own, or for the control domain any.
 * -XEN_ESRCH, -XEN_EPERM. */
int memory_target(domid_t id, struct domain **d) LAGAN_MUST_CHECK;

/* XENMEM_increase_reservation, _decrease_reservation, _populate_physmap, from
 * extent `done` of the list on. The number of extents done, those included. *again: it was preempted, and is to be called once more with that
 * number. */
int64_t memory_reservation(unsigned op, uint64_t done, guest_ptr_t arg, bool *again);

/* XENMEM_exchange. *again: to be called once more with the same argument, where it left its
 * progress. */
int64_t memory_exchange(guest_ptr_t arg, bool *again);

/* XENMEM_acquire_resource, from frame *done of the list on, which it moves. *again: as above. */
int64_t memory_acquire_resource(uint64_t *done, guest_ptr_t arg, bool *again);

/* Operations for guests that are not ours to run (translated memory, paging, sharing, ...), each
 * with the error that Xen has for them; -XEN_ENOSYS for numbers that nobody knows. */
int64_t memory_refused(unsigned op, guest_ptr_t arg);
