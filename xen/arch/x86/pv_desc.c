/* SPDX-License-Identifier: MIT
 *
 * Descriptor tables from guest pages. GDTR and LDTR take linear addresses, so a guest's table has
 * to be mapped in the hypervisor's part of every address space that the guest runs in: slot 260 of
 * each of a domain's L4 tables leads to page tables of the domain's own, in which each vCPU has a
 * window:
 *
 *   page 0..13   the guest's GDT, as far as it goes; beyond, a page of zeroes
 *   page 14      the own descriptors of the CPU that runs the vCPU: entries 7168 to 7679
 *   page 15      nothing; GDTR's limit ends before it
 *   page 16..31  the guest's LDT, mapped when touched (pv_ldt.c)
 *
 * The zero page is needed because a guest may load any selector: the CPU reads the descriptor with
 * the rights of ring 0, and a hole there would be a page fault of the hypervisor's.
 *
 * Frames in a window are of type SEGDESC: validated when they became it, and writable by no guest
 * mapping since. Guests change them by update_descriptor. The window itself maps them writable, for
 * the accessed bit only.
 *
 * A window is used by one CPU at a time: the one that runs the vCPU. Entries change while the vCPU
 * is the current one (that CPU flushes) or does not run (the next CR3 load flushes, window pages
 * are not global). A stale translation elsewhere can be used by nobody: GDTR there points to
 * another window.
 *
 * INV-DESC-1: each guest frame in a window is held by a general and a SEGDESC reference, given
 *             back only after the entry is gone from the table and this CPU's TLB.
 * INV-DESC-2: pages 0 to 14 of a window are always mapped.
 * INV-DESC-3: page 14 of a running vCPU's window is that CPU's page.
 */
#include "xen/arch/x86/pv_window.h"

#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/segdesc.h"
#include "mm/type.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/desc.h"

#define DESCRIPTORS_PER_PAGE 512
#define TABLE_FLAGS          (PTE_P | PTE_RW | PTE_A | PTE_D)
#define VCPUS_PER_L1         (512 / WINDOW_PAGES)

STATIC_ASSERT(PV_WINDOW_BYTES == WINDOW_PAGES * PAGE_SIZE);
STATIC_ASSERT(FIRST_HV_GDT_ENTRY == PV_GDT_FRAMES * DESCRIPTORS_PER_PAGE);
STATIC_ASSERT(PV_GDT_FRAMES == WINDOW_CPU_PAGE);
STATIC_ASSERT(MAX_VCPUS <= 2 * VCPUS_PER_L1);

/* What pages 0..13 hold beyond the guest's table. Never written: its entries have no RW bit. */
static void *zero_page; /* [c] */

void pv_desc_init(void)
{
    zero_page = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));
    BUG_ON(!zero_page);
}

static uint64_t zero_entry(void)
{
    return arch_frame_of(zero_page).n << PAGE_SHIFT | PTE_P | PTE_A | PTE_NX;
}

/* ---- the windows' page tables ---- */

static uint64_t table_entry(const void *table)
{
    return arch_frame_of(table).n << PAGE_SHIFT | TABLE_FLAGS;
}

static void free_tables(struct arch_domain *a)
{
    void *pages[] = {a->perdomain_l3, a->perdomain_l2, a->perdomain_l1[0], a->perdomain_l1[1]};

    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        if (pages[i])
            page_free(pages[i], 0);
    a->perdomain_l3 = a->perdomain_l2 = a->perdomain_l1[0] = a->perdomain_l1[1] = NULL;
}

int pv_windows_init(struct domain *d)
{
    struct arch_domain *a = &d->arch;
    unsigned l1_count = (d->vcpu_count + VCPUS_PER_L1 - 1) / VCPUS_PER_L1;
    struct vcpu *v;
    unsigned i;

    a->perdomain_l3 = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));
    a->perdomain_l2 = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));
    for (i = 0; i < l1_count; i++)
        a->perdomain_l1[i] = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));
    if (!a->perdomain_l3 || !a->perdomain_l2 || !a->perdomain_l1[0] ||
        (l1_count > 1 && !a->perdomain_l1[1])) {
        free_tables(a);
        return -XEN_ENOMEM;
    }
    a->perdomain_l3[0] = table_entry(a->perdomain_l2);
    for (i = 0; i < l1_count; i++)
        a->perdomain_l2[i] = table_entry(a->perdomain_l1[i]);
    for_each_vcpu (d, v, i) {
        v->arch.window_l1 = a->perdomain_l1[i / VCPUS_PER_L1] + (i % VCPUS_PER_L1) * WINDOW_PAGES;
        for (unsigned page = 0; page <= WINDOW_CPU_PAGE; page++)
            window_write(v, page, zero_entry());
    }
    return 0;
}

void pv_windows_destroy(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    for_each_vcpu (d, v, i) {
        if (!v->arch.window_l1)
            continue;
        pv_destroy_ldt(v);
        pv_destroy_gdt(v);
        v->arch.window_l1 = NULL;
    }
    free_tables(&d->arch);
}

/* Called while L4 tables are validated: takes no lock. The owner of a frame that is being validated
 * is held by that frame. */
uint64_t perdomain_l4_entry(domid_t id)
{
    struct account *a = id < DOMID_FIRST_RESERVED ? account_find(id) : NULL;
    const struct domain *d;

    if (!a)
        return 0;
    d = container_of(a, struct domain, account);
    return d->arch.perdomain_l3 ? table_entry(d->arch.perdomain_l3) : 0;
}

void pv_window_set_cpu(struct vcpu *v, unsigned cpu)
{
    uint64_t entry = window_entry(cpu_gdt_page(cpu));

    if (v->arch.window_l1[WINDOW_CPU_PAGE] != entry)
        window_write(v, WINDOW_CPU_PAGE, entry);
}

uint64_t pv_gdt_va(const struct vcpu *v)
{
    return VA_PERDOMAIN + v->id * PV_WINDOW_BYTES;
}

void window_flush(const struct vcpu *v, unsigned first, unsigned count)
{
    uint64_t va = pv_gdt_va(v) + first * PAGE_SIZE;

    if (v != current_vcpu())
        return;
    for (unsigned i = 0; i < count; i++)
        invlpg(va + i * PAGE_SIZE);
}

int window_frame_get(struct vcpu *v, mfn_t m)
{
    int rc;

    if (!frame_get(m, v->domain->id))
        return -XEN_EINVAL;
    rc = type_get(m, TYPE_SEGDESC);
    if (rc)
        frame_put(m);
    return rc;
}

void window_frame_put(mfn_t m)
{
    type_put(m);
    frame_put(m);
}

/* ---- the GDT ---- */

static void put_frames(const mfn_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        window_frame_put(frames[i]);
}

/* Puts `count` frames in place of those there, which the caller then lets go. */
static void install_gdt(struct vcpu *v, const mfn_t *frames, unsigned count)
{
    for (unsigned i = 0; i < PV_GDT_FRAMES; i++) {
        v->arch.gdt_frame[i] = i < count ? frames[i] : MFN_INVALID;
        window_write(v, i, i < count ? window_entry(frames[i]) : zero_entry());
    }
    window_flush(v, 0, PV_GDT_FRAMES);
}

static unsigned gdt_frames(unsigned entry_count)
{
    return (entry_count + DESCRIPTORS_PER_PAGE - 1) / DESCRIPTORS_PER_PAGE;
}

int pv_set_gdt(struct vcpu *v, const mfn_t *frames, unsigned entry_count)
{
    unsigned count = gdt_frames(entry_count), old_count = gdt_frames(v->arch.gdt_entry_count);
    mfn_t old[PV_GDT_FRAMES];

    if (entry_count > FIRST_HV_GDT_ENTRY)
        return -XEN_EINVAL;
    for (unsigned i = 0; i < count; i++) {
        int rc = window_frame_get(v, frames[i]);

        if (rc) {
            put_frames(frames, i);
            return rc;
        }
    }
    for (unsigned i = 0; i < old_count; i++)
        old[i] = v->arch.gdt_frame[i];
    v->arch.gdt_entry_count = entry_count;
    install_gdt(v, frames, count);
    put_frames(old, old_count);
    return 0;
}

void pv_destroy_gdt(struct vcpu *v)
{
    int rc = pv_set_gdt(v, NULL, 0);

    BUG_ON(rc);
}

/* ---- single descriptors ---- */

int pv_update_descriptor(struct vcpu *v, uint64_t maddr, uint64_t desc)
{
    unsigned offset = (unsigned)(maddr & ~PAGE_MASK);

    if (offset % sizeof(desc))
        return -XEN_EINVAL;
    return segdesc_update(&v->domain->account, mfn(maddr >> PAGE_SHIFT),
                          offset / (unsigned)sizeof(desc), desc);
}
