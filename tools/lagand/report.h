/* SPDX-License-Identifier: MIT
 *
 * What a guest's agent says of the guest: one line in one node of the store, so that it is always read whole.
 *
 *     1 WORKING_SET FREE RECLAIMABLE REFAULT_RATE STALL_PPM [HAVE]
 *
 * decimal numbers with one space between them: the version of the line, pages of 4 KiB, pages a second, millionths of
 * the time; the same as in struct lagan_pressure_need (include/public/lagan/pressure.h). HAVE is what the guest had when
 * it looked: until the line is read it may have given away what was free then.
 */
#pragma once

#include <stddef.h>

#include "lagan/pressure.h"

/* Below the guest's home: `data' is what a toolstack lets a guest write. */
#define REPORT_NODE "data/lagan/report"
#define REPORT_SIZE 80 /* of the longest line, and its end */

void report_print(char text[REPORT_SIZE], const struct lagan_pressure_need *need, uint64_t have);
/* -EINVAL: not such a line, or numbers that no guest can have; nothing is written. 0 for a HAVE that is not there. */
int report_parse(const char *text, struct lagan_pressure_need *need, uint64_t *have);
/* What of it is still true for a guest that `had' so much then and has so much now: what it has given was free. */
void report_settle(struct lagan_pressure_need *need, uint64_t had, uint64_t have);
