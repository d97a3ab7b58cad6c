/* SPDX-License-Identifier: MIT
 *
 * Private to shmem/grant*.c and shmem/maptrack.c: the table, its entries and handles.
 */
#pragma once

#include <stdatomic.h>

#include <lagan/lock.h>
#include <lagan/nospec.h>
#include "mm/frame.h"
#include <public/lagan/grant.h>
#include "shmem/grant.h"

#define V1_PER_FRAME      (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define V2_PER_FRAME      (PAGE_SIZE / sizeof(union grant_entry_v2))
#define STATUS_PER_FRAME  (PAGE_SIZE / sizeof(grant_status_t))
#define PINS_PER_PAGE     (PAGE_SIZE / sizeof(struct grant_pins))
#define HANDLES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_handle))
#define PINS_MAX          UINT16_MAX

STATIC_ASSERT(sizeof(grant_entry_v1_t) == 8 && sizeof(union grant_entry_v2) == 16);

/* What an entry in use grants. */
enum grant_kind { GRANT_PAGE, GRANT_SUB_PAGE, GRANT_TRANSITIVE };

/* Our side of a grant entry: who uses it and how often. All but the lock under the lock. */
struct grant_pins {
    _Atomic uint32_t lock;  /* level LK_GRANT_ENTRY */
    uint16_t reads, writes; /* pins; an entry in use has one at least */
    uint32_t frame;         /* while in use, but for GRANT_TRANSITIVE */
    domid_t who;            /* while in use: by whom */
    uint8_t kind;           /* while in use: enum grant_kind */
    uint8_t revoke;         /* PIN_*: grant_revoke.c */
};
STATIC_ASSERT(sizeof(struct grant_pins) == 16);

#define PIN_REVOCABLE 1u /* in use by who knows that it may be taken back */
#define PIN_REVOKING  2u /* it is wanted back: no new pins */

/* A mapping, as its holder names it. */
struct grant_handle {
    _Atomic uint32_t state; /* HANDLE_*; 0: free */
    uint32_t ref;           /* free: the next free handle; HANDLE_REVOKED: the copy, or 0 */
    uint32_t table;         /* HANDLE_HOST: frame of the L1 table that has the entry */
    domid_t granter;
    uint16_t slot; /* in that table */
};
STATIC_ASSERT(sizeof(struct grant_handle) == 16);

#define HANDLE_USED   1u
#define HANDLE_BUSY   2u /* somebody unmaps it */
#define HANDLE_HOST   4u /* there is an entry, with a pin of its own */
#define HANDLE_DEVICE 8u /* likewise for devices */
#define HANDLE_WRITE  16u
#define HANDLE_ENTRY  32u /* its holder names the entry by machine address */
/* The granter has its frame back, and there is no pin any more: it maps a copy, or what is empty. */
#define HANDLE_REVOKED 64u
#define HANDLE_TAKING  128u /* beside BUSY: its granter takes its frame back, and is done soon */
#define HANDLE_NONE    UINT32_MAX

/* Free handles of one lane: in a cache line of its own. */
struct maptrack_lane {
    struct spinlock lock; /* LK_GRANT_HANDLE */
    uint32_t first;       /* or HANDLE_NONE */
} LAGAN_ALIGNED(64);

#define MAPTRACK_LEAF (PAGE_SIZE / sizeof(void *))

struct maptrack {
    struct grant_handle ***leaf;  /* [c] the array; its pages, and theirs, come with growth */
    unsigned frame_limit;         /* [c] */
    _Atomic uint32_t frame_count; /* [t] */
    uint32_t cursor;              /* grant_table_relinquish() */
    unsigned lane_count;          /* [c] */
    struct maptrack_lane *lane;   /* [c] */
    void *lane_memory;            /* what slab_alloc() gave */
};

struct grant_table {
    struct account *account; /* [c] */
    struct spinlock lock;    /* [t] LK_GRANT: the table's shape */
    unsigned version;        /* changed while frozen; read inside grant_enter() */
    unsigned version_max;    /* [c] */
    _Atomic bool frozen;     /* its shape is being changed: come again */
    _Atomic bool dying;      /* no more pins */
    bool withdrawn;          /* [t] its frames are not lent any more */
    unsigned frame_limit;    /* [c] */
    _Atomic uint32_t frame_count, status_count; /* [t], read anywhere */
    void **shared;                              /* [c] the arrays, of frame_limit */
    grant_status_t **status;                    /* of STATUS_FRAMES(frame_limit) */
    struct grant_pins **pins;                   /* of 2 * frame_limit */
    struct maptrack maptrack;
    struct revocation *revocations; /* [t] of this table's entries */
    void *_Atomic empty; /* a page of zeroes, lent to this domain when it has none to pay with */
};

static inline unsigned status_frames_for(unsigned frames)
{
    return (unsigned)((frames * V2_PER_FRAME + STATUS_PER_FRAME - 1) / STATUS_PER_FRAME);
}

static inline uint32_t grant_entry_count(const struct grant_table *t)
{
    uint32_t frames =
        atomic_load_explicit(&((struct grant_table *)t)->frame_count, memory_order_acquire);

    return frames * (uint32_t)(t->version == 1 ? V1_PER_FRAME : V2_PER_FRAME);
}

/* Our side of entry `ref`, which is below grant_entry_count(). */
static inline struct grant_pins *grant_pins_of(const struct grant_table *t, grant_ref_t ref)
{
    return &t->pins[ref / PINS_PER_PAGE][ref % PINS_PER_PAGE];
}

static inline grant_entry_v1_t *grant_v1(const struct grant_table *t, grant_ref_t ref)
{
    return &((grant_entry_v1_t *)t->shared[ref / V1_PER_FRAME])[ref % V1_PER_FRAME];
}

static inline union grant_entry_v2 *grant_v2(const struct grant_table *t, grant_ref_t ref)
{
    return &((union grant_entry_v2 *)t->shared[ref / V2_PER_FRAME])[ref % V2_PER_FRAME];
}

static inline grant_status_t *grant_status(const struct grant_table *t, grant_ref_t ref)
{
    return &t->status[ref / STATUS_PER_FRAME][ref % STATUS_PER_FRAME];
}

static inline void grant_entry_lock(struct grant_pins *p)
{
    lock_trace_push(LK_GRANT_ENTRY, true);
    while (atomic_exchange_explicit(&p->lock, 1, memory_order_acquire))
        arch_relax();
}

/* The second of two, with the higher number. */
static inline void grant_entry_lock_second(struct grant_pins *p)
{
    lock_trace_push(LK_GRANT_ENTRY, false);
    while (atomic_exchange_explicit(&p->lock, 1, memory_order_acquire))
        arch_relax();
}

static inline void grant_entry_unlock(struct grant_pins *p)
{
    lock_trace_pop(LK_GRANT_ENTRY);
    atomic_store_explicit(&p->lock, 0, memory_order_release);
}

static inline bool grant_in_use(const struct grant_pins *p)
{
    return p->reads || p->writes;
}

/* ---- grant.c ---- */
/* Waits until every other CPU has been outside of grant_enter() once. Not inside it oneself. */
void grant_wait_for_all(void);
/* The table with the lowest id >= from, or NULL; for auditors. */
struct grant_table *grant_next(unsigned from);
/* From now on the table is found / it is not, and nobody is at it any more. -XEN_ENOMEM. */
int grant_register(struct grant_table *t) LAGAN_MUST_CHECK;
void grant_unregister(struct grant_table *t);

/* ---- grant_table.c ---- */
/* Status frames for so many frames of entries: as many as there is memory for; true if that is
 * enough. / None any more: -XEN_EBUSY while one is mapped. */
bool grant_status_grow(struct grant_table *t, unsigned frames) LAGAN_REQUIRES(t->lock);
int grant_status_shrink(struct grant_table *t) LAGAN_REQUIRES(t->lock);

/* ---- grant_pin.c ---- */
/* What a pin gives access to: bytes [offset, offset + length) of a frame. */
struct grant_access {
    struct grant_table *table; /* where the pin is */
    grant_ref_t ref;
    mfn_t frame;
    uint32_t offset, length;
    domid_t via; /* transitive: the domain, and its entry, that the entry names; no frame yet */
    grant_ref_t via_ref;
    bool transitive, revocable;
};
/* Pins entry `ref` of t for `who`. whole: only a grant of the whole page will do. GNTST_*, or
 * -XEN_ERESTART. */
int grant_pin(struct grant_table *t, grant_ref_t ref, domid_t who, bool write, bool whole,
              struct grant_access *got) LAGAN_MUST_CHECK;
void grant_unpin(struct grant_table *t, grant_ref_t ref, bool write);

/* ---- grant_map.c ---- */
/* Nobody else unmaps the handle until it is let go; false if it is not in use, or is being unmapped. */
bool grant_handle_claim(struct grant_handle *h);
/* The entry of a handle, if it maps `frame`, becomes `new`. -XEN_EINVAL if it maps something else. */
int grant_handle_exchange(const struct grant_table *t, const struct grant_handle *h, mfn_t frame,
                          uint64_t new, uint64_t *old) LAGAN_MUST_CHECK;
/* No CPU of the domain remembers what was removed before. */
void grant_flush(const struct grant_table *t);

/* ---- grant_table.c ---- */
/* A cleared page of ours that the domain may map, or NULL. */
void *grant_lend_page(struct grant_table *t);

/* ---- grant_revoke.c ---- */
void grant_forget_revocations(struct grant_table *t);

/* ---- maptrack.c ---- */
int maptrack_create(struct maptrack *m, unsigned frame_limit, unsigned lanes) LAGAN_MUST_CHECK;
void maptrack_destroy(struct maptrack *m);
/* A free handle, which is the caller's until it sets a state or frees it; HANDLE_NONE. */
uint32_t maptrack_alloc(struct grant_table *t, unsigned lane);
void maptrack_free(struct grant_table *t, unsigned lane, uint32_t handle);
static inline uint32_t maptrack_count(const struct maptrack *m)
{
    return atomic_load_explicit(&((struct maptrack *)m)->frame_count, memory_order_acquire) *
           (uint32_t)HANDLES_PER_FRAME;
}
/* handle < maptrack_count() */
static inline struct grant_handle *maptrack_of(const struct maptrack *m, uint32_t handle)
{
    uint32_t frame = handle / (uint32_t)HANDLES_PER_FRAME;

    return &m->leaf[frame / MAPTRACK_LEAF][frame % MAPTRACK_LEAF][handle % HANDLES_PER_FRAME];
}
