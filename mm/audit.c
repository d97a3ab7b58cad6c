/* SPDX-License-Identifier: MIT
 *
 * The auditor of frames, types and accounts: counts again what the counters say.
 *
 * First it walks each account's frames and, for each that is a table with references in its
 * entries, the entries, and tallies what each frame's counts should be; then it compares.
 * References that vCPUs and others hold outside of tables are unknown here: a general count may be
 * higher than the tally (the sum of that is mm_audit_held()), a type count no higher than those
 * unknown references explain, none lower.
 *
 * The tallies need memory: a page for each 512 frames of which one is owned.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>
#include "mm/account.h"
#include "mm/heap.h"
#include "mm/type_state.h"
#include "mm/window.h"

struct tally {
    uint32_t refs, types;
};

#define LEAF_FRAMES (PAGE_SIZE / sizeof(struct tally))

static struct {
    struct tally **leaf;
    unsigned order; /* of leaf */
    uint64_t leaf_count;
    bool no_memory;
    unsigned faults;
    uint64_t held;
} audit;

static void fault(const char *what, mfn_t m)
{
    struct frame *f = frame_of(m);

    audit.faults++;
    log_err("mm_audit: %s: frame %#lx use %#lx type %#x stamp %#x\n", what, (unsigned long)m.n,
            (unsigned long)f->use, (unsigned)f->type, (unsigned)f->stamp);
}

static struct tally *tally_of(mfn_t m)
{
    static struct tally scrap;
    struct tally **leaf = &audit.leaf[m.n / LEAF_FRAMES];

    if (!*leaf)
        *leaf = page_alloc(0, HEAP_CLEAR);
    if (!*leaf) {
        audit.no_memory = true;
        return &scrap;
    }
    return &(*leaf)[m.n % LEAF_FRAMES];
}

static bool audit_begin(void)
{
    uint64_t bytes;

    audit.leaf_count = arch_max_mfn() / LEAF_FRAMES + 1;
    bytes = audit.leaf_count * sizeof(*audit.leaf);
    for (audit.order = 0; PAGE_SIZE << audit.order < bytes; audit.order++)
        ;
    audit.leaf = page_alloc(audit.order, HEAP_CLEAR);
    audit.no_memory = audit.leaf == NULL;
    audit.faults = 0;
    audit.held = 0;
    return audit.leaf != NULL;
}

static void audit_end(void)
{
    for (uint64_t i = 0; i < audit.leaf_count; i++)
        page_free(audit.leaf[i], 0);
    page_free(audit.leaf, audit.order);
}

/* ---- tallying ---- */

static void tally_entry(mfn_t table, unsigned level, uint64_t e)
{
    const struct account *a = account_find(frame_owner(frame_of(table)));
    mfn_t m = pte_frame(e);
    struct tally *t;

    if (level == 1 && !arch_mfn_valid(m) && a->maps_io)
        return; /* a device: nothing is counted */
    if (!arch_mfn_valid(m) || frame_refs(frame_of(m)) == 0) {
        fault("INV-TYPE-3: an entry refers to a free frame", table);
        return;
    }
    t = tally_of(m);
    t->refs++;
    if (level > 1 || ((e & PTE_RW) && !window_has(m))) {
        enum frame_type needs = level > 1 ? (enum frame_type)(level - 1) : TYPE_WRITABLE;

        t->types++;
        if (type_of(m) != needs)
            fault("INV-TYPE-2: an entry uses the frame as another type", m);
        if (level > 1 && type_is_valid(table) && !type_is_valid(m))
            fault("INV-TYPE-3: a validated table refers to one that is not", m);
    }
    if (frame_owner(frame_of(m)) != a->id && (level > 1 || !(frame_of(m)->use & FRAME_ABROAD)))
        fault("a foreign frame in a table", m);
    if (level == 1 && (e & PTE_RW) && (e & (PTE_PWT | PTE_PCD | PTE_PAT)) &&
        !(frame_of(m)->use & FRAME_UNCACHED))
        fault("written past the caches, and not noted", m);
}

static void tally_table(mfn_t m)
{
    const uint64_t *table = arch_map_frame(m);
    uint32_t word = word_load(frame_of(m));
    unsigned level = word_type(word), end = TABLE_ENTRIES;

    if (word & TYPE_PARTIAL)
        end = PARTIAL_CURSOR(frame_of(m)->stamp);
    if (end > TABLE_ENTRIES)
        fault("cursor out of range", m);
    for (unsigned i = 0; i < end && i < TABLE_ENTRIES; i++) {
        uint64_t e = pte_load(&table[i]);

        if (!(e & PTE_P) || pte_slot_is_hv(level, i))
            continue;
        if ((word & TYPE_VALID) && (!(e & PTE_US) || (level == 1 && (e & PTE_G))))
            fault("an entry is not as the processor should see it", m);
        tally_entry(m, level, e);
    }
}

static void tally_frame(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint32_t word = word_load(f);

    if (f->use & FRAME_ALLOCATED)
        tally_of(m)->refs++;
    if (word & TYPE_PINNED) {
        tally_of(m)->refs++;
        tally_of(m)->types++;
    }
    if ((word & (TYPE_PARTIAL | TYPE_COUNT)) == TYPE_PARTIAL)
        tally_of(m)->refs++;
    if (type_is_table(word_type(word)) && (word & (TYPE_VALID | TYPE_PARTIAL)))
        tally_table(m);
}

/* ---- comparing ---- */

static void check_word(mfn_t m, uint32_t word)
{
    bool counted = word & TYPE_COUNT;

    if (word & TYPE_LOCKED)
        fault("left locked", m);
    if ((word & TYPE_VALID) && (word & TYPE_PARTIAL))
        fault("both validated and partial", m);
    if (counted && !(word & (TYPE_VALID | TYPE_PARTIAL)))
        fault("left busy", m);
    if (!counted && (word & (TYPE_VALID | TYPE_PINNED)))
        fault("INV-TYPE-1: unused but validated or pinned", m);
    if ((word & TYPE_PARTIAL) && !type_is_table(word_type(word)))
        fault("partial, but not a table", m);
}

static void check_frame(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint32_t word = word_load(f), refs = frame_refs(f), types = word & TYPE_COUNT;
    struct tally t = *tally_of(m);

    check_word(m, word);
    if (refs == 0)
        fault("INV-FRAME-1: owned without a reference", m);
    else if (refs < t.refs)
        fault("INV-TYPE-3: fewer references than its uses", m);
    else if (types < t.types)
        fault("INV-TYPE-3: fewer type references than its uses", m);
    else if (types - t.types > refs - t.refs)
        fault("type references without general ones", m);
    else
        audit.held += refs - t.refs;
}

static void for_each_frame(const struct account *a, void (*visit)(mfn_t m))
{
    for (uint32_t n = a->first; n; n = frame_of(mfn(n))->next)
        visit(mfn(n));
}

/* INV-ACC-1 */
static void check_account(const struct account *a)
{
    uint64_t count = 0;
    uint32_t prev = 0;

    for (uint32_t n = a->first; n; prev = n, n = frame_of(mfn(n))->next, count++) {
        const struct frame *f = frame_of(mfn(n));

        if (frame_state(f) != FRAME_OWNED || frame_owner(f) != a->id || f->prev != prev)
            fault("INV-ACC-1: wrong frame on an account's list", mfn(n));
        if (count > a->pages)
            break;
    }
    if (count != a->pages) {
        audit.faults++;
        log_err("mm_audit: INV-ACC-1: domain %u has %lu pages, its list %lu\n", a->id,
                (unsigned long)a->pages, (unsigned long)count);
    }
}

unsigned mm_audit(void)
{
    struct account *a;

    audit.faults = 0;
    if (!audit_begin()) {
        log_warn("mm_audit: no memory to count in\n");
        return 0;
    }
    for (a = account_next(0); a; a = account_next(a->id + 1U))
        check_account(a);
    for (a = account_next(0); a && !audit.faults; a = account_next(a->id + 1U))
        for_each_frame(a, tally_frame);
    for (a = account_next(0); a && !audit.faults && !audit.no_memory; a = account_next(a->id + 1U))
        for_each_frame(a, check_frame);
    if (audit.no_memory)
        log_warn("mm_audit: no memory to count all in\n");
    audit_end();
    return audit.faults;
}

bool mm_audit_complete(void)
{
    return !audit.no_memory;
}

uint64_t mm_audit_held(void)
{
    return audit.held;
}
