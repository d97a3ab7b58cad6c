/* SPDX-License-Identifier: MIT
 *
 * Private to ubc/: volumes, readers, pages, mappings.
 *
 * All of a volume is under its lock but what is constant. Who works on a volume has it by ubc_get(), which
 * counts; the table of volumes has a lock of its own, held for a look only; idle pages have another (idle.c).
 */
#pragma once

#include <stdatomic.h>

#include <lagan/list.h>
#include <lagan/lock.h>
#include "mm/frame.h"
#include "mm/heap.h"
#include "ubc/ubc.h"

#define UBC_VOLUMES    256 /* slots; the lowest bits of a handle */
#define UBC_SLOT_BITS  8
#define UBC_STEP       32 /* pages, or entries, that are dealt with between two looks for preemption */
#define UBC_LEVEL_BITS 56 /* a key: block, or level + 1 and the number of a block of the tree */
#define UBC_BUCKETS    64 /* of blocks, for what was invalidated when */
#define INDEX_FANOUT   512
#define DIGEST_BYTES   32
#define DIGESTS        (PAGE_SIZE / DIGEST_BYTES) /* in a block of a tree */
#define TREE_LEVELS    6                          /* 128^6 > LAGAN_UBC_BLOCKS_MAX */
#define COPIES         (TREE_LEVELS + 1)          /* a level for what is no page: press.c */
#define REVOKED        (COPIES + 1)               /* and one for pages that are wanted back */
#define INDEXES        (REVOKED + 1)

/* A page of a volume. In the index; or dead, on the volume's list of such. */
struct ubc_page {
    struct list link; /* idle, hollow, busy, dead: the volume's list of such; stuck: the engine's */
    struct list mappings; /* struct ubc_mapping */
    uint64_t key;
    uint64_t born; /* the volume's count of inserts then */
    uint32_t frame;
    uint32_t stamp; /* TLB clock when an entry for it ended last; 0: none ever was */
    uint32_t holds; /* reads under way */
    bool dead;
    bool is_loose;             /* nobody has it by handle, but there are entries (slot.c) */
    bool awaited;              /* [i] somebody waits for it (lender.c) */
    bool lent;                 /* dead, and its frame is still one that is lent to us */
    _Atomic uint8_t state;     /* enum page_state (INV-UBC-7) */
    struct ubc_volume *volume; /* [c] */
};

/* PAGE_COPIES: not a page, but where mappings of copies hang (press.c). */
enum page_state { PAGE_BUSY, PAGE_IDLE, PAGE_HELD, PAGE_HOLLOW, PAGE_STUCK, PAGE_COPIES };
static inline enum page_state page_state(const struct ubc_page *p)
{
    return (enum page_state)atomic_load_explicit(&((struct ubc_page *)p)->state,
                                                 memory_order_relaxed);
}

/* A handle's mapping. */
struct ubc_mapping {
    struct list link;      /* the page's; free: the reader's */
    struct ubc_page *page; /* NULL: free, or gone */
    uint64_t block;        /* of it, also when it is gone */
    uint32_t table;        /* frame of the L1 table... */
    uint16_t slot;         /* ...and the entry in it */
    uint16_t state;        /* enum mapping_state */
    uint32_t number;       /* [c] the handle */
    uint32_t copy; /* 0, or the reader's own frame that it maps in the page's place (press.c) */
    struct ubc_reader *reader;
};
enum mapping_state { MAPPING_FREE, MAPPING_USED, MAPPING_GONE };
#define MAPPINGS_PER_PAGE ((uint32_t)(PAGE_SIZE / sizeof(struct ubc_mapping)))

/* A client with rights to a volume. */
struct ubc_reader {
    struct list link;
    struct ubc_client *client;
    unsigned rights;
    uint32_t stamp;            /* TLB clock when it unmapped last; 0: never */
    uint32_t limit, used;      /* handles: at most, and in use (INV-UBC-6) */
    uint32_t count;            /* handles that there are: whole pages of them */
    struct list free;          /* those that are free */
    struct ubc_mapping **leaf; /* pages of handles */
    unsigned leaf_order;       /* of the array */
    bool waits;                /* has asked for a block that has not been answered (want.c) */
    bool leaving;              /* has no rights any more, and goes when its handles are gone */
    uint64_t sweep;            /* ... and this pass is over; 0: none is needed, so far */
    uint32_t cursor;           /* ... up to here */
};

/* Levels of an index, from the top; each node is a page of pointers. */
struct ubc_index {
    void *root;
    unsigned height; /* 0: empty; the keys below INDEX_FANOUT^height have a place */
};

struct ubc_revocation {
    uint64_t first, last, end;   /* end: in system time; 0: none under way */
    const struct ubc_client *by; /* who began it, with whom it ends */
    uint64_t born;               /* it is about pages that were born until then */
    uint64_t cursor;             /* of this pass through the range... */
    bool taken_out, missed;      /* ...in which pages were taken out, or had to be left */
    bool told;                   /* a pass is over: readers know... */
    bool through;                /* ...in which none was left */
};

struct ubc_volume {
    struct spinlock lock; /* LK_UBC */
    uint32_t refs;        /* [table lock] calls that have it, and one for the table */
    unsigned slot;        /* [c] */
    uint8_t id[16];       /* [c] */
    uint64_t handle;      /* of the present generation; changes under both locks */
    uint64_t generation, blocks;
    bool purging;         /* the pages of the generation before are going */
    _Atomic bool pressed; /* the host wants what its readers have mapped */
    _Atomic bool dying;   /* nobody enters it any more; set under the lock */
    uint32_t reader_count;
    struct list readers;
    struct ubc_index index[INDEXES]; /* data, the tree's levels from the lowest, copies, revoked */
    struct list dead, busy, loose;
    struct list idle, hollow, awaited; /* [i] idle_lock; awaited ones are idle as well */
    struct list lending;               /* [i] engine.lending, while there are idle pages */
    unsigned awaited_count;            /* [i] */
    uint64_t hits, aged;               /* [i] on idle pages, faded until then */
    _Atomic uint64_t idle_count, hollow_count, reclaimed; /* [i], read anywhere */
    struct ubc_revocation revocation;
    uint64_t epoch, invalidated[UBC_BUCKETS]; /* INV-UBC-4 */
    unsigned levels;                          /* of the tree */
    bool has_tree, has_slots;
    uint8_t root[DIGEST_BYTES];
    uint8_t *salt; /* or NULL */
    unsigned salt_bytes;
    bool is_window;
    unsigned window;            /* its number; with slots as well */
    uint64_t slots, slot_count; /* [c] guest frames; 0: it has none */
    uint64_t sweep;             /* a pass that dead pages wait for, or 0 */
    unsigned sweeps;            /* ... that is so much more than the first */
    struct ubc_want *wants;     /* a page of them, or NULL */
    uint64_t asked;             /* so many were written down */
    _Atomic unsigned news;      /* UBC_NEWS_...: somebody is to be told */
    mfn_t base;
    uint64_t window_left;   /* frames that are still the cache's; and, when it ends, ... */
    uint64_t window_cursor; /* ...the next to be looked at */
    struct lagan_ubc_stats stats;
};

#define UBC_NEWS_ASKED    1U
#define UBC_NEWS_ANSWERED 2U

struct ubc_press {         /* press.c */
    _Atomic uint64_t want; /* pages; 0: none */
    _Atomic enum {
        PRESS_NONE,
        PRESS_TELL,
        PRESS_WAIT,
        PRESS_TAKE,
        PRESS_SWEEP
    } phase;               /* the housekeeper's */
    uint64_t pass;         /* SWEEP: that it waits for */
    bool last;             /* SWEEP: there is nothing more to be taken */
    unsigned slot;         /* of this round */
    uint64_t busy, copies; /* pages that were busy when it began, copies that there were */
    uint64_t end;          /* of the grace, in system time */
};

struct ubc_sweep { /* sweep.c */
    _Atomic bool busy;
    _Atomic uint64_t passes, cursor; /* that are over; frame of the present one, 0: there is none */
};

struct ubc_engine {
    struct spinlock lock; /* LK_UBC_TABLE */
    struct ubc_volume *slot[UBC_VOLUMES];
    uint64_t serial;           /* [l] of the last handle */
    uint64_t windows;          /* [l] numbers in use */
    uint64_t reserve;          /* [c] */
    struct spinlock idle_lock; /* LK_UBC_IDLE: what [i] stands at */
    struct list lending;       /* [i] volumes with idle pages */
    struct list stuck;         /* [i] pages */
    _Atomic uint64_t idle;     /* pages */
    _Atomic uint64_t busy;     /* pages that the host pays for */
    _Atomic uint64_t loose;    /* of these, that nobody has by handle */
    _Atomic uint64_t copies;   /* frames of readers' that mappings have */
    struct ubc_press press;
    struct ubc_sweep sweep;
    _Atomic bool untidy;      /* `work` was called, and nobody has come yet */
    void (*work)(void);       /* [c] or NULL: wants ubc_housekeep() to be called soon */
    void (*tell)(domid_t id); /* [c] or NULL: the event */
    struct account account;
};
extern struct ubc_engine ubc_engine;

/* ---- volume.c ---- */
/* Locks the volume and finds the client among its readers, with one of the rights; the control domain needs
 * none to do what publishers may (*r may be NULL then). -XEN_ENXIO: the handle is of an older generation, or no rights; -XEN_EPERM:
 * not this one; -XEN_ERESTART: an older generation is still going, and has got a bit further. Locked if 0. */
int ubc_enter(const struct ubc_ref *ref, unsigned rights, struct ubc_reader **r) LAGAN_MUST_CHECK;
static inline void ubc_leave(struct ubc_volume *v) LAGAN_NO_TSA
{
    spin_unlock(&v->lock);
}
/* A new volume, not in the table; and there: otherwise it is gone. -XEN_ENOMEM; -XEN_EEXIST, -XEN_ENOSPC. */
int ubc_volume_new(const struct lagan_ubc_create *in, struct ubc_volume **out) LAGAN_MUST_CHECK;
int ubc_volume_publish(struct ubc_volume *v, uint64_t *handle) LAGAN_MUST_CHECK;
/* Takes volumes that are dying a step further. -XEN_ERESTART: one of them is not done. */
int ubc_help(void);
/* The volume in a slot, with a reference, or NULL. */
struct ubc_volume *ubc_volume_at(unsigned slot);
void ubc_volume_put(struct ubc_volume *v);

/* ---- reader.c; locked ---- */
struct ubc_reader *ubc_reader_find(struct ubc_volume *v, const struct ubc_client *c);
/* Ends what readers that leave have mapped, and them. -XEN_ERESTART. */
int ubc_readers_sweep(struct ubc_volume *v) LAGAN_MUST_CHECK;
struct ubc_mapping *ubc_mapping_at(const struct ubc_reader *r, uint32_t handle);
/* A free handle, or HANDLE_NONE (no memory). */
#define UBC_HANDLE_NONE UINT32_MAX
uint32_t ubc_handle_alloc(struct ubc_reader *r);
void ubc_handle_free(struct ubc_reader *r, struct ubc_mapping *m);
/* Its CPUs forget what they had before the stamp. */
void ubc_reader_flush(const struct ubc_reader *r, uint32_t stamp);

/* ---- map.c; locked ---- */
/* The entry goes, and the mapping is the page's no more: its handle says that it is gone. -XEN_ERESTART. */
int ubc_mapping_end(struct ubc_volume *v, struct ubc_mapping *m) LAGAN_MUST_CHECK;
void ubc_mapping_leave(struct ubc_volume *v, struct ubc_mapping *m);

/* ---- press.c ---- */
/* A step of the host's revocation. The time when it wants to be called again, or 0: there is nothing to do. */
uint64_t ubc_press_step(void);
/* Locked: what is mapped of it is being taken now. */
bool ubc_is_taken(const struct ubc_volume *v);
/* Locked: the mapping's copy is the reader's no more; what it hung on goes if it was the last. */
void ubc_copy_end(struct ubc_page *copies, struct ubc_mapping *m);

/* ---- tree.c ---- */
/* Blocks in a level of the tree (0: the lowest) over so many blocks of data; 0: there is no such level. */
uint64_t ubc_tree_blocks(uint64_t data, unsigned level);
unsigned ubc_tree_levels(uint64_t data);
/* Locked: what the page with this key has to have as its digest. -XEN_ENODATA. */
int ubc_tree_expected(const struct ubc_volume *v, uint64_t key,
                      uint8_t digest[DIGEST_BYTES]) LAGAN_MUST_CHECK;
/* The digest of a page's content. No lock is needed: the salt stays as long as the handle. */
void ubc_tree_digest(const uint8_t *salt, unsigned salt_bytes, const void *page,
                     uint8_t digest[DIGEST_BYTES]);

/* ---- window.c; locked ---- */
void ubc_window_allow(struct ubc_volume *v, struct account *a, bool may);
/* Frees the frames that nobody maps any more: a step of them, and -XEN_ERESTART, until all have been looked at. */
int ubc_window_drain(struct ubc_volume *v) LAGAN_MUST_CHECK;

#include "ubc/idle.h"
#include "ubc/page.h"
#include "ubc/slot.h"
