/* SPDX-License-Identifier: MIT
 *
 * Runs the suites of one test program with CUnit, prints its summary, and fails the process when
 * any assertion failed or no test ran.
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "suite.h"

unsigned long test_seed;

static void choose_seed(void)
{
    const char *given = getenv("LAGAN_SEED");

    test_seed = given && *given ? strtoul(given, NULL, 0) : (unsigned long)time(NULL);
    printf("seed: LAGAN_SEED=%lu\n", test_seed);
}

static void add_suite(const struct suite *s)
{
    CU_pSuite suite = CU_add_suite(s->name, s->setup, s->teardown);

    if (!suite)
        exit(2);
    for (const struct test_case *c = s->cases; c->name; c++)
        if (!CU_add_test(suite, c->name, c->run))
            exit(2);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    choose_seed();
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (const struct suite *const *s = suites; *s; s++)
        add_suite(*s);
    CU_basic_set_mode(getenv("LAGAN_VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    CU_basic_run_tests();

    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    unsigned ran = CU_get_number_of_tests_run();

    CU_cleanup_registry();
    return failed || !ran ? 1 : 0;
}
