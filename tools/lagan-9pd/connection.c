/* SPDX-License-Identifier: MIT
 *
 * From what a front end offers to threads that serve it, and back. All that it says is looked at once.
 *
 * A thread sleeps in a call of the kernel's. To end it, a signal is sent until it has ended, since one
 * alone may come just before the call.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"

#define WAKE_SIGNAL SIGUSR2

/* ---- the session's guard ---- */

static struct connection *of_guard(struct p9_guard *guard)
{
    return (struct connection *)(void *)((char *)guard - offsetof(struct connection, guard));
}

static void guard_enter(struct p9_guard *guard)
{
    (void)pthread_mutex_lock(&of_guard(guard)->mutex);
}

static void guard_leave(struct p9_guard *guard)
{
    (void)pthread_mutex_unlock(&of_guard(guard)->mutex);
}

static void guard_wait(struct p9_guard *guard)
{
    (void)pthread_cond_wait(&of_guard(guard)->changed, &of_guard(guard)->mutex);
}

static void guard_wake(struct p9_guard *guard)
{
    (void)pthread_cond_broadcast(&of_guard(guard)->changed);
}

/* ---- threads ---- */

/* This thread alone: the C library's functions would change all. */
static bool become(uid_t uid, gid_t gid)
{
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, gid, gid, gid) == 0 &&
           syscall(SYS_setresuid, uid, uid, uid) == 0;
}

static void *run(void *arg)
{
    struct lane *lane = arg;
    struct connection *c = lane->connection;

    if (c->options.as_user && !become(c->tree->uid, c->tree->gid)) {
        connection_refuse(c);
    }
    lane_serve(lane);
    return NULL;
}

static void nothing(int number)
{
    (void)number;
}

static void stop_lane(struct lane *lane)
{
    struct timespec end;

    while (lane->running) {
        (void)pthread_kill(lane->thread, WAKE_SIGNAL);
        (void)clock_gettime(CLOCK_REALTIME, &end);
        end.tv_nsec += 2000000;
        end.tv_sec += end.tv_nsec / 1000000000;
        end.tv_nsec %= 1000000000;
        lane->running = pthread_timedjoin_np(lane->thread, NULL, &end) != 0;
    }
}

/* ---- rings ---- */

static int open_lane(struct lane *lane, uint16_t domid, uint32_t ref, uint32_t port)
{
    uint32_t refs[PFS_REFS_MAX];
    unsigned order;
    int rc = xendev_open_mapper(&lane->dev);

    if (rc != 0) {
        return rc;
    }
    lane->opened = true;
    rc = xendev_map(&lane->dev, domid, 1, &ref, &lane->page, &lane->page_handle);
    if (rc != 0) {
        lane->page = NULL;
        return rc;
    }
    rc = pfs_look(lane->page, &order, refs);
    if (rc != 0) {
        return rc;
    }
    lane->data_pages = 1U << order;
    rc = xendev_map(&lane->dev, domid, lane->data_pages, refs, &lane->data, &lane->data_handle);
    if (rc != 0) {
        lane->data = NULL;
        return rc;
    }
    pfs_accept(&lane->ring, lane->page, order, lane->data);
    atomic_init(&lane->taken, lane->ring.in.own);
    atomic_init(&lane->given, lane->ring.out.own);
    rc = xendev_bind_port(&lane->dev, domid, port);
    lane->port = rc > 0 ? (uint32_t)rc : 0;
    return rc > 0 ? 0 : rc < 0 ? rc : -EINVAL;
}

static void close_lane(struct lane *lane)
{
    if (lane->port != 0) {
        xendev_unbind_port(&lane->dev, lane->port);
    }
    if (lane->data != NULL) {
        xendev_unmap(&lane->dev, false, lane->data_handle, lane->data, lane->data_pages);
    }
    if (lane->page != NULL) {
        xendev_unmap(&lane->dev, false, lane->page_handle, lane->page, 1);
    }
    if (lane->opened) {
        xendev_close(&lane->dev);
    }
}

/* The session's messages have to fit into the smallest ring. */
static void begin_session(struct connection *c)
{
    struct p9_session *session = &c->session;

    session->fs = &host_tree_fs;
    session->tree = c->tree;
    session->guard = &c->guard;
    session->fid_max = FIDS;
    session->msize_max = MSIZE_MAX;
    session->read_only = c->options.read_only;
    for (unsigned i = 0; i < c->lanes; i++) {
        if (session->msize_max > c->lane[i].ring.in.size) {
            session->msize_max = c->lane[i].ring.in.size;
        }
    }
    p9_session_begin(session);
}

static int start(struct connection *c, const struct front *front)
{
    struct sigaction wake = {.sa_handler = nothing};
    int rc = 0;

    for (unsigned i = 0; i < front->rings && rc == 0; i++) {
        c->lane[i].connection = c;
        c->lanes = i + 1;
        rc = open_lane(&c->lane[i], front->domid, front->ring[i].ref, front->ring[i].port);
    }
    if (rc != 0) {
        return rc;
    }
    begin_session(c);
    (void)sigaction(WAKE_SIGNAL, &wake, NULL);
    for (unsigned i = 0; i < c->lanes && rc == 0; i++) {
        rc = -pthread_create(&c->lane[i].thread, NULL, run, &c->lane[i]);
        c->lane[i].running = rc == 0;
    }
    return rc;
}

struct connection *connection_open(const struct front *front, struct host_tree *tree,
                                   const struct connection_options *options)
{
    struct connection *c = calloc(1, sizeof(*c));
    struct p9_fid *fids = calloc(FIDS, sizeof(*fids));
    int rc;

    if (c == NULL || fids == NULL) {
        free(c);
        free(fids);
        errno = ENOMEM;
        return NULL;
    }
    c->options = *options;
    c->tree = tree;
    c->session.fid = fids;
    c->session.fs = &host_tree_fs;
    c->guard = (struct p9_guard){guard_enter, guard_leave, guard_wait, guard_wake};
    (void)pthread_mutex_init(&c->mutex, NULL);
    (void)pthread_cond_init(&c->changed, NULL);
    rc = start(c, front);
    if (rc != 0) {
        connection_close(c);
        errno = -rc;
        return NULL;
    }
    return c;
}

void connection_refuse(struct connection *c)
{
    atomic_store(&c->refuse, true);
}

void connection_close(struct connection *c)
{
    atomic_store(&c->stop, true);
    /* Each may look at the others' rings until it has ended. */
    for (unsigned i = 0; i < c->lanes; i++) {
        stop_lane(&c->lane[i]);
    }
    for (unsigned i = 0; i < c->lanes; i++) {
        close_lane(&c->lane[i]);
    }
    if (c->session.guard != NULL) {
        c->tree->ending = true;
        p9_session_end(&c->session);
        c->tree->ending = false;
    }
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c->session.fid);
    free(c);
}
