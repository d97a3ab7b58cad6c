/* SPDX-License-Identifier: MIT
 *
 * The same figures over time: on the screen, and for Prometheus.
 */
#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "amount.h"
#include "command.h"
#include "look.h"

static int metrics(struct host *h, unsigned count, char **words)
{
    (void)words;
    return count ? COMMAND_USAGE : look_print_metrics(h, stdout);
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
        rc = look_take(h, &look[n % 2]);
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
