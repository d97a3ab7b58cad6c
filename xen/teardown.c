/* SPDX-License-Identifier: MIT
 *
 * The end of a domain: everything it holds is given back, in steps that can be interrupted at any
 * point and taken up again (the step is kept in the domain). Each step leaves a domain that is
 * valid, only poorer.
 *
 *   stop      every vCPU is off its CPU and stays off
 *   events    ports are closed, peers see theirs unbound; physical interrupts are given up
 *   vcpus     the console ring's frame, watchdogs, timers, the scheduler's books, vcpu_info frames, descriptor tables, base pointers (what takes
 *             long of these is left to the next step)
 *   cache     its pages in the page cache are dropped
 *   memory    pins are broken, the allocation's references given up: frames whose last user this was are free
 *   grants    what it mapped of others is let go (its tables are gone by now), and nobody maps more of it
 *   ubc       the same with volumes of the buffer cache, and its rights to them
 *   wait      frames that others still map need their owner, those of the grant table and the shared page
 *             among them; when the last is let go, the creation's reference goes (accounts_watch() tells
 *             when that may be)
 */
#include <lagan/printk.h>

#include "mm/frame.h"
#include "mm/pcache.h"
#include "mm/type.h"
#include "xen/domain.h"
#include "xen/vcpu_timer.h"
#include "arch_current.h"
#include "arch_inline.h"

enum teardown_step {
    STEP_STOP,
    STEP_EVENTS,
    STEP_VCPUS,
    STEP_CACHE,
    STEP_MEMORY,
    STEP_GRANTS,
    STEP_UBC,
    STEP_WAIT,
    STEP_DONE
};

/* A pause of its own keeps the vCPUs off: whoever else unpauses the domain, or brings up a vCPU of
 * it in a hypercall that has begun, takes nothing of it away. If this CPU's own vCPU is the
 * domain's, it must leave first: on the way back to the guest, soon. */
static int stop_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    spin_lock(&d->lock);
    if (d->state == DOMAIN_ALIVE) {
        d->state = DOMAIN_DYING;
        d->pause_count++;
    }
    spin_unlock(&d->lock);
    pressure_ended(d);
    for_each_vcpu (d, v, i)
        vcpu_sleep(v);
    if (current_vcpu() && current_vcpu()->domain == d)
        return -XEN_ERESTART;
    for_each_vcpu (d, v, i)
        vcpu_sleep_sync(v);
    return 0;
}

static void relinquish_vcpu(struct vcpu *v)
{
    vcpu_timer_destroy(v);
    sched_vcpu_destroy(v);
    arch_vcpu_relinquish(v);
    if (v->info_frame.n != MFN_INVALID.n) {
        v->info = (vcpu_info_t *)&v->domain->shared_info->vcpu_info[v->id];
        frame_put_writable(v->info_frame);
        v->info_frame = MFN_INVALID;
    }
}

static int run_step(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    switch ((enum teardown_step)d->teardown_step) {
    case STEP_STOP:
        return stop_vcpus(d);
    case STEP_EVENTS: {
        int rc = event_domain_destroy(d);

        if (!rc)
            arch_pirqs_release(d);
        return rc;
    }
    case STEP_VCPUS:
        console_ring_detach(d);
        domain_watchdog_destroy(d);
        for_each_vcpu (d, v, i)
            relinquish_vcpu(v);
        return 0;
    case STEP_CACHE:
        return d->pcache ? pcache_relinquish(d->pcache) : 0;
    case STEP_MEMORY:
        return account_relinquish(&d->account);
    case STEP_GRANTS:
        return grant_table_relinquish(d->grants);
    case STEP_UBC:
        return ubc_client_relinquish(&d->ubc);
    case STEP_WAIT: /* the shared page last: withdrawn once */
        return d->account.pages || grant_table_withdraw(d->grants) || domain_withdraw_shared_info(d)
                   ? -XEN_EAGAIN
                   : 0;
    case STEP_DONE:
        break;
    }
    return 0;
}

#define ZOMBIE_FRAMES 4 /* as many of its frames are named */

/* A frame on the account's list that is the i-th; false: there are not so many. */
static bool held_frame(struct account *a, unsigned i, mfn_t *m)
{
    uint32_t n;

    spin_lock(&a->lock);
    for (n = a->first; n && i > 0; i--)
        n = frame_of(mfn(n))->next;
    spin_unlock(&a->lock);
    *m = mfn(n);
    return n != 0;
}

void domain_dump_zombie(struct domain *d)
{
    static const char *const step[] = {
        "vCPUs stop", "events", "vCPUs",        "page cache",
        "memory",     "grants", "buffer cache", "waiting for the last frame",
        "done"};
    mfn_t m;

    if (d->state == DOMAIN_ALIVE)
        return;
    log_info("  it is being taken apart (%s); others hold %u references and %lu frames of it\n",
             step[d->teardown_step], d->refs, d->account.pages);
    for (unsigned i = 0; i < ZOMBIE_FRAMES && held_frame(&d->account, i, &m); i++)
        log_info("  frame %#lx, guest frame %#lx: %u references, used as type %u\n", m.n,
                 arch_m2p_get(m), frame_refs(frame_of(m)), type_of(m));
}

int domain_kill(struct domain *d)
{
    if (d->teardown_step == STEP_DONE)
        return 0; /* others' references keep the struct, its own is given up */
    while (d->teardown_step < STEP_DONE) {
        int rc = run_step(d);

        if (rc)
            return rc;
        d->teardown_step++;
        /* Those who still map frames of it let go when they hear that it is dying: of one that has
         * shut down before, they have heard, and have taken it for one that may be looked at. */
        if (d->teardown_step == STEP_WAIT && !d->privileged)
            domain_tell_control();
    }
    spin_lock(&d->lock);
    d->state = DOMAIN_DEAD;
    spin_unlock(&d->lock);
    domain_put(d);
    return 0;
}
