/* SPDX-License-Identifier: MIT
 *
 * Tests of ubc/.
 */
#include "suite.h"

extern const struct suite suite_ubc, suite_ubc_map, suite_ubc_revoke, suite_ubc_tree,
    suite_ubc_window, suite_ubc_hostile, suite_ubc_lender, suite_ubc_crowd, suite_ubc_press,
    suite_ubc_slots, suite_ubc_model, suite_ubc_threads;

const struct suite *const suites[] = {&suite_ubc,
                                      &suite_ubc_map,
                                      &suite_ubc_revoke,
                                      &suite_ubc_tree,
                                      &suite_ubc_window,
                                      &suite_ubc_hostile,
                                      &suite_ubc_lender,
                                      &suite_ubc_crowd,
                                      &suite_ubc_press,
                                      &suite_ubc_slots,
                                      &suite_ubc_model,
                                      &suite_ubc_threads,
                                      NULL};
