/* SPDX-License-Identifier: MIT
 *
 * Traces of what a machine reads and writes, in pages of 4 KiB: from the files of public collections,
 * or made here from a seed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref {
    uint64_t page;
    bool write;
};

struct trace {
    struct ref *ref;
    size_t count, room;
    uint64_t pages; /* different ones: trace_finish() */
    size_t reads;
};

void trace_add(struct trace *t, uint64_t page, bool write);
/* Counts. */
void trace_finish(struct trace *t);
void trace_free(struct trace *t);

enum trace_format {
    TRACE_ORACLE,  /* oracleGeneral: 24 bytes a record: u32 time, u64 object, u32 size, i64 next */
    TRACE_CSV,     /* time,object[,size[,operation]] with or without a headline */
    TRACE_MSR,     /* timestamp,host,disk,Read|Write,offset,size,latency: bytes */
    TRACE_ALIBABA, /* device,R|W,offset,length,timestamp: bytes */
    TRACE_TENCENT, /* timestamp,offset,size,0|1,volume: sectors of 512 */
    TRACE_FORMATS
};
/* The format of that name; TRACE_FORMATS if there is none. */
enum trace_format trace_format_of(const char *name);
/* Reads at most `most` references. False: cannot be opened or is no such file, said on stderr. A request of
 * several pages is as many references; an object of a format without addresses is one page. */
bool trace_read(struct trace *t, const char *path, enum trace_format format, size_t most);
/* One line of a text format. False: it is none. */
bool trace_line(struct trace *t, const char *line, enum trace_format format);

/* Made from a seed: `count` references to some `pages` pages. */
enum trace_kind {
    MADE_ZIPF, /* independent, by Zipf's law with exponent 0.9 */
    MADE_FLAT, /* independent, each page as likely as the others */
    MADE_LOOP, /* the same pages in the same order, again and again */
    MADE_SCAN, /* never a page twice */
    MADE_VM, /* a virtual machine: a hot set that moves, files read once, a nightly loop, some writes */
    MADE_PHASE, /* scan, loop, zipf by turns */
    MADE_KINDS
};
extern const char *const made_name[MADE_KINDS];
void trace_make(struct trace *t, enum trace_kind kind, size_t count, uint64_t pages, uint64_t seed);
