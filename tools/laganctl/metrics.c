/* SPDX-License-Identifier: MIT */
#include "look.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int look_take(struct host *h, struct look *l)
{
    int rc;

    memset(l, 0, sizeof(*l));
    rc = host_call(h, LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_get_host, &l->host,
                   sizeof(l->host), 0);
    if (rc >= 0)
        rc = host_call(h, LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_host, &l->cache_host,
                       sizeof(l->cache_host), 0);
    if (rc >= 0)
        rc = l->count = host_domains(h, l->domain, HOST_DOMAINS_MAX);
    for (int i = 0; i < l->count && rc >= 0; i++) {
        l->pressure[i].domid = l->cache[i].domid = l->domain[i].domid;
        rc = host_call(h, LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_get_domain, &l->pressure[i],
                       sizeof(l->pressure[i]), 0);
        if (rc >= 0)
            rc = host_call(h, LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_get_stats, &l->cache[i],
                           sizeof(l->cache[i]), 0);
        if (rc == -ESRCH)
            rc = 0;
    }
    return rc < 0 ? rc : 0;
}

/* ---- Prometheus ---- */

static void metric(FILE *to, const char *name, const char *kind, const char *help)
{
    fprintf(to, "# HELP lagan_%s %s\n# TYPE lagan_%s %s\n", name, help, name, kind);
}

static void host_metric(FILE *to, const char *name, const char *help, uint64_t pages)
{
    metric(to, name, "gauge", help);
    fprintf(to, "lagan_%s %" PRIu64 "\n", name, pages * PAGE_BYTES);
}

/* A name is what an administrator has made up: quotes and backslashes are marked. */
void look_print_label(FILE *to, unsigned domid, const char *name)
{
    fprintf(to, "{domid=\"%u\",name=\"", domid);
    for (const char *c = name; *c; c++)
        if (*c == '\n')
            fputs("\\n", to);
        else
            fprintf(to, "%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
    fputs("\"}", to);
}

struct domain_metric {
    const char *name, *kind, *help;
    uint64_t (*value)(const struct look *l, int i);
};

static uint64_t owned(const struct look *l, int i)
{
    return l->domain[i].pages * PAGE_BYTES;
}

static uint64_t target(const struct look *l, int i)
{
    return l->pressure[i].state.target * PAGE_BYTES;
}

static uint64_t cached(const struct look *l, int i)
{
    return l->cache[i].pages * PAGE_BYTES;
}

static uint64_t stored(const struct look *l, int i)
{
    return l->cache[i].persistent * PAGE_BYTES;
}

static uint64_t need(const struct look *l, int i)
{
    return l->pressure[i].active * PAGE_BYTES;
}

static uint64_t goal(const struct look *l, int i)
{
    return l->pressure[i].goal * PAGE_BYTES;
}

static uint64_t cache_need(const struct look *l, int i)
{
    return l->pressure[i].cache_need * PAGE_BYTES;
}

static uint64_t working_set(const struct look *l, int i)
{
    return l->pressure[i].need.working_set * PAGE_BYTES;
}

static uint64_t refaults(const struct look *l, int i)
{
    return l->pressure[i].need.refault_rate;
}

static uint64_t stalls(const struct look *l, int i)
{
    return l->pressure[i].need.stall_ppm;
}

static uint64_t lapses(const struct look *l, int i)
{
    return l->pressure[i].lapses;
}

static uint64_t puts_of(const struct look *l, int i)
{
    return l->cache[i].puts;
}

static uint64_t kept(const struct look *l, int i)
{
    return l->cache[i].kept;
}

static uint64_t gets_of(const struct look *l, int i)
{
    return l->cache[i].gets;
}

static uint64_t hits(const struct look *l, int i)
{
    return l->cache[i].hits;
}

static uint64_t dropped(const struct look *l, int i)
{
    return l->cache[i].dropped_self + l->cache[i].dropped_cache + l->cache[i].dropped_host;
}

static const struct domain_metric domain_metrics[] = {
    {"domain_memory_bytes", "gauge", "memory that the domain owns", owned},
    {"domain_target_bytes", "gauge", "memory that it is to own; 0: it follows no target", target},
    {"domain_goal_bytes", "gauge", "where its target goes, once others have made room", goal},
    {"domain_need_bytes", "gauge", "its need, as the policy counts it", need},
    {"domain_cache_need_bytes", "gauge", "more that it would use, as its cache's curve says",
     cache_need},
    {"domain_working_set_bytes", "gauge", "what it says that it uses", working_set},
    {"domain_refaults_per_second", "gauge", "pages that it reads again after it had dropped them",
     refaults},
    {"domain_stall_ppm", "gauge", "millionths of the time in which something waits for memory",
     stalls},
    {"domain_lapses_total", "counter", "how often it did not follow in time", lapses},
    {"domain_cache_bytes", "gauge", "its pages in the page cache", cached},
    {"domain_stored_bytes", "gauge", "its pages in persistent pools", stored},
    {"domain_cache_puts_total", "counter", "pages offered to the page cache", puts_of},
    {"domain_cache_kept_total", "counter", "pages that it took", kept},
    {"domain_cache_gets_total", "counter", "pages wanted from the page cache", gets_of},
    {"domain_cache_hits_total", "counter", "pages that it had", hits},
    {"domain_cache_dropped_total", "counter",
     "pages that were dropped for others or for newer ones", dropped},
};

int look_print_metrics(struct host *h, FILE *to)
{
    static struct look l;
    int rc = look_take(h, &l);

    if (rc)
        return rc;
    host_metric(to, "memory_total_bytes", "RAM that can be given out", l.host.total);
    host_metric(to, "memory_free_bytes", "free RAM, what caches have of it included", l.host.free);
    host_metric(to, "memory_claimed_bytes", "free RAM that is promised to a domain",
                l.host.claimed);
    host_metric(to, "memory_lent_bytes", "free RAM in use by the page cache", l.cache_host.lent);
    host_metric(to, "memory_low_bytes", "watermark: the policy leaves so much free", l.host.low);
    host_metric(to, "memory_shortage_bytes", "too little for all floors and needs",
                l.host.shortage);
    metric(to, "cache_recalled_total", "counter",
           "pages of the page cache that went to whoever needed memory");
    fprintf(to, "lagan_cache_recalled_total %" PRIu64 "\n", l.cache_host.recalled);
    for (unsigned m = 0; m < sizeof(domain_metrics) / sizeof(*domain_metrics); m++) {
        metric(to, domain_metrics[m].name, domain_metrics[m].kind, domain_metrics[m].help);
        for (int i = 0; i < l.count; i++) {
            fprintf(to, "lagan_%s", domain_metrics[m].name);
            look_print_label(to, l.domain[i].domid, l.domain[i].name);
            fprintf(to, " %" PRIu64 "\n", domain_metrics[m].value(&l, i));
        }
    }
    return 0;
}
