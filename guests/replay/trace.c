/* SPDX-License-Identifier: MIT
 *
 * Made traces:
 *   mixed  as a virtual disk is used: half of the requests follow an 80-20 rule, over and over within itself
 *          (a fifth of the blocks has four fifths of the requests, and a fifth of that...); the others run
 *          through files of 1 to 256 blocks, most of which are never asked for again
 *   loop   all blocks in turn, again and again
 *   scan   all blocks there are, once
 */
#include "replay/trace.h"

#include "kit/kit.h"
#include "kit/lib.h"

#define FILES_AT (1UL << 32) /* blocks of the files, beside the hot ones */

struct oracle_record { /* of libCacheSim's oracleGeneral */
    uint32_t time;
    uint64_t object;
    uint32_t size;
    int64_t next;
} __attribute__((packed));

static struct {
    uint64_t random, left, at, blocks, writes;
    uint64_t file_next, file_end;
    const struct oracle_record *record; /* NULL: it is made */
    uint64_t record_count;
} trace;

static uint64_t draw(uint64_t below)
{
    trace.random ^= trace.random << 13;
    trace.random ^= trace.random >> 7;
    trace.random ^= trace.random << 17;
    return (trace.random >> 11) % below;
}

void trace_start(void)
{
    memset(&trace, 0, sizeof(trace));
    trace.random = args_number("seed", 1) * 0x9e3779b97f4a7c15UL | 1;
    trace.blocks = args_number("blocks", 16384);
    trace.left = args_number("accesses", 100000);
    trace.writes = args_number("writes", 20);
    if (kit_start_info->mod_len >= sizeof(struct oracle_record)) {
        trace.record = (const void *)kit_start_info->mod_start;
        trace.record_count = kit_start_info->mod_len / sizeof(struct oracle_record);
    }
}

/* In each round the first fifth of what is left with 4 of 5 chances. */
static uint64_t hot_block(void)
{
    uint64_t first = 0, count = trace.blocks;

    while (count >= 5) {
        uint64_t fifth = count / 5;

        if (draw(5) != 0) {
            count = fifth;
        } else {
            return first + fifth + draw(count - fifth);
        }
    }
    return first + draw(count);
}

static uint64_t file_block(void)
{
    if (trace.file_next == trace.file_end) {
        trace.file_next = FILES_AT + draw(trace.blocks * 16);
        trace.file_end = trace.file_next + (1UL << draw(9));
    }
    return trace.file_next++;
}

static uint64_t made_block(void)
{
    if (args_is("trace", "loop")) {
        return trace.at++ % trace.blocks;
    }
    if (args_is("trace", "scan")) {
        return trace.at++;
    }
    return draw(2) == 0 ? hot_block() : file_block();
}

bool trace_next(struct request *r)
{
    if (trace.left == 0 || (trace.record != NULL && trace.at == trace.record_count)) {
        return false;
    }
    trace.left--;
    r->block = trace.record != NULL ? trace.record[trace.at++].object : made_block();
    r->write = draw(1000) < trace.writes;
    return true;
}
