/* SPDX-License-Identifier: MIT
 *
 * Memory: machine frames of the guest's own pages, and changing how a page is mapped. All of the
 * guest's image and what the builder put behind it is mapped from VIRT_BASE on, frame i at
 * VIRT_BASE + i * 4096.
 */
#pragma once

#include <stdint.h>
#include <xen/xen.h>

#ifdef KIT_BARE
#define VIRT_BASE 0UL
#else
#define VIRT_BASE 0xffffffff80000000UL
#endif
#define PAGE_SIZE 4096UL

#define PTE_P  0x001UL
#define PTE_W  0x002UL
#define PTE_U  0x004UL
#define PTE_A  0x020UL
#define PTE_D  0x040UL
#define PTE_NX (1UL << 63)

#define PAGE_ALIGNED __attribute__((aligned(4096)))

extern shared_info_t *kit_shared_info;

void page_init(void);

static inline uint64_t va_to_pfn(const volatile void *va)
{
    return ((uint64_t)va - VIRT_BASE) / PAGE_SIZE;
}

static inline void *pfn_to_va(uint64_t pfn)
{
    return (void *)(VIRT_BASE + pfn * PAGE_SIZE);
}

/* By the list that start_info names, and by the hypervisor's table. */
uint64_t pfn_to_mfn(uint64_t pfn);
uint64_t mfn_to_pfn(uint64_t mfn);
/* Of a page of the image. */
uint64_t va_to_mfn(const volatile void *va);

/* Maps machine frame mfn at va (a page of the image, whose own frame stays ours) with PTE_* flags,
 * and flushes that address. 0 or the hypercall's error. */
long page_map(void *va, uint64_t mfn, uint64_t flags);
/* Maps the page of the image itself again: writable, or only readable. */
long page_make_writable(void *va);
long page_make_readonly(void *va);
long page_unmap(void *va);

/* The machine address of the lowest-level entry that maps va. */
uint64_t page_entry_address(const volatile void *va);
