/* SPDX-License-Identifier: MIT
 *
 * lagan-publish: serves images as volumes of the unified buffer cache.
 *
 *     lagan-publish [-d DIRECTORY]
 *
 * Each file of the directory describes a volume (source.h). laganctl writes and removes them; what changes there is
 * noticed at once. Readers' misses stand in the hypervisor: it tells this program that there are some
 * (LAGAN_VIRQ_UBC), which asks what they are, and brings them (serve.h). Nothing is kept here that matters: who is
 * killed and started again asks for all that was not answered.
 *
 * What a guest can do is to ask for blocks. At most LAGAN_UBC's number of wants of each volume are there at a time, and
 * are served in their order, a few of each volume in turn.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "tools/laganctl/host.h"
#include "serve.h"

enum { VOLUMES = 64, RETRY_MS = 50, TEXT = 4096 };

struct volume {
    char name[SOURCE_NAME_MAX + 1]; /* "": none */
    struct served served;
    bool listed; /* its file is there */
};

static struct volume volumes[VOLUMES];
static struct serve_exchange *x;
static struct host *host;
static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

/* ---- serving ---- */

/* The volume has ended, or has another generation. */
static void leave(struct volume *v)
{
    source_close(&v->served.source);
    *v = (struct volume){.name = ""};
}

/* All that is asked for, a few blocks of each volume in turn. */
static void serve_all(void)
{
    bool more;

    for (unsigned i = 0; i < VOLUMES; i++)
        serve_begin(&volumes[i].served);
    do {
        more = false;
        for (unsigned i = 0; i < VOLUMES; i++) {
            int rc = volumes[i].name[0] ? serve_turn(host, x, &volumes[i].served) : 0;

            if (rc == -ENXIO)
                leave(&volumes[i]);
            more |= rc > 0;
        }
    } while (more && !ending);
}

/* ---- which volumes ---- */

/* The volume of that name is there, and this domain may publish it. */
static int take(struct volume *v)
{
    struct lagan_ubc_allow allow;
    struct lagan_ubc_create create;
    struct lagan_ubc_open io = {0};
    struct served *s = &v->served;
    int rc;

    (void)!source_id(v->name, io.id);
    rc = host_ubc_call(host, LAGAN_UBC_open, 0, &io, sizeof(io));
    if (rc == -ENOENT) {
        source_create(&s->source, io.id, &create);
        rc = host_ubc_call(host, LAGAN_UBC_create, 0, &create, sizeof(create));
        if (rc == 0)
            rc = host_ubc_call(host, LAGAN_UBC_open, 0, &io, sizeof(io));
    }
    if (rc < 0)
        return rc;
    if (io.blocks != s->source.blocks)
        return -ESTALE;
    s->handle = io.volume;
    s->epoch = io.epoch;
    s->again = true;
    source_allow(&allow);
    return host_ubc_call(host, LAGAN_UBC_allow, s->handle, &allow, sizeof(allow));
}

static int read_text(int dir, const char *name, char text[TEXT])
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = read(fd, text, TEXT - 1);
    close(fd);
    if (got < 0 || got == TEXT - 1)
        return got < 0 ? -errno : -EFBIG;
    text[got] = '\0';
    return 0;
}

static void begin(int dir, const char *name)
{
    struct volume *v = NULL;
    char text[TEXT];
    uint8_t id[16];
    int rc;

    if (source_id(name, id))
        return;
    for (unsigned i = 0; i < VOLUMES; i++) {
        if (!strcmp(volumes[i].name, name)) {
            volumes[i].listed = true;
            return;
        }
        if (!volumes[i].name[0] && !v)
            v = &volumes[i];
    }
    if (!v) {
        warnx("%s: there are too many volumes", name);
        return;
    }
    rc = read_text(dir, name, text);
    if (!rc)
        rc = source_parse(text, &v->served.source);
    if (!rc)
        rc = source_open(&v->served.source);
    if (!rc) {
        strcpy(v->name, name);
        v->served.name = v->name;
        v->listed = true;
        rc = take(v);
    }
    if (rc) {
        warnx("%s: %s", name, rc == -ESTALE ? "the volume has another size" : strerror(-rc));
        if (v->name[0])
            leave(v);
    }
}

static void look_at_directory(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;

    if (!dir)
        return;
    for (unsigned i = 0; i < VOLUMES; i++)
        volumes[i].listed = false;
    while ((e = readdir(dir)) != NULL)
        begin(dirfd(dir), e->d_name);
    closedir(dir);
    for (unsigned i = 0; i < VOLUMES; i++)
        if (volumes[i].name[0] && !volumes[i].listed)
            leave(&volumes[i]);
}

/* ---- events ---- */

static bool is_late(void)
{
    for (unsigned i = 0; i < VOLUMES; i++)
        if (volumes[i].served.again)
            return true;
    return false;
}

static void drain(int fd)
{
    char skipped[4096];

    while (read(fd, skipped, sizeof(skipped)) > 0)
        ;
}

static void run(xenevtchn_handle *events, int watch, const char *directory)
{
    struct pollfd fds[] = {{.fd = xenevtchn_fd(events), .events = POLLIN},
                           {.fd = watch, .events = POLLIN}};

    while (!ending) {
        int port;

        serve_all();
        if (poll(fds, 2, is_late() ? RETRY_MS : -1) < 0)
            continue;
        if (fds[0].revents & POLLIN && (port = xenevtchn_pending(events)) >= 0)
            (void)xenevtchn_unmask(events, (evtchn_port_t)port);
        if (fds[1].revents & POLLIN) {
            drain(watch);
            look_at_directory(directory);
        }
    }
}

static void say_why(int rc)
{
    if (rc == -ENOENT)
        errx(3, "this is not Xen, or not the control domain");
    if (rc == -ENOSYS)
        errx(3, "the hypervisor is not Lagan");
    errx(1, "the hypervisor cannot be asked: %s", strerror(-rc));
}

int main(int argc, char **argv)
{
    const char *directory = SOURCE_DIR;
    struct sigaction end = {.sa_handler = on_signal};
    xenevtchn_handle *events;
    int rc, watch, option;

    while ((option = getopt(argc, argv, "d:")) != -1) {
        if (option != 'd')
            return 2;
        directory = optarg;
    }
    if (optind != argc)
        return 2;
    rc = host_open(&host);
    if (rc)
        say_why(rc);
    x = host_buffer(host, sizeof(*x));
    events = xenevtchn_open(NULL, 0);
    if (!x || !events)
        err(1, "no memory, or no event channels");
    if (xenevtchn_bind_virq(events, LAGAN_VIRQ_UBC) < 0)
        err(1, "the event cannot be bound: does another one run?");
    watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch < 0 ||
        inotify_add_watch(watch, directory,
                          IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM) < 0)
        err(1, "%s", directory);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    look_at_directory(directory);
    run(events, watch, directory);
    xenevtchn_close(events);
    host_close(host);
    return 0;
}
