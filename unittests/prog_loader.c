/* SPDX-License-Identifier: MIT
 *
 * Tests of kernel files: bzImage, the unpacking of their payloads.
 */
#include "suite.h"

extern const struct suite suite_bzimage, suite_unpack;

const struct suite *const suites[] = {&suite_bzimage, &suite_unpack, NULL};
