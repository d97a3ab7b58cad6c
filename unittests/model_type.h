/* SPDX-License-Identifier: MIT
 *
 * A naive model of the type system. It keeps no counts: it knows what is pinned and held and reads
 * the tables' memory; whatever a frame is used as follows from walking everything from there, each
 * time. An operation is acceptable if the walk with its new use added (and nothing taken away yet)
 * finds no frame with two types and no entry that a table may not have.
 */
#pragma once

#include <string.h>

#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "unittests/arch/host.h"

enum { MODEL_FRAMES = 26, MODEL_SLOTS = 9 };

/* The tests write these entries of a frame only. */
static const unsigned model_slot[MODEL_SLOTS] = {0, 1, 2, 3, 4, 5, 255, 256, 511};

struct model_frame {
    mfn_t m;
    domid_t owner;
    bool allocated;
    unsigned pin;           /* level, 0: none */
    bool fresh;             /* was no table before the operation that is being tried */
    unsigned writable, seg; /* held by the test, with a general reference each */
    /* derived by model_walk(): */
    unsigned refs, types;
    enum frame_type type;
};

struct model {
    struct model_frame f[MODEL_FRAMES];
    bool bad; /* found by the walk */
};

static inline struct model_frame *model_find(struct model *md, mfn_t m)
{
    for (unsigned i = 0; i < MODEL_FRAMES; i++)
        if (md->f[i].m.n == m.n)
            return &md->f[i];
    return NULL;
}

static inline void model_use(struct model *md, struct model_frame *f, enum frame_type type);

/* Account 2 has devices. Those above the RAM are anybody's whom they are given to. */
static inline bool model_is_device(const struct model_frame *table, unsigned level, uint64_t e)
{
    uint64_t n = (e & PTE_FRAME) >> 12;

    return table->owner == 2 && level == 1 && n >= HOST_MAX_MFN && n < UINT64_C(1) << 28 &&
           n != HOST_OWN_DEVICE;
}

/* `from`: whose frames an L1 entry may map; 0: it has been accepted already, anybody's. */
static inline void model_entry(struct model *md, const struct model_frame *table, unsigned level,
                               uint64_t e, domid_t from)
{
    struct model_frame *target = model_find(md, mfn((e & PTE_FRAME) >> 12));

    if (!(e & 1) || model_is_device(table, level, e))
        return;
    if (level > 1)
        from = table->owner;
    if (!target || (from && target->owner != from) || (e >> 40 & 0xfff) ||
        (level > 1 && (e & (PTE_PWT | PTE_PCD | PTE_PSE | PTE_G)))) {
        md->bad = true;
        return;
    }
    target->refs++;
    if (level > 1)
        model_use(md, target, (enum frame_type)(level - 1));
    else if (e & PTE_RW)
        model_use(md, target, TYPE_WRITABLE);
}

static inline void model_seg(struct model *md, const struct model_frame *f)
{
    const uint64_t *d = arch_map_frame(f->m);

    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        if ((d[model_slot[i]] >> 44 & 9) == 8 && (d[model_slot[i]] >> 40 & 15) != 12)
            md->bad = true;
}

static inline void model_use(struct model *md, struct model_frame *f, enum frame_type type)
{
    const uint64_t *table = arch_map_frame(f->m);

    if (f->types && f->type != type)
        md->bad = true;
    f->type = type;
    if (f->types++ || md->bad)
        return;
    if (type == TYPE_SEGDESC)
        model_seg(md, f);
    if (type > TYPE_L4)
        return;
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        if (type != TYPE_L4 || model_slot[i] != 256)
            model_entry(md, f, type, table[model_slot[i]], f->fresh ? f->owner : 0);
}

/* Derives everything anew; false when it does not fit together. */
static inline bool model_walk(struct model *md)
{
    md->bad = false;
    for (unsigned i = 0; i < MODEL_FRAMES; i++) {
        md->f[i].refs = md->f[i].types = 0;
        md->f[i].fresh = false;
    }
    for (unsigned i = 0; i < MODEL_FRAMES; i++) {
        struct model_frame *f = &md->f[i];

        f->refs += (unsigned)f->allocated + (f->pin ? 1U : 0U) + f->writable + f->seg;
        if (f->pin)
            model_use(md, f, (enum frame_type)f->pin);
        for (unsigned n = 0; n < f->writable; n++)
            model_use(md, f, TYPE_WRITABLE);
        for (unsigned n = 0; n < f->seg; n++)
            model_use(md, f, TYPE_SEGDESC);
    }
    return !md->bad;
}

/* What is no table now may become one: its entries are then judged as new ones. */
static inline void model_note_fresh(struct model *md)
{
    for (unsigned i = 0; i < MODEL_FRAMES; i++)
        md->f[i].fresh = md->f[i].types == 0;
}

/* Would one more use of f be acceptable? */
static inline bool model_may_use(struct model *md, struct model_frame *f, enum frame_type type)
{
    bool ok = model_walk(md);

    model_note_fresh(md);

    model_use(md, f, type);
    ok = ok && !md->bad;
    model_walk(md);
    return ok;
}

/* The entry goes on mapping the same memory with the same rights: nobody's leave is asked. */
static inline bool model_same_mapping(const struct model_frame *table, unsigned slot, uint64_t e)
{
    uint64_t old = ((const uint64_t *)arch_map_frame(table->m))[slot];

    return (e & PTE_P) && !((old ^ e) & (PTE_FRAME | PTE_P | PTE_RW)) &&
           !(table->owner == 2 && (e & (PTE_PWT | PTE_PCD | PTE_PAT)));
}

/* Would the entry be acceptable in the table, beside the old one? */
static inline bool model_may_set(struct model *md, struct model_frame *table, unsigned slot,
                                 uint64_t e, domid_t from)
{
    bool ok = model_walk(md);

    model_note_fresh(md);

    if (!table->types || table->type == TYPE_WRITABLE)
        return true;
    if (table->type == TYPE_SEGDESC || (table->type == TYPE_L4 && slot == 256))
        return false;
    if (table->type == TYPE_L1 && model_same_mapping(table, slot, e))
        from = 0;
    model_entry(md, table, table->type, e, from);
    ok = ok && !md->bad;
    model_walk(md);
    return ok;
}
