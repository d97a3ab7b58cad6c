/* SPDX-License-Identifier: MIT
 *
 * fileclient: reads a whole tree from the file server of another domain, through shared memory, and
 * compares what it read with the sums that the host has taken when the tree was made (the file SUMS
 * in it: lines of cksum(1)). Several reads are under way at a time, on two rings.
 *
 * server=ID: the server's domain. sums=CRC files=N bytes=N: of SUMS itself, and of the rest.
 * rounds=N: reads all so often. expect=crash: the server is to end without a word meanwhile, and
 * that is to be reported as an error. die-us=US: this domain crashes after so many microseconds.
 */
#include "fileclient/p9_client.h"
#include "kit/cksum.h"
#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "fileclient";

#define ROOT      1U
#define FILE_FID  2U
#define DIR_FID   3U
#define SUMS_MAX  65536U
#define WINDOW    (CLIENT_SLOTS - 1)
#define ENTRY_DIR 4U /* type of a directory's entry */

static struct p9_client client;
static uint8_t sums[SUMS_MAX];

struct result {
    uint32_t crc;
    uint64_t bytes;
};

/* ---- reading ---- */

/* The open file, WINDOW reads at a time; also into `keep` if that is not NULL. 0 or -XEN_E*. */
static int read_file(struct result *result, uint8_t *keep, uint64_t keep_max)
{
    uint32_t chunk = client.msize - P9_READ_HEAD, crc = 0;
    uint64_t asked = 0, at = 0;
    int slot[WINDOW], rc = 0;
    unsigned first = 0, waiting = 0, window = 1; /* grows: most files are small */
    bool ended = false;

    while (rc == 0 && (!ended || waiting > 0)) {
        const uint8_t *bytes;
        int64_t got;

        if (!ended && waiting < window) {
            int s = client_send_read(&client, P9_TREAD, FILE_FID, asked, chunk, waiting % 2);

            slot[(first + waiting) % WINDOW] = s;
            rc = s < 0 ? s : 0;
            asked += chunk;
            waiting++;
            continue;
        }
        got = client_wait_read(&client, slot[first], chunk, &bytes);
        first = (first + 1) % WINDOW;
        waiting--;
        if (got < 0) {
            return (int)got;
        }
        /* A short read is the last one with anything in it. */
        if (ended && got != 0) {
            return -XEN_EIO;
        }
        ended = ended || got < chunk;
        window = 2 * window < WINDOW ? 2 * window : WINDOW;
        crc = cksum_add(crc, bytes, (uint64_t)got);
        if (keep != NULL && at + (uint64_t)got <= keep_max) {
            memcpy(keep + at, bytes, (uint64_t)got);
        }
        at += (uint64_t)got;
    }
    *result = (struct result){.crc = cksum_end(crc, at), .bytes = at};
    return rc;
}

static int read_path(const char *path, struct result *result, uint8_t *keep, uint64_t keep_max)
{
    int rc = client_open(&client, ROOT, FILE_FID, path);

    if (rc == 0) {
        rc = read_file(result, keep, keep_max);
    }
    return rc != 0 ? rc : client_clunk(&client, FILE_FID);
}

/* Counts what is in a directory, and names its n-th subdirectory if there are so many. */
static int count_entries(const char *path, unsigned wanted, char name[256], uint64_t *files)
{
    uint64_t cookie = 0;
    unsigned dirs = 0;
    int rc = client_open(&client, ROOT, DIR_FID, path);

    name[0] = '\0';
    for (*files = 0; rc == 0;) {
        int slot = client_send_read(&client, P9_TREADDIR, DIR_FID, cookie, 2000, 1);
        const uint8_t *at;
        int64_t got = client_wait_read(&client, slot, 2000, &at);
        struct p9_in in = {.at = at, .left = got > 0 ? (uint32_t)got : 0};

        if (got <= 0) {
            rc = (int)got;
            break;
        }
        while (in.left > 0 && !in.bad) {
            const char *text;
            uint32_t length;
            unsigned type;

            (void)p9_get(&in, 5);
            (void)p9_get(&in, 8);
            cookie = p9_get(&in, 8);
            type = (unsigned)p9_get(&in, 1);
            text = p9_get_string(&in, &length);
            *files += type != ENTRY_DIR && !in.bad;
            if (type == ENTRY_DIR && length < 256 && text[0] != '.' && dirs++ == wanted) {
                memcpy(name, text, length);
                name[length] = '\0';
            }
        }
        rc = in.bad ? -XEN_EBADMSG : 0;
    }
    return rc != 0 ? rc : client_clunk(&client, DIR_FID);
}

/* ---- the tree ---- */

static uint64_t number(const char **at)
{
    uint64_t value = 0;

    while (**at >= '0' && **at <= '9') {
        value = value * 10 + (uint64_t)(*(*at)++ - '0');
    }
    *at += **at == ' ' ? 1 : 0;
    return value;
}

/* Every line of SUMS: "crc bytes path". The error of the connection, or 0 with what was wrong. */
static int read_tree(uint64_t *files, uint64_t *bytes, uint64_t *wrong)
{
    const char *at = (const char *)sums;

    for (*files = *bytes = *wrong = 0; *at != '\0'; ++*files) {
        uint32_t crc = (uint32_t)number(&at);
        uint64_t length = number(&at);
        struct result result;
        char path[256];
        unsigned i = 0;
        int rc;

        while (*at != '\n' && *at != '\0' && i < sizeof(path) - 1) {
            path[i++] = *at++;
        }
        path[i] = '\0';
        at += *at == '\n' ? 1 : 0;
        rc = read_path(path, &result, NULL, 0);
        if (rc != 0) {
            return rc;
        }
        *bytes += result.bytes;
        *wrong += result.crc != crc || result.bytes != length;
    }
    return 0;
}

static int list_tree(uint64_t *files)
{
    char name[256], none[256];
    uint64_t here;
    int rc = 0;

    *files = 0;
    for (unsigned i = 0; rc == 0; i++) {
        rc = count_entries("", i, name, &here);
        if (rc != 0 || name[0] == '\0') {
            *files += here;
            return rc;
        }
        rc = count_entries(name, ~0U, none, &here);
        *files += here;
    }
    return rc;
}

static int read_all(void)
{
    uint64_t files = 0, bytes = 0, wrong = 0, listed = 0, started = time_now();
    struct result result;
    int rc = read_path("SUMS", &result, sums, SUMS_MAX - 1);

    if (rc != 0) {
        return rc;
    }
    check_part(result.crc == args_number("sums", 0) && result.bytes < SUMS_MAX,
               "SUMS: %u, %lu bytes", result.crc, result.bytes);
    rc = read_tree(&files, &bytes, &wrong);
    if (rc == 0) {
        rc = list_tree(&listed);
    }
    if (rc != 0) {
        return rc;
    }
    check_part(wrong == 0, "%lu files differ", wrong);
    check_part(files == args_number("files", 0) && bytes == args_number("bytes", 0),
               "%lu files, %lu bytes", files, bytes);
    check_part(listed == files + 1, "%lu entries of directories", listed);
    kit_printf("(%lu bytes in %lu files, %lu messages so far, %lu ms)\n", bytes, files,
               client.messages, (time_now() - started) / MS);
    return 0;
}

static void check_refusals(void)
{
    struct p9_out out;
    struct p9_in in;

    check_result("no-such-file", client_open(&client, ROOT, FILE_FID, "nothing"), -XEN_ENOENT);
    client_begin(&out, P9_TMKDIR);
    p9_put(&out, 4, ROOT);
    p9_put_string(&out, "new", 3);
    p9_put(&out, 4, 0755);
    p9_put(&out, 4, 0);
    check_result("read-only", client_call(&client, &out, &in), -XEN_EROFS);
    client_begin(&out, P9_TCLUNK);
    p9_put(&out, 4, 99);
    check_result("no-such-fid", client_call(&client, &out, &in), -XEN_EBADF);
}

void guest_main(void)
{
    uint64_t rounds = args_number("rounds", 1), die = args_number("die-us", 0);
    int rc;

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    cksum_begin();
    check_result("setup", grant_begin(1), 0);
    check_result("offer", client_offer(&client, (uint16_t)args_number("server", 0)), 0);
    rc = client_start(&client, ROOT);
    if (die != 0) {
        link_die_in(die);
    }
    check_begin("read");
    for (uint64_t i = 0; rc == 0 && i < rounds; i++) {
        rc = read_all();
    }
    if (args_is("expect", "crash")) {
        check_end();
        check_result("server-gone", rc, -XEN_ESRCH);
        return;
    }
    check_part(rc == 0, "the connection: %d", rc);
    check_end();
    if (rc == 0) {
        check_refusals();
    }
    client_finish(&client);
}
