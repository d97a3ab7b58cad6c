/* SPDX-License-Identifier: MIT
 *
 * Three domains for the event tests: 0 is privileged, 1 and 2 are not; two vCPUs each. world_end()
 * kills them and checks that every page is back.
 */
#pragma once

#include <CUnit/CUnit.h>

#include "mm/heap.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_domain.h"

#define WORLD_DOMAINS 3
#define WORLD_VCPUS   2

extern struct domain *dom[WORLD_DOMAINS];

/* Each domain may have ports up to max_port; or as many as there can be. */
void world_limited(unsigned max_port);
void world(void);
void world_audit(void);
/* Kills what is left; true if every page is back. */
bool world_gone(void);

static inline void world_end(void)
{
    CU_ASSERT_TRUE(world_gone());
    heap_audit();
}

/* Both ends of a channel between a and b. */
static inline void connect_ports(struct domain *a, struct domain *b, int *pa, int *pb)
{
    *pb = event_alloc_unbound(b, a->id);
    *pa = event_bind_interdomain(a, b, (evtchn_port_t)*pb);
    CU_ASSERT_TRUE_FATAL(*pa > 0 && *pb > 0);
}

static inline unsigned state_of(struct domain *d, int port)
{
    struct evtchn_status s = {0};

    return event_status(d, (evtchn_port_t)port, &s) ? 99 : s.status;
}

/* Two-level: takes the guest's pending bit, as its handler does. */
static inline bool take_bit(struct domain *d, int port)
{
    xen_ulong_t bit = (xen_ulong_t)1 << port % 64;

    return __atomic_fetch_and(&d->shared_info->evtchn_pending[port / 64], ~bit, __ATOMIC_SEQ_CST) &
           bit;
}

static inline void set_mask_bit(struct domain *d, int port)
{
    d->shared_info->evtchn_mask[port / 64] |= (xen_ulong_t)1 << port % 64;
}

/* The upcall flag and the selector are taken, as at the start of an upcall. */
static inline xen_ulong_t take_upcall(struct vcpu *v)
{
    if (!__atomic_exchange_n(&v->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST))
        return 0;
    return __atomic_exchange_n(&v->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
}
