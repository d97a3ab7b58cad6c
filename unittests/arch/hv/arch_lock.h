/* SPDX-License-Identifier: MIT
 *
 * The host machine's spinlock: a pthread mutex, which Helgrind and ThreadSanitizer understand.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct arch_spinlock {
    pthread_mutex_t mutex;
    _Atomic bool held; /* for arch_spin_is_locked() only */
};

#define ARCH_SPINLOCK_INIT                                \
    {                                                     \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .held = false \
    }

struct lock_trace;
struct lock_trace *arch_lock_trace(void);

/* host.c keeps the locks that a thread holds, so that a panic a test asked for can let go of them.
 */
void host_lock_taken(struct arch_spinlock *l);
void host_lock_released(struct arch_spinlock *l);

static inline void arch_spin_lock(struct arch_spinlock *l)
{
    pthread_mutex_lock(&l->mutex);
    atomic_store_explicit(&l->held, true, memory_order_relaxed);
    host_lock_taken(l);
}

static inline bool arch_spin_trylock(struct arch_spinlock *l)
{
    if (pthread_mutex_trylock(&l->mutex) != 0)
        return false;
    atomic_store_explicit(&l->held, true, memory_order_relaxed);
    host_lock_taken(l);
    return true;
}

static inline void arch_spin_unlock(struct arch_spinlock *l)
{
    host_lock_released(l);
    atomic_store_explicit(&l->held, false, memory_order_relaxed);
    pthread_mutex_unlock(&l->mutex);
}

static inline bool arch_spin_is_locked(const struct arch_spinlock *l)
{
    return atomic_load_explicit(&l->held, memory_order_relaxed);
}
