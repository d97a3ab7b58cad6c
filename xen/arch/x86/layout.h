/* SPDX-License-Identifier: MIT
 *
 * The virtual address space. Slots 256..271 of every L4 table are the hypervisor's (guest ABI);
 * what lies inside slots 257..271 is our own choice. Included by C, assembly and the linker script.
 *
 *   slot  start                  what                                          rights
 *   256   0xffff800000000000     machine-to-physical table                     guest: read
 *   258   0xffff810000000000     frame table                                   RW NX
 *   259   0xffff818000000000     machine-to-physical table, our alias          RW NX
 *   260   0xffff820000000000     per-domain: GDT and LDT windows of its vCPUs  RW NX
 *   261   0xffff828000000000     image, stacks, device pages                   W^X
 *   262-  0xffff830000000000     direct map of all RAM (5 TiB)                 RW NX
 */
#pragma once

#define SLOT_M2P_RO    256
#define SLOT_FRAMES    258
#define SLOT_M2P_RW    259
#define SLOT_PERDOMAIN 260
#define SLOT_HV        261
#define SLOT_DIRECT    262
#define SLOT_HV_FIRST  256
#define SLOT_HV_LAST   271

#define VA_M2P_RO    0xffff800000000000
#define VA_FRAMES    0xffff810000000000
#define VA_M2P_RW    0xffff818000000000
#define VA_PERDOMAIN 0xffff820000000000
#define VA_IMAGE     0xffff828000000000 /* + physical load address - IMAGE_PHYS */
#define VA_STACKS    0xffff828040000000
#define VA_DEVICES   0xffff828080000000
#define VA_DIRECT    0xffff830000000000
#define VA_LOW_END   0x0000800000000000 /* canonical addresses: below here, or from VA_HV_START */
#define VA_HV_START  0xffff800000000000
#define VA_HV_END    0xffff880000000000

#define IMAGE_PHYS 0x200000 /* where boot loaders put us */

/* Each CPU's stack: STACK_PAGES mapped pages, the lowest of them preceded by an unmapped guard. */
#define STACK_SHIFT  15
#define STACK_SIZE   (1 << STACK_SHIFT)
#define STACK_STRIDE (STACK_SIZE * 2) /* the lower half of a stride is the guard... */
/* ...but for this page, where the CPU enters and leaves when page tables are isolated (pti.h). */
#define ENTRY_PAGE_OFFSET 0x4000
/* Each of the four small stacks (desc.h). */
#define IST_SIZE 3072
/* enum ist's numbers, for assembly */
#define IST_INDEX_DF  1
#define IST_INDEX_MC  2
#define IST_INDEX_NMI 3
#define IST_INDEX_DB  4

/* Selectors. The guest-visible ones are fixed by the ABI (GDT entries from 7168 on are ours). */
#define HV_CS              0xe008
#define HV_DS              0xe010
#define GUEST_CS32         0xe023
#define GUEST_DS           0xe02b
#define GUEST_CS64         0xe033
#define HV_TSS             0xe040
#define HV_LDT             0xe050
#define FIRST_HV_GDT_ENTRY 7168
