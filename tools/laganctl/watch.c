/* SPDX-License-Identifier: MIT
 *
 * The same figures over time: on the screen, and for Prometheus.
 */
#include <curses.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- the screen, as text: what it has, then a line for each domain under HEADING ---- */

#define HEADING 4

/* Good until the next: two cannot be in one fprintf(). */
static const char *amount(uint64_t pages)
{
    static char text[24];

    amount_print(text, sizeof(text), pages, 0);
    return text;
}

/* A bar of the host's memory: = domains', # caches', blank for free. */
static void print_bar(FILE *out, const struct look *l, int width)
{
    int used, lent;

    if (width <= 0 || l->host.total == 0)
        return;
    used = (int)((l->host.total - l->host.free) * (uint64_t)width / l->host.total);
    lent = (int)(l->cache_host.lent * (uint64_t)width / l->host.total);
    fputc('[', out);
    for (int i = 0; i < width; i++)
        fputc(i < used ? '=' : i < used + lent ? '#' : ' ', out);
    fputc(']', out);
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

static void print_domain(FILE *out, const struct look *l, const struct look *old, int i,
                         double seconds)
{
    const struct lagan_pcache_stats *s = &l->cache[i];
    int o = earlier(old, l->domain[i].domid);
    uint64_t gets = o < 0 ? 0 : since(s->gets, old->cache[o].gets),
             found = o < 0 ? 0 : since(s->hits, old->cache[o].hits);
    double cpu = o < 0 ? 0 : (double)since(l->domain[i].cpu_ns, old->domain[o].cpu_ns) / 1e9;
    bool managed = l->pressure[i].state.flags & LAGAN_PRESSURE_MANAGED;

    fprintf(out, "%5u %-16.16s %5.0f%%", l->domain[i].domid, l->domain[i].name,
            seconds > 0 ? 100 * cpu / seconds : 0);
    fprintf(out, " %8s", amount(l->domain[i].pages));
    fprintf(out, " %8s", managed ? amount(l->pressure[i].state.target) : "-");
    fprintf(out, " %8s %8.0f", amount(s->pages), seconds > 0 ? (double)gets / seconds : 0);
    if (gets)
        fprintf(out, " %5.0f%%\n", 100.0 * (double)found / (double)gets);
    else
        fprintf(out, " %6s\n", "-");
}

static void print_screen(FILE *out, const struct look *l, const struct look *old, double seconds,
                         int width)
{
    fprintf(out, "Lagan: memory %s", amount(l->host.total));
    fprintf(out, ", free %s", amount(l->host.free));
    fprintf(out, " (lent to caches %s)", amount(l->cache_host.lent));
    fprintf(out, ", claimed %s", amount(l->host.claimed));
    if (l->host.shortage)
        fprintf(out, ", SHORT OF %s", amount(l->host.shortage));
    fputs("\n\n", out);
    print_bar(out, l, width - 2);
    fprintf(out, "\n\n%5s %-16s %6s %8s %8s %8s %8s %6s\n", "ID", "NAME", "CPU", "OWNS", "TARGET",
            "CACHED", "GETS/S", "HITS");
    for (int i = 0; i < l->count; i++)
        print_domain(out, l, old, i, seconds);
}

/* As much of the text as there is room for. */
static void draw(const char *text)
{
    erase();
    for (int y = 0; *text && y < LINES - 1; y++) {
        int length = (int)strcspn(text, "\n");

        if (y == HEADING)
            attron(A_REVERSE);
        mvaddnstr(y, 0, text, length < COLS ? length : COLS);
        attroff(A_REVERSE);
        text += length + (text[length] == '\n');
    }
    mvprintw(LINES - 1, 0, "q leaves");
    refresh();
}

static double now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Where the screen is shown. `show` is false when somebody has seen enough; it lets the time pass until the next. */
struct display {
    bool (*show)(const char *text, uint64_t seconds, bool last);
    int width;
};

/* Any key but q takes another look at once. */
static bool show_on_terminal(const char *text, uint64_t seconds, bool last)
{
    (void)last;
    timeout((int)seconds * 1000);
    draw(text);
    return getch() != 'q';
}

static bool show_as_text(const char *text, uint64_t seconds, bool last)
{
    fputs(text, stdout);
    if (last)
        return false;
    fputc('\n', stdout);
    fflush(stdout);
    sleep((unsigned)seconds);
    return true;
}

/* rounds 0: until it has been seen enough. */
static int watch(struct host *h, const struct display *d, uint64_t seconds, uint64_t rounds)
{
    static struct look look[2];
    double at = 0, before;

    for (uint64_t n = 0;; n++) {
        char *text = NULL;
        size_t size;
        FILE *out;
        bool on;
        int rc;

        before = at;
        at = now_seconds();
        rc = look_take(h, &look[n % 2]);
        if (rc)
            return rc;
        out = open_memstream(&text, &size);
        if (!out)
            return -ENOMEM;
        print_screen(out, &look[n % 2], &look[(n + 1) % 2], n ? at - before : 0, d->width);
        fclose(out);
        on = d->show(text, seconds, n + 1 == rounds);
        free(text);
        if (!on || n + 1 == rounds)
            return 0;
    }
}

static int watch_on_terminal(struct host *h, uint64_t seconds, uint64_t rounds)
{
    struct display terminal = {show_on_terminal, 0};
    int rc;

    initscr();
    cbreak();
    noecho();
    curs_set(0);
    terminal.width = COLS;
    rc = watch(h, &terminal, seconds, rounds);
    endwin();
    return rc;
}

static int top(struct host *h, unsigned count, char **words)
{
    static const struct display as_text = {show_as_text, 80};
    uint64_t seconds = 2, rounds = 0;
    int rc = 0;

    for (unsigned i = 0; i < count && rc == 0; i++)
        if (!command_number(words[i], "delay", 3600, &seconds, &rc) &&
            !command_number(words[i], "count", 1000000, &rounds, &rc))
            return COMMAND_USAGE;
    if (rc)
        return rc;
    if (seconds == 0)
        seconds = 1;
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
        return watch_on_terminal(h, seconds, rounds);
    if (rounds == 0)
        return command_bad("top", "needs a terminal, or count= (laganctl metrics is for programs)");
    return watch(h, &as_text, seconds, rounds);
}

const struct command watch_commands[] = {
    {"top", "[delay=SECONDS] [count=N]", "the host's memory on a screen that goes on", top},
    {"metrics", "", "everything as text for Prometheus", metrics},
    {0},
};
