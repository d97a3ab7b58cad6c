/* SPDX-License-Identifier: MIT */
#include "fake_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "tools/laganctl/daemon.h"

struct fake_host fake_host;

struct host {
    int unused;
};

int host_open(struct host **h)
{
    if (fake_host.open_error)
        return fake_host.open_error;
    *h = calloc(1, sizeof(**h));
    fake_host.opened++;
    return 0;
}

void host_close(struct host *h)
{
    fake_host.opened--;
    free(h);
}

int host_domains(struct host *h, struct host_domain *list, unsigned max)
{
    (void)h;
    if (max < fake_host.domain_count)
        abort();
    memcpy(list, fake_host.domain, fake_host.domain_count * sizeof(*list));
    return (int)fake_host.domain_count;
}

static int index_of(uint16_t domid)
{
    for (unsigned i = 0; i < fake_host.domain_count; i++)
        if (fake_host.domain[i].domid == domid)
            return (int)i;
    return -ESRCH;
}

/* What goes out, and what comes in. */
static int out(void *arg, size_t bytes, const void *what, size_t size)
{
    if (bytes != size)
        abort();
    memcpy(arg, what, size);
    return 0;
}

static int in(void *what, size_t size, const void *arg, size_t bytes)
{
    if (bytes != size)
        abort();
    memcpy(what, arg, size);
    return 0;
}

/* Each of the arguments begins with the domain's number. */
static int live_call(unsigned cmd, const void *arg)
{
    const struct lagan_pressure_limits *l = arg;
    const struct lagan_pressure_order *o = arg;
    struct lagan_pressure_domain *d;
    int i = 0;

    if (cmd == LAGAN_PRESSURE_get_host || cmd == LAGAN_PRESSURE_set_host)
        return 0;
    i = index_of(*(const uint16_t *)arg);
    if (i < 0)
        return i;
    d = &fake_host.pressure[i];
    switch (cmd) {
    case LAGAN_PRESSURE_set_limits:
        if (fake_host.no_room > 0)
            return fake_host.no_room--, -ENOMEM;
        if (l->floor == 0 || l->floor > l->ceiling || l->ceiling > fake_host.domain[i].max_pages)
            return -EINVAL;
        d->state.floor = l->floor;
        d->state.ceiling = l->ceiling;
        d->weight = l->weight;
        d->state.flags |= LAGAN_PRESSURE_MANAGED;
        return 0;
    case LAGAN_PRESSURE_set_target:
        if (o->pages && (o->pages < d->state.floor || o->pages > d->state.ceiling))
            return -EINVAL;
        d->state.flags = o->pages ? d->state.flags | LAGAN_PRESSURE_FIXED
                                  : d->state.flags & ~LAGAN_PRESSURE_FIXED;
        return 0;
    case LAGAN_PRESSURE_report_for:
        d->need = ((const struct lagan_pressure_report_for *)arg)->need;
        d->state.flags |= LAGAN_PRESSURE_MANAGED;
        return 0;
    default:
        return 0;
    }
}

int host_set_max(struct host *h, uint16_t domid, uint64_t pages)
{
    int i = index_of(domid);

    (void)h;
    if (i < 0)
        return i;
    fake_host.domain[i].max_pages = fake_host.pressure[i].state.ceiling = pages;
    if (fake_host.pressure[i].state.floor > pages)
        fake_host.pressure[i].state.floor = pages;
    return 0;
}

int daemon_ask(const char *request, unsigned seconds, char *answer, size_t size)
{
    (void)seconds;
    snprintf(fake_host.asked, sizeof(fake_host.asked), "%s", request);
    if (!fake_host.answer[0])
        return -ECONNREFUSED;
    snprintf(answer, size, "%s", fake_host.answer);
    return 0;
}

static int pressure_call(unsigned cmd, void *arg, size_t bytes)
{
    struct fake_host *f = &fake_host;
    int i;

    if (f->lives && (i = live_call(cmd, arg)) < 0)
        return i;
    switch (cmd) {
    case LAGAN_PRESSURE_get_host:
        return out(arg, bytes, &f->pressure_host, sizeof(f->pressure_host));
    case LAGAN_PRESSURE_set_host:
        return in(&f->pressure_host, sizeof(f->pressure_host), arg, bytes);
    case LAGAN_PRESSURE_get_domain:
        i = index_of(((struct lagan_pressure_domain *)arg)->domid);
        return i < 0 ? i : out(arg, bytes, &f->pressure[i], sizeof(f->pressure[i]));
    case LAGAN_PRESSURE_set_limits:
        return in(&f->limits, sizeof(f->limits), arg, bytes);
    case LAGAN_PRESSURE_report_for:
        f->reports++;
        return in(&f->report, sizeof(f->report), arg, bytes);
    case LAGAN_PRESSURE_set_target:
        return in(&f->target, sizeof(f->target), arg, bytes);
    case LAGAN_PRESSURE_reserve:
        (void)in(&f->reserve, sizeof(f->reserve), arg, bytes);
        return f->again-- > 0 ? -EAGAIN : 0;
    default:
        abort();
    }
}

static int pcache_call(unsigned cmd, void *arg, size_t bytes, unsigned count)
{
    struct fake_host *f = &fake_host;
    int i;

    switch (cmd) {
    case LAGAN_PCACHE_host:
        return out(arg, bytes, &f->cache_host, sizeof(f->cache_host));
    case LAGAN_PCACHE_get_stats:
        i = index_of(((struct lagan_pcache_stats *)arg)->domid);
        return i < 0 ? i : out(arg, bytes, &f->cache[i], sizeof(f->cache[i]));
    case LAGAN_PCACHE_set_quota:
        return in(&f->quota, sizeof(f->quota), arg, bytes);
    case LAGAN_PCACHE_freeze:
        return in(&f->freeze, sizeof(f->freeze), arg, bytes);
    case LAGAN_PCACHE_curve:
        return out(arg, bytes, &f->curve, sizeof(f->curve));
    case LAGAN_PCACHE_ledger:
        if (count < FAKE_LEDGER || bytes != count * sizeof(*f->ledger))
            abort();
        memcpy(arg, f->ledger, sizeof(f->ledger));
        return FAKE_LEDGER;
    default:
        abort();
    }
}

int host_call(struct host *h, unsigned nr, unsigned cmd, void *arg, size_t bytes, unsigned count)
{
    int error = fake_host.error;

    (void)h;
    fake_host.error = 0;
    if (error)
        return error;
    switch (nr) {
    case LAGAN_HYPERVISOR_pressure_op:
        return pressure_call(cmd, arg, bytes);
    case LAGAN_HYPERVISOR_pcache_op:
        return pcache_call(cmd, arg, bytes, count);
    case LAGAN_HYPERVISOR_host_op:
        return cmd == LAGAN_HOST_OP_audit
                   ? out(arg, bytes, &fake_host.audit, sizeof(fake_host.audit))
                   : out(arg, bytes, &fake_host.types, sizeof(fake_host.types));
    default:
        abort();
    }
}

int host_ubc_call(struct host *h, unsigned cmd, uint64_t volume, void *arg, size_t bytes)
{
    struct fake_host *f = &fake_host;
    int error = f->error;

    (void)h;
    f->error = 0;
    if (error)
        return error;
    switch (cmd) {
    case LAGAN_UBC_list:
        if (volume >= FAKE_VOLUMES)
            return -ENXIO;
        if (!f->volume[volume].blocks)
            return -ENOENT;
        return out(arg, bytes, &f->volume[volume], sizeof(f->volume[volume]));
    case LAGAN_UBC_stats:
        return out(arg, bytes, &f->volume_stats, sizeof(f->volume_stats));
    case LAGAN_UBC_create:
        return in(&f->made, sizeof(f->made), arg, bytes);
    case LAGAN_UBC_allow:
        return in(&f->allowed, sizeof(f->allowed), arg, bytes);
    case LAGAN_UBC_revoke:
        return in(&f->revoked, sizeof(f->revoked), arg, bytes);
    case LAGAN_UBC_destroy:
        f->destroyed = volume;
        return 0;
    default:
        abort();
    }
}

int host_ubc_list(struct host *h, unsigned cmd, uint64_t volume, void *list, unsigned count,
                  uint64_t epoch)
{
    (void)h;
    (void)volume;
    return fake_host.ubc_list(cmd, list, count, epoch);
}

/* ---- devices and programs ---- */

/* /dev/disk is a link to /dev/sda3. */
int host_volume(struct host *h, const char *path, char *real, size_t size, uint64_t *bytes)
{
    (void)h;
    if (strcmp(path, "/dev/disk") != 0 && strcmp(path, "/dev/sda3") != 0)
        return strcmp(path, "/dev/null") == 0 ? -ENOTBLK : -ENOENT;
    snprintf(real, size, "/dev/sda3");
    *bytes = 12345 * 512;
    return 0;
}

int host_run(struct host *h, char *const *words, bool quiet)
{
    size_t used = strlen(fake_host.ran);

    (void)h;
    (void)quiet;
    if (strcmp(words[0], "dmsetup") == 0 && strcmp(words[1], "info") == 0)
        return fake_host.attached ? 0 : 1;
    for (unsigned i = 0; words[i]; i++)
        used += (size_t)snprintf(fake_host.ran + used, sizeof(fake_host.ran) - used, "%s%s",
                                 words[i], words[i + 1] ? " " : "\n");
    if (fake_host.dm_fails)
        return 1;
    if (strcmp(words[0], "dmsetup") == 0 && strcmp(words[1], "create") == 0)
        fake_host.attached = true;
    if (strcmp(words[0], "dmsetup") == 0 && strcmp(words[1], "remove") == 0)
        fake_host.attached = false;
    return 0;
}
