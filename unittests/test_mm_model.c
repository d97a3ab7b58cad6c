/* SPDX-License-Identifier: MIT
 *
 * placeholder
 */
#include "unittests/mm_kit.h"
static void test_x(void)
{
    CU_ASSERT(1);
}
static const struct test_case cases[] = {{"x", test_x}, {0}};
const struct suite suite_mm_model = {"mm_model", cases, NULL, NULL};
