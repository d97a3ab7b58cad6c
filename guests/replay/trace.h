/* SPDX-License-Identifier: MIT
 *
 * The blocks that are asked for, one after the other: made from a seed, or read from the ramdisk, in the
 * binary form of public collections of cache traces (oracleGeneral: 24 bytes a request).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct request {
    uint64_t block;
    bool write;
};

/* From the command line: trace=mixed (default), loop, scan; blocks=N; seed=N; writes=N of 1000; accesses=N, of which
 * a trace in a ramdisk may have fewer. */
void trace_start(void);
/* The next one; false: that was all. */
bool trace_next(struct request *r);
