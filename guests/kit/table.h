/* SPDX-License-Identifier: MIT
 *
 * Page tables of the guest's own making: pages for them, their entries, and the calls that change
 * and pin them. A table is named by the address where the kit maps it, as a uint64_t[512].
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

#include "kit/page.h"

#define PTE_PWT   0x008UL
#define PTE_PCD   0x010UL
#define PTE_PSE   0x080UL /* in a lowest-level entry: PAT */
#define PTE_G     0x100UL
#define PTE_FRAME 0x000ffffffffff000UL

#define TABLE_SLOTS 512U
/* What kernels put into the entries of the upper levels, and into those of plain pages. */
#define TABLE_LINK (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define TABLE_PAGE (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

/* A page of zeroes for a table, writable so far. Ends the guest if there is none left. */
uint64_t *table_new(void);
/* Gives it back: nothing may use it as a table any more, which is checked by mapping it writable
 * (a FAIL line otherwise, and the page is lost). */
void table_free(uint64_t *table);
/* Pages that table_new() can still give. */
unsigned table_left(void);

/* An entry for the page of the image at va. */
static inline uint64_t entry_of(const volatile void *va, uint64_t flags)
{
    return va_to_mfn(va) * PAGE_SIZE | flags;
}

/* The machine address of an entry, given where it is mapped. */
static inline uint64_t entry_address(const volatile uint64_t *entry)
{
    return va_to_mfn(entry) * PAGE_SIZE + (uint64_t)entry % PAGE_SIZE;
}

/* One entry by mmu_update, whatever its level. 0 or the hypercall's error. */
long table_set(const uint64_t *entry, uint64_t value);
/* The same, keeping the accessed and dirty bits that the CPU has set. */
long table_set_keeping(const uint64_t *entry, uint64_t value);
/* One mmu_update of any kind: ptr with its command bits. */
long table_update(uint64_t ptr, uint64_t value);

/* One MMU operation on a frame. */
long table_op(unsigned command, uint64_t mfn);
/* level 1 to 4. */
long table_pin(const uint64_t *table, unsigned level);
long table_unpin(const uint64_t *table);

/* The table that the kit's builder gave us (the kernel's L4), and the entry of it for va. */
const uint64_t *table_boot(void);
/* The entry of the boot tables that maps va, at a level from 1 to 4, where the kit sees it. */
const uint64_t *table_walk(const volatile void *va, unsigned level);

/* The slot of a table of that level that va goes through. */
static inline unsigned table_slot(const volatile void *va, unsigned level)
{
    return (unsigned)((uint64_t)va >> (12 + 9 * (level - 1))) % TABLE_SLOTS;
}

/* Whether the hypervisor has mmu_update at all. */
bool table_supported(void);
/* Switches a VMASST_TYPE_* on or off. */
long table_assist(unsigned type, bool on);
