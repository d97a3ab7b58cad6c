/* SPDX-License-Identifier: MIT
 *
 * The files of public collections. Numbers that cannot be make a line no line; a request of absurd length is
 * cut.
 */
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lru.h"

#define PAGE        4096U
#define REQUEST_MAX 4096U /* pages */

void trace_add(struct trace *t, uint64_t page, bool write)
{
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 4096;
        t->ref = realloc(t->ref, t->room * sizeof(*t->ref));
        if (!t->ref)
            abort();
    }
    t->ref[t->count++] = (struct ref){page, write};
    t->reads += !write;
}

void trace_finish(struct trace *t)
{
    struct lru seen;

    lru_init(&seen, (uint32_t)t->count);
    for (size_t i = 0; i < t->count; i++) {
        if (!lru_find(&seen, t->ref[i].page))
            (void)lru_add(&seen, t->ref[i].page);
    }
    t->pages = seen.count;
    lru_fini(&seen);
}

void trace_free(struct trace *t)
{
    free(t->ref);
    *t = (struct trace){.ref = NULL};
}

enum trace_format trace_format_of(const char *name)
{
    static const char *const names[] = {"oracle", "csv", "msr", "alibaba", "tencent"};
    unsigned f = 0;

    while (f < TRACE_FORMATS && strcmp(name, names[f]) != 0)
        f++;
    return (enum trace_format)f;
}

static void add_bytes(struct trace *t, uint64_t disk, uint64_t offset, uint64_t size, bool write)
{
    uint64_t first = offset / PAGE, last = size > 0 ? (offset + size - 1) / PAGE : first;

    for (uint64_t p = first; p <= last && p - first < REQUEST_MAX; p++)
        trace_add(t, disk << 48 ^ p, write);
}

enum { FIELDS = 8 };

/* Cuts a line at its commas; returns how many fields there are. */
static unsigned cut(char *line, char *field[FIELDS])
{
    unsigned n = 0;

    for (char *at = line; at && n < FIELDS; n++) {
        field[n] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = 0;
    }
    return n;
}

static bool number(const char *text, uint64_t *n)
{
    char *end;

    while (*text == ' ' || *text == '"')
        text++;
    *n = strtoull(text, &end, 10);
    return end != text && *text >= '0' && *text <= '9';
}

static bool is_write(const char *text)
{
    while (*text == ' ' || *text == '"')
        text++;
    return *text == 'W' || *text == 'w' || strncmp(text, "set", 3) == 0;
}

bool trace_line(struct trace *t, const char *text, enum trace_format format)
{
    char line[256], *f[FIELDS];
    uint64_t a, b, disk;
    unsigned n;

    snprintf(line, sizeof(line), "%s", text);
    n = cut(line, f);
    switch (format) {
    case TRACE_CSV:
        if (n < 2 || !number(f[0], &a) || !number(f[1], &b))
            return false;
        trace_add(t, b, n > 3 && is_write(f[3]));
        return true;
    case TRACE_MSR:
        if (n < 6 || !number(f[2], &disk) || !number(f[4], &a) || !number(f[5], &b))
            return false;
        add_bytes(t, disk, a, b, is_write(f[3]));
        return true;
    case TRACE_ALIBABA:
        if (n < 5 || !number(f[0], &disk) || !number(f[2], &a) || !number(f[3], &b))
            return false;
        add_bytes(t, disk, a, b, is_write(f[1]));
        return true;
    case TRACE_TENCENT:
        if (n < 5 || !number(f[4], &disk) || !number(f[1], &a) || !number(f[2], &b))
            return false;
        add_bytes(t, disk, a * 512, b * 512, f[3][0] == '1');
        return true;
    case TRACE_ORACLE:
    case TRACE_FORMATS:
        break;
    }
    return false;
}

static bool read_oracle(struct trace *t, FILE *file, size_t most)
{
    unsigned char record[24];

    while (t->count < most && fread(record, sizeof(record), 1, file) == 1) {
        uint64_t object = 0;

        for (unsigned i = 8; i-- > 0;)
            object = object << 8 | record[4 + i];
        trace_add(t, object, false);
    }
    return t->count > 0;
}

bool trace_read(struct trace *t, const char *path, enum trace_format format, size_t most)
{
    FILE *file = fopen(path, format == TRACE_ORACLE ? "rb" : "r");
    char line[256];
    bool good = false;

    if (!file) {
        perror(path);
        return false;
    }
    if (format == TRACE_ORACLE) {
        good = read_oracle(t, file, most);
    } else {
        while (t->count < most && fgets(line, sizeof(line), file)) {
            good |= trace_line(t, line, format); /* the headline is none */
            while (!strchr(line, '\n') && fgets(line, sizeof(line), file))
                ; /* what is behind is of no interest */
        }
    }
    fclose(file);
    if (!good)
        fprintf(stderr, "%s: nothing in it that could be read\n", path);
    else
        trace_finish(t);
    return good;
}
