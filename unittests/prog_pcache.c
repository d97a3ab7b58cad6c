/* SPDX-License-Identifier: MIT
 *
 * Tests of the page cache.
 */
#include "suite.h"

extern const struct suite suite_pcache;

const struct suite *const suites[] = {&suite_pcache, NULL};
