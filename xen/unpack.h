/* SPDX-License-Identifier: MIT
 *
 * Unpacks a compressed kernel in memory, step by step: XZ, Zstandard, gzip, LZ4 (legacy format), as
 * Linux's build makes them. The decoders are those of Debian's libraries.
 *
 * Nothing in the payload is trusted. Where the format has checksums (all but LZ4), they are
 * verified. The length that the payload's end names, and the host's free memory, bound what is
 * unpacked.
 */
#pragma once

#include <lagan/types.h>

/* Of what is unpacked. A kernel has less, or elf.h would refuse it. */
#define UNPACK_BYTES_MAX (UINT64_C(1) << 30)

struct unpack;

/* Takes memory for the result. The payload must stay where it is until unpack_end(). 0 and *u, or
 * -XEN_ENOEXEC (a compression that we do not have; *why names it), -XEN_EINVAL, -XEN_ENOMEM. */
int unpack_begin(const void *payload, size_t bytes, struct unpack **u,
                 const char **why) LAGAN_MUST_CHECK;

/* One bounded step: 130,000 instructions at most (XZ, gzip); Zstandard a block of 128 KiB, 3 million; LZ4 one of
 * 8 MiB, 27 million: their libraries cannot stop within a block. -XEN_ERESTART: there is more to do; 0: all is
 * unpacked and sound; else the payload is no good, or memory is short (-XEN_ENOMEM), as *why says,
 * and only unpack_end() may follow. */
int unpack_step(struct unpack *u, const char **why) LAGAN_MUST_CHECK;

/* The result, after unpack_step() has returned 0; it is valid until unpack_end(). */
const void *unpack_data(const struct unpack *u, size_t *bytes);

/* Gives back all memory. NULL is allowed. */
void unpack_end(struct unpack *u);
