/* SPDX-License-Identifier: MIT
 *
 * The host operations: what the control domain may ask of, and do to, the host as a whole.
 *
 *     long HYPERVISOR_host_op(unsigned cmd, void *arg);     hypercall 52, __HYPERVISOR_arch_4
 *
 * Only the control domain may call: all others get -EPERM, whatever the command. -ENOSYS: no such
 * command. -EFAULT: the argument cannot be read or written. -ENOMEM. New commands and new fields at the end
 * of a structure's `reserved` may come; nothing that is here changes. Command 16 is another's: store.h.
 */
#ifndef LAGAN_PUBLIC_HOST_H
#define LAGAN_PUBLIC_HOST_H

#ifndef __ASSEMBLY__
#include <stdint.h>
#endif

#define LAGAN_HYPERVISOR_host_op 52

/*
 * Recounts all frames, their types and what page tables hold of them, while all CPUs but the caller's
 * stand still; needs a little memory for the count (-ENOMEM). Faults are named in the hypervisor's log. It takes some milliseconds for each GiB
 * that domains own, in which no domain is served.
 */
#define LAGAN_HOST_OP_audit 1
/* The counters of the type system, from the host's start on. */
#define LAGAN_HOST_OP_mm_stats 2

#ifndef __ASSEMBLY__

struct lagan_host_audit {
    uint64_t faults;       /* OUT: broken invariants found; 0: all is well */
    uint64_t held;         /* OUT: references that no page table explains (vCPUs, grants, ...) */
    uint64_t free_pages;   /* OUT: of the host */
    uint32_t domain_count; /* OUT: domains that own memory, the control domain among them */
    uint32_t reserved[9];  /* OUT: 0 */
};

struct lagan_host_mm_stats {
    uint64_t type_changes;    /* OUT: frames that were claimed as another type than they had last */
    uint64_t type_flushes;    /* OUT: those of them that needed a TLB flush on some CPU */
    uint64_t type_ipis;       /* OUT: interrupts sent to other CPUs for that */
    uint64_t type_ipis_naive; /* OUT: how many it would be if each change flushed all CPUs that may
                               * hold translations of the domain's */
    uint64_t frees;           /* OUT: the same for frames that went back to the host */
    uint64_t free_flushes;
    uint64_t free_ipis;
    uint64_t free_ipis_naive;
    uint64_t reserved[8]; /* OUT: 0 */
};

#endif /* __ASSEMBLY__ */
#endif
