/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to lagan_ubc: volumes of the buffer cache, their slots, and who does what with them. See ubc_slot.c.
 */
#ifndef LAGAN_UBC_MODULE_H
#define LAGAN_UBC_MODULE_H

#include <linux/blkdev.h>
#include <linux/dax.h>
#include <linux/memremap.h>
#include <linux/workqueue.h>
#include <asm/xen/page.h>

#include "lagan.h"
#include <lagan/ubc.h>

#define CLOSE_BATCH 64 /* slots that are closed after one grace period */

enum slot_state { EMPTY, FILLING, OPEN, CLOSING, CLOSED };

struct slot {
    u32 handle;
    u8 state; /* enum slot_state; by cmpxchg() */
    u8 age;
    u8 had_fault; /* one has begun whose page did not say of which file it is, and was not waited for */
    u8 unused;
};

struct volume {
    char name[17];
    u64 handle;
    unsigned long blocks, pages, pfn; /* pages: with those that fill up the last subsection */
    struct dev_pagemap map;
    void *base;
    pte_t **tables;          /* the kernel's page tables for it */
    struct held_table *held; /* ubc_window.c */
    unsigned long held_count, held_room;
    struct slot *slots;
    struct gendisk *disk;
    struct dax_device *dax;
    wait_queue_head_t wait; /* somebody's slot has another state, or there was an event */
    atomic_t events;
    struct work_struct revoke;
    struct delayed_work aging;
    struct mutex closing; /* one closes at a time */
    unsigned long cursor; /* of who needs room */
    atomic_t wants_room;  /* the limit has been met */
    atomic_long_t open, filled, closed, waited, forced, failed;
};

extern unsigned int ubc_idle_seconds, ubc_wait_seconds;

static inline long ubc_call(const struct volume *v, unsigned int command, void *arg,
                            unsigned long count)
{
    return xen_single_call(LAGAN_HYPERVISOR_ubc_op, command, v->handle, (unsigned long)arg, count,
                           0);
}

/* ---- ubc_window.c ---- */
/* Addresses, struct pages and entries of the P2M list for all of the volume; nothing is there yet. */
int ubc_map_window(struct volume *v);
/* Nobody has a reference to any of it. */
void ubc_unmap_window(struct volume *v);

/* ---- ubc_slot.c ---- */
static inline void *slot_address(const struct volume *v, unsigned long block)
{
    return v->base + block * PAGE_SIZE;
}

static inline struct page *slot_page(const struct volume *v, unsigned long block)
{
    return pfn_to_page(v->pfn + block);
}

/* The machine frame that the kernel's entry leads to, or INVALID_P2M_ENTRY. */
static inline unsigned long mapped_frame(const struct volume *v, unsigned long block)
{
    u64 e = READ_ONCE(v->tables[block / PTRS_PER_PTE][block % PTRS_PER_PTE].pte);

    return e & _PAGE_PRESENT ? (e & PTE_PFN_MASK) >> PAGE_SHIFT : INVALID_P2M_ENTRY;
}

/* What the slot was said to hold is what is there. */
static inline bool is_intact(const struct volume *v, unsigned long block)
{
    unsigned long frame = mapped_frame(v, block);

    return frame != INVALID_P2M_ENTRY && READ_ONCE(xen_p2m_addr[v->pfn + block]) == frame;
}

static inline bool change_state(struct slot *s, u8 from, u8 to)
{
    return cmpxchg(&s->state, from, to) == from;
}

static inline void set_state(struct volume *v, unsigned long block, u8 state)
{
    smp_store_release(&v->slots[block].state, state);
}

/* CLOSED or FILLING slots with handles are let go of. */
void ubc_drop_handles(struct volume *v, const unsigned long *block, unsigned int count);
/* The block cannot be had just now, as `status` says, and `events` was the count before: waits for an event, or to try
 * again. -EIO: it is over (`end`, in jiffies), or in vain; -EINTR. */
int ubc_wait_more(struct volume *v, int status, int events, unsigned long end);
extern const struct dax_operations ubc_dax_operations;

/* ---- ubc_close.c ---- */
int ubc_close_start(void);
void ubc_close_stop(void);
void ubc_revoke_work(struct work_struct *work);
void ubc_aging_work(struct work_struct *work);

/* ---- ubc_disk.c ---- */
/* A disk whose queue and DAX device are there. */
int ubc_disk_add(struct volume *v, unsigned int number);
void ubc_disk_remove(struct volume *v);

#endif
