/* SPDX-License-Identifier: MIT
 *
 * CUnit's checks for programs that are no tests, but stand on the tests' kits: the first that fails ends the program.
 */
#include <stdio.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

CU_BOOL CU_assertImplementation(CU_BOOL value, unsigned line, const char *condition,
                                const char *file, const char *function, CU_BOOL fatal)
{
    (void)function;
    (void)fatal;
    if (!value) {
        fprintf(stderr, "%s:%u: %s\n", file, line, condition);
        abort();
    }
    return value;
}
