/* SPDX-License-Identifier: MIT
 *
 * The xenstore as a program in a Linux guest uses it: through /dev/xen/xenbus, which the kernel passes on. Two probes:
 * `domid` prints the domain's number, `store` tries every request that such a program makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "probe.h"

#define PAYLOAD_MAX 4096

static int bus = -1;
static char answer[PAYLOAD_MAX + 1]; /* ends with a NUL */
static uint32_t answer_bytes;
/* An event may come before the answer to a request: it waits here. */
static char event[PAYLOAD_MAX + 1];
static uint32_t event_bytes;

static bool read_all(void *to, size_t bytes)
{
    for (char *at = to; bytes > 0;) {
        ssize_t got = read(bus, at, bytes);

        if (got <= 0)
            return false;
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

/* The next message, an event into event and anything else into answer. Its type, or XS_INVALID. */
static uint32_t receive(void)
{
    struct xsd_sockmsg m;
    char *to = answer;

    if (!read_all(&m, sizeof(m)) || m.len > PAYLOAD_MAX)
        return XS_INVALID;
    if (m.type == XS_WATCH_EVENT) {
        expect(event_bytes == 0, "an event for %s, nobody waited for", event);
        event_bytes = m.len;
        to = event;
    } else {
        answer_bytes = m.len;
    }
    to[m.len] = '\0';
    return read_all(to, m.len) ? m.type : XS_INVALID;
}

/* Sends a request of `bytes` bytes and waits for the answer. 0, or the error by its number. */
static int ask(uint32_t type, uint32_t transaction, const void *text, size_t bytes)
{
    struct {
        struct xsd_sockmsg m;
        char text[256];
    } message = {.m = {.type = type, .tx_id = transaction, .len = (uint32_t)bytes}};
    ssize_t size = (ssize_t)(sizeof(message.m) + bytes);
    uint32_t got;

    memcpy(message.text, text, bytes);
    if (!expect(write(bus, &message, (size_t)size) == size, "write to the bus: %m"))
        return EIO;
    do
        got = receive();
    while (got == XS_WATCH_EVENT);
    if (got == type)
        return 0;
    expect(got == XS_ERROR, "request %u was answered by %u", type, got);
    for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
        if (strcmp(answer, xsd_errors[i].errstring) == 0)
            return xsd_errors[i].errnum;
    expect(false, "request %u: unknown error %s", type, answer);
    return EIO;
}

static int ask_text(uint32_t type, uint32_t transaction, const char *text)
{
    return ask(type, transaction, text, strlen(text) + 1);
}

static int put(uint32_t transaction, const char *path, const char *value)
{
    char text[256];
    int bytes = snprintf(text, sizeof(text), "%s%c%s", path, '\0', value);

    return ask(XS_WRITE, transaction, text, (size_t)bytes);
}

static void expect_value(uint32_t transaction, const char *path, const char *value)
{
    int error = ask_text(XS_READ, transaction, path);

    expect(!error && strcmp(answer, value) == 0, "%s is '%s' (error %d), not '%s'", path, answer,
           error, value);
}

static uint32_t begin(void)
{
    expect(ask_text(XS_TRANSACTION_START, 0, "") == 0, "no transaction: %s", answer);
    return (uint32_t)strtoul(answer, NULL, 10);
}

static void open_bus(void)
{
    bus = open("/dev/xen/xenbus", O_RDWR);
    if (bus < 0)
        skip("/dev/xen/xenbus: %m");
}

void probe_domid(void)
{
    open_bus();
    if (expect(ask_text(XS_READ, 0, "domid") == 0, "domid: %s", answer))
        puts(answer);
}

static void check_nodes(void)
{
    expect(put(0, "data/probe/a", "first") == 0, "write: %s", answer);
    expect(put(0, "data/probe/b", "") == 0, "write: %s", answer);
    expect_value(0, "data/probe/a", "first");
    expect_value(0, "data/probe/b", "");
    expect(ask_text(XS_DIRECTORY, 0, "data/probe") == 0 && answer_bytes == 4 &&
               memcmp(answer, "a\0b", 4) == 0,
           "the directory has %u bytes: %s", answer_bytes, answer);
    expect(ask_text(XS_READ, 0, "data/probe/c") == ENOENT, "what is not there: %s", answer);
    expect(put(0, "name", "other") == EACCES, "it may rename itself: %s", answer);
    expect(put(0, "/tool/mine", "x") == EACCES, "it may write anywhere: %s", answer);
    expect(ask_text(XS_READ, 0, "a//b") == EINVAL, "a bad path: %s", answer);
}

static void check_transactions(void)
{
    uint32_t t = begin();

    expect(put(t, "data/probe/a", "second") == 0, "write: %s", answer);
    expect_value(t, "data/probe/a", "second");
    expect_value(0, "data/probe/a", "first");
    expect(ask_text(XS_TRANSACTION_END, t, "T") == 0, "commit: %s", answer);
    expect_value(0, "data/probe/a", "second");
    t = begin();
    expect(put(t, "data/probe/a", "third") == 0, "write: %s", answer);
    expect(ask_text(XS_TRANSACTION_END, t, "F") == 0, "abandon: %s", answer);
    expect_value(0, "data/probe/a", "second");
}

static void expect_event(const char *path_and_token, size_t bytes)
{
    if (event_bytes == 0)
        receive();
    expect(event_bytes == bytes && memcmp(event, path_and_token, bytes) == 0,
           "an event for %s (%u bytes), not for %s", event, event_bytes, path_and_token);
    event_bytes = 0;
}

/* A watch fires when it is set, then for each change below its path. */
static void check_watches(void)
{
    static const char set[] = "data/probe\0token", changed[] = "data/probe/a\0token";

    expect(ask(XS_WATCH, 0, set, sizeof(set)) == 0, "watch: %s", answer);
    expect_event(set, sizeof(set));
    expect(put(0, "data/probe/a", "fourth") == 0, "write: %s", answer);
    expect_event(changed, sizeof(changed));
    expect(ask(XS_UNWATCH, 0, set, sizeof(set)) == 0, "unwatch: %s", answer);
}

void probe_store(void)
{
    open_bus();
    for (unsigned round = 0; round < probe_rounds; round++) {
        check_nodes();
        check_transactions();
        check_watches();
        expect(ask_text(XS_RM, 0, "data/probe") == 0, "remove: %s", answer);
        expect(ask_text(XS_DIRECTORY, 0, "data/probe") == ENOENT, "it is still there");
    }
}
