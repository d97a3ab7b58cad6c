/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What writes have done to a volume, as far as a copy of its blocks has to know.
 *
 * A page may be put into the pool when it holds what the disk does. Whoever reads a block or keeps a page of it is given a
 * stamp; each write that begins gives its blocks other stamps, and until it ends it is under way. So:
 *
 *   INV-TRACK-1  A page is put only with the lock of its block held, and only if no write of that block is under way and
 *                none has begun since the page's stamp was taken.
 *   INV-TRACK-2  A write takes its blocks out of the pool after it has begun and before the disk knows of it.
 *
 * A put that was before the write began is therefore undone by the write; one that comes later finds that it may not. Until
 * the write ends, nothing of its blocks is in the pool.
 *
 * Blocks of 4 KiB are counted from 0 at the volume's start. 512 of them that begin at a multiple of 512 are an extent. There
 * are only so many groups, of a lock, stamps and counts for an extent each, and extents whose numbers are a multiple
 * apart share one: that costs a put now and then that might have been done, and nothing else.
 *
 * This is plain C with a lock: unittests/test_cache_track.c has it on the host, with threads. May be called with interrupts off.
 */
#ifndef LAGAN_CACHE_TRACK_H
#define LAGAN_CACHE_TRACK_H

#include <linux/types.h>

#define TRACK_EXTENT_SHIFT 9
#define TRACK_EXTENT       (1U << TRACK_EXTENT_SHIFT)

struct track;

/* For a volume of so many blocks; NULL: no memory. */
struct track *track_new(u64 blocks);
void track_free(struct track *t);
/* Its memory, in bytes. */
size_t track_size(const struct track *t);

/*
 * A write of these blocks, or whatever may change them, begins; it must end. True: some of them may be in the pool, and must be
 * taken out before the disk knows of the write.
 */
bool track_write_begin(struct track *t, u64 first, u64 count);
void track_write_end(struct track *t, u64 first, u64 count);
/*
 * The same for one block which is written from a page that stays: also its new stamp. *alone: no other write of it is under way, so
 * that the disk will hold what the page does if the write succeeds.
 */
bool track_write_page(struct track *t, u64 block, u32 *stamp, bool *alone);

/*
 * A read of these blocks, which are in one extent, begins. The token says what their stamps were; false: one of them is being written,
 * so what is read may be neither old nor new.
 */
bool track_read_begin(struct track *t, u64 first, u32 count, u64 *token);

/*
 * With their lock held on return if no write has begun since (INV-TRACK-1); false, and no lock, otherwise. `flags` are those of
 * the caller's interrupts.
 */
bool track_lock_read(struct track *t, u64 first, u32 count, u64 token, unsigned long *flags);
/* The same for a block with a stamp of which only the bits of `mask` were kept. */
bool track_lock_page(struct track *t, u64 block, u32 stamp, u32 mask, unsigned long *flags);
void track_unlock(struct track *t, u64 block, unsigned long flags);

/* With the block's lock held: its stamp; and a note that something of its group is in the pool now. */
u32 track_stamp(const struct track *t, u64 block);
void track_set_filled(struct track *t, u64 block);
/* The pool is empty, and nothing is under way. */
void track_clear_filled(struct track *t);

#endif
