/* SPDX-License-Identifier: MIT
 *
 * Memory pressure: how many pages a domain is to own, what it says of its need, and what the
 * control domain decides. docs/balloon.md has the protocol and an example.
 *
 *     long HYPERVISOR_pressure_op(unsigned cmd, void *arg);     hypercall 55, __HYPERVISOR_arch_7
 *
 * All amounts are pages of 4 KiB; times are nanoseconds of system time (since the host's boot, as in
 * struct vcpu_time_info) unless they are said to be relative.
 * Errors of all commands: -EFAULT: the argument cannot be read or written; -ENOSYS: no such command;
 * -EINVAL: a reserved field is not 0, or a value cannot be. A call that fails changes nothing.
 * Fields `reserved` at the end of a structure may get a meaning; nothing that is here changes.
 */
#ifndef LAGAN_PUBLIC_PRESSURE_H
#define LAGAN_PUBLIC_PRESSURE_H

#ifndef __ASSEMBLY__
#include <stdint.h>
#endif

#define LAGAN_HYPERVISOR_pressure_op 55

/*
 * The event (VIRQ_ARCH_6), global: bind it on vCPU 0. A domain gets it when LAGAN_PRESSURE_get would
 * say something else than before; the control domain gets it also when its `events` has a new bit.
 */
#define LAGAN_VIRQ_PRESSURE 22

/* ---- every domain, for itself ---- */
/*
 * Reads the target. The first `get` or `report` of a domain makes it known that it follows: before that
 * no target is set for it, and it keeps what it has. -EPERM for a domain that is dying.
 */
#define LAGAN_PRESSURE_get 1 /* OUT struct lagan_pressure_state */
/*
 * Says what the domain needs. To be repeated when that changes, once a second at most is enough: what
 * was said last is taken to hold on. Costs nothing but the copying.
 */
#define LAGAN_PRESSURE_report 2 /* IN struct lagan_pressure_need */

/* ---- the control domain; -EPERM for all others ---- */
/* -ESRCH: no such domain (DOMID_SELF is allowed). */
#define LAGAN_PRESSURE_get_domain 3 /* IN/OUT struct lagan_pressure_domain */
/*
 * Limits and weight. The domain is managed from then on, if the policy is on. -EINVAL: floor 0 or above the
 * ceiling, ceiling above the domain's maximum reservation, weight not 1..65535. -ENOMEM: its floor does not fit
 * beside those of the others.
 */
#define LAGAN_PRESSURE_set_limits 4 /* IN struct lagan_pressure_limits */
/* A target by order, floor..ceiling, instead of the policy's; 0: the policy's again. */
#define LAGAN_PRESSURE_set_target 5 /* IN struct lagan_pressure_order */
/*
 * Can the domain have so many pages in all? 0: yes, they are claimed for it, and nobody else gets them;
 * -EAGAIN: others have been asked to make room: the event RESERVED or REFUSED tells when to ask again, in
 * bounded time; -ENOMEM: not without driving somebody below its floor or need; -EINVAL: it may not
 * have so many. pages = 0 gives up a reservation and what is claimed.
 */
#define LAGAN_PRESSURE_reserve 6 /* IN struct lagan_pressure_order */
/* The host. Reading clears `events`. */
#define LAGAN_PRESSURE_get_host 7 /* OUT struct lagan_pressure_host */
/* Watermarks, and who decides. -EINVAL: min > low, low > RAM, or an unknown bit. */
#define LAGAN_PRESSURE_set_host 8 /* IN struct lagan_pressure_host; fields marked S */
/*
 * Speaks for a domain whose kernel does not know all this: it follows from now on, as if it had made this report itself,
 * and the event TARGET says when its target has changed, which is then for the control domain to pass on. -EPERM: it
 * is dying.
 */
#define LAGAN_PRESSURE_report_for 9 /* IN struct lagan_pressure_report_for */

/* urgency */
#define LAGAN_PRESSURE_CALM    0 /* it has no more than the target */
#define LAGAN_PRESSURE_BALANCE 1 /* others have a better use for what is above the target */
#define LAGAN_PRESSURE_WAITED  2 /* a domain waits for memory that it has a right to */
#define LAGAN_PRESSURE_SHORT   3 /* the host itself is short of memory */

/* flags of a domain */
#define LAGAN_PRESSURE_MANAGED   (1U << 0) /* it follows targets */
#define LAGAN_PRESSURE_LATE      (1U << 1) /* its deadline has passed */
#define LAGAN_PRESSURE_LAZY      (1U << 2) /* it does not take what it was offered */
#define LAGAN_PRESSURE_FIXED     (1U << 3) /* its target is an order */
#define LAGAN_PRESSURE_RESERVING (1U << 4) /* it waits for a reservation */

/* flags of the host */
#define LAGAN_PRESSURE_POLICY (1U << 0) /* the hypervisor sets targets by its policy */

/* events */
#define LAGAN_PRESSURE_EVENT_LOW      (1U << 0) /* free memory has fallen under `low`; VIRQ_ENOMEM too */
#define LAGAN_PRESSURE_EVENT_MIN      (1U << 1) /* ... under `min` */
#define LAGAN_PRESSURE_EVENT_LATE     (1U << 2) /* a domain does not follow: its `lapses` went up */
#define LAGAN_PRESSURE_EVENT_RESERVED (1U << 3) /* a reservation was met */
#define LAGAN_PRESSURE_EVENT_REFUSED  (1U << 4) /* a reservation cannot be met after all */
#define LAGAN_PRESSURE_EVENT_DIED     (1U << 5) /* a domain has ended; VIRQ_DOM_EXC too */
#define LAGAN_PRESSURE_EVENT_TARGET   (1U << 6) /* of a domain that it has spoken for */

#ifndef __ASSEMBLY__

struct lagan_pressure_state {
    uint64_t target;      /* OUT: so many pages it is to own; it may not get more by itself */
    uint64_t have;        /* OUT: so many it owns */
    uint64_t floor;       /* OUT: it will not be asked for these */
    uint64_t ceiling;     /* OUT: its target will not be above */
    uint64_t deadline;    /* OUT: by then it is to have no more than `target`; 0: it has not */
    uint32_t urgency;     /* OUT */
    uint32_t flags;       /* OUT */
    uint64_t reserved[2]; /* OUT: 0 */
};

struct lagan_pressure_need {
    uint64_t working_set;  /* IN: pages that it uses, by its own estimate */
    uint64_t free;         /* IN: pages that hold nothing */
    uint64_t reclaimable;  /* IN: pages that it could empty without harm, not counted in `free` */
    uint64_t refault_rate; /* IN: pages a second that it had to read again after dropping them */
    uint32_t stall_ppm;    /* IN: millionths of the time in which somebody waited for memory */
    uint32_t flags;        /* IN: 0 */
    uint64_t reserved[2];  /* IN: 0 */
};

struct lagan_pressure_domain {
    uint16_t domid;                    /* IN; OUT: the number itself instead of DOMID_SELF */
    uint16_t reserved0;                /* IN: 0 */
    uint32_t weight;                   /* OUT */
    struct lagan_pressure_state state; /* OUT */
    struct lagan_pressure_need need;   /* OUT: what it said last */
    uint64_t active;                   /* OUT: its need, as the policy counts it */
    uint64_t claimed;                  /* OUT: free pages that are claimed for it */
    uint64_t reserve;                  /* OUT: it waits for so many in all; 0: it does not */
    uint32_t lapses;                   /* OUT: how often it has been late */
    uint32_t reserved1;                /* OUT: 0 */
    uint64_t cache_need; /* OUT: pages more that it would use, as its page cache's curve says */
    uint64_t goal;       /* OUT: where its target goes, once others have made room */
};

struct lagan_pressure_report_for {
    uint16_t domid;        /* IN */
    uint16_t reserved0[3]; /* IN: 0 */
    struct lagan_pressure_need need;
};

struct lagan_pressure_limits {
    uint16_t domid;          /* IN */
    uint16_t reserved0;      /* IN: 0 */
    uint32_t weight;         /* IN: 1..65535, of memory; the usual one is 256 */
    uint64_t floor, ceiling; /* IN */
};

struct lagan_pressure_order {
    uint16_t domid;        /* IN */
    uint16_t reserved0[3]; /* IN: 0 */
    uint64_t pages;        /* IN */
};

struct lagan_pressure_host {
    uint64_t total;       /* OUT: pages of RAM that can be given out */
    uint64_t free;        /* OUT: of these, nobody's, the claimed ones among them */
    uint64_t claimed;     /* OUT */
    uint64_t low, min;    /* S, OUT: watermarks; the policy leaves `low` pages free */
    uint64_t shortage;    /* OUT: pages too few for all floors and needs */
    uint32_t flags;       /* S, OUT */
    uint32_t events;      /* OUT: since the last call */
    uint64_t reserved[2]; /* OUT: 0 */
};

#endif /* __ASSEMBLY__ */
#endif
