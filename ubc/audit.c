/* SPDX-License-Identifier: MIT
 *
 * The auditor of the buffer cache: counts again what the counters say, and looks at each page and handle.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>
#include <lagan/string.h>
#include "mm/pte.h"
#include "mm/spare.h"
#include "mm/type.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

static unsigned faults;

static void fault(const struct ubc_volume *v, const char *what, uint64_t n)
{
    faults++;
    log_err("ubc_audit: volume %u: %s (%lu)\n", v->slot, what, (unsigned long)n);
}

/* Its table may have been given back, with all entries, or have become one again, whose same entry has another
 * handle too. */
static bool has_entry(const struct ubc_mapping *m)
{
    mfn_t table = mfn(m->table);
    uint64_t e;

    if (frame_owner(frame_of(table)) != m->reader->client->account->id ||
        frame_state(frame_of(table)) != FRAME_OWNED || type_of(table) != TYPE_L1)
        return false;
    e = pte_load((uint64_t *)arch_map_frame(table) + m->slot);
    return (e & PTE_P) && pte_frame(e).n == m->page->frame;
}

#define ALIKE_LOOKS 64U /* so many neighbours are compared */

static bool is_counted(const struct ubc_page *p, const struct ubc_mapping *m)
{
    const struct list *l = m->link.prev;

    for (unsigned n = 0; n < ALIKE_LOOKS && l != &p->mappings; n++, l = l->prev) {
        const struct ubc_mapping *other = list_entry(l, struct ubc_mapping, link);

        if (other->table == m->table && other->slot == m->slot)
            return true;
    }
    return false;
}

/* What was counted of a volume. */
struct tally {
    uint64_t pages, mapped, mappings, idle, hollow, busy, copies;
};

/* INV-UBC-9 */
static bool is_marked(const struct ubc_volume *v, const struct ubc_page *p)
{
    mfn_t m = mfn(p->frame);
    uint32_t mark = frame_of(m)->prev;

    if (!v->has_slots || !key_is_data(p->key))
        return mark == 0;
    return mark == WINDOW_CONDEMNED || (mark == ((v->window + 1) | WINDOW_MOVES) &&
                                        arch_m2p_get(m) == v->slots + key_number(p->key));
}

/* INV-UBC-1, INV-UBC-2: the frame's references are ours, and at most one for each handle. */
static void check_shared(const struct ubc_volume *v, const struct ubc_page *p, struct tally *t)
{
    struct frame *f = frame_of(mfn(p->frame));
    uint32_t count = 0, entries = 0;
    const struct list *l;

    list_for_each (l, &p->mappings) {
        const struct ubc_mapping *m = list_entry(l, struct ubc_mapping, link);

        if (m->page != p || m->state != MAPPING_USED || m->block != key_number(p->key))
            fault(v, "a page's mapping is not its own", p->key);
        count++;
        entries += has_entry(m) && !is_counted(p, m);
    }
    t->mappings += count;
    t->mapped += count != 0;
    if (frame_state(f) != FRAME_SHARED || frame_owner(f) != WINDOW_OWNER || !is_marked(v, p))
        fault(v, "INV-UBC-1: the frame is not the cache's", p->frame);
    if (type_of(mfn(p->frame)) != TYPE_UBC || type_count(mfn(p->frame)) != 1)
        fault(v, "INV-UBC-1: the frame has another type", p->frame);
    if (frame_refs(f) < 1 + entries || (frame_refs(f) > 1 + count && !v->has_slots))
        fault(v, "INV-UBC-1: the frame's references are not its entries'", p->frame);
    if (p->is_loose && (count || page_state(p) != PAGE_BUSY))
        fault(v, "INV-UBC-9: a page that is not loose", p->key);
    if (!count && page_state(p) != PAGE_STUCK && !p->is_loose)
        fault(v, "a page that nobody maps is not idle", p->key);
}

/* INV-UBC-8 */
static void check_copies(const struct ubc_volume *v, const struct ubc_page *q, struct tally *t)
{
    const struct list *l;

    if (q->frame || q->holds || page_state(q) != PAGE_COPIES || list_empty(&q->mappings))
        fault(v, "INV-UBC-8: not where copies hang", q->key);
    list_for_each (l, &q->mappings) {
        const struct ubc_mapping *m = list_entry(l, struct ubc_mapping, link);
        const struct frame *f = frame_of(mfn(m->copy));

        if (m->page != q || m->state != MAPPING_USED || m->block != key_number(q->key) ||
            !m->copy || frame_state(f) != FRAME_OWNED ||
            frame_owner(f) != m->reader->client->account->id)
            fault(v, "INV-UBC-8: a copy is not its reader's", q->key);
        t->mappings++;
        t->copies++;
    }
}

static void check_page(const struct ubc_volume *v, const struct ubc_page *p, struct tally *t)
{
    enum page_state state = page_state(p);

    t->pages++;
    if (p->holds || state == PAGE_HELD)
        fault(v, "left held", p->key);
    if (p->born == 0 || p->born > v->stats.inserts)
        fault(v, "a page that has not been inserted yet", p->key);
    if (ubc_page_is_wanted(p) && ubc_index_find(&v->index[0], key_number(p->key)) == p)
        fault(v, "INV-UBC-10: a page that is wanted back is found", p->key);
    if (ubc_page_is_wanted(p) && p->awaited)
        fault(v, "INV-UBC-10: a page that is wanted back is waited for", p->key);
    switch (state) {
    case PAGE_IDLE:
        t->idle++;
        if (!ubc_idle_names(p, true))
            fault(v, "INV-UBC-7: an idle page's frame is not lent for it", p->key);
        break;
    case PAGE_HOLLOW:
        t->hollow++;
        break;
    default:
        t->busy += state == PAGE_BUSY;
        check_shared(v, p, t);
        return;
    }
    if (!list_empty(&p->mappings))
        fault(v, "a page that is mapped is not busy", p->key);
}

static uint64_t length(const struct list *list)
{
    const struct list *l;
    uint64_t n = 0;

    list_for_each (l, list)
        n++;
    return n;
}

static void check_counts(const struct ubc_volume *v, const struct tally *t)
{
    if (t->pages != v->stats.pages || t->mapped != v->stats.mapped ||
        t->mappings != v->stats.mappings)
        fault(v, "wrong counts of pages and mappings", t->pages);
    if (t->idle != v->idle_count || t->idle != length(&v->idle) + v->awaited_count ||
        v->awaited_count != length(&v->awaited))
        fault(v, "wrong count of idle pages", t->idle);
    if (t->hollow != v->hollow_count || t->hollow != length(&v->hollow))
        fault(v, "wrong count of hollow pages", t->hollow);
    if (t->busy != length(&v->busy) + length(&v->loose))
        fault(v, "wrong count of busy pages", t->busy);
}

static void check_index(const struct ubc_volume *v, struct tally *t)
{
    for (unsigned level = 0; level < INDEXES; level++) {
        const struct ubc_page *p;
        uint64_t n = 0;

        for (; (p = ubc_index_next(&v->index[level], n)) != NULL; n = key_number(p->key) + 1) {
            if (p->dead || p->volume != v || key_level(p->key) != level || key_number(p->key) < n)
                fault(v, "a page at the wrong place", p->key);
            if (n > LAGAN_UBC_BLOCKS_MAX)
                break;
            if (level == COPIES)
                check_copies(v, p, t);
            else
                check_page(v, p, t);
        }
    }
}

/* Such as an invalidate has left that was preempted. Returns how many of them are lent. */
static uint64_t check_dead(const struct ubc_volume *v, struct tally *t)
{
    uint64_t lent = 0;
    struct list *l;

    list_for_each (l, &v->dead) {
        const struct ubc_page *p = list_entry(l, struct ubc_page, link);

        if (!p->dead)
            fault(v, "INV-UBC-3: a page among the dead that is not", 0);
        t->mappings += length(&p->mappings);
        t->copies += p->frame ? 0 : length(&p->mappings);
        lent += p->lent;
    }
    return lent;
}

/* INV-UBC-6 */
static uint32_t check_reader(const struct ubc_volume *v, const struct ubc_reader *r)
{
    uint32_t mapped = 0, used = 0;

    for (uint32_t i = 0; i < r->count; i++) {
        const struct ubc_mapping *m = ubc_mapping_at(r, i);

        if (m->number != i || m->reader != r || (m->state == MAPPING_USED) != (m->page != NULL))
            fault(v, "a handle is not what it says", i);
        used += m->state != MAPPING_FREE;
        mapped += m->state == MAPPING_USED;
    }
    if (used != r->used || used > r->limit)
        fault(v, "INV-UBC-6: wrong count of a reader's handles", used);
    return mapped;
}

static void check_readers(const struct ubc_volume *v)
{
    uint32_t count = 0;
    struct list *l;

    list_for_each (l, &v->readers) {
        (void)check_reader(v, list_entry(l, struct ubc_reader, link));
        count++;
    }
    if (count != v->reader_count)
        fault(v, "wrong count of readers", count);
}

/* INV-UBC-5: of what is in memory, a page whose parent is there too. */
static void check_tree(const struct ubc_volume *v)
{
    for (unsigned level = 0; v->has_tree && level <= v->levels; level++) {
        const struct ubc_page *p;
        uint64_t n = 0;

        for (; (p = ubc_index_next(&v->index[level], n)) != NULL; n = key_number(p->key) + 1) {
            uint8_t expected[DIGEST_BYTES], digest[DIGEST_BYTES];

            if (page_state(p) == PAGE_HOLLOW || ubc_tree_expected(v, p->key, expected))
                continue;
            ubc_tree_digest(v->salt, v->salt_bytes, arch_map_frame(mfn(p->frame)), digest);
            if (memcmp(expected, digest, sizeof(digest)) != 0)
                fault(v, "INV-UBC-5: a page is not what the tree says", p->key);
        }
    }
}

static void check_window(const struct ubc_volume *v)
{
    for (uint64_t i = 0; v->is_window && !v->dying && i < v->blocks; i++) {
        mfn_t m = mfn(v->base.n + i);

        if (!window_has(m) || frame_of(m)->prev != v->window + 1 || type_of(m) != TYPE_UBC ||
            type_count(m) != 1)
            fault(v, "INV-UBC-1: a frame of a window is not the cache's", m.n);
    }
}

/* Returns the number of frames that it has of the heap's, but for idle pages'. */
static uint64_t check_volume(const struct ubc_volume *v, uint64_t *busy, uint64_t *copies)
{
    struct tally t = {0};
    uint64_t lent;

    check_index(v, &t);
    lent = check_dead(v, &t);
    check_counts(v, &t);
    check_readers(v);
    check_tree(v);
    check_window(v);
    *busy += t.busy;
    *copies += t.copies;
    return lent;
}

unsigned ubc_audit(void)
{
    uint64_t idle = 0, lent = 0, busy = 0, copies = 0;

    faults = 0;
    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        const struct ubc_volume *v = ubc_engine.slot[i];

        if (!v)
            continue;
        lent += check_volume(v, &busy, &copies);
        idle += v->idle_count;
        if (v->refs != 1 || v->slot != i)
            fault(v, "wrong count of its users", v->refs);
    }
    if (idle + lent != spare_held(SPARE_UBC)) {
        faults++;
        log_err("ubc_audit: INV-UBC-7: %lu frames are lent, not %lu\n",
                (unsigned long)spare_held(SPARE_UBC), (unsigned long)(idle + lent));
    }
    if (busy != ubc_engine.busy || copies != ubc_engine.copies) {
        faults++;
        log_err("ubc_audit: %lu busy pages and %lu copies\n", (unsigned long)busy,
                (unsigned long)copies);
    }
    if (idle != ubc_engine.idle) {
        faults++;
        log_err("ubc_audit: %lu idle pages, not %lu\n", (unsigned long)idle,
                (unsigned long)ubc_engine.idle);
    }
    return faults;
}
