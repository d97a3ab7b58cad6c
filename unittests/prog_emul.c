/* SPDX-License-Identifier: MIT
 *
 * The paravirtual CPU on the host: decoder, emulator, policies, descriptor tables.
 */
#include <stddef.h>

#include "suite.h"

extern const struct suite suite_pv_decode, suite_pv_policy, suite_pv_emul, suite_pv_desc,
    suite_hcall_pv, suite_cpuid_leaves;

const struct suite *const suites[] = {
    &suite_pv_decode, &suite_pv_policy,    &suite_pv_emul, &suite_pv_desc,
    &suite_hcall_pv,  &suite_cpuid_leaves, NULL,
};
