/* SPDX-License-Identifier: MIT
 *
 * What the tests of grants share: two domains (accounts a and b of mm_kit.h) with grant tables and
 * address spaces; b has one more of each for a third.
 */
#pragma once

#include "shmem/grant_int.h"
#include "unittests/mm_kit.h"

enum { GA, GB, GC, GRANT_DOMAINS, GRANT_LANES = 4 };

struct grant_domain {
    struct account *account;
    struct grant_table *table;
    struct kit_space space;
    struct grant_user user; /* lane 0 */
};
extern struct grant_domain gd[GRANT_DOMAINS];

/* A new machine; all have a table of one frame, and CPU n runs domain n. */
void grant_start(void);
/* As kit_check(), and the grants'. `held` counts neither what grants hold nor the base pointers of
 * the CPUs. */
void grant_check(void);
/* Gives up one domain's memory, then its grants, as teardown does; its table stays until the end. */
void grant_kill(unsigned d);
/* A killed domain that nobody needs any more goes, and begins again. */
void grant_restart(unsigned d);
/* Kills what is left, and nothing is lost. */
void grant_end(void);

/* An entry of version 1, as its domain writes it. */
void grant_write(unsigned d, grant_ref_t ref, unsigned who, mfn_t m, uint16_t flags);
uint16_t grant_flags(unsigned d, grant_ref_t ref);

/* An entry of the first L1 table of d, free for mappings: its virtual and its machine address. */
static inline uint64_t grant_va(unsigned n)
{
    return kit_va(0, KIT_DATA + n);
}
uint64_t grant_pte_address(unsigned d, unsigned n);
uint64_t grant_pte(unsigned d, unsigned n);

/* The operations; the result is the status. */
int do_map(unsigned mapper, unsigned granter, grant_ref_t ref, uint64_t host_addr, uint32_t flags,
           grant_handle_t *handle);
int do_unmap(unsigned mapper, grant_handle_t handle, uint64_t host_addr);
