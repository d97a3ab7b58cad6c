/* SPDX-License-Identifier: MIT
 *
 * Frames of an account that give way to others: the steps of an exchange that either happens
 * altogether or leaves everything as it was.
 *
 * INV-XCHG-1: a withdrawn frame is charged and on its account's list, but nobody can take a
 * reference of it; account_reinstate() or account_replace() ends that.
 */
#pragma once

#include "mm/account.h"

/* Takes a frame out of use: its only reference must be the allocation's, so that nothing maps it.
 * -XEN_EINVAL if the frame is not the account's, was given up, or is used. */
int account_withdraw(struct account *a, mfn_t m) LAGAN_MUST_CHECK;
/* Undoes it: the frame is as it was. (If the account dies, the frame is given back instead.) */
void account_reinstate(struct account *a, mfn_t m);
/* The frames `new` (state FRAME_HYPERVISOR, single, or part of a block that is broken up by this) are
 * the account's in place of `old`, one by one, which were withdrawn, and which only
 * account_discard() may be called for afterwards. False, and nothing changed, if the account dies. */
bool account_replace(struct account *a, const mfn_t *old, const mfn_t *new,
                     unsigned count) LAGAN_MUST_CHECK;
/* Gives withdrawn frames that the account has no more to the heap, as soon as no TLB holds them. */
void account_discard(struct account *a, const mfn_t *list, unsigned count);
/* A withdrawn frame that was a page table or the like last may still be known as that to CPUs: after this it is
 * not, and its content may become anything. Called before it does. */
void account_make_plain(struct account *a, mfn_t m);
/* A withdrawn frame and one that is lent change places: `taken` is the account's, with the other's place on the
 * list and its guest frame; `given`, which is
 * plain, is lent, with this word (spare.h), and keeps its content, its type and a stamp
 * that says until when TLBs may have got translations of it; those of others than the account's CPUs have been
 * flushed. False, and nothing changed, if the account dies. */
bool account_swap(struct account *a, mfn_t given, mfn_t taken, uint64_t word) LAGAN_MUST_CHECK;
