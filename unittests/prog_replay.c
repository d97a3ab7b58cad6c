/* SPDX-License-Identifier: MIT
 *
 * Traces over the page cache's policies together, and the readers of trace files.
 */
#include "suite.h"

extern const struct suite suite_replay;

const struct suite *const suites[] = {&suite_replay, NULL};
