/* SPDX-License-Identifier: MIT */
#pragma once

#define READ_ONCE(word)         __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define WRITE_ONCE(word, value) __atomic_store_n(&(word), value, __ATOMIC_RELAXED)
#define xchg(word, value)       __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST)

static inline uint64_t cmpxchg(uint64_t *word, uint64_t old, uint64_t value)
{
    __atomic_compare_exchange_n(word, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return old;
}
