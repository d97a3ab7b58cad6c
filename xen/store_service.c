/* SPDX-License-Identifier: MIT
 *
 * Who serves the store.
 *
 * The hypervisor knows nothing of the store itself. It gives a domain a port, and a grant for the
 * page, and tells the server when to look (host_op's store_next) who is there. A domain's serial
 * number tells it from an earlier one with the same id, should the server look late.
 */
#include "xen/store_service.h"

#include <stdatomic.h>

#include "xen/domain.h"
#include "xen/event.h"

#define NOBODY DOMID_INVALID

static struct {
    _Atomic domid_t server;
    _Atomic uint64_t serial; /* of the last domain that was given a port */
} service = {.server = NOBODY};

void store_service_none(void)
{
    service.server = NOBODY;
}

void store_service_set(const struct domain *d)
{
    service.server = d->id;
}

bool store_service_is(const struct domain *d)
{
    return d->id == service.server;
}

bool store_service_exists(void)
{
    return service.server != NOBODY;
}

domid_t store_service_id(void)
{
    return service.server == NOBODY ? 0 : service.server;
}

int store_service_attach(struct domain *d)
{
    int port;

    if (service.server == NOBODY || store_service_is(d))
        return 0;
    port = event_alloc_unbound(d, service.server);
    if (port > 0) {
        d->store_port = (evtchn_port_t)port;
        d->store_serial = atomic_fetch_add(&service.serial, 1) + 1;
    }
    return port;
}

void store_service_tell(void)
{
    struct domain *d = service.server == NOBODY ? NULL : domain_find(service.server);

    if (!d)
        return;
    event_raise_global_virq(d, VIRQ_DOM_EXC);
    domain_put(d);
}
