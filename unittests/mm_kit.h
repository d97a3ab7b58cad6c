/* SPDX-License-Identifier: MIT
 *
 * What the tests of mm/ share: a machine with two accounts, address spaces to try things on,
 * checks.
 */
#pragma once

#include <CUnit/CUnit.h>

#include <lagan/types.h>
#include "mm/account.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"
#include "unittests/suite.h"
#include "unittests/table_set.h"

extern struct account kit_a, kit_b;

/* A new machine with `pages` frames on each side of 4 GiB and the accounts a (id 1) and b (id 2).
 */
void kit_start(uint64_t pages);
/* Destroys the accounts, which must be empty, and checks that every page came back. */
void kit_end(void);
/* Everything audited, no CPU with a dangerous translation, and `held` references outside of tables.
 */
void kit_check(uint64_t held);
/* Gives up all that is left of an account. */
void kit_relinquish(struct account *a);

/* A new frame of the account. */
mfn_t kit_frame(struct account *a);
/* Entry `index` of a frame, as the hypervisor sees the memory. */
uint64_t *kit_entry(mfn_t m, unsigned index);
static inline uint64_t kit_pte(mfn_t m, uint64_t flags)
{
    return m.n << PAGE_SHIFT | flags;
}
#define KIT_RW (PTE_P | PTE_RW | PTE_US)
#define KIT_RO (PTE_P | PTE_US)

/* An address space, not yet of any type: l4[0] -> l3[0] -> l2[0..l1_count) -> l1 tables, each
 * mapping the same data frames at entries 0..data_count, even ones writable. */
enum { KIT_L1 = 4, KIT_DATA = 6 };
struct kit_space {
    mfn_t l4, l3, l2, l1[KIT_L1], data[KIT_DATA];
};
void kit_space_build(struct account *a, struct kit_space *s);
static inline uint64_t kit_va(unsigned l1, unsigned entry)
{
    return (uint64_t)l1 << 21 | (uint64_t)entry << 12;
}

uint64_t kit_random(uint64_t *state);
/* The run's seed, mixed with a constant of the test's own. */
uint64_t kit_seed(uint64_t salt);
