/* SPDX-License-Identifier: MIT
 *
 * Finding tables: the register of them by domain number, and what keeps a table there while it is
 * used.
 *
 * Every operation names another domain, so the way to its table must write nothing that other
 * processors write too, or all pairs of domains would slow each other down. Neither a lock nor a
 * reference count will do. Instead a processor says, in a line of its own, that it is inside; who
 * takes a table out of the register, or changes its shape, first makes it unusable for newcomers,
 * and then waits for those that were inside already:
 *
 *   user                                     changer
 *   count: odd (inside)                      frozen = true, or the register's slot = NULL
 *   reads the slot, and frozen               reads every count
 *   ... uses the table ...                   waits for each that is odd to move on
 *   count: even                              changes, or frees, the table
 *
 * Each writes before it reads, in one order that all agree about (sequential consistency): either
 * the user finds the table unusable, or the changer finds him inside. A user never waits inside for
 * anything but short locks and flushes, so the wait is short; two changers wait outside, and not
 * for each other.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include "mm/heap.h"
#include "shmem/grant_int.h"

#define LEAF_SIZE  (PAGE_SIZE / sizeof(struct grant_table *))
#define LEAF_COUNT (0x8000 / LEAF_SIZE)

typedef struct grant_table *_Atomic table_slot;

static struct {
    struct spinlock lock;                 /* LK_GRANT, but not inside a table's */
    table_slot *_Atomic leaf[LEAF_COUNT]; /* pages, each there as long as a table in its range is */
    unsigned used[LEAF_COUNT];            /* [lock] tables in it */
    table_slot first[LEAF_SIZE]; /* leaf 0: enough for nearly every host, so not from the heap */
    struct {
        _Atomic uint32_t count; /* odd: inside */
    } LAGAN_ALIGNED(64) cpu[MAX_CPUS];
} grants;

/* ---- inside ---- */

void grant_enter(void)
{
    _Atomic uint32_t *count = &grants.cpu[arch_cpu()].count;
    uint32_t now = atomic_load_explicit(count, memory_order_relaxed);

    ASSERT(now % 2 == 0);
    atomic_store(count, now + 1);
}

void grant_leave(void)
{
    _Atomic uint32_t *count = &grants.cpu[arch_cpu()].count;
    uint32_t now = atomic_load_explicit(count, memory_order_relaxed);

    ASSERT(now % 2 == 1);
    atomic_store_explicit(count, now + 1, memory_order_release);
}

void grant_wait_for_all(void)
{
    cpumask_t online = arch_online_cpus();
    unsigned cpu;

    ASSERT(atomic_load(&grants.cpu[arch_cpu()].count) % 2 == 0);
    for_each_cpu (cpu, online) {
        uint32_t seen = atomic_load(&grants.cpu[cpu].count);

        while (seen % 2 && atomic_load(&grants.cpu[cpu].count) == seen)
            arch_relax();
    }
}

/* ---- the register ---- */

static table_slot *slot_of(domid_t id)
{
    table_slot *leaf;

    if (id >= LEAF_COUNT * LEAF_SIZE)
        return NULL;
    leaf = atomic_load_explicit(&grants.leaf[id / LEAF_SIZE], memory_order_acquire);
    return leaf ? &leaf[id % LEAF_SIZE] : NULL;
}

struct grant_table *grant_find(domid_t id)
{
    table_slot *slot;

    id = (domid_t)index_nospec(id, LEAF_COUNT * LEAF_SIZE + 1);
    slot = slot_of(id);
    return slot ? atomic_load(slot) : NULL;
}

struct grant_table *grant_next(unsigned from)
{
    for (unsigned id = from; id < LEAF_COUNT * LEAF_SIZE; id++) {
        table_slot *slot = slot_of((domid_t)id);

        if (!slot)
            id |= LEAF_SIZE - 1; /* no page, nobody in it */
        else if (atomic_load(slot))
            return atomic_load(slot);
    }
    return NULL;
}

/* Puts the table into its slot, with `page` as its leaf if there is none. Returns the page if it was not
 * needed. */
static void *take_slot(struct grant_table *t, table_slot *page, bool *ok)
{
    unsigned l = t->account->id / LEAF_SIZE;

    spin_lock(&grants.lock);
    if (!atomic_load(&grants.leaf[l]) && page) {
        atomic_store(&grants.leaf[l], page);
        page = NULL;
    }
    *ok = atomic_load(&grants.leaf[l]) != NULL;
    if (*ok) {
        ASSERT(!atomic_load(slot_of(t->account->id)));
        atomic_store(slot_of(t->account->id), t);
        grants.used[l]++;
    }
    spin_unlock(&grants.lock);
    return page;
}

int grant_register(struct grant_table *t)
{
    domid_t id = t->account->id;
    bool ok;

    do { /* again if the last other table has gone meanwhile, and the leaf with it */
        void *page = slot_of(id) ? NULL : page_alloc(0, HEAP_CLEAR);

        if (!page && !slot_of(id))
            return -XEN_ENOMEM;
        page_free(take_slot(t, page, &ok), 0);
    } while (!ok);
    return 0;
}

/* Who is inside may be looking at the leaf, for whichever domain he was told: it goes after him. */
void grant_unregister(struct grant_table *t)
{
    unsigned l = t->account->id / LEAF_SIZE;
    void *page = NULL;

    spin_lock(&grants.lock);
    atomic_store(slot_of(t->account->id), NULL);
    if (--grants.used[l] == 0 && l > 0)
        page = atomic_exchange(&grants.leaf[l], NULL);
    spin_unlock(&grants.lock);
    grant_wait_for_all();
    page_free(page, 0);
}

void grants_init(void)
{
    spin_init(&grants.lock, LK_GRANT);
    for (unsigned i = 0; i < LEAF_SIZE; i++)
        atomic_store(&grants.first[i], NULL);
    atomic_store(&grants.leaf[0], grants.first);
    for (unsigned i = 1; i < LEAF_COUNT; i++)
        atomic_store(&grants.leaf[i], NULL);
    for (unsigned i = 0; i < LEAF_COUNT; i++)
        grants.used[i] = 0;
    for (unsigned i = 0; i < MAX_CPUS; i++)
        atomic_store(&grants.cpu[i].count, 0);
}
