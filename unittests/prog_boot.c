/* SPDX-License-Identifier: MIT
 *
 * Tests of what the boot path decides without touching a machine: the loader's information, the
 * memory map, early memory, page-table isolation.
 */
#include <stdio.h>
#include <stdlib.h>

#include <lagan/assert.h>

#include "suite.h"

extern const struct suite suite_multiboot, suite_screen, suite_bootinfo, suite_bootmem,
    suite_pti_policy;
const struct suite *const suites[] = {&suite_multiboot, &suite_screen,     &suite_bootinfo,
                                      &suite_bootmem,   &suite_pti_policy, NULL};

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s at %s:%d\n", what, file, line);
    abort();
}
