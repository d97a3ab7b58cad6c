/* SPDX-License-Identifier: MIT
 *
 * The host's memory: who has it, who is to have it, and whether the books are right.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lagan/host.h"
#include "lagan/pcache.h"
#include "lagan/pressure.h"

#include "amount.h"
#include "command.h"
#include "daemon.h"

/* xl wants so much more than a domain's memory= to be free before it makes it. */
#define ROOM_MORE 1024

static int pressure(struct host *h, unsigned cmd, void *arg, size_t bytes)
{
    return host_call(h, LAGAN_HYPERVISOR_pressure_op, cmd, arg, bytes, 0);
}

/* ---- the host ---- */

static void fact(struct table *t, const char *name, uint64_t pages, const char *meaning)
{
    table_row(t);
    table_text(t, name);
    table_pages(t, pages);
    table_text(t, meaning);
}

static int show_host(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {
        {"WHAT", COLUMN_TEXT}, {"AMOUNT", COLUMN_PAGES}, {"MEANING", COLUMN_TEXT}};
    struct lagan_pressure_host host = {0};
    struct lagan_pcache_host cache = {0};
    struct table *t;
    int rc;

    (void)words;
    if (count)
        return COMMAND_USAGE;
    rc = pressure(h, LAGAN_PRESSURE_get_host, &host, sizeof(host));
    if (rc >= 0)
        rc = host_call(h, LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_host, &cache, sizeof(cache), 0);
    if (rc < 0)
        return rc;
    t = table_new("host", columns, COUNT(columns));
    fact(t, "total", host.total, "RAM that can be given out");
    fact(t, "free", host.free, "nobody's, what caches have of it included");
    fact(t, "claimed", host.claimed, "of what is free, promised to a domain");
    fact(t, "lent", cache.lent, "of what is free, in use by the page cache");
    fact(t, "floors", cache.floors, "kept for domains' parts of the page cache");
    fact(t, "persistent", cache.persistent, "in persistent pools, charged to their domains");
    fact(t, "books", cache.books, "what the page cache's records take");
    fact(t, "low", host.low, "watermark: the policy leaves so much free");
    fact(t, "min", host.min, "watermark: the host is short of memory below it");
    fact(t, "shortage", host.shortage, "too little for all floors and needs");
    table_end(t);
    return 0;
}

/* ---- domains ---- */

/* One letter for each thing to know, in the order of the manual. */
static const char *flag_letters(const struct host_domain *d, uint32_t flags, char buffer[8])
{
    static const struct {
        uint32_t flag;
        char letter;
    } known[] = {{LAGAN_PRESSURE_MANAGED, 'm'},
                 {LAGAN_PRESSURE_FIXED, 'f'},
                 {LAGAN_PRESSURE_RESERVING, 'r'},
                 {LAGAN_PRESSURE_LATE, 'l'},
                 {LAGAN_PRESSURE_LAZY, 'z'}};
    unsigned n = 0;

    for (unsigned i = 0; i < COUNT(known); i++)
        buffer[n++] = flags & known[i].flag ? known[i].letter : '-';
    buffer[n++] = d->dying ? 'd' : '-';
    buffer[n] = '\0';
    return buffer;
}

static int memory_row(struct host *h, struct table *t, const struct host_domain *d)
{
    struct lagan_pressure_domain p = {.domid = d->domid};
    struct lagan_pcache_stats c = {.domid = d->domid};
    char flags[8];
    int rc = pressure(h, LAGAN_PRESSURE_get_domain, &p, sizeof(p));

    if (rc >= 0)
        rc = host_call(h, LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_get_stats, &c, sizeof(c), 0);
    if (rc < 0)
        return rc;
    table_row(t);
    table_number(t, d->domid);
    table_text(t, d->name);
    table_pages(t, d->pages);
    table_pages(t, d->max_pages);
    if (p.state.flags & LAGAN_PRESSURE_MANAGED) {
        table_pages(t, p.state.target);
        table_pages(t, p.state.floor);
        table_pages(t, p.state.ceiling);
        table_pages(t, p.active);
    } else {
        for (unsigned i = 0; i < 4; i++)
            table_none(t);
    }
    table_pages(t, p.claimed);
    table_pages(t, c.pages);
    table_pages(t, c.persistent);
    table_text(t, flag_letters(d, p.state.flags, flags));
    return 0;
}

static int show_memory(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {
        {"ID", COLUMN_NUMBER},     {"NAME", COLUMN_TEXT},    {"OWNS", COLUMN_PAGES},
        {"MAX", COLUMN_PAGES},     {"TARGET", COLUMN_PAGES}, {"FLOOR", COLUMN_PAGES},
        {"CEILING", COLUMN_PAGES}, {"NEED", COLUMN_PAGES},   {"CLAIMED", COLUMN_PAGES},
        {"CACHED", COLUMN_PAGES},  {"STORED", COLUMN_PAGES}, {"FLAGS", COLUMN_TEXT}};

    (void)words;
    return command_table(h, count, "domains", columns, COUNT(columns), memory_row);
}

/* What the daemon says to a request about a domain: 0, -ECONNREFUSED, or COMMAND_FAILED. */
static int ask_daemon(const char *request, unsigned seconds, char *answer, size_t size)
{
    int rc = daemon_ask(request, seconds, answer, size);

    if (rc && rc != -ECONNREFUSED)
        return command_bad("lagand", rc == -ETIMEDOUT ? "no answer in time" : strerror(-rc));
    return rc;
}

/* A daemon that runs passes the domain's target on from now on. */
static int have_adopted(const struct host_domain *d)
{
    char request[32], answer[128];
    int rc;

    snprintf(request, sizeof(request), "adopt %u\n", d->domid);
    rc = ask_daemon(request, 10, answer, sizeof(answer));
    if (rc == 0 && strncmp(answer, "yes", 3) != 0)
        fprintf(stderr, "laganctl: lagand does not manage it: %s\n", answer);
    return rc == -ECONNREFUSED ? 0 : rc;
}

static int set_limits(struct host *h, unsigned count, char **words)
{
    struct lagan_pressure_limits limits = {0};
    struct lagan_pressure_domain now = {0};
    struct host_domain d;
    uint64_t weight;
    int rc;

    if (count < 2)
        return COMMAND_USAGE;
    rc = command_domain(h, words[0], &d);
    now.domid = d.domid;
    if (rc == 0)
        rc = pressure(h, LAGAN_PRESSURE_get_domain, &now, sizeof(now));
    if (rc < 0)
        return rc;
    limits =
        (struct lagan_pressure_limits){d.domid, 0, now.weight, now.state.floor, now.state.ceiling};
    weight = now.weight;
    for (unsigned i = 1; i < count && rc == 0; i++)
        if (!command_pages(words[i], "floor", &limits.floor, &rc) &&
            !command_pages(words[i], "ceiling", &limits.ceiling, &rc) &&
            !command_number(words[i], "weight", 65535, &weight, &rc))
            return COMMAND_USAGE;
    if (rc)
        return rc;
    rc = have_adopted(&d);
    if (rc == 0)
        rc = host_find(h, words[0], &d); /* it may own more since then */
    if (rc)
        return rc;
    if (limits.ceiling > d.max_pages)
        limits.ceiling = d.max_pages; /* "max" */
    limits.weight = (uint32_t)weight;
    rc = pressure(h, LAGAN_PRESSURE_set_limits, &limits, sizeof(limits));
    return rc == -EINVAL
               ? command_bad(words[0], "a floor of 0, a floor above the ceiling, or a weight of 0")
               : rc;
}

static int set_target(struct host *h, unsigned count, char **words)
{
    struct lagan_pressure_order order = {0};
    struct host_domain d;
    int rc;

    if (count != 2)
        return COMMAND_USAGE;
    rc = command_domain(h, words[0], &d);
    if (rc)
        return rc;
    if (strcmp(words[1], "policy") != 0 && amount_parse(words[1], &order.pages))
        return command_bad(words[1], "neither an amount of memory nor `policy'");
    order.domid = d.domid;
    rc = pressure(h, LAGAN_PRESSURE_set_target, &order, sizeof(order));
    return rc == -EINVAL ? command_bad(words[1], "not between the domain's floor and ceiling") : rc;
}

static int ask_reserve(struct host *h, const struct lagan_pressure_order *order, uint64_t seconds)
{
    struct lagan_pressure_order o = *order;
    int rc;

    for (uint64_t tenths = 0;; tenths++) {
        rc = pressure(h, LAGAN_PRESSURE_reserve, &o, sizeof(o));
        if (rc != -EAGAIN || tenths >= seconds * 10)
            return rc;
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
}

static int reserve(struct host *h, unsigned count, char **words)
{
    struct lagan_pressure_order order = {0};
    struct host_domain d;
    uint64_t seconds = 0;
    int rc = 0;

    if (count < 2 || count > 3)
        return COMMAND_USAGE;
    if (count == 3 && !command_number(words[2], "wait", 3600, &seconds, &rc))
        return COMMAND_USAGE;
    if (rc == 0)
        rc = command_domain(h, words[0], &d);
    if (rc)
        return rc;
    if (strcmp(words[1], "none") != 0 && amount_parse(words[1], &order.pages))
        return command_bad(words[1], "neither an amount of memory nor `none'");
    order.domid = d.domid;
    rc = ask_reserve(h, &order, seconds);
    if (rc == -EINVAL)
        return command_bad(words[1], "it may not have so much");
    if (rc == -EAGAIN)
        puts("not yet: others have been asked to make room; ask again, or wait=SECONDS");
    else if (rc == -ENOMEM)
        puts("no: others would be driven below their floors or needs");
    else if (rc == 0)
        puts(order.pages ? "yes: it is claimed for the domain" : "given up");
    return rc == -EAGAIN || rc == -ENOMEM ? COMMAND_FAILED : rc;
}

static int leave_to_policy(struct host *h, unsigned count, char **words)
{
    char request[32], answer[128];
    struct host_domain d;
    int rc;

    if (count != 1)
        return COMMAND_USAGE;
    rc = command_domain(h, words[0], &d);
    if (rc)
        return rc;
    snprintf(request, sizeof(request), "auto %u\n", d.domid);
    rc = ask_daemon(request, 10, answer, sizeof(answer));
    if (rc == -ECONNREFUSED)
        return command_bad("lagand", "it does not run, and manages nobody");
    if (rc)
        return rc;
    return strcmp(answer, "yes") == 0 ? 0 : command_bad(words[0], answer);
}

/* Without the daemon it is only looked at whether there is room. */
static int room_without_daemon(struct host *h, uint64_t pages)
{
    struct lagan_pressure_host host = {0};
    int rc = pressure(h, LAGAN_PRESSURE_get_host, &host, sizeof(host));

    if (rc < 0)
        return rc;
    if (host.free >= host.claimed && host.free - host.claimed >= pages) {
        puts("yes: it is free");
        return 0;
    }
    puts("no: it is not free, and lagand, which would make room, does not run");
    return COMMAND_FAILED;
}

static int make_room(struct host *h, unsigned count, char **words)
{
    uint64_t seconds = 60, hold = 60, pages;
    char request[64], answer[128];
    int rc = 0;

    if (count < 1)
        return COMMAND_USAGE;
    if (amount_parse(words[0], &pages) || pages == 0 || pages == UINT64_MAX)
        return command_bad(words[0], "not an amount of memory such as 64M");
    for (unsigned i = 1; i < count && rc == 0; i++)
        if (!command_number(words[i], "wait", 3600, &seconds, &rc) &&
            !command_number(words[i], "hold", 3600, &hold, &rc))
            return COMMAND_USAGE;
    if (rc)
        return rc;
    pages += ROOM_MORE;
    snprintf(request, sizeof(request), "room %" PRIu64 " %" PRIu64 "\n", pages, seconds + hold);
    rc = ask_daemon(request, (unsigned)seconds + 1, answer, sizeof(answer));
    if (rc == -ECONNREFUSED)
        return room_without_daemon(h, pages);
    if (rc)
        return rc;
    puts(answer);
    return strncmp(answer, "yes", 3) == 0 ? 0 : COMMAND_FAILED;
}

static int set_policy(struct host *h, unsigned count, char **words)
{
    struct lagan_pressure_host host = {0};
    int rc;

    if (count != 1 || (strcmp(words[0], "on") != 0 && strcmp(words[0], "off") != 0))
        return COMMAND_USAGE;
    rc = pressure(h, LAGAN_PRESSURE_get_host, &host, sizeof(host));
    if (rc < 0)
        return rc;
    host.flags = words[0][1] == 'n' ? host.flags | LAGAN_PRESSURE_POLICY
                                    : host.flags & ~LAGAN_PRESSURE_POLICY;
    return pressure(h, LAGAN_PRESSURE_set_host, &host, sizeof(host));
}

static int set_watermarks(struct host *h, unsigned count, char **words)
{
    struct lagan_pressure_host host = {0};
    int rc = pressure(h, LAGAN_PRESSURE_get_host, &host, sizeof(host));

    if (!count)
        return COMMAND_USAGE;
    if (rc < 0)
        return rc;
    rc = 0;
    for (unsigned i = 0; i < count && rc == 0; i++)
        if (!command_pages(words[i], "low", &host.low, &rc) &&
            !command_pages(words[i], "min", &host.min, &rc))
            return COMMAND_USAGE;
    if (rc == 0)
        rc = pressure(h, LAGAN_PRESSURE_set_host, &host, sizeof(host));
    return rc == -EINVAL
               ? command_bad(words[0], "min is not below low, or low is more than there is")
               : rc;
}

/* ---- the books ---- */

static int audit(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {{"FAULTS", COLUMN_NUMBER},
                                            {"DOMAINS", COLUMN_NUMBER},
                                            {"FREE", COLUMN_PAGES},
                                            {"HELD", COLUMN_NUMBER}};
    struct lagan_host_audit a = {0};
    struct table *t;
    int rc;

    (void)words;
    if (count)
        return COMMAND_USAGE;
    rc = host_call(h, LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_audit, &a, sizeof(a), 0);
    if (rc < 0)
        return rc;
    t = table_new("audit", columns, COUNT(columns));
    table_row(t);
    table_number(t, a.faults);
    table_number(t, a.domain_count);
    table_pages(t, a.free_pages);
    table_number(t, a.held);
    table_end(t);
    if (a.faults)
        fprintf(stderr, "laganctl: the hypervisor's log (xl dmesg) names each fault\n");
    return a.faults ? COMMAND_FAILED : 0;
}

static int show_types(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {{"WHAT", COLUMN_TEXT},
                                            {"TIMES", COLUMN_NUMBER},
                                            {"FLUSHES", COLUMN_NUMBER},
                                            {"IPIS", COLUMN_NUMBER},
                                            {"NAIVE", COLUMN_NUMBER}};
    struct lagan_host_mm_stats s = {0};
    struct table *t;
    int rc;

    (void)words;
    if (count)
        return COMMAND_USAGE;
    rc = host_call(h, LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_mm_stats, &s, sizeof(s), 0);
    if (rc < 0)
        return rc;
    t = table_new("types", columns, COUNT(columns));
    for (unsigned i = 0; i < 2; i++) {
        table_row(t);
        table_text(t, i ? "freed" : "retyped");
        table_number(t, i ? s.frees : s.type_changes);
        table_number(t, i ? s.free_flushes : s.type_flushes);
        table_number(t, i ? s.free_ipis : s.type_ipis);
        table_number(t, i ? s.free_ipis_naive : s.type_ipis_naive);
    }
    table_end(t);
    return 0;
}

const struct command memory_commands[] = {
    {"host", "", "the host's memory: free, lent, claimed", show_host},
    {"mem", "", "each domain's memory", show_memory},
    {"mem limits", "DOMAIN [floor=AMOUNT] [ceiling=AMOUNT] [weight=N]", "what the policy may do",
     set_limits},
    {"mem target", "DOMAIN AMOUNT|policy", "an order instead of the policy's", set_target},
    {"mem reserve", "DOMAIN AMOUNT|none [wait=SECONDS]", "can it have so much in all?", reserve},
    {"mem auto", "DOMAIN", "leaves it to the policy, whatever was set by hand", leave_to_policy},
    {"mem room", "AMOUNT [wait=SECONDS] [hold=SECONDS]", "memory for a domain that is to come",
     make_room},
    {"mem policy", "on|off", "whether the hypervisor sets targets", set_policy},
    {"mem watermarks", "[low=AMOUNT] [min=AMOUNT]", "how much is to stay free", set_watermarks},
    {"audit", "", "recounts all frames and their uses", audit},
    {"types", "", "how often frames changed type, and its cost", show_types},
    {0},
};
