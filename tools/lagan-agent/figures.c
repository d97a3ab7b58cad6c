/* SPDX-License-Identifier: MIT
 *
 * The working set is what would be missed at once: anonymous memory, all of it, as there may be no swap; the part of the
 * page cache that was read more than once (the kernel's active list); what cannot be reclaimed at all; and what the
 * kernel took for itself before its allocator had anything to count (have - total). The rest of the page cache is what
 * the host may have for better uses. A guest that grows needs memory before it is short of it, as others have to give it
 * first: so a sixteenth is added, and twice what has come since the last report.
 *
 * What can be had of it the kernel knows best: MemAvailable leaves out its own reserves and a part of the page cache
 * without which everything would be slow.
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
                  {"SUnreclaim:", &f->slab}};

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

void figures_need(const struct figures *before, const struct figures *now, uint64_t elapsed_ms,
                  struct lagan_pressure_need *need)
{
    uint64_t growth = difference(used(now), used(before));

    memset(need, 0, sizeof(*need));
    need->working_set = used(now) + used(now) / HEADROOM_PART + 2 * growth;
    need->free = at_most(at_most(now->free, now->available), now->have);
    need->reclaimable = at_most(difference(now->available, need->free), now->have - need->free);
    if (!elapsed_ms)
        return;
    need->refault_rate =
        at_most(difference(now->refaults, before->refaults) * 1000 / elapsed_ms, UINT32_MAX);
    need->stall_ppm =
        (uint32_t)at_most(difference(now->stall_us, before->stall_us) * 1000 / elapsed_ms, MILLION);
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
