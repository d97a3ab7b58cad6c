/* SPDX-License-Identifier: MIT
 *
 * The host machine's TLBs. Each CPU caches the translations its guest used, and the page-table
 * entries it walked through (the paging-structure cache), until a flush; exactly what makes a
 * missing flush dangerous on the real machine. host_tlb_check() looks for that danger.
 */
#pragma once

#include <lagan/types.h>
#include "mm/account.h"

/* Empty TLBs, no tables loaded, flushes work. */
void host_tlb_reset(void);

/* CPU `cpu` runs a guest of account `a` on the tables at l4: flushed and entered, as a CR3 write
 * does. NULL: leaves the guest it runs. */
void host_tlb_load(unsigned cpu, struct account *a, mfn_t l4);
/* The tables that the CPU runs on; frame 0 if none. */
mfn_t host_tlb_loaded(unsigned cpu);

/* The guest on `cpu` reads or writes at va. False: page fault. Otherwise *target is the frame that
 * the access reached, from the TLB if it is there, else from the tables, and is then in the TLB. */
bool host_touch(unsigned cpu, uint64_t va, bool write, mfn_t *target);

/* As host_touch() for a write of the word at va itself: what a guest's store does. */
bool host_store(unsigned cpu, uint64_t va, uint64_t value);

/* How many dangerous translations the CPUs hold now:
 *  - writable, of a frame that is validated as a page table or as segment descriptors;
 *  - any, of a frame that was given to another owner or to the heap since;
 *  - a walked table entry whose table the guest may meanwhile write, or that is gone.
 * Nothing else changes memory meanwhile. */
unsigned host_tlb_check(void);

/* CPUs flushed by arch_tlb_flush() and arch_tlb_flush_page() since the reset. */
unsigned host_tlb_flush_count(void);

/* Called in the middle of the next arch_tlb_flush(), once: what another CPU does just then. */
void host_tlb_on_flush(void (*other)(void));

/* Mutation: flushes do nothing. A test shows that host_tlb_check() then finds something. */
void host_tlb_break_flushes(bool broken);
