/* SPDX-License-Identifier: MIT */
#include "unittests/arch/host_pirq.h"

#include "xen/domain.h"

static struct {
    evtchn_port_t port;
    unsigned vcpu;
} pirq[HOST_PIRQS];

int arch_pirq_bind(struct domain *d, uint32_t n, evtchn_port_t port, bool share)
{
    (void)share;
    if (!d->privileged || n >= HOST_PIRQS)
        return -XEN_EINVAL;
    if (pirq[n].port)
        return -XEN_EEXIST;
    pirq[n].port = port;
    return 0;
}

void arch_pirq_unbind(struct domain *d, uint32_t n, evtchn_port_t port)
{
    if (d->privileged && n < HOST_PIRQS && pirq[n].port == port)
        pirq[n].port = 0;
}

void arch_pirq_follow(struct domain *d, uint32_t n, unsigned vcpu)
{
    if (d->privileged && n < HOST_PIRQS)
        pirq[n].vcpu = vcpu;
}

evtchn_port_t arch_pirq_port(struct domain *d, uint32_t n)
{
    return d->privileged && n < HOST_PIRQS ? pirq[n].port : 0;
}

void arch_pirqs_release(struct domain *d)
{
    if (!d->privileged)
        return;
    for (unsigned n = 0; n < HOST_PIRQS; n++)
        pirq[n].port = 0;
}

evtchn_port_t host_pirq_port(unsigned n)
{
    return pirq[n].port;
}

unsigned host_pirq_vcpu(unsigned n)
{
    return pirq[n].vcpu;
}
