/* SPDX-License-Identifier: MIT
 *
 * Slots: the records of a client's pages.
 *
 * A slot is found by its number, which is in the lower bits of an id: an array look-up. The upper bits are a
 * generation, of which no two on the host are the same: clients take them in blocks from one counter. So
 * an id that was issued to another client, or for what the slot held before, is not the slot's id.
 * (A generation has 40 bits: at a million puts a second they last for twelve days, and an id as old as that
 * could mean a page of the same client again.)
 *
 * Slots are in pages of their own, which come when they are needed and go when none of their slots is
 * in use; one of these is kept, so that a client does not allocate and free at each page.
 */
#include <lagan/arch.h>
#include <lagan/nospec.h>
#include "mm/heap.h"
#include "mm/pcache_state.h"

#define GENERATIONS 4096U /* that a client takes at a time */

/* ---- pages of records ---- */

/* The caller may have a page of the cache in its hands, which counts as free and may be the last: so it does
 * not wait for memory. */
void *books_alloc(struct pcache *pc)
{
    void *p = page_alloc(0, HEAP_CLEAR | HEAP_TRY | HEAP_FOR(HEAP_PCACHE));

    if (!p)
        return NULL;
    pcache_lock(pc);
    pc->books++;
    pcache_unlock(pc);
    atomic_fetch_add(&pcache.books, 1);
    return p;
}

void books_free(struct pcache *pc, void *page)
{
    if (!page)
        return;
    page_free(page, 0);
    pc->books--;
    atomic_fetch_sub(&pcache.books, 1);
}

/* ---- leaves ---- */

/* A number without a leaf has the next such number + 1 instead of the pointer, which is thus odd. */
static void *lost_mark(uint32_t next)
{
    return (void *)((uintptr_t)next << 1 | 1);
}

static struct leaf **leaf_place(const struct pcache *pc, uint32_t number)
{
    struct leaf **dir = pc->leaf_dir[number / DIR_SIZE];

    return dir ? &dir[number % DIR_SIZE] : NULL;
}

static struct leaf *leaf_at(const struct pcache *pc, uint32_t number)
{
    struct leaf **place;

    if (number >= pc->leaf_count)
        return NULL;
    place = leaf_place(pc, (uint32_t)index_nospec(number, pc->leaf_count));
    return place && !((uintptr_t)*place & 1) ? *place : NULL;
}

struct slot *slot_at(const struct pcache *pc, uint32_t number)
{
    struct leaf *l = leaf_at(pc, number >> LEAF_SHIFT);
    uint32_t place = number & ((1U << LEAF_SHIFT) - 1);

    if (!l || place == 0 || place >= LEAF_SLOTS)
        return NULL;
    return &l->slot[index_nospec(place - 1, LEAF_SLOTS - 1)];
}

static void open_add(struct pcache *pc, struct leaf *l)
{
    l->prev = 0;
    l->next = pc->leaf_open;
    if (l->next)
        leaf_at(pc, l->next - 1)->prev = l->number + 1;
    pc->leaf_open = l->number + 1;
}

static void open_remove(struct pcache *pc, struct leaf *l)
{
    if (l->prev)
        leaf_at(pc, l->prev - 1)->next = l->next;
    else
        pc->leaf_open = l->next;
    if (l->next)
        leaf_at(pc, l->next - 1)->prev = l->prev;
    l->next = l->prev = 0;
}

/* The leaf gets a number, if there is one. */
static bool leaf_join(struct pcache *pc, struct leaf *l)
{
    struct leaf **place;

    if (pc->leaf_lost) {
        l->number = pc->leaf_lost - 1;
        place = leaf_place(pc, l->number);
        pc->leaf_lost = (uint32_t)((uintptr_t)*place >> 1);
    } else {
        l->number = pc->leaf_count;
        if (l->number >= LEAF_COUNT || !leaf_place(pc, l->number))
            return false;
        place = leaf_place(pc, l->number);
        pc->leaf_count++;
    }
    *place = l;
    l->free = 1;
    for (uint32_t i = 1; i < LEAF_SLOTS; i++) {
        l->slot[i - 1].id = l->number << LEAF_SHIFT | i;
        l->slot[i - 1].next = i + 1 < LEAF_SLOTS ? i + 1 : 0;
    }
    open_add(pc, l);
    pc->leaf_spare++;
    return true;
}

static void leaf_end(struct pcache *pc, struct leaf *l)
{
    open_remove(pc, l);
    *leaf_place(pc, l->number) = lost_mark(pc->leaf_lost);
    pc->leaf_lost = l->number + 1;
    pc->leaf_spare--;
    books_free(pc, l);
}

/* The directory for the next number; a race for it is lost without harm. */
static bool dir_prepare(struct pcache *pc)
{
    unsigned which;
    bool missing;
    void *page;

    pcache_lock(pc);
    which = pc->leaf_count / DIR_SIZE;
    missing = !pc->leaf_lost && which < LEAF_DIRS && !pc->leaf_dir[which];
    pcache_unlock(pc);
    if (!missing)
        return true;
    page = books_alloc(pc);
    if (!page)
        return false;
    pcache_lock(pc);
    if (!pc->leaf_dir[which])
        pc->leaf_dir[which] = page;
    else
        books_free(pc, page);
    pcache_unlock(pc);
    return true;
}

bool slots_prepare(struct pcache *pc)
{
    struct leaf *l;
    bool ok;

    if (!dir_prepare(pc))
        return false;
    l = books_alloc(pc);
    if (!l)
        return false;
    pcache_lock(pc);
    ok = leaf_join(pc, l);
    if (!ok)
        books_free(pc, l);
    pcache_unlock(pc);
    return ok;
}

void slots_end(struct pcache *pc)
{
    pcache_lock(pc);
    while (pc->leaf_open)
        leaf_end(pc, leaf_at(pc, pc->leaf_open - 1));
    for (unsigned i = 0; i < LEAF_DIRS; i++) {
        books_free(pc, pc->leaf_dir[i]);
        pc->leaf_dir[i] = NULL;
    }
    pc->leaf_count = pc->leaf_lost = 0;
    pcache_unlock(pc);
}

/* ---- slots ---- */

static uint64_t new_generation(struct pcache *pc)
{
    if (pc->next_generation == pc->end_generation) {
        pc->next_generation = atomic_fetch_add(&pcache.generation, GENERATIONS);
        pc->end_generation = pc->next_generation + GENERATIONS;
    }
    return pc->next_generation++;
}

uint64_t slot_vain_id(struct pcache *pc)
{
    return new_generation(pc) << PCACHE_SLOT_BITS; /* no slot has the number 0 */
}

struct slot *slot_take(struct pcache *pc, uint64_t vain_id)
{
    struct leaf *l = pc->leaf_open ? leaf_at(pc, pc->leaf_open - 1) : NULL;
    struct slot *s;

    if (!l)
        return NULL;
    s = &l->slot[l->free - 1];
    ASSERT(s->state == SLOT_FREE);
    l->free = s->next;
    pc->leaf_spare -= l->used++ == 0;
    if (!l->free)
        open_remove(pc, l);
    *s = (struct slot){.id = (vain_id ? vain_id : slot_vain_id(pc)) | slot_number(s)};
    return s;
}

void slot_give(struct pcache *pc, struct slot *s)
{
    uint32_t number = slot_number(s), place = number & ((1U << LEAF_SHIFT) - 1);
    struct leaf *l = leaf_at(pc, number >> LEAF_SHIFT);

    ASSERT(s->state != SLOT_FREE);
    s->state = SLOT_FREE;
    s->next = l->free;
    if (!l->free)
        open_add(pc, l);
    l->free = place;
    if (--l->used == 0 && pc->leaf_spare++ > 0)
        leaf_end(pc, l);
}

/* Lets go of the lock in between. */
LAGAN_NO_TSA struct slot *slot_reserve(struct pcache *pc, bool keyed, uint64_t vain_id)
{
    struct slot *s;

    if (unlikely(!pc->leaf_open || (keyed && index_is_full(pc)))) {
        bool grow = keyed && index_is_full(pc), none = !pc->leaf_open, ok = true;

        pcache_unlock(pc);
        if (grow)
            index_prepare(pc);
        if (none)
            ok = slots_prepare(pc);
        pcache_lock(pc);
        if (!ok)
            return NULL;
    }
    s = slot_take(pc, vain_id);
    if (s)
        s->state = SLOT_FILLING;
    return s;
}

/* ---- the lists, newest first ---- */

void slot_push(struct pcache *pc, struct slot_list *l, struct slot *s)
{
    uint32_t n = slot_number(s);

    s->prev = 0;
    s->next = l->newest;
    if (s->next)
        slot_of(pc, s->next)->prev = n;
    else
        l->oldest = n;
    l->newest = n;
    l->count++;
}

void slot_unlink(struct pcache *pc, struct slot_list *l, struct slot *s)
{
    if (s->prev)
        slot_of(pc, s->prev)->next = s->next;
    else
        l->newest = s->next;
    if (s->next)
        slot_of(pc, s->next)->prev = s->prev;
    else
        l->oldest = s->prev;
    s->next = s->prev = 0;
    l->count--;
}

void slots_move(struct pcache *pc, struct slot_list *from, struct slot_list *to, struct slot_part p)
{
    uint32_t newest = slot_number(p.newest), oldest = slot_number(p.oldest);
    uint32_t newer = p.newest->prev, older = p.oldest->next;

    *(newer ? &slot_of(pc, newer)->next : &from->newest) = older;
    *(older ? &slot_of(pc, older)->prev : &from->oldest) = newer;
    from->count -= p.count;
    p.newest->prev = 0;
    p.oldest->next = to->newest;
    *(to->newest ? &slot_of(pc, to->newest)->prev : &to->oldest) = oldest;
    to->newest = newest;
    to->count += p.count;
}
