/* SPDX-License-Identifier: MIT
 *
 * Words and numbers of the command lines: the hypervisor's own and the boot modules'.
 *
 * A line is words separated by blanks. A word is looked at in place, by a `struct text` (not
 * terminated). The parse_ functions take a whole text: trailing characters that do not belong are a
 * failure. On failure the result is left alone.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>

struct text {
    const char *at;
    size_t length;
};

/* The next word of *line, which moves behind it; length 0 at the end of the line. */
struct text text_word(const char **line);
/* The part of *t before the separator, which, with the part, goes off *t; all of *t if there is
 * none. */
struct text text_split(struct text *t, char separator);
/* The whole of a terminated string. */
struct text text_of(const char *s);

bool text_is(struct text t, const char *s);
bool text_starts(struct text t, const char *s);
/* t without its first n characters; n <= t.length. */
struct text text_from(struct text t, size_t n);
bool text_has(struct text t, char c);
/* Copies and terminates; false, with nothing copied, when it does not fit into `size` bytes. */
bool text_copy(struct text t, char *dst, size_t size) LAGAN_MUST_CHECK;

/* Decimal, 0x hexadecimal, or 0 octal, as far as 64 bits hold it. */
bool parse_u64(struct text t, uint64_t *n) LAGAN_MUST_CHECK;
/* As above, in [low, high]. */
bool parse_range(struct text t, unsigned low, unsigned high, unsigned *n) LAGAN_MUST_CHECK;
/* Bytes: a number and B, K, M, G or T in either case; without one, KiB, as Xen counts. */
bool parse_size(struct text t, uint64_t *bytes) LAGAN_MUST_CHECK;
/* yes on true enable 1, no off false disable 0. */
bool parse_bool(struct text t, bool *b) LAGAN_MUST_CHECK;
/* A list of CPUs as 0-3,5; not empty, each below MAX_CPUS. */
bool parse_cpus(struct text t, cpumask_t *cpus) LAGAN_MUST_CHECK;
