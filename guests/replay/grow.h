/* SPDX-License-Identifier: MIT
 *
 * A page cache that follows the domain's target: it begins small, its other pages' frames with the host, and takes
 * frames when the hypervisor offers some. It never gives one back later, and says so in its reports.
 */
#pragma once

#include <stdint.h>

/* The cache is to have `from` pages now and up to `most` of the lru's in time: gives the others back, and asks for the
 * first target. 0 or the hypercall's error. After lru_reset(). */
long grow_start(unsigned from, unsigned most);
/* Says what is needed, and takes what is offered. */
void grow_turn(void);
/* How many pages it has now. */
unsigned grow_pages(void);
