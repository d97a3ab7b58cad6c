/* SPDX-License-Identifier: MIT
 *
 * The LDT. A guest names it by a virtual address and a length; its pages need not even be mapped
 * then. The CPU sees an LDT of full length in the vCPU's window, in which nothing is mapped at
 * first. A selector load that touches a page faults, in the window; the fault handler calls
 * pv_ldt_fault(), which looks up the guest page in the guest kernel's page tables and maps the
 * frame, once it is acceptable as SEGDESC. The instruction then runs again. If it is not acceptable
 * the guest gets the fault.
 *
 * INV-LDT-1: bit n of ldt_mapped is set exactly when page n of the LDT's window is mapped, and then
 * its frame is held as INV-DESC-1 says.
 */
#include "xen/arch/x86/pv_window.h"

#include "arch_inline.h"
#include "mm/type.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/desc.h"
#include "xen/guest_access.h"

#define LDT_PAGES       16
#define LDT_ENTRIES_MAX 8192

uint64_t pv_ldt_va(const struct vcpu *v)
{
    return pv_gdt_va(v) + WINDOW_LDT_FIRST * PAGE_SIZE;
}

void pv_unmap_ldt(struct vcpu *v)
{
    uint64_t mapped = v->arch.ldt_mapped;
    mfn_t frames[LDT_PAGES];
    unsigned count = 0;

    if (!mapped)
        return;
    for (unsigned page = 0; page < LDT_PAGES; page++) {
        uint64_t entry = v->arch.window_l1[WINDOW_LDT_FIRST + page];

        if (!(mapped >> page & 1))
            continue;
        frames[count++] = pte_frame(entry);
        window_write(v, WINDOW_LDT_FIRST + page, 0);
    }
    v->arch.ldt_mapped = 0;
    window_flush(v, WINDOW_LDT_FIRST, LDT_PAGES);
    while (count--)
        window_frame_put(frames[count]);
}

void pv_load_ldt(const struct vcpu *v)
{
    if (v->arch.ldt_entry_count)
        load_ldt(pv_ldt_va(v), v->arch.ldt_entry_count);
    else
        load_no_ldt();
}

int pv_set_ldt(struct vcpu *v, uint64_t base, unsigned entry_count)
{
    if (entry_count > LDT_ENTRIES_MAX || (base & ~PAGE_MASK) ||
        !guest_range_ok(guest_ptr(base), entry_count * UINT64_C(8)))
        return -XEN_EINVAL;
    pv_unmap_ldt(v);
    v->arch.ldt_base = base;
    v->arch.ldt_entry_count = entry_count;
    if (v == current_vcpu())
        pv_load_ldt(v);
    return 0;
}

void pv_destroy_ldt(struct vcpu *v)
{
    int rc = pv_set_ldt(v, 0, 0);

    BUG_ON(rc);
}

/* The frame that the guest kernel's page tables map at va. It is not held: window_frame_get()
 * checks that it is the guest's own. */
static bool guest_frame_at(const struct vcpu *v, uint64_t va, mfn_t *m)
{
    const uint64_t *table;
    uint64_t entry;
    mfn_t l1;

    if (table_walk_l1(v->arch.l4_kernel, va, &l1))
        return false;
    table = arch_map_frame(l1);
    entry = pte_load(&table[pte_index(va, 1)]);
    *m = pte_frame(entry);
    return entry & PTE_P;
}

bool pv_ldt_fault(struct vcpu *v, uint64_t address)
{
    uint64_t offset = address - pv_ldt_va(v);
    unsigned page = (unsigned)(offset >> PAGE_SHIFT);
    mfn_t m;

    ASSERT(v == current_vcpu());
    if (offset >= v->arch.ldt_entry_count * UINT64_C(8))
        return false;
    if (v->arch.ldt_mapped >> page & 1) /* mapped already: the fault has another cause */
        return false;
    if (!guest_frame_at(v, v->arch.ldt_base + page * PAGE_SIZE, &m) || window_frame_get(v, m))
        return false;
    window_write(v, WINDOW_LDT_FIRST + page, window_entry(m));
    v->arch.ldt_mapped |= UINT64_C(1) << page;
    return true;
}

/* User GS is the one that SWAPGS brings in. RPL 3 keeps the hypervisor's own segments out of reach;
 * a selector that cannot be loaded becomes null, as the ABI asks. Interrupts stay on, as a page of
 * the LDT may have to be mapped: their handlers use no GS, and no vCPU is switched here.
 */
void pv_load_user_gs(uint16_t selector)
{
    uint32_t wanted = selector > 3 ? selector | 3U : 0, null = 0;

    __asm__ volatile("swapgs\n"
                     "1:\tmov %w0, %%gs\n"
                     "2:\tmfence\n\t"
                     "swapgs\n\t"
                     ".pushsection .text.unlikely\n"
                     "3:\tmov %w1, %%gs\n\t"
                     "jmp 2b\n\t"
                     ".popsection\n\t"
                     ".pushsection __ex_table, \"a\", @progbits\n\t" /* trap_hv.c */
                     ".balign 4\n\t"
                     ".long 1b - ., 3b - .\n\t"
                     ".popsection"
                     :
                     : "r"(wanted), "r"(null)
                     : "memory", "cc");
}
