/* SPDX-License-Identifier: MIT
 *
 * Segment descriptors from guests: which are acceptable, and how they are made safe.
 */
#pragma once

#include <lagan/types.h>

/* Makes one 8-byte descriptor safe for ring 3 (DPL 3) or says no. Not-present descriptors pass as they
 * are. False: a descriptor that could reach the hypervisor (a gate to lower rings, a system segment
 * other than an LDT's own use, ...); *desc is then unchanged. */
bool segdesc_fix(uint64_t *desc) LAGAN_MUST_CHECK;
