/* SPDX-License-Identifier: MIT
 *
 * A host with two guests, for the tests of lagand: web (3) and db (5), of 512 MiB each, and up to a GiB.
 */
#pragma once

#include "fake_host.h"
#include "fake_store.h"
#include "suite.h"
#include "tools/lagand/keeper.h"

#define MIB   UINT64_C(256) /* in pages */
#define WEB   1             /* indices in fake_host */
#define DB    2
#define LINES 64

extern struct keeper keeper;
extern struct config config;
extern char lines[LINES][320];
extern unsigned line_count;

/* The daemon has begun, and nobody has reported. */
void world_start(void);
/* Another daemon begins after the last one was killed. */
void world_restart(void);
/* A domain as xl makes it, at that index. */
void world_domain(unsigned index, uint16_t domid, const char *name, uint64_t pages, uint64_t most);
/* All that has happened in the store is taken, and `ms' pass before that. */
void world_pass(unsigned ms);
/* A second passes, and the daemon looks. */
void world_tick(void);
/* The guest's agent says so. */
void world_report(uint16_t domid, const char *text);
/* Whether a line with that text was said since the last world_quiet(). */
bool world_said(const char *text);
void world_quiet(void);
/* A node of a domain's. */
const char *world_node(uint16_t domid, const char *node);
void world_put(uint16_t domid, const char *node, const char *text);
