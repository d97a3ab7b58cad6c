/* SPDX-License-Identifier: MIT
 *
 * Private to ubc/, part of ubc_int.h: slots, sweeps of page tables, what readers want, their entries.
 */
#pragma once

#include "ubc/ubc_int.h"

/* ---- slot.c; locked ---- */
/* A number for a window, or WINDOWS_MAX. */
unsigned ubc_window_number(void);
void ubc_window_number_back(unsigned n);
/* A place for its slots; with the table locked. -XEN_ENOSPC. */
int ubc_slots_place(struct ubc_volume *v) LAGAN_MUST_CHECK;
/* All do nothing for a page without a slot. It is mapped by a handle / no new entries / it is not BUSY any more. */
void ubc_slot_open(const struct ubc_page *p);
void ubc_slot_condemn(const struct ubc_page *p);
void ubc_slot_close(struct ubc_page *p);
/* Somebody has an entry for it, or looks at it just now. */
bool ubc_slot_is_used(const struct ubc_page *p);
/* A BUSY page, on no list: onto that of loose ones (false: it has no slot). And it is on none any more. */
bool ubc_loosen(struct ubc_volume *v, struct ubc_page *p);
void ubc_tighten(struct ubc_page *p);
/* Those of the volume that nobody has an entry for any more become idle; so many are looked at. */
void ubc_loose_rest(struct ubc_volume *v, unsigned most);
void ubc_loose_condemn(struct ubc_volume *v);

/* ---- sweep.c ---- */
/* The pass that finds what is condemned now; and whether it is over: otherwise it is a step further. */
uint64_t ubc_sweep_order(void);
bool ubc_sweep_is_over(uint64_t pass);

/* ---- want.c; locked ---- */
/* The reader wants the block, which is not there: what LAGAN_UBC_map says. */
int ubc_want(struct ubc_volume *v, struct ubc_reader *r, uint64_t block) LAGAN_MUST_CHECK;
/* A page with this key has come in. True: it was wanted. */
bool ubc_want_met(struct ubc_volume *v, uint64_t key);
/* All that the client has asked for; NULL: whoever. */
void ubc_want_forget(struct ubc_volume *v, const struct ubc_client *c);

/* ---- entry.c ---- */
/* Makes the entry that maps the page. As table_update(). */
int ubc_entry_make(struct account *a, mfn_t table, unsigned slot, mfn_t frame,
                   bool exec) LAGAN_MUST_CHECK;
/* The entry maps the frame no longer, if it did. -XEN_ERESTART. */
int ubc_entry_cut(struct account *a, mfn_t table, unsigned slot, mfn_t frame) LAGAN_MUST_CHECK;
/* It maps the account's frame `own` instead (*done), if it did map the frame. As table_replace_l1(). */
int ubc_entry_exchange(struct account *a, mfn_t table, unsigned slot, mfn_t frame, mfn_t own,
                       bool *done) LAGAN_MUST_CHECK;
