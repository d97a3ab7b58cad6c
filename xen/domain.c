/* SPDX-License-Identifier: MIT
 *
 * Domains: the list of them, their references, creation, shutdown. The end of a domain is
 * teardown.c.
 *
 * Two things keep a domain: references (domain_get) and frames. A dying domain stays in the list,
 * where the toolstack still sees it, until both are gone; then it leaves the list and its struct is
 * freed. The same count hides a domain at both ends of its life: while it is 0 the struct may be in
 * the list, so that its id is taken, but nobody gets hold of it (INV-DOM-3).
 *
 * Lock order: the list lock (LK_DOMLIST) is taken before a domain's (LK_DOMAIN). Finding a domain
 * by its id takes the list lock for a few steps; the paths that must be quick keep pointers
 * instead.
 */
#include "xen/domain.h"

#include <stdarg.h>

#include <lagan/arch.h>
#include <lagan/printk.h>
#include <lagan/string.h>
#include <lagan/vsnprintf.h>

#include "mm/heap.h"
#include "mm/pcache.h"
#include "xen/bootdomains.h"
#include "xen/memory_map.h"
#include "xen/vcpu_timer.h"
#include "xen/wallclock.h"
#include "arch_current.h"
#include "arch_inline.h"

#define FIRST_GUEST_ID 1
#define PORT_MAX       (EVTCHN_FIFO_NR_CHANNELS - 1)

STATIC_ASSERT(sizeof(struct domain) <= SLAB_MAX && sizeof(struct vcpu) <= SLAB_MAX);

static struct {
    struct spinlock lock; /* LK_DOMLIST */
    struct list all;      /* [l] ascending id */
    unsigned count;       /* [l] */
    domid_t last_id;      /* [l] that was given to one */
} domains = {SPINLOCK_INIT(LK_DOMLIST), LIST_INIT(domains.all), 0, 0};

/* ---- finding ---- */

static struct domain *find_locked(domid_t id)
{
    struct list *l;

    list_for_each (l, &domains.all) {
        struct domain *d = list_entry(l, struct domain, link);

        if (d->id >= id)
            return d;
    }
    return NULL;
}

/* False for a domain that is not whole yet (domain_create) or not any more (domain_put). */
static bool get_unless_zero(struct domain *d)
{
    uint32_t refs = atomic_load_explicit(&d->refs, memory_order_relaxed);

    while (refs)
        if (atomic_compare_exchange_weak(&d->refs, &refs, refs + 1))
            return true;
    return false;
}

struct domain *domain_find_next(domid_t id)
{
    struct domain *d;

    spin_lock(&domains.lock);
    d = find_locked(id);
    while (d && !get_unless_zero(d))
        d = find_locked((domid_t)(d->id + 1));
    spin_unlock(&domains.lock);
    return d;
}

struct domain *domain_find(domid_t id)
{
    struct domain *d = domain_find_next(id);

    if (d && d->id != id) {
        domain_put(d);
        d = NULL;
    }
    return d;
}

struct domain *domain_find_target(domid_t id)
{
    struct domain *self = current_vcpu()->domain;

    if (id != DOMID_SELF)
        return domain_find(id);
    domain_get(self);
    return self;
}

void domain_get(struct domain *d)
{
    uint32_t before = atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);

    BUG_ON(before == 0 || before == UINT32_MAX);
}

unsigned domain_count(void)
{
    unsigned n;

    spin_lock(&domains.lock);
    n = domains.count;
    spin_unlock(&domains.lock);
    return n;
}

/* ---- creation ---- */

/* The first free id from `id` on; it may be a reserved one: then there is none. */
static domid_t free_id_from_locked(domid_t id)
{
    struct list *l;

    list_for_each (l, &domains.all) {
        domid_t used = list_entry(l, struct domain, link)->id;

        if (used > id)
            break;
        if (used == id)
            id++;
    }
    return id;
}

/* Ids go round, so that one which somebody still remembers is not soon another's. */
static domid_t free_id_locked(void)
{
    domid_t id = free_id_from_locked((domid_t)max_u64(domains.last_id + 1u, FIRST_GUEST_ID));

    if (id >= DOMID_FIRST_RESERVED)
        id = free_id_from_locked(FIRST_GUEST_ID);
    return id;
}

void domain_ids_start(void)
{
    ASSERT(list_empty(&domains.all));
    domains.last_id = 0;
}

/* Puts d in the list under its id (or a free one), so that nobody else takes the id. Nobody finds d
 * there before it has references. */
static int claim_id(struct domain *d, domid_t wanted)
{
    struct domain *after;
    int rc = 0;

    spin_lock(&domains.lock);
    d->id = wanted == DOMID_INVALID ? free_id_locked() : wanted;
    after = find_locked(d->id);
    if (d->id >= DOMID_FIRST_RESERVED || (after && after->id == d->id)) {
        rc = -XEN_EEXIST;
    } else {
        list_add_tail(after ? &after->link : &domains.all, &d->link);
        domains.count++;
        domains.last_id = d->id;
    }
    spin_unlock(&domains.lock);
    return rc;
}

static void release_id(struct domain *d)
{
    spin_lock(&domains.lock);
    list_del(&d->link);
    domains.count--;
    spin_unlock(&domains.lock);
}

static void free_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    for_each_vcpu (d, v, i) {
        arch_vcpu_destroy(v);
        slab_free(v);
        d->vcpu[i] = NULL;
    }
}

static int add_vcpu(struct domain *d, unsigned id)
{
    struct vcpu *v = slab_alloc(sizeof(*v));
    int rc;

    if (!v)
        return -XEN_ENOMEM;
    v->id = id;
    v->domain = d;
    v->down = true;
    v->info_frame = MFN_INVALID;
    v->info = (vcpu_info_t *)&d->shared_info->vcpu_info[id];
    v->info->evtchn_upcall_mask = 1;
    rc = arch_vcpu_init(v);
    if (rc) {
        slab_free(v);
        return rc;
    }
    d->vcpu[id] = v;
    event_vcpu_init(v);
    return 0;
}

/* The page that hypervisor and guest share; the guest maps it by its machine address. */
static int add_shared_info(struct domain *d)
{
    int rc;

    d->shared_info = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_SHARED));
    if (!d->shared_info)
        return -XEN_ENOMEM;
    rc = account_share(&d->account, arch_frame_of(d->shared_info));
    if (rc) {
        page_free(d->shared_info, 0);
        d->shared_info = NULL;
        return rc;
    }
    for (unsigned i = 0; i < MAX_VCPUS; i++)
        d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
    return 0;
}

/* Nobody can map it any more: domain_withdraw_shared_info(). */
static void remove_shared_info(struct domain *d)
{
    page_free(d->shared_info, 0);
    d->shared_info = NULL;
}

int domain_withdraw_shared_info(struct domain *d)
{
    return account_unshare(&d->account, arch_frame_of(d->shared_info));
}

static int add_vcpus(struct domain *d, unsigned count)
{
    int rc = 0;

    for (unsigned i = 0; i < count && !rc; i++) {
        d->vcpu_count = i + 1; /* so that free_vcpus() finds those made so far */
        rc = add_vcpu(d, i);
    }
    if (rc)
        free_vcpus(d);
    return rc;
}

static int add_grants(struct domain *d, const struct domain_config *config)
{
    struct grant_limits limits = config->grants;

    if (!limits.frames)
        limits.frames = GRANT_FRAMES_DEFAULT;
    if (!limits.maptrack_frames && !config->tools) /* which may want a domain that maps nothing */
        limits.maptrack_frames = GRANT_MAPTRACK_DEFAULT;
    if (!limits.version)
        limits.version = 2;
    return grant_table_create(&d->account, &limits, config->vcpus, &d->grants);
}

/* All of a domain but its place in the scheduler. In reverse order on failure. */
static int build_parts(struct domain *d, const struct domain_config *config)
{
    int rc = account_init(&d->account, d->id, config->max_pages);

    if (rc)
        return rc;
    d->account.maps_io = config->privileged;
    ubc_client_init(&d->ubc, &d->account);
    rc = event_domain_init(d, config->max_port ? (unsigned)min_u64(config->max_port, PORT_MAX)
                                               : PORT_MAX);
    if (rc)
        goto no_events;
    rc = add_grants(d, config);
    if (rc)
        goto no_grants;
    rc = add_shared_info(d);
    if (rc)
        goto no_shared_info;
    rc = add_vcpus(d, config->vcpus);
    if (rc)
        goto no_vcpus;
    rc = arch_domain_init(d);
    if (rc)
        goto no_arch;
    return 0;

no_arch:
    free_vcpus(d);
no_vcpus:
    BUG_ON(domain_withdraw_shared_info(d)); /* nobody can have found it */
    remove_shared_info(d);
no_shared_info:
    grant_table_destroy(d->grants);
no_grants:
    event_domain_free(d); /* it has no port yet */
no_events:
    account_destroy(&d->account);
    return rc;
}

static int check_config(const struct domain_config *config)
{
    if (config->vcpus == 0 || config->vcpus > MAX_VCPUS)
        return -XEN_EINVAL;
    if (config->id >= DOMID_FIRST_RESERVED && config->id != DOMID_INVALID)
        return -XEN_EINVAL;
    if (config->weight > POLICY_WEIGHT_MAX || config->cap > POLICY_CAP_MAX)
        return -XEN_EINVAL;
    if (config->name && strlen(config->name) >= DOMAIN_NAME_MAX)
        return -XEN_EINVAL;
    return 0;
}

static struct domain *alloc_domain(const struct domain_config *config)
{
    struct domain *d = slab_alloc(sizeof(*d));

    if (!d)
        return NULL;
    if (config->name)
        strlcpy(d->name, config->name, sizeof(d->name));
    d->privileged = config->privileged;
    d->tools = config->tools;
    d->xenstore = config->xenstore;
    d->control_pauses = config->tools;
    if (config->handle)
        memcpy(d->handle, config->handle, sizeof(d->handle));
    sched_domain_init(d, config->weight, config->cap);
    d->shutdown_reason = d->shutdown_latched = -1;
    d->pause_count = 1;
    spin_init(&d->lock, LK_DOMAIN);
    domain_watchdog_init(d);
    console_ring_init(d);
    list_init(&d->link);
    return d;
}

/* For the log: the toolstack keeps names to itself. */
static void name_by_id(struct domain *d)
{
    (void)snprintf(d->name, sizeof(d->name), "d%u", d->id);
}

static void init_vcpu_scheduling(struct vcpu *v)
{
    sched_vcpu_init(v);
    vcpu_timer_init(v);
}

int domain_create(const struct domain_config *config, struct domain **out)
{
    struct domain *d;
    struct vcpu *v;
    unsigned i;
    int rc = check_config(config);

    if (rc)
        return rc;
    d = alloc_domain(config);
    if (!d)
        return -XEN_ENOMEM;
    rc = claim_id(d, config->id);
    if (rc)
        goto no_id;
    if (config->tools)
        name_by_id(d);
    rc = build_parts(d, config);
    if (rc)
        goto no_parts;
    for_each_vcpu (d, v, i)
        init_vcpu_scheduling(v);
    arch_update_wallclock(d);
    pressure_add(d, config->min_pages ? config->min_pages : config->max_pages,
                 config->pages ? config->pages : config->max_pages, config->max_pages);
    atomic_store(&d->refs, 2); /* the creation's and the caller's: from here on it can be found */
    wallclock_tell(d);         /* it may have been set meanwhile */
    *out = d;
    return 0;

no_parts:
    release_id(d);
no_id:
    slab_free(d);
    return rc;
}

/* ---- the end of a guest's life, as it sees it ---- */

/* True for the one caller whose reason counts. */
static bool begin_shutdown(struct domain *d, int reason)
{
    bool first;

    spin_lock(&d->lock);
    first = !d->shutting_down;
    if (first) {
        d->shutting_down = true;
        d->shutdown_reason = d->shutdown_latched < 0 ? reason : d->shutdown_latched;
    }
    spin_unlock(&d->lock);
    return first;
}

/* Does not wait: a vCPU that runs leaves its CPU at the next look for softirqs. From `shut_down` on the
 * domain may be resumed. */
static void finish_shutdown(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    d->pause_count++;
    for_each_vcpu (d, v, i)
        vcpu_sleep(v);
    pressure_ended(d);
    spin_lock(&d->lock);
    d->shut_down = true;
    spin_unlock(&d->lock);
    bootdomains_ended(d);
}

/* Of the vCPU that did it, if it is here. */
static void report_crash(struct domain *d, const char *why)
{
    log_warn("domain %s (%u) crashed: %s\n", d->name, d->id, why);
    if (current_vcpu() && current_vcpu()->domain == d)
        arch_dump_vcpu(current_vcpu());
}

void domain_latch_shutdown(struct domain *d, int reason)
{
    spin_lock(&d->lock);
    d->shutdown_latched = reason;
    spin_unlock(&d->lock);
}

void domain_shutdown(struct domain *d, int reason)
{
    if (!begin_shutdown(d, reason))
        return;
    if (reason == SHUTDOWN_crash)
        report_crash(d, "it says so itself");
    finish_shutdown(d);
}

void domain_crash(struct domain *d, const char *fmt, ...)
{
    char why[128];
    va_list args;

    if (!begin_shutdown(d, SHUTDOWN_crash))
        return;
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    report_crash(d, why);
    finish_shutdown(d);
}

int domain_pcache(struct domain *d, struct pcache **pc)
{
    struct pcache *fresh;
    int rc;

    *pc = atomic_load_explicit(&d->pcache, memory_order_acquire);
    if (likely(*pc))
        return 0;
    rc = pcache_create(&d->account, &fresh);
    if (rc)
        return rc;
    spin_lock(&d->lock);
    if (!d->pcache && d->state == DOMAIN_ALIVE) {
        atomic_store(&d->pcache, fresh);
        fresh = NULL;
    }
    *pc = d->pcache;
    spin_unlock(&d->lock);
    if (fresh) { /* somebody was quicker */
        while (pcache_relinquish(fresh) == -XEN_ERESTART)
            ;
        pcache_destroy(fresh);
    }
    return *pc ? 0 : -XEN_EINVAL;
}

int domain_resume(struct domain *d)
{
    int rc = 0;

    spin_lock(&d->lock);
    if (d->state != DOMAIN_ALIVE || !d->shutting_down || d->shutdown_reason != SHUTDOWN_suspend) {
        rc = -XEN_EINVAL;
    } else if (!d->shut_down) {
        rc = -XEN_ERESTART;
    } else {
        d->shutting_down = d->shut_down = false;
        d->shutdown_reason = d->shutdown_latched = -1;
    }
    spin_unlock(&d->lock);
    if (rc)
        return rc;
    pressure_resumed(d);
    domain_unpause(d);
    return 0;
}

/* ---- the last reference ---- */

void domain_tell_control(void)
{
    struct domain *control = domain_find(0);

    if (!control)
        return;
    event_raise_global_virq(control, VIRQ_DOM_EXC);
    domain_put(control);
}

void domain_put(struct domain *d)
{
    uint32_t before = atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel);

    BUG_ON(before == 0);
    if (before > 1)
        return;
    ASSERT(d->state == DOMAIN_DEAD && d->account.pages == 0);
    arch_domain_destroy(d);
    memory_map_free(d);
    event_domain_free(d);
    free_vcpus(d);
    remove_shared_info(d);
    grant_table_destroy(d->grants);
    pressure_remove(d); /* the policy reads the cache's curve */
    pcache_destroy(d->pcache);
    account_destroy(&d->account);
    release_id(d);
    slab_free(d);
    domain_tell_control();
}

void domain_dump_all(void)
{
    struct list *l;

    spin_lock(&domains.lock);
    list_for_each (l, &domains.all) {
        struct domain *d = list_entry(l, struct domain, link);

        log_info("domain %u %s: state %d, refs %u, pages %lu, vcpus %u, shutdown %d, pause %d\n",
                 d->id, d->name, d->state, d->refs, d->account.pages, d->vcpu_count,
                 d->shutdown_reason, d->pause_count);
        domain_dump_zombie(d);
    }
    spin_unlock(&domains.lock);
}
