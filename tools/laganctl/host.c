/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xencall.h>
#include <xenstore.h>

#include "lagan/host.h"
#include "lagan/ubc.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/xen.h>

struct host {
    xencall_handle *calls;
    struct xs_handle *store; /* NULL: nobody serves one */
};

/* What the hypervisor reads has to be in memory that the kernel does not move. */
static void *borrow(struct host *h, const void *arg, size_t bytes)
{
    void *copy = xencall_alloc_buffer(h->calls, bytes);

    if (copy)
        memcpy(copy, arg, bytes);
    return copy;
}

static void give_back(struct host *h, void *copy, void *arg, size_t bytes)
{
    memcpy(arg, copy, bytes);
    xencall_free_buffer(h->calls, copy);
}

int host_call(struct host *h, unsigned nr, unsigned cmd, void *arg, size_t bytes, unsigned count)
{
    void *copy = arg;
    int rc;

    if (bytes && !(copy = borrow(h, arg, bytes)))
        return -ENOMEM;
    rc = xencall3(h->calls, nr, cmd, (uintptr_t)copy, count);
    rc = rc < 0 ? -errno : rc;
    if (bytes)
        give_back(h, copy, arg, bytes);
    return rc;
}

int host_ubc_call(struct host *h, unsigned cmd, uint64_t volume, void *arg, size_t bytes)
{
    void *copy = NULL;
    int rc;

    if (bytes && !(copy = borrow(h, arg, bytes)))
        return -ENOMEM;
    rc = xencall5(h->calls, LAGAN_HYPERVISOR_ubc_op, cmd, volume, (uintptr_t)copy, 0, 0);
    rc = rc < 0 ? -errno : rc;
    if (bytes)
        give_back(h, copy, arg, bytes);
    return rc;
}

static void ask_name(struct host *h, struct host_domain *d)
{
    char path[64], *name;
    unsigned length;

    d->name[0] = '\0';
    if (!h->store)
        return;
    snprintf(path, sizeof(path), "/local/domain/%u/name", d->domid);
    name = xs_read(h->store, XBT_NULL, path, &length);
    if (!name)
        return;
    snprintf(d->name, sizeof(d->name), "%s", name);
    free(name);
}

/* Up to `room` domains from `first` on; how many. */
static int domain_batch(struct host *h, unsigned first, xen_domctl_getdomaininfo_t *info,
                        unsigned room)
{
    struct xen_sysctl *call = xencall_alloc_buffer(h->calls, sizeof(*call));
    xen_domctl_getdomaininfo_t *buffer = xencall_alloc_buffer(h->calls, room * sizeof(*buffer));
    int rc = -ENOMEM;

    if (call && buffer) {
        memset(call, 0, sizeof(*call));
        call->cmd = XEN_SYSCTL_getdomaininfolist;
        call->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
        call->u.getdomaininfolist.first_domain = (domid_t)first;
        call->u.getdomaininfolist.max_domains = room;
        set_xen_guest_handle(call->u.getdomaininfolist.buffer, buffer);
        rc = xencall1(h->calls, __HYPERVISOR_sysctl, (uintptr_t)call);
        rc = rc < 0 ? -errno : (int)call->u.getdomaininfolist.num_domains;
        if (rc > 0)
            memcpy(info, buffer, (size_t)rc * sizeof(*info));
    }
    xencall_free_buffer(h->calls, buffer);
    xencall_free_buffer(h->calls, call);
    return rc;
}

int host_domains(struct host *h, struct host_domain *list, unsigned max)
{
    enum { ROOM = 64 };
    xen_domctl_getdomaininfo_t info[ROOM];
    unsigned count = 0, first = 0;
    int got;

    do {
        got = domain_batch(h, first, info, ROOM);
        if (got < 0)
            return got;
        for (int i = 0; i < got && count < max; i++, count++) {
            list[count] = (struct host_domain){.domid = info[i].domain,
                                               .dying = info[i].flags & XEN_DOMINF_dying,
                                               .vcpus = info[i].nr_online_vcpus,
                                               .pages = info[i].tot_pages,
                                               .max_pages = info[i].max_pages,
                                               .cpu_ns = info[i].cpu_time};
            ask_name(h, &list[count]);
            first = info[i].domain + 1U;
        }
    } while (got == ROOM && count < max);
    return (int)count;
}

int host_set_max(struct host *h, uint16_t domid, uint64_t pages)
{
    struct xen_domctl *call = xencall_alloc_buffer(h->calls, sizeof(*call));
    int rc;

    if (!call)
        return -ENOMEM;
    memset(call, 0, sizeof(*call));
    call->cmd = XEN_DOMCTL_max_mem;
    call->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    call->domain = domid;
    call->u.max_mem.max_memkb = pages * (PAGE_BYTES / 1024);
    rc = xencall1(h->calls, __HYPERVISOR_domctl, (uintptr_t)call);
    rc = rc < 0 ? -errno : 0;
    xencall_free_buffer(h->calls, call);
    return rc;
}

int host_open(struct host **out)
{
    struct lagan_host_mm_stats stats = {0};
    struct host *h = calloc(1, sizeof(*h));
    int rc;

    if (!h)
        return -ENOMEM;
    h->calls = access("/proc/xen", F_OK) ? NULL : xencall_open(NULL, 0);
    if (!h->calls) {
        free(h);
        return -ENOENT;
    }
    rc = host_call(h, LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_mm_stats, &stats, sizeof(stats), 0);
    if (rc < 0) {
        xencall_close(h->calls);
        free(h);
        return rc == -EPERM ? -ENOENT : rc;
    }
    h->store = xs_open(XS_OPEN_READONLY | XS_OPEN_SOCKETONLY);
    *out = h;
    return 0;
}

void host_close(struct host *h)
{
    if (h->store)
        xs_close(h->store);
    xencall_close(h->calls);
    free(h);
}
