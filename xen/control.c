/* SPDX-License-Identifier: MIT
 *
 * Control over domains: made, described, paused and ended on behalf of the control domain.
 *
 * One call at a time (INV-CTL-1): a call that finds another one under way is made again, so that
 * nobody spins, and what is said of a single caller in domain.h and sched.h holds.
 */
#include "xen/control.h"

#include <lagan/arch.h>
#include <lagan/string.h>

#include "mm/claim.h"
#include "xen/guest_access.h"
#include "xen/wallclock.h"
#include "arch_current.h"
#include "arch_inline.h"

#define PAUSES_MAX 255

static _Atomic bool busy;

bool control_begin(void)
{
    return !atomic_exchange_explicit(&busy, true, memory_order_acquire);
}

void control_end(void)
{
    ASSERT(busy);
    atomic_store_explicit(&busy, false, memory_order_release);
}

/* ---- sets of bits ---- */

#define BITS_MAX 32768U /* no set that a caller can mean is longer */

int control_get_bits(const struct xenctl_bitmap *map, uint64_t *bits)
{
    uint64_t bytes = min_u64((map->nr_bits + 7UL) / 8, sizeof(*bits)), valid = UINT64_MAX;

    *bits = 0;
    if (map->nr_bits > BITS_MAX)
        return -XEN_EINVAL;
    if (copy_from_guest(bits, guest_ptr((uint64_t)map->bitmap.p), bytes))
        return -XEN_EFAULT;
    if (map->nr_bits < 64)
        valid = (UINT64_C(1) << map->nr_bits) - 1;
    *bits &= valid;
    return 0;
}

int control_put_bits(const struct xenctl_bitmap *map, uint64_t bits)
{
    uint64_t bytes = (map->nr_bits + 7UL) / 8, used = min_u64(bytes, sizeof(bits));
    guest_ptr_t to = guest_ptr((uint64_t)map->bitmap.p);

    if (map->nr_bits > BITS_MAX)
        return -XEN_EINVAL;
    if (copy_to_guest(to, &bits, used))
        return -XEN_EFAULT;
    return clear_guest(guest_ptr_add(to, used), bytes - used) ? -XEN_EFAULT : 0;
}

/* ---- creation ---- */

#define FLAGS_KNOWN (XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_s3_integrity)

static int check_create(const struct xen_domctl_createdomain *c)
{
    unsigned version = XEN_DOMCTL_GRANT_version(c->grant_opts);

    if (c->flags & ~(uint32_t)FLAGS_KNOWN || c->iommu_opts || c->vmtrace_size)
        return -XEN_EINVAL; /* no hardware virtualisation, no IOMMU, no traces of processors */
    if (c->grant_opts & ~(uint32_t)XEN_DOMCTL_GRANT_version_mask || version < 1 || version > 2)
        return -XEN_EINVAL;
    if (c->arch.emulation_flags & ~(uint32_t)XEN_X86_EMU_PIT ||
        c->arch.misc_flags & ~(uint32_t)XEN_X86_MSR_RELAXED)
        return -XEN_EINVAL;
    if (c->max_grant_frames == 0 || c->max_evtchn_port == 0)
        return -XEN_EINVAL;
    return c->cpupool_id ? -XEN_ESRCH : 0;
}

/* A number of frames, of which a negative one means the usual one, and more is not to be had. */
static unsigned frames_or(int32_t wanted, unsigned usual)
{
    return wanted < 0 ? usual : (unsigned)min_u64((uint64_t)wanted, usual);
}

int control_create(const struct xen_domctl *op, struct domain **d)
{
    const struct xen_domctl_createdomain *c = &op->u.createdomain;
    struct domain_config config = {
        .id = op->domain == 0 || op->domain >= DOMID_FIRST_RESERVED ? DOMID_INVALID : op->domain,
        .tools = true,
        .handle = c->handle,
        .xenstore = (c->flags & XEN_DOMCTL_CDF_xs_domain) != 0,
        .vcpus = c->max_vcpus,
        .max_port = c->max_evtchn_port,
        .grants = {.frames = frames_or(c->max_grant_frames, GRANT_FRAMES_DEFAULT),
                   .maptrack_frames = frames_or(c->max_maptrack_frames, GRANT_MAPTRACK_DEFAULT),
                   .version = XEN_DOMCTL_GRANT_version(c->grant_opts)},
    };
    int rc = check_create(c);

    return rc ? rc : domain_create(&config, d);
}

/* ---- description ---- */

/* What its vCPUs do, in the record's terms. */
static void describe_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    struct vcpu *v;
    unsigned i;
    bool all_blocked = true, running = false;

    for_each_vcpu (d, v, i) {
        info->cpu_time += sched_cpu_time(v);
        if (v->down)
            continue;
        info->nr_online_vcpus++;
        all_blocked = all_blocked && v->blocked;
        running = running || atomic_load(&v->sched.unit.on_cpu);
    }
    if (all_blocked)
        info->flags |= XEN_DOMINF_blocked;
    if (running)
        info->flags |= XEN_DOMINF_running;
}

void control_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    *info = (struct xen_domctl_getdomaininfo){
        .domain = d->id,
        .tot_pages = d->account.pages,
        .outstanding_pages = claim_pages(&d->account),
        .shared_info_frame = arch_frame_of(d->shared_info).n,
        .max_vcpu_id = d->vcpu_count - 1,
        .gpaddr_bits = (uint8_t)arch_phys_bits(),
    };
    describe_vcpus(d, info);
    spin_lock(&d->lock);
    if (d->state != DOMAIN_ALIVE)
        info->flags |= XEN_DOMINF_dying;
    if (d->shutting_down)
        info->flags |=
            XEN_DOMINF_shutdown | ((uint32_t)d->shutdown_reason & XEN_DOMINF_shutdownmask)
                                      << XEN_DOMINF_shutdownshift;
    if (d->control_pauses)
        info->flags |= XEN_DOMINF_paused;
    if (d->xenstore)
        info->flags |= XEN_DOMINF_xs_domain;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    spin_unlock(&d->lock);
    info->max_pages = account_max_pages(&d->account);
}

/* ---- pauses ---- */

int control_pause(struct domain *d)
{
    bool full;

    spin_lock(&d->lock);
    full = d->control_pauses >= PAUSES_MAX;
    if (!full)
        d->control_pauses++;
    spin_unlock(&d->lock);
    if (full)
        return -XEN_EOVERFLOW;
    domain_pause(d);
    return 0;
}

int control_unpause(struct domain *d)
{
    bool none, first = false;

    spin_lock(&d->lock);
    none = d->control_pauses == 0;
    if (!none) {
        d->control_pauses--;
        first = !d->started;
        d->started = true;
    }
    spin_unlock(&d->lock);
    if (none)
        return -XEN_EINVAL;
    if (first)
        wallclock_tell(d); /* who has built the domain has cleared the page that says the time */
    domain_unpause(d);
    return 0;
}

/* ---- the end ---- */

/* A domain that came with the boot is buried by those who have built it. */
static int end_foreign(struct domain *d)
{
    domain_shutdown(d, SHUTDOWN_poweroff);
    return 0;
}

int control_destroy(struct domain *d)
{
    int rc;

    if (!d->tools)
        return end_foreign(d);
    if (d->reaped)
        return 0;
    rc = domain_kill(d);
    if (rc == -XEN_EAGAIN) {
        control_reap(d);
        return 0;
    }
    return rc;
}

int control_resume(struct domain *d)
{
    return domain_resume(d);
}
