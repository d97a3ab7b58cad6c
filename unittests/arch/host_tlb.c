/* SPDX-License-Identifier: MIT
 *
 * A model of each CPU's TLB, kinder than none: it keeps everything it may keep.
 *
 * A walk and the insertion of its result happen under the CPU's mutex, as does a flush: real
 * processors promise as much (a translation read before a flush is not inserted after it). The
 * model forgets the oldest entry only when it is full, and sets accessed and dirty bits as hardware
 * does.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <lagan/assert.h>
#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/tlbclock.h"
#include "mm/pcache_state.h"
#include "mm/spare.h"
#include "mm/type.h"
#include "ubc/ubc_int.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"

enum { TLB_ENTRIES = 512, WALK_ENTRIES = 64 };

enum { P = 1, RW = 2, US = 4, A = 32, D = 64 };
#define FRAME_BITS UINT64_C(0x000ffffffffff000)

struct translation {
    bool used, writable;
    uint64_t page; /* va >> 12, or va >> 21 for a walked L2 entry */
    uint64_t frame;
    domid_t owner; /* when it was cached */
};

static struct host_tlb_cpu {
    pthread_mutex_t lock;
    _Atomic unsigned flushers; /* waiting for the lock, or holding it */
    struct account *account;
    mfn_t l4;
    struct translation tlb[TLB_ENTRIES], walk[WALK_ENTRIES];
    unsigned tlb_next, walk_next;
} cpu_tlb[HOST_CPUS] = {[0 ... HOST_CPUS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static _Atomic unsigned flush_count;
static _Atomic bool broken;
static void (*during_flush)(void);

static void empty(struct host_tlb_cpu *c)
{
    memset(c->tlb, 0, sizeof(c->tlb));
    memset(c->walk, 0, sizeof(c->walk));
}

void host_tlb_reset(void)
{
    for (unsigned i = 0; i < HOST_CPUS; i++) {
        empty(&cpu_tlb[i]);
        cpu_tlb[i].account = NULL;
    }
    flush_count = 0;
    broken = false;
    during_flush = NULL;
}

void host_tlb_on_flush(void (*other)(void))
{
    during_flush = other;
}

void host_tlb_break_flushes(bool b)
{
    broken = b;
}

unsigned host_tlb_flush_count(void)
{
    return flush_count;
}

/* The lock as a flush takes it, and as the guest does: pthreads' are not fair, so a guest that does nothing
 * but access memory would keep a flush waiting for a whole slice of the host's scheduler. */
static void lock_to_flush(struct host_tlb_cpu *c)
{
    c->flushers++;
    pthread_mutex_lock(&c->lock);
}

static void unlock_flushed(struct host_tlb_cpu *c)
{
    c->flushers--;
    pthread_mutex_unlock(&c->lock);
}

static void lock_to_access(struct host_tlb_cpu *c)
{
    while (c->flushers)
        sched_yield();
    pthread_mutex_lock(&c->lock);
}

/* The clock ticks before the flush and is noted after it (tlbclock.h). */
static void flush_cpu(unsigned cpu)
{
    uint64_t begun = tlb_clock_flush_begin();

    lock_to_flush(&cpu_tlb[cpu]);
    if (!broken)
        empty(&cpu_tlb[cpu]);
    unlock_flushed(&cpu_tlb[cpu]);
    tlb_clock_flush_end(cpu, begun);
}

void host_tlb_load(unsigned cpu, struct account *a, mfn_t l4)
{
    struct account *old = cpu_tlb[cpu].account;

    if (a)
        account_cpu_enter(a, cpu);
    pthread_mutex_lock(&cpu_tlb[cpu].lock);
    cpu_tlb[cpu].account = a;
    cpu_tlb[cpu].l4 = l4;
    pthread_mutex_unlock(&cpu_tlb[cpu].lock);
    flush_cpu(cpu);
    if (old && old != a)
        account_cpu_leave(old, cpu);
}

mfn_t host_tlb_loaded(unsigned cpu)
{
    return cpu_tlb[cpu].account ? cpu_tlb[cpu].l4 : mfn(0);
}

void arch_tlb_flush(cpumask_t cpus)
{
    struct lock_trace *t = arch_lock_trace();
    unsigned cpu;

    for (unsigned i = 0; i < t->depth; i++)
        ASSERT(t->level[i] < LK_FLUSH);
    cpus = cpumask_and(cpus, arch_online_cpus());
    for_each_cpu (cpu, cpus) {
        flush_cpu(cpu);
        flush_count++;
    }
    if (during_flush) {
        void (*other)(void) = during_flush;

        during_flush = NULL;
        other();
    }
}

void arch_tlb_flush_page(cpumask_t cpus, uint64_t va)
{
    unsigned cpu;

    cpus = cpumask_and(cpus, arch_online_cpus());
    for_each_cpu (cpu, cpus) {
        struct host_tlb_cpu *c = &cpu_tlb[cpu];

        pthread_mutex_lock(&c->lock);
        for (unsigned i = 0; i < TLB_ENTRIES && !broken; i++)
            if (c->tlb[i].page == va >> PAGE_SHIFT)
                c->tlb[i].used = false;
        if (!broken)
            memset(c->walk, 0, sizeof(c->walk)); /* INVLPG empties it all */
        pthread_mutex_unlock(&c->lock);
        flush_count++;
    }
}

/* ---- walking ---- */

static uint64_t *entry_of(uint64_t table, uint64_t va, unsigned level)
{
    uint64_t *t = arch_map_frame(mfn(table));

    return &t[va >> (12 + 9 * (level - 1)) & 511];
}

/* Reads an entry as the hardware does: sets A, and D for a write through a leaf. */
static uint64_t use_entry(uint64_t table, uint64_t va, unsigned level, bool write)
{
    uint64_t *e = entry_of(table, va, level);
    uint64_t value = __atomic_load_n(e, __ATOMIC_ACQUIRE), wanted;

    do {
        wanted = value | A | (level == 1 && write && (value & RW) ? D : 0);
        if (!(value & P) || wanted == value)
            return value;
    } while (
        !__atomic_compare_exchange_n(e, &value, wanted, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return wanted;
}

static struct translation *look_up(struct translation *t, unsigned count, uint64_t page)
{
    for (unsigned i = 0; i < count; i++)
        if (t[i].used && t[i].page == page)
            return &t[i];
    return NULL;
}

static struct translation *insert(struct translation *t, unsigned count, unsigned *next,
                                  struct translation n)
{
    struct translation *slot = look_up(t, count, n.page);

    if (!slot) {
        slot = &t[*next];
        *next = (*next + 1) % count;
    }
    n.used = true;
    n.owner = frame_owner(frame_of(mfn(n.frame)));
    *slot = n;
    return slot;
}

/* The L1 table for va, from the walk cache or the upper tables. */
static struct translation *walk_to_l1(struct host_tlb_cpu *c, uint64_t va)
{
    struct translation *t = look_up(c->walk, WALK_ENTRIES, va >> 21);
    uint64_t table = c->l4.n;
    bool writable = true;

    if (t)
        return t;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t e = use_entry(table, va, level, false);

        if (!(e & P) || !(e & US))
            return NULL;
        writable = writable && (e & RW);
        table = (e & FRAME_BITS) >> PAGE_SHIFT;
    }
    return insert(c->walk, WALK_ENTRIES, &c->walk_next,
                  (struct translation){.page = va >> 21, .frame = table, .writable = writable});
}

static struct translation *translate(struct host_tlb_cpu *c, uint64_t va, bool write)
{
    struct translation *t = look_up(c->tlb, TLB_ENTRIES, va >> PAGE_SHIFT), *l1;
    uint64_t e;

    if (t && (t->writable || !write))
        return t;
    if (!c->account)
        return NULL;
    l1 = walk_to_l1(c, va);
    if (!l1)
        return NULL;
    e = use_entry(l1->frame, va, 1, write);
    if (!(e & P) || !(e & US) || (write && !(l1->writable && (e & RW))))
        return NULL;
    return insert(c->tlb, TLB_ENTRIES, &c->tlb_next,
                  (struct translation){.page = va >> PAGE_SHIFT,
                                       .frame = (e & FRAME_BITS) >> PAGE_SHIFT,
                                       .writable = l1->writable && (e & RW)});
}

bool host_touch(unsigned cpu, uint64_t va, bool write, mfn_t *target)
{
    struct host_tlb_cpu *c = &cpu_tlb[cpu];
    struct translation *t;

    lock_to_access(c);
    t = translate(c, va, write);
    if (t)
        *target = mfn(t->frame);
    pthread_mutex_unlock(&c->lock);
    return t != NULL;
}

bool host_store(unsigned cpu, uint64_t va, uint64_t value)
{
    struct host_tlb_cpu *c = &cpu_tlb[cpu];
    struct translation *t;

    lock_to_access(c);
    t = translate(c, va, true);
    if (t) {
        uint64_t *page = arch_map_frame(mfn(t->frame));

        __atomic_store_n(&page[(va & ~PAGE_MASK) / 8], value, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&c->lock);
    return t != NULL;
}

/* ---- the check ---- */

static bool gone(const struct translation *t)
{
    const struct frame *f = frame_of(mfn(t->frame));

    /* What the page cache keeps in it is the content that the same guest gave. */
    if (frame_state(f) == FRAME_LENT && frame_order(f) == SPARE_PCACHE) {
        unsigned seat = frame_owner(f);
        const struct pcache *pc = seat < PCACHE_CLIENTS ? pcache.seat[seat].pc : NULL;

        return !pc || pc->account->id != t->owner;
    }
    /* An idle page of the buffer cache says since when nobody maps it: whoever is given the frame flushes. */
    if (frame_state(f) == FRAME_LENT && frame_order(f) == SPARE_UBC) {
        const struct ubc_page *p = (const struct ubc_page *)((uintptr_t)f->prev << 32 | f->next);

        return !p || !p->stamp || t->owner != DOMID_COW;
    }
    return (frame_state(f) != FRAME_OWNED && frame_state(f) != FRAME_SHARED &&
            frame_state(f) != FRAME_WAITING) ||
           frame_owner(f) != t->owner;
}

static bool leaf_is_dangerous(const struct translation *t)
{
    enum frame_type type = type_of(mfn(t->frame));

    if (gone(t))
        return true;
    return t->writable && type >= TYPE_L1 && type <= TYPE_SEGDESC && type_is_valid(mfn(t->frame));
}

static bool walk_is_dangerous(const struct translation *t)
{
    return gone(t) || type_of(mfn(t->frame)) == TYPE_WRITABLE ||
           frame_state(frame_of(mfn(t->frame))) == FRAME_LENT;
}

unsigned host_tlb_check(void)
{
    unsigned found = 0;

    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++) {
        struct host_tlb_cpu *c = &cpu_tlb[cpu];

        for (unsigned i = 0; i < TLB_ENTRIES; i++)
            found += c->tlb[i].used && leaf_is_dangerous(&c->tlb[i]);
        for (unsigned i = 0; i < WALK_ENTRIES; i++)
            found += c->walk[i].used && walk_is_dangerous(&c->walk[i]);
    }
    return found;
}
