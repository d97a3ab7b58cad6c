/* SPDX-License-Identifier: MIT
 *
 * A word for each vector of each CPU: 0, or the interrupt's number + 1, and whether it is level
 * triggered. Words change under the lock and are read without.
 *
 * The search begins behind the last vector given out, so that one that was freed rests for a while:
 * an interrupt that was on its way when its source was silenced then counts as a stray, and is not
 * taken for somebody else's.
 *
 * INV-VEC-1: a word names interrupt i  <=>  the vector is interrupt i's present or former place
 *            (pirq_audit() compares both sides).
 */
#include "xen/arch/x86/vectors.h"

#include <lagan/assert.h>
#include <lagan/cpumask.h>
#include <lagan/lock.h>
#include <stdatomic.h>

#define USE_LEVEL 0x8000U

static struct {
    struct spinlock lock;
    _Atomic uint16_t use[MAX_CPUS][VECTOR_DEVICE_COUNT];
    uint8_t next[MAX_CPUS]; /* [lock] where the search begins */
} vectors = {.lock = SPINLOCK_INIT(LK_IRQ)};

static uint16_t word_of(uint16_t irq, bool level)
{
    ASSERT(irq <= VECTOR_IRQ_MAX);
    return (uint16_t)((irq + 1U) | (level ? USE_LEVEL : 0));
}

static bool is_free(unsigned cpu, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        if (vectors.use[cpu][i])
            return false;
    return true;
}

/* The first of a free block, or VECTOR_DEVICE_COUNT. The lock is held. */
static unsigned find_block(unsigned cpu, unsigned count)
{
    unsigned blocks = VECTOR_DEVICE_COUNT / count, start = (vectors.next[cpu] + count - 1U) / count;

    for (unsigned i = 0; i < blocks; i++) {
        unsigned at = (start + i) % blocks * count;

        if (is_free(cpu, at, count))
            return at;
    }
    return VECTOR_DEVICE_COUNT;
}

STATIC_ASSERT(VECTOR_DEVICE_FIRST % VECTOR_BLOCK_MAX == 0);

int vectors_alloc(unsigned cpu, unsigned count, uint16_t irq, bool level,
                  struct vector_place *first)
{
    unsigned at;

    ASSERT(cpu < MAX_CPUS && count > 0 && count <= VECTOR_BLOCK_MAX && !(count & (count - 1)));
    spin_lock(&vectors.lock);
    at = find_block(cpu, count);
    if (at < VECTOR_DEVICE_COUNT) {
        for (unsigned i = 0; i < count; i++)
            vectors.use[cpu][at + i] = word_of((uint16_t)(irq + i), level);
        vectors.next[cpu] = (uint8_t)((at + count) % VECTOR_DEVICE_COUNT);
        *first = (struct vector_place){(uint16_t)cpu, (uint8_t)(VECTOR_DEVICE_FIRST + at)};
    }
    spin_unlock(&vectors.lock);
    return at < VECTOR_DEVICE_COUNT ? 0 : -XEN_ENOSPC;
}

bool vectors_claim(struct vector_place place, uint16_t irq, bool level)
{
    unsigned at = place.vector - VECTOR_DEVICE_FIRST;
    bool free;

    ASSERT(place.cpu < MAX_CPUS && at < VECTOR_DEVICE_COUNT);
    spin_lock(&vectors.lock);
    free = is_free(place.cpu, at, 1);
    if (free)
        vectors.use[place.cpu][at] = word_of(irq, level);
    spin_unlock(&vectors.lock);
    return free;
}

void vectors_free(struct vector_place place)
{
    unsigned at = place.vector - VECTOR_DEVICE_FIRST;

    if (!place.vector)
        return;
    ASSERT(place.cpu < MAX_CPUS && at < VECTOR_DEVICE_COUNT);
    spin_lock(&vectors.lock);
    ASSERT(vectors.use[place.cpu][at]);
    vectors.use[place.cpu][at] = 0;
    spin_unlock(&vectors.lock);
}

struct vector_use vectors_look_up(unsigned cpu, unsigned vector)
{
    unsigned at = vector - VECTOR_DEVICE_FIRST;
    uint16_t word = 0;

    if (at < VECTOR_DEVICE_COUNT)
        word = atomic_load_explicit(&vectors.use[cpu][at], memory_order_relaxed);
    if (!word)
        return (struct vector_use){.used = false};
    return (struct vector_use){true, word & USE_LEVEL, (uint16_t)((word & ~USE_LEVEL) - 1)};
}

unsigned vectors_count(unsigned cpu)
{
    unsigned count = 0;

    for (unsigned i = 0; i < VECTOR_DEVICE_COUNT; i++)
        count += vectors.use[cpu][i] != 0;
    return count;
}
