/* SPDX-License-Identifier: MIT
 *
 * Domains and vCPUs: create, find, pause, destroy.
 *
 * INV-DOM-1: a domain in the list has its creation reference; domain_kill() drops it once teardown
 *            has given everything back.
 * INV-DOM-2: domain_get()/domain_find() references keep the struct and its id; a dying domain is
 *            still found until its last reference goes.
 * INV-DOM-3: a domain is found only when it is whole: not before domain_create() is through, not
 *            after the last reference went.
 */
#pragma once

#include <lagan/list.h>
#include <lagan/lock.h>
#include <lagan/types.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include "mm/account.h"
#include "shmem/grant.h"
#include "ubc/ubc.h"
#include "xen/console_ring.h"
#include "xen/domain_watchdog.h"
#include "xen/event.h"
#include "xen/hypercall.h"
#include "xen/pressure.h"
#include "xen/sched.h"
#include "xen/timer.h"
#include "arch_domain.h" /* from the machine: struct arch_vcpu, struct arch_domain */

#define MAX_VCPUS       32 /* of a domain: as many as shared_info has room for */
#define DOMAIN_NAME_MAX 32

struct vcpu {
    vcpu_info_t *info;          /* the hypervisor's mapping of it; never NULL. entry.S reads it */
    _Atomic uint32_t exit_work; /* not 0: look closer before returning to the guest. entry.S too */
    unsigned id;                /* [c] */
    struct domain *domain;      /* [c] */

    _Atomic bool down;    /* not brought up, or taken down */
    _Atomic bool blocked; /* in SCHEDOP_block or SCHEDOP_poll */
    _Atomic bool
        polling; /* its last sleep is or was SCHEDOP_poll: a masked port wakes it too; [own] */
    _Atomic int pause_count;
    _Atomic bool initialised; /* has registers to start with */

    struct sched_vcpu sched;
    struct timer singleshot_timer; /* fires VIRQ_TIMER */
    struct timer periodic_timer;   /* fires VIRQ_TIMER each period_ns */
    struct timer poll_timer;       /* ends SCHEDOP_poll */
    uint64_t period_ns;            /* 0: none */

    mfn_t info_frame;          /* MFN_INVALID while inside shared_info */
    guest_ptr_t runstate_area; /* 0: none */
    struct event_vcpu event;
    struct hypercall_restart hypercall;
    struct arch_vcpu arch;
};

enum domain_state { DOMAIN_ALIVE, DOMAIN_DYING, DOMAIN_DEAD };

struct domain {
    domid_t id;                 /* [c] */
    char name[DOMAIN_NAME_MAX]; /* [c] "" if it has none */
    bool privileged;            /* [c] the control domain */
    bool tools;                 /* [c] made by the control domain, which ends it too (control.h) */
    bool xenstore;              /* [c] said to serve the store */
    _Atomic bool reaped;        /* set once: the reaper takes it apart (control_reap.c) */
    bool started;               /* [d] it has been let run */
    unsigned control_pauses;    /* [d] of pause_count, so many are the control domain's */
    _Atomic uint32_t refs;      /* last one frees the struct */
    struct list link;           /* [list lock] all domains, ascending id */
    struct spinlock lock;       /* LK_DOMAIN */
    enum domain_state state;    /* [d] */
    bool shutting_down;         /* [d] */
    bool shut_down;             /* [d] ... and is paused for it, and all was done for that */
    int shutdown_reason;        /* [d] SHUTDOWN_*; -1 while it runs */
    int shutdown_latched;       /* [d] what its end is to be reported as; -1: as what it is */
    struct domain_watchdog watchdog[DOMAIN_WATCHDOGS];
    _Atomic int pause_count; /* of the whole domain; 1 at creation */

    struct account account; /* its memory */
    struct pressure_domain pressure;
    struct grant_table *grants;    /* [c] */
    struct pcache *_Atomic pcache; /* NULL until it is first wanted: domain_pcache() */
    struct ubc_client ubc;
    struct memory_map *memory_map; /* [d] as the control domain set it, or NULL */
    shared_info_t *shared_info;    /* [c] */
    unsigned vcpu_count;           /* [c] */
    struct vcpu *vcpu[MAX_VCPUS];  /* [c] vcpu_count of them */
    struct sched_group sched;      /* weight and cap: sched_domain_init(), sched_set_weight() */
    int teardown_step;             /* [own] of whoever runs domain_kill(): teardown.c */
    struct event_domain event;
    evtchn_port_t store_port; /* [c] unbound, for who serves the store; 0: nobody does */
    uint64_t store_serial;    /* [c] store_service.c */
    struct arch_domain arch;
    uint8_t handle[16];     /* [d] uuid */
    uint64_t vm_assist;     /* [d] VMASST_TYPE_* bits */
    char console_line[160]; /* [console lock] output not yet ended by a newline */
    unsigned console_line_length;
    unsigned console_line_shown; /* [console lock] as many of its characters have been put out... */
    unsigned console_line_rub_out; /* [console lock] ...behind which so many are wrong by now */
    uint8_t console_escape;        /* [console lock] inside an escape sequence: enum escape */
    char console_input[128];       /* [console lock] ring: typed, but not yet read by the domain */
    unsigned console_input_start, console_input_count;
    struct console_ring console_ring;
};

struct domain_config {
    const char *name;
    domid_t id; /* DOMID_INVALID: the next free one after the last such */
    bool privileged;
    bool tools, xenstore;  /* as in struct domain; tools: paused by the control domain */
    const uint8_t *handle; /* 16 bytes; NULL: zeroes */
    unsigned vcpus;
    unsigned max_port; /* its highest event channel; 0: as high as there are */
    uint64_t max_pages;
    uint64_t min_pages;         /* it is never asked for so many; 0: max_pages */
    uint64_t pages;             /* it starts with so many; 0: max_pages */
    unsigned weight;            /* 0: the usual 256 */
    unsigned cap;               /* 0: none */
    struct grant_limits grants; /* 0 each: the usual ones (tools: no handles at all) */
};

/* Boot only, no domain exists: ids are given out from the first one on. */
void domain_ids_start(void);

/* Creates a paused domain without memory. *d has the creation reference and one for the caller.
 * -XEN_EINVAL, -XEN_ENOMEM, -XEN_EEXIST (id in use, or none is free); nothing is left behind on
 * failure. */
int domain_create(const struct domain_config *config, struct domain **d) LAGAN_MUST_CHECK;

/* The domain with this id, with a reference, or NULL. */
struct domain *domain_find(domid_t id);
/* As above, DOMID_SELF standing for the current one. */
struct domain *domain_find_target(domid_t id);
/* The domain with the lowest id >= `id`, with a reference, or NULL. */
struct domain *domain_find_next(domid_t id);
void domain_get(struct domain *d);
/* For a debug key: what keeps a domain that is dying. */
void domain_dump_zombie(struct domain *d);
/* VIRQ_DOM_EXC for the control domain, if there is one: whoever keeps books of domains there looks at
 * them. A domain has shut down, is only waited for by others, or is not there any more. No lock. */
void domain_tell_control(void);
void domain_put(struct domain *d);

/* The guest ended itself or was ended: vCPUs stop, the reason is kept, whoever watches is told. A crash
 * is reported with the registers of the vCPU that calls.
 * A domain with no control domain to bury it is destroyed by the hypervisor itself. */
void domain_shutdown(struct domain *d, int reason);
/* As above after a fault that the guest may not survive, with a line on the console saying why. */
void domain_crash(struct domain *d, const char *fmt, ...) LAGAN_PRINTF(2, 3);
/* However d ends from now on, it is reported to have ended for this reason (SHUTDOWN_*); the last
 * one named before the end counts, and for that end alone. */
void domain_latch_shutdown(struct domain *d, int reason);
/* Gives everything back, in preemptible steps: -XEN_ERESTART until done, then 0; -XEN_EAGAIN: there is
 * nothing to do before others let go of its frames. No lock held; one
 * caller at a time, who has a reference; afterwards it is 0 again and does nothing. The struct
 * lives on until the last reference and the last frame are gone. */
int domain_kill(struct domain *d) LAGAN_MUST_CHECK;
/* The domain's page cache, which is made when it is first wanted. -XEN_EINVAL: the domain dies; -XEN_ENOMEM. */
int domain_pcache(struct domain *d, struct pcache **pc) LAGAN_MUST_CHECK;
/* For domain_kill(), once: nobody can map the shared page from here on; it stays the hypervisor's to
 * use. -XEN_EBUSY: somebody does, and nothing has changed. */
int domain_withdraw_shared_info(struct domain *d) LAGAN_MUST_CHECK;
/* A domain that has shut down for SHUTDOWN_suspend runs on. -XEN_EINVAL: it has not; -XEN_ERESTART: another
 * CPU is about it. */
int domain_resume(struct domain *d) LAGAN_MUST_CHECK;
/* Number of domains in the list. */
unsigned domain_count(void);
/* Debug key: one line a domain, and what a dying one waits for. */
void domain_dump_all(void);

/* ---- the machine's part (pv_vcpu.c, pv_domain.c) ---- */
int arch_domain_init(struct domain *d) LAGAN_MUST_CHECK;
void arch_domain_destroy(struct domain *d);
int arch_vcpu_init(struct vcpu *v) LAGAN_MUST_CHECK;
void arch_vcpu_destroy(struct vcpu *v);
/* Gives up the frames that v's registers and descriptor tables hold; what takes long is left to
 * account_relinquish(). v does not run. */
void arch_vcpu_relinquish(struct vcpu *v);
/* VCPUOP_initialise: checks everything, then takes it all; nothing changed on an error. */
int arch_vcpu_initialise(struct vcpu *v, const struct vcpu_guest_context *c) LAGAN_MUST_CHECK;
/* A few lines on the console: the registers of a vCPU that crashed its domain. */
void arch_dump_vcpu(struct vcpu *v);
/* Writes the time record of v and the wall clock of d for the guest to see. */
void arch_update_wallclock(struct domain *d);
/* UTC in ns since 1970 when system time was 0. */
void arch_set_wallclock(uint64_t utc_ns_at_zero);

/* True if v may run as far as its own conditions go. */
static inline bool vcpu_runnable(const struct vcpu *v)
{
    return !v->down && !v->blocked && v->pause_count == 0 && v->domain->pause_count == 0;
}

/* Order of the pages that hold an object of this size. */
static inline unsigned order_of_bytes(size_t bytes)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < bytes)
        order++;
    return order;
}

#define for_each_vcpu(d, v, i) for ((i) = 0; (i) < (d)->vcpu_count && ((v) = (d)->vcpu[i]); (i)++)
