/* SPDX-License-Identifier: MIT
 *
 * Entries that readers have made themselves, for pages with slots, and may not have any more.
 *
 * Nobody has written down where they are, so all page tables are looked through, in steps, for as long as anybody waits
 * for it: each frame that is an L1 table of an account with such rights, each of its entries. One pass serves
 * all who have condemned frames, or lost rights, before it began, whatever their number. It is the last resort: readers
 * that empty their entries when they are told are never swept.
 *
 * An entry that was being made while its frame was condemned may come to stand behind the pass; it has its reference,
 * so the frame stays what it is, and whoever waits for it finds that out and waits for another pass.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/pte.h"
#include "mm/type.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

#define SWEEP_STEP 4096U /* frames... */
#define TABLE_COST 128U  /* ...of which a table that is looked through counts as so many */

/* A step from *slot on. -XEN_ERESTART. */
static int sweep_table(struct account *a, mfn_t table)
{
    const uint64_t *entry = arch_map_frame(table);

    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t e = pte_load(&entry[i]);
        bool done;
        int rc;

        if (!(e & PTE_P) || !arch_mfn_valid(pte_frame(e)) || !window_is_over(a, pte_frame(e)))
            continue;
        rc = table_replace_l1(a, table, i, pte_frame(e), 0, &done);
        if (rc == -XEN_ERESTART)
            return rc;
    }
    return 0;
}

/* *is_table: there was something to look through. */
static int sweep_frame(mfn_t m, bool *is_table)
{
    struct frame *f = frame_of(m);
    domid_t owner = frame_owner(f);
    struct account *a;
    int rc = 0;

    *is_table = false;
    if (type_of(m) != TYPE_L1 || frame_state(f) != FRAME_OWNED || !frame_get(m, owner))
        return 0;
    a = account_find(owner);
    *is_table = a && window_is_near(a);
    if (*is_table)
        rc = sweep_table(a, m);
    frame_put(m);
    return rc;
}

uint64_t ubc_sweep_order(void)
{
    struct ubc_sweep *s = &ubc_engine.sweep;

    atomic_thread_fence(memory_order_seq_cst); /* the marks first */
    return atomic_load(&s->passes) + (atomic_load(&s->cursor) ? 2 : 1);
}

static void step(struct ubc_sweep *s)
{
    uint64_t m = atomic_load(&s->cursor), end = arch_max_mfn();

    if (m == 0)
        atomic_store(&s->cursor, m = 1); /* who condemns from now on waits for the next pass */
    for (unsigned cost = 0; m < end && cost < SWEEP_STEP; cost++) {
        bool is_table = false;

        if (arch_mfn_valid(mfn(m)) && sweep_frame(mfn(m), &is_table))
            break;
        m++;
        cost += is_table ? TABLE_COST : 0;
    }
    if (m >= end) {
        atomic_store(&s->cursor, 0);
        atomic_fetch_add(&s->passes, 1);
    } else {
        atomic_store(&s->cursor, m);
    }
}

bool ubc_sweep_is_over(uint64_t pass)
{
    struct ubc_sweep *s = &ubc_engine.sweep;

    if (atomic_load(&s->passes) >= pass)
        return true;
    if (!atomic_exchange(&s->busy, true)) { /* or somebody takes a step already */
        if (atomic_load(&s->passes) < pass)
            step(s);
        atomic_store(&s->busy, false);
    }
    return atomic_load(&s->passes) >= pass;
}
