/* SPDX-License-Identifier: MIT
 *
 * pcachebench: what the page cache's calls cost a guest, by the time stamp counter (see bench): each line is for one page,
 * by batches of 1, 32 and 512, so one line less another tells what the call itself costs and what the page. Each page that
 * comes back is looked at, outside of what is counted. In the first rounds the cache still tries what comes back,
 * and may refuse a put: these do not count.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "kit/pcache.h"

const char guest_name[] = "pcachebench";

#define MOST   LAGAN_PCACHE_BATCH_MAX
#define ROUNDS 8U
#define TRIES  6U /* rounds that do not count */
#define WORDS  (PAGE_SIZE / sizeof(uint64_t))

static uint64_t page[MOST][WORDS] PAGE_ALIGNED;
static struct lagan_pcache_query query[MOST];
static uint64_t id[MOST], wrong, failed;
static bool kept[MOST];

/* All `count` queries by batches of `batch`; ticks. */
static uint64_t call(unsigned count, unsigned batch)
{
    uint64_t start = read_tsc();

    for (unsigned i = 0; i < count; i += batch) {
        failed += hv_pcache(LAGAN_PCACHE_query, &query[i], batch) != 0;
    }
    return read_tsc() - start;
}

static void fill(unsigned count, unsigned round, uint16_t flags)
{
    for (unsigned i = 0; i < count; i++) {
        query[i] = (struct lagan_pcache_query){
            .flags = flags, .page = ptr_arg(page[i]), .name = i + 1, .old_name = i + 1};
        if (flags & LAGAN_PCACHE_PUT) {
            page[i][0] = page[i][WORDS - 1] = ((uint64_t)round << 32) + i;
        }
        if (flags & LAGAN_PCACHE_GET) {
            query[i].old = id[i];
            page[i][0] = page[i][WORDS - 1] = 0;
        }
    }
}

static void look(unsigned count, unsigned round)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t expected = ((uint64_t)round << 32) + i;

        wrong += query[i].status != (kept[i] ? LAGAN_PCACHE_HIT : 0);
        wrong += kept[i] && (page[i][0] != expected || page[i][WORDS - 1] != expected);
    }
}

static void report(const char *what, unsigned batch, uint64_t ticks, uint64_t pages)
{
    char text[48];

    kit_snprintf(text, sizeof(text), "%s-%u", what, batch);
    kit_printf("BENCH %s %lu\n", text, ticks / pages);
    check_true(text, wrong == 0 && failed == 0, "%lu pages wrong, %lu calls failed", wrong, failed);
    wrong = failed = 0;
}

/* Pages go down and come up again. */
static void measure(unsigned batch)
{
    uint64_t put = 0, get = 0, miss = 0;

    for (unsigned round = 0; round < TRIES + ROUNDS; round++) {
        uint64_t ticks;

        fill(MOST, round, LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL);
        ticks = call(MOST, batch);
        put += round >= TRIES ? ticks : 0;
        for (unsigned i = 0; i < MOST; i++) {
            wrong += query[i].status < 0;
            kept[i] = query[i].status == LAGAN_PCACHE_KEPT;
            id[i] = query[i].new;
        }
        fill(MOST, round, LAGAN_PCACHE_GET | LAGAN_PCACHE_VIRTUAL);
        ticks = call(MOST, batch);
        get += round >= TRIES ? ticks : 0;
        look(MOST, round);
        for (unsigned i = 0; i < MOST;
             i++) { /* of what is not there any more, nor ever comes back */
            query[i].old_name = 0;
        }
        ticks = call(MOST, batch);
        miss += round >= TRIES ? ticks : 0;
    }
    report("pcache-put", batch, put, (uint64_t)ROUNDS * MOST);
    report("pcache-get", batch, get, (uint64_t)ROUNDS * MOST);
    report("pcache-miss", batch, miss, (uint64_t)ROUNDS * MOST);
}

/* One page down and another up in one call: as a guest does it whose cache is full. */
static void measure_swap(void)
{
    uint64_t ticks = 0;

    for (unsigned round = 0; round < TRIES + ROUNDS; round++) {
        for (unsigned i = 0; i < MOST; i++) {
            uint64_t up = id[i], start, holds;
            bool hit;

            page[0][0] = round * MOST + i;
            start = read_tsc();
            hit = pcache_swap(page[0], i + 1, &id[i], up, i + 1);
            ticks += round >= TRIES ? read_tsc() - start : 0;
            holds = page[0][0];
            wrong += round > 0 && (!hit || holds != (round - 1) * MOST + i);
        }
    }
    report("pcache-swap", 1, ticks, (uint64_t)ROUNDS * MOST);
}

static void measure_exchange(void)
{
    uint64_t ticks = 0;

    for (unsigned round = 0; round < TRIES + ROUNDS; round++) {
        for (unsigned i = 0; i < MOST; i++) {
            struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_EXCHANGE | LAGAN_PCACHE_PUT |
                                                    (id[i] ? LAGAN_PCACHE_GET : 0),
                                           .page = va_to_mfn(page[0]),
                                           .name = i + 1,
                                           .old = id[i],
                                           .old_name = i + 1};
            uint64_t start;

            page[0][0] = (round + 100) * MOST + i;
            wrong += page_unmap(page[0]) != 0;
            start = read_tsc();
            failed += hv_pcache(LAGAN_PCACHE_query, &q, 1) != 0;
            ticks += round >= TRIES ? read_tsc() - start : 0;
            id[i] = q.new;
            ((uint64_t *)kit_start_info->mfn_list)[va_to_pfn(page[0])] = q.page;
            wrong += page_map(page[0], q.page, PTE_P | PTE_W | PTE_A | PTE_D | PTE_U) != 0;
            wrong += round > 0 && (q.status <= 0 || (q.status & LAGAN_PCACHE_HIT) == 0 ||
                                   page[0][0] != (round + 99) * MOST + i);
        }
    }
    report("pcache-exchange", 1, ticks, (uint64_t)ROUNDS * MOST);
}

static void measure_copy(void)
{
    uint64_t start = read_tsc();

    for (unsigned round = 0; round < ROUNDS; round++) {
        memcpy(page[round], page[MOST - 1 - round], PAGE_SIZE);
    }
    report("copy-of-4K", 1, read_tsc() - start, ROUNDS);
}

void guest_main(void)
{
    (void)time_bind_timer();
    if (!pcache_there()) {
        check_skip("pcache", "this host has no page cache");
        return;
    }
    measure_copy();
    measure(1);
    measure(32);
    measure(MOST);
    measure_swap();
    measure_exchange();
}
