/* SPDX-License-Identifier: MIT
 *
 * The auditor of grants: for each entry in use, the handles that name it are counted again
 * (INV-GRANT-2), and its flags and its frame's references looked at (INV-GRANT-1, INV-GRANT-3).
 *
 * Each handle takes its pins off a copy of the counts, and all must have come to 0 in the end: the
 * counts themselves are used for that, and put back afterwards. Nothing else runs meanwhile.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>
#include "mm/frame.h"
#include "mm/type.h"
#include "mm/window.h"
#include "shmem/grant_int.h"

static struct {
    unsigned faults;
    uint64_t held;
} audit;

static void fault(const char *what, const struct grant_table *t, uint32_t number)
{
    audit.faults++;
    log_err("grant_audit: %s: domain %u, number %u\n", what, t->account->id, (unsigned)number);
}

/* ---- one entry ---- */

static void check_entry(const struct grant_table *t, grant_ref_t ref)
{
    const struct grant_pins *p = grant_pins_of(t, ref);
    struct frame *f;

    if (p->lock)
        fault("left locked", t, ref);
    if (!grant_in_use(p))
        return;
    if (p->kind == GRANT_TRANSITIVE)
        return;
    f = frame_of(mfn(p->frame));
    audit.held++;
    if (frame_refs(f) == 0 ||
        ((frame_owner(f) != t->account->id || frame_state(f) != FRAME_OWNED) &&
         !window_has(mfn(p->frame))))
        fault("INV-GRANT-1: not the granter's frame", t, ref);
    if (p->writes && (type_of(mfn(p->frame)) != TYPE_WRITABLE || !type_count(mfn(p->frame))))
        fault("INV-GRANT-1: not writable memory", t, ref);
}

static void for_each_entry(const struct grant_table *t,
                           void (*visit)(const struct grant_table *t, grant_ref_t ref))
{
    for (grant_ref_t ref = 0; ref < grant_entry_count(t); ref++)
        visit(t, ref);
}

/* ---- handles ---- */

/* Takes (sign -1) or gives back (1) what a handle stands for. */
static void count_handle(const struct grant_handle *h, const struct grant_table *mapper,
                         uint32_t number, int sign)
{
    struct grant_table *granter = grant_find(h->granter);
    int pins = ((h->state & HANDLE_HOST) != 0) + ((h->state & HANDLE_DEVICE) != 0);
    struct grant_pins *p;
    uint16_t *count;

    if (!granter || h->ref >= grant_entry_count(granter)) {
        fault("INV-GRANT-2: a handle of nothing", mapper, number);
        return;
    }
    p = grant_pins_of(granter, h->ref);
    count = h->state & HANDLE_WRITE ? &p->writes : &p->reads;
    if (sign < 0 && (*count < pins || p->who != mapper->account->id))
        fault("INV-GRANT-2: more handles than pins", mapper, number);
    *count = (uint16_t)(*count + sign * pins);
}

static void count_handles(const struct grant_table *t, int sign)
{
    for (uint32_t i = 0; i < maptrack_count(&t->maptrack); i++) {
        const struct grant_handle *h = maptrack_of(&t->maptrack, i);

        if (h->state & HANDLE_BUSY)
            fault("left busy", t, i);
        if ((h->state & HANDLE_USED) && !(h->state & HANDLE_REVOKED))
            count_handle(h, t, i, sign);
    }
}

static void check_left(const struct grant_table *t, grant_ref_t ref)
{
    if (grant_in_use(grant_pins_of(t, ref)))
        fault("INV-GRANT-2: a pin of no handle", t, ref);
}

unsigned grant_audit(void)
{
    struct grant_table *t;

    audit.faults = 0;
    audit.held = 0;
    for (t = grant_next(0); t; t = grant_next(t->account->id + 1U))
        for_each_entry(t, check_entry);
    for (t = grant_next(0); t; t = grant_next(t->account->id + 1U))
        count_handles(t, -1);
    for (t = grant_next(0); t; t = grant_next(t->account->id + 1U))
        for_each_entry(t, check_left);
    for (t = grant_next(0); t; t = grant_next(t->account->id + 1U))
        count_handles(t, 1);
    return audit.faults;
}

uint64_t grant_audit_held(void)
{
    return audit.held;
}
