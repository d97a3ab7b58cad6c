/* SPDX-License-Identifier: MIT
 *
 * See host_domain.h. Guest pointers are the test's own; page 0 faults.
 */
#include <stdlib.h>
#include <string.h>

#include "arch_current.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/type.h"
#include "unittests/arch/host_domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"

_Thread_local struct vcpu *host_current;
_Atomic unsigned host_poll_wakes, host_poll_port;
bool host_guest_read_only;
unsigned host_continuations;

static struct domain *domains[HOST_DOMAINS];

struct domain *host_domain_create(domid_t id, unsigned vcpus, unsigned max_port)
{
    struct domain *d = calloc(1, sizeof(*d));

    if (id >= HOST_DOMAINS || domains[id] || !d || account_init(&d->account, id, 400))
        abort();
    d->id = id;
    d->refs = 1;
    d->shared_info = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_SHARED));
    d->vcpu_count = vcpus;
    for (unsigned i = 0; i < vcpus; i++) {
        struct vcpu *v = calloc(1, sizeof(*v));

        if (!v)
            abort();
        v->id = i;
        v->domain = d;
        v->info = &d->shared_info->vcpu_info[i];
        event_vcpu_init(v);
        d->vcpu[i] = v;
    }
    if (event_domain_init(d, max_port))
        abort();
    domains[id] = d;
    return d;
}

mfn_t host_domain_frame(struct domain *d)
{
    mfn_t m;

    if (account_alloc(&d->account, 0, HEAP_ANY, &m))
        abort();
    return m;
}

static void release_frames(struct domain *d)
{
    while (d->account.pages > 0)
        if (account_release(&d->account, mfn(d->account.first)))
            abort();
}

void host_domain_kill(struct domain *d)
{
    while (event_domain_destroy(d) != 0)
        ;
    release_frames(d);
    domain_put(d);
}

void domain_get(struct domain *d)
{
    if (atomic_fetch_add(&d->refs, 1) == 0)
        abort();
}

void domain_put(struct domain *d)
{
    if (atomic_fetch_sub(&d->refs, 1) != 1)
        return;
    domains[d->id] = NULL;
    event_domain_free(d);
    account_destroy(&d->account);
    page_free(d->shared_info, 0);
    for (unsigned i = 0; i < d->vcpu_count; i++)
        free(d->vcpu[i]);
    free(d);
}

struct domain *domain_find(domid_t id)
{
    struct domain *d = id < HOST_DOMAINS ? domains[id] : NULL;

    if (d)
        domain_get(d);
    return d;
}

struct domain *domain_find_target(domid_t id)
{
    return domain_find(id == DOMID_SELF ? host_current->domain->id : id);
}

/* ---- scheduler ---- */

void vcpu_kick(struct vcpu *v)
{
    __atomic_fetch_add(&v->arch.kicks, 1, __ATOMIC_RELAXED);
}

uint64_t host_kicks(struct vcpu *v)
{
    return __atomic_load_n(&v->arch.kicks, __ATOMIC_RELAXED);
}

void vcpu_poll_wake(struct vcpu *v, uint32_t port)
{
    if (!v->polling)
        abort();
    host_poll_port = port;
    host_poll_wakes++;
}

/* ---- guest memory ---- */

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    if (src.va < PAGE_SIZE)
        return -XEN_EFAULT;
    memcpy(dst, (void *)src.va, bytes);
    return 0;
}

int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes)
{
    if (dst.va < PAGE_SIZE || host_guest_read_only)
        return -XEN_EFAULT;
    memcpy((void *)dst.va, src, bytes);
    return 0;
}

int64_t hypercall_continue(const struct hypercall_args *args)
{
    host_continuations++;
    return hcall_event_channel_op(args);
}

unsigned host_writable_count(mfn_t m)
{
    return type_of(m) == TYPE_WRITABLE ? type_count(m) : 0;
}
