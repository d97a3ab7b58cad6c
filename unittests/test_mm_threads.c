/* SPDX-License-Identifier: MIT
 *
 * Four CPUs at once on one account's frames: pins, updates, holds, allocation, and guests that read
 * and write through their TLBs meanwhile. All stop together now and then, and everything is
 * audited. For ThreadSanitizer as much as for the assertions.
 */
#include <pthread.h>
#include <stdlib.h>

#include <lagan/assert.h>
#include <unistd.h>

#include "mm/type_state.h"
#include "unittests/mm_kit.h"

enum { FRAMES = 16, ROUNDS = 40, STEPS = 400, DUELS = 20000 };

static struct {
    pthread_barrier_t barrier;
    struct kit_space space; /* pinned throughout: what the guests run on */
    mfn_t frame[FRAMES];    /* what they fight for */
    mfn_t foreign;          /* another account's */
    unsigned rounds;
} t;

static int to_the_end_pin(mfn_t m, unsigned level)
{
    int rc;

    while ((rc = table_pin(&kit_a, m, level)) == -XEN_ERESTART)
        ;
    return rc;
}

static void unpin(mfn_t m)
{
    while (table_unpin(&kit_a, m) == -XEN_ERESTART)
        ;
}

static mfn_t any_frame(uint64_t *r)
{
    return t.frame[kit_random(r) % FRAMES];
}

/* As a direct write does it, on whatever is there now; or another account's frame. */
static int change(mfn_t m, unsigned slot, uint64_t entry)
{
    struct table_change c = {.entry = entry, .from = 1};
    int rc;

    if (entry & PTE_P) {
        c.exact = true;
        c.expected = pte_load(kit_entry(m, slot));
    } else {
        c.entry = kit_pte(t.foreign, slot % 2 ? KIT_RW : KIT_RO);
        c.from = 2;
    }
    rc = table_update(&kit_a, m, slot, &c);
    while (table_drop(&c.old_table) != 0)
        ;
    return rc;
}

/* Result codes depend on who came first: only the audits and the TLBs tell right from wrong. */
static void step(unsigned cpu, uint64_t *r)
{
    static const uint64_t flags[] = {KIT_RW, KIT_RO, 0};
    uint64_t e = kit_pte(any_frame(r), flags[kit_random(r) % 3]);
    unsigned slot = (unsigned)kit_random(r) % 8;
    mfn_t m = any_frame(r);
    int rc = 0;

    switch (kit_random(r) % 8) {
    case 0:
        rc = to_the_end_pin(m, 1 + (unsigned)kit_random(r) % 4);
        break;
    case 1:
        unpin(m);
        break;
    case 2:
        rc = table_set(&kit_a, m, slot, e, false);
        if (kit_random(r) % 2)
            rc = change(m, slot, e);
        break;
    case 3:
        rc = table_set(&kit_a, t.space.l1[slot % KIT_L1], 8 + slot, e, true);
        break;
    case 4:
        if (frame_get_writable(m, 1) == 0)
            frame_put_writable(m);
        break;
    case 5:
        if (account_alloc(&kit_a, 0, 0, &m) == 0)
            rc = account_release(&kit_a, m);
        break;
    default:
        if (kit_random(r) % 2)
            host_store(cpu, kit_va(slot % KIT_L1, 8 + slot) + 8 * (kit_random(r) % 8), e);
        else
            host_touch(cpu, kit_va(slot % KIT_L1, 8 + slot), false, &m);
    }
    (void)rc;
}

static void *run_cpu(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;
    uint64_t r = kit_seed(100 + cpu);

    host_enter_cpu(cpu);
    host_tlb_load(cpu, &kit_a, t.space.l4);
    for (unsigned round = 0; round < t.rounds; round++) {
        host_preempt_every(round % 3);
        for (unsigned i = 0; i < STEPS; i++)
            step(cpu, &r);
        host_preempt_every(0);
        pthread_barrier_wait(&t.barrier);
        if (cpu == 0)
            kit_check(0);
        pthread_barrier_wait(&t.barrier);
    }
    host_tlb_load(cpu, NULL, mfn(0));
    return NULL;
}

static void test_four_cpus(void)
{
    const char *given = getenv("LAGAN_THREAD_ROUNDS");
    pthread_t thread[HOST_CPUS];

    t.rounds = given ? (unsigned)strtoul(given, NULL, 0) : ROUNDS;
    kit_start(512);
    kit_space_build(&kit_a, &t.space);
    CU_ASSERT_EQUAL_FATAL(table_pin(&kit_a, t.space.l4, 4), 0);
    t.foreign = kit_frame(&kit_b);
    for (unsigned i = 0; i < FRAMES; i++)
        t.frame[i] = kit_frame(&kit_a);
    pthread_barrier_init(&t.barrier, NULL, HOST_CPUS);
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[cpu], NULL, run_cpu, (void *)(uintptr_t)cpu),
                              0);
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        pthread_join(thread[cpu], NULL);
    pthread_barrier_destroy(&t.barrier);
    host_enter_cpu(0);
    kit_end();
}

/* Somebody holds a frame's bit lock: who gets or puts a reference meanwhile waits, although the
 * word looks settled otherwise. Or the holder would store the old count over the new one. */
static void *get_and_put(void *arg)
{
    host_enter_cpu(1);
    for (unsigned i = 0; i < 2; i++) {
        int rc = i == 0 ? frame_get_writable(t.frame[0], 1) : 0;

        if (i == 1)
            frame_put_writable(t.frame[0]);
        atomic_fetch_add((_Atomic unsigned *)arg, rc == 0);
        while (atomic_load((_Atomic unsigned *)arg) == 1)
            arch_relax();
    }
    return NULL;
}

static void test_locked_word(void)
{
    _Atomic unsigned done = 0;
    pthread_t thread;

    kit_start(512);
    t.frame[0] = kit_frame(&kit_a);
    CU_ASSERT_EQUAL_FATAL(frame_get_writable(t.frame[0], 1), 0);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t word = frame_lock(frame_of(t.frame[0]));

        if (i == 0) {
            CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, get_and_put, &done), 0);
        } else {
            atomic_store(&done, 2);
        }
        usleep(20000);
        CU_ASSERT_EQUAL(atomic_load(&done), 2 * i);
        frame_unlock(frame_of(t.frame[0]), word);
        while (atomic_load(&done) == 2 * i)
            arch_relax();
    }
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(type_count(t.frame[0]), 1);
    frame_put_writable(t.frame[0]);
    kit_end();
}

/* One CPU pins and unpins an L2 table, others change its entries meanwhile: an update that meets
 * the teardown leaves the table's state alone. */
static struct {
    mfn_t table, data;
    _Atomic bool over;
} duel;

static void *run_updates(void *arg)
{
    uint64_t r = kit_seed(300 + (uintptr_t)arg);

    host_enter_cpu((unsigned)(uintptr_t)arg);
    while (!atomic_load(&duel.over)) {
        int rc = table_set(&kit_a, duel.table, 511,
                           kit_random(&r) % 2 ? kit_pte(duel.data, KIT_RW) : 0, false);

        BUG_ON(rc != 0 && rc != -XEN_EINVAL);
    }
    return NULL;
}

static void test_update_meets_teardown(void)
{
    pthread_t thread[2];

    kit_start(128);
    duel.table = kit_frame(&kit_a);
    duel.data = kit_frame(&kit_a);
    atomic_store(&duel.over, false);
    host_set_noise(true);
    for (unsigned i = 0; i < 8; i++)
        *kit_entry(duel.table, i) = kit_pte(kit_frame(&kit_a), KIT_RW);
    for (uintptr_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, run_updates, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < DUELS; i++) {
        if (to_the_end_pin(duel.table, 2) == 0) /* else it is being written as memory */
            unpin(duel.table);
    }
    atomic_store(&duel.over, true);
    host_set_noise(false);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    kit_check(0);
    kit_end();
}

/* Each CPU allocates, fills, checks and frees pages and small objects. */
static void *run_heap(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;
    uint64_t r = kit_seed(200 + cpu), *page[32] = {NULL}, *object[32] = {NULL};
    bool ok = true;

    host_enter_cpu(cpu);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned s = (unsigned)kit_random(&r) % 32;

        if (page[s]) {
            ok = ok && *page[s] == (s | cpu << 8);
            page_free(page[s], s % 3);
            page[s] = NULL;
        } else if ((page[s] = page_alloc(s % 3, s % 5 ? 0 : HEAP_LOW)) != NULL) {
            *page[s] = s | cpu << 8;
        }
        if (object[s]) {
            ok = ok && *object[s] == (s | cpu << 16);
            slab_free(object[s]);
            object[s] = NULL;
        } else if ((object[s] = slab_alloc(8 + s * 20)) != NULL) {
            *object[s] = s | cpu << 16;
        }
    }
    for (unsigned s = 0; s < 32; s++) {
        page_free(page[s], s % 3);
        slab_free(object[s]);
    }
    return (void *)(uintptr_t)ok;
}

static void test_heap(void)
{
    pthread_t thread[HOST_CPUS];
    void *ok;

    host_heap(300, 300);
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[cpu], NULL, run_heap, (void *)(uintptr_t)cpu),
                              0);
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++) {
        pthread_join(thread[cpu], &ok);
        CU_ASSERT(ok != NULL);
    }
    heap_audit();
    CU_ASSERT_EQUAL(heap_free_pages() + slab_audit(), 600);
}

static const struct test_case cases[] = {
    {"an update meets a teardown", test_update_meets_teardown},
    {"four CPUs on one account", test_four_cpus},
    {"four CPUs on the heap", test_heap},
    {"a locked word", test_locked_word},
    {0},
};
const struct suite suite_mm_threads = {"mm threads", cases, NULL, NULL};
