// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that a volume looks like: a range of guest frame numbers with struct pages and kernel addresses.
 *
 * Linux makes page tables for it, and gives them to its allocator when the memory goes (memunmap_pages()). On a paravirtual
 * machine a page table is pinned and nobody may write to it, and what gives tables of memory back does not undo that:
 * whoever got such a page next would crash. So this module has a reference of each table, and when Linux has let go of
 * one, undoes it.
 */
#define pr_fmt(fmt) "lagan_ubc: " fmt

#include <linux/ioport.h>
#include <linux/pgtable.h>

#include "ubc.h"

/* The P2M list has room for all slots, and knows of no frame. */
static int prepare_list(struct volume *v)
{
    unsigned long i;

    if (v->pfn + v->pages > xen_p2m_size) {
        pr_err("volume %s lies beyond what this kernel can have memory at\n", v->name);
        return -ENOSPC;
    }
    for (i = 0; i < v->pages; i++) {
        if (i % PTRS_PER_PTE == 0 && xen_alloc_p2m_entry(v->pfn + i) < 0)
            return -ENOMEM;
        WRITE_ONCE(xen_p2m_addr[v->pfn + i], INVALID_P2M_ENTRY);
    }
    return 0;
}

static int find_tables(struct volume *v)
{
    unsigned long i;
    unsigned int level;

    for (i = 0; i < v->pages / PTRS_PER_PTE; i++) {
        v->tables[i] = lookup_address((unsigned long)slot_address(v, i * PTRS_PER_PTE), &level);
        if (!v->tables[i] || level != PG_LEVEL_4K)
            return -ENXIO;
    }
    return 0;
}

/* ---- tables that Linux gives back ---- */

enum level { PTES, PMDS, PUDS };

struct held_table {
    struct page *page;
    enum level level;
};

static void hold(struct volume *v, struct page *page, enum level level)
{
    if (v->held_count == v->held_room || PageReserved(page))
        return;
    get_page(page);
    v->held[v->held_count++] = (struct held_table){page, level};
}

/* Tables of the kernel's for this range, each once; at most three for each 2 MiB of it that are begun. */
static void hold_tables(struct volume *v, unsigned long start, unsigned long end)
{
    unsigned long at;

    for (at = start & PMD_MASK; at < end; at += PMD_SIZE) {
        bool first = at == (start & PMD_MASK);
        pgd_t *pgd = pgd_offset(current->mm, at);
        p4d_t *p4d = p4d_offset(pgd, at);
        pud_t *pud;
        pmd_t *pmd;

        if (pgd_none(*pgd) || p4d_none(*p4d))
            continue;
        if (first || !(at & ~P4D_MASK))
            hold(v, p4d_page(*p4d), PUDS);
        pud = pud_offset(p4d, at);
        if (pud_none(*pud) || pud_large(*pud))
            continue;
        if (first || !(at & ~PUD_MASK))
            hold(v, pud_page(*pud), PMDS);
        pmd = pmd_offset(pud, at);
        if (!pmd_none(*pmd) && !pmd_large(*pmd))
            hold(v, pmd_page(*pmd), PTES);
    }
}

static void let_go(const struct held_table *t)
{
    unsigned long pfn = page_to_pfn(t->page);

    if (page_ref_count(t->page) == 1) {
        if (t->level == PTES)
            paravirt_release_pte(pfn);
        else if (t->level == PMDS)
            paravirt_release_pmd(pfn);
        else
            paravirt_release_pud(pfn);
    }
    __free_page(t->page);
}

/* Room for the tables of the window and of its struct pages. */
static int prepare_held(struct volume *v)
{
    unsigned long bytes = v->pages * (PAGE_SIZE + sizeof(struct page));

    v->held_room = 3 * (bytes / PMD_SIZE + 4);
    v->held = kvcalloc(v->held_room, sizeof(*v->held), GFP_KERNEL);
    return v->held ? 0 : -ENOMEM;
}

/* ---- the window ---- */

int ubc_map_window(struct volume *v)
{
    phys_addr_t start = PFN_PHYS(v->pfn), bytes = PFN_PHYS(v->pages);
    int rc;

    if (!request_mem_region(start, bytes, "Lagan buffer cache"))
        return -EBUSY;
    rc = prepare_list(v);
    rc = rc ? rc : prepare_held(v);
    if (!rc) {
        v->map.type = MEMORY_DEVICE_FS_DAX;
        v->map.range = (struct range){.start = start, .end = start + bytes - 1};
        v->map.nr_range = 1;
        v->base = memremap_pages(&v->map, NUMA_NO_NODE);
        rc = PTR_ERR_OR_ZERO(v->base);
    }
    if (rc) {
        kvfree(v->held);
        release_mem_region(start, bytes);
        return rc;
    }
    rc = find_tables(v);
    if (rc)
        ubc_unmap_window(v);
    return rc;
}

void ubc_unmap_window(struct volume *v)
{
    unsigned long start = (unsigned long)v->base, pages = (unsigned long)slot_page(v, 0), i;

    hold_tables(v, start, start + v->pages * PAGE_SIZE);
    hold_tables(v, pages, pages + v->pages * sizeof(struct page));
    memunmap_pages(&v->map);
    for (i = 0; i < v->held_count; i++)
        let_go(&v->held[i]);
    kvfree(v->held);
    release_mem_region(PFN_PHYS(v->pfn), PFN_PHYS(v->pages));
}
