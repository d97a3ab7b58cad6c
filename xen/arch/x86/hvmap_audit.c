/* SPDX-License-Identifier: MIT
 *
 * Walks the hypervisor's page tables and checks what hvmap.c promises of them (INV-MAP-1,
 * INV-MAP-2, INV-M2P-1), entry by entry, with the rights that all levels together give. Debug
 * builds do it at boot, and again when the boot code is gone.
 */
#include <lagan/arch.h>
#include <lagan/cpumask.h>
#include <lagan/printk.h>

#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/hvmap_int.h"
#include "xen/arch/x86/pte.h"
#include "xen/arch/x86/pti.h"
#include "arch_inline.h"
#include "xen/arch/x86/sections.h"

/* Rights that add up on the way down: a permission needs every level, a prohibition one. */
#define PERMISSIONS  (PTE_RW | PTE_US)
#define PROHIBITIONS PTE_NX

static uint64_t combine(uint64_t above, uint64_t e)
{
    return (above & e & PERMISSIONS) | ((above | e) & PROHIBITIONS);
}

/* Does the page of the M2P at va describe a frame that exists? */
static bool describes_ram(uint64_t va)
{
    uint64_t first = ((va & ((UINT64_C(1) << 39) - 1)) / sizeof(uint64_t));

    for (uint64_t m = first; m < first + PAGE_SIZE / sizeof(uint64_t); m++)
        if (arch_mfn_valid(mfn(m)))
            return true;
    return false;
}

static bool is_guard(uint64_t va)
{
    if (pti_used() && (va & (STACK_STRIDE - 1)) == ENTRY_PAGE_OFFSET)
        return false;
    return va >= VA_STACKS && va < VA_STACKS + MAX_CPUS * (uint64_t)STACK_STRIDE &&
           (va & (STACK_STRIDE - 1)) < STACK_SIZE + STACK_GUARD_OFFSET + PAGE_SIZE &&
           ((va & (STACK_STRIDE - 1)) < STACK_SIZE ||
            (va & (STACK_STRIDE - 1)) >= STACK_SIZE + STACK_GUARD_OFFSET);
}

static const char *fault_of(uint64_t va, uint64_t e, uint64_t rights)
{
    uint64_t slot = va >> 39 & 511, pa = e & PTE_ADDR;
    bool constant = pa >= image_phys(text_start) && pa < image_phys(rodata_end) && !(e & PTE_PS);
    bool init = pa >= image_phys(init_text_start) && pa < image_phys(init_text_end);

    if ((rights & PTE_RW) && !(rights & PTE_NX))
        return "writable and executable";
    if ((rights & PTE_RW) && constant && !(init && init_is_gone))
        return "a constant of the image, writable";
    if (init_is_gone && !(rights & PTE_NX) && init)
        return "boot code that is gone";
    if ((rights & PTE_US) && (slot != SLOT_M2P_RO || (rights & PTE_RW)))
        return "open to ring 3";
    if (slot == SLOT_M2P_RW && (rights & PTE_RW) && !(e & PTE_PS) && !describes_ram(va))
        return "the page for frames that do not exist, writable";
    if (is_guard(va))
        return "a stack's guard";
    if (!(e & PTE_G))
        return "not global";
    return NULL;
}

static unsigned audit_table(const uint64_t *table, unsigned level, uint64_t va, uint64_t above)
{
    unsigned faults = 0;

    for (unsigned i = 0; i < 512; i++) {
        uint64_t at = va + ((uint64_t)i << (PAGE_SHIFT + 9 * (level - 1))), e = table[i];
        const char *fault;

        if (!(e & PTE_P))
            continue;
        if (level > 1 && !(e & PTE_PS)) {
            faults += audit_table(table_at(e & PTE_ADDR), level - 1, at, combine(above, e));
            continue;
        }
        fault = fault_of(at, e, combine(above, e));
        if (fault && faults++ == 0)
            log_err("mapping of %#lx (entry %#lx): %s\n", at, e, fault);
    }
    return faults;
}

bool hvmap_audit(void)
{
    unsigned faults = 0;

    for (uint64_t slot = 0; slot < 512; slot++) {
        uint64_t va = slot << 39 | (slot >= 256 ? UINT64_C(0xffff) << 48 : 0), e = hv_l4[slot];

        if (!(e & PTE_P))
            continue;
        if (slot < SLOT_HV_FIRST || slot > SLOT_HV_LAST) {
            log_err("mapping of %#lx: not the hypervisor's to map\n", va);
            faults++;
        }
        faults += audit_table(table_at(e & PTE_ADDR), 3, va, combine(PERMISSIONS, e));
    }
    return faults == 0;
}
