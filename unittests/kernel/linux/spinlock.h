/* SPDX-License-Identifier: MIT
 *
 * The kernel's spin locks: those of the C library, which ThreadSanitizer knows. There are no interrupts.
 */
#pragma once

#include <pthread.h>

typedef pthread_spinlock_t spinlock_t;

#define spin_lock_init(lock)                pthread_spin_init(lock, PTHREAD_PROCESS_PRIVATE)
#define spin_lock_irqsave(lock, flags)      ((flags) = 0, pthread_spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), pthread_spin_unlock(lock))
#define spin_lock(lock)                     pthread_spin_lock(lock)
#define spin_unlock(lock)                   pthread_spin_unlock(lock)
