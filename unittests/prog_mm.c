/* SPDX-License-Identifier: MIT
 *
 * Tests of mm/.
 */
#include "suite.h"

extern const struct suite suite_heap, suite_scrub, suite_slab, suite_frame, suite_account,
    suite_tlbclock, suite_type, suite_table, suite_table_change, suite_update, suite_segdesc,
    suite_relinquish, suite_giveback, suite_mm_model, suite_mm_threads, suite_mm_races;

const struct suite *const suites[] = {&suite_heap,
                                      &suite_scrub,
                                      &suite_slab,
                                      &suite_frame,
                                      &suite_account,
                                      &suite_tlbclock,
                                      &suite_type,
                                      &suite_table,
                                      &suite_table_change,
                                      &suite_update,
                                      &suite_segdesc,
                                      &suite_relinquish,
                                      &suite_giveback,
                                      &suite_mm_model,
                                      &suite_mm_threads,
                                      &suite_mm_races,
                                      NULL};
