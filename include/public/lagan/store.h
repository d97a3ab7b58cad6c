/* SPDX-License-Identifier: MIT
 *
 * What the domain that serves the store (`serves=store`, docs/store.md) may ask of the host: who is
 * there to be served. A command of host_op, hypercall 52:
 *
 *     long HYPERVISOR_host_op(LAGAN_HOST_OP_store_next, struct lagan_host_store_next *next);
 *
 * The first domain whose number is `domid` or more, and that was given a port for the store; the
 * caller is none of them. 0; -ENOENT: there is none. -EPERM: the caller does not serve the store.
 * -EFAULT.
 *
 * VIRQ_DOM_EXC comes when the answers may have changed. A domain that has ended keeps its number
 * until its last frame is free; the server is to let go of what it has mapped of it.
 */
#ifndef LAGAN_PUBLIC_STORE_H
#define LAGAN_PUBLIC_STORE_H

#ifndef __ASSEMBLY__
#include <stdint.h>
#endif

#define LAGAN_HOST_OP_store_next 16

/*
 * The domain's balloon driver follows memory/target in the store: from now on the hypervisor's policy
 * sets its target (store_next's target_kib, with VIRQ_DOM_EXC when it changes), which the server
 * writes there. 0; -ENOENT: no such domain, or another by now; -EPERM; -EFAULT.
 */
#define LAGAN_HOST_OP_store_follow 17

#define LAGAN_STORE_DOMAIN_runs  0
#define LAGAN_STORE_DOMAIN_ended 1 /* shut down for whatever reason, or being taken apart */

#ifndef __ASSEMBLY__

struct lagan_host_store_next {
    uint16_t domid;       /* IN: where to begin; OUT: whom the rest describes */
    uint16_t state;       /* OUT: LAGAN_STORE_DOMAIN_* */
    uint32_t port;        /* OUT: its unbound port, for EVTCHNOP_bind_interdomain */
    uint32_t vcpus;       /* OUT: that it was built with */
    uint32_t reserved0;   /* OUT: 0 */
    uint64_t serial;      /* OUT: no other domain has or had this one */
    uint64_t memory_kib;  /* OUT: that it has now */
    uint64_t max_kib;     /* OUT: that it may have */
    uint8_t uuid[16];     /* OUT: all zero: none */
    char name[32];        /* OUT: terminated; "": none */
    uint64_t floor_kib;   /* OUT: it is not asked for these (minmem=) */
    uint64_t target_kib;  /* OUT: so much it is to have; 0: nobody decides about that */
    uint64_t reserved[3]; /* OUT: 0 */
};

struct lagan_host_store_follow {
    uint16_t domid; /* IN */
    uint16_t reserved0[3];
    uint64_t serial; /* IN: of the domain that is meant */
};

#endif /* __ASSEMBLY__ */
#endif
