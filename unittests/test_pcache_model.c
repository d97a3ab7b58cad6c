/* SPDX-License-Identifier: MIT
 *
 * The page cache against a naive model: several domains put, get, flush and exchange at random; they end and begin
 * again, their quotas change, and the host takes memory in all sizes and gives it back. Each page's content says whose
 * it is, under which name and in which generation; any hit is looked at byte by byte. A miss is always allowed, but for
 * what is persistent; a page of a domain within its floor does not go for others.
 * LAGAN_MODEL_STEPS in the environment makes the run longer.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/arch.h>
#include "unittests/pcache_kit.h"

enum { DOMAINS = 3, KEYS = 600, IDS = 512, FRAMES = 64, HELD = 48, SWAP = 2, STEPS = 60000 };

struct model_id {
    uint64_t id, name, generation;
};

static struct model_domain {
    uint64_t key[KEYS];  /* the generation that was kept last, or 0: must not be found */
    uint64_t swap[KEYS]; /* the same of the persistent pool, where it must be found */
    struct model_id id[IDS];
    unsigned ids;
    mfn_t frame[FRAMES]; /* guest frame i, holding generation content[i] of name 10000 + i */
    uint64_t content[FRAMES];
    uint64_t floor;
} model[DOMAINS];

static struct {
    mfn_t m;
    unsigned order;
} held[HELD];
static unsigned held_count;
static uint64_t r, generation, hits;

static uint64_t any(uint64_t n)
{
    return pckit_random(&r) % n;
}

static void begin(unsigned d)
{
    pckit_domain_start(d);
    CU_ASSERT_EQUAL(pcache_pool_new(kit_domain[d].pc, true), SWAP);
    memset(&model[d], 0, sizeof(model[d]));
    if (any(2))
        pckit_keep_all(d);
    for (unsigned i = 0; i < FRAMES; i++)
        model[d].frame[i] = MFN_INVALID;
}

/* A frame of the domain's, or there is no memory. */
static bool ensure_frame(unsigned d, unsigned i)
{
    struct model_domain *m = &model[d];

    if (m->frame[i].n != MFN_INVALID.n)
        return true;
    if (account_alloc_named(&kit_domain[d].account, 0, 0, i, &m->frame[i])) {
        m->frame[i] = MFN_INVALID;
        return false;
    }
    m->content[i] = ++generation;
    pckit_fill(m->frame[i], d, 10000 + i, generation);
    return true;
}

/* ---- steps ---- */

static void put_key(unsigned d)
{
    uint64_t key = any(KEYS);

    model[d].key[key] = ++generation;
    if (!pckit_put(d, KIT_POOL, key, generation))
        model[d].key[key] = 0;
}

static void get_key(unsigned d)
{
    uint64_t key = any(KEYS), want = model[d].key[key];
    bool stays = any(2);
    int got = pckit_get_key(d, key, want, stays);

    CU_ASSERT_TRUE_FATAL(got == 0 || (got == 1 && want != 0));
    hits += got == 1;
    if (!got || !stays)
        model[d].key[key] = 0;
}

static void flush_keys(unsigned d)
{
    uint64_t first = any(KEYS), count = 1 + any(20), keys = any(20) ? count : UINT64_MAX,
             flushed = 0;
    uint32_t cursor = 0;

    if (any(50) == 0) {
        host_preempt_every(3);
        while (pcache_flush_pool(kit_domain[d].pc, KIT_POOL, &cursor, &flushed) == -XEN_ERESTART)
            ;
        host_preempt_every(0);
        memset(model[d].key, 0, sizeof(model[d].key));
        return;
    }
    CU_ASSERT_EQUAL(pcache_flush_keys(kit_domain[d].pc, KIT_POOL, first, keys, &cursor, &flushed),
                    0);
    CU_ASSERT_TRUE(flushed <= keys);
    for (uint64_t i = first; i - first < keys && i < KEYS; i++)
        model[d].key[i] = 0;
}

static void put_id(unsigned d)
{
    struct model_domain *m = &model[d];
    struct model_id new = {.name = 1 + any(KEYS), .generation = ++generation};

    new.id = pckit_put(d, 0, new.name, generation);
    if (new.id)
        m->id[m->ids < IDS ? m->ids++ : any(IDS)] = new;
}

/* An id of the domain's, which then is no good any more; another's; or none at all. */
static void get_id(unsigned d)
{
    unsigned from = (unsigned)any(8) ? d : (unsigned)any(DOMAINS), i;
    struct model_domain *m = &model[from];
    struct model_id id;
    int got;

    if (!m->ids)
        return;
    i = (unsigned)any(m->ids);
    id = m->id[i];
    if (any(8) == 0) {
        id.id ^= UINT64_C(1) << any(64);
        got = pckit_get_id(d, id.id, id.name, id.generation);
        CU_ASSERT_TRUE_FATAL(
            got <= 0); /* if it is by chance another of its own, it holds something else */
        if (got)
            for (unsigned j = 0; j < model[d].ids; j++)
                CU_ASSERT_TRUE_FATAL(model[d].id[j].id != id.id || d == from);
        return;
    }
    got = pckit_get_id(d, id.id, id.name, id.generation);
    CU_ASSERT_TRUE_FATAL(got == 0 || (got == 1 && from == d));
    hits += got == 1;
    if (from == d)
        m->id[i] = m->id[--m->ids];
}

static void exchange(unsigned d)
{
    struct model_domain *m = &model[d];
    unsigned i = (unsigned)any(FRAMES);
    struct pcache_query q = {.put = any(2), .get = any(2)};
    uint64_t was, key = any(KEYS), put_key = any(KEYS);
    struct pcache_answer a;

    if (!ensure_frame(d, i))
        return;
    was = m->content[i];
    q.get_name = (struct pcache_name){.pool = KIT_POOL, .key = key};
    q.put_name = (struct pcache_name){.pool = KIT_POOL, .key = put_key};
    if (q.put) { /* as the content of that key */
        was = ++generation;
        pckit_fill(m->frame[i], d, put_key, was);
    }
    CU_ASSERT_EQUAL_FATAL(pcache_exchange(kit_domain[d].pc, m->frame[i], &q, &a), 0);
    CU_ASSERT_EQUAL(a.exchanged, a.frame.n != m->frame[i].n);
    m->frame[i] = a.frame;
    CU_ASSERT_EQUAL(arch_m2p_get(a.frame), i);
    if (a.hit) {
        CU_ASSERT_TRUE_FATAL(q.get && m->key[key] && pckit_holds(a.frame, d, key, m->key[key]));
        hits++;
    } else if (a.blank) {
        CU_ASSERT_TRUE_FATAL(pckit_is_blank(a.frame, d));
    } else {
        CU_ASSERT_TRUE_FATAL(pckit_holds(a.frame, d, q.put ? put_key : 10000 + i, was));
    }
    if (q.get)
        m->key[key] = 0;
    if (q.put)
        m->key[put_key] = a.kept ? was : 0;
    m->content[i] = ++generation;
    pckit_fill(a.frame, d, 10000 + i, generation);
}

static void persistent(unsigned d)
{
    struct pcache_name n = {.pool = SWAP, .key = any(40)};
    uint64_t *want = &model[d].swap[n.key];
    struct pcache_held h;
    bool stays = any(2);
    int rc;

    if (any(2)) {
        *want = 0;
        if (pcache_put(kit_domain[d].pc, &n, &h, &rc)) {
            pckit_fill(h.frame, d, n.key, ++generation);
            if (pcache_put_end(kit_domain[d].pc, &h, true))
                *want = generation;
        } else {
            CU_ASSERT_EQUAL(rc, -XEN_ENOMEM);
        }
        return;
    }
    CU_ASSERT_EQUAL_FATAL(pcache_get(kit_domain[d].pc, &n, stays, &h), *want != 0);
    if (*want) {
        CU_ASSERT_TRUE_FATAL(pckit_holds(h.frame, d, n.key, *want));
        pcache_get_end(kit_domain[d].pc, &h, true);
        hits++;
        if (!stays)
            *want = 0;
    }
}

static void set_quota(unsigned d)
{
    uint64_t floor = any(3) ? 0 : any(300), ceiling = any(2) ? UINT32_MAX : floor + any(800);
    int rc = pcache_set_quota(kit_domain[d].pc, floor, ceiling, 1 + (uint32_t)any(1000));

    CU_ASSERT_TRUE(rc == 0 || rc == -XEN_ENOMEM);
    if (!rc)
        model[d].floor = floor;
}

/* The host wants memory, or gives it back. */
static void storm(void)
{
    if (any(2) && held_count < HELD) {
        unsigned order = any(4) ? (unsigned)any(4) : (unsigned)any(10);
        uint64_t before = heap_free_pages();
        mfn_t m;

        if (!heap_alloc(order, any(2) ? HEAP_CLEAR : HEAP_ANY, &m)) {
            CU_ASSERT_TRUE(order > 0 || before == 0);
            return;
        }
        held[held_count].m = m;
        held[held_count++].order = order;
    } else if (held_count) {
        unsigned i = (unsigned)any(held_count);

        heap_free(held[i].m, held[i].order);
        held[i] = held[--held_count];
    }
}

static void dies(unsigned d)
{
    pckit_domain_end(d);
    begin(d);
}

/* ---- the run ---- */

static void step(unsigned d)
{
    unsigned what = (unsigned)any(1000);

    if (what < 250)
        put_key(d);
    else if (what < 450)
        get_key(d);
    else if (what < 600)
        put_id(d);
    else if (what < 700)
        get_id(d);
    else if (what < 880)
        exchange(d);
    else if (what < 920)
        persistent(d);
    else if (what < 930)
        flush_keys(d);
    else if (what < 990)
        storm();
    else if (what < 998)
        set_quota(d);
    else if (any(20) == 0)
        dies(d);
}

/* Pages of the others that are within their floors have not gone; and nobody is above its ceiling. */
static void checked_step(void)
{
    unsigned d = (unsigned)any(DOMAINS);
    uint64_t before[DOMAINS];

    for (unsigned i = 0; i < DOMAINS; i++)
        before[i] = pckit_stats(i).pages;
    step(d);
    for (unsigned i = 0; i < DOMAINS; i++) {
        struct lagan_pcache_stats s = pckit_stats(i);

        CU_ASSERT_TRUE_FATAL(i == d || s.pages >= before[i] || s.pages >= s.floor);
        CU_ASSERT_TRUE_FATAL(s.pages <= s.ceiling || s.pages <= before[i]);
    }
    host_set_time(arch_time_ns() + any(2000000));
}

static void run(uint64_t steps)
{
    pckit_start(1024, 0);
    for (unsigned d = 0; d < DOMAINS; d++)
        begin(d);
    for (uint64_t i = 0; i < steps; i++) {
        checked_step();
        if (any(1000) == 0)
            pckit_check();
    }
    while (held_count > 0) {
        held_count--;
        heap_free(held[held_count].m, held[held_count].order);
    }
    pckit_check();
    pckit_end();
}

static void test_model(void)
{
    const char *given = getenv("LAGAN_MODEL_STEPS");
    uint64_t steps = given ? strtoull(given, NULL, 0) : STEPS;

    r = (test_seed ^ UINT64_C(0x5ca1ab1e)) | 1;
    hits = generation = 0;
    run(steps);
    CU_ASSERT_TRUE(hits * 100 > steps);
}

static const struct test_case cases[] = {{"random", test_model}, {NULL, NULL}};

const struct suite suite_pcache_model = {"pcache_model", cases, NULL, NULL};
