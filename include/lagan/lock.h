/* SPDX-License-Identifier: MIT
 *
 * Spinlocks, the one list of lock levels, and clang's thread-safety attributes.
 *
 * Interrupt handlers of this hypervisor take no locks at all (they only leave notes for a softirq),
 * so a lock never needs interrupts off. A CPU that holds a lock is never descheduled.
 * Debug builds check that levels are taken in ascending order. docs/locking.md explains the order.
 */
#pragma once

#include <lagan/assert.h>
#include <lagan/types.h>
#include "arch_lock.h" /* from the machine: struct arch_spinlock and arch_spin_*, arch_lock_trace() */

#if defined(__clang__)
#define LAGAN_TSA(x) __attribute__((x))
#else
#define LAGAN_TSA(x)
#endif
#define LAGAN_CAPABILITY        LAGAN_TSA(capability("lock"))
#define LAGAN_REQUIRES(...)     LAGAN_TSA(requires_capability(__VA_ARGS__))
#define LAGAN_ACQUIRES(...)     LAGAN_TSA(acquire_capability(__VA_ARGS__))
#define LAGAN_RELEASES(...)     LAGAN_TSA(release_capability(__VA_ARGS__))
#define LAGAN_TRY_ACQUIRES(...) LAGAN_TSA(try_acquire_capability(__VA_ARGS__))
#define LAGAN_EXCLUDES(...)     LAGAN_TSA(locks_excluded(__VA_ARGS__))
#define LAGAN_NO_TSA            LAGAN_TSA(no_thread_safety_analysis)

/* A lock may be taken only while all locks held have a lower level. This enum is the authority. */
enum lock_level {
    LK_NONE,
    LK_DOMLIST,    /* the list of domains */
    LK_DOMAIN,     /* one domain's life cycle (domain.lock) */
    LK_PRESSURE,   /* targets of all domains, and the host's memory as the policy sees it */
    LK_PV,         /* one domain's page tables and descriptor tables (mm_account lock of updates) */
    LK_EVENT,      /* one domain's event channels */
    LK_PIRQ,       /* the table of physical interrupts; then one of them */
    LK_EVENT_PORT, /* one event port's binding */
    LK_EVENT_FIFO, /* one FIFO queue */
    LK_GRANT,      /* the shape of a grant table */
    LK_GRANT_ENTRY,  /* one grant entry */
    LK_GRANT_HANDLE, /* a list of free handles of grants */
    LK_UBC_TABLE,    /* the buffer cache's list of volumes */
    LK_UBC,          /* one volume of the buffer cache */
    LK_FRAME,        /* a page-table frame's bit lock */
    LK_ACCOUNT,      /* one account's frame list and limits */
    LK_SLAB,         /* small-object allocator */
    LK_PCACHE,       /* one client of the page cache; never two at a time */
    LK_UBC_IDLE,     /* idle pages of the buffer cache */
    LK_TLB,          /* one CPU's waiting room of frames that await a flush */
    LK_HEAP_CACHE,   /* one CPU's cache of free frames; never two at a time */
    LK_HEAP,         /* page allocator */
    LK_SCHED,        /* one CPU's run queue; two of them: lower CPU number first */
    LK_TIMER,        /* one CPU's timer heap */
    LK_IRQ,          /* interrupt controllers */
    LK_FLUSH,        /* one shootdown at a time from a CPU */
    LK_CONSRING,     /* one domain's console ring */
    LK_CONSOLE,      /* log ring and serial port: last, so that anybody may print */
    LK_COUNT
};

/* The locks this CPU (or test thread) holds, newest last: debug builds and crash dumps only. */
#define LOCK_TRACE_DEPTH 16
struct lock_trace {
    unsigned depth;
    uint8_t level[LOCK_TRACE_DEPTH];
};

struct LAGAN_CAPABILITY spinlock {
    struct arch_spinlock raw;
    uint8_t level; /* enum lock_level; constant after spin_init() */
};

#define SPINLOCK_INIT(lvl)                        \
    {                                             \
        .raw = ARCH_SPINLOCK_INIT, .level = (lvl) \
    }

static inline void spin_init(struct spinlock *l, enum lock_level level)
{
    *l = (struct spinlock){.raw = ARCH_SPINLOCK_INIT, .level = (uint8_t)level};
}

#ifdef LAGAN_DEBUG
static inline void lock_trace_push(uint8_t level, bool ordered)
{
    struct lock_trace *t = arch_lock_trace();

    ASSERT(t->depth < LOCK_TRACE_DEPTH);
    ASSERT(!ordered || t->depth == 0 || t->level[t->depth - 1] < level);
    t->level[t->depth++] = level;
}

static inline void lock_trace_pop(uint8_t level)
{
    struct lock_trace *t = arch_lock_trace();
    unsigned i = t->depth;

    while (i > 0 && t->level[i - 1] != level)
        i--;
    ASSERT(i > 0);
    for (; i < t->depth; i++)
        t->level[i - 1] = t->level[i];
    t->depth--;
}
#else
static inline void lock_trace_push(uint8_t level, bool ordered)
{
    (void)level;
    (void)ordered;
}
static inline void lock_trace_pop(uint8_t level)
{
    (void)level;
}
#endif

static inline void spin_lock(struct spinlock *l) LAGAN_ACQUIRES(*l) LAGAN_NO_TSA
{
    lock_trace_push(l->level, true);
    arch_spin_lock(&l->raw);
}

/* Takes a second lock of the level held already; the caller keeps the order within the level. */
static inline void spin_lock_nested(struct spinlock *l) LAGAN_ACQUIRES(*l) LAGAN_NO_TSA
{
    lock_trace_push(l->level, false);
    arch_spin_lock(&l->raw);
}

static inline bool spin_trylock(struct spinlock *l) LAGAN_TRY_ACQUIRES(true, *l) LAGAN_NO_TSA
{
    if (!arch_spin_trylock(&l->raw))
        return false;
    lock_trace_push(l->level, false);
    return true;
}

static inline void spin_unlock(struct spinlock *l) LAGAN_RELEASES(*l) LAGAN_NO_TSA
{
    lock_trace_pop(l->level);
    arch_spin_unlock(&l->raw);
}

/* For ASSERT only: some CPU holds the lock. */
static inline bool spin_is_locked(const struct spinlock *l)
{
    return arch_spin_is_locked(&l->raw);
}
