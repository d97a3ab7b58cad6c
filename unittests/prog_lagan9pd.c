/* SPDX-License-Identifier: MIT
 *
 * Tests of the file server for Linux guests, with directories of this machine.
 */
#include "suite.h"

extern const struct suite suite_host_tree, suite_host_tree_hostile, suite_connection,
    suite_share_options, suite_share;

const struct suite *const suites[] = {&suite_host_tree,  &suite_host_tree_hostile,
                                      &suite_connection, &suite_share_options,
                                      &suite_share,      NULL};
