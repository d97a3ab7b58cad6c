/* SPDX-License-Identifier: MIT
 *
 * A simulated machine that runs the real scheduler: CPUs with a timer, IPIs and softirq words, and
 * guests that burn CPU, or work and sleep in turn. One thread plays all CPUs, so a run is a
 * function of its seed. Time is virtual and jumps from event to event; whatever costs time on a
 * machine (switches, IPIs) costs none here, so shares are exact up to the policy's own error.
 *
 * After each event the scheduler's auditor runs, and the machine checks that no CPU idles while
 * a vCPU that may run there waits, and that nobody runs where it may not.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>
#include "xen/domain.h"

#define SIM_GUESTS 48

/* What a vCPU does: works for `work` ns (UINT64_MAX: for ever), then blocks for `rest` ns. */
struct sim_guest {
    struct vcpu vcpu;
    vcpu_info_t info;
    uint64_t work, rest;
    bool random;         /* work and rest are upper bounds, drawn anew each time */
    bool by_timer;       /* sleeps by its single-shot timer, else an event from outside wakes it */
    uint64_t left;       /* of the present work */
    uint64_t wake_at;    /* when the event from outside comes */
    uint64_t woken;      /* since when it waits to run; 0: it does not */
    uint64_t ran;        /* ns on a CPU */
    uint64_t worst_wait; /* longest time between waking and running */
    uint64_t all_waits, wakes; /* their sum and number */
    uint64_t last_ran;         /* when it ran last: for starvation */
    uint64_t worst_gap;        /* longest time runnable without running */
    unsigned virqs;            /* timer interrupts seen */
};

/* A new machine of packages * cores * threads CPUs at time 1 s, without guests. */
void sim_reset(unsigned packages, unsigned cores, unsigned threads);
/* A domain; its vCPUs are added by sim_vcpu() and run at once. */
struct domain *sim_domain(unsigned weight, unsigned cap);
struct sim_guest *sim_vcpu(struct domain *d, uint64_t work, uint64_t rest);
/* Lets the machine run. */
void sim_run(uint64_t ns);
uint64_t sim_now(void);
unsigned sim_cpus(void);
/* The guest that runs on a CPU; NULL: idle. */
struct sim_guest *sim_on(unsigned cpu);
/* This thread plays that CPU, for direct calls; then sim_settle() lets all CPUs react. */
void sim_enter(unsigned cpu);
void sim_settle(void);
/* That CPU runs its softirqs, and switches if they say so. */
void sim_visit(unsigned cpu);
/* ns that CPU has idled in all. */
uint64_t sim_idle(unsigned cpu);
uint64_t sim_switches(void);
/* Forgets what has been measured so far: ran, waits, idle time. */
void sim_forget(void);

/* Event ports for SCHEDOP_poll: 0: no such port, 1: exists, 2: pending. */
extern _Atomic unsigned char sim_port[256];
/* Last domain_shutdown(): its reason, or -1. */
extern int sim_shutdown_reason;
/* Guest memory for the decoders: va 0x1000 .. 0x1000 + sizeof. */
#define SIM_GUEST_VA 0x1000
extern unsigned char sim_memory[4096];
/* Calls of console_softirq() and its like, in order: 'C', 'I', 'T'; S when a switch happened. */
extern char sim_softirq_log[64];
/* Threads, each of which is a CPU: set by tests that do not use the simulated time. */
extern _Thread_local bool sim_threaded;
uint64_t sim_timer_at(unsigned cpu);
unsigned sim_pokes(unsigned cpu);
struct vcpu *sim_loaded(unsigned cpu);
