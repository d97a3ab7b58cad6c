/* SPDX-License-Identifier: MIT
 *
 * A volume that is served: what readers ask for is read and inserted, with what follows and is not in the cache either.
 *
 * What the hypervisor has given out it does not give out again until it is asked to. So everything that is given out is
 * answered here, or `again` says that it has to be asked for once more, later: in a round of its own, so that blocks that
 * cannot be had just now (somebody wants them back; the host has no memory) are not asked for in a loop, and do not
 * stand before the others.
 */
#pragma once

#include "source.h"
#include "tools/laganctl/host.h"

enum {
    SERVE_AHEAD = 32, /* blocks that are read at once */
    SERVE_TURN = 8    /* wants of a volume that are served before the next one's */
};

struct served {
    const char *name; /* for messages */
    struct source source;
    uint64_t handle, epoch;
    bool again; /* what was given out is to be asked for again, in the next round... */
    bool asks;  /* ...and in this one */
};

/* What the hypervisor reads and writes: in memory of host_buffer(). */
struct serve_exchange {
    uint8_t data[SERVE_AHEAD][LAGAN_UBC_BLOCK_BYTES];
    struct lagan_ubc_insert insert[SERVE_AHEAD];
    struct lagan_ubc_map look[SERVE_AHEAD];
    struct lagan_ubc_want want[SERVE_TURN];
};

/* A round begins. */
void serve_begin(struct served *v);
/* A turn of it. 1: there may be more; 0: there is no more; -ENXIO: the volume has ended, or has another generation. */
int serve_turn(struct host *host, struct serve_exchange *x, struct served *v);
