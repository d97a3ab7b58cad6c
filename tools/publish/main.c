/* SPDX-License-Identifier: MIT
 *
 * lagan-publish: serves images as volumes of the unified buffer cache.
 *
 *     lagan-publish [-d DIRECTORY]
 *
 * Each file of the directory describes a volume (source.h). laganctl writes and removes them; what changes there is
 * noticed at once. Readers' misses stand in the hypervisor: it tells this program that there are some
 * (LAGAN_VIRQ_UBC), which asks what they are, reads those blocks and what follows and is not in the cache either, and inserts
 * them. Nothing is kept here that matters: who is killed and started again asks for all that was not answered.
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
#include "source.h"

enum {
    VOLUMES = 64,
    AHEAD = 32, /* blocks that are read at once */
    TURN = 8,   /* wants of a volume that are served before the next one's */
    RETRY_MS = 50,
    TEXT = 4096
};

struct volume {
    char name[SOURCE_NAME_MAX + 1]; /* "": none */
    struct source source;
    uint64_t handle, epoch;
    bool again, listed; /* what was given out is to be asked for again; its file is there */
};

/* What the hypervisor reads and writes: host_buffer(). */
struct exchange {
    uint8_t data[AHEAD][LAGAN_UBC_BLOCK_BYTES];
    struct lagan_ubc_insert insert[AHEAD];
    struct lagan_ubc_map look[AHEAD];
    struct lagan_ubc_want want[TURN];
};

static struct volume volumes[VOLUMES];
static struct exchange *x;
static struct host *host;
static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

/* ---- serving ---- */

static void refuse(struct volume *v, uint64_t block)
{
    x->want[0] = (struct lagan_ubc_want){.block = block};
    (void)!host_ubc_list(host, LAGAN_UBC_refuse, v->handle, x->want, 1, 0);
}

/* How many of the blocks from `first` on are missing, up to the first that is there. */
static unsigned missing_from(struct volume *v, uint64_t first)
{
    unsigned count = 0, n = 0;

    for (; count < AHEAD && first + count < v->source.blocks; count++)
        x->look[count] = (struct lagan_ubc_map){.block = first + count, .flags = LAGAN_UBC_LOOK};
    if (host_ubc_list(host, LAGAN_UBC_map, v->handle, x->look, count, 0))
        return 0;
    while (n < count && x->look[n].status == -ENOENT)
        n++;
    return n;
}

/* The blocks of the tree that vouch for this one, from the top. */
static int bring_tree(struct volume *v, uint64_t block)
{
    for (unsigned level = source_levels(v->source.blocks); level-- > 0;) {
        uint64_t n = block >> (7 * (level + 1));
        int rc = source_read_tree(&v->source, level, n, x->data[0]);

        if (rc)
            return rc;
        x->insert[0] = (struct lagan_ubc_insert){.block = n,
                                                 .address = (uintptr_t)x->data[0],
                                                 .level = (uint8_t)level,
                                                 .flags = LAGAN_UBC_HASH};
        rc = host_ubc_list(host, LAGAN_UBC_insert, v->handle, x->insert, 1, v->epoch);
        if (rc || x->insert[0].status)
            return rc ? rc : x->insert[0].status;
    }
    return 0;
}

/* The status of the first. */
static int insert(struct volume *v, uint64_t first, unsigned count)
{
    int rc;

    for (unsigned i = 0; i < count; i++)
        x->insert[i] =
            (struct lagan_ubc_insert){.block = first + i, .address = (uintptr_t)x->data[i]};
    rc = host_ubc_list(host, LAGAN_UBC_insert, v->handle, x->insert, count, v->epoch);
    return rc ? rc : x->insert[0].status;
}

/*
 * Read into memory of this program's own: what host_buffer() gives is mapped as a device's, into which the kernel does not
 * read past its page cache (-EFAULT, on any file system that really does so).
 */
static int read_and_insert(struct volume *v, uint64_t block, unsigned count)
{
    static _Alignas(LAGAN_UBC_BLOCK_BYTES) uint8_t blocks[AHEAD][LAGAN_UBC_BLOCK_BYTES];
    int rc = source_read(&v->source, block, count, blocks);

    if (rc && count > 1)
        rc = source_read(&v->source, block, count = 1, blocks);
    if (rc)
        return rc;
    memcpy(x->data, blocks, (size_t)count * LAGAN_UBC_BLOCK_BYTES);
    return insert(v, block, count);
}

/* False: it is to be asked for again, later. */
static bool bring(struct volume *v, uint64_t block)
{
    unsigned count = missing_from(v, block);
    int rc = count ? read_and_insert(v, block, count) : 0;

    if (rc == -ENODATA && !(rc = bring_tree(v, block)))
        rc = read_and_insert(v, block, count);
    switch (rc) {
    case 0:
    case -EEXIST:
        return true;
    case -EAGAIN: /* it is wanted back just now */
    case -ENOMEM: /* the host has none to spare */
    case -ENODATA:
        return false;
    default:
        warnx("%s: block %llu: %s", v->name, (unsigned long long)block,
              rc == -EILSEQ ? "not what the tree says" : strerror(-rc));
        refuse(v, block);
        return true;
    }
}

/* The volume has ended, or has another generation. */
static void leave(struct volume *v)
{
    source_close(&v->source);
    *v = (struct volume){.name = ""};
}

/* A turn; true: there may be more. */
static bool serve(struct volume *v)
{
    uint64_t block[TURN];
    unsigned count = 0;
    int rc;

    for (unsigned i = 0; i < TURN; i++)
        x->want[i] = (struct lagan_ubc_want){.flags = i == 0 && v->again ? LAGAN_UBC_AGAIN : 0};
    rc = host_ubc_list(host, LAGAN_UBC_wanted, v->handle, x->want, TURN, 0);
    if (rc == -ENXIO) {
        leave(v);
        return false;
    }
    if (rc) {
        warnx("%s: %s", v->name, strerror(-rc));
        return false;
    }
    v->again = false;
    while (count < TURN && x->want[count].status == 0) {
        block[count] = x->want[count].block;
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        v->again |= !bring(v, block[i]);
    return count == TURN;
}

static void serve_all(void)
{
    bool more;

    do {
        more = false;
        for (unsigned i = 0; i < VOLUMES; i++)
            if (volumes[i].name[0])
                more |= serve(&volumes[i]);
    } while (more && !ending);
}

/* ---- which volumes ---- */

/* The volume of that name is there, and this domain may publish it. */
static int take(struct volume *v)
{
    struct lagan_ubc_allow allow = {.domid = 0x7ff0, .rights = LAGAN_UBC_READ | LAGAN_UBC_PUBLISH};
    struct lagan_ubc_create create;
    struct lagan_ubc_open io = {0};
    int rc;

    (void)!source_id(v->name, io.id);
    rc = host_ubc_call(host, LAGAN_UBC_open, 0, &io, sizeof(io));
    if (rc == -ENOENT) {
        source_create(&v->source, io.id, &create);
        rc = host_ubc_call(host, LAGAN_UBC_create, 0, &create, sizeof(create));
        if (rc == 0)
            rc = host_ubc_call(host, LAGAN_UBC_open, 0, &io, sizeof(io));
    }
    if (rc < 0)
        return rc;
    if (io.blocks != v->source.blocks)
        return -ESTALE;
    v->handle = io.volume;
    v->epoch = io.epoch;
    v->again = true;
    return host_ubc_call(host, LAGAN_UBC_allow, v->handle, &allow, sizeof(allow));
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
        rc = source_parse(text, &v->source);
    if (!rc)
        rc = source_open(&v->source);
    if (!rc) {
        strcpy(v->name, name);
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
        if (volumes[i].again)
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
