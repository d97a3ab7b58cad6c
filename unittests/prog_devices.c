/* SPDX-License-Identifier: MIT
 *
 * Tests of the machine's devices, as far as they are arithmetic and parsing.
 */
#include <stddef.h>

#include "suite.h"

extern const struct suite suite_acpi, suite_topology, suite_tsc, suite_rtc, suite_bytering;

const struct suite *const suites[] = {&suite_acpi, &suite_topology, &suite_tsc,
                                      &suite_rtc,  &suite_bytering, NULL};
