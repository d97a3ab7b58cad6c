/* SPDX-License-Identifier: MIT
 *
 * Machine frames and mappings.
 */
#include "kit/page.h"
#include "kit/hypercall.h"
#include "kit/kit.h"

static uint8_t shared_info_page[PAGE_SIZE] PAGE_ALIGNED;

shared_info_t *kit_shared_info = (shared_info_t *)shared_info_page;

void page_init(void)
{
    long rc = page_map(shared_info_page, kit_start_info->shared_info / PAGE_SIZE, PTE_P | PTE_W);

    if (rc != 0) {
        check_fail("kit-shared-info", "%ld", rc);
        kit_finish();
    }
}

uint64_t pfn_to_mfn(uint64_t pfn)
{
    return ((const uint64_t *)kit_start_info->mfn_list)[pfn];
}

uint64_t mfn_to_pfn(uint64_t mfn)
{
    return machine_to_phys_mapping[mfn];
}

uint64_t va_to_mfn(const volatile void *va)
{
    return pfn_to_mfn(va_to_pfn(va));
}

long page_map(void *va, uint64_t mfn, uint64_t flags)
{
    return hv_update_va_mapping(va, mfn * PAGE_SIZE | flags, UVMF_INVLPG | UVMF_ALL);
}

long page_make_writable(void *va)
{
    return page_map(va, va_to_mfn(va), PTE_P | PTE_W | PTE_A | PTE_D | PTE_U);
}

long page_make_readonly(void *va)
{
    return page_map(va, va_to_mfn(va), PTE_P | PTE_A | PTE_U);
}

long page_unmap(void *va)
{
    return hv_update_va_mapping(va, 0, UVMF_INVLPG | UVMF_ALL);
}

/* The builder's tables are mapped (read-only) like the rest of our memory, so they can be walked by
 * machine frame -> pseudo-physical frame -> address. */
uint64_t page_entry_address(const volatile void *va)
{
    uint64_t table = va_to_mfn((void *)kit_start_info->pt_base);

    for (unsigned level = 4;; level--) {
        unsigned slot = (unsigned)((uint64_t)va >> (12 + 9 * (level - 1))) & 511;

        if (level == 1) {
            return table * PAGE_SIZE + slot * sizeof(uint64_t);
        }
        table = ((const uint64_t *)pfn_to_va(mfn_to_pfn(table)))[slot];
        table = (table & 0x000ffffffffff000UL) / PAGE_SIZE;
    }
}
