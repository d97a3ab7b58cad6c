/* SPDX-License-Identifier: MIT
 *
 * The end of what is needed at boot only: LAGAN_INIT code, LAGAN_INIT_DATA, the first page tables.
 *
 * Once the last of that code has run, its pages leave the image's mapping, so that a stray call or
 * pointer faults instead of reaching somebody's memory, and join the heap. The code was read-only in
 * the direct map (INV-MAP-1: no page is executable and writable at any of its addresses): there it
 * becomes ordinary memory, after no CPU can remember it as code any more. hvmap.c has mapped it there
 * with small pages, so that no large one has to be split while other CPUs walk through it.
 *
 *   1. the image's entries go
 *   2. every CPU drops its global translations
 *   3. the direct map's become writable (one that a CPU still remembers is read-only: it is dropped)
 *   4. every CPU again; then the frames are free
 *
 * tools/check-init proves on the objects that no code or data that stays refers to what goes.
 */
#include "xen/arch/x86/initmem.h"

#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/printk.h>

#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/hvmap_int.h"
#include "xen/arch/x86/pte.h"
#include "xen/arch/x86/sections.h"
#include "xen/arch/x86/smp.h"
#include "xen/arch/x86/tlb.h"

bool init_is_gone;

static void unmap(const char *start, const char *end)
{
    for (const char *va = start; va < end; va += PAGE_SIZE)
        *entry_for((uint64_t)va, 1) = 0;
}

static void make_ordinary(const char *start, const char *end)
{
    for (const char *va = start; va < end; va += PAGE_SIZE) {
        uint64_t pa = image_phys(va);

        *entry_for(VA_DIRECT + pa, 1) = pa | PTE_HV_RW;
    }
}

static uint64_t give(const char *start, const char *end)
{
    return hvmap_release(image_phys(start), image_phys(end));
}

void initmem_release(void)
{
    /* A CPU that was given up half way would still come through the first page tables. */
    bool tables_too = !smp_has_strays();
    uint64_t code, data = 0;

    ASSERT(!init_is_gone);
    init_is_gone = true;
    unmap(init_text_start, init_text_end);
    if (tables_too)
        unmap(init_data_start, init_data_end);
    tlb_flush_global();
    make_ordinary(init_text_start, init_text_end);
    tlb_flush_global();
    ASSERT(hvmap_audit());
    code = give(init_text_start, init_text_end);
    if (tables_too)
        data = give(init_data_start, init_data_end);
    log_info(
        "boot memory: %lu pages of the hypervisor's boot code and %lu of its data given back\n",
        code, data);
}
