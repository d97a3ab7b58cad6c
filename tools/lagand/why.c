/* SPDX-License-Identifier: MIT */
#include "why.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MIB          UINT64_C(256) /* in pages */
#define LEAST_CHANGE (4 * MIB)
#define LEAST_PART   32
#define STALL_TOLD   10000U /* a hundredth of the time */
#define NAMES_TOLD   3

__attribute__((format(printf, 2, 3))) static void add(char text[WHY_LINE], const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + length, WHY_LINE - length, format, args);
    va_end(args);
}

/* Not 0 where there is something. */
static uint64_t mib(uint64_t pages)
{
    return pages / MIB + (pages % MIB >= MIB / 2 || (pages && pages < MIB));
}

bool why_matters(uint64_t from, uint64_t to)
{
    uint64_t change = from > to ? from - to : to - from;

    return change >= LEAST_CHANGE && change >= from / LEAST_PART;
}

static bool gains(const struct why_guest *g)
{
    return g->to > g->from && why_matters(g->from, g->to);
}

static bool loses(const struct why_guest *g)
{
    return g->to < g->from && why_matters(g->from, g->to);
}

/* ---- more ---- */

static void add_need(char *text, const struct why_guest *g)
{
    if (g->reserve > g->from)
        add(text, "a reservation of %" PRIu64 " MiB waits", mib(g->reserve));
    else if (g->fixed)
        add(text, "by order");
    else if (g->from < g->floor)
        add(text, "its floor is %" PRIu64 " MiB", mib(g->floor));
    else if (g->cache_need && g->cache_need >= g->refault_rate)
        add(text, "its cache's curve says that %" PRIu64 " MiB more save %" PRIu64 " reads/s",
            mib(g->cache_need), g->saves);
    else if (g->refault_rate)
        add(text, "it reads %" PRIu64 " pages/s again that it had dropped", g->refault_rate);
    else if (g->stall_ppm >= STALL_TOLD)
        add(text, "it waits for memory %u%% of the time", (unsigned)(g->stall_ppm / STALL_TOLD));
    else
        add(text, "it uses %" PRIu64 " MiB", mib(g->active));
}

static void add_givers(char *text, const struct why_guest *guest, unsigned count)
{
    unsigned told = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!loses(&guest[i]))
            continue;
        if (told++ == NAMES_TOLD) {
            add(text, " and others");
            return;
        }
        add(text, "%s%s%s", told == 1 ? "; taken from " : ", ", guest[i].name,
            guest[i].active < guest[i].to ? " (idle)" : "");
    }
    if (!told)
        add(text, "; from free memory");
}

/* ---- less ---- */

static void add_takers(char *text, const struct why_guest *guest, unsigned count,
                       const struct why_host *host)
{
    unsigned told = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!gains(&guest[i]) && guest[i].reserve <= guest[i].from)
            continue;
        if (told++ == NAMES_TOLD) {
            add(text, " and others");
            return;
        }
        add(text, "%s%s", told == 1 ? "for " : ", ", guest[i].name);
    }
    if (host->room)
        add(text, "%sroom for %" PRIu64 " MiB of a new domain", told ? ", and " : "",
            mib(host->room));
    else if (!told)
        add(text, host->low ? "the host is low" : "less is free");
}

static void add_idle(char *text, const struct why_guest *g)
{
    uint64_t idle = g->from > g->active ? g->from - g->active : 0;

    if (idle >= g->from - g->to)
        add(text, "; it has %" PRIu64 " MiB idle", mib(idle));
    else
        add(text, "; it uses %" PRIu64 " MiB, and others as much for their weight", mib(g->active));
}

void why_line(char text[WHY_LINE], const struct why_guest *guest, unsigned count, unsigned i,
              const struct why_host *host)
{
    const struct why_guest *g = &guest[i];

    text[0] = '\0';
    add(text, "%s: %" PRIu64 " -> %" PRIu64 " MiB: ", g->name, mib(g->from), mib(g->to));
    if (g->to > g->from) {
        add_need(text, g);
        add_givers(text, guest, count);
    } else if (g->fixed) {
        add(text, "by order");
    } else {
        add_takers(text, guest, count, host);
        add_idle(text, g);
    }
}

/* ---- the curve ---- */

/* Misses with a cache of so many pages, between the curve's points by a straight line. */
static double misses_at(const struct lagan_pcache_curve *c, uint64_t pages)
{
    double x0 = 0, y0 = (double)c->gets;

    for (uint32_t i = 0; i < c->points && i < LAGAN_PCACHE_CURVE_POINTS; i++) {
        double x1 = (double)c->point[i].pages, y1 = (double)c->point[i].misses;

        if ((double)pages <= x1)
            return x1 > x0 ? y0 + (y1 - y0) * ((double)pages - x0) / (x1 - x0) : y1;
        x0 = x1;
        y0 = y1;
    }
    return y0;
}

uint64_t why_saves(const struct lagan_pcache_curve *c, uint64_t held, uint64_t more)
{
    double saved = misses_at(c, held) - misses_at(c, held + more);
    double seconds = (double)c->window_ns / 1e9;

    return saved > 0 && seconds > 0 ? (uint64_t)(saved / seconds + 0.5) : 0;
}
