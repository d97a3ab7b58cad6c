/* SPDX-License-Identifier: MIT
 *
 * How a test file offers its cases to the runner (main.c): one `const struct suite suite_NAME`,
 * named by the program's prog_*.c in its array `suites`.
 */
#pragma once

#include <CUnit/CUnit.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

struct suite {
    const char *name;
    const struct test_case *cases; /* ends at a NULL name */
    int (*setup)(void);            /* once before the suite's cases; may be NULL */
    int (*teardown)(void);
};

extern const struct suite *const suites[]; /* ends at NULL */

/* The run's seed: LAGAN_SEED in the environment, or the clock where that is empty; printed at start. */
extern unsigned long test_seed;
