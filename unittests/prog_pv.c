/* SPDX-License-Identifier: MIT */
#include "suite.h"

extern const struct suite suite_pv_layout;

const struct suite *const suites[] = {&suite_pv_layout, NULL};
