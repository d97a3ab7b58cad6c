/* SPDX-License-Identifier: MIT
 *
 * Walks the tables that isolated guests run with and checks INV-PTI-1: what of the hypervisor can be
 * reached through them, with which rights, and that nothing of what is needed is missing. Debug builds
 * do it for each CPU before it starts, and when a domain ends.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>

#include "mm/pte.h"
#include "xen/arch/x86/hvmap_int.h"
#include "xen/arch/x86/idt.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/pte.h"
#include "xen/arch/x86/pti_int.h"
#include "xen/arch/x86/sections.h"
#include "arch_inline.h"

#define RIGHTS (PTE_P | PTE_RW | PTE_US | PTE_PS | PTE_G | PTE_NX)

/* The one entry that may be at this address of slot 261, as far as rights and address go; 0: none. */
static uint64_t allowed(unsigned cpu, uint64_t va)
{
    uint64_t entry_page = VA_STACKS + (uint64_t)cpu * STACK_STRIDE + ENTRY_PAGE_OFFSET;

    if (va >= (uint64_t)entry_text_start && va < (uint64_t)entry_text_end)
        return image_phys((const void *)va) | PTE_P;
    if (va == idt_address())
        return image_phys((const void *)va) | PTE_P | PTE_NX;
    if (va == entry_page)
        return (*entry_for(va, 1) & PTE_ADDR) | PTE_P | PTE_RW | PTE_NX;
    return 0;
}

static uint64_t pages_expected(void)
{
    return (uint64_t)(entry_text_end - entry_text_start) / PAGE_SIZE + 2;
}

/* Counts the pages of a table of slot 261; UINT64_MAX: one should not be there. */
static uint64_t count_pages(unsigned cpu, const uint64_t *table, unsigned level, uint64_t va)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t at = va + ((uint64_t)i << (PAGE_SHIFT + 9 * (level - 1))), e = table[i], below;

        if (!(e & PTE_P))
            continue;
        if (level > 1 && !(e & (PTE_PS | PTE_US))) {
            below = count_pages(cpu, arch_map_frame(pte_frame(e)), level - 1, at);
            if (below == UINT64_MAX)
                return below;
            sum += below;
        } else if (level == 1 && allowed(cpu, at) == (e & (RIGHTS | PTE_ADDR))) {
            sum++;
        } else {
            log_err("isolated tables of CPU%u map %#lx: %#lx\n", cpu, at, e);
            return UINT64_MAX;
        }
    }
    return sum;
}

static bool slots_ok(unsigned cpu, const uint64_t *l4, uint64_t l3)
{
    for (unsigned slot = SLOT_HV_FIRST; slot <= SLOT_HV_LAST; slot++) {
        bool ok = l4[slot] == 0;

        if (slot == SLOT_M2P_RO)
            ok = l4[slot] == hv_l4[SLOT_M2P_RO];
        else if (slot == SLOT_HV)
            ok = (l4[slot] & PTE_ADDR) == l3 && (l4[slot] & PTE_P) && !(l4[slot] & PTE_US);
        else if (slot == SLOT_PERDOMAIN)
            ok = !(l4[slot] & PTE_US);
        if (!ok) {
            log_err("isolated tables of CPU%u: slot %u is %#lx\n", cpu, slot, l4[slot]);
            return false;
        }
    }
    return true;
}

static bool audit_cpu(unsigned cpu)
{
    const struct pti_tables *t = pti_tables_of(cpu);
    uint64_t l3 = arch_frame_of(t->l3).n << PAGE_SHIFT, pages;

    pages = count_pages(cpu, t->l3, 3, VA_IMAGE & ~((UINT64_C(1) << 39) - 1));
    if (pages != pages_expected() && pages != UINT64_MAX)
        log_err("isolated tables of CPU%u map %lu pages instead of %lu\n", cpu, pages,
                pages_expected());
    return pages == pages_expected() && slots_ok(cpu, t->l4[0], l3) && slots_ok(cpu, t->l4[1], l3);
}

bool pti_audit(void)
{
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        if (pti_entry_page(cpu) && !audit_cpu(cpu))
            return false;
    return true;
}
