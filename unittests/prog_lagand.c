/* SPDX-License-Identifier: MIT
 *
 * Tests of the control daemon and of the guests' agent, on a host and a store that are made up.
 */
#include "suite.h"

extern const struct suite suite_lagand, suite_lagand_room, suite_lagand_text, suite_lagan_agent;

const struct suite *const suites[] = {&suite_lagand, &suite_lagand_room, &suite_lagand_text,
                                      &suite_lagan_agent, NULL};
