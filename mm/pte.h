/* SPDX-License-Identifier: MIT
 *
 * x86-64 page-table entries: pure bit operations, the same on every machine.
 */
#pragma once

#include <lagan/types.h>

#define PTE_P        (UINT64_C(1) << 0)
#define PTE_RW       (UINT64_C(1) << 1)
#define PTE_US       (UINT64_C(1) << 2)
#define PTE_PWT      (UINT64_C(1) << 3)
#define PTE_PCD      (UINT64_C(1) << 4)
#define PTE_A        (UINT64_C(1) << 5)
#define PTE_D        (UINT64_C(1) << 6)
#define PTE_PAT      (UINT64_C(1) << 7) /* in an L1 entry */
#define PTE_PSE      (UINT64_C(1) << 7) /* in L2 and L3 entries */
#define PTE_G        (UINT64_C(1) << 8)
#define PTE_AVAIL    (UINT64_C(7) << 9)
#define PTE_AVAIL_HI (UINT64_C(0x7ff) << 52)
#define PTE_NX       (UINT64_C(1) << 63)
#define PTE_FRAME    UINT64_C(0x000ffffffffff000)

#define TABLE_ENTRIES 512
#define L4_HV_FIRST   256 /* slots that the hypervisor fills in each L4 table */
#define L4_HV_LAST    271

static inline mfn_t pte_frame(uint64_t e)
{
    return mfn((e & PTE_FRAME) >> PAGE_SHIFT);
}

static inline unsigned pte_index(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) & (TABLE_ENTRIES - 1);
}

/* Which entry of its table lies at this address. */
static inline unsigned pte_slot(uint64_t address)
{
    return (unsigned)(address & ~PAGE_MASK) >> 3;
}

static inline bool pte_slot_is_hv(unsigned level, unsigned index)
{
    return level == 4 && index >= L4_HV_FIRST && index <= L4_HV_LAST;
}

/* Tables are read by the processors' page walks, which also set A and D, at any time. */
static inline uint64_t pte_load(const uint64_t *e)
{
    return __atomic_load_n(e, __ATOMIC_RELAXED);
}

static inline void pte_store(uint64_t *e, uint64_t value)
{
    __atomic_store_n(e, value, __ATOMIC_RELAXED);
}
