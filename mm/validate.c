/* SPDX-License-Identifier: MIT
 *
 * What page-table entries may hold, and the references they hold for it.
 *
 * A present entry holds a general reference of the frame it points to and, if the guest may do more
 * with it than read, a type reference: L1 entries with RW one as writable memory, entries of upper
 * levels one as a table of the level below. An L1 entry for something that is not RAM (devices; the
 * account must be allowed) holds nothing, as does a non-present one.
 *
 * Entries are stored as the processor is to see them: always with US, since the guest's kernel runs
 * in ring 3, and never with G, since only the hypervisor's translations survive a CR3 write. Stored
 * entries are rewritten only once the whole table has been accepted, so that a refused one is as it
 * was.
 *
 * Memory types: an account without devices gets all its RAM write-back, whatever it asks for; there
 * is nobody who would see the difference. One with devices gets what it asks for, and a frame that
 * it may write past the caches is noted: before such a frame becomes a page table or somebody
 * else's, caches and memory are made to agree. Otherwise what was checked (in the cache) would not
 * be what a CPU walks later (in memory).
 *
 * A non-present entry may contain anything; but on a processor with the L1TF defect its frame bits
 * are an address that can be read speculatively, so there they must not name RAM. (Kernels that
 * know of the defect never write such entries. The domain with the devices is trusted here.)
 *
 * Windows of the buffer cache (window.h) are mapped as own frames are, but for reading only: what asks for more
 * gets that, in the usual memory type, since a kernel that believes to have a device of memory there must be
 * able to make its tables. Such an entry holds a general reference. Where the frames of a window move one may have
 * gone before its entry is looked at; what says that it is such an entry (WINDOW_ENTRY) is emptied then, and accepted.
 *
 * Frames of other accounts are mapped only one by one, by table_update() with the owner named: a
 * table that is validated as a whole holds its own account's frames.
 *
 * Recursion is bounded by the level: an entry of level n refers to a frame of type n-1 only, so a
 * table cannot reach itself (linear page tables are refused as being in use as another type).
 *
 * Preemption points lie between the entries of L2..L4 tables, after at least one was dealt with. An
 * L1 table is validated in one go, and let go in steps (L1_STEP).
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/nospec.h>
#include "mm/type_state.h"
#include "mm/window.h"

/* Bits that a present entry may have beside its frame. */
#define L1_BITS                                                                                  \
    (PTE_P | PTE_RW | PTE_US | PTE_PWT | PTE_PCD | PTE_A | PTE_D | PTE_PAT | PTE_G | PTE_AVAIL | \
     PTE_AVAIL_HI | PTE_NX)
#define UPPER_BITS (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVAIL | PTE_AVAIL_HI | PTE_NX)

/* Address bits that the machine does not have need no check of their own: no frame there is valid.
 */
static bool is_well_formed(unsigned level, uint64_t e)
{
    return !(e & ~((level == 1 ? L1_BITS : UPPER_BITS) | PTE_FRAME));
}

/* An L1 entry whose memory type is the usual one. */
static inline uint64_t as_stored_usual(uint64_t e)
{
    return (e | PTE_US) & ~(PTE_G | CACHE_BITS);
}

static uint64_t as_stored(const struct account *a, unsigned level, uint64_t e)
{
    if (level > 1)
        return e | PTE_US;
    if ((e & PTE_RW) && window_is_near(a) && window_has(pte_frame(e)))
        return as_stored_usual(e) & ~PTE_RW;
    /* What others map too has one memory type, also for who has devices. */
    if (!a->maps_io || ((e & CACHE_BITS) && window_has(pte_frame(e))))
        return as_stored_usual(e);
    if ((e & PTE_RW) && !arch_mfn_valid(pte_frame(e)) &&
        arch_io_access(pte_frame(e)) == IO_READ_ONLY)
        e &= ~PTE_RW;
    return (e | PTE_US) & ~PTE_G;
}

/* Addresses in non-present entries are acceptable unless address - 1 is below this. */
static uint64_t leaky_span(const struct account *a)
{
    uint64_t limit = a->maps_io ? 0 : arch_l1tf_limit();

    return limit ? limit - 1 : 0;
}

static bool is_leaky(uint64_t span, uint64_t e)
{
    return (e & PTE_FRAME) - 1 < span;
}

/* ---- one entry ---- */

static int get_table(const struct account *a, mfn_t m, enum frame_type type)
{
    int rc;

    if (!frame_get(m, a->id))
        return -XEN_EINVAL;
    rc = type_get(m, type);
    if (rc)
        frame_put(m);
    return rc == -XEN_EBUSY ? -XEN_EINVAL : rc; /* what the ABI says of tables */
}

/* Of its own right; or of another's, who grants it: then only if the entry is for reading as it is. */
static LAGAN_NOINLINE int get_window(const struct account *a, domid_t from, uint64_t e)
{
    const struct account *granter = from == a->id ? a : account_find(from);
    mfn_t m = pte_frame(e);

    if (granter != a && (e & PTE_RW))
        return -XEN_EINVAL;
    if (!granter || !window_get(granter, m))
        return -XEN_EINVAL;
    /* Nobody can take such an entry of another's back; so only who has the devices gets it, for a transfer. */
    if (granter != a && !a->maps_io && window_is_moving(m)) {
        frame_put(m);
        return -XEN_EINVAL;
    }
    return 0;
}

/* It was refused, but its maker could not know: then the entry is none (WINDOW_ENTRY). */
static bool is_withdrawn(const struct account *a, domid_t from, uint64_t e, int rc)
{
    return rc == -XEN_EINVAL && (e & WINDOW_ENTRY) && from == a->id && window_is_near(a);
}

static int get_memory(const struct account *a, domid_t from, uint64_t e)
{
    mfn_t m = pte_frame(e);
    int rc = 0;

    if (unlikely(!frame_get(m, from)))
        return get_window(a, from, e);
    /* Both notes come before anybody can use the entry. */
    if (from != a->id)
        frame_note_abroad(m);
    if (e & PTE_RW) {
        if (as_stored(a, 1, e) & CACHE_BITS)
            frame_note_uncached(m);
        rc = type_get(m, TYPE_WRITABLE);
    }
    if (rc)
        frame_put(m);
    return rc;
}

static int get_io(const struct account *a, mfn_t m)
{
    return a->maps_io && arch_io_access(m) != IO_NONE ? 0 : -XEN_EPERM;
}

int entry_get(const struct account *a, domid_t from, unsigned level, uint64_t *e)
{
    mfn_t m = pte_frame(*e);
    int rc;

    if (!(*e & PTE_P))
        return is_leaky(leaky_span(a), *e) ? -XEN_EINVAL : 0;
    if (!is_well_formed(level, *e))
        return -XEN_EINVAL;
    if (level > 1)
        rc = get_table(a, m, (enum frame_type)(level - 1));
    else if (arch_mfn_valid(m))
        rc = get_memory(a, from, *e);
    else
        rc = get_io(a, m);
    if (unlikely(rc) && level == 1 && arch_mfn_valid(m) && is_withdrawn(a, from, *e, rc)) {
        *e = 0;
        return 0;
    }
    if (rc == 0)
        *e = as_stored(a, level, *e);
    return rc;
}

/* The put of a writable reference, if nobody is in the way. */
static inline bool put_writable(mfn_t m, unsigned level)
{
    struct frame *f = frame_of(m);
    uint32_t word = word_load(f);

    if (level > 1 || !word_is_settled(word, TYPE_WRITABLE))
        return false;
    if ((word & TYPE_COUNT) == 1)
        return type_put_last_plain(f, word);
    return atomic_compare_exchange_strong(&f->type, &word, word - 1);
}

/* In a table that was refused, or preempted, before its entries were rewritten there may be one with RW for
 * a window; it holds no type. */
static bool is_unstored_window(unsigned level, mfn_t m)
{
    return level == 1 && window_has(m);
}

static LAGAN_INLINE int put_entry(const struct account *a, unsigned level, uint64_t e)
{
    mfn_t m = pte_frame(e);

    if (!(e & PTE_P) || (unlikely(a->maps_io) && level == 1 && !arch_mfn_valid(m)))
        return 0;
    if ((level > 1 || (e & PTE_RW)) && !put_writable(m, level) && !is_unstored_window(level, m)) {
        int rc = type_put_step(m, 0);

        if (rc)
            return rc;
    }
    frame_put(m);
    return 0;
}

int entry_put(const struct account *a, unsigned level, uint64_t e)
{
    return put_entry(a, level, e);
}

/* ---- whole tables ---- */

/* What the entries of one L1 table are compared with. */
struct l1_rules {
    const struct account *a;
    uint32_t key;
    uint64_t max_mfn;
    uint64_t leaky_span;
};

/* entry_get(), by the short way where that is enough: of a's own frames in the usual memory type. */
static inline int data_get(const struct l1_rules *r, uint64_t *e)
{
    mfn_t m = pte_frame(*e);
    uint64_t got;

    if (!arch_mfn_valid(m) || (r->a->maps_io && (*e & CACHE_BITS)))
        return entry_get(r->a, r->a->id, 1, e);
    got = data_get_short(r->key, r->max_mfn, *e);
    if (unlikely(got != *e)) {
        int rc;

        if (!got)
            return entry_get(r->a, r->a->id, 1, e);
        rc = type_get(m, TYPE_WRITABLE);
        if (rc) {
            frame_put(m);
            return rc;
        }
    }
    *e = as_stored_usual(*e);
    return 0;
}

/* The entries of an L1 table from *cursor on; *rewrite: some are to be stored differently. */
static int l1_get(uint64_t *table, const struct account *a, unsigned *cursor, bool *rewrite)
{
    struct l1_rules r = {
        .a = a, .key = own_frames_key(a), .max_mfn = arch_max_mfn(), .leaky_span = leaky_span(a)};
    uint64_t differs = 0;
    unsigned i;
    int rc = 0;

    for (i = *cursor; i < TABLE_ENTRIES; i++) {
        uint64_t e = pte_load(&table[i]), stored = e;

        if (!(e & PTE_P))
            rc = unlikely(is_leaky(r.leaky_span, e)) ? -XEN_EINVAL : 0;
        else
            rc = is_well_formed(1, e) ? data_get(&r, &stored) : -XEN_EINVAL;
        if (rc)
            break;
        if (unlikely((e & PTE_P) &&
                     !stored)) /* withdrawn: nothing else is ever left of such a table */
            pte_store(&table[i], 0);
        differs |= stored ^ e;
    }
    *cursor = i;
    *rewrite = *rewrite || differs;
    return rc;
}

/* Everything has been accepted: the entries become what the processor may walk. */
static void rewrite_entries(uint64_t *table, unsigned level, struct account *a)
{
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t e = pte_load(&table[i]);

        if ((e & PTE_P) && !pte_slot_is_hv(level, i) && as_stored(a, level, e) != e)
            pte_store(&table[i], as_stored(a, level, e));
    }
}

/* Work that stopped in a teardown has left the last entry below the cursor with its reference, but perhaps with
 * a table that is half torn down: entries in it hold nothing, and lead to what may be written by now. Before the
 * table above can be walked again that one has to be whole. Asking for one more use makes it so. */
static int make_last_whole(const uint64_t *table, const struct account *a, unsigned level,
                           unsigned cursor)
{
    uint64_t e;
    int rc;

    if (cursor == 0 || pte_slot_is_hv(level, cursor - 1))
        return 0;
    e = pte_load(&table[cursor - 1]);
    if (!(e & PTE_P))
        return 0;
    rc = entry_get(a, a->id, level, &e);
    if (rc)
        return rc;
    rc = entry_put(a, level, e);
    BUG_ON(rc); /* not the last: the table's own is there */
    return 0;
}

/* As l1_get(). */
static int upper_get(const uint64_t *table, const struct account *a, unsigned level,
                     unsigned *cursor, bool *rewrite)
{
    uint64_t span = leaky_span(a), differs = 0;
    bool progress = false;
    int rc = make_last_whole(table, a, level, *cursor);
    unsigned i;

    for (i = *cursor; rc == 0 && i < TABLE_ENTRIES; i++) {
        uint64_t e = pte_load(&table[i]), stored = e;

        if (e == 0 || pte_slot_is_hv(level, i) || (!(e & PTE_P) && !is_leaky(span, e)))
            continue;
        rc = progress && arch_preempt_pending() ? -XEN_ERESTART
                                                : entry_get(a, a->id, level, &stored);
        if (rc)
            break;
        progress = true;
        differs |= stored ^ e;
    }
    *cursor = i;
    *rewrite = *rewrite || differs;
    return rc;
}

int table_validate(mfn_t m, unsigned level, unsigned *cursor)
{
    struct account *a = account_find(frame_owner(frame_of(m)));
    uint64_t *table = arch_map_frame(m);
    bool rewrite = *cursor > 0;
    int rc;

    BUG_ON(!a); /* it is there as long as it owns a frame */
    rc = level == 1 ? l1_get(table, a, cursor, &rewrite)
                    : upper_get(table, a, level, cursor, &rewrite);
    if (rc)
        return rc;
    if (rewrite)
        rewrite_entries(table, level, a);
    if (level == 4) {
        arch_l4_fill(table, a->id);
        account_l4_changed(a); /* copies may be left from an earlier time as a table */
    }
    return 0;
}

/* Entries of an L1 table that are let go between two points of preemption: each may be the last use of
 * a frame that was given up before, which is several hundred instructions. */
#define L1_STEP 64

/* The entries of an L1 table below *cursor. */
static int l1_put(const uint64_t *table, const struct account *a, unsigned *cursor)
{
    unsigned i;

    for (i = *cursor; i > 0; i--) {
        uint64_t e = pte_load(&table[i - 1]);

        if (!(e & PTE_P))
            continue;
        if (i % L1_STEP == 0 && i != *cursor && arch_preempt_pending())
            break;
        (void)!put_entry(a, 1, e); /* which is never preempted at this level */
    }
    *cursor = i;
    return i ? -XEN_ERESTART : 0;
}

static int upper_put(const uint64_t *table, const struct account *a, unsigned level,
                     unsigned *cursor)
{
    bool progress = false;
    unsigned i;

    for (i = *cursor; i > 0; i--) {
        uint64_t e = pte_load(&table[i - 1]);

        if (!(e & PTE_P) || pte_slot_is_hv(level, i - 1))
            continue;
        if ((progress && arch_preempt_pending()) || entry_put(a, level, e) != 0)
            break;
        progress = true;
    }
    *cursor = i;
    return i ? -XEN_ERESTART : 0;
}

int table_devalidate(mfn_t m, unsigned level, unsigned *cursor)
{
    const struct account *a = account_find(frame_owner(frame_of(m)));
    const uint64_t *table = arch_map_frame(m);

    BUG_ON(!a);
    return level == 1 ? l1_put(table, a, cursor) : upper_put(table, a, level, cursor);
}
