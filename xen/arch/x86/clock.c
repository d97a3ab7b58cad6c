/* SPDX-License-Identifier: MIT
 *
 * One clock: reading it and bending it. Pure: TSC values and reference times come from the caller,
 * so the host tests can let years pass.
 *
 * Records are written by one CPU and read by all, at any moment, an NMI handler on the writer's own
 * CPU included. So a record has two slots: the writer fills the one that is not in use, then flips.
 *
 *     reader                       writer
 *     seq = 6, copies slot 0
 *                                  fills slot 1; seq = 7   (reader's copy is whole)
 *                                  fills slot 0            (reader's copy may be torn...)
 *     seq != 6: again                                      (...and is thrown away)
 */
#include "xen/arch/x86/clock.h"

#define SECOND_NS     INT64_C(1000000000)
#define SLEW_HORIZON  (2 * SECOND_NS)
#define STEP_NS       (SECOND_NS / 100) /* behind by more: jump, slewing would take too long */
#define WINDOW_MAX_NS (4096 * SECOND_NS)

struct clock_slot clock_read(const struct clock_record *r)
{
    struct clock_slot s;
    uint32_t seq;

    do {
        seq = atomic_load_explicit(&r->sequence, memory_order_acquire);
        s = r->slot[seq & 1];
        atomic_thread_fence(memory_order_acquire);
    } while (atomic_load_explicit(&r->sequence, memory_order_relaxed) != seq);
    return s;
}

void clock_write(struct clock_record *r, struct clock_slot s)
{
    uint32_t seq = atomic_load_explicit(&r->sequence, memory_order_relaxed) + 1;

    atomic_thread_fence(memory_order_release);
    r->slot[seq & 1] = s;
    atomic_store_explicit(&r->sequence, seq, memory_order_release);
}

/* A TSC value from before the record began counts as its beginning: another CPU's may lag a little.
 */
uint64_t clock_ns_at(const struct clock_slot *s, uint64_t tsc)
{
    uint64_t delta = tsc - s->tsc;

    return (int64_t)delta < 0 ? s->ns : s->ns + tsc_scale_apply(s->scale, delta);
}

void clock_steer(struct clock_record *r, struct clock_window *w, uint64_t tsc, uint64_t ns,
                 bool steady)
{
    struct clock_slot s = clock_read(r);
    uint64_t mine = clock_ns_at(&s, tsc);
    int64_t error = (int64_t)(ns - mine);
    bool lost = error > STEP_NS || error < -STEP_NS;

    s.tsc = tsc;
    s.ns = error > STEP_NS ? ns : mine;
    if (!lost && ns > w->ns && tsc > w->tsc)
        s.scale = tsc_scale_slewed(ns - w->ns, tsc - w->tsc, clock_slew_ppb(error, SLEW_HORIZON));
    clock_write(r, s);
    /* A rate that may change is measured over the last interval, a constant one over a long one;
     * and what went wrong by so much says nothing of the rate. */
    if (lost || !steady || ns - w->ns > WINDOW_MAX_NS)
        *w = (struct clock_window){tsc, ns};
}
