/* SPDX-License-Identifier: MIT
 *
 * Four CPUs at a time: a publisher that writes blocks and invalidates them, one that inserts what it read before,
 * and two readers. When an invalidate has returned, nobody reads what was there before.
 */
#include <pthread.h>
#include <string.h>

#include "unittests/ubc_kit.h"

/* The writer goes on until something was read: threads may come late. */
enum { BLOCKS = 16, ROUNDS = 400, ROUNDS_MAX = 4000000 };

static uint64_t volume;
static _Atomic uint32_t stored[BLOCKS]; /* the version of a block that is stored */
static _Atomic uint32_t valid[BLOCKS];  /* older ones are invalid: an invalidate has returned */
static _Atomic uint32_t stale, hits;
static _Atomic bool over;

static void *writer(void *arg)
{
    uint64_t seed = kit_seed(91);

    (void)arg;
    host_enter_cpu(UCONTROL);
    for (unsigned n = 0; n < ROUNDS || (!atomic_load(&hits) && n < ROUNDS_MAX); n++) {
        unsigned b = (unsigned)(kit_random(&seed) % BLOCKS);
        uint32_t version = atomic_fetch_add(&stored[b], 1) + 1;

        if (do_invalidate(UCONTROL, volume, b, 1, NULL))
            atomic_fetch_add(&stale, 1);
        atomic_store(&valid[b], version);
        if (n % 16 == 0)
            (void)ubc_reclaim(3);
    }
    atomic_store(&over, true);
    return NULL;
}

static void *inserter(void *arg)
{
    uint64_t seed = kit_seed(92);

    (void)arg;
    host_enter_cpu(UPUB);
    while (!atomic_load(&over)) {
        unsigned b = (unsigned)(kit_random(&seed) % BLOCKS);
        uint64_t epoch = ubc_epoch(1);
        uint32_t version = atomic_load(&stored[b]);

        arch_relax();
        (void)!do_insert(UPUB, volume, b, epoch, version);
    }
    return NULL;
}

static void check(uint32_t tag, uint32_t least)
{
    if (tag < least)
        atomic_fetch_add(&stale, 1);
}

static void *reader(void *arg)
{
    unsigned d = *(unsigned *)arg;
    uint64_t seed = kit_seed(93 + d);

    host_enter_cpu(d);
    while (!atomic_load(&over)) {
        unsigned b = (unsigned)(kit_random(&seed) % BLOCKS);
        uint32_t least = atomic_load(&valid[b]), tag, handle;

        if (kit_random(&seed) % 2) {
            if (do_read_tag(d, volume, b, &tag) == 0) {
                check(tag, least);
                atomic_fetch_add(&hits, 1);
            }
        } else if (do_map_block(d, volume, b, 0, &handle) == 0) {
            if (do_unmap_handle(d, volume, handle))
                atomic_fetch_add(&stale, 1);
        }
    }
    return NULL;
}

static void coherence(void)
{
    static unsigned domain[2] = {UREAD, UREAD2};
    pthread_t thread[4];

    ubc_start();
    volume = ubc_make_shared(1, BLOCKS);
    memset((void *)stored, 0, sizeof(stored));
    memset((void *)valid, 0, sizeof(valid));
    stale = hits = 0;
    over = false;
    host_set_noise(true);
    pthread_create(&thread[0], NULL, inserter, NULL);
    pthread_create(&thread[1], NULL, reader, &domain[0]);
    pthread_create(&thread[2], NULL, reader, &domain[1]);
    pthread_create(&thread[3], NULL, writer, NULL);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    host_set_noise(false);
    host_enter_cpu(0);
    CU_ASSERT_EQUAL(stale, 0);
    CU_ASSERT(hits > 0 && do_stats(volume).hits >= hits);
    ubc_check();
    ubc_end();
}

static const struct test_case cases[] = {{"nobody reads what was invalidated", coherence},
                                         {NULL, NULL}};
const struct suite suite_ubc_threads = {"ubc_threads", cases, NULL, NULL};
