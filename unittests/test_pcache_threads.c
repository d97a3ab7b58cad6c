/* SPDX-License-Identifier: MIT
 *
 * Four CPUs at once: two of them are vCPUs of one domain, one is another domain, whose pages they all want, and
 * one takes and gives back memory in all sizes. For ThreadSanitizer as much as for the assertions: any hit is looked
 * at byte by byte, and at the end everything is audited.
 */
#include <pthread.h>
#include <stdlib.h>

#include <lagan/arch.h>
#include "unittests/pcache_kit.h"

enum { KEYS = 300, FRAMES = 8, STEPS = 3000 };

static struct {
    pthread_barrier_t barrier;
    unsigned steps;
    _Atomic uint64_t wrong, hits;
} t;

static void check(bool ok)
{
    t.wrong += !ok;
}

static void put(unsigned d, uint64_t key)
{
    struct pcache_name n = {.pool = KIT_POOL, .key = key};
    struct pcache_held h;
    int rc;

    if (pcache_put(kit_domain[d].pc, &n, &h, &rc)) {
        pckit_fill(h.frame, d, key, 1);
        (void)!pcache_put_end(kit_domain[d].pc, &h, key % 31 != 0);
    }
}

static void get(unsigned d, uint64_t key, bool stays)
{
    struct pcache_name n = {.pool = KIT_POOL, .key = key};
    struct pcache_held h;

    if (pcache_get(kit_domain[d].pc, &n, stays, &h)) {
        check(pckit_holds(h.frame, d, key, 1));
        pcache_get_end(kit_domain[d].pc, &h, key % 17 != 0);
        t.hits++;
    }
}

static void exchange(unsigned d, mfn_t *m, uint64_t key, uint64_t want)
{
    struct pcache_query q = {.put = true, .get = true};
    struct pcache_answer a;

    q.put_name = (struct pcache_name){.pool = KIT_POOL, .key = key};
    q.get_name = (struct pcache_name){.pool = KIT_POOL, .key = want};
    pckit_fill(*m, d, key, 1);
    check(pcache_exchange(kit_domain[d].pc, *m, &q, &a) == 0);
    if (a.hit)
        check(pckit_holds(a.frame, d, want, 1));
    else if (a.blank)
        check(pckit_is_blank(a.frame, d));
    t.hits += a.hit;
    *m = a.frame;
}

static void client(unsigned d, uint64_t *r)
{
    mfn_t frame[FRAMES];
    unsigned have = 0;

    while (have < FRAMES && account_alloc(&kit_domain[d].account, 0, 0, &frame[have]) == 0)
        have++;
    /* Longer if nothing was found so far: threads may come late. */
    for (unsigned i = 0; i < t.steps || (!t.hits && i < 1000 * t.steps); i++) {
        uint64_t key = pckit_random(r) % KEYS, what = pckit_random(r) % 10;

        if (what < 4)
            put(d, key);
        else if (what < 7)
            get(d, key, what & 1);
        else if (what < 9 && have)
            exchange(d, &frame[key % have], key, pckit_random(r) % KEYS);
        else
            (void)pcache_flush(kit_domain[d].pc,
                               &(struct pcache_name){.pool = KIT_POOL, .key = key});
    }
}

static void host(uint64_t *r)
{
    for (unsigned i = 0; i < t.steps / 8; i++) {
        unsigned order[32], count = 0;
        mfn_t m[32];

        for (; count < 32; count++) {
            order[count] = pckit_random(r) % 8 ? 0 : (unsigned)(pckit_random(r) % 7);
            if (!heap_alloc(order[count], HEAP_CLEAR, &m[count]))
                break;
            check(*(uint64_t *)arch_map_frame(m[count]) == 0);
        }
        while (count-- > 0)
            heap_free(m[count], order[count]);
        (void)!pcache_set_quota(kit_domain[i & 1].pc, pckit_random(r) % 100,
                                200 + pckit_random(r) % 300, 256);
    }
}

static void *cpu(void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg;
    uint64_t r = test_seed ^ (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

    host_enter_cpu(n);
    pthread_barrier_wait(&t.barrier);
    if (n == 3)
        host(&r);
    else
        client(n == 2, &r);
    return NULL;
}

static void test_threads(void)
{
    const char *given = getenv("LAGAN_THREAD_ROUNDS");
    pthread_t thread[HOST_CPUS];

    pckit_start(256, 2);
    t.steps = STEPS * (given ? (unsigned)strtoul(given, NULL, 0) / 40 + 1 : 1);
    t.wrong = t.hits = 0;
    pthread_barrier_init(&t.barrier, NULL, HOST_CPUS);
    host_set_noise(true);
    for (uintptr_t n = 0; n < HOST_CPUS; n++)
        pthread_create(&thread[n], NULL, cpu, (void *)n);
    for (unsigned n = 0; n < HOST_CPUS; n++)
        pthread_join(thread[n], NULL);
    host_set_noise(false);
    host_enter_cpu(0);
    pthread_barrier_destroy(&t.barrier);
    CU_ASSERT_EQUAL(t.wrong, 0);
    CU_ASSERT_TRUE(t.hits > 0);
    pckit_check();
    pckit_end();
}

static const struct test_case cases[] = {{"four CPUs", test_threads}, {NULL, NULL}};

const struct suite suite_pcache_threads = {"pcache_threads", cases, NULL, NULL};
