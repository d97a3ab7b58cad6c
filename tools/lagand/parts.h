/* SPDX-License-Identifier: MIT
 *
 * What the parts of the keeper have of one another.
 */
#pragma once

#include "keeper.h"

#define KIB_A_PAGE 4
/* libxl lets a domain own so much more than its target. */
#define XL_SLACK 256

int keeper_call(struct keeper *k, unsigned cmd, void *arg, size_t bytes);
struct guest *keeper_find(struct keeper *k, uint16_t domid);
/* Reads what the hypervisor has of it into g->now. */
int keeper_look(struct keeper *k, struct guest *g);

/* /local/domain/N/NODE */
void keeper_path(char path[STORE_PATH_MAX], uint16_t domid, const char *node);
/* A number in the store; -ENOENT, -EINVAL. */
int keeper_read_number(struct keeper *k, uint16_t domid, const char *node, uint64_t *number);
int keeper_write_number(struct keeper *k, uint16_t domid, const char *node, uint64_t number);

/* keeper.c. Adopts a domain, unless its rule is against it. */
int keeper_adopt(struct keeper *k, struct guest *g);

/* keeper_target.c */
/* Sets the limits of g->limits, as far as they fit. */
int keeper_set_limits(struct keeper *k, struct guest *g);
/* Writes its target to the store if it has changed; finds out if somebody else has written. */
void keeper_pass(struct keeper *k, struct guest *g);
/* Its memory/target has been written, perhaps not by us. */
void keeper_target_written(struct keeper *k, struct guest *g);
/* Its memory is what `kib' says until somebody says otherwise. */
void keeper_take_hand(struct keeper *k, struct guest *g, uint64_t kib);
/* Ends that. */
int keeper_leave_hand(struct keeper *k, struct guest *g);

/* keeper_room.c */
void keeper_look_at_host(struct keeper *k);
void keeper_tell_changes(struct keeper *k);
void keeper_tick_room(struct keeper *k);
