/* SPDX-License-Identifier: MIT
 *
 * What the parts of the grant guest share.
 */
#pragma once

#include "lagan/grant.h"

#include "kit/grant.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define PAGES 16U

/* Pages to grant, and pages to map grants over. */
extern uint8_t granted[PAGES][PAGE_SIZE], window[PAGES][PAGE_SIZE];
extern uint16_t self;

#define MAP_RW GNTMAP_host_map
#define MAP_RO (GNTMAP_host_map | GNTMAP_readonly)

/* Each is a group of checks. */
void test_table(void);
void test_cache_flush(void);
void test_map(void);
void test_map_refused(void);
void test_unmap(void);
void test_copy(void);
void test_copy_refused(void);
void test_lists(void);
void test_swap_and_transfer(void);
void test_version_2(void);

/* With another domain. */
void pair_server(uint16_t peer);
void pair_client(uint16_t peer);
