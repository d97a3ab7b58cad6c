/* SPDX-License-Identifier: MIT
 *
 * What transport/ needs of wherever it is compiled: a test guest, a Linux program, a host test. Of
 * the C library that is four functions; the guest kit has them too.
 *
 * Shared memory belongs to the other end as much as to us. It is read by the functions below only,
 * once for each decision, and what was read is checked before it is used. The accesses are atomic
 * so that neither compiler nor ThreadSanitizer can object.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/errno.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

/* Reads an index: what was written before the other end stored it can be read after. */
static inline uint32_t shared_load(const uint32_t *where)
{
    return __atomic_load_n(where, __ATOMIC_ACQUIRE);
}

/* Stores an index: what was written or read before is done. */
static inline void shared_store(uint32_t *where, uint32_t value)
{
    __atomic_store_n(where, value, __ATOMIC_RELEASE);
}

static inline uint8_t shared_load_byte(const uint8_t *where)
{
    return __atomic_load_n(where, __ATOMIC_ACQUIRE);
}
