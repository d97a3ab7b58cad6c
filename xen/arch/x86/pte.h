/* SPDX-License-Identifier: MIT
 *
 * Bits of page-table entries, as far as the hypervisor's own mappings use them.
 */
#pragma once

#include <lagan/types.h>

#define PTE_P    (UINT64_C(1) << 0)
#define PTE_RW   (UINT64_C(1) << 1)
#define PTE_US   (UINT64_C(1) << 2)
#define PTE_PWT  (UINT64_C(1) << 3)
#define PTE_PCD  (UINT64_C(1) << 4)
#define PTE_A    (UINT64_C(1) << 5)
#define PTE_D    (UINT64_C(1) << 6)
#define PTE_PS   (UINT64_C(1) << 7)
#define PTE_G    (UINT64_C(1) << 8)
#define PTE_NX   (UINT64_C(1) << 63)
#define PTE_ADDR UINT64_C(0x000ffffffffff000)

/* Accessed and dirty are set from the start: the CPU need not write the tables. */
#define PTE_HV_RO    (PTE_P | PTE_A | PTE_D | PTE_G | PTE_NX)
#define PTE_HV_RW    (PTE_HV_RO | PTE_RW)
#define PTE_HV_RX    (PTE_P | PTE_A | PTE_D | PTE_G)
#define PTE_HV_UC    (PTE_HV_RW | PTE_PCD | PTE_PWT)
#define PTE_HV_TABLE (PTE_P | PTE_RW | PTE_A)
