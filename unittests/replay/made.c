/* SPDX-License-Identifier: MIT
 *
 * Traces that are made. They are no substitute for real ones, but each shows what one kind of cache
 * cannot do: independent references have no recency, a loop no frequency, a scan neither.
 */
#include <math.h>
#include <stdlib.h>

#include "trace.h"

const char *const made_name[MADE_KINDS] = {"zipf", "flat", "loop", "scan", "vm", "phase"};

struct maker {
    struct trace *t;
    uint64_t state;
    double *cdf; /* of Zipf's law */
    uint64_t zipf_pages;
    uint64_t fresh; /* the next page that nobody has seen */
};

static uint64_t next_random(struct maker *m)
{
    uint64_t x = (m->state += UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t below(struct maker *m, uint64_t n)
{
    return next_random(m) % n;
}

static void zipf_init(struct maker *m, uint64_t pages)
{
    double sum = 0;

    m->zipf_pages = pages;
    m->cdf = malloc(pages * sizeof(*m->cdf));
    if (!m->cdf)
        abort();
    for (uint64_t i = 0; i < pages; i++)
        m->cdf[i] = sum += pow((double)(i + 1), -0.9);
    for (uint64_t i = 0; i < pages; i++)
        m->cdf[i] /= sum;
}

/* A rank by Zipf's law, as a page: neighbours in rank are not neighbours on the disk. */
static uint64_t zipf(struct maker *m)
{
    double at = (double)(next_random(m) >> 11) / 9007199254740992.0;
    uint64_t low = 0, high = m->zipf_pages - 1;

    while (low < high) {
        uint64_t middle = (low + high) / 2;

        if (m->cdf[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low * UINT64_C(2654435761) % (m->zipf_pages * 64 + 1);
}

/* Files that are read once, from end to end. */
static void scan(struct maker *m, uint64_t count)
{
    while (count-- > 0)
        trace_add(m->t, m->fresh++, false);
}

static void loop(struct maker *m, uint64_t base, uint64_t pages, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        trace_add(m->t, base + i % pages, false);
}

#define LOOPS (UINT64_C(1) << 36)

/* References come in runs of some pages; the hot set's base moves; one run in so many is a file that is read once,
 * or a part of a job that comes again. */
static void make_vm(struct maker *m, size_t count, uint64_t pages)
{
    uint64_t drift = 0, job = 0, job_pages = pages / 2 + 1;

    while (m->t->count < count) {
        uint64_t what = below(m, 100), run = 1 + below(m, 16);

        if (what < 45) {
            uint64_t at = zipf(m) * 16 + drift;
            bool write = below(m, 10) < 3;

            for (uint64_t i = 0; i < run; i++)
                trace_add(m->t, at + i, write);
        } else if (what < 80) {
            scan(m, 4 + below(m, 64));
        } else {
            for (uint64_t i = 0; i < 8 * run; i++)
                trace_add(m->t, LOOPS + job++ % job_pages, false);
        }
        if (below(m, 2000) == 0)
            drift += 16 * (1 + below(m, 64));
    }
}

static void make_phases(struct maker *m, size_t count, uint64_t pages)
{
    for (uint64_t n = 0; m->t->count < count; n++) {
        uint64_t length = (count / 12 < count - m->t->count ? count / 12 : count - m->t->count) + 1;

        if (n % 3 == 0)
            scan(m, length);
        else if (n % 3 == 1)
            loop(m, LOOPS + n * pages, pages * 3 / 4 + 1, length);
        else
            for (uint64_t i = 0; i < length; i++)
                trace_add(m->t, zipf(m), false);
    }
}

void trace_make(struct trace *t, enum trace_kind kind, size_t count, uint64_t pages, uint64_t seed)
{
    struct maker m = {.t = t, .state = seed, .fresh = UINT64_C(1) << 40};

    zipf_init(&m, kind == MADE_VM ? pages / 8 + 1 : pages);
    if (kind == MADE_SCAN)
        scan(&m, count);
    else if (kind == MADE_LOOP)
        loop(&m, LOOPS, pages, count);
    else if (kind == MADE_VM)
        make_vm(&m, count, pages);
    else if (kind == MADE_PHASE)
        make_phases(&m, count, pages);
    while (t->count < count)
        trace_add(t, kind == MADE_ZIPF ? zipf(&m) : below(&m, pages), false);
    free(m.cdf);
    trace_finish(t);
}
