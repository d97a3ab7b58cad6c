/* SPDX-License-Identifier: MIT
 *
 * The machine's spinlock: a ticket lock, fair under contention.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct arch_spinlock {
    _Atomic uint16_t next;    /* the ticket the next comer takes */
    _Atomic uint16_t serving; /* the ticket that holds the lock */
};

#define ARCH_SPINLOCK_INIT \
    {                      \
        0, 0               \
    }

struct lock_trace;
struct lock_trace *arch_lock_trace(void);

static inline void arch_spin_lock(struct arch_spinlock *l)
{
    uint16_t mine = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);

    while (atomic_load_explicit(&l->serving, memory_order_acquire) != mine)
        __builtin_ia32_pause();
}

static inline bool arch_spin_trylock(struct arch_spinlock *l)
{
    uint16_t serving = atomic_load_explicit(&l->serving, memory_order_acquire);
    uint16_t expect = serving;

    return atomic_compare_exchange_strong_explicit(&l->next, &expect, (uint16_t)(serving + 1),
                                                   memory_order_acquire, memory_order_relaxed);
}

static inline void arch_spin_unlock(struct arch_spinlock *l)
{
    uint16_t serving = atomic_load_explicit(&l->serving, memory_order_relaxed);

    atomic_store_explicit(&l->serving, (uint16_t)(serving + 1), memory_order_release);
}

static inline bool arch_spin_is_locked(const struct arch_spinlock *l)
{
    return atomic_load_explicit(&l->serving, memory_order_relaxed) !=
           atomic_load_explicit(&l->next, memory_order_relaxed);
}
