/* SPDX-License-Identifier: MIT
 *
 * The bytes of 9P2000.L: message types, and reading and writing fields of a message that is in
 * private memory. A field beyond the end makes `bad` true, and reads as 0; so a whole message can be
 * read before `bad` is looked at once.
 */
#pragma once

#include "transport/port.h"

enum p9_type {
    P9_RLERROR = 7,
    P9_TSTATFS = 8,
    P9_TLOPEN = 12,
    P9_TLCREATE = 14,
    P9_TSYMLINK = 16,
    P9_TMKNOD = 18,
    P9_TRENAME = 20,
    P9_TREADLINK = 22,
    P9_TGETATTR = 24,
    P9_TSETATTR = 26,
    P9_TXATTRWALK = 30,
    P9_TXATTRCREATE = 32,
    P9_TREADDIR = 40,
    P9_TFSYNC = 50,
    P9_TLOCK = 52,
    P9_TGETLOCK = 54,
    P9_TLINK = 70,
    P9_TMKDIR = 72,
    P9_TRENAMEAT = 74,
    P9_TUNLINKAT = 76,
    P9_TVERSION = 100,
    P9_TAUTH = 102,
    P9_TATTACH = 104,
    P9_TFLUSH = 108,
    P9_TWALK = 110,
    P9_TREAD = 116,
    P9_TWRITE = 118,
    P9_TCLUNK = 120,
    P9_TREMOVE = 122,
};

#define P9_NOTAG       0xffffU
#define P9_NOFID       0xffffffffU
#define P9_HEAD        7U  /* size[4] type[1] tag[2] */
#define P9_READ_HEAD   11U /* and count[4], of Rread and Rreaddir */
#define P9_WRITE_HEAD  23U /* fid[4] offset[8] count[4], of Twrite */
#define P9_NAME_MAX    255U
#define P9_WALK_MAX    16U /* names in one Twalk */
#define P9_QID_DIR     0x80U
#define P9_QID_LINK    0x02U
#define P9_QID_FILE    0x00U
#define P9_GETATTR_ALL 0x3fffULL
#define P9_MSIZE_MIN   4096U

/* Linux's numbers, which the protocol uses. Those that Xen's list has are the same there. */
#define P9_EPROTO 71U

/* What Tlopen and Tlcreate ask for. */
#define P9_OPEN_ACCESS 00000003U /* 0 to read, 1 to write, 2 both */
#define P9_OPEN_CREATE 00000100U
#define P9_OPEN_EXCL   00000200U
#define P9_OPEN_TRUNC  00001000U
#define P9_OPEN_APPEND 00002000U
#define P9_OPEN_DSYNC  00010000U
#define P9_OPEN_SYNC   04000000U

struct p9_in {
    const uint8_t *at;
    uint32_t left;
    bool bad;
};

struct p9_out {
    uint8_t *start;
    uint32_t length, max;
    bool bad; /* something did not fit */
};

static inline uint64_t p9_get(struct p9_in *in, unsigned bytes)
{
    uint64_t value = 0;

    if (in->left < bytes) {
        in->bad = true;
        in->left = 0;
        return 0;
    }
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)in->at[i] << 8 * i;
    }
    in->at += bytes;
    in->left -= bytes;
    return value;
}

/* A string of the message: where it is and how long; not terminated. */
static inline const char *p9_get_string(struct p9_in *in, uint32_t *length)
{
    const char *text;

    *length = (uint32_t)p9_get(in, 2);
    text = (const char *)in->at;
    if (*length > in->left) {
        in->bad = true;
        *length = 0;
    }
    in->at += *length;
    in->left -= *length;
    return text;
}

static inline void p9_put(struct p9_out *out, unsigned bytes, uint64_t value)
{
    if (out->max - out->length < bytes) {
        out->bad = true;
        return;
    }
    for (unsigned i = 0; i < bytes; i++) {
        out->start[out->length + i] = (uint8_t)(value >> 8 * i);
    }
    out->length += bytes;
}

static inline void p9_put_bytes(struct p9_out *out, const void *from, uint32_t length)
{
    if (out->max - out->length < length) {
        out->bad = true;
        return;
    }
    memcpy(out->start + out->length, from, length);
    out->length += length;
}

static inline void p9_put_string(struct p9_out *out, const char *text, uint32_t length)
{
    p9_put(out, 2, length);
    p9_put_bytes(out, text, length);
}

/* Begins a message; p9_finish() writes its length, with what else will follow. */
static inline void p9_begin(struct p9_out *out, unsigned type, unsigned tag)
{
    out->length = 0;
    out->bad = false;
    p9_put(out, 4, 0);
    p9_put(out, 1, type);
    p9_put(out, 2, tag);
}

static inline void p9_finish(struct p9_out *out, uint32_t more)
{
    uint32_t length = out->length;

    out->length = 0;
    p9_put(out, 4, length + more);
    out->length = length;
}
