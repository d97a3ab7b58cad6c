/* SPDX-License-Identifier: MIT
 *
 * Tests of the small library, the log, and the parsers.
 */
#include "suite.h"

extern const struct suite suite_string, suite_vsnprintf, suite_cmdline, suite_modline, suite_elf,
    suite_dom0;

const struct suite *const suites[] = {
    &suite_string, &suite_vsnprintf, &suite_cmdline, &suite_modline, &suite_elf, &suite_dom0, NULL};
