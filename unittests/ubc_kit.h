/* SPDX-License-Identifier: MIT
 *
 * What the tests of the buffer cache share: a control domain, a publisher and two readers with address
 * spaces, and a volume whose blocks say what they are.
 */
#pragma once

#include "ubc/ubc_int.h"
#include "unittests/mm_kit.h"

enum { UCONTROL, UPUB, UREAD, UREAD2, UBC_DOMAINS };

struct ubc_domain {
    struct account *account;
    struct ubc_client client;
    struct kit_space space;
};
extern struct ubc_domain ud[UBC_DOMAINS];

/* A new machine; CPU n runs domain n. No volumes. */
void ubc_start(void);
/* Audits, and nobody has a dangerous translation. */
void ubc_check(void);
/* Ends one domain as teardown does; and begins it again. */
void ubc_kill(unsigned d);
void ubc_restart(unsigned d);
/* Ends all of them and every volume: nothing is lost. */
void ubc_end(void);

/* A volume called `name`, without rights for anybody; of the publisher's and both readers'. */
uint64_t ubc_make(unsigned name, uint64_t blocks);
uint64_t ubc_make_shared(unsigned name, uint64_t blocks);
/* The same; blocks have slots. */
uint64_t ubc_make_slotted(unsigned name, uint64_t blocks);
int ubc_give(uint64_t volume, unsigned d, unsigned rights, unsigned limit);

/* For tests that need no more: a new machine with one volume of the publisher's and both readers', its blocks from `first` on, and
 * what the index has for one, or NULL. */
extern uint64_t ubc_one;
void ubc_start_with(uint64_t blocks);
void ubc_bring(uint64_t first, uint64_t count);
struct ubc_page *ubc_page_of(uint64_t block);

/* The operations, repeated until they are not preempted. */
int do_create(struct lagan_ubc_create *in);
int do_open(unsigned d, unsigned name, struct lagan_ubc_open *io);
int do_destroy(uint64_t volume);
int do_renew(unsigned d, uint64_t *volume, uint64_t generation, uint64_t blocks);
/* Content `tag` in each of its words, with the block's number. */
int do_insert(unsigned d, uint64_t volume, uint64_t block, uint64_t epoch, uint32_t tag);
int do_insert_page(unsigned d, uint64_t volume, const struct lagan_ubc_insert *in, uint64_t epoch,
                   const void *content);
int do_donate(unsigned d, uint64_t volume, uint64_t block, uint64_t epoch, mfn_t m);
int do_map_block(unsigned d, uint64_t volume, uint64_t block, unsigned n, uint32_t *handle);
int do_map_op(unsigned d, uint64_t volume, struct lagan_ubc_map *op);
int do_unmap_handle(unsigned d, uint64_t volume, uint32_t handle);
int do_invalidate(unsigned d, uint64_t volume, uint64_t first, uint64_t count, uint64_t *epoch);
int do_revoke(unsigned d, uint64_t volume, uint64_t first, uint64_t count, uint64_t timeout);
int do_wanted(unsigned d, uint64_t volume, struct lagan_ubc_want *io);
int do_refuse(unsigned d, uint64_t volume, const struct lagan_ubc_want *in);
int do_next(unsigned d, uint64_t volume, struct lagan_ubc_unmap *io);
/* The tag of the block, as a reader gets it by copy. */
int do_read_tag(unsigned d, uint64_t volume, uint64_t block, uint32_t *tag);
struct lagan_ubc_stats do_stats(uint64_t volume);
uint64_t ubc_epoch(unsigned name);
/* Who was told by the last do_revoke(): bits by domain id. */
extern uint64_t ubc_told;

void ubc_fill(void *page, uint64_t block, uint32_t tag);

/* Entry n that is free for mappings, in the domain's first L1 table. */
static inline uint64_t ubc_va(unsigned n)
{
    return kit_va(0, KIT_DATA + n);
}
uint64_t ubc_pte(unsigned d, unsigned n);
/* The guest reads entry n's page: false, or the tag of what it finds, which has to be the block. */
bool ubc_sees(unsigned d, unsigned n, uint64_t block, uint32_t *tag);
