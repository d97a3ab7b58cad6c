/* SPDX-License-Identifier: MIT
 *
 * The page tables that isolated guests run with, and how they keep up with the guests' own.
 *
 * Each CPU has two L4 tables, for the kernel and the user mode of the vCPU that it runs. The guest's slots
 * are copied from the vCPU's L4 table: from the next level on the tables are the guest's own, so that
 * only changes of L4 entries have to be followed. Of the hypervisor's slots there are
 *
 *   256   the machine-to-physical table, which guests read
 *   260   the domain's descriptor tables, from the guest's L4 table
 *   261   the CPU's own L3: .entry.text, the IDT, the CPU's entry page
 *
 * A copy is looked at each time the CPU goes back to the guest (pti_leave()), with interrupts off:
 *
 *   CPU A, changing an entry              CPU B, going back to the guest
 *   1  exchanges the entry                 5  changes = account->l4_changes
 *   2  account->l4_changes++               6  as when it copied? if not: copies
 *   3  lets go of what the old one held    7  loads the copy
 *   4  flushes B: interrupt, waits
 *
 * If 5 sees 2 then 6 copies what 1 has stored. If not, B's copy may be the old one; then 4, which comes
 * later, interrupts B in the guest or just before it, and B goes through 5 again before the guest executes
 * anything. Where nobody flushes (3 was not the last use), nothing has become anything else: a frame that
 * does is stamped in 3 or later, so a CPU that has not flushed since is flushed first, and comes through 5.
 * So a copy is never older than what the CPU's TLB might have remembered all the same.
 *
 * A table that is pinned again after it was something else counts as a change, and another vCPU on the CPU
 * begins without copies: a copy stands for its table only within one domain's count.
 *
 * INV-PTI-1: the hypervisor's slots of a CPU's tables map what is listed above, not writable and executable,
 *            not for ring 3 (but 256), and not global.
 * INV-PTI-2: in ring 3 of an isolated vCPU the CPU's CR3 is exit_cr3, in ring 0 it is not, but for the
 *            instructions of .entry.text.
 * INV-PTI-3: the copy that is loaded was made after the last change that the CPU has been flushed for.
 *
 * The processor sets the accessed bit of L4 entries in the copy: guests do not see it.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>
#include <lagan/string.h>

#include "mm/heap.h"
#include "mm/pte.h"
#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/hvmap_int.h"
#include "xen/arch/x86/idt.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pte.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/pti_int.h"
#include "xen/arch/x86/pti_policy.h"
#include "xen/arch/x86/sections.h"
#include "xen/domain.h"
#include "xen/options.h"
#include "arch_inline.h"

/* As the hypervisor's own mappings of the same, but not global. */
#define EXIT_TEXT (PTE_HV_RX & ~PTE_G)
#define EXIT_RO   (PTE_HV_RO & ~PTE_G)
#define EXIT_RW   (PTE_HV_RW & ~PTE_G)
#define JUMP_SIZE 5

extern const struct pti_site {
    uint8_t *at;
    const uint8_t *to;
} pti_sites_start[], pti_sites_end[];
extern const uint8_t pti_syscall_stubs[], pti_syscall32_stubs[];

static struct {
    bool affected, dom0, others; /* [c] */
    uint64_t image;              /* [c] L3 entry: .entry.text and IDT, shared by all CPUs */
} pti;

bool pti_is_used;
static struct pti_tables tables[MAX_CPUS]; /* [cpu] once it runs */

const struct pti_tables *pti_tables_of(unsigned cpu)
{
    return &tables[cpu];
}

/* ---- what is wanted ---- */

LAGAN_INIT void pti_choose(void)
{
    struct cpuid_regs r = cpuid(0, 0);
    struct processor_kind kind = processor_kind(r.b, r.d, r.c, cpuid(1, 0).a);

    pti.affected = has_meltdown(&kind, cpu_says_rdcl_no());
    pti.dom0 = pti_wanted(options.xpti_dom0, pti.affected);
    pti.others = pti_wanted(options.xpti_domu, pti.affected);
    pti_is_used = pti.dom0 || pti.others;
}

bool pti_isolates(bool privileged)
{
    return privileged ? pti.dom0 : pti.others;
}

/* ---- a CPU's tables ---- */

struct entry_page *pti_entry_page(unsigned cpu)
{
    return tables[cpu].entry;
}

/* Maps a page under an L3 table. False: there is no memory for a table. */
static LAGAN_INIT bool map_page(uint64_t *l3, uint64_t va, uint64_t entry)
{
    uint64_t *table = l3;

    for (unsigned level = 3; level > 1; level--) {
        uint64_t *e = &table[pte_index(va, level)];
        void *page;

        if (!(*e & PTE_P)) {
            page = page_alloc(0, HEAP_CLEAR);
            if (!page)
                return false;
            *e = arch_frame_of(page).n << PAGE_SHIFT | PTE_HV_TABLE;
        }
        table = arch_map_frame(pte_frame(*e));
    }
    table[pte_index(va, 1)] = entry;
    return true;
}

/* The first CPU makes what all share; the others have its L3 entry. */
static LAGAN_INIT bool map_image(uint64_t *l3)
{
    uint64_t *e = &l3[pte_index(VA_IMAGE, 3)];

    if (pti.image) {
        *e = pti.image;
        return true;
    }
    for (const char *at = entry_text_start; at < entry_text_end; at += PAGE_SIZE)
        if (!map_page(l3, (uint64_t)at, image_phys(at) | EXIT_TEXT))
            return false;
    if (!map_page(l3, idt_address(), image_phys((const void *)idt_address()) | EXIT_RO))
        return false;
    pti.image = *e;
    return true;
}

/* Into the hypervisor's own tables too; it stays when the CPU's number is used again. */
static LAGAN_INIT bool map_entry_page(unsigned cpu, uint64_t *l3)
{
    uint64_t va = VA_STACKS + (uint64_t)cpu * STACK_STRIDE + ENTRY_PAGE_OFFSET;
    uint64_t *own = entry_for(va, 1);

    if (!(*own & PTE_P)) {
        void *page = page_alloc(0, HEAP_CLEAR);

        if (!page)
            return false;
        *own = arch_frame_of(page).n << PAGE_SHIFT | PTE_HV_RW;
    }
    if (!map_page(l3, va, (*own & PTE_ADDR) | EXIT_RW))
        return false;
    tables[cpu].entry = (struct entry_page *)va;
    return true;
}

static LAGAN_INIT bool have_page(uint64_t **page)
{
    if (!*page)
        *page = page_alloc(0, HEAP_CLEAR);
    return *page != NULL;
}

LAGAN_INIT int pti_prepare(unsigned cpu)
{
    struct pti_tables *t = &tables[cpu];

    if (!pti_used())
        return 0;
    if (!have_page(&t->l3) || !map_image(t->l3) || !map_entry_page(cpu, t->l3))
        return -XEN_ENOMEM;
    for (unsigned mode = 0; mode < 2; mode++) {
        if (!have_page(&t->l4[mode]))
            return -XEN_ENOMEM;
        t->from[mode] = MFN_INVALID;
        t->l4[mode][SLOT_M2P_RO] = hv_l4[SLOT_M2P_RO];
        t->l4[mode][SLOT_HV] = arch_frame_of(t->l3).n << PAGE_SHIFT | PTE_HV_TABLE;
    }
    return 0;
}

/* ---- the start ---- */

/* Nobody else runs; the text is written through its mapping, whose rights do not count just now. */
static LAGAN_INIT void turn_ways(void)
{
    uint64_t cr0 = read_cr0();

    write_cr0(cr0 & ~CR0_WP);
    for (const struct pti_site *s = pti_sites_start; s < pti_sites_end; s++) {
        int32_t distance = (int32_t)(s->to - (s->at + JUMP_SIZE));

        s->at[0] = 0xe9;
        memcpy(s->at + 1, &distance, sizeof(distance));
    }
    write_cr0(cr0);
}

LAGAN_INIT void pti_init(void)
{
    log_info("Page-table isolation: dom0 %s, other domains %s (this CPU %s Meltdown)\n",
             pti.dom0 ? "yes" : "no", pti.others ? "yes" : "no",
             pti.affected ? "has" : "does not have");
    if (!pti_used())
        return;
    if (pti_prepare(0))
        arch_panic("No memory for page-table isolation\n");
    /* With the entry page's stacks in the task state, at the time when the code knows of them. */
    if (desc_prepare(0))
        BUG();
    desc_load(0);
    turn_ways();
}

uint64_t pti_syscall_target(unsigned cpu, bool compat)
{
    return (uint64_t)(compat ? pti_syscall32_stubs : pti_syscall_stubs) + cpu * SYSCALL_STUB_SIZE;
}

/* ---- running ---- */

void pti_forget(void)
{
    struct pti_tables *t = &tables[arch_cpu()];

    t->from[0] = t->from[1] = MFN_INVALID;
    t->entry->syscall_rax = 0;
    memset(t->entry->stack, 0, sizeof(t->entry->stack));
}

/* Entry by entry: each is read in one piece while other CPUs may be changing them. */
static void copy_slots(uint64_t *to, const uint64_t *from, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        to[i] = pte_load(&from[i]);
}

static void copy(uint64_t *to, const uint64_t *from)
{
    copy_slots(to, from, 0, SLOT_HV_FIRST);
    copy_slots(to, from, SLOT_HV_LAST + 1, TABLE_ENTRIES);
    to[SLOT_PERDOMAIN] = from[SLOT_PERDOMAIN];
}

bool pti_leave(const struct cpu_user_regs *regs)
{
    const struct vcpu *v = current_vcpu();
    struct pti_tables *t = &tables[arch_cpu()];
    unsigned mode = v->arch.kernel_mode;
    struct entry_page *e = t->entry;
    uint64_t changes;
    mfn_t l4;

    if (!v->domain->arch.isolated)
        return false;
    l4 = mode ? v->arch.l4_kernel : v->arch.l4_user;
    changes = atomic_load(&v->domain->account.l4_changes);
    if (t->from[mode].n != l4.n || t->changes[mode] != changes) {
        copy(t->l4[mode], arch_map_frame(l4));
        t->from[mode] = l4;
        t->changes[mode] = changes;
    }
    ASSERT(!(read_cr4() & CR4_PGE));                              /* INV-PTI-1 */
    ASSERT(read_cr3() == l4.n << PAGE_SHIFT && e->full_cr3 == 0); /* INV-PTI-2 */
    e->full_cr3 = l4.n << PAGE_SHIFT;
    e->exit_cr3 = arch_frame_of(t->l4[mode]).n << PAGE_SHIFT;
    e->exit =
        (struct exit_frame){regs->rax, regs->rip, regs->cs, regs->rflags, regs->rsp, regs->ss};
    return true;
}
