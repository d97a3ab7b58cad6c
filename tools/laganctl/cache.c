/* SPDX-License-Identifier: MIT
 *
 * The page cache: who has what of it, whose pages went for whom, and what more of it would bring.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>

#include "lagan/pcache.h"

#include "command.h"
#include "volume.h"

#define LEDGER_ENTRIES 64

static int pcache(struct host *h, unsigned cmd, void *arg, size_t bytes, unsigned count)
{
    return host_call(h, LAGAN_HYPERVISOR_pcache_op, cmd, arg, bytes, count);
}

/* ---- what each domain has ---- */

static int cache_row(struct host *h, struct table *t, const struct host_domain *d)
{
    struct lagan_pcache_stats s = {.domid = d->domid};
    int rc = pcache(h, LAGAN_PCACHE_get_stats, &s, sizeof(s), 0);

    if (rc < 0)
        return rc;
    table_row(t);
    table_number(t, d->domid);
    table_text(t, d->name);
    table_pages(t, s.pages);
    table_pages(t, s.floor);
    if (s.ceiling == UINT64_MAX)
        table_none(t);
    else
        table_pages(t, s.ceiling);
    table_number(t, s.weight);
    table_number(t, s.puts);
    table_number(t, s.kept);
    table_number(t, s.refused);
    table_number(t, s.gets);
    table_number(t, s.hits);
    table_number(t, s.dropped_self + s.dropped_cache + s.dropped_host);
    table_real(t, (double)s.worth / (1 << 20));
    table_text(t, s.flags & LAGAN_PCACHE_FROZEN ? "frozen" : "");
    return 0;
}

static int show_cache(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {
        {"ID", COLUMN_NUMBER},    {"NAME", COLUMN_TEXT},     {"CACHED", COLUMN_PAGES},
        {"FLOOR", COLUMN_PAGES},  {"CEILING", COLUMN_PAGES}, {"WEIGHT", COLUMN_NUMBER},
        {"PUTS", COLUMN_NUMBER},  {"KEPT", COLUMN_NUMBER},   {"REFUSED", COLUMN_NUMBER},
        {"GETS", COLUMN_NUMBER},  {"HITS", COLUMN_NUMBER},   {"DROPPED", COLUMN_NUMBER},
        {"WORTH", COLUMN_NUMBER}, {"STATE", COLUMN_TEXT}};

    (void)words;
    return command_table(h, count, "cache", columns, COUNT(columns), cache_row);
}

/* ---- steering ---- */

static int set_quota(struct host *h, unsigned count, char **words)
{
    struct lagan_pcache_quota quota = {0};
    struct lagan_pcache_stats now = {0};
    struct host_domain d;
    uint64_t weight;
    int rc;

    if (count < 2)
        return COMMAND_USAGE;
    rc = command_domain(h, words[0], &d);
    now.domid = d.domid;
    if (rc == 0)
        rc = pcache(h, LAGAN_PCACHE_get_stats, &now, sizeof(now), 0);
    if (rc < 0)
        return rc;
    quota = (struct lagan_pcache_quota){d.domid, 0, now.weight, now.floor, now.ceiling};
    weight = now.weight;
    rc = 0;
    for (unsigned i = 1; i < count && rc == 0; i++)
        if (!command_pages(words[i], "floor", &quota.floor, &rc) &&
            !command_pages(words[i], "max", &quota.ceiling, &rc) &&
            !command_number(words[i], "weight", 65535, &weight, &rc))
            return COMMAND_USAGE;
    if (rc)
        return rc;
    quota.weight = (uint32_t)weight;
    rc = pcache(h, LAGAN_PCACHE_set_quota, &quota, sizeof(quota), 0);
    if (rc == -EINVAL)
        return command_bad(words[0], "a floor above the maximum, or a weight of 0");
    if (rc == -ENOMEM)
        return command_bad(words[0], "not so much memory is free that the floor could be kept");
    return rc;
}

static int set_frozen(struct host *h, unsigned count, char **words, uint32_t on)
{
    struct lagan_pcache_freeze freeze = {.domid = DOMID_INVALID, .on = on};
    struct host_domain d;
    int rc;

    if (count != 1)
        return COMMAND_USAGE;
    if (strcmp(words[0], "all") != 0) {
        rc = command_domain(h, words[0], &d);
        if (rc)
            return rc;
        freeze.domid = d.domid;
    }
    return pcache(h, LAGAN_PCACHE_freeze, &freeze, sizeof(freeze), 0);
}

static int freeze_cache(struct host *h, unsigned count, char **words)
{
    return set_frozen(h, count, words, 1);
}

static int thaw_cache(struct host *h, unsigned count, char **words)
{
    return set_frozen(h, count, words, 0);
}

/* ---- the ledger ---- */

static const char *other_name(const struct host_domain *list, int n, uint16_t domid, char *buffer,
                              size_t size)
{
    if (domid == DOMID_XEN)
        return "(hypervisor)";
    if (domid == DOMID_INVALID)
        return "(others)";
    for (int i = 0; i < n; i++)
        if (list[i].domid == domid)
            return command_name(&list[i], buffer, size);
    snprintf(buffer, size, "(%u)", domid); /* it has ended */
    return buffer;
}

static int ledger_rows(struct host *h, struct table *t, const struct host_domain *list, int n,
                       int i)
{
    struct lagan_pcache_ledger entry[LEDGER_ENTRIES] = {{.domid = list[i].domid}};
    int got = pcache(h, LAGAN_PCACHE_ledger, entry, sizeof(entry), LEDGER_ENTRIES);
    char buffer[24];

    if (got < 0)
        return got == -ESRCH ? 0 : got;
    for (int e = 0; e < got && e < LEDGER_ENTRIES; e++) {
        table_row(t);
        table_number(t, list[i].domid);
        table_text(t, list[i].name);
        table_text(t, other_name(list, n, entry[e].other, buffer, sizeof(buffer)));
        table_pages(t, entry[e].for_cache);
        table_pages(t, entry[e].for_host);
        table_number(t, entry[e].missed);
        table_real(t, (double)entry[e].worth / (1 << 20));
    }
    return 0;
}

static int show_ledger(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {{"ID", COLUMN_NUMBER},    {"NAME", COLUMN_TEXT},
                                            {"FOR", COLUMN_TEXT},     {"CACHE", COLUMN_PAGES},
                                            {"MEMORY", COLUMN_PAGES}, {"MISSED", COLUMN_NUMBER},
                                            {"WORTH", COLUMN_NUMBER}};
    static struct host_domain list[HOST_DOMAINS_MAX];
    struct host_domain only;
    int n = host_domains(h, list, HOST_DOMAINS_MAX), rc = 0;
    struct table *t;

    if (count > 1)
        return COMMAND_USAGE;
    if (n < 0)
        return n;
    if (count == 1 && (rc = command_domain(h, words[0], &only)) != 0)
        return rc;
    t = table_new("ledger", columns, COUNT(columns));
    for (int i = 0; i < n && rc == 0; i++)
        if (count == 0 || list[i].domid == only.domid)
            rc = ledger_rows(h, t, list, n, i);
    table_end(t);
    return rc;
}

/* ---- the curve ---- */

static int curve_table(const struct lagan_pcache_curve *c)
{
    static const struct column columns[] = {{"CACHE", COLUMN_PAGES},
                                            {"MISSES", COLUMN_NUMBER},
                                            {"RATIO", COLUMN_NUMBER},
                                            {"SAVED", COLUMN_NUMBER}};
    struct table *t = table_new("curve", columns, COUNT(columns));
    double seconds = (double)c->window_ns / 1e9;

    for (uint32_t i = 0; i < c->points && i < LAGAN_PCACHE_CURVE_POINTS; i++) {
        uint64_t misses = c->point[i].misses;

        table_row(t);
        table_pages(t, c->point[i].pages);
        table_number(t, misses);
        table_real(t, c->gets ? (double)misses / (double)c->gets : 0);
        table_real(t, seconds > 0 && misses < c->gets ? (double)(c->gets - misses) / seconds : 0);
    }
    table_end(t);
    return 0;
}

/* For a title in quotes: a name is what somebody has made up, and gnuplot runs commands. */
static void plain_text(char *text, size_t size, const char *name)
{
    snprintf(text, size, "%s", name);
    for (char *c = text; *c; c++)
        if (*c == '\'' || *c == '\\' || *c == '`' || (*c >= 0 && *c < ' ') || *c == 0x7f)
            *c = '?';
}

/* gnuplot draws it: on the terminal, or into a file whose name ends in .svg or .png. */
static int curve_plot(const struct lagan_pcache_curve *c, const char *name, const char *file)
{
    const char *end = file ? strrchr(file, '.') : NULL;
    char title[64];
    FILE *plot;

    if (file &&
        (!end || (strcmp(end, ".svg") != 0 && strcmp(end, ".png") != 0) || strpbrk(file, "'\\\n")))
        return command_bad(file, "not the name of an .svg or .png file");
    plain_text(title, sizeof(title), name);
    signal(SIGPIPE, SIG_IGN); /* pclose() tells */
    plot = popen("gnuplot", "w");
    if (!plot)
        return -errno;
    if (file)
        fprintf(plot, "set terminal %s size 800,500\nset output '%s'\n",
                !strcmp(end, ".svg") ? "svg" : "png", file);
    else
        fprintf(plot, "set terminal dumb 78 24\n");
    fprintf(plot,
            "set title 'page cache of %s'\nset xlabel 'MiB'\nset ylabel 'misses, %%'\nset yrange "
            "[0:100]\n"
            "plot '-' using 1:2 with linespoints notitle\n",
            title);
    for (uint32_t i = 0; i < c->points && i < LAGAN_PCACHE_CURVE_POINTS; i++)
        fprintf(plot, "%f %f\n", (double)c->point[i].pages * PAGE_BYTES / (1 << 20),
                c->gets ? 100.0 * (double)c->point[i].misses / (double)c->gets : 100);
    fprintf(plot, "e\n");
    if (pclose(plot) != 0)
        return command_bad("gnuplot", "not installed, or it failed");
    return 0;
}

static int show_curve(struct host *h, unsigned count, char **words)
{
    struct lagan_pcache_curve c = {0};
    struct host_domain d;
    char buffer[24];
    int rc;

    if (count < 1 || count > 2)
        return COMMAND_USAGE;
    rc = command_domain(h, words[0], &d);
    c.domid = d.domid;
    if (rc == 0)
        rc = pcache(h, LAGAN_PCACHE_curve, &c, sizeof(c), 0);
    if (rc < 0)
        return rc;
    if (c.points == 0)
        fprintf(stderr, "laganctl: %s has wanted nothing of the page cache lately\n", words[0]);
    if (count == 1 || c.points == 0)
        return curve_table(&c);
    if (strcmp(words[1], "plot") == 0)
        return curve_plot(&c, command_name(&d, buffer, sizeof(buffer)), NULL);
    return curve_plot(&c, command_name(&d, buffer, sizeof(buffer)), words[1]);
}

const struct command cache_commands[] = {
    {"cache", "", "each domain's part of the page cache", show_cache},
    {"cache quota", "DOMAIN [floor=AMOUNT] [max=AMOUNT] [weight=N]",
     "how much it may have, and is sure of", set_quota},
    {"cache freeze", "DOMAIN|all", "refuses what it puts from now on", freeze_cache},
    {"cache thaw", "DOMAIN|all", "takes it again", thaw_cache},
    {"cache attach", "DEVICE...",
     "puts the page cache under guests' disks; prints where they are then", volume_attach},
    {"cache detach", "DEVICE...", "takes it away", volume_detach},
    {"ledger", "[DOMAIN]", "for whom a domain's cached pages went", show_ledger},
    {"curve", "DOMAIN [plot|FILE.svg|FILE.png]", "misses by size of its cache", show_curve},
    {0},
};
