/* SPDX-License-Identifier: MIT
 *
 * For what is timed on the host: the machine's own lock, with what the host machine adds to its.
 */
#pragma once

#include <pthread.h>

#include "xen/arch/x86/include/arch_lock.h"

void host_lock_taken(struct arch_spinlock *l);
void host_lock_released(struct arch_spinlock *l);
