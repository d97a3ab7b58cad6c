/* SPDX-License-Identifier: MIT
 *
 * The host as a whole: what is free, what has been decided, and room for a domain that is not there yet. A reservation is
 * a domain's; so room is made by raising the watermark under which the policy leaves free memory alone. It is lowered
 * again by what new domains own, until all of the room is theirs or the time is over.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lagan/pcache.h"

#include "parts.h"
#include "why.h"

#define XL_MORE     1024 /* pages that xl wants to be free besides those of a domain that it makes */
#define LOOKS_SHORT 5    /* so many in a row find that it cannot be, and that is the answer */

void keeper_look_at_host(struct keeper *k)
{
    struct lagan_pressure_host h = {0};

    if (keeper_call(k, LAGAN_PRESSURE_get_host, &h, sizeof(h)) < 0)
        return;
    if (h.low != k->low_set) {
        k->low = k->low_set = h.low;
        say("the watermark is %" PRIu64 " MiB from now on", h.low / 256);
    }
    k->free = h;
    if (!k->was_low && h.free < k->low)
        say("the host is low: %" PRIu64 " MiB are free, fewer than %" PRIu64, h.free / 256,
            k->low / 256);
    else if (k->was_low && h.free >= k->low + k->low / 8)
        say("the host is not low any more: %" PRIu64 " MiB are free", h.free / 256);
    k->was_low = k->was_low ? h.free < k->low + k->low / 8 : h.free < k->low;
}

/* ---- decisions ---- */

static uint64_t saves(struct keeper *k, const struct guest *g)
{
    struct lagan_pcache_curve c = {.domid = g->domid};
    struct lagan_pcache_stats s = {.domid = g->domid};

    if (!g->now.cache_need ||
        host_call(k->host, LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_curve, &c, sizeof(c), 0) < 0 ||
        host_call(k->host, LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_get_stats, &s, sizeof(s), 0) <
            0)
        return 0;
    return why_saves(&c, s.pages, g->now.cache_need);
}

static struct why_guest look_at(const struct guest *g)
{
    const struct lagan_pressure_domain *d = &g->now;

    return (struct why_guest){.name = g->name,
                              .from = g->told,
                              .to = d->goal,
                              .active = d->active,
                              .floor = d->state.floor,
                              .reserve = d->reserve,
                              .cache_need = d->cache_need,
                              .refault_rate = d->need.refault_rate,
                              .stall_ppm = d->need.stall_ppm,
                              .fixed = d->state.flags & LAGAN_PRESSURE_FIXED};
}

/* One line for each goal that has moved far enough since the last one about it. */
void keeper_tell_changes(struct keeper *k)
{
    static struct why_guest look[HOST_DOMAINS_MAX];
    static struct guest *of[HOST_DOMAINS_MAX];
    struct why_host host = {.low = k->was_low, .room = k->room.wanted ? k->room.pages : 0};
    char line[WHY_LINE];
    unsigned count = 0;

    for (unsigned i = 0; i < k->count; i++)
        if (k->guest[i].adopted && k->guest[i].now.state.flags & LAGAN_PRESSURE_MANAGED) {
            of[count] = &k->guest[i];
            look[count++] = look_at(&k->guest[i]);
        }
    for (unsigned i = 0; i < count; i++) {
        if (!why_matters(look[i].from, look[i].to))
            continue;
        look[i].saves = look[i].to > look[i].from ? saves(k, of[i]) : 0;
        why_line(line, look, count, i, &host);
        say("%s", line);
        of[i]->told = look[i].to;
        k->decisions++;
    }
}

/* ---- room ---- */

static void set_low(struct keeper *k, uint64_t low)
{
    struct lagan_pressure_host h = {0};

    if (low == k->low_set || keeper_call(k, LAGAN_PRESSURE_get_host, &h, sizeof(h)) < 0)
        return;
    h.low = low < h.total ? low : h.total;
    h.min = h.min < h.low ? h.min : h.low;
    if (keeper_call(k, LAGAN_PRESSURE_set_host, &h, sizeof(h)) == 0)
        k->low_set = h.low;
}

/* What domains that have come since then do not have of it yet. */
static uint64_t room_left(struct keeper *k)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i < k->count; i++) {
        struct guest *g = &k->guest[i];

        if (g->since_ms < k->room.since_ms)
            continue;
        if (!g->adopted)
            (void)keeper_look(k, g);
        taken += g->now.state.have;
    }
    return taken + XL_MORE < k->room.pages || !taken ? k->room.pages - taken : 0;
}

static void end_room(struct keeper *k, const char *why)
{
    char path[STORE_PATH_MAX];

    k->room.wanted = false;
    set_low(k, k->low);
    keeper_path(path, 0, "lagan/low");
    (void)store_remove(k->store, path);
    say("room for %" PRIu64 " MiB: %s", k->room.pages / 256, why);
}

void keeper_want_room(struct keeper *k, uint64_t pages, uint64_t hold_ms)
{
    if (k->room.wanted)
        end_room(k, "others want some");
    keeper_look_at_host(k);
    k->room = (struct room){.wanted = true,
                            .pages = pages,
                            .left = pages,
                            .until_ms = k->now_ms + hold_ms,
                            .since_ms = k->now_ms + 1};
    (void)keeper_write_number(k, 0, "lagan/low", k->low);
    set_low(k, k->low + pages);
    say("room for %" PRIu64 " MiB is wanted; %" PRIu64 " MiB are free", pages / 256,
        k->free.free / 256);
}

enum room_answer keeper_room(struct keeper *k)
{
    uint64_t unclaimed;

    if (!k->room.wanted)
        return ROOM_NO;
    unclaimed = k->free.free > k->free.claimed ? k->free.free - k->free.claimed : 0;
    if (unclaimed >= k->room.left + k->low)
        return ROOM_YES;
    return k->room.short_of >= LOOKS_SHORT ? ROOM_NO : ROOM_WAIT;
}

void keeper_tick_room(struct keeper *k)
{
    if (!k->room.wanted)
        return;
    k->room.short_of = k->free.shortage ? k->room.short_of + 1 : 0;
    k->room.left = room_left(k);
    if (!k->room.left) {
        end_room(k, "a new domain has it");
    } else if (k->now_ms >= k->room.until_ms) {
        end_room(k, "nobody has come for it in time");
    } else if (keeper_room(k) == ROOM_NO) {
        end_room(k, "others would be driven below their floors or needs");
    } else {
        set_low(k, k->low + k->room.left);
    }
}
