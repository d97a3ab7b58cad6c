/* SPDX-License-Identifier: MIT
 *
 * Volumes whose blocks have slots: guest frame numbers, the same for all readers (LAGAN_UBC_SLOTS).
 *
 * A reader's kernel believes that a slot is memory of a device's, and makes entries for its page wherever it likes,
 * which nobody could list. So a frame of such a volume is, while it is BUSY, of a window that moves (mm/window.h), and
 * the machine-to-physical table says its slot. Well-behaved readers empty their entries before they let go of the
 * handle, and the page is idle as any other. If entries are left the page is LOOSE: it stays BUSY, the host pays for it,
 * and it is tried again now and then. When the host needs the memory, or the block has changed, it is condemned
 * (nobody makes new entries), and the entries are looked for and emptied (sweep.c).
 *
 * Slots lie between 256 and 512 GiB, above the memory of all but the largest guests and below what the P2M lists of
 * Linux can say. Each volume has whole sections of Linux's (128 MiB), which no two devices can share.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/tlbclock.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

#define SLOTS_FIRST   (UINT64_C(1) << (38 - PAGE_SHIFT))
#define SLOTS_END     (UINT64_C(1) << (39 - PAGE_SHIFT))
#define SLOTS_SECTION (UINT64_C(1) << (27 - PAGE_SHIFT))

/* ---- numbers and places ---- */

unsigned ubc_window_number(void)
{
    unsigned n = 0;

    spin_lock(&ubc_engine.lock);
    while (n < WINDOWS_MAX && (ubc_engine.windows >> n & 1))
        n++;
    if (n < WINDOWS_MAX)
        ubc_engine.windows |= UINT64_C(1) << n;
    spin_unlock(&ubc_engine.lock);
    return n;
}

void ubc_window_number_back(unsigned n)
{
    spin_lock(&ubc_engine.lock);
    ubc_engine.windows &= ~(UINT64_C(1) << n);
    spin_unlock(&ubc_engine.lock);
}

/* Some volume that has slots in this range, or NULL. */
static const struct ubc_volume *slots_in(uint64_t first, uint64_t count)
{
    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        const struct ubc_volume *v = ubc_engine.slot[i];

        if (v && v->slot_count && v->slots < first + count && first < v->slots + v->slot_count)
            return v;
    }
    return NULL;
}

int ubc_slots_place(struct ubc_volume *v)
{
    uint64_t count = (v->blocks + SLOTS_SECTION - 1) & ~(SLOTS_SECTION - 1);
    const struct ubc_volume *other;
    uint64_t first = SLOTS_FIRST;

    if (v->blocks > SLOTS_END - SLOTS_FIRST)
        return -XEN_ENOSPC;
    while ((other = slots_in(first, count)) != NULL)
        first = other->slots + other->slot_count;
    if (first + count > SLOTS_END)
        return -XEN_ENOSPC;
    v->slots = first;
    v->slot_count = count;
    return 0;
}

/* ---- pages ---- */

static bool has_slot(const struct ubc_page *p)
{
    return p->volume->slot_count && key_is_data(p->key) && p->frame;
}

void ubc_slot_open(const struct ubc_page *p)
{
    if (!has_slot(p))
        return;
    arch_m2p_set(mfn(p->frame), p->volume->slots + key_number(p->key));
    window_mark_moving(mfn(p->frame), p->volume->window);
}

void ubc_slot_condemn(const struct ubc_page *p)
{
    if (has_slot(p))
        window_condemn(mfn(p->frame));
}

/* Whoever made the last entry for it did that before now. */
void ubc_slot_close(struct ubc_page *p)
{
    if (!has_slot(p))
        return;
    arch_m2p_set(mfn(p->frame), UINT64_MAX);
    p->stamp = tlb_clock_now();
}

bool ubc_slot_is_used(const struct ubc_page *p)
{
    return has_slot(p) && !p->lent && frame_refs(frame_of(mfn(p->frame))) > 1;
}

/* ---- loose pages; locked ---- */

bool ubc_loosen(struct ubc_volume *v, struct ubc_page *p)
{
    if (!has_slot(p))
        return false;
    list_add_tail(&v->loose, &p->link);
    atomic_fetch_add(&ubc_engine.loose, 1);
    p->is_loose = true;
    return true;
}

void ubc_tighten(struct ubc_page *p)
{
    if (p->is_loose)
        atomic_fetch_sub(&ubc_engine.loose, 1);
    p->is_loose = false;
}

void ubc_loose_rest(struct ubc_volume *v, unsigned most)
{
    struct list *last = v->loose.prev;

    while (most-- > 0 && !list_empty(&v->loose)) {
        struct list *l = v->loose.next;

        ubc_page_rest(list_entry(l, struct ubc_page, link));
        if (l == last)
            break;
    }
}

void ubc_loose_condemn(struct ubc_volume *v)
{
    struct list *l;

    list_for_each (l, &v->loose)
        ubc_slot_condemn(list_entry(l, struct ubc_page, link));
}
