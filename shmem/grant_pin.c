/* SPDX-License-Identifier: MIT
 *
 * Using a grant entry: what the granter wrote is read once, checked, and pinned.
 *
 * The entry lies in memory that its domain writes at any time. Both sides agree on who may change
 * it by a flag that is set and taken back atomically:
 *
 *   version 1                                version 2
 *   we: entry -> entry | GTF_reading,        we: status |= GTF_reading; then look whether the
 *       one compare-and-swap of all 8            flags are still as they were
 *       bytes: flags, domain and frame       they: flags = 0; then look whether the status is 0
 *       belong together
 *   they: flags -> 0 if still the flags      (each writes before it reads: one of the two sees
 *       that showed no use                    the other)
 *
 * A domain that keeps rewriting its entry is given up after a few attempts. What it writes while
 * the entry is in use means nothing to us: the first pin keeps what it found (struct grant_pins),
 * and later ones of a whole page look no further than that.
 *
 * The first pin takes a general reference of the frame, the first for writing a writable one; the
 * last of each gives it back before the flag is cleared (INV-GRANT-3): when the granter sees its
 * entry free, it can make a page table of the page.
 *
 * One entry's lock is held at a time; a transitive grant's two entries are pinned one after the
 * other.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/frame.h"
#include "mm/type.h"
#include "mm/window.h"
#include "shmem/grant_int.h"

#define ATTEMPTS 5 /* at an entry that changes under us */

/* What was read of an entry, once. */
struct found {
    bool revocable;
    enum grant_kind kind;
    uint64_t frame;
    uint16_t offset, length;
    domid_t via;
    grant_ref_t via_ref;
};

static uint16_t flags_in(uint64_t word)
{
    return (uint16_t)word;
}

static domid_t domain_in(uint64_t word)
{
    return (domid_t)(word >> 16);
}

static uint16_t flags_for(bool write)
{
    return write ? GTF_reading | GTF_writing : GTF_reading;
}

static int check_flags(uint64_t word, domid_t who, bool write, bool may_be_transitive)
{
    unsigned type = flags_in(word) & GTF_type_mask;

    if (type != GTF_permit_access && !(type == GTF_transitive && may_be_transitive))
        return GNTST_general_error;
    if (domain_in(word) != who)
        return GNTST_general_error;
    if (write && (flags_in(word) & GTF_readonly))
        return GNTST_general_error;
    return GNTST_okay;
}

/* ---- the shared entry ---- */

static int claim_v1(const struct grant_table *t, grant_ref_t ref, domid_t who, bool write,
                    struct found *f)
{
    uint64_t *entry = (uint64_t *)grant_v1(t, ref);
    uint64_t word = __atomic_load_n(entry, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        int status = check_flags(word, who, write, false);

        if (status)
            return status;
        if (__atomic_compare_exchange_n(entry, &word, word | flags_for(write), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
            *f = (struct found){
                .kind = GRANT_PAGE, .frame = word >> 32, .revocable = word & LAGAN_GTF_revocable};
            return GNTST_okay;
        }
    }
    return GNTST_general_error;
}

/* The body, after the status says that it is in use. */
static void read_v2(const union grant_entry_v2 *e, uint16_t flags, struct found *f)
{
    *f = (struct found){.revocable = flags & LAGAN_GTF_revocable, .kind = GRANT_PAGE};
    if ((flags & GTF_type_mask) == GTF_transitive) {
        f->kind = GRANT_TRANSITIVE;
        f->via = __atomic_load_n(&e->transitive.trans_domid, __ATOMIC_RELAXED);
        f->via_ref = __atomic_load_n(&e->transitive.gref, __ATOMIC_RELAXED);
        return;
    }
    f->frame = __atomic_load_n(&e->full_page.frame, __ATOMIC_RELAXED);
    if (flags & GTF_sub_page) {
        f->kind = GRANT_SUB_PAGE;
        f->offset = __atomic_load_n(&e->sub_page.page_off, __ATOMIC_RELAXED);
        f->length = __atomic_load_n(&e->sub_page.length, __ATOMIC_RELAXED);
    }
}

/* *fresh: the flags that were not set before. */
static LAGAN_NOINLINE int claim_v2(const struct grant_table *t, grant_ref_t ref, domid_t who,
                                   bool write, struct found *f)
{
    const union grant_entry_v2 *e = grant_v2(t, ref);
    const uint32_t *header = (const uint32_t *)&e->hdr;
    uint32_t word = __atomic_load_n(header, __ATOMIC_RELAXED);
    uint16_t was = __atomic_load_n(grant_status(t, ref), __ATOMIC_RELAXED);

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        int status = check_flags(word, who, write, true);
        uint32_t again;

        if (status == GNTST_okay)
            __atomic_fetch_or(grant_status(t, ref), flags_for(write), __ATOMIC_SEQ_CST);
        again = __atomic_load_n(header, __ATOMIC_SEQ_CST);
        if (status == GNTST_okay && again == word) {
            read_v2(e, flags_in(word), f);
            return GNTST_okay;
        }
        __atomic_fetch_and(grant_status(t, ref), (uint16_t)(was | ~flags_for(write)),
                           __ATOMIC_SEQ_CST);
        if (status)
            return status;
        word = again;
    }
    return GNTST_general_error;
}

static int claim(const struct grant_table *t, grant_ref_t ref, domid_t who, bool write,
                 struct found *f)
{
    return likely(t->version == 1) ? claim_v1(t, ref, who, write, f)
                                   : claim_v2(t, ref, who, write, f);
}

static void clear_flags(const struct grant_table *t, grant_ref_t ref, uint16_t flags)
{
    uint16_t *word = likely(t->version == 1) ? &grant_v1(t, ref)->flags : grant_status(t, ref);

    if (flags)
        __atomic_fetch_and(word, (uint16_t)~flags, __ATOMIC_SEQ_CST);
}

/* The flags that nothing in use stands for. */
static uint16_t idle_flags(const struct grant_pins *p)
{
    return (uint16_t)((p->writes ? 0 : GTF_writing) | (grant_in_use(p) ? 0 : GTF_reading));
}

/* ---- the frame ---- */

/* GNTST_*; -XEN_ERESTART. */
static int take_frame(const struct grant_table *t, uint64_t frame, bool first, bool write)
{
    mfn_t m = mfn(frame);
    int rc = 0;

    if (first) {
        if (frame > UINT32_MAX || (!frame_get(m, t->account->id) && !window_get(t->account, m)))
            return GNTST_bad_page;
        if (frame_state(frame_of(m)) != FRAME_OWNED && !window_has(m))
            rc = -XEN_EINVAL; /* a page of ours that the granter was lent */
    }
    if (rc == 0 && write)
        rc = type_get(m, TYPE_WRITABLE);
    if (rc && first)
        frame_put(m);
    if (rc == -XEN_ERESTART)
        return rc;
    return rc ? GNTST_general_error : GNTST_okay;
}

/* ---- pins ---- */

/* An entry that is in use already by the same domain, as a whole page, and for writing if that is
 * wanted: one more. */
static bool again(const struct grant_pins *p, bool write)
{
    return p->kind == GRANT_PAGE && (!write || p->writes);
}

static int check_pins(const struct grant_pins *p, domid_t who, bool write)
{
    if (unlikely(p->revoke & PIN_REVOKING))
        return GNTST_general_error;
    if (!grant_in_use(p))
        return GNTST_okay;
    if (p->who != who || (write ? p->writes : p->reads) == PINS_MAX)
        return GNTST_general_error;
    return GNTST_okay;
}

/* The entry is in use for the first time, or first for writing, or says less than a page. */
static int pin_anew(struct grant_table *t, struct grant_pins *p, grant_ref_t ref, domid_t who,
                    bool write, bool whole, struct found *f)
{
    bool first = !grant_in_use(p);
    int status = claim(t, ref, who, write, f);

    if (status)
        return status;
    if ((whole && f->kind != GRANT_PAGE) || (!first && f->kind != (enum grant_kind)p->kind) ||
        (uint32_t)f->offset + f->length > PAGE_SIZE)
        status = GNTST_general_error;
    else if (f->kind != GRANT_TRANSITIVE)
        status = take_frame(t, first ? f->frame : p->frame, first, write && !p->writes);
    if (status) {
        clear_flags(t, ref, idle_flags(p));
        return status;
    }
    if (first) {
        p->who = who;
        p->kind = (uint8_t)f->kind;
        p->frame = (uint32_t)f->frame;
        p->revoke = f->revocable ? PIN_REVOCABLE : 0;
    }
    return GNTST_okay;
}

static void report(struct grant_table *t, grant_ref_t ref, const struct grant_pins *p,
                   const struct found *f, struct grant_access *got)
{
    got->table = t;
    got->ref = ref;
    got->frame = mfn(p->frame);
    got->revocable = p->revoke & PIN_REVOCABLE;
    got->transitive = false;
    got->offset = 0;
    got->length = PAGE_SIZE;
    if (likely(p->kind == GRANT_PAGE))
        return;
    got->transitive = f->kind == GRANT_TRANSITIVE;
    got->offset = f->offset;
    got->length = f->length;
    got->via = f->via;
    got->via_ref = f->via_ref;
}

int grant_pin(struct grant_table *t, grant_ref_t ref, domid_t who, bool write, bool whole,
              struct grant_access *got)
{
    struct grant_pins *p;
    struct found f;
    int status;

    if (unlikely(atomic_load(&t->frozen)))
        return -XEN_ERESTART;
    if (unlikely(t->dying))
        return GNTST_general_error;
    if (ref >= grant_entry_count(t))
        return GNTST_bad_gntref;
    ref = (grant_ref_t)index_nospec(ref, grant_entry_count(t));
    p = grant_pins_of(t, ref);
    grant_entry_lock(p);
    status = check_pins(p, who, write);
    if (status == GNTST_okay && !(grant_in_use(p) && again(p, write)))
        status = pin_anew(t, p, ref, who, write, whole, &f);
    if (status == GNTST_okay) {
        if (write)
            p->writes++;
        else
            p->reads++;
        report(t, ref, p, &f, got);
    }
    grant_entry_unlock(p);
    return status;
}

void grant_unpin(struct grant_table *t, grant_ref_t ref, bool write)
{
    struct grant_pins *p = grant_pins_of(t, ref);
    bool has_frame;

    grant_entry_lock(p);
    ASSERT(write ? p->writes > 0 : p->reads > 0);
    has_frame = p->kind != GRANT_TRANSITIVE;
    if (!write)
        p->reads--;
    else if (--p->writes == 0 && has_frame)
        type_put(mfn(p->frame));
    if (!grant_in_use(p) && has_frame)
        frame_put(mfn(p->frame));
    clear_flags(t, ref, idle_flags(p));
    grant_entry_unlock(p);
}
