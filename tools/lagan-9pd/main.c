/* SPDX-License-Identifier: MIT
 *
 * lagan-9pd: serves directories of this host to guests, which mount them by 9p over shared memory. One
 * thread looks after the xenstore; each ring of each guest has one more.
 *
 * It needs a Xen of any make: nothing in it is Lagan's own.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "share.h"

#define EXIT_USAGE  2
#define EXIT_NO_XEN 3
#define FILE_MAX    65536U
#define PATIENCE_MS 50
#define WITHDRAW_MS 3000
#define ROUNDS      (WITHDRAW_MS / PATIENCE_MS)

static struct share_options options[SHARES_MAX];
static struct share shares[SHARES_MAX];
static unsigned share_count;

/* ---- what is to be done ---- */

static void usage(FILE *to)
{
    (void)fputs("usage: lagan-9pd --domain NAME --tag TAG --path DIRECTORY [--read-only]\n"
                "                 [--user NAME] [--devices] [--spin MICROSECONDS]\n"
                "       lagan-9pd --config FILE [--check]\n",
                to);
}

static int fail(int status, const char *what, const char *why)
{
    (void)fprintf(stderr, "lagan-9pd: %s%s%s\n", what, why != NULL ? ": " : "",
                  why != NULL ? why : "");
    return status;
}

static int read_config(const char *name)
{
    static char text[FILE_MAX + 1];
    char why[128];
    FILE *file = fopen(name, "re");
    size_t length;
    int count;

    if (file == NULL) {
        return fail(EXIT_USAGE, name, strerror(errno));
    }
    length = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    if (length > FILE_MAX || memchr(text, 0, length) != NULL) {
        return fail(EXIT_USAGE, name, "too long, or no text");
    }
    text[length] = 0;
    count = share_options_read(text, options, SHARES_MAX, why, sizeof(why));
    if (count < 0) {
        return fail(EXIT_USAGE, name, why);
    }
    share_count = (unsigned)count;
    return count == 0 ? fail(EXIT_USAGE, name, "names no share") : 0;
}

/* 0, the exit status of what is wrong, or -1: nothing more is to be done. */
static int read_arguments(int argc, char **argv)
{
    static const struct option known[] = {{"domain", required_argument, NULL, 0},
                                          {"tag", required_argument, NULL, 0},
                                          {"path", required_argument, NULL, 0},
                                          {"user", required_argument, NULL, 0},
                                          {"spin", required_argument, NULL, 0},
                                          {"read-only", no_argument, NULL, 0},
                                          {"devices", no_argument, NULL, 0},
                                          {"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, 'k'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *config = NULL, *error = NULL;
    bool check = false;
    int which, status = 0, letter;

    share_options_begin(&options[0]);
    while (error == NULL && (letter = getopt_long(argc, argv, "h", known, &which)) != -1) {
        switch (letter) {
        case 0:
            error = share_option(&options[0], known[which].name, optarg);
            break;
        case 'c':
            config = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'h':
            usage(stdout);
            return -1;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (config != NULL && error == NULL) {
        status = read_config(config);
    } else {
        error = error != NULL ? error : share_options_check(&options[0]);
        share_count = 1;
    }
    if (error != NULL || optind != argc) {
        return fail(EXIT_USAGE, error != NULL ? error : "a word too many", NULL);
    }
    return status == 0 && check ? -1 : status;
}

/* ---- doing it ---- */

static void step_all(void)
{
    for (unsigned i = 0; i < share_count; i++) {
        share_step(&shares[i]);
    }
}

/* One event of the store's: a share's own, or one of all domains. */
static void take_event(struct xs_handle *store)
{
    char **event;

    while ((event = xs_check_watch(store)) != NULL) {
        const char *token = event[XS_WATCH_TOKEN];
        unsigned long number = *token == 's' ? strtoul(token + 1, NULL, 10) : share_count;

        if (number < share_count) {
            share_step(&shares[number]);
        } else {
            step_all();
        }
        free(event);
    }
}

static void withdraw_all(void)
{
    bool all = false;

    for (unsigned i = 0; i < share_count; i++) {
        share_withdraw(&shares[i]);
    }
    for (unsigned round = 0; round < ROUNDS && !all; round++) {
        all = true;
        for (unsigned i = 0; i < share_count; i++) {
            all = all && share_is_withdrawn(&shares[i]);
        }
        (void)poll(NULL, 0, all ? 0 : PATIENCE_MS);
    }
    for (unsigned i = 0; i < share_count; i++) {
        share_end(&shares[i]);
    }
}

static void serve(struct xs_handle *store, int signals, int wake)
{
    struct pollfd fds[] = {{.fd = xs_fileno(store), .events = POLLIN},
                           {.fd = wake, .events = POLLIN},
                           {.fd = signals, .events = POLLIN}};
    uint64_t count;

    while (fds[2].revents == 0) {
        take_event(store);
        (void)poll(fds, 3, -1);
        if ((fds[1].revents & POLLIN) != 0) {
            (void)!read(wake, &count, sizeof(count));
            step_all();
        }
    }
}

static int begin(struct xs_handle **store, int *signals, int *wake)
{
    struct rlimit files;
    sigset_t ends;
    unsigned length, self;
    char *text;

    (void)umask(0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    *signals = signalfd(-1, &ends, SFD_CLOEXEC);
    *wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (access("/dev/xen/evtchn", R_OK | W_OK) != 0 ||
        access("/dev/xen/gntdev", R_OK | W_OK) != 0) {
        return fail(EXIT_NO_XEN,
                    "no /dev/xen/evtchn and gntdev here (modules xen-evtchn, xen-gntdev)",
                    strerror(errno));
    }
    *store = xs_open(0);
    text = *store == NULL ? NULL : xs_read(*store, XBT_NULL, "domid", &length);
    if (text == NULL) {
        return fail(EXIT_NO_XEN, "no xenstore here", NULL);
    }
    self = (unsigned)strtoul(text, NULL, 10);
    free(text);
    for (unsigned i = 0; i < share_count; i++) {
        shares[i].options = options[i];
        shares[i].store = *store;
        shares[i].self = self;
        shares[i].wake = *wake;
        (void)snprintf(shares[i].token, sizeof(shares[i].token), "s%u", i);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct xs_handle *store = NULL;
    int status = read_arguments(argc, argv), signals = -1, wake = -1;

    if (status != 0) {
        return status < 0 ? 0 : status;
    }
    status = begin(&store, &signals, &wake);
    if (status != 0) {
        return status;
    }
    /* Both fire once at the start. */
    if (!xs_watch(store, "@introduceDomain", "domains") ||
        !xs_watch(store, "@releaseDomain", "domains")) {
        return fail(EXIT_NO_XEN, "the xenstore tells nothing of domains", strerror(errno));
    }
    serve(store, signals, wake);
    withdraw_all();
    xs_close(store);
    return 0;
}
