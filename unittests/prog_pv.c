/* SPDX-License-Identifier: MIT */
#include "suite.h"

extern const struct suite suite_pv_layout, suite_pv_bounce;

const struct suite *const suites[] = {&suite_pv_layout, &suite_pv_bounce, NULL};
