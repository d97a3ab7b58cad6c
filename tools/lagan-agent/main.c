/* SPDX-License-Identifier: MIT
 *
 * lagan-agent: tells the host what this Linux guest needs of its memory, and makes room when less is to be used. It wakes
 * up once a second, more often while there is little left, and at once
 *
 *   - when something has waited for memory (a trigger of the kernel's PSI),
 *   - when the hypervisor rings (VIRQ 22), since it wants memory for somebody and decides by what is said now,
 *   - when memory/target has changed. The balloon driver follows that by itself, but takes only what is free at the
 *     moment and then waits: so the agent has the kernel reclaim first (memory.reclaim of the root cgroup).
 *
 * All goes through the store: a program of a guest may not make hypercalls.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "tools/lagand/report.h"
#include "tools/lagand/store.h"

#include "figures.h"
#include "nudge.h"

#define SOON_MS      250   /* between two reports */
#define SAME_MS      10000 /* the same is said again, to show that somebody is there */
#define RECLAIM_MOST 1024  /* pages at a time */
#define TRIGGER      "some 100000 1000000" /* of a second, so many us of waiting */
#define BALLOON      "/sys/devices/system/xen_memory/xen_memory0/"

enum { STORE, EVENTS, PRESSURE, SIGNALS, FDS };

static struct {
    const char *reclaim; /* the file */
    bool verbose;
} option = {.reclaim = "/sys/fs/cgroup/memory.reclaim"};

static struct store *store;
static struct figures now, before;
static struct lagan_pressure_need said;
static uint64_t now_ms, before_ms, said_ms;
static uint64_t target = UINT64_MAX; /* in pages, as the store has it */
static struct nudge nudge;

static uint64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A file of the kernel's, as text; "" if it cannot be read. */
static const char *read_text(const char *path)
{
    static char text[32768];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = 1;

    while (fd >= 0 && got > 0 && used < sizeof(text) - 1) {
        got = read(fd, text + used, sizeof(text) - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        (void)close(fd);
    text[used] = '\0';
    return text;
}

/* ---- what the kernel says ---- */

static int look(void)
{
    struct figures f = {0};

    now_ms = clock_ms();
    f.have = strtoull(read_text(BALLOON "info/current_kb"), NULL, 10) / 4;
    if (!f.have || figures_meminfo(&f, read_text("/proc/meminfo")) ||
        figures_vmstat(&f, read_text("/proc/vmstat")))
        return -EINVAL;
    (void)figures_pressure(&f, read_text("/proc/pressure/memory")); /* psi=0: nothing is known */
    now = f;
    return 0;
}

static void report(bool at_once)
{
    struct lagan_pressure_need need;
    char text[REPORT_SIZE];

    figures_growth(&before, &now, now_ms - before_ms);
    figures_need(&before, &now, now_ms - before_ms, &need);
    if (said_ms && now_ms - said_ms < SOON_MS)
        return;
    if (said_ms && !at_once && !figures_news(&said, &need) && now_ms - said_ms < SAME_MS)
        return;
    report_print(text, &need, now.have);
    if (store_write(store, REPORT_NODE, text))
        return;
    if (option.verbose)
        printf("%s\n", text);
    said = need;
    said_ms = now_ms;
    before = now;
    before_ms = now_ms;
}

/* ---- room ---- */

static void read_target(void)
{
    char text[24];

    target = store_read(store, "memory/target", text, sizeof(text)) > 0
                 ? strtoull(text, NULL, 10) / 4
                 : UINT64_MAX;
}

static bool write_number(const char *path, uint64_t number)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char text[24];
    bool done;

    if (fd < 0)
        return false;
    snprintf(text, sizeof(text), "%" PRIu64, number);
    done = write(fd, text, strlen(text)) > 0;
    (void)close(fd);
    return done;
}

/* The kernel says -EAGAIN when it has found less than that. */
static bool reclaim(uint64_t pages)
{
    return write_number(option.reclaim, pages * 4096);
}

/* In portions, since the balloon driver takes what is free meanwhile, and the target may change. */
static void make_room(void)
{
    uint64_t missing;

    while (look() == 0 && (missing = figures_missing(&now, target)) > 0) {
        if (!reclaim(missing < RECLAIM_MOST ? missing : RECLAIM_MOST))
            return;
        read_target();
    }
}

/* The driver has the same target from the store; where it has stopped, it is made to try again. */
static void keep_going(void)
{
    uint64_t pages = nudge_target(&nudge, now_ms, now.have, target);

    if (pages)
        (void)write_number(BALLOON "target_kb", pages * 4);
}

/* ---- what it begins with ---- */

/* Elsewhere there is nobody who would listen. */
static void check_host(void)
{
    const char *end;
    size_t length;

    if (strncmp(read_text("/sys/hypervisor/type"), "xen", 3) != 0) {
        puts("lagan-agent: this is not a guest of Xen's or Lagan's: nothing to do");
        exit(0);
    }
    end = read_text("/sys/hypervisor/version/extra");
    length = strcspn(end, "\n");
    if (length < 6 || strncmp(end + length - 6, "-lagan", 6) != 0) {
        puts("lagan-agent: the hypervisor is Xen, and not Lagan: nothing to do");
        exit(0);
    }
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Without it, waiting is seen at the next look. */
static int open_trigger(void)
{
    int fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && write(fd, TRIGGER, sizeof(TRIGGER)) < 0) {
        (void)close(fd);
        fd = -1;
    }
    if (fd < 0)
        puts("lagan-agent: no trigger for memory pressure (is psi=0 set?)");
    return fd;
}

/* In a control domain the doorbell is lagand's. */
static xenevtchn_handle *open_doorbell(void)
{
    xenevtchn_handle *events = xenevtchn_open(NULL, 0);

    if (events && xenevtchn_bind_virq(events, LAGAN_VIRQ_PRESSURE) < 0) {
        xenevtchn_close(events);
        events = NULL;
    }
    if (!events)
        puts("lagan-agent: no doorbell (is xen-evtchn loaded?); the store tells soon enough");
    return events;
}

/* ---- what it does ---- */

static void take_store_events(void)
{
    char path[STORE_PATH_MAX];
    int rc;

    while ((rc = store_event(store, path, sizeof(path))) == 1)
        read_target();
    if (rc < 0)
        errx(1, "the xenstore does not answer any more: %s", strerror(-rc));
}

static bool take_ring(xenevtchn_handle *events)
{
    xenevtchn_port_or_error_t port = xenevtchn_pending(events);

    return port >= 0 && xenevtchn_unmask(events, (evtchn_port_t)port) == 0;
}

static void run(xenevtchn_handle *events, int trigger, int signals)
{
    struct pollfd fds[FDS] = {{.fd = store_descriptor(store), .events = POLLIN},
                              {.fd = events ? xenevtchn_fd(events) : -1, .events = POLLIN},
                              {.fd = trigger, .events = POLLPRI},
                              {.fd = signals, .events = POLLIN}};

    while (!fds[SIGNALS].revents) {
        bool at_once;

        if (poll(fds, FDS, (int)figures_pause_ms(&now)) < 0 && errno != EINTR)
            err(1, "poll");
        at_once = fds[PRESSURE].revents & POLLPRI;
        if (fds[PRESSURE].revents & POLLERR)
            fds[PRESSURE].fd = -1;
        if (fds[EVENTS].revents)
            at_once |= take_ring(events);
        take_store_events();
        if (look() == 0)
            report(at_once);
        if (now.have > target)
            make_room();
        keep_going();
    }
}

/* 2: it was not called as it should be. */
static void options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "g:v")) != -1)
        switch (o) {
        case 'g':
            option.reclaim = optarg;
            break;
        case 'v':
            option.verbose = true;
            break;
        default:
            optind = argc + 1;
        }
    if (optind == argc)
        return;
    fprintf(stderr, "usage: lagan-agent [-v] [-g FILE]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    xenevtchn_handle *events;
    int trigger, signals, rc;

    setvbuf(stdout, NULL, _IOLBF, 0);
    options(argc, argv);
    check_host();
    rc = store_open(&store);
    if (rc)
        errx(1, "the xenstore: %s", strerror(-rc));
    if (look())
        errx(1, "this kernel does not say what memory it has (is xen-balloon in it?)");
    before = now;
    before_ms = now_ms;
    signals = open_signals();
    trigger = open_trigger();
    events = open_doorbell();
    rc = store_watch(store, "memory/target");
    if (rc)
        errx(1, "the xenstore: %s", strerror(-rc));
    run(events, trigger, signals);
    (void)store_remove(store, REPORT_NODE);
    return 0;
}
