/* SPDX-License-Identifier: MIT
 *
 * The same figures over time: on the screen, and for Prometheus.
 */
#include <curses.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lagan/pcache.h"
#include "lagan/pressure.h"

#include "amount.h"
#include "command.h"

/* One look at everything. */
struct look {
    struct lagan_pressure_host host;
    struct lagan_pcache_host cache_host;
    int count;
    struct host_domain domain[HOST_DOMAINS_MAX];
    struct lagan_pressure_domain pressure[HOST_DOMAINS_MAX];
    struct lagan_pcache_stats cache[HOST_DOMAINS_MAX];
};

/* A domain that ends in the middle keeps figures of 0. */
static int take_look(struct host *h, struct look *l)
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

static void metric(const char *name, const char *kind, const char *help)
{
    printf("# HELP lagan_%s %s\n# TYPE lagan_%s %s\n", name, help, name, kind);
}

static void host_metric(const char *name, const char *help, uint64_t pages)
{
    metric(name, "gauge", help);
    printf("lagan_%s %" PRIu64 "\n", name, pages * PAGE_BYTES);
}

/* A name is what an administrator has made up: quotes and backslashes are marked. */
static void print_label(const struct host_domain *d)
{
    printf("{domid=\"%u\",name=\"", d->domid);
    for (const char *c = d->name; *c; c++)
        if (*c == '\n')
            fputs("\\n", stdout);
        else
            printf("%s%c", *c == '"' || *c == '\\' ? "\\" : "", *c);
    fputs("\"}", stdout);
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
    {"domain_cache_bytes", "gauge", "its pages in the page cache", cached},
    {"domain_stored_bytes", "gauge", "its pages in persistent pools", stored},
    {"domain_cache_puts_total", "counter", "pages offered to the page cache", puts_of},
    {"domain_cache_kept_total", "counter", "pages that it took", kept},
    {"domain_cache_gets_total", "counter", "pages wanted from the page cache", gets_of},
    {"domain_cache_hits_total", "counter", "pages that it had", hits},
    {"domain_cache_dropped_total", "counter",
     "pages that were dropped for others or for newer ones", dropped},
};

static int metrics(struct host *h, unsigned count, char **words)
{
    static struct look l;
    int rc;

    (void)words;
    if (count)
        return COMMAND_USAGE;
    rc = take_look(h, &l);
    if (rc)
        return rc;
    host_metric("memory_total_bytes", "RAM that can be given out", l.host.total);
    host_metric("memory_free_bytes", "free RAM, what caches have of it included", l.host.free);
    host_metric("memory_claimed_bytes", "free RAM that is promised to a domain", l.host.claimed);
    host_metric("memory_lent_bytes", "free RAM in use by the page cache", l.cache_host.lent);
    host_metric("memory_shortage_bytes", "too little for all floors and needs", l.host.shortage);
    metric("cache_recalled_total", "counter",
           "pages of the page cache that went to whoever needed memory");
    printf("lagan_cache_recalled_total %" PRIu64 "\n", l.cache_host.recalled);
    for (unsigned m = 0; m < sizeof(domain_metrics) / sizeof(*domain_metrics); m++) {
        metric(domain_metrics[m].name, domain_metrics[m].kind, domain_metrics[m].help);
        for (int i = 0; i < l.count; i++) {
            printf("lagan_%s", domain_metrics[m].name);
            print_label(&l.domain[i]);
            printf(" %" PRIu64 "\n", domain_metrics[m].value(&l, i));
        }
    }
    return 0;
}

/* ---- the screen ---- */

static void draw_amount(int width, uint64_t pages)
{
    char text[24];

    amount_print(text, sizeof(text), pages, 0);
    printw(" %*s", width, text);
}

/* A bar of the host's memory: = domains', # caches', blank for free. */
static void draw_bar(const struct look *l)
{
    int width = COLS - 2, used, lent;

    if (width <= 0 || l->host.total == 0)
        return;
    used = (int)((l->host.total - l->host.free) * (uint64_t)width / l->host.total);
    lent = (int)(l->cache_host.lent * (uint64_t)width / l->host.total);
    mvaddch(2, 0, '[');
    for (int i = 0; i < width; i++)
        addch(i < used ? '=' : i < used + lent ? '#' : ' ');
    addch(']');
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now; /* another domain has the number */
}

/* The index of the same domain one look ago, or -1. */
static int earlier(const struct look *old, uint16_t domid)
{
    for (int i = 0; i < old->count; i++)
        if (old->domain[i].domid == domid)
            return i;
    return -1;
}

static void draw_domain(const struct look *l, const struct look *old, int i, double seconds)
{
    const struct lagan_pcache_stats *s = &l->cache[i];
    int o = earlier(old, l->domain[i].domid);
    uint64_t gets = o < 0 ? 0 : since(s->gets, old->cache[o].gets),
             found = o < 0 ? 0 : since(s->hits, old->cache[o].hits);
    double cpu = o < 0 ? 0 : (double)since(l->domain[i].cpu_ns, old->domain[o].cpu_ns) / 1e9;

    mvprintw(5 + i, 0, "%5u %-16.16s %5.0f%%", l->domain[i].domid, l->domain[i].name,
             seconds > 0 ? 100 * cpu / seconds : 0);
    draw_amount(8, l->domain[i].pages);
    if (l->pressure[i].state.flags & LAGAN_PRESSURE_MANAGED)
        draw_amount(8, l->pressure[i].state.target);
    else
        printw(" %8s", "-");
    draw_amount(8, s->pages);
    printw(" %8.0f", seconds > 0 ? (double)gets / seconds : 0);
    if (gets)
        printw(" %5.0f%%", 100.0 * (double)found / (double)gets);
    else
        printw(" %6s", "-");
    clrtoeol();
}

static void draw(const struct look *l, const struct look *old, double seconds)
{
    erase();
    mvprintw(0, 0, "Lagan: memory");
    draw_amount(0, l->host.total);
    printw(", free");
    draw_amount(0, l->host.free);
    printw(" (lent to caches");
    draw_amount(0, l->cache_host.lent);
    printw("), claimed");
    draw_amount(0, l->host.claimed);
    if (l->host.shortage) {
        printw(", SHORT OF");
        draw_amount(0, l->host.shortage);
    }
    draw_bar(l);
    attron(A_REVERSE);
    mvprintw(4, 0, "%5s %-16s %6s %8s %8s %8s %8s %6s", "ID", "NAME", "CPU", "OWNS", "TARGET",
             "CACHED", "GETS/S", "HITS");
    attroff(A_REVERSE);
    for (int i = 0; i < l->count && 5 + i < LINES - 1; i++)
        draw_domain(l, old, i, seconds);
    mvprintw(LINES - 1, 0, "q leaves");
    refresh();
}

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* rounds 0: until a q is typed. Any other key takes another look at once. */
static int watch(struct host *h, uint64_t seconds, uint64_t rounds)
{
    static struct look look[2];
    double at = 0, before;
    int rc = 0;

    timeout((int)seconds * 1000);
    for (uint64_t n = 0; rc == 0 && (rounds == 0 || n < rounds); n++) {
        before = at;
        at = now_seconds();
        rc = take_look(h, &look[n % 2]);
        if (rc == 0)
            draw(&look[n % 2], &look[(n + 1) % 2], n ? at - before : 0);
        if (getch() == 'q')
            break;
    }
    return rc;
}

static int top(struct host *h, unsigned count, char **words)
{
    uint64_t seconds = 2, rounds = 0;
    int rc = 0;

    for (unsigned i = 0; i < count && rc == 0; i++)
        if (!command_number(words[i], "delay", 3600, &seconds, &rc) &&
            !command_number(words[i], "count", 1000000, &rounds, &rc))
            return COMMAND_USAGE;
    if (rc)
        return rc;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return command_bad("top", "needs a terminal (laganctl metrics is for programs)");
    if (seconds == 0)
        seconds = 1;
    initscr();
    cbreak();
    noecho();
    curs_set(0);
    rc = watch(h, seconds, rounds);
    endwin();
    return rc;
}

const struct command watch_commands[] = {
    {"top", "[delay=SECONDS] [count=N]", "the host's memory on a screen that goes on", top},
    {"metrics", "", "everything as text for Prometheus", metrics},
    {0},
};
