/* SPDX-License-Identifier: MIT
 *
 * The memory of names: what it finds, in which order it forgets, what it counts; the rules of admission
 * and what they may cost. How they do on whole traces is in test_replay.c.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/pcache_ghost.h"
#include "unittests/suite.h"

#define ENTRIES 4096
static struct ghost_entry table[ENTRIES];
static struct pcache_ghost ghost;
static uint64_t now;
static uint16_t cause;
static uint32_t mark;

static void start(uint32_t entries, uint64_t room)
{
    now = 0;
    memset(table, 0xa5, sizeof(table));
    pcache_ghost_init(&ghost, table, entries, 1, 0); /* figures depend on it */
    pcache_ghost_set_room(&ghost, room);
}

static bool put(uint64_t name)
{
    return pcache_ghost_put(&ghost, name, name, now, &mark);
}

static bool miss(uint64_t name)
{
    return pcache_ghost_miss(&ghost, name, now, &cause);
}

/* Put, dropped, wanted, wanted again, put again. */
static void life(void)
{
    start(ENTRIES, 1000);
    CU_ASSERT_TRUE(put(7));
    CU_ASSERT_EQUAL(mark & 1, 0);
    CU_ASSERT_FALSE(miss(8));
    pcache_ghost_dropped(&ghost, 7, mark, 42);
    CU_ASSERT_EQUAL(ghost.gone, 1);
    pcache_ghost_audit(&ghost);
    cause = 0;
    CU_ASSERT_TRUE(miss(7));
    CU_ASSERT_EQUAL(cause, 42);
    CU_ASSERT_EQUAL(ghost.gone, 0);
    CU_ASSERT_EQUAL(ghost.used, 1);
    CU_ASSERT_FALSE(miss(7)); /* the guest has it already */
    CU_ASSERT_EQUAL(ghost.would_hit, 1);
    CU_ASSERT_TRUE(put(7));
    CU_ASSERT_EQUAL(mark & 1, 1);
    CU_ASSERT_EQUAL(ghost.used, 0);
    pcache_ghost_hit(&ghost, 7, mark, now);
    CU_ASSERT_EQUAL(ghost.back, 1);
    CU_ASSERT_EQUAL(ghost.used, 1);
    CU_ASSERT_EQUAL(ghost.gone, 0);
    pcache_ghost_forget(&ghost, 7);
    CU_ASSERT_EQUAL(ghost.used, 0);
    CU_ASSERT_TRUE(put(7));
    CU_ASSERT_EQUAL(mark & 1, 0);
    pcache_ghost_audit(&ghost);
}

/* Ids change with each put; the one before, as a hint, says that it is the same page. */
static void hints(void)
{
    uint32_t first;

    start(ENTRIES, 1000);
    CU_ASSERT_TRUE(pcache_ghost_put(&ghost, 100, 0, now, &first));
    pcache_ghost_hit(&ghost, 100, first, now);
    CU_ASSERT_TRUE(pcache_ghost_put(&ghost, 200, 100, now, &mark));
    CU_ASSERT_EQUAL(mark, first | 1);
    CU_ASSERT_EQUAL(ghost.used, 0);
    pcache_ghost_dropped(&ghost, 200, mark, 3);
    CU_ASSERT_TRUE(pcache_ghost_put(&ghost, 300, 200, now, &mark));
    CU_ASSERT_EQUAL(mark, first | 1);
    /* A hint that names nothing says nothing. */
    CU_ASSERT_TRUE(pcache_ghost_put(&ghost, 400, 100, now, &mark));
    CU_ASSERT_NOT_EQUAL(mark, first | 1);
    CU_ASSERT_EQUAL(mark & 1, 0);
}

/* The oldest of a set make way, and no more than there are entries is remembered. */
static void forgets(void)
{
    unsigned found = 0;

    start(ENTRIES, 1000);
    for (uint64_t n = 1; n <= ENTRIES / 2; n++)
        pcache_ghost_dropped(&ghost, n, 0, 1);
    for (uint64_t n = 1; n <= ENTRIES / 2; n++)
        found += miss(n);
    CU_ASSERT(found > ENTRIES / 2 * 3 / 4);
    for (uint64_t n = 1; n <= 100000; n++)
        pcache_ghost_dropped(&ghost, n << 20, 0, 1);
    CU_ASSERT_EQUAL(ghost.used, ENTRIES);
    CU_ASSERT_EQUAL(ghost.gone, ENTRIES);
    CU_ASSERT_TRUE(miss(UINT64_C(100000) << 20));
    CU_ASSERT_FALSE(miss(UINT64_C(1) << 20));
    pcache_ghost_audit(&ghost);
    /* Names may come again: no name is there twice. */
    for (uint64_t n = 1; n <= 1000; n++)
        pcache_ghost_dropped(&ghost, n % 20 + 1, 0, (uint16_t)n);
    pcache_ghost_audit(&ghost);
    CU_ASSERT_TRUE(miss(5));
    CU_ASSERT_EQUAL(cause, 984);
    pcache_ghost_forget_all(&ghost);
    for (uint64_t n = 1; n <= 20; n++)
        CU_ASSERT_FALSE(miss(n));
    pcache_ghost_audit(&ghost);
}

/* Without a table everything is kept, and the curve is there all the same. */
static void no_table(void)
{
    start(GHOST_ENTRIES_MIN - 1, 10);
    CU_ASSERT_EQUAL(ghost.entries, 0);
    for (uint64_t n = 1; n < 100000; n++) {
        CU_ASSERT_TRUE_FATAL(put(n));
        pcache_ghost_dropped(&ghost, n, mark, 1);
        CU_ASSERT_FALSE_FATAL(miss(n - 1));
    }
    pcache_ghost_audit(&ghost);
    CU_ASSERT(pcache_curve_hits(&ghost.curve[GHOST_ALL], 100) > 0);
    start(1000, 10);
    CU_ASSERT_EQUAL(ghost.entries, 512);
}

static void names(void)
{
    start(ENTRIES, 10);
    CU_ASSERT_NOT_EQUAL(pcache_ghost_name(&ghost, 1, 5), pcache_ghost_name(&ghost, 2, 5));
    CU_ASSERT_EQUAL(pcache_ghost_name(&ghost, 1, 5), pcache_ghost_name(&ghost, 1, 5));
    CU_ASSERT_EQUAL(pcache_ghost_name(&ghost, 1, 5) ^ pcache_ghost_name(&ghost, 1, 4), 1);
    CU_ASSERT_NOT_EQUAL(pcache_ghost_name(&ghost, 3, pcache_ghost_name(&ghost, 3, 0)), 0);
}

/* What never comes back is refused, nearly all of it, once there was enough of it for that. */
static void scan_is_refused(void)
{
    uint64_t refused;

    start(ENTRIES, 500);
    for (uint64_t n = 1; n <= 400000; n++)
        (void)put(n);
    refused = ghost.refused;
    CU_ASSERT(refused > 0);
    for (uint64_t n = 400001; n <= 450000; n++)
        (void)put(n);
    CU_ASSERT(ghost.refused - refused > 49000);
    CU_ASSERT(ghost.saves);
    pcache_ghost_audit(&ghost);
}

/* ... but each refusal is on credit: when all that was refused is wanted after all, at the worst moment and again
 * and again, it is still less than a point of all puts and gets. */
static void credit(void)
{
    uint64_t lost = 0, events = 0, n = 1;

    start(ENTRIES, 300);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 4000; i++, events++)
            (void)put(n++);
        /* As a cache that keeps everything has them: the last ones that were put. */
        for (uint64_t i = n - 300; i < n; i++, events++)
            lost += miss(i);
        CU_ASSERT(lost * 128 <= events);
    }
    CU_ASSERT(lost > 0);
    pcache_ghost_audit(&ghost);
}

/* A loop that is twice the room: keeping all serves nothing, keeping a half of it serves that. */
static void loop_is_thinned(void)
{
    static uint32_t marks[2000];
    static bool kept[2000];
    unsigned pages = 0, hits = 0;

    start(ENTRIES, 1000);
    memset(kept, 0, sizeof(kept));
    for (unsigned n = 0; n < 60000; n++) {
        unsigned i = n % 2000;

        if (kept[i]) {
            pcache_ghost_hit(&ghost, i + 1, marks[i], now);
            hits++;
            pages--;
            kept[i] = false;
        } else {
            (void)miss(i + 1);
        }
        i = (n + 1900) % 2000; /* the guest evicts what it read 100 pages ago */
        if (n < 100 || !pcache_ghost_put(&ghost, i + 1, i + 1, now, &marks[i]))
            continue;
        if (pages >= 1000) { /* the oldest goes */
            unsigned old = (i + 1) % 2000;

            while (!kept[old])
                old = (old + 1) % 2000;
            pcache_ghost_dropped(&ghost, old + 1, marks[old], 1);
            kept[old] = false;
            pages--;
        }
        kept[i] = true;
        pages++;
    }
    CU_ASSERT(hits > 12000);
    CU_ASSERT(ghost.rule == GHOST_KNOWN || ghost.thin > 0);
    CU_ASSERT_FALSE(ghost.saves);
    pcache_ghost_audit(&ghost);
}

/* Everything at random: the table's books are right, and what is said to be kept and gone is so. */
static void random_calls(void)
{
    uint64_t state = test_seed;

    start(256, 300);
    for (unsigned n = 0; n < 100000; n++) {
        uint64_t name;

        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        name = (state >> 33) % 600 + 1;
        switch (state >> 60) {
        case 0:
            pcache_ghost_forget(&ghost, name);
            break;
        case 1:
            pcache_ghost_dropped(&ghost, name, (uint32_t)state, (uint16_t)(state >> 50));
            CU_ASSERT_TRUE(miss(name));
            CU_ASSERT_EQUAL(cause, (uint16_t)(state >> 50));
            break;
        case 2:
            pcache_ghost_forget_kept(&ghost, (uint32_t)(state >> 20));
            break;
        case 3:
            pcache_ghost_set_room(&ghost, (state >> 20) % 5000);
            break;
        case 4:
        case 5:
            pcache_ghost_hit(&ghost, name, (uint32_t)(state >> 9), now++);
            CU_ASSERT_FALSE(miss(name));
            break;
        case 6:
            if (name < 2)
                pcache_ghost_forget_all(&ghost);
            break;
        case 7:
        case 8:
            (void)miss(name);
            break;
        default:
            if (pcache_ghost_put(&ghost, name, name % 3 ? name : 0, now, &mark) && name % 2)
                pcache_ghost_dropped(&ghost, name, mark, 9);
        }
        if (n % 64 == 0)
            pcache_ghost_audit(&ghost);
    }
}

/* What was refused to save copies and then wanted has cost a read, which is paid: in time no more is refused, although
 * nothing is at stake any longer. */
static void lost_reads_are_paid(void)
{
    enum { READS = 8, LAST = 4 * READS };
    uint64_t before, name;

    start(ENTRIES, 2);
    ghost.rule = GHOST_KNOWN;
    ghost.saves = true;
    ghost.credit = READS * GHOST_CREDIT;
    before = ghost.credit;
    CU_ASSERT_FALSE(put(1));
    CU_ASSERT_TRUE(miss(1));
    CU_ASSERT_EQUAL(cause, GHOST_REFUSED);
    CU_ASSERT_EQUAL(ghost.credit, before + 2 - GHOST_CREDIT);
    CU_ASSERT_FALSE(miss(1)); /* once */
    CU_ASSERT_EQUAL(ghost.credit, before + 3 - GHOST_CREDIT);
    for (name = 2; name < LAST && !put(name); name++)
        CU_ASSERT_TRUE(miss(name));
    CU_ASSERT_TRUE(name > READS / 2 && name <= READS + 1);
    pcache_ghost_audit(&ghost);
}

static const struct test_case cases[] = {
    {"a page's life", life},
    {"hints", hints},
    {"the oldest are forgotten", forgets},
    {"without a table", no_table},
    {"names of keys", names},
    {"a scan is refused", scan_is_refused},
    {"on credit", credit},
    {"lost reads are paid", lost_reads_are_paid},
    {"a loop is thinned out", loop_is_thinned},
    {"random calls", random_calls},
    {NULL, NULL},
};

const struct suite suite_pcache_ghost = {"pcache_ghost", cases, NULL, NULL};
