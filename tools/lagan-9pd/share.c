/* SPDX-License-Identifier: MIT
 *
 * The states of both ends, as every Xen device has them:
 *
 *   this end                  the front end
 *   InitWait (offered)        Initialising
 *                             Initialised: rings and ports are written
 *   Connected                 Connected
 *   Closing, or Closed        Closed
 *
 * After a crash of this program the nodes are still there, and the front end is connected: its rings are
 * mapped again. What a client then asks with fids of before is refused, so that nobody waits for
 * ever; a new mount begins a new session.
 *
 * What the front end writes is hostile: it is text of any length, read once and checked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xenbus.h>

#include "share.h"

#define FIRST_DEVICE 64U /* xl counts from 0 */
#define LAST_DEVICE  319U
#define TEXT_MAX     256U

#define say(share, format, ...)                                            \
    (void)fprintf(stderr, "%s for %s: " format "\n", (share)->options.tag, \
                  (share)->options.domain, __VA_ARGS__)

/* ---- the store ---- */

/* A node's text, or false if there is none or it is too long. */
static bool read_text(struct xs_handle *store, xs_transaction_t tx, const char *dir,
                      const char *name, char *to, size_t size)
{
    char path[TEXT_MAX];
    unsigned length = 0;
    char *text;
    bool good;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    text = xs_read(store, tx, path, &length);
    good = text != NULL && length < size;
    if (good) {
        memcpy(to, text, length);
        to[length] = 0;
    }
    free(text);
    return good;
}

static bool read_number(const struct share *s, const char *dir, const char *name, uint32_t *to)
{
    char text[16], *end;
    unsigned long value;

    if (!read_text(s->store, XBT_NULL, dir, name, text, sizeof(text)) || *text < '0' ||
        *text > '9') {
        return false;
    }
    value = strtoul(text, &end, 10);
    *to = (uint32_t)value;
    return *end == 0 && value <= UINT32_MAX;
}

static bool write_text(struct share *s, xs_transaction_t tx, const char *dir, const char *name,
                       const char *text)
{
    char path[TEXT_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return xs_write(s->store, tx, path, text, (unsigned)strlen(text));
}

static bool write_number(struct share *s, xs_transaction_t tx, const char *dir, const char *name,
                         unsigned value)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", value);
    return write_text(s, tx, dir, name, text);
}

static void set_state(struct share *s, enum xenbus_state state)
{
    uint32_t now = 0;

    if (!read_number(s, s->back, "state", &now) || now != (uint32_t)state) {
        (void)write_number(s, XBT_NULL, s->back, "state", (unsigned)state);
    }
}

/* ---- the device comes ---- */

/* The domain's number by its name, or by its number. */
static bool find_domain(struct share *s, unsigned *domid)
{
    unsigned count = 0;
    char **entries = xs_directory(s->store, XBT_NULL, "/local/domain", &count);
    bool found = false;

    for (unsigned i = 0; i < count && !found; i++) {
        char dir[TEXT_MAX], name[TEXT_MAX];

        (void)snprintf(dir, sizeof(dir), "/local/domain/%.16s", entries[i]);
        *domid = (unsigned)strtoul(entries[i], NULL, 10);
        found = *domid != s->self && *domid < 0x7ff0 &&
                (strcmp(entries[i], s->options.domain) == 0 ||
                 (read_text(s->store, XBT_NULL, dir, "name", name, sizeof(name)) &&
                  strcmp(name, s->options.domain) == 0));
    }
    free(entries);
    return found && xs_is_domain_introduced(s->store, *domid);
}

static void name_paths(struct share *s, unsigned device)
{
    s->device = device;
    (void)snprintf(s->front, sizeof(s->front), "/local/domain/%u/device/9pfs/%u", s->domid, device);
    (void)snprintf(s->back, sizeof(s->back), "/local/domain/%u/backend/lagan-9pfs/%u/%u", s->self,
                   s->domid, device);
}

static bool is_there(struct share *s, xs_transaction_t tx, const char *dir)
{
    unsigned length;
    char *text = xs_read(s->store, tx, dir, &length);

    free(text);
    return text != NULL;
}

/* Nodes that one owns and the other may read. */
static bool make_directory(struct share *s, xs_transaction_t tx, const char *dir, unsigned owner,
                           unsigned reader)
{
    struct xs_permissions perms[2] = {{.id = owner, .perms = XS_PERM_NONE},
                                      {.id = reader, .perms = XS_PERM_READ}};

    return xs_mkdir(s->store, tx, dir) && xs_set_permissions(s->store, tx, dir, perms, 2);
}

static bool write_nodes(struct share *s, xs_transaction_t tx)
{
    return make_directory(s, tx, s->back, s->self, s->domid) &&
           write_text(s, tx, s->back, "frontend", s->front) &&
           write_number(s, tx, s->back, "frontend-id", s->domid) &&
           write_text(s, tx, s->back, "online", "1") &&
           write_text(s, tx, s->back, "tag", s->options.tag) &&
           write_text(s, tx, s->back, "path", s->options.path) &&
           write_text(s, tx, s->back, "versions", "1") &&
           write_number(s, tx, s->back, "max-rings", RINGS_MAX) &&
           write_number(s, tx, s->back, "max-ring-page-order", PFS_ORDER_MAX) &&
           write_number(s, tx, s->back, "state", XenbusStateInitWait) &&
           make_directory(s, tx, s->front, s->domid, s->self) &&
           write_text(s, tx, s->front, "backend", s->back) &&
           write_number(s, tx, s->front, "backend-id", s->self) &&
           write_text(s, tx, s->front, "tag", s->options.tag) &&
           write_number(s, tx, s->front, "state", XenbusStateInitialising);
}

/* In one transaction, since the guest's kernel looks at once. */
static bool write_device(struct share *s)
{
    for (unsigned tries = 0; tries < 16; tries++) {
        xs_transaction_t tx = xs_transaction_start(s->store);
        unsigned device = FIRST_DEVICE;
        bool written;

        do {
            name_paths(s, device);
        } while (is_there(s, tx, s->front) && ++device <= LAST_DEVICE);
        written = device <= LAST_DEVICE && write_nodes(s, tx);
        if (xs_transaction_end(s->store, tx, !written)) {
            return written;
        }
        if (errno != EAGAIN) {
            return false;
        }
    }
    return false;
}

/* Of an earlier run that has not ended in peace. */
static bool find_device(struct share *s)
{
    char dir[TEXT_MAX], tag[TEXT_MAX];
    unsigned count = 0;
    char **entries;
    bool found = false;

    (void)snprintf(dir, sizeof(dir), "/local/domain/%u/backend/lagan-9pfs/%u", s->self, s->domid);
    entries = xs_directory(s->store, XBT_NULL, dir, &count);
    for (unsigned i = 0; i < count && !found; i++) {
        name_paths(s, (unsigned)strtoul(entries[i], NULL, 10));
        found = read_text(s->store, XBT_NULL, s->back, "tag", tag, sizeof(tag)) &&
                strcmp(tag, s->options.tag) == 0;
    }
    free(entries);
    return found && is_there(s, XBT_NULL, s->front);
}

static void offer(struct share *s)
{
    char path[TEXT_MAX];
    int rc;

    s->tree = (struct host_tree){.nodes_max = 2 * FIDS,
                                 .squash = s->options.squash,
                                 .devices = s->options.devices,
                                 .uid = s->options.uid,
                                 .gid = s->options.gid};
    rc = host_tree_begin(&s->tree, s->options.path);
    if (rc != 0) {
        say(s, "%s: %s", s->options.path, strerror(-rc));
        return;
    }
    if (!find_device(s) && !write_device(s)) {
        say(s, "the xenstore refuses a device for domain %u: %s", s->domid, strerror(errno));
        host_tree_end(&s->tree);
        return;
    }
    s->failed = false;
    s->phase = SHARE_OFFERED;
    (void)snprintf(path, sizeof(path), "%s/state", s->front);
    (void)xs_watch(s->store, path, s->token);
    say(s, "offered to domain %u as device/9pfs/%u: %s", s->domid, s->device, s->options.path);
}

/* ---- the front end comes and goes ---- */

static bool read_front(const struct share *s, struct front *front)
{
    char name[32], version[8];
    uint32_t rings;

    if (!read_text(s->store, XBT_NULL, s->front, "version", version, sizeof(version)) ||
        strcmp(version, "1") != 0 || !read_number(s, s->front, "num-rings", &rings) || rings == 0 ||
        rings > RINGS_MAX) {
        return false;
    }
    front->domid = (uint16_t)s->domid;
    front->rings = rings;
    for (unsigned i = 0; i < rings; i++) {
        (void)snprintf(name, sizeof(name), "ring-ref%u", i);
        if (!read_number(s, s->front, name, &front->ring[i].ref)) {
            return false;
        }
        (void)snprintf(name, sizeof(name), "event-channel-%u", i);
        if (!read_number(s, s->front, name, &front->ring[i].port)) {
            return false;
        }
    }
    return true;
}

static void note_broken(void *arg)
{
    static const uint64_t one = 1;
    struct share *s = arg;

    atomic_store(&s->broken, true);
    (void)!write(s->wake, &one, sizeof(one));
}

static void connect_front(struct share *s)
{
    struct connection_options options = {.read_only = s->options.read_only,
                                         .as_user = s->options.squash,
                                         .spin_us = s->options.spin_us,
                                         .broken = note_broken,
                                         .arg = s};
    struct front front;

    atomic_store(&s->broken, false);
    if (!read_front(s, &front)) {
        say(s, "what domain %u offers is not understood", s->domid);
    } else {
        s->connection = connection_open(&front, &s->tree, &options);
        if (s->connection == NULL) {
            say(s, "the rings of domain %u cannot be had: %s", s->domid, strerror(errno));
        }
    }
    s->failed = s->connection == NULL;
    set_state(s, s->failed ? XenbusStateClosing : XenbusStateConnected);
    if (!s->failed) {
        say(s, "domain %u is connected, %u rings", s->domid, front.rings);
    }
}

static void disconnect(struct share *s)
{
    if (s->connection != NULL) {
        connection_close(s->connection);
        s->connection = NULL;
        say(s, "domain %u is no longer connected", s->domid);
    }
}

/* The directory above, with the last device of a domain. */
static void remove_empty(struct share *s)
{
    char path[TEXT_MAX];
    unsigned count = 1;
    char **entries;

    (void)snprintf(path, sizeof(path), "/local/domain/%u/backend/lagan-9pfs/%u", s->self, s->domid);
    entries = xs_directory(s->store, XBT_NULL, path, &count);
    if (entries != NULL && count == 0) {
        (void)xs_rm(s->store, XBT_NULL, path);
    }
    free(entries);
}

/* The domain is gone, or somebody has taken the device away. */
static void forget(struct share *s)
{
    char path[TEXT_MAX];

    disconnect(s);
    (void)snprintf(path, sizeof(path), "%s/state", s->front);
    (void)xs_unwatch(s->store, path, s->token);
    (void)xs_rm(s->store, XBT_NULL, s->back);
    remove_empty(s);
    host_tree_end(&s->tree);
    s->phase = SHARE_ABSENT;
}

static void follow_front(struct share *s)
{
    uint32_t state;

    if (atomic_exchange(&s->broken, false) && s->connection != NULL) {
        say(s, "domain %u has broken the protocol", s->domid);
        disconnect(s);
        s->failed = true;
        set_state(s, XenbusStateClosing);
    }
    if (!read_number(s, s->front, "state", &state)) {
        say(s, "domain %u is gone", s->domid);
        forget(s);
        return;
    }
    switch (state) {
    case XenbusStateInitialising:
        disconnect(s);
        s->failed = false;
        set_state(s, XenbusStateInitWait);
        break;
    case XenbusStateInitialised:
    case XenbusStateConnected:
        if (s->connection == NULL && !s->failed) {
            connect_front(s);
        }
        break;
    case XenbusStateClosing:
    case XenbusStateClosed:
        disconnect(s);
        set_state(s, XenbusStateClosed);
        break;
    default:
        break;
    }
}

void share_step(struct share *s)
{
    if (s->phase == SHARE_OFFERED) {
        follow_front(s);
    }
    if (s->phase == SHARE_ABSENT && find_domain(s, &s->domid)) {
        offer(s);
        if (s->phase == SHARE_OFFERED) {
            follow_front(s);
        }
    }
}

/* ---- the end ---- */

void share_withdraw(struct share *s)
{
    if (s->phase == SHARE_OFFERED) {
        if (s->connection != NULL) {
            connection_refuse(s->connection);
        }
        set_state(s, XenbusStateClosing);
    }
}

bool share_is_withdrawn(struct share *s)
{
    uint32_t state;

    return s->phase == SHARE_ABSENT || !read_number(s, s->front, "state", &state) ||
           state == XenbusStateClosed || state == XenbusStateInitialising;
}

void share_end(struct share *s)
{
    if (s->phase == SHARE_OFFERED) {
        (void)xs_rm(s->store, XBT_NULL, s->front);
        forget(s);
    }
}
