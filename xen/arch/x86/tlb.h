/* SPDX-License-Identifier: MIT
 *
 * This CPU's part of TLB flushing; the rest is in lagan/arch.h.
 */
#pragma once

/* Before the second CPU starts. */
void tlb_init(void);
/* Drops all guest translations of this CPU, and tells the TLB clock. */
void tlb_flush_local(void);
/* Drops all translations of all CPUs, the hypervisor's own among them. Interrupts are on. */
void tlb_flush_global(void);
