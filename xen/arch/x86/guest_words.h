/* SPDX-License-Identifier: MIT
 *
 * A few words of the current guest's memory at a constant distance from one address, an instruction each: the frames
 * that go through its stack at each system call, fault and event. Everything else is copied
 * (xen/guest_access.h), by the same rules: the range is checked, the address used is one that a processor cannot
 * guess to be the hypervisor's, each access may fault, and SMAP is lifted for the accesses only.
 *
 *     uint64_t *at;
 *
 *     if (!guest_words(va, 2, &at)) ...
 *     guest_words_begin();
 *     GUEST_STORE(at + 0, x, fault);           or GUEST_LOAD(x, at + 0, failed); with bool failed = false before
 *     guest_words_end();                       also at `fault`
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/extable.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/smap.h"

/* All ones if a < b, else 0: by arithmetic, in a way that the compiler cannot make a branch of. */
static LAGAN_INLINE uint64_t mask_below(uint64_t a, uint64_t b)
{
    uint64_t mask;

    __asm__ volatile("cmp %2, %1; sbb %0, %0" : "=r"(mask) : "r"(a), "r"(b) : "cc");
    return mask;
}

/* What is the guest's is one piece if addresses are counted from VA_HV_END and wrap around: its upper part,
 * then its lower. False: not all of the words lie in it. */
static LAGAN_INLINE bool guest_words(uint64_t va, unsigned count, uint64_t **at)
{
    uint64_t first_bad = VA_LOW_END - VA_HV_END - count * sizeof(uint64_t) + 1, mask;
    bool ok;

    /* As mask_below(), and SBB leaves the carry as it was. */
    __asm__ volatile("cmp %3, %2; sbb %0, %0"
                     : "=r"(mask), "=@ccc"(ok)
                     : "r"(va - VA_HV_END), "r"(first_bad));
    *at = (uint64_t *)(va & mask);
    return ok;
}

static LAGAN_INLINE void guest_words_begin(void)
{
    __asm__ volatile(SMAP_STAC : : : "memory");
}

static LAGAN_INLINE void guest_words_end(void)
{
    __asm__ volatile(SMAP_CLAC : : : "memory");
}

/* Goes to the label `fault` if the word cannot be written. */
/* clang-format off */
#define GUEST_STORE(at, value, fault)                             \
    __asm__ goto("1: mov %0, %1\n\t" EX_TABLE(1b, %l[fault])      \
                 :                                                \
                 : "r"((uint64_t)(value)), "m"(*(uint64_t *)(at)) \
                 : "memory"                                       \
                 : fault)
/* clang-format on */

/* If the word cannot be read, sets failed, and value means nothing. */
#define GUEST_LOAD(value, at, failed)                                \
    __asm__ volatile("1: mov %2, %1\n"                               \
                     "2:\n\t"                                        \
                     ".pushsection .text.fixup, \"ax\", @progbits\n" \
                     "3: movb $1, %0\n\t"                            \
                     "jmp 2b\n\t"                                    \
                     ".popsection\n\t" EX_TABLE(1b, 3b)              \
                     : "+q"(failed), "=r"(value)                     \
                     : "m"(*(const uint64_t *)(at)))
