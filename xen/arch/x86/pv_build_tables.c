/* SPDX-License-Identifier: MIT
 *
 * The first page tables of a domain (pv_build_tables.h). Entries are written as the ABI describes
 * the initial state: leaves present, writable and accessed, without USER (the validation adds what
 * ring 3 needs); upper levels with everything allowed.
 */
#include "xen/arch/x86/pv_build_tables.h"

#include "mm/pte.h"
#include "arch_inline.h"

#define LEAF_FLAGS  (PTE_P | PTE_A)
#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

static uint64_t entry(mfn_t m, uint64_t flags)
{
    return m.n << PAGE_SHIFT | flags;
}

uint64_t *table_writer_new(struct table_writer *w, mfn_t *m)
{
    if (w->next_gfn >= w->end_gfn)
        return NULL;
    *m = w->p2m->mfn[w->next_gfn++];
    return arch_map_frame(*m);
}

/* The table below entry `e`, made if there is none. */
static uint64_t *step_down(struct table_writer *w, uint64_t *e)
{
    uint64_t *table;
    mfn_t m;

    if (*e)
        return arch_map_frame(pte_frame(*e));
    table = table_writer_new(w, &m);
    if (table)
        *e = entry(m, TABLE_FLAGS);
    return table;
}

static unsigned index_at(uint64_t va, unsigned level)
{
    return (unsigned)(va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

static uint64_t *find_l1(struct table_writer *w, uint64_t *l4, uint64_t va)
{
    uint64_t *table = l4;

    for (unsigned level = 4; level > 1 && table; level--)
        table = step_down(w, &table[index_at(va, level)]);
    return table;
}

static bool is_table(const struct pv_layout *l, uint64_t g)
{
    return g - l->tables_gfn < l->tables_count || g - l->p2m_tables_gfn < l->p2m_tables_count;
}

int table_writer_map(struct table_writer *w, uint64_t *l4, const struct table_range *r)
{
    uint64_t *l1 = NULL;

    for (uint64_t i = 0; i < r->count; i++) {
        uint64_t va = r->va + (i << PAGE_SHIFT);
        uint64_t g = r->gfn + i;
        bool writable = !is_table(w->layout, g);
        unsigned index = index_at(va, 1);

        if (!l1 || index == 0)
            l1 = find_l1(w, l4, va);
        if (!l1)
            return -XEN_ENOMEM;
        l1[index] = entry(w->p2m->mfn[g], LEAF_FLAGS | (writable ? PTE_RW : 0));
    }
    return 0;
}
