/* SPDX-License-Identifier: MIT
 *
 * Frames that go to caches, for spare.c, and that come back.
 *
 * So that blocks come back together, what is lent lies together: a CPU has an open run for each of some lanes, of
 * which it lends one frame after the other. Who borrows says in which lane it is, so neighbours in a run
 * mostly belong to the same client, and the run is worth what that client's pages are worth.
 *
 * What is left of open runs is as free as any other frame: a request that finds the lists empty calls it in,
 * and so does who wants to borrow where there is no block any more.
 */
#include "mm/heap_lists.h"
#include "mm/spare.h"

struct lane {
    uint32_t next, end; /* frames at hand */
    enum heap_kind kind;
};

static struct LAGAN_ALIGNED(64) {
    struct spinlock lock; /* LK_HEAP_CACHE */
    struct lane lane[LEND_LANES];
    _Atomic uint32_t left; /* frames of all of them: read without the lock */
} lends[MAX_CPUS];

static _Atomic uint64_t all_left;

void lend_init(void)
{
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        for (unsigned i = 0; i < LEND_LANES; i++)
            lends[cpu].lane[i] = (struct lane){.next = 0};
        lends[cpu].left = 0;
        spin_init(&lends[cpu].lock, LK_HEAP_CACHE);
    }
    all_left = 0;
}

/* The CPU's lock is held. */
static void count_left(unsigned cpu, uint32_t by)
{
    atomic_fetch_add_explicit(&lends[cpu].left, by, memory_order_relaxed);
    atomic_fetch_add_explicit(&all_left, (uint64_t)(int32_t)by, memory_order_relaxed);
}

static void drain(unsigned cpu)
{
    spin_lock(&lends[cpu].lock);
    for (unsigned i = 0; i < LEND_LANES; i++) {
        struct lane *l = &lends[cpu].lane[i];

        if (l->next == l->end)
            continue;
        spin_lock(&heap.lock);
        range_free(l->next, l->end, l->kind);
        spin_unlock(&heap.lock);
        count_left(cpu, l->next - l->end);
        l->next = l->end;
    }
    spin_unlock(&lends[cpu].lock);
}

bool lend_call_in(void)
{
    bool any = atomic_load(&all_left) != 0;

    for (unsigned cpu = 0; cpu < MAX_CPUS && atomic_load(&all_left); cpu++)
        if (atomic_load_explicit(&lends[cpu].left, memory_order_relaxed))
            drain(cpu);
    return any;
}

/* The largest block that is there, up to a run; the lock is held. */
static bool fetch(unsigned cpu, struct lane *l)
{
    struct found f = {0, CLEAN};
    unsigned order = SPARE_RUN_ORDER + 1;

    while (!f.n && order-- > 0)
        f = lists_alloc(ZONES_ALL, order, false, KINDS);
    if (!f.n)
        return false;
    *l = (struct lane){f.n, f.n + (UINT32_C(1) << order), f.kind};
    count_left(cpu, UINT32_C(1) << order);
    return true;
}

static struct found take(unsigned lane)
{
    unsigned cpu = arch_cpu();
    struct lane *l = &lends[cpu].lane[lane % LEND_LANES];
    struct found f = {0, CLEAN};

    spin_lock(&lends[cpu].lock);
    if (l->next != l->end || fetch(cpu, l)) {
        f = (struct found){l->next++, l->kind};
        count_left(cpu, UINT32_MAX);
    }
    spin_unlock(&lends[cpu].lock);
    return f;
}

bool heap_lends(void)
{
    return atomic_load_explicit(&all_left, memory_order_relaxed) || cache_is_stocked();
}

bool heap_lend(unsigned lane, bool clear, mfn_t *m)
{
    struct found f = take(lane);

    if (!f.n && lend_call_in())
        f = take(lane);
    if (!f.n)
        f = cache_alloc(clear);
    if (!f.n)
        return false;
    *m = mfn(f.n);
    make_ready(f, 0, clear ? HEAP_CLEAR : HEAP_ANY);
    return true;
}

static void end_loan(mfn_t m)
{
    struct frame *f = frame_of(m);

    f->next = f->prev = 0;
    frame_forget(f);
    atomic_store_explicit(&f->use, 0, memory_order_relaxed);
}

/* A batch goes to the lists at once, where neighbours merge. */
void heap_end_loan(const mfn_t *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        end_loan(list[i]);
        if (count > 1)
            arch_poison(arch_map_frame(list[i]), PAGE_SIZE);
    }
    if (count == 1) {
        heap_put(list[0], 0);
        return;
    }
    spin_lock(&heap.lock);
    for (unsigned i = 0; i < count; i++)
        block_free((uint32_t)list[i].n, 0, DIRTY);
    spin_unlock(&heap.lock);
}

void heap_end_loan_range(mfn_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        end_loan(mfn(first.n + i));
    arch_poison(arch_map_frame(first), (uint64_t)count * PAGE_SIZE);
    spin_lock(&heap.lock);
    range_free(first.n, first.n + count, DIRTY);
    spin_unlock(&heap.lock);
}

uint64_t lend_audit(void)
{
    uint64_t sum = 0;

    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        uint32_t left = 0;

        for (unsigned i = 0; i < LEND_LANES; i++)
            left += lends[cpu].lane[i].end - lends[cpu].lane[i].next;
        AUDIT(left == lends[cpu].left, "INV-HEAP-3: frames at hand for lending", cpu);
        sum += left;
    }
    AUDIT(sum == all_left, "INV-HEAP-3: all that are at hand for lending", sum);
    return sum;
}
