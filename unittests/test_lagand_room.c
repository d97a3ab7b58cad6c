/* SPDX-License-Identifier: MIT
 *
 * The host as a whole: decisions and their lines, watermarks, room for a domain that is to come, the socket, and
 * Prometheus' file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lagand_world.h"
#include "tools/lagand/control.h"
#include "tools/lagand/metrics.h"

static struct lagan_pressure_host *host(void)
{
    return &fake_host.pressure_host;
}

static void start(void)
{
    world_start();
    world_report(3, "1 51200 20480 10240 0 0");
    world_report(5, "1 51200 20480 10240 0 0");
    world_quiet();
}

static void end(void)
{
    host_close(keeper.host);
    store_close(keeper.store);
    fake_host.opened = 0;
}

/* ---- decisions ---- */

static void set_goal(unsigned index, uint64_t mib)
{
    fake_host.pressure[index].goal = mib * MIB;
}

static void decisions(void)
{
    start();
    fake_host.pressure[DB].active = 200 * MIB;
    fake_host.pressure[WEB].active = 600 * MIB;
    fake_host.pressure[WEB].cache_need = 128 * MIB;
    fake_host.cache[WEB].domid = 3;
    fake_host.cache[WEB].pages = 100 * MIB;
    fake_host.curve = (struct lagan_pcache_curve){.domid = 3,
                                                  .points = 2,
                                                  .gets = 10000,
                                                  .window_ns = 10000000000,
                                                  .point = {{100 * MIB, 8000}, {228 * MIB, 7590}}};
    set_goal(WEB, 640);
    set_goal(DB, 384);
    world_tick();
    CU_ASSERT_TRUE(world_said("web: 512 -> 640 MiB: its cache's curve says that 128 MiB more save "
                              "41 reads/s; taken from db (idle)"));
    CU_ASSERT_TRUE(world_said("db: 512 -> 384 MiB: for web; it has 312 MiB idle"));
    CU_ASSERT_EQUAL(line_count, 2);
    set_goal(WEB, 642); /* too little to speak of, until it adds up */
    world_tick();
    set_goal(WEB, 645);
    world_tick();
    CU_ASSERT_EQUAL(line_count, 2);
    set_goal(WEB, 661);
    world_tick();
    CU_ASSERT_TRUE(world_said("web: 640 -> 661 MiB"));
    CU_ASSERT_TRUE(world_said("; from free memory"));
    CU_ASSERT_EQUAL(keeper.decisions, 3);
    end();
}

static void low_memory(void)
{
    start();
    host()->free = 60 * MIB;
    world_tick();
    CU_ASSERT_TRUE(world_said("the host is low: 60 MiB are free, fewer than 64"));
    world_tick();
    host()->free = 66 * MIB; /* hardly more */
    world_tick();
    CU_ASSERT_EQUAL(line_count, 1);
    host()->free = 80 * MIB;
    world_tick();
    CU_ASSERT_TRUE(world_said("the host is not low any more"));
    host()->low = 100 * MIB; /* laganctl mem watermarks */
    world_tick();
    CU_ASSERT_TRUE(world_said("the watermark is 100 MiB from now on"));
    end();
}

static void watermarks_by_config(void)
{
    world_start();
    end();
    config.low = 20 * MIB;
    world_restart();
    CU_ASSERT(host()->low == 20 * MIB && host()->min == 20 * MIB);
    end();
}

/* ---- room ---- */

static void room(void)
{
    start();
    host()->free = 100 * MIB;
    keeper_want_room(&keeper, 256 * MIB, 60000);
    CU_ASSERT_EQUAL(host()->low, 320 * MIB);
    CU_ASSERT_EQUAL(keeper_room(&keeper), ROOM_WAIT);
    CU_ASSERT_STRING_EQUAL(world_node(0, "lagan/low"), "16384");
    host()->free = 320 * MIB;
    host()->claimed = 1;
    world_tick();
    CU_ASSERT_EQUAL(keeper_room(&keeper), ROOM_WAIT);
    host()->claimed = 0;
    world_tick();
    CU_ASSERT_EQUAL(keeper_room(&keeper), ROOM_YES);
    CU_ASSERT_FALSE(world_said("the host is low")); /* room is no shortage */
    /* xl makes it, and its memory is taken bit by bit. */
    world_domain(3, 9, "new", 56 * MIB, 256 * MIB);
    host()->free = 264 * MIB;
    world_tick();
    CU_ASSERT_EQUAL(host()->low, 264 * MIB);
    CU_ASSERT_EQUAL(keeper_room(&keeper), ROOM_YES);
    fake_host.pressure[3].state.have = 251 * MIB;
    world_tick();
    CU_ASSERT_EQUAL(host()->low, 69 * MIB);
    fake_host.pressure[3].state.have = 252 * MIB; /* the rest xl wanted for itself */
    host()->free = 68 * MIB;
    world_tick();
    CU_ASSERT_EQUAL(host()->low, 64 * MIB);
    CU_ASSERT_TRUE(world_said("room for 256 MiB: a new domain has it"));
    CU_ASSERT_STRING_EQUAL(world_node(0, "lagan/low"), "");
    end();
}

static void no_room(void)
{
    start();
    host()->free = 100 * MIB;
    host()->shortage = 7;
    keeper_want_room(&keeper, 256 * MIB, 60000);
    for (unsigned i = 0; i < 4; i++) {
        world_tick();
        CU_ASSERT_EQUAL(keeper_room(&keeper), ROOM_WAIT);
    }
    world_tick();
    CU_ASSERT_EQUAL(keeper_room(&keeper), ROOM_NO);
    CU_ASSERT_EQUAL(host()->low, 64 * MIB);
    CU_ASSERT_TRUE(world_said("others would be driven below their floors"));
    /* Nobody comes. */
    host()->shortage = 0;
    keeper_want_room(&keeper, 16 * MIB, 3000);
    world_tick();
    world_tick();
    CU_ASSERT_EQUAL(host()->low, 80 * MIB);
    world_tick();
    CU_ASSERT_EQUAL(host()->low, 64 * MIB);
    CU_ASSERT_TRUE(world_said("nobody has come for it in time"));
    /* Killed with the watermark raised. */
    keeper_want_room(&keeper, 16 * MIB, 3000);
    end();
    world_restart();
    CU_ASSERT_EQUAL(host()->low, 64 * MIB);
    keeper_want_room(&keeper, 16 * MIB, 3000);
    keeper_release(&keeper);
    CU_ASSERT_EQUAL(host()->low, 64 * MIB);
    end();
}

/* ---- the socket ---- */

static char socket_path[64];
static struct control control;

static int call(const char *request)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    return fd;
}

static void serve(void)
{
    struct pollfd fds[CONTROL_FDS];

    for (unsigned i = 0; i < 3; i++) {
        control_poll(&control, fds);
        (void)poll(fds, CONTROL_FDS, 0);
        control_serve(&control, fds, &keeper);
    }
}

/* "": none, and it has hung up; NULL: nothing yet. */
static const char *answer(int fd)
{
    static char text[128];
    ssize_t got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return NULL;
    text[got > 0 ? got : 0] = '\0';
    close(fd);
    return text;
}

static const char *ask(const char *request)
{
    int fd = call(request);
    const char *text;

    serve();
    text = answer(fd);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    return text;
}

static void requests(void)
{
    char directory[] = "/tmp/lagandXXXXXX";
    struct stat st;
    int first, second, many[CONTROL_CLIENTS + 1];

    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
    CU_ASSERT_EQUAL_FATAL(control_open(&control, socket_path), 0);
    CU_ASSERT_EQUAL(stat(socket_path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_STRING_EQUAL(ask("auto 3\n"), "yes\n");
    CU_ASSERT_STRING_EQUAL(ask("adopt 99\n"), "no: there is no such domain\n");
    CU_ASSERT_STRING_EQUAL(ask("adopt 99999\n"), "no: the daemon does not know that request\n");
    CU_ASSERT_STRING_EQUAL(ask("room 0 1\n"), "no: the host has not so much\n");
    CU_ASSERT_STRING_EQUAL(ask("room 99999999 1\n"), "no: the host has not so much\n");
    CU_ASSERT_STRING_EQUAL(ask("dance\n"), "no: the daemon does not know that request\n");
    CU_ASSERT_STRING_EQUAL(ask("room 1 1 1\n"), "no: the daemon does not know that request\n");
    CU_ASSERT_STRING_EQUAL(ask("room 256 60\n"), "yes: it is free\n");
    host()->free = 0;
    first = call("room 25600 60\n");
    serve();
    CU_ASSERT_PTR_NULL(answer(first));
    second = call("room 2560 60\n");
    serve();
    CU_ASSERT_STRING_EQUAL(answer(first), "no: others have asked meanwhile\n");
    host()->free = 1000 * MIB;
    world_tick();
    control_room(&control, &keeper);
    CU_ASSERT_STRING_EQUAL(answer(second), "yes: it is free\n");
    /* Who goes away, says too much, or is one too many. */
    host()->free = 0;
    close(call("room 2560 60\n"));
    serve();
    CU_ASSERT_PTR_NULL(control.waits);
    CU_ASSERT_STRING_EQUAL(
        ask("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        "");
    for (unsigned i = 0; i <= CONTROL_CLIENTS; i++) {
        many[i] = call("ro");
        serve();
    }
    CU_ASSERT_STRING_EQUAL(answer(many[CONTROL_CLIENTS]), "");
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        close(many[i]);
    serve();
    CU_ASSERT_STRING_EQUAL(ask("auto 3\n"), "yes\n");
    close(control.listener);
    unlink(socket_path);
    rmdir(directory);
    end();
}

/* ---- Prometheus ---- */

static char text[65536];

static size_t read_whole(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n;

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    return n;
}

static void metrics(void)
{
    char directory[] = "/tmp/lagandXXXXXX", path[64];
    struct stat st;

    start();
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/lagan.prom", directory);
    CU_ASSERT_EQUAL_FATAL(metrics_file(&keeper, path), 0);
    CU_ASSERT(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
    (void)read_whole(path);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nlagan_daemon_reports_total 2\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nlagan_domain_managed{domid=\"3\",name=\"web\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "\nlagan_domain_managed{domid=\"0\",name=\"Domain-0\"} 0\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "\nlagan_domain_working_set_bytes{domid=\"3\",name=\"web\"} 209715200\n"));
    /* The old file stays if there is no new one. */
    fake_host.error = -EIO;
    CU_ASSERT_EQUAL(metrics_file(&keeper, path), -EIO);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(metrics_file(&keeper, "/nowhere/lagan.prom"), -ENOENT);
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(directory), 0); /* nothing else is left */
    end();
}

/* Each figure that the board asks for is one that there is. */
static void board(void)
{
    static char written[65536];
    FILE *to = fmemopen(written, sizeof(written), "w");
    unsigned found = 0;

    start();
    CU_ASSERT_EQUAL(metrics_write(&keeper, to), 0);
    fclose(to);
    (void)read_whole("tools/lagand/grafana.json");
    for (char *c = text; (c = strstr(c, "lagan_"));) {
        char name[80] = "\n";
        size_t length = strspn(c, "abcdefghijklmnopqrstuvwxyz0123456789_");

        memcpy(name + 1, c, length < 76 ? length : 76);
        c += length;
        found++;
        if (!strstr(written, strcat(name, "{")) &&
            !(name[strlen(name) - 1] = ' ', strstr(written, name))) {
            printf("no figure is called %s\n", name + 1);
            CU_FAIL("grafana.json names what is not there");
        }
    }
    CU_ASSERT(found >= 10);
    end();
}

static const struct test_case cases[] = {
    {"decisions", decisions},
    {"low memory", low_memory},
    {"watermarks by the file", watermarks_by_config},
    {"room", room},
    {"no room", no_room},
    {"requests", requests},
    {"figures for Prometheus", metrics},
    {"Grafana's board", board},
    {NULL, NULL},
};

const struct suite suite_lagand_room = {"lagand room", cases, NULL, NULL};
