/* SPDX-License-Identifier: MIT
 *
 * The working set is what would be missed at once: anonymous memory, all of it, as there may be no swap; the part of the
 * page cache that was read more than once (the kernel's active list); what cannot be reclaimed at all; and what the
 * kernel took for itself before its allocator had anything to count (have - total). The rest of the page cache is what
 * the host may have for better uses.
 *
 * What can be had of it the kernel knows best: MemAvailable leaves out its own reserves and a part of the page cache
 * without which everything would be slow. But it takes reclaimable slab at its word, of which much is in use in a small
 * guest (what sysfs and files in memory stand on): half of it counts here.
 *
 * Memory that is asked for comes late, after others have given it, and without swap a guest that is short of it before
 * that has no second chance. So a part of what is available is never for others (room()), a guest that has less than that
 * needs more, whatever it uses, and one that grows will go on growing for two seconds. Who has little left looks more
 * often (figures_pause_ms()).
 */
#include "figures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB_A_PAGE    4
#define MILLION       UINT64_C(1000000)
#define HEADROOM_PART 16
#define ROOM_LEAST    4096 /* pages: 16 MiB */
#define GROWTH_PART   4    /* of what it has: more than that growth does not add to its need */
#define GROWTH_MS     250  /* in a shorter time a little looks like much */
#define PAUSE_LEAST   100  /* ms */
#define PAUSE_MOST    1000
#define PAGES_A_MS    64 /* so fast a guest may use up what it has left: 250 MiB a second */
#define NEWS_PART     32
#define NEWS_LEAST    256   /* pages */
#define NEWS_STALL    10000 /* ppm */
#define NEWS_REFAULT  16    /* pages a second */
#define SPARE         256   /* so many pages more are freed than are missing: others allocate too */

/* The number behind a name at the beginning of a line. */
static bool find(const char *text, const char *name, uint64_t *number)
{
    size_t length = strlen(name);
    char *end;

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0) {
            *number = strtoull(line + length, &end, 10);
            return end > line + length;
        }
    }
    return false;
}

int figures_meminfo(struct figures *f, const char *text)
{
    uint64_t active_anon = 0, inactive_anon = 0;
    const struct {
        const char *name;
        uint64_t *number;
    } wanted[] = {{"MemTotal:", &f->total},
                  {"MemFree:", &f->free},
                  {"MemAvailable:", &f->available},
                  {"Active(anon):", &active_anon},
                  {"Inactive(anon):", &inactive_anon},
                  {"Active(file):", &f->active_file},
                  {"Unevictable:", &f->unevictable},
                  {"PageTables:", &f->tables},
                  {"KernelStack:", &f->stacks},
                  {"SUnreclaim:", &f->slab},
                  {"SReclaimable:", &f->loose_slab}};

    for (unsigned i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        if (!find(text, wanted[i].name, wanted[i].number))
            return -EINVAL;
        *wanted[i].number /= KIB_A_PAGE;
    }
    f->anonymous = active_anon + inactive_anon;
    return 0;
}

/* A kernel without swap counts no anonymous refaults. */
int figures_vmstat(struct figures *f, const char *text)
{
    uint64_t file, anonymous = 0;

    if (!find(text, "workingset_refault_file ", &file))
        return -EINVAL;
    (void)find(text, "workingset_refault_anon ", &anonymous);
    f->refaults = file + anonymous;
    return 0;
}

int figures_pressure(struct figures *f, const char *text)
{
    return sscanf(text, "some avg10=%*f avg60=%*f avg300=%*f total=%" SCNu64, &f->stall_us) == 1
               ? 0
               : -EINVAL;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

static uint64_t used(const struct figures *f)
{
    uint64_t sum = f->anonymous + f->active_file + f->unevictable + f->tables + f->stacks +
                   f->slab + difference(f->have, f->total);

    return at_most(sum, f->have);
}

/* What can be had without harm, whatever the kernel says of its slab. */
static uint64_t spare(const struct figures *f)
{
    return at_most(difference(f->available, f->loose_slab / 2), f->have);
}

/* What is to be left for what comes until more is there. */
static uint64_t room(const struct figures *f)
{
    uint64_t part = f->have / HEADROOM_PART;

    return part > ROOM_LEAST ? part : ROOM_LEAST;
}

void figures_growth(const struct figures *before, struct figures *now, uint64_t elapsed_ms)
{
    uint64_t grown = difference(used(now), used(before));
    uint64_t old = before->growth * PAUSE_MOST / (PAUSE_MOST + elapsed_ms);

    grown = grown * 1000 / (elapsed_ms > GROWTH_MS ? elapsed_ms : GROWTH_MS);
    now->growth = at_most(grown > old ? grown : old, now->have);
}

void figures_need(const struct figures *before, const struct figures *now, uint64_t elapsed_ms,
                  struct lagan_pressure_need *need)
{
    uint64_t uses = used(now) + used(now) / HEADROOM_PART, can_be_had = spare(now);
    uint64_t fast = now->have - can_be_had + room(now);

    memset(need, 0, sizeof(*need));
    need->working_set =
        (uses > fast ? uses : fast) + at_most(2 * now->growth, now->have / GROWTH_PART);
    can_be_had = difference(can_be_had, room(now));
    need->free = at_most(now->free, can_be_had);
    need->reclaimable = can_be_had - need->free;
    if (!elapsed_ms)
        return;
    need->refault_rate =
        at_most(difference(now->refaults, before->refaults) * 1000 / elapsed_ms, UINT32_MAX);
    need->stall_ppm =
        (uint32_t)at_most(difference(now->stall_us, before->stall_us) * 1000 / elapsed_ms, MILLION);
}

uint64_t figures_pause_ms(const struct figures *f)
{
    uint64_t lasts = spare(f) / PAGES_A_MS;

    return lasts < PAUSE_LEAST ? PAUSE_LEAST : at_most(lasts, PAUSE_MOST);
}

static bool moved(uint64_t a, uint64_t b, uint64_t least)
{
    uint64_t d = a > b ? a - b : b - a;

    return d >= least && d >= b / NEWS_PART;
}

bool figures_news(const struct lagan_pressure_need *old, const struct lagan_pressure_need *now)
{
    return moved(old->working_set, now->working_set, NEWS_LEAST) ||
           moved(old->free + old->reclaimable, now->free + now->reclaimable, NEWS_LEAST) ||
           moved(old->refault_rate, now->refault_rate, NEWS_REFAULT) ||
           moved(old->stall_ppm, now->stall_ppm, NEWS_STALL);
}

uint64_t figures_missing(const struct figures *f, uint64_t target)
{
    uint64_t wanted = difference(f->have, target);

    return wanted ? difference(wanted + SPARE, at_most(f->free, f->available)) : 0;
}
