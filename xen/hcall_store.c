/* SPDX-License-Identifier: MIT
 *
 * The host operation of the domain that serves the store (include/public/lagan/store.h).
 */
#include <lagan/string.h>

#include "include/public/lagan/store.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_store.h"
#include "xen/store_service.h"
#include "arch_current.h"

STATIC_ASSERT(sizeof(struct lagan_host_store_next) == 128);
STATIC_ASSERT(sizeof(struct lagan_host_store_follow) == 16);
STATIC_ASSERT(sizeof(((struct lagan_host_store_next *)0)->name) == DOMAIN_NAME_MAX);

/* The first domain from `id` on that has a port for the store, with a reference, or NULL. */
static struct domain *find_served(domid_t id)
{
    struct domain *d = domain_find_next(id);

    while (d && !d->store_port) {
        id = (domid_t)(d->id + 1);
        domain_put(d);
        d = domain_find_next(id);
    }
    return d;
}

static void describe(struct domain *d, struct lagan_host_store_next *next)
{
    struct lagan_pressure_state state;

    pressure_get(d, &state);
    *next = (struct lagan_host_store_next){.domid = d->id,
                                           .state = d->shutting_down || d->state != DOMAIN_ALIVE
                                                        ? LAGAN_STORE_DOMAIN_ended
                                                        : LAGAN_STORE_DOMAIN_runs,
                                           .port = d->store_port,
                                           .vcpus = d->vcpu_count,
                                           .serial = d->store_serial,
                                           .memory_kib = d->account.pages << (PAGE_SHIFT - 10),
                                           .max_kib = d->account.max_pages << (PAGE_SHIFT - 10),
                                           .floor_kib = state.floor << (PAGE_SHIFT - 10)};
    if (state.flags & LAGAN_PRESSURE_MANAGED)
        next->target_kib = state.target << (PAGE_SHIFT - 10);
    memcpy(next->uuid, d->handle, sizeof(next->uuid));
    memcpy(next->name, d->name, sizeof(next->name));
}

int64_t host_op_store_next(guest_ptr_t where)
{
    struct lagan_host_store_next next;
    struct domain *d;

    if (!store_service_is(current_vcpu()->domain))
        return -XEN_EPERM;
    if (copy_from_guest(&next, where, sizeof(next)))
        return -XEN_EFAULT;
    d = find_served(next.domid);
    if (!d)
        return -XEN_ENOENT;
    describe(d, &next);
    domain_put(d);
    return copy_to_guest(where, &next, sizeof(next));
}

int64_t host_op_store_follow(guest_ptr_t where)
{
    struct lagan_host_store_follow in;
    struct domain *d;
    int rc = -XEN_ENOENT;

    if (!store_service_is(current_vcpu()->domain))
        return -XEN_EPERM;
    if (copy_from_guest(&in, where, sizeof(in)))
        return -XEN_EFAULT;
    d = domain_find(in.domid);
    if (!d)
        return rc;
    if (d->store_port && d->store_serial == in.serial && pressure_follow(d) == 0)
        rc = 0;
    domain_put(d);
    return rc;
}
