/* SPDX-License-Identifier: MIT
 *
 * lagand: lets memory move between the domains of a Lagan host, from its control domain. Here are its descriptors and
 * its clock; what it does is the keeper's (keeper.c).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "tools/laganctl/daemon.h"

#include "control.h"
#include "keeper.h"
#include "metrics.h"

#define TICK_MS    1000
#define METRICS_MS 5000

enum { STORE, EVENTS, SIGNALS, CONTROL, FDS = CONTROL + CONTROL_FDS };

static struct {
    const char *file;
    bool to_syslog, release, check;
} option = {.file = "/etc/lagan/lagand.conf"};

static struct config config;
static struct keeper keeper;
static struct control control;

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (option.to_syslog) {
        vsyslog(LOG_INFO, format, args);
    } else {
        vprintf(format, args);
        putchar('\n');
        (void)fflush(stdout);
    }
    va_end(args);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what it begins with ---- */

static void read_config(void)
{
    FILE *file;
    char why[160];

    config_begin(&config);
    file = fopen(option.file, "re");
    if (!file && errno == ENOENT)
        return;
    if (!file)
        err(1, "%s", option.file);
    if (config_read(&config, file, why, sizeof(why)))
        errx(1, "%s: %s", option.file, why);
    fclose(file);
}

/* One daemon at a time. The lock ends with the process, however it ends. */
static void lock_out_others(void)
{
    int fd;

    if (mkdir(DAEMON_DIRECTORY, 0700) && errno != EEXIST)
        err(1, "%s", DAEMON_DIRECTORY);
    fd = open(DAEMON_DIRECTORY "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        err(1, "%s", DAEMON_DIRECTORY "/lock");
    if (flock(fd, LOCK_EX | LOCK_NB))
        errx(1, "another lagand runs already");
}

static void open_host(void)
{
    int rc = host_open(&keeper.host);

    if (rc == -ENOENT || rc == -ENOSYS) {
        say("%s: nothing to do", rc == -ENOENT ? "this is not the control domain of a Xen host"
                                               : "the hypervisor of this host is not Lagan");
        exit(0);
    }
    if (rc)
        errx(1, "the hypervisor: %s", strerror(-rc));
    rc = store_open(&keeper.store);
    if (rc)
        errx(1, "the xenstore: %s", strerror(-rc));
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

/* Without it, what happens is seen once a second. */
static xenevtchn_handle *open_events(void)
{
    xenevtchn_handle *events = xenevtchn_open(NULL, 0);

    if (!events)
        err(1, "/dev/xen/evtchn");
    if (xenevtchn_bind_virq(events, LAGAN_VIRQ_PRESSURE) < 0)
        warn("the hypervisor's event of memory pressure");
    return events;
}

/* ---- what it does ---- */

static void take_store_events(void)
{
    char path[STORE_PATH_MAX];
    int rc;

    while ((rc = store_event(keeper.store, path, sizeof(path))) == 1)
        keeper_event(&keeper, path);
    if (rc < 0)
        errx(1, "the xenstore does not answer any more: %s", strerror(-rc));
}

static void take_hypervisor_events(xenevtchn_handle *events)
{
    xenevtchn_port_or_error_t port = xenevtchn_pending(events);

    if (port < 0)
        return;
    (void)xenevtchn_unmask(events, (evtchn_port_t)port);
    keeper_pass_targets(&keeper);
}

static void write_metrics(void)
{
    static bool told;
    static uint64_t due;
    int rc;

    if (!config.metrics[0] || keeper.now_ms < due)
        return;
    due = keeper.now_ms + METRICS_MS;
    rc = metrics_file(&keeper, config.metrics);
    /* Who has no node exporter has no directory either. */
    if (rc && rc != -ENOENT && !told) {
        say("%s: %s", config.metrics, strerror(-rc));
        told = true;
    }
}

static void tick(void)
{
    keeper_tick(&keeper);
    control_room(&control, &keeper);
    write_metrics();
}

/* Until it is told to end. */
static void run(xenevtchn_handle *events, int signals)
{
    struct pollfd fds[FDS] = {{.fd = store_descriptor(keeper.store), .events = POLLIN},
                              {.fd = xenevtchn_fd(events), .events = POLLIN},
                              {.fd = signals, .events = POLLIN}};
    uint64_t due = 0;
    int wait = 0;

    while (!fds[SIGNALS].revents) {
        control_poll(&control, fds + CONTROL);
        if (poll(fds, FDS, wait) < 0 && errno != EINTR)
            err(1, "poll");
        keeper.now_ms = now_ms();
        if (fds[STORE].revents)
            take_store_events();
        if (fds[EVENTS].revents)
            take_hypervisor_events(events);
        control_serve(&control, fds + CONTROL, &keeper);
        wait = keeper_work(&keeper);
        if (keeper.now_ms >= due) {
            tick();
            due = keeper.now_ms + TICK_MS;
        }
        if (wait < 0 || (uint64_t)wait > due - keeper.now_ms)
            wait = (int)(due - keeper.now_ms);
    }
}

/* 2: it was not called as it should be. */
static void options(int argc, char **argv)
{
    int o;

    while ((o = getopt(argc, argv, "c:rst")) != -1)
        switch (o) {
        case 'c':
            option.file = optarg;
            break;
        case 'r':
            option.release = true;
            break;
        case 's':
            option.to_syslog = true;
            break;
        case 't':
            option.check = true;
            break;
        default:
            optind = argc + 1;
        }
    if (optind == argc)
        return;
    fprintf(stderr, "usage: lagand [-rst] [-c FILE]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    xenevtchn_handle *events;
    int signals, rc;

    options(argc, argv);
    openlog("lagand", LOG_PID, LOG_DAEMON);
    read_config();
    if (option.check)
        return 0;
    open_host();
    lock_out_others();
    keeper.config = &config;
    keeper.now_ms = now_ms();
    if (option.release) {
        keeper_release(&keeper);
        return 0;
    }
    signals = open_signals();
    events = open_events();
    rc = control_open(&control, DAEMON_SOCKET);
    if (rc)
        errx(1, "%s: %s", DAEMON_SOCKET, strerror(-rc));
    rc = keeper_start(&keeper);
    if (rc)
        errx(1, "the hypervisor: %s", strerror(-rc));
    say("the policy is on");
    run(events, signals);
    keeper_release(&keeper);
    say("the policy is off, and memory is as xl sets it");
    (void)unlink(DAEMON_SOCKET);
    return 0;
}
