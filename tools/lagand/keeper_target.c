/* SPDX-License-Identifier: MIT
 *
 * Targets on their way to the store, and hands that get there first. A domain whose memory somebody has set (xl mem-set
 * writes memory/target and what the domain may own) has that as an order of the hypervisor's too, so that the policy counts
 * with it, and neither takes of it nor gives to it; what else is of the domain stays as it was for the day when it is
 * given back to the policy.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "parts.h"

#define TRIES 5

static int apply_limits(struct keeper *k, const struct lagan_pressure_limits *limits)
{
    struct lagan_pressure_limits l = *limits;
    int rc = keeper_call(k, LAGAN_PRESSURE_set_limits, &l, sizeof(l));

    return rc < 0 ? rc : 0;
}

/* A floor that does not fit beside those of others is as low as what the domain has. */
int keeper_set_limits(struct keeper *k, struct guest *g)
{
    int rc = apply_limits(k, &g->limits);

    if (rc != -ENOMEM)
        return rc;
    say("%s: a floor of %" PRIu64 " MiB does not fit beside the others' floors", g->name,
        g->limits.floor / 256);
    g->limits.floor =
        g->now.state.have && g->now.state.have < g->limits.floor ? g->now.state.have : 1;
    rc = apply_limits(k, &g->limits);
    if (rc == -ENOMEM) {
        g->limits.floor = 1;
        rc = apply_limits(k, &g->limits);
    }
    return rc;
}

/* ---- by hand ---- */

static int order(struct keeper *k, const struct guest *g, uint64_t pages)
{
    struct lagan_pressure_order o = {.domid = g->domid, .pages = pages};
    int rc = keeper_call(k, LAGAN_PRESSURE_set_target, &o, sizeof(o));

    return rc < 0 ? rc : 0;
}

void keeper_take_hand(struct keeper *k, struct guest *g, uint64_t kib)
{
    uint64_t pages = kib / KIB_A_PAGE;
    struct lagan_pressure_limits l = g->limits;
    bool was = g->by_hand;
    int rc;

    pages = pages ? pages : 1;
    l.floor = l.floor < pages ? l.floor : pages;
    l.ceiling = pages;
    /* Who has written the node alone has not said what the domain may own; more than static-max nobody is given. */
    rc = pages <= g->static_max ? host_set_max(k->host, g->domid, pages + XL_SLACK) : -EINVAL;
    if (rc == 0)
        rc = apply_limits(k, &l);
    if (rc == 0)
        rc = order(k, g, pages);
    g->by_hand = true;
    g->written = kib;
    (void)keeper_write_number(k, g->domid, "lagan/target", kib);
    (void)keeper_write_number(k, g->domid, "lagan/hand", 1);
    if (rc)
        say("%s: set to %" PRIu64 " MiB by hand, which cannot be: %s", g->name, pages / 256,
            strerror(-rc));
    else
        say("%s: %" PRIu64 " -> %" PRIu64 " MiB: %s by hand, until laganctl mem auto %s", g->name,
            g->told / 256, pages / 256, was ? "still" : "set", g->name);
    g->told = pages;
    k->decisions++;
}

int keeper_leave_hand(struct keeper *k, struct guest *g)
{
    char path[STORE_PATH_MAX];
    int rc = host_set_max(k->host, g->domid, g->static_max + XL_SLACK);

    if (rc == 0)
        rc = keeper_set_limits(k, g);
    if (rc == 0)
        rc = order(k, g, 0);
    if (rc)
        return rc;
    keeper_path(path, g->domid, "lagan/hand");
    (void)store_remove(k->store, path);
    g->by_hand = false;
    say("%s: the policy's again, between %" PRIu64 " and %" PRIu64 " MiB", g->name,
        g->limits.floor / 256, g->limits.ceiling / 256);
    return 0;
}

void keeper_target_written(struct keeper *k, struct guest *g)
{
    uint64_t kib;

    if (keeper_read_number(k, g->domid, "memory/target", &kib) == 0 && kib != g->written)
        keeper_take_hand(k, g, kib);
}

/* ---- by the policy ---- */

/* Both nodes, or none. 1: what stands there is not ours, and is in *there. */
static int try_writing(struct keeper *k, struct guest *g, uint64_t kib, uint64_t *there)
{
    int rc = store_begin(k->store);

    if (rc)
        return rc;
    rc = keeper_read_number(k, g->domid, "memory/target", there);
    if (rc == 0 && *there != g->written)
        rc = 1;
    if (rc == 0)
        rc = keeper_write_number(k, g->domid, "memory/target", kib);
    if (rc == 0)
        rc = keeper_write_number(k, g->domid, "lagan/target", kib);
    if (rc == 0)
        return store_commit(k->store);
    store_abort(k->store);
    return rc;
}

static void write_target(struct keeper *k, struct guest *g, uint64_t kib)
{
    uint64_t there;
    int rc = -EAGAIN;

    for (unsigned i = 0; i < TRIES && rc == -EAGAIN; i++)
        rc = try_writing(k, g, kib, &there);
    if (rc == 1) {
        keeper_take_hand(k, g, there);
    } else if (rc == 0) {
        g->written = kib;
        k->moves++;
    }
}

/* An administrator has set other limits, an order, or has taken one back, by laganctl. */
static void see_changes(struct keeper *k, struct guest *g)
{
    const struct lagan_pressure_state *s = &g->now.state;

    if (g->by_hand && !(s->flags & LAGAN_PRESSURE_FIXED)) {
        (void)keeper_leave_hand(k, g);
        (void)keeper_look(k, g);
        return;
    }
    if (g->by_hand || (s->floor == g->limits.floor && s->ceiling == g->limits.ceiling &&
                       g->now.weight == g->limits.weight))
        return;
    g->limits.floor = s->floor;
    g->limits.ceiling = s->ceiling;
    g->limits.weight = g->now.weight;
    say("%s: between %" PRIu64 " and %" PRIu64 " MiB from now on, weight %u", g->name,
        s->floor / 256, s->ceiling / 256, g->now.weight);
}

void keeper_pass(struct keeper *k, struct guest *g)
{
    uint32_t lapses = g->now.lapses;
    uint64_t kib;

    if (keeper_look(k, g))
        return; /* it has ended, and the list will say so */
    if (!(g->now.state.flags & LAGAN_PRESSURE_MANAGED))
        return;
    see_changes(k, g);
    if (g->now.lapses != lapses)
        say("%s: does not follow: it has %" PRIu64 " MiB and was to have %" PRIu64 "", g->name,
            g->now.state.have / 256, g->now.state.target / 256);
    if (g->by_hand)
        return;
    kib = g->now.state.target * KIB_A_PAGE;
    if (kib != g->written)
        write_target(k, g, kib);
}
