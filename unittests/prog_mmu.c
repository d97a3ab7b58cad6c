/* SPDX-License-Identifier: MIT
 *
 * Tests of the page-table hypercalls and of direct writes to page tables.
 */
#include "suite.h"

extern const struct suite suite_ptwr_decode, suite_ptwr, suite_hcall_mmu;

const struct suite *const suites[] = {&suite_ptwr_decode, &suite_ptwr, &suite_hcall_mmu, NULL};
