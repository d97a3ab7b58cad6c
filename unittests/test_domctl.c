/* SPDX-License-Identifier: MIT
 *
 * domctl on domains: who may call it, creation, description, pauses, memory, the end.
 */
#include <string.h>

#include "arch_current.h"
#include "mm/claim.h"
#include "shmem/grant_int.h"
#include "unittests/domctl_world.h"

/* ---- who may ---- */

/* Every call of a domain without privilege is refused before anything is looked at, and none changes
 * anything. */
static void only_the_control_domain(void)
{
    struct domain *guest, *other;
    uint64_t free;

    start();
    guest = core_domain(1, 50);
    other = core_domain(1, 50);
    free = heap_free_pages();
    for (unsigned cmd = 0; cmd < 1010; cmd++) {
        (void)domctl_record(cmd, other->id);
        CU_ASSERT_EQUAL(domctl_call(guest), -XEN_EPERM);
        (void)domctl_record(cmd, guest->id);
        CU_ASSERT_EQUAL(domctl_call(guest), -XEN_EPERM);
    }
    for (unsigned cmd = 0; cmd < 40; cmd++) {
        (void)sysctl_record(cmd);
        CU_ASSERT_EQUAL(sysctl_call(guest), -XEN_EPERM);
    }
    CU_ASSERT_EQUAL(CORE_CALL(guest->vcpu[0], __HYPERVISOR_domctl, CORE_BAD), -XEN_EPERM);
    CU_ASSERT_EQUAL(CORE_CALL(guest->vcpu[0], __HYPERVISOR_sysctl, CORE_BAD), -XEN_EPERM);
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    CU_ASSERT_EQUAL(domain_count(), 3);
    CU_ASSERT_EQUAL(other->pause_count, 0);
    core_kill(other);
    core_kill(guest);
    end();
}

static void versions(void)
{
    start();
    domctl_record(XEN_DOMCTL_getdomaininfo, 0)->interface_version--;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_EACCES);
    sysctl_record(XEN_SYSCTL_physinfo)->interface_version++;
    CU_ASSERT_EQUAL(sysctl_call(dom0), -XEN_EACCES);
    CU_ASSERT_EQUAL(CORE_CALL(dom0->vcpu[0], __HYPERVISOR_domctl, CORE_BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CORE_CALL(dom0->vcpu[0], __HYPERVISOR_sysctl, CORE_BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, 99), -XEN_ESRCH);
    CU_ASSERT_EQUAL(simple(7, dom0->id), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(simple(9999, dom0->id), -XEN_ENOSYS);
    end();
}

/* Numbers that are nobody's, for every operation: an error, and nothing else. The next higher domain
 * of a number is not to be had either. */
static void nobody(void)
{
    static const domid_t none[] = {1,
                                   DOMID_FIRST_RESERVED - 1,
                                   DOMID_FIRST_RESERVED,
                                   DOMID_SELF,
                                   DOMID_IO,
                                   DOMID_XEN,
                                   DOMID_INVALID,
                                   0xffff};
    uint64_t free;

    start();
    free = heap_free_pages();
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++)
        for (unsigned cmd = XEN_DOMCTL_createdomain + 1; cmd < 1010; cmd++)
            CU_ASSERT_EQUAL(simple(cmd, none[i]), -XEN_ESRCH);
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end();
}

/* ---- creation ---- */

static void creates(void)
{
    struct domain *d;

    start();
    d = created();
    CU_ASSERT_TRUE(d->tools);
    CU_ASSERT_FALSE(d->privileged);
    CU_ASSERT_EQUAL(d->vcpu_count, 2);
    CU_ASSERT_EQUAL(d->handle[3], 0xab);
    CU_ASSERT_EQUAL(d->pause_count, 1);
    CU_ASSERT_EQUAL(d->control_pauses, 1);
    CU_ASSERT_EQUAL(d->event.max_port, 1023);
    CU_ASSERT_EQUAL(d->account.max_pages, 0);
    CU_ASSERT_TRUE(d->vcpu[0]->down);
    creation()->domain = d->id;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_EEXIST);
    destroyed(d);
    creation()->domain = ID;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    d = domain_find(ID);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    destroyed(d);
    CU_ASSERT_PTR_NULL(domain_find(ID));
    end();
}

static void refuses(struct xen_domctl *op, int64_t want)
{
    (void)op;
    CU_ASSERT_EQUAL(domctl_call(dom0), want);
    CU_ASSERT_EQUAL(domain_count(), 1);
}

#define REFUSES(field, value, want)          \
    do {                                     \
        struct xen_domctl *op_ = creation(); \
        op_->u.createdomain.field = (value); \
        refuses(op_, (want));                \
    } while (0)

static void creation_refused(void)
{
    start();
    REFUSES(flags, XEN_DOMCTL_CDF_hvm, -XEN_EINVAL);
    REFUSES(flags, XEN_DOMCTL_CDF_hap, -XEN_EINVAL);
    REFUSES(flags, XEN_DOMCTL_CDF_iommu, -XEN_EINVAL);
    REFUSES(flags, XEN_DOMCTL_CDF_vpmu << 1, -XEN_EINVAL);
    REFUSES(iommu_opts, 1, -XEN_EINVAL);
    REFUSES(vmtrace_size, 4096, -XEN_EINVAL);
    REFUSES(max_vcpus, 0, -XEN_EINVAL);
    REFUSES(max_vcpus, MAX_VCPUS + 1, -XEN_EINVAL);
    REFUSES(max_evtchn_port, 0, -XEN_EINVAL);
    REFUSES(max_grant_frames, 0, -XEN_EINVAL);
    REFUSES(grant_opts, 0, -XEN_EINVAL);
    REFUSES(grant_opts, 3, -XEN_EINVAL);
    REFUSES(grant_opts, 0x11, -XEN_EINVAL);
    REFUSES(arch.emulation_flags, XEN_X86_EMU_LAPIC, -XEN_EINVAL);
    REFUSES(arch.misc_flags, 2, -XEN_EINVAL);
    REFUSES(cpupool_id, 1, -XEN_ESRCH);
    creation()->u.createdomain.max_grant_frames = INT32_MAX; /* cut to what there is */
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    destroyed(domain_find_next(1));
    end();
}

/* A domain that is to map nothing of others: no handle, rather than the usual number. */
static void creation_without_handles(void)
{
    struct domain *d;

    start();
    creation()->u.createdomain.max_maptrack_frames = 0;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    d = domain_find_next(1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->grants->maptrack.frame_limit, 0);
    destroyed(d);
    d = created();
    CU_ASSERT_EQUAL(d->grants->maptrack.frame_limit, GRANT_MAPTRACK_DEFAULT);
    destroyed(d);
    end();
}

/* Nothing is left of a domain that could not be made, whatever was missing. */
static void creation_without_memory(void)
{
    unsigned n = 0;
    int64_t rc;
    uint64_t free;

    start();
    free = heap_free_pages();
    do {
        (void)creation();
        host_fail_after(++n);
        rc = domctl_call(dom0);
        if (!host_fail_off())
            break;
        CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
        CU_ASSERT_EQUAL(domain_count(), 1);
        slab_trim();
        CU_ASSERT_EQUAL(heap_free_pages(), free);
    } while (n < 100);
    CU_ASSERT_TRUE(n > 5 && n < 100);
    CU_ASSERT_EQUAL(rc, 0);
    destroyed(domain_find_next(1));
    end();
}

/* A record that cannot be written: no domain whose number nobody knows. */
static void creation_unseen(void)
{
    start();
    memcpy(core_at(CORE_READONLY - CORE_VA), creation(), sizeof(struct xen_domctl));
    CU_ASSERT_EQUAL(CORE_CALL(dom0->vcpu[0], __HYPERVISOR_domctl, CORE_READONLY), -XEN_EFAULT);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end();
}

/* ---- description ---- */

static struct xen_domctl_getdomaininfo *described(domid_t id)
{
    struct xen_domctl *op = domctl_record(XEN_DOMCTL_getdomaininfo, id);

    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    return &op->u.getdomaininfo;
}

static void describes(void)
{
    struct xen_domctl_getdomaininfo *i;
    struct domain *d;

    start();
    d = created();
    i = described(d->id);
    CU_ASSERT_EQUAL(i->domain, d->id);
    CU_ASSERT_EQUAL(i->flags, XEN_DOMINF_paused | XEN_DOMINF_blocked);
    CU_ASSERT_EQUAL(i->handle[3], 0xab);
    CU_ASSERT_EQUAL(i->max_vcpu_id, 1);
    CU_ASSERT_EQUAL(i->nr_online_vcpus, 0);
    CU_ASSERT_EQUAL(i->tot_pages, 0);
    CU_ASSERT_EQUAL(i->shared_info_frame, arch_frame_of(d->shared_info).n);
    i = described(dom0->id + 1U); /* the next higher */
    CU_ASSERT_EQUAL(i->domain, d->id);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_getdomaininfo, (domid_t)(d->id + 1)), -XEN_ESRCH);
    i = described(dom0->id);
    CU_ASSERT_EQUAL(i->flags & (XEN_DOMINF_paused | XEN_DOMINF_running), XEN_DOMINF_running);
    CU_ASSERT_EQUAL(i->nr_online_vcpus, 1);
    domain_shutdown(d, SHUTDOWN_crash);
    i = described(d->id);
    CU_ASSERT_EQUAL(i->flags & XEN_DOMINF_shutdown, XEN_DOMINF_shutdown);
    CU_ASSERT_EQUAL(i->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask, SHUTDOWN_crash);
    destroyed(d);
    end();
}

/* ---- pauses ---- */

static void pauses(void)
{
    struct domain *d;

    start();
    d = created();
    /* Who builds a domain clears the page that it shares with the hypervisor, and the time in it. */
    memset(d->shared_info, 0, sizeof(*d->shared_info));
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, d->id), 0);
    CU_ASSERT_EQUAL(d->pause_count, 2);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, d->id), 0);
    CU_ASSERT_TRUE(described(d->id)->flags & XEN_DOMINF_paused);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, d->id), 0);
    CU_ASSERT_FALSE(described(d->id)->flags & XEN_DOMINF_paused);
    CU_ASSERT_EQUAL(d->shared_info->wc_sec, core_wallclock / 1000000000);
    CU_ASSERT_NOT_EQUAL(d->shared_info->wc_version, 0);
    CU_ASSERT_EQUAL(d->pause_count, 0);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, d->id), -XEN_EINVAL);
    CU_ASSERT_EQUAL(d->pause_count, 0);
    for (unsigned n = 0; n < 255; n++)
        CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, d->id), 0);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, d->id), -XEN_EOVERFLOW);
    CU_ASSERT_EQUAL(d->pause_count, 255);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_pausedomain, dom0->id), -XEN_EINVAL);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, dom0->id), -XEN_EINVAL);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, dom0->id), -XEN_EINVAL);
    destroyed(d);
    end();
}

/* A pause of another kind is not the control domain's to end. */
static void pauses_of_others(void)
{
    struct domain *d;

    start();
    d = created();
    domain_shutdown(d, SHUTDOWN_suspend);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, d->id), 0);
    CU_ASSERT_EQUAL(d->pause_count, 1);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_unpausedomain, d->id), -XEN_EINVAL);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_resumedomain, d->id), 0);
    CU_ASSERT_EQUAL(d->pause_count, 0);
    CU_ASSERT_FALSE(described(d->id)->flags & XEN_DOMINF_shutdown);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_resumedomain, d->id), -XEN_EINVAL);
    domain_shutdown(d, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_resumedomain, d->id), -XEN_EINVAL);
    CU_ASSERT_EQUAL(d->pause_count, 1);
    destroyed(d);
    end();
}

/* ---- memory ---- */

static void limits(void)
{
    struct lagan_pressure_state s;
    struct domain *d;
    mfn_t m;

    start();
    d = created();
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &m), -XEN_EPERM);
    domctl_record(XEN_DOMCTL_max_mem, d->id)->u.max_mem.max_memkb = 11;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    CU_ASSERT_EQUAL(described(d->id)->max_pages, 2);
    pressure_get(d, &s); /* the policy knows of it */
    CU_ASSERT_EQUAL(s.ceiling, 2);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &m), 0);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &m), 0);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &m), -XEN_EPERM);
    domctl_record(XEN_DOMCTL_max_mem, d->id)->u.max_mem.max_memkb = 4;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    CU_ASSERT_EQUAL(described(d->id)->tot_pages, 2);
    CU_ASSERT_EQUAL(account_release(&d->account, m), 0);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &m), -XEN_EPERM);
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t kb = bits ? UINT64_MAX >> (64 - bits) : 0;

        domctl_record(XEN_DOMCTL_max_mem, d->id)->u.max_mem.max_memkb = kb;
        CU_ASSERT_EQUAL(domctl_call(dom0), 0);
        CU_ASSERT_EQUAL(described(d->id)->max_pages, kb / 4);
        pressure_get(d, &s);
        CU_ASSERT_TRUE(s.ceiling >= s.floor && s.floor > 0);
    }
    destroyed(d);
    end();
}

static void frames(void)
{
    struct xen_domctl *op;
    struct domain *d;
    uint64_t *list = core_at(CONTROL_BUFFER);
    mfn_t plain, table;

    start();
    d = created();
    account_set_max_pages(&d->account, 10);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &plain), 0);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &table), 0);
    CU_ASSERT_EQUAL(table_pin(&d->account, table, 3), 0);
    list[0] = plain.n;
    list[1] = table.n;
    list[2] = arch_frame_of(dom0->shared_info).n;
    list[3] = UINT64_MAX;
    list[4] = 5;
    op = domctl_record(XEN_DOMCTL_getpageframeinfo3, d->id);
    op->u.getpageframeinfo3.num = 4;
    op->u.getpageframeinfo3.array.p = (void *)core_va(CONTROL_BUFFER);
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    CU_ASSERT_EQUAL(list[0], XEN_DOMCTL_PFINFO_NOTAB);
    CU_ASSERT_EQUAL(list[1], XEN_DOMCTL_PFINFO_L3TAB);
    CU_ASSERT_EQUAL(list[2], XEN_DOMCTL_PFINFO_XTAB);
    CU_ASSERT_EQUAL(list[3], XEN_DOMCTL_PFINFO_XTAB);
    CU_ASSERT_EQUAL(list[4], 5);
    op->u.getpageframeinfo3.num = 1025;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_E2BIG);
    op->u.getpageframeinfo3.num = 1;
    op->u.getpageframeinfo3.array.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_EFAULT);
    op = domctl_record(XEN_DOMCTL_hypercall_init, d->id);
    op->u.hypercall_init.gmfn = plain.n;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    CU_ASSERT_EQUAL(*(uint8_t *)arch_map_frame(plain), 0xc3);
    op->u.hypercall_init.gmfn = table.n;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_EACCES);
    op->u.hypercall_init.gmfn = arch_frame_of(dom0->shared_info).n;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_EACCES);
    op->u.hypercall_init.gmfn = UINT64_MAX;
    CU_ASSERT_EQUAL(domctl_call(dom0), -XEN_EACCES);
    destroyed(d);
    end();
}

/* ---- the end ---- */

static int64_t registers(domid_t id)
{
    domctl_record(XEN_DOMCTL_getvcpucontext, id)->u.vcpucontext.ctxt.p =
        (void *)core_va(CONTROL_BUFFER);
    return domctl_call(dom0);
}

/* Frames that others hold outlive the call; the reaper buries the domain when they are let go, and
 * the control domain hears of it. */
static void ends_late(void)
{
    struct domain *d;
    domid_t id;
    mfn_t m;
    int port;

    start();
    d = created();
    id = d->id;
    account_set_max_pages(&d->account, 10);
    CU_ASSERT_EQUAL(account_alloc(&d->account, 0, 0, &m), 0);
    CU_ASSERT_TRUE(frame_get(m, id));
    d->vcpu[0]->initialised = true;
    CU_ASSERT_EQUAL(registers(id), 0);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, id), 0);
    CU_ASSERT_EQUAL(registers(id), -XEN_EINVAL); /* what they refer to is gone */
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, id), 0);
    domain_put(d);
    CU_ASSERT_TRUE(described(id)->flags & XEN_DOMINF_dying);
    CU_ASSERT_EQUAL(described(id)->tot_pages, 1);
    core_pass(100000000);
    CU_ASSERT_EQUAL(described(id)->domain, id);
    port = event_bind_virq(dom0, VIRQ_DOM_EXC, 0);
    CU_ASSERT_TRUE_FATAL(port > 0);
    CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 0);
    frame_put(m);
    core_pass(100000000);
    CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 1);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_getdomaininfo, id), -XEN_ESRCH);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end();
}

/* The page shared with the hypervisor is no frame of the domain's own, but the control domain maps it as
 * it maps those: while a builder fills it in, for one. */
static void shared_page_is_mapped(void)
{
    struct domain *d;
    mfn_t m;
    domid_t id;

    start();
    d = created();
    id = d->id;
    m = arch_frame_of(d->shared_info);
    CU_ASSERT_TRUE_FATAL(frame_get(m, id));
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, id), 0);
    domain_put(d);
    core_pass(100000000);
    CU_ASSERT_TRUE(described(id)->flags & XEN_DOMINF_dying);
    frame_put(m);
    core_pass(100000000);
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_getdomaininfo, id), -XEN_ESRCH);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end();
}

/* A domain that has been resumed ends like any other, and the control domain hears of it; and again
 * when nothing is left of it but what it maps itself, and when that is gone. */
static void resumed_and_ended(void)
{
    struct domain *d;
    mfn_t m;
    int port;

    start();
    d = created();
    m = arch_frame_of(d->shared_info);
    CU_ASSERT_TRUE_FATAL(frame_get(m, d->id));
    port = event_bind_virq(dom0, VIRQ_DOM_EXC, 0);
    CU_ASSERT_TRUE_FATAL(port > 0);
    for (unsigned n = 0; n < 2; n++) {
        domain_shutdown(d, SHUTDOWN_suspend);
        CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 1);
        dom0->shared_info->evtchn_pending[0] = 0;
        CU_ASSERT_EQUAL(simple(XEN_DOMCTL_resumedomain, d->id), 0);
        CU_ASSERT_FALSE(d->pressure.ended);
        CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 0);
    }
    domain_shutdown(d, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 1);
    CU_ASSERT_FALSE(described(d->id)->flags & XEN_DOMINF_dying);
    dom0->shared_info->evtchn_pending[0] = 0;
    destroyed(d);
    CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 1);
    dom0->shared_info->evtchn_pending[0] = 0;
    core_pass(100000000);
    CU_ASSERT_EQUAL(domain_count(), 2);
    CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 0);
    frame_put(m);
    core_pass(100000000);
    CU_ASSERT_EQUAL(domain_count(), 1);
    CU_ASSERT_EQUAL(event_port_is_pending(dom0, (evtchn_port_t)port), 1);
    end();
}

/* Once a dying domain waits for nobody, its shared page cannot be mapped any more, however long its
 * struct is kept. */
static void shared_page_of_the_dead(void)
{
    struct domain *d;

    start();
    d = created();
    CU_ASSERT_EQUAL(simple(XEN_DOMCTL_destroydomain, d->id), 0);
    CU_ASSERT_EQUAL(described(d->id)->domain, d->id);
    CU_ASSERT_FALSE(frame_get(arch_frame_of(d->shared_info), d->id));
    event_raise_vcpu_virq(d->vcpu[0], VIRQ_TIMER);
    domain_put(d);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end();
}

/* A crash is long in the telling; the domain may be resumed meanwhile, if it has named another end
 * before. */
static struct domain *crashing;

static void resume_it(void)
{
    core_during_dump = NULL;
    CU_ASSERT_EQUAL(domain_resume(crashing), -XEN_ERESTART);
}

static void resumed_while_it_ends(void)
{
    start();
    crashing = core_domain(1, 10);
    host_current = crashing->vcpu[0];
    domain_latch_shutdown(crashing, SHUTDOWN_suspend);
    core_during_dump = resume_it;
    domain_shutdown(crashing, SHUTDOWN_crash);
    host_current = NULL;
    CU_ASSERT_PTR_NULL(core_during_dump);
    CU_ASSERT_EQUAL(crashing->pause_count, 1);
    CU_ASSERT_EQUAL(domain_resume(crashing), 0);
    CU_ASSERT_EQUAL(crashing->pause_count, 0);
    domain_shutdown(crashing, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(crashing->shutdown_reason, SHUTDOWN_reboot);
    core_kill(crashing);
    end();
}

/* A call in the middle of another one is made again, and both come to their end. */
static unsigned met;

static void meanwhile(void)
{
    CU_ASSERT_FALSE(control_begin());
    met++;
}

/* The first copy is that of the record. */
static void at_the_second_copy(void)
{
    core_during_copy = meanwhile;
}

static void one_at_a_time(void)
{
    uint64_t *list = core_at(CONTROL_BUFFER);
    struct xen_domctl *op;

    start();
    CU_ASSERT_TRUE(control_begin());
    control_end();
    list[0] = 1;
    op = domctl_record(XEN_DOMCTL_getpageframeinfo3, dom0->id);
    op->u.getpageframeinfo3.num = 1;
    op->u.getpageframeinfo3.array.p = (void *)core_va(CONTROL_BUFFER);
    met = 0;
    core_during_copy = at_the_second_copy;
    CU_ASSERT_EQUAL(domctl_call(dom0), 0);
    CU_ASSERT_EQUAL(met, 1);
    end();
}

static const struct test_case cases[] = {
    {"only the control domain", only_the_control_domain},
    {"versions and unknown calls", versions},
    {"nobody", nobody},
    {"creates", creates},
    {"creation refused", creation_refused},
    {"creation without memory", creation_without_memory},
    {"creation that nobody could see", creation_unseen},
    {"creation without handles", creation_without_handles},
    {"describes", describes},
    {"pauses", pauses},
    {"pauses of others", pauses_of_others},
    {"limits of memory", limits},
    {"frames", frames},
    {"ends late", ends_late},
    {"shared page is mapped", shared_page_is_mapped},
    {"shared page of the dead", shared_page_of_the_dead},
    {"resumed while it ends", resumed_while_it_ends},
    {"resumed and ended", resumed_and_ended},
    {"one at a time", one_at_a_time},
    {NULL, NULL},
};

const struct suite suite_domctl = {"domctl", cases, NULL, NULL};
