// SPDX-License-Identifier: GPL-2.0-only
/*
 * A zpool in Lagan's page cache, for zswap: compressed pages leave the guest altogether, and are charged to its domain.
 *
 *	echo lagan >/sys/module/zswap/parameters/zpool && echo 1 >/sys/module/zswap/parameters/enabled
 *
 * The pool is of the persistent kind, whose pages are never dropped and count as the domain's memory: it can have as many as
 * maxmem= leaves room for. When there is no more, malloc says -ENOMEM, and zswap writes the page to the disk.
 *
 * The hypervisor keeps pages of 4 KiB, objects are smaller. A page has 1 to 8 slots of the same size, by the class of its
 * objects; pages of a class are filled one after the other in the guest's own memory, and sealed, that is put into the pool, when all
 * slots are written. A sealed page of which at least half is free again is opened before a new one is made. So no more than one page
 * of each class is in the guest's memory, and of what the pool has, less than half is free in the worst case.
 *
 * INV-ZPOOL-1  An object is in its page's memory here or in the pool, always in one of them: a page that the pool does not take
 *		stays, and until it does, no object comes.
 * INV-ZPOOL-2  While a page is pinned (mapped), it is neither sealed nor opened.
 */
#define pr_fmt(fmt) "lagan_zpool: " fmt

#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/zpool.h>

#include "cache_pool.h"

/* Slots of a page; a slot is as large as they let it be. */
static const unsigned int class_slots[] = {8, 6, 4, 3, 2, 1};
#define CLASSES   ARRAY_SIZE(class_slots)
#define SLOTS_MAX 8U /* a handle is the address of a page's record and the number of a slot */

struct zpage {
    struct list_head
        list;     /* of its class's sparse pages, or of the pool's unsealed ones; or in none */
    void *memory; /* NULL: it is sealed */
    u64 key;
    unsigned int class;
    unsigned int pins;
    unsigned long free;    /* a bit for each slot */
    unsigned long written; /* ... that has been written since it was taken */
} __aligned(SLOTS_MAX);

struct zpool_lagan {
    spinlock_t lock; /* of all below, and of all pages */
    int pool;
    u64 next_key;
    u64 pages;
    struct zpage *open[CLASSES];      /* has free slots, and memory */
    struct list_head sparse[CLASSES]; /* sealed, and at least half free; or never sealed */
    struct list_head unsealed;        /* full, and the pool does not take them */
};

static DEFINE_PER_CPU(void *, bounce); /* where sealed pages are looked at */

static unsigned int slot_size(unsigned int class)
{
    return round_down(PAGE_SIZE / class_slots[class], 8);
}

static unsigned long all_slots(unsigned int class)
{
    return GENMASK(class_slots[class] - 1, 0);
}

static struct zpage *page_of(unsigned long handle, unsigned int *slot)
{
    *slot = handle & (SLOTS_MAX - 1);
    return (struct zpage *)(handle & ~(unsigned long)(SLOTS_MAX - 1));
}

static unsigned int free_slots(const struct zpage *p)
{
    return (unsigned int)hweight_long(p->free);
}

/* ---- pages, with the pool's lock held ---- */

/* Into the pool, if all of its slots are in use and written, and it takes it. */
static void try_seal(struct zpool_lagan *z, struct zpage *p)
{
    struct pool_page page = {.block = p->key, .page = p->memory};

    if (!p->memory || p->free || p->written != all_slots(p->class) || p->pins)
        return;
    list_del_init(&p->list);
    if (pool_put(z->pool, &page, 1) == 0 && page.done) {
        free_page((unsigned long)p->memory);
        p->memory = NULL;
    } else {
        list_add(&p->list, &z->unsealed);
    }
}

/* Those that the pool did not take before; false: it does not yet. */
static bool seal_rest(struct zpool_lagan *z)
{
    struct zpage *p, *next;

    list_for_each_entry_safe (p, next, &z->unsealed, list) {
        try_seal(z, p);
        if (p->memory)
            return false;
    }
    return true;
}

/* From the pool, into the memory that is given, unless it has its own. */
static bool unseal(struct zpool_lagan *z, struct zpage *p, void **memory)
{
    struct pool_page page = {.block = p->key, .page = *memory};

    if (p->memory)
        return true;
    if (!*memory || p->pins || WARN_ON_ONCE(pool_get(z->pool, &page, 1) || !page.done))
        return false;
    p->memory = *memory;
    *memory = NULL;
    return true;
}

/* Sees to it that there is an open page: an old one, or the fresh one. What is used of the two is NULL then. */
static bool open_page(struct zpool_lagan *z, unsigned int class, struct zpage **fresh,
                      void **memory)
{
    struct zpage *p;

    if (z->open[class])
        return true;
    list_for_each_entry (p, &z->sparse[class], list)
        if (unseal(z, p, memory)) {
            list_del_init(&p->list);
            z->open[class] = p;
            return true;
        }
    if (!*fresh || !*memory)
        return false;
    p = *fresh;
    *p = (struct zpage){
        .memory = *memory, .key = z->next_key++, .class = class, .free = all_slots(class)};
    INIT_LIST_HEAD(&p->list);
    z->open[class] = p;
    z->pages++;
    *fresh = NULL;
    *memory = NULL;
    return true;
}

static unsigned long take_slot(struct zpool_lagan *z, struct zpage *p)
{
    unsigned int slot = (unsigned int)__ffs(p->free);

    p->free &= ~BIT(slot);
    if (!p->free)
        z->open[p->class] = NULL;
    return (unsigned long)p | slot;
}

/* Its last object is gone. */
static void end_page(struct zpool_lagan *z, struct zpage *p)
{
    list_del(&p->list);
    if (z->open[p->class] == p)
        z->open[p->class] = NULL;
    if (p->memory)
        free_page((unsigned long)p->memory);
    else
        pool_flush(z->pool, p->key, 1);
    z->pages--;
    kfree(p);
}

/* ---- what zswap asks for ---- */

static int lagan_malloc(void *pool, size_t size, gfp_t gfp, unsigned long *handle)
{
    struct zpool_lagan *z = pool;
    unsigned int class = 0;
    struct zpage *fresh;
    void *memory;
    int rc = -ENOMEM;

    if (!size || size > PAGE_SIZE)
        return -ENOSPC;
    while (size > slot_size(class))
        class += 1;
    gfp &= ~(__GFP_HIGHMEM | __GFP_MOVABLE);
    fresh = kmalloc(sizeof(*fresh), gfp);
    memory = READ_ONCE(z->open[class]) ? NULL : (void *)__get_free_page(gfp);
    spin_lock(&z->lock);
    if (seal_rest(z) && open_page(z, class, &fresh, &memory)) {
        *handle = take_slot(z, z->open[class]);
        rc = 0;
    }
    spin_unlock(&z->lock);
    kfree(fresh);
    free_page((unsigned long)memory);
    return rc;
}

static void lagan_free(void *pool, unsigned long handle)
{
    struct zpool_lagan *z = pool;
    unsigned int slot;
    struct zpage *p = page_of(handle, &slot);

    spin_lock(&z->lock);
    p->free |= BIT(slot);
    p->written &= ~BIT(slot);
    if (p->free == all_slots(p->class))
        end_page(z, p);
    else if (z->open[p->class] != p && (p->memory || free_slots(p) * 2 >= class_slots[p->class]))
        list_move(&p->list, &z->sparse[p->class]);
    spin_unlock(&z->lock);
}

/* Objects of sealed pages are for reading; who does has no preemption. */
static void *lagan_map(void *pool, unsigned long handle, enum zpool_mapmode mode)
{
    struct zpool_lagan *z = pool;
    unsigned int slot;
    struct zpage *p = page_of(handle, &slot);
    void *at;

    preempt_disable();
    spin_lock(&z->lock);
    p->pins++;
    if (p->memory) {
        at = p->memory;
        if (mode != ZPOOL_MM_RO)
            p->written |= BIT(slot);
    } else {
        struct pool_page page = {.block = p->key, .page = this_cpu_read(bounce), .stays = true};

        at = page.page;
        /* It cannot be; then nothing is found rather than what somebody else has looked at here before. */
        if (WARN_ON_ONCE(mode != ZPOOL_MM_RO || pool_get(z->pool, &page, 1) || !page.done))
            memset(at, 0, PAGE_SIZE);
    }
    spin_unlock(&z->lock);
    return at + slot * slot_size(p->class);
}

static void lagan_unmap(void *pool, unsigned long handle)
{
    struct zpool_lagan *z = pool;
    unsigned int slot;
    struct zpage *p = page_of(handle, &slot);

    spin_lock(&z->lock);
    p->pins--;
    try_seal(z, p);
    spin_unlock(&z->lock);
    preempt_enable();
}

static u64 lagan_total_size(void *pool)
{
    struct zpool_lagan *z = pool;

    return READ_ONCE(z->pages) << PAGE_SHIFT;
}

static void *lagan_create(const char *name, gfp_t gfp, const struct zpool_ops *ops,
                          struct zpool *zpool)
{
    struct zpool_lagan *z = kzalloc(sizeof(*z), gfp);

    if (!z)
        return NULL;
    z->pool = pool_new_persistent();
    if (z->pool < 0) {
        pr_err("no pool: %d\n", z->pool);
        kfree(z);
        return NULL;
    }
    spin_lock_init(&z->lock);
    INIT_LIST_HEAD(&z->unsealed);
    for (unsigned int i = 0; i < CLASSES; i++)
        INIT_LIST_HEAD(&z->sparse[i]);
    return z;
}

/* All objects have been freed. */
static void lagan_destroy(void *pool)
{
    struct zpool_lagan *z = pool;

    WARN_ON_ONCE(z->pages);
    pool_destroy(z->pool);
    kfree(z);
}

static struct zpool_driver driver = {
    .type = "lagan",
    .owner = THIS_MODULE,
    .create = lagan_create,
    .destroy = lagan_destroy,
    .malloc = lagan_malloc,
    .free = lagan_free,
    .map = lagan_map,
    .unmap = lagan_unmap,
    .total_size = lagan_total_size,
};
MODULE_ALIAS("zpool-lagan");

static void free_bounces(void)
{
    int cpu;

    for_each_possible_cpu (cpu)
        free_page((unsigned long)per_cpu(bounce, cpu));
}

static int __init zpool_lagan_init(void)
{
    int cpu;

    if (!pool_service()) {
        pr_info("the hypervisor has no page cache for this domain, there is no zpool\n");
        return -ENODEV;
    }
    for_each_possible_cpu (cpu) {
        per_cpu(bounce, cpu) = (void *)__get_free_page(GFP_KERNEL);
        if (!per_cpu(bounce, cpu)) {
            free_bounces();
            return -ENOMEM;
        }
    }
    zpool_register_driver(&driver);
    return 0;
}

static void __exit zpool_lagan_exit(void)
{
    zpool_unregister_driver(&driver);
    free_bounces();
}

module_init(zpool_lagan_init);
module_exit(zpool_lagan_exit);
MODULE_DESCRIPTION("Compressed pages in the Lagan hypervisor's page cache");
MODULE_LICENSE("GPL");
