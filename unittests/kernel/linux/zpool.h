/* SPDX-License-Identifier: MIT
 *
 * What a zpool of Linux 6.1 has to have, as far as ours has it.
 */
#pragma once

#include <linux/gfp.h>
#include <linux/types.h>

struct zpool;
struct zpool_ops;

enum zpool_mapmode { ZPOOL_MM_RW, ZPOOL_MM_RO, ZPOOL_MM_WO };

struct zpool_driver {
    const char *type;
    void *owner;
    void *(*create)(const char *name, gfp_t gfp, const struct zpool_ops *ops, struct zpool *zpool);
    void (*destroy)(void *pool);
    int (*malloc)(void *pool, size_t size, gfp_t gfp, unsigned long *handle);
    void (*free)(void *pool, unsigned long handle);
    void *(*map)(void *pool, unsigned long handle, enum zpool_mapmode mode);
    void (*unmap)(void *pool, unsigned long handle);
    u64 (*total_size)(void *pool);
};

extern struct zpool_driver *kernel_zpool;

static inline void zpool_register_driver(struct zpool_driver *driver)
{
    kernel_zpool = driver;
}

static inline void zpool_unregister_driver(struct zpool_driver *driver)
{
    kernel_zpool = driver ? NULL : NULL;
}
