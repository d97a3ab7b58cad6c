/* SPDX-License-Identifier: MIT
 *
 * What the page cache's engine costs on this machine, beside a cold copy of 4 KiB: the hypervisor's code,
 * optimized and without assertions, on the host's stand-in for the machine. Times are of the thread's own
 * CPU, in rounds that alternate between what is compared; of a round's ratio the median is shown, since this may run on
 * a machine that others use. No hypercall and no copying of arguments is in it.
 *
 *   BENCH name figure      a page's cost in cold copies, or how many times as much two cores do
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"

enum {
    FRAMES = 12000,
    OWN = 2000,
    FLOOR = 9000,
    WARM = 30,
    COOL = 6,
    PAGES = 12000,
    BATCH = 1000,
    ROUNDS = 31,
    DOMAINS = 2
};

static struct world {
    struct account account;
    struct pcache *pc;
    mfn_t frame[BATCH];
    char *page; /* PAGES pages of the guest */
    uint32_t *order;
    uint64_t next; /* key */
    uint64_t last[BATCH];
    uint64_t state;
} world[DOMAINS];
static char *source, *target; /* of the copies that are the measure */

static uint64_t next_random(struct world *w)
{
    return w->state = w->state * UINT64_C(6364136223846793005) + 1442695040888963407;
}

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static char *pages(void)
{
    char *p = aligned_alloc(PAGE_SIZE, PAGES * PAGE_SIZE);

    if (!p)
        abort();
    memset(p, 1, PAGES * PAGE_SIZE);
    return p;
}

static void shuffle(struct world *w)
{
    for (uint32_t i = PAGES; i > 1; i--) {
        uint32_t j = (uint32_t)((next_random(w) >> 33) % i), t = w->order[i - 1];

        w->order[i - 1] = w->order[j];
        w->order[j] = t;
    }
}

/* All that is kept is kept: admission learns nothing. */
static void keep_all(struct world *w)
{
    pcache_ghost_init(w->pc->ghost, w->pc->ghost_table, 0, 1, 0);
}

static void begin(void)
{
    host_heap(FRAMES, FRAMES);
    host_set_time(UINT64_C(1000000000));
    accounts_init();
    if (!spare_init())
        abort();
    pcache_init();
    source = pages();
    target = pages();
    for (unsigned d = 0; d < DOMAINS; d++) {
        struct world *w = &world[d];

        w->state = d + 1;
        w->page = pages();
        w->order = malloc(PAGES * sizeof(*w->order));
        if (!w->order || account_init(&w->account, (domid_t)(1 + d), OWN) != 0 ||
            pcache_create(&w->account, &w->pc) != 0 || pcache_pool_new(w->pc, false) != 1)
            abort();
        if (pcache_set_quota(w->pc, FLOOR, 4 * FRAMES, QUOTA_WEIGHT_USUAL) != 0)
            abort();
        for (uint32_t i = 0; i < PAGES; i++)
            w->order[i] = i;
        shuffle(w);
        for (unsigned i = 0; i < BATCH; i++) {
            if (account_alloc_named(&w->account, 0, 0, i, &w->frame[i]) != 0)
                abort();
        }
    }
}

/* ---- what is timed: a batch each, ns a page ---- */

static double copies(struct world *w)
{
    uint64_t at = next_random(w) >> 33;
    double start = cpu_ns();

    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t p = w->order[(at + i) % PAGES];

        memcpy(target + p * PAGE_SIZE, source + w->order[(at + i * 7 + 5) % PAGES] * PAGE_SIZE,
               PAGE_SIZE);
    }
    return (cpu_ns() - start) / BATCH;
}

/* The id, or the key, of what is kept; 0: it is not. */
static uint64_t put(struct world *w, unsigned pool, uint64_t key, const char *from)
{
    struct pcache_name n = {.pool = pool, .key = key};
    struct pcache_held h;
    uint64_t id;
    void *to;
    int rc;

    if (!pcache_put(w->pc, &n, &h, &rc))
        return 0;
    id = pool ? key : h.id;
    to = arch_map_frame(h.frame);
    memcpy(to, from, PAGE_SIZE);
    return pcache_put_end(w->pc, &h, true) ? id : 0;
}

static double puts_to(struct world *w, unsigned pool)
{
    uint64_t at = next_random(w) >> 33, kept = 0;
    double start = cpu_ns();

    for (uint32_t i = 0; i < BATCH; i++) {
        w->last[i] = put(w, pool, w->next++, w->page + w->order[(at + i) % PAGES] * PAGE_SIZE);
        kept += w->last[i] != 0;
    }
    if (kept == 0)
        abort();
    return (cpu_ns() - start) / (double)kept; /* one that finds no room is lost work */
}

static double puts_by_key(struct world *w)
{
    return puts_to(w, 1);
}

static double puts_by_id(struct world *w)
{
    return puts_to(w, 0);
}

/* Of what was put in the round before others were: cold by then. */
static double hits_to(struct world *w, unsigned pool)
{
    uint64_t at = next_random(w) >> 33, name[BATCH];
    double start;

    (void)puts_to(w, pool);
    memcpy(name, w->last, sizeof(name));
    for (unsigned i = 0; i < COOL; i++)
        (void)puts_to(w, pool);
    start = cpu_ns();
    for (uint32_t i = 0; i < BATCH; i++) {
        struct pcache_name n = {.pool = pool, .key = name[(i * 7) % BATCH]};
        struct pcache_held h;

        if (!pcache_get(w->pc, &n, false, &h))
            abort();
        memcpy(w->page + w->order[(at + i) % PAGES] * PAGE_SIZE, arch_map_frame(h.frame),
               PAGE_SIZE);
        pcache_get_end(w->pc, &h, true);
    }
    return (cpu_ns() - start) / BATCH;
}

static double hits_by_key(struct world *w)
{
    return hits_to(w, 1);
}

static double hits_by_id(struct world *w)
{
    return hits_to(w, 0);
}

/* (page, new) = query(page, old), each page back in the next round: no byte moves. */
static double exchanges(struct world *w)
{
    static uint64_t id[DOMAINS][BATCH];
    uint64_t *old = id[w - world];
    double start;

    for (uint32_t i = 0; i < BATCH; i++) {
        struct pcache_query q = {.put = true, .put_name = {.name = i + 1}};
        struct pcache_answer a;

        if (old[i] != 0)
            break;
        if (pcache_exchange(w->pc, w->frame[i], &q, &a) != 0 || !a.kept)
            abort();
        w->frame[i] = a.frame;
        old[i] = a.id;
    }
    start = cpu_ns();
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t other = (i * 7) % BATCH;
        struct pcache_query q = {.put = true,
                                 .get = true,
                                 .put_name = {.name = BATCH + other + 1},
                                 .get_name = {.key = old[other], .name = other + 1}};
        struct pcache_answer a;

        if (pcache_exchange(w->pc, w->frame[i], &q, &a) != 0 || !a.kept || !a.hit)
            abort();
        w->frame[i] = a.frame;
        old[other] = a.id;
    }
    return (cpu_ns() - start) / BATCH;
}

static double refused(struct world *w, unsigned pool, bool in_order)
{
    struct pcache_ghost *g = w->pc->ghost;
    uint64_t kept = 0, key[BATCH];
    double start;

    for (uint32_t i = 0; i < BATCH; i++)
        key[i] = in_order ? (UINT64_C(1) << 40) + w->next++ : next_random(w);
    start = cpu_ns();
    for (uint32_t i = 0; i < BATCH; i++) {
        g->rule = GHOST_KNOWN;
        g->saves = true;
        g->undecided = 0;
        g->exposed[0] = g->exposed[1] = g->exposed[2] = 0;
        g->credit = UINT64_MAX / 2;
        kept += put(w, pool, key[i], w->page) != 0;
    }
    if (kept != 0)
        abort();
    return (cpu_ns() - start) / BATCH;
}

static double refused_in_order(struct world *w)
{
    return refused(w, 1, true);
}

static double refused_at_random(struct world *w)
{
    return refused(w, 1, false);
}

static double refused_by_id(struct world *w)
{
    return refused(w, 0, true);
}

/* ---- rounds ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof(*v), by_value);
    return v[ROUNDS / 2];
}

static void compare(const char *name, double (*cost)(struct world *))
{
    double ns[ROUNDS], copy[ROUNDS], ratio[ROUNDS];

    for (unsigned r = 0; r < ROUNDS; r++) {
        copy[r] = copies(&world[0]);
        ns[r] = cost(&world[0]);
        ratio[r] = ns[r] / copy[r];
    }
    printf("%s: %.0f ns a page, a cold copy %.0f ns\n", name, median(ns), median(copy));
    printf("BENCH %s %.3f\n", name, median(ratio));
}

/* Each thread a CPU and a domain of its own; ns a page. */
static double two_ns[DOMAINS][ROUNDS];
static unsigned threads;
static double (*two_cost)(struct world *);
static pthread_barrier_t gate;

static void *side(void *arg)
{
    unsigned d = (unsigned)(uintptr_t)arg;

    host_enter_cpu(d);
    for (unsigned r = 0; r < ROUNDS; r++) {
        pthread_barrier_wait(&gate);
        two_ns[d][r] = two_cost(&world[d]);
    }
    return NULL;
}

/* Pages a second of CPU time: two at once over one alone. */
static double run_sides(unsigned count)
{
    pthread_t t[DOMAINS];
    double rate = 0;

    threads = count;
    pthread_barrier_init(&gate, NULL, count);
    for (unsigned d = 0; d < count; d++)
        pthread_create(&t[d], NULL, side, (void *)(uintptr_t)d);
    for (unsigned d = 0; d < count; d++)
        pthread_join(t[d], NULL);
    pthread_barrier_destroy(&gate);
    for (unsigned d = 0; d < count; d++)
        rate += 1 / median(two_ns[d]);
    return rate;
}

static void scale(const char *name, double (*cost)(struct world *))
{
    double one, two;

    two_cost = cost;
    one = run_sides(1);
    two = run_sides(2);
    printf("%s: %.0f ns a page, two cores %.0f ns each\n", name, 1 / one, 2 / two);
    printf("BENCH %s %.2f\n", name, two / one);
    host_enter_cpu(0);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    begin();
    compare("refused-by-id", refused_by_id);
    compare("refused-random", refused_at_random);
    compare("refused-scan", refused_in_order);
    for (unsigned d = 0; d < DOMAINS; d++)
        keep_all(&world[d]);
    for (unsigned i = 0; i < WARM; i++) {
        (void)puts_by_key(&world[0]);
        (void)puts_by_key(&world[1]);
    }
    compare("put-by-key", puts_by_key);
    compare("hit-by-key", hits_by_key);
    compare("put-by-id", puts_by_id);
    compare("hit-by-id", hits_by_id);
    compare("exchanged", exchanges);
    scale("two-exchanged", exchanges);
    scale("two-put", puts_by_id);
    return 0;
}
