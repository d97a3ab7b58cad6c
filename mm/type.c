/* SPDX-License-Identifier: MIT
 *
 * The type-count state machine.
 *
 * A frame's type word is in one of five states:
 *
 *   idle     count 0                        used as nothing; the type is what it was last
 *   valid    count > 0, VALID               in use
 *   busy     count > 0, no flag             one CPU claims, validates or tears down; others wait
 *   held     count > 0, PARTIAL             work was preempted; entries [0, cursor) hold references
 *   orphan   count = 0, PARTIAL             the same, of a validation; keeps a general reference
 *
 *            get: claim         content good                 last put
 *   idle ------------> busy ---------------> valid --------------------> busy ----> idle
 *                       |  ^                                              |  ^
 *             preempted |  | get                               preempted  |  | put or get
 *                       v  |                                              v  |
 *                     orphan                                              held
 *
 * PARTIAL means the same in both: whoever comes next may go on in either direction. A getter of the
 * same type validates from the cursor up, the holder's put goes on from the cursor down, a getter
 * of another type tears an orphan down first. So a preempted call needs no memory but the frame's
 * own, and an operation that is never taken up again harms nobody but the frame's owner.
 *
 * Who may change the word: anybody, by compare-and-swap from a word without LOCKED; the holder of
 * LOCKED, by a store; in state busy, the worker as it likes, for nobody takes LOCKED then
 * (INV-TYPE-5): a store of either would undo what the other did. The worker has one of the counts.
 * A last put takes LOCKED
 * before it reads the clock: with a plain compare-and-swap from count 1 to 0, a getter and putter
 * that come in between would make the same word 1 again with a later end of use than the stamp
 * says, and a CPU that flushed between the two would count as clean:
 *
 *   CPU A, put                        CPU B
 *   sees count 1; stamp = 7
 *                                     get: count 2; maps; a third CPU flushes (8), caches the
 * mapping A's put: count 1 is B's now; B unmaps cas 1 -> 0 succeeds, stamp 7      the third CPU's
 * flush at 8 seems to be enough: it is not
 *
 * Claim, then flush, then validate (INV-TYPE-1): before the claim, a writable mapping could still
 * be made after the flush; after validation, a CPU with an old translation could still change what
 * was checked.
 */
#include <lagan/arch.h>
#include "mm/frame.h"
#include "mm/segdesc.h"
#include "mm/tlbclock.h"
#include "mm/type_state.h"

enum { WAIT = 1 }; /* internal result: look at the word again */

static uint32_t word_of(enum frame_type type, uint32_t rest)
{
    return (uint32_t)type << TYPE_SHIFT | rest;
}

static bool word_cas(struct frame *f, uint32_t *old, uint32_t new)
{
    return atomic_compare_exchange_strong(&f->type, old, new);
}

static bool is_busy(uint32_t word)
{
    return (word & TYPE_COUNT) && !(word & (TYPE_VALID | TYPE_PARTIAL));
}

uint32_t frame_lock(struct frame *f)
{
    uint32_t word = word_load(f);

    do
        while ((word & TYPE_LOCKED) || is_busy(word)) {
            arch_relax();
            word = word_load(f);
        }
    while (!word_cas(f, &word, word | TYPE_LOCKED));
    lock_trace_push(LK_FRAME, true);
    return word;
}

bool frame_lock_valid(struct frame *f, enum frame_type type, uint32_t *word)
{
    *word = word_load(f);
    for (;;) {
        if (word_type(*word) != type || !(*word & TYPE_VALID))
            return false;
        if (!(*word & TYPE_LOCKED) && word_cas(f, word, *word | TYPE_LOCKED))
            break;
        arch_relax();
        *word = word_load(f);
    }
    lock_trace_push(LK_FRAME, true);
    return true;
}

/* ---- claiming ---- */

/* The second half of a claim: nobody can use the frame as `was` any more, now nobody may remember.
 */
static void flush_former_use(struct frame *f, enum frame_type was, enum frame_type now)
{
    struct account *a;
    cpumask_t cpus;

    if (was == now || was == TYPE_NONE)
        return;
    a = account_find(frame_owner(f));
    cpus = arch_online_cpus();
    if (a && !(f->use & FRAME_ABROAD))
        cpus = cpumask_and(cpus, (cpumask_t){atomic_load(&a->tlb_cpus)});
    tlb_flush_stale(TLB_TYPE_CHANGE, 1, f->stamp, cpus);
}

static int check_content(struct frame *f, enum frame_type type, unsigned *cursor)
{
    if (type_is_table(type))
        return table_validate(frame_mfn(f), type, cursor);
    if (type == TYPE_SEGDESC && !segdesc_fix_frame(frame_mfn(f)))
        return -XEN_EINVAL;
    return 0;
}

/* busy -> idle; the only count is the caller's. */
static void end_use(struct frame *f, enum frame_type type)
{
    f->stamp = tlb_clock_now();
    atomic_store(&f->type, word_of(type, 0));
}

/* busy -> held or orphan, giving up the worker's count. */
static void park(struct frame *f, unsigned cursor, int error)
{
    uint32_t word = word_load(f), new;
    bool ours;

    f->stamp = (uint32_t)(-error) << 16 | cursor;
    /* For the orphan; the caller has a reference, and there is one to spare. */
    ours = frame_get_again(frame_mfn(f));
    BUG_ON(!ours);
    do
        new = (word - 1) | TYPE_PARTIAL;
    while (!word_cas(f, &word, new));
    if ((new &TYPE_COUNT) != 0)
        frame_put(frame_mfn(f));
}

/* Validation failed at the cursor: gives back what it took, unless another holder keeps the
 * entries. The error, or -XEN_ERESTART: the orphan remembers it. */
static int undo(struct frame *f, enum frame_type type, unsigned cursor, int error)
{
    uint32_t word = word_load(f);

    while ((word & TYPE_COUNT) > 1) {
        f->stamp = cursor;
        if (word_cas(f, &word, (word - 1) | TYPE_PARTIAL))
            return error;
    }
    if (type_is_table(type) && table_devalidate(frame_mfn(f), type, &cursor) != 0) {
        park(f, cursor, error);
        return -XEN_ERESTART;
    }
    end_use(f, type);
    return error;
}

/* In state busy, with entries [0, cursor) taken: goes on to valid, or back. */
static int make_valid(struct frame *f, enum frame_type type, unsigned cursor)
{
    int rc = check_content(f, type, &cursor);

    if (rc == 0)
        atomic_fetch_or(&f->type, TYPE_VALID);
    else if (rc == -XEN_ERESTART)
        park(f, cursor, 0);
    else
        rc = undo(f, type, cursor, rc);
    return rc;
}

/* idle -> valid. WAIT when somebody else was faster. */
static int get_first(struct frame *f, uint32_t word, enum frame_type type)
{
    enum frame_type was = word_type(word);
    bool is_plain = type > TYPE_SEGDESC;

    /* A frame never used before, or again as what it was, has nobody to be told; a plain type no
     * content to be checked. */
    if (is_plain && (was == type || was == TYPE_NONE))
        return word_cas(f, &word, word_of(type, TYPE_VALID | 1)) ? 0 : WAIT;
    if (!word_cas(f, &word, word_of(type, 1)))
        return WAIT;
    flush_former_use(f, was, type);
    if (!is_plain) /* what is written past the caches from now on counts again */
        frame_make_coherent(frame_mfn(f));
    return make_valid(f, type, 0);
}

/* held or orphan -> on to valid; or, if the type is another, orphan -> idle and WAIT. */
static int get_partial(struct frame *f, uint32_t word, enum frame_type type)
{
    bool orphan = (word & TYPE_COUNT) == 0;
    uint32_t stamp;
    int rc;

    if (word_type(word) != type) {
        if (!orphan)
            return -XEN_EBUSY;
        rc = type_drop_partial(frame_mfn(f));
        return rc ? rc : WAIT;
    }
    if ((word & TYPE_COUNT) == TYPE_COUNT)
        return -XEN_EINVAL;
    if (!word_cas(f, &word, (word & ~TYPE_PARTIAL) + 1))
        return WAIT;
    stamp = f->stamp;
    if (PARTIAL_ERROR(stamp))
        rc = undo(f, type, PARTIAL_CURSOR(stamp), PARTIAL_ERROR(stamp));
    else
        rc = make_valid(f, type, PARTIAL_CURSOR(stamp));
    if (orphan)
        frame_put(frame_mfn(f)); /* what the orphan kept; park() takes a new one */
    return rc;
}

/* One look at the word. */
static int try_get(struct frame *f, enum frame_type type)
{
    uint32_t word = word_load(f);

    if (likely(word_is_settled(word, type) && (word & TYPE_COUNT) < TYPE_COUNT))
        return word_cas(f, &word, word + 1) ? 0 : WAIT;
    if (word & TYPE_LOCKED)
        return WAIT;
    if (word & TYPE_PARTIAL)
        return get_partial(f, word, type);
    if ((word & TYPE_COUNT) == 0)
        return get_first(f, word, type);
    if (word_type(word) != type)
        return -XEN_EBUSY;
    if (is_busy(word)) /* long work elsewhere: let the caller's CPU do something useful */
        return type > TYPE_L1 && type <= TYPE_L4 && arch_preempt_pending() ? -XEN_ERESTART : WAIT;
    if ((word & TYPE_COUNT) == TYPE_COUNT)
        return -XEN_EINVAL;
    return word_cas(f, &word, word + 1) ? 0 : WAIT;
}

int type_get(mfn_t m, enum frame_type type)
{
    struct frame *f = frame_of(m);
    int rc;

    ASSERT(frame_refs(f) > 0 && type != TYPE_NONE);
    if (type <= TYPE_SEGDESC && frame_state(f) != FRAME_OWNED)
        return -XEN_EINVAL;
    while ((rc = try_get(f, type)) == WAIT)
        arch_relax();
    return rc;
}

/* ---- letting go ---- */

bool type_put_last_plain(struct frame *f, uint32_t word)
{
    if (!word_cas(f, &word, word | TYPE_LOCKED))
        return false;
    f->stamp = tlb_clock_now();
    atomic_store(&f->type, word_of(word_type(word), 0));
    return true;
}

/* valid or held, count 1 -> busy -> idle; or held again. */
static int put_last_table(struct frame *f, uint32_t word)
{
    unsigned cursor = TABLE_ENTRIES;

    if (!word_cas(f, &word, word & ~(TYPE_VALID | TYPE_PARTIAL)))
        return WAIT;
    if (word & TYPE_PARTIAL)
        cursor = PARTIAL_CURSOR(f->stamp);
    if (table_devalidate(frame_mfn(f), word_type(word), &cursor) != 0) {
        f->stamp = cursor;
        atomic_fetch_or(&f->type, TYPE_PARTIAL);
        return -XEN_ERESTART;
    }
    end_use(f, word_type(word));
    return 0;
}

static int try_put(struct frame *f, uint32_t clear)
{
    uint32_t word = word_load(f);

    if (likely(!clear && (word & TYPE_COUNT) > 1 && word_is_settled(word, word_type(word))))
        return word_cas(f, &word, word - 1) ? 0 : WAIT;
    if (word & TYPE_LOCKED)
        return WAIT;
    if (clear && !(word & clear))
        return -XEN_EINVAL;
    BUG_ON((word & TYPE_COUNT) == 0);
    if ((word & TYPE_COUNT) > 1)
        return word_cas(f, &word, (word - 1) & ~clear) ? 0 : WAIT;
    if (is_busy(word)) { /* the count is the worker's; only a second unpin can come here */
        BUG_ON(!clear);
        return WAIT;
    }
    BUG_ON((word & TYPE_PINNED) && !clear);
    if (type_is_table(word_type(word)))
        return put_last_table(f, word);
    return type_put_last_plain(f, word) ? 0 : WAIT;
}

int type_put_step(mfn_t m, uint32_t clear)
{
    int rc;

    while ((rc = try_put(frame_of(m), clear)) == WAIT)
        arch_relax();
    return rc;
}

int type_put_preemptible(mfn_t m)
{
    return type_put_step(m, 0);
}

void type_put(mfn_t m)
{
    while (type_put_step(m, 0) != 0)
        ;
}

int type_drop_partial(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint32_t word = word_load(f);
    unsigned cursor;

    if ((word & (TYPE_COUNT | TYPE_LOCKED | TYPE_PARTIAL)) != TYPE_PARTIAL ||
        !word_cas(f, &word, (word & ~TYPE_PARTIAL) + 1))
        return 0; /* somebody else takes care of it */
    cursor = PARTIAL_CURSOR(f->stamp);
    if (table_devalidate(m, word_type(word), &cursor) != 0) {
        park(f, cursor, PARTIAL_ERROR(f->stamp));
        frame_put(m);
        return -XEN_ERESTART;
    }
    end_use(f, word_type(word));
    frame_put(m);
    return 0;
}

/* held -> busy -> held, or idle if the holder has let go meanwhile; as when a validation fails, but all entries
 * are given back. */
int type_empty_partial(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint32_t word = word_load(f);
    unsigned cursor;
    int rc;

    if (word_type(word) != TYPE_L1 || !(word & (TYPE_COUNT | TYPE_PARTIAL | TYPE_LOCKED)))
        return 0;
    if (!(word & TYPE_PARTIAL) || (word & TYPE_LOCKED) || (word & TYPE_COUNT) == 0 ||
        (word & TYPE_COUNT) == TYPE_COUNT || !word_cas(f, &word, (word & ~TYPE_PARTIAL) + 1))
        return -XEN_ERESTART;
    cursor = PARTIAL_CURSOR(f->stamp);
    rc = table_devalidate(m, TYPE_L1, &cursor);
    word = word_load(f);
    while ((word & TYPE_COUNT) > 1) {
        f->stamp = cursor;
        if (word_cas(f, &word, (word - 1) | TYPE_PARTIAL))
            return rc;
    }
    if (rc)
        park(f, cursor, -XEN_EINVAL);
    else
        end_use(f, TYPE_L1);
    return rc;
}

/* ---- looking ---- */

enum frame_type type_of(mfn_t m)
{
    return word_type(word_load(frame_of(m)));
}

uint32_t type_count(mfn_t m)
{
    return word_load(frame_of(m)) & TYPE_COUNT;
}

bool type_is_valid(mfn_t m)
{
    return word_load(frame_of(m)) & TYPE_VALID;
}

int frame_get_writable(mfn_t m, domid_t owner)
{
    int rc;

    if (!frame_get(m, owner))
        return -XEN_EINVAL;
    rc = type_get(m, TYPE_WRITABLE);
    if (rc)
        frame_put(m);
    return rc;
}

void frame_put_writable(mfn_t m)
{
    type_put(m);
    frame_put(m);
}
