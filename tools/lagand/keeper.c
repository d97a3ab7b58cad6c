/* SPDX-License-Identifier: MIT
 *
 * One decides, and that is the hypervisor: it knows what each domain has, what its cache's curve says, and it is what
 * domains get memory from. The daemon switches its policy on and is its mouth and ears where it has none, in the
 * xenstore: what agents report goes in, what the policy orders goes out to memory/target, which the balloon driver of
 * every Linux follows. So there is no second opinion here, and nothing to lose: whatever the daemon knows stands in the
 * hypervisor or in the store, and a new daemon reads it there.
 *
 * Nodes below a domain's home, all but the first the control domain's own:
 *
 *     data/lagan/report    the agent's (report.h). A guest can write there what it likes
 *     memory/target        KiB, xl's and ours
 *     memory/static-max    KiB, xl's
 *     lagan/target         KiB, what we have written to memory/target, in the same transaction. If they differ,
 *                          somebody else has written, and the domain's memory is in his hand
 *     lagan/hand           there, if it is
 *     lagan/start          pages that it had when it was adopted
 *
 * A domain is adopted when its agent first reports, or when the administrator wants it so. Xen lets a domain own what
 * its target is; that limit is raised to what the domain may have at all, since now the policy is the limit, and
 * lowered when it is given back to xl.
 *
 * INV-KEEP-1: memory/target is written only if what stands there is what we have written, both seen in one transaction.
 * INV-KEEP-2: what a guest can write is read only by report_parse(), at most once in LOOK_MS, and makes one line of the log
 *             at most until it is right again.
 * INV-KEEP-3: a domain whose agent is silent is not asked for memory because of what it said before.
 */
#include "parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define LOOK_MS   200   /* between two reports of a guest that are read */
#define SILENT_MS 45000 /* an agent says something each ten seconds at least */

static const char *const watched[] = {REPORT_NODE, "memory/target", "memory/static-max"};

int keeper_call(struct keeper *k, unsigned cmd, void *arg, size_t bytes)
{
    return host_call(k->host, LAGAN_HYPERVISOR_pressure_op, cmd, arg, bytes, 0);
}

void keeper_path(char path[STORE_PATH_MAX], uint16_t domid, const char *node)
{
    snprintf(path, STORE_PATH_MAX, "/local/domain/%u/%s", domid, node);
}

int keeper_read_number(struct keeper *k, uint16_t domid, const char *node, uint64_t *number)
{
    char path[STORE_PATH_MAX], text[24], *end;
    int rc;

    keeper_path(path, domid, node);
    rc = store_read(k->store, path, text, sizeof(text));
    if (rc < 0)
        return rc;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text < '0' || *text > '9' || *end || errno ? -EINVAL : 0;
}

int keeper_write_number(struct keeper *k, uint16_t domid, const char *node, uint64_t number)
{
    char path[STORE_PATH_MAX], text[24];

    keeper_path(path, domid, node);
    snprintf(text, sizeof(text), "%" PRIu64, number);
    return store_write(k->store, path, text);
}

struct guest *keeper_find(struct keeper *k, uint16_t domid)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->guest[i].domid == domid)
            return &k->guest[i];
    return NULL;
}

int keeper_look(struct keeper *k, struct guest *g)
{
    struct lagan_pressure_domain d = {.domid = g->domid};
    int rc = keeper_call(k, LAGAN_PRESSURE_get_domain, &d, sizeof(d));

    if (rc >= 0)
        g->now = d;
    return rc < 0 ? rc : 0;
}

/* ---- reports ---- */

static int speak_for(struct keeper *k, struct guest *g, const struct lagan_pressure_need *need)
{
    struct lagan_pressure_report_for r = {.domid = g->domid, .need = *need};
    int rc = keeper_call(k, LAGAN_PRESSURE_report_for, &r, sizeof(r));

    return rc < 0 ? rc : 0;
}

/* A domain of which nothing is known counts as needing what it began with, and its floor is what protects it. */
static int speak_unasked(struct keeper *k, struct guest *g)
{
    uint64_t have = g->now.state.have, floor = g->limits.floor;

    g->unasked = have;
    return speak_for(k, g,
                     &(struct lagan_pressure_need){.working_set = g->start,
                                                   .reclaimable = have > floor ? have - floor : 0});
}

/* What it said that it needs holds on, but it is not known any more what it could give (INV-KEEP-3). */
static void is_silent(struct keeper *k, struct guest *g)
{
    struct lagan_pressure_need need = {.working_set = g->now.need.working_set};

    g->speaks = false;
    if (speak_for(k, g, &need) == 0)
        say("%s: its agent is silent: it is not asked for memory", g->name);
}

static void refuse_report(struct keeper *k, struct guest *g)
{
    g->refused++;
    k->refused++;
    if (!g->complained)
        say("%s: its agent says what cannot be; that is ignored", g->name);
    g->complained = true;
}

static void take_report(struct keeper *k, struct guest *g)
{
    char path[STORE_PATH_MAX], text[REPORT_SIZE];
    struct lagan_pressure_need need;
    uint64_t had;
    int rc;

    g->report_waits = false;
    g->looked_ms = k->now_ms;
    keeper_path(path, g->domid, REPORT_NODE);
    rc = store_read(k->store, path, text, sizeof(text));
    if (rc == -ENOENT) {
        if (g->speaks && g->adopted)
            is_silent(k, g);
        return;
    }
    if (rc < 0 || report_parse(text, &need, &had)) {
        refuse_report(k, g);
        return;
    }
    if (!g->adopted &&
        (config_rule(k->config, g->name)->manage == MANAGE_NEVER || keeper_adopt(k, g) < 0))
        return;
    if (had && keeper_look(k, g) == 0)
        report_settle(&need, had, g->now.state.have);
    rc = speak_for(k, g, &need);
    if (rc == -EINVAL)
        refuse_report(k, g);
    if (rc)
        return;
    if (!g->speaks)
        say("%s: its agent reports: it uses %" PRIu64 " of %" PRIu64 " MiB", g->name,
            need.working_set / 256, g->now.state.have / 256);
    g->speaks = true;
    g->complained = false;
    g->heard_ms = k->now_ms;
    g->reports++;
    k->reports++;
}

/* ---- domains ---- */

/* The limits of its rule, within what it may own. */
static void set_rule(struct keeper *k, struct guest *g)
{
    const struct config_rule *r = config_rule(k->config, g->name);
    uint64_t ceiling = r->ceiling < g->static_max ? r->ceiling : g->static_max;
    uint64_t floor = config_floor(r, g->start);

    g->limits = (struct lagan_pressure_limits){.domid = g->domid,
                                               .weight = r->weight,
                                               .floor = floor < ceiling ? floor : ceiling,
                                               .ceiling = ceiling};
}

/* What xl has said of its memory; whether it was ours before. */
static int read_books(struct keeper *k, struct guest *g, bool *was_ours)
{
    uint64_t target, most, ours;
    int rc = keeper_read_number(k, g->domid, "memory/target", &target);

    if (rc == 0)
        rc = keeper_read_number(k, g->domid, "memory/static-max", &most);
    if (rc < 0)
        return rc;
    g->static_max = most / KIB_A_PAGE;
    *was_ours = keeper_read_number(k, g->domid, "lagan/target", &ours) == 0;
    g->written = *was_ours ? ours : target;
    if (!*was_ours || keeper_read_number(k, g->domid, "lagan/start", &g->start) < 0)
        g->start = target / KIB_A_PAGE;
    return 0;
}

/* A daemon before us had it: its limits are those that the hypervisor has, if that still has it in its care. */
static void take_up(struct keeper *k, struct guest *g)
{
    uint64_t nothing;

    if (g->now.state.flags & LAGAN_PRESSURE_MANAGED) {
        g->limits.floor = g->now.state.floor;
        g->limits.ceiling = g->now.state.ceiling;
        g->limits.weight = g->now.weight;
    }
    g->by_hand = keeper_read_number(k, g->domid, "lagan/hand", &nothing) != -ENOENT;
}

/* Somebody has spoken for it before us, and that holds on: its agent may be about to say the same again. */
static bool is_known(const struct guest *g)
{
    return g->now.state.flags & LAGAN_PRESSURE_MANAGED && g->now.need.working_set;
}

static int begin_care(struct keeper *k, struct guest *g)
{
    int rc;

    if (!g->by_hand)
        rc = host_set_max(k->host, g->domid, g->static_max + XL_SLACK);
    else
        rc = 0;
    if (rc == 0 && !g->by_hand)
        rc = keeper_set_limits(k, g);
    if (rc == 0 && !is_known(g))
        rc = speak_unasked(k, g);
    if (rc == 0)
        rc = keeper_look(k, g);
    return rc;
}

int keeper_adopt(struct keeper *k, struct guest *g)
{
    bool was_ours;
    int rc = read_books(k, g, &was_ours);

    if (rc == 0)
        rc = keeper_look(k, g);
    if (rc)
        return rc;
    set_rule(k, g);
    if (was_ours)
        take_up(k, g);
    rc = begin_care(k, g);
    if (rc) {
        say("%s: it cannot be managed: %s", g->name, strerror(-rc));
        return rc;
    }
    g->adopted = true;
    g->told = g->now.state.have;
    say("%s: %s, with %" PRIu64 " MiB, between %" PRIu64 " and %" PRIu64 " MiB, weight %u", g->name,
        was_ours ? "taken up again" : "managed from now on", g->now.state.have / 256,
        g->limits.floor / 256, g->limits.ceiling / 256, g->limits.weight);
    (void)keeper_write_number(k, g->domid, "lagan/start", g->start);
    (void)keeper_write_number(k, g->domid, "lagan/target", g->written);
    if (g->by_hand)
        keeper_take_hand(k, g, g->written);
    keeper_target_written(k, g);
    return 0;
}

static void watch_nodes(struct keeper *k, uint16_t domid, bool on)
{
    char path[STORE_PATH_MAX];

    for (unsigned i = 0; i < sizeof(watched) / sizeof(*watched); i++) {
        keeper_path(path, domid, watched[i]);
        (void)(on ? store_watch(k->store, path) : store_unwatch(k->store, path));
    }
}

static void add_guest(struct keeper *k, const struct host_domain *d)
{
    struct guest *g;
    uint64_t ours;

    if (k->count == HOST_DOMAINS_MAX)
        return;
    g = &k->guest[k->count++];
    *g = (struct guest){.domid = d->domid, .since_ms = k->now_ms, .report_waits = true};
    snprintf(g->name, sizeof(g->name), "%s", d->name);
    if (!g->name[0])
        snprintf(g->name, sizeof(g->name), "domain %u", d->domid);
    watch_nodes(k, g->domid, true);
    if (config_rule(k->config, g->name)->manage == MANAGE_ALWAYS ||
        keeper_read_number(k, g->domid, "lagan/target", &ours) == 0)
        (void)keeper_adopt(k, g);
}

static void forget_guest(struct keeper *k, struct guest *g)
{
    watch_nodes(k, g->domid, false);
    if (g->adopted)
        say("%s: gone, with %" PRIu64 " MiB", g->name, g->now.state.have / 256);
    *g = k->guest[--k->count];
}

static const struct host_domain *in_list(const struct host_domain *list, int count, uint16_t domid)
{
    for (int i = 0; i < count; i++)
        if (list[i].domid == domid && !list[i].dying)
            return &list[i];
    return NULL;
}

/* xl names a domain after it has made it, and may give it another name. */
static void rename_guest(struct guest *g, const struct host_domain *d)
{
    if (d->name[0] && strcmp(g->name, d->name) != 0) {
        if (g->adopted)
            say("%s: is called %s now", g->name, d->name);
        snprintf(g->name, sizeof(g->name), "%s", d->name);
    }
}

static void list_domains(struct keeper *k)
{
    static struct host_domain list[HOST_DOMAINS_MAX];
    int count = host_domains(k->host, list, HOST_DOMAINS_MAX);

    if (count < 0)
        return;
    k->domains_wait = false;
    for (unsigned i = k->count; i-- > 0;)
        if (!in_list(list, count, k->guest[i].domid))
            forget_guest(k, &k->guest[i]);
    for (int i = 0; i < count; i++) {
        struct guest *g = keeper_find(k, list[i].domid);

        if (g)
            rename_guest(g, &list[i]);
        else if (!list[i].dying)
            add_guest(k, &list[i]);
    }
}

int keeper_manage(struct keeper *k, uint16_t domid, bool leave_hand)
{
    struct guest *g;
    int rc = 0;

    list_domains(k);
    g = keeper_find(k, domid);
    if (!g)
        return -ESRCH;
    if (!g->adopted)
        rc = keeper_adopt(k, g);
    if (rc == 0 && leave_hand && g->by_hand)
        rc = keeper_leave_hand(k, g);
    return rc;
}

/* ---- events ---- */

void keeper_event(struct keeper *k, const char *path)
{
    unsigned domid;
    struct guest *g;
    uint64_t most;
    int length = 0;

    if (*path == '@') {
        k->domains_wait = true;
        return;
    }
    if (sscanf(path, "/local/domain/%5u/%n", &domid, &length) != 1 || !length || domid > UINT16_MAX)
        return;
    g = keeper_find(k, (uint16_t)domid);
    if (!g)
        return;
    if (!strcmp(path + length, REPORT_NODE))
        g->report_waits = true;
    else if (!strcmp(path + length, "memory/target") && g->adopted)
        keeper_target_written(k, g);
    else if (!strcmp(path + length, "memory/static-max") && g->adopted &&
             keeper_read_number(k, g->domid, "memory/static-max", &most) == 0)
        g->static_max = most / KIB_A_PAGE;
}

int keeper_work(struct keeper *k)
{
    int again = -1;

    if (k->domains_wait)
        list_domains(k);
    for (unsigned i = 0; i < k->count; i++) {
        struct guest *g = &k->guest[i];

        if (!g->report_waits)
            continue;
        if (g->looked_ms && k->now_ms - g->looked_ms < LOOK_MS)
            again = LOOK_MS;
        else
            take_report(k, g);
    }
    return again;
}

void keeper_pass_targets(struct keeper *k)
{
    for (unsigned i = 0; i < k->count; i++)
        if (k->guest[i].adopted)
            keeper_pass(k, &k->guest[i]);
}

void keeper_tick(struct keeper *k)
{
    list_domains(k);
    keeper_look_at_host(k);
    keeper_pass_targets(k);
    for (unsigned i = 0; i < k->count; i++) {
        struct guest *g = &k->guest[i];

        if (g->speaks && g->adopted && k->now_ms - g->heard_ms > SILENT_MS)
            is_silent(k, g);
        /* What a guest takes counts as in use until somebody says something else: here that is we. */
        if (g->adopted && !g->heard_ms && g->now.state.have != g->unasked)
            (void)speak_unasked(k, g);
    }
    keeper_tell_changes(k);
    keeper_tick_room(k);
}

/* ---- begin and end ---- */

int keeper_start(struct keeper *k)
{
    struct lagan_pressure_host h = {0};
    uint64_t low;
    int rc = keeper_call(k, LAGAN_PRESSURE_get_host, &h, sizeof(h));

    if (rc < 0)
        return rc;
    /* A daemon that was killed may have left the watermark raised. */
    if (keeper_read_number(k, 0, "lagan/low", &low) == 0 && low <= h.total)
        h.low = low;
    h.low = k->config->low != UINT64_MAX ? k->config->low : h.low;
    h.min = k->config->min != UINT64_MAX ? k->config->min : h.min;
    h.min = h.min < h.low ? h.min : h.low;
    h.flags |= LAGAN_PRESSURE_POLICY;
    rc = keeper_call(k, LAGAN_PRESSURE_set_host, &h, sizeof(h));
    if (rc < 0)
        return rc;
    k->low = k->low_set = h.low;
    k->free = h;
    (void)store_watch(k->store, "@introduceDomain");
    (void)store_watch(k->store, "@releaseDomain");
    list_domains(k);
    return 0;
}

/* A domain that was ours owns as much as xl would let it. */
static void give_back(struct keeper *k, uint16_t domid)
{
    struct lagan_pressure_order none = {.domid = domid};
    uint64_t kib;

    if (keeper_read_number(k, domid, "lagan/target", &kib) < 0 ||
        keeper_read_number(k, domid, "memory/target", &kib) < 0)
        return;
    (void)keeper_call(k, LAGAN_PRESSURE_set_target, &none, sizeof(none));
    (void)host_set_max(k->host, domid, kib / KIB_A_PAGE + XL_SLACK);
}

void keeper_release(struct keeper *k)
{
    static struct host_domain list[HOST_DOMAINS_MAX];
    struct lagan_pressure_host h = {0};
    int count = host_domains(k->host, list, HOST_DOMAINS_MAX);
    uint64_t low;

    for (int i = 0; i < count; i++)
        if (!list[i].dying)
            give_back(k, list[i].domid);
    if (keeper_call(k, LAGAN_PRESSURE_get_host, &h, sizeof(h)) < 0)
        return;
    if (keeper_read_number(k, 0, "lagan/low", &low) == 0 && low <= h.total) {
        h.low = low;
        h.min = h.min < low ? h.min : low;
    }
    h.flags &= ~LAGAN_PRESSURE_POLICY;
    (void)keeper_call(k, LAGAN_PRESSURE_set_host, &h, sizeof(h));
}
