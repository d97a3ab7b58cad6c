/* SPDX-License-Identifier: MIT
 *
 * Small objects: pages cut into equal pieces, one size class a page.
 *
 * A page's bookkeeping is kept in its frame's table entry, which a hypervisor's frame does not use
 * otherwise, so that the page itself is all objects and two of 2 KiB fit:
 *   stamp: SLAB_MARK (31:24), class (23:16), objects in use (15:0)
 *   type:  offset / 16 of the first free object, or SLAB_NONE
 *   next, prev: other pages of the class with a free object
 * A free object's first two bytes name the next free one. A page with no object in use goes back to
 * the heap, unless it is the last with room in its class: alternating calls do not reach the heap
 * each time.
 *
 * INV-SLAB-1: a page is on its class's list exactly when it has a free object.
 * INV-SLAB-2: free objects on the page's chain + objects in use == objects of the class on a page.
 */
#include <stdatomic.h>

#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/heap.h"

#define SLAB_MARK  0x5bU
#define SLAB_NONE  0xffffU
#define SLAB_ALIGN 16

static const uint16_t class_bytes[] = {16,  32,  48,  64,  96,   128,  192,
                                       256, 384, 512, 672, 1008, 1360, 2048};
#define CLASS_COUNT ARRAY_SIZE(class_bytes)

static struct {
    struct spinlock lock;          /* LK_SLAB */
    uint32_t partial[CLASS_COUNT]; /* pages with a free object */
    uint64_t pages;
} slab;

static unsigned stamp_class(const struct frame *f)
{
    return f->stamp >> 16 & 0xff;
}

static unsigned stamp_used(const struct frame *f)
{
    return f->stamp & 0xffff;
}

static unsigned per_page(unsigned class)
{
    return (unsigned)PAGE_SIZE / class_bytes[class];
}

static void *object_at(struct frame *f, unsigned where)
{
    return (uint8_t *)arch_map_frame(frame_mfn(f)) + where * SLAB_ALIGN;
}

static unsigned first_free(struct frame *f)
{
    return atomic_load_explicit(&f->type, memory_order_relaxed);
}

static void set_first_free(struct frame *f, unsigned where)
{
    atomic_store_explicit(&f->type, where, memory_order_relaxed);
}

static void partial_add(unsigned class, struct frame *f)
{
    uint32_t n = (uint32_t)frame_mfn(f).n;

    f->prev = 0;
    f->next = slab.partial[class];
    if (f->next)
        frame_of(mfn(f->next))->prev = n;
    slab.partial[class] = n;
}

static void partial_remove(unsigned class, struct frame *f)
{
    if (f->prev)
        frame_of(mfn(f->prev))->next = f->next;
    else
        slab.partial[class] = f->next;
    if (f->next)
        frame_of(mfn(f->next))->prev = f->prev;
    f->next = f->prev = 0;
}

/* Makes the object the first of the free chain; from here on nobody may touch it. */
static void chain_push(struct frame *f, unsigned where, unsigned class)
{
    uint16_t *object = object_at(f, where);

    *object = (uint16_t)first_free(f);
    set_first_free(f, where);
    arch_poison((uint8_t *)object + SLAB_ALIGN, class_bytes[class] - (size_t)SLAB_ALIGN);
}

static bool page_add(unsigned class)
{
    struct frame *f;
    mfn_t m;

    /* Who has a lent frame in its hands may wait for the slab's lock. */
    if (!heap_alloc(0, HEAP_TRY | HEAP_FOR(HEAP_OBJECTS), &m))
        return false;
    f = frame_of(m);
    f->stamp = SLAB_MARK << 24 | class << 16;
    set_first_free(f, SLAB_NONE);
    for (unsigned i = per_page(class); i-- > 0;)
        chain_push(f, i * class_bytes[class] / SLAB_ALIGN, class);
    partial_add(class, f);
    slab.pages++;
    return true;
}

static void page_remove(unsigned class, struct frame *f)
{
    partial_remove(class, f);
    arch_unpoison(object_at(f, 0), PAGE_SIZE);
    slab.pages--;
    heap_free(frame_mfn(f), 0);
}

void slab_init(void)
{
    spin_init(&slab.lock, LK_SLAB);
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        slab.partial[i] = 0;
    slab.pages = 0;
}

static void *object_take(unsigned class)
{
    struct frame *f = frame_of(mfn(slab.partial[class]));
    uint16_t *object = object_at(f, first_free(f));

    arch_unpoison((uint8_t *)object + SLAB_ALIGN, class_bytes[class] - (size_t)SLAB_ALIGN);
    set_first_free(f, *object);
    f->stamp++;
    if (first_free(f) == SLAB_NONE)
        partial_remove(class, f);
    return object;
}

void *slab_alloc(size_t bytes)
{
    void *object = NULL;
    unsigned class = 0;

    while (class < CLASS_COUNT && class_bytes[class] < bytes)
        class ++;
    if (class == CLASS_COUNT)
        return NULL;
    spin_lock(&slab.lock);
    if (slab.partial[class] || page_add(class))
        object = object_take(class);
    spin_unlock(&slab.lock);
    if (object)
        __builtin_memset(object, 0, class_bytes[class]);
    return object;
}

void slab_free(void *p)
{
    unsigned where, class;
    struct frame *f;

    if (!p)
        return;
    f = frame_of(arch_frame_of(p));
    where = (unsigned)((uintptr_t)p % PAGE_SIZE) / SLAB_ALIGN;
    spin_lock(&slab.lock);
    /* A stray pointer here would corrupt another object's owner: better to stop at once. */
    BUG_ON(frame_state(f) != FRAME_HYPERVISOR || f->stamp >> 24 != SLAB_MARK || !stamp_used(f));
    class = stamp_class(f);
    BUG_ON((uintptr_t)p % SLAB_ALIGN || where * SLAB_ALIGN % class_bytes[class]);
    if (first_free(f) == SLAB_NONE)
        partial_add(class, f);
    chain_push(f, where, class);
    f->stamp--;
    if (!stamp_used(f) && (f->next || f->prev))
        page_remove(class, f);
    spin_unlock(&slab.lock);
}

void slab_trim(void)
{
    spin_lock(&slab.lock);
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        uint32_t n = slab.partial[class], next;

        for (; n; n = next) {
            struct frame *f = frame_of(mfn(n));

            next = f->next;
            if (!stamp_used(f))
                page_remove(class, f);
        }
    }
    spin_unlock(&slab.lock);
}

static void audit_page(unsigned class, struct frame *f)
{
    unsigned free = 0;

    BUG_ON(frame_state(f) != FRAME_HYPERVISOR || f->stamp >> 24 != SLAB_MARK);
    BUG_ON(stamp_class(f) != class || first_free(f) == SLAB_NONE);
    for (unsigned w = first_free(f); w != SLAB_NONE; w = *(uint16_t *)object_at(f, w))
        BUG_ON(++free > per_page(class)); /* INV-SLAB-2, and no cycle */
    BUG_ON(free + stamp_used(f) != per_page(class));
}

uint64_t slab_audit(void)
{
    for (unsigned class = 0; class < CLASS_COUNT; class ++)
        for (uint32_t n = slab.partial[class]; n; n = frame_of(mfn(n))->next)
            audit_page(class, frame_of(mfn(n)));
    return slab.pages;
}
