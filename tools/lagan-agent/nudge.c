/* SPDX-License-Identifier: MIT */
#include "nudge.h"

#define STILL_MS 3000

uint64_t nudge_target(struct nudge *n, uint64_t now_ms, uint64_t have, uint64_t target)
{
    if (target == UINT64_MAX || have != n->have || (have == target && !n->beside)) {
        n->have = have;
        n->since_ms = now_ms;
        return 0;
    }
    if (now_ms - n->since_ms < STILL_MS)
        return 0;
    n->since_ms = now_ms;
    n->beside = !n->beside;
    return n->beside ? target + 1 : target;
}
