/* SPDX-License-Identifier: MIT
 *
 * CPUID policies as lists of leaves and as feature words, the forms in which a toolstack reads and
 * writes them: the pure part.
 */
#pragma once

#include <lagan/types.h>
#include <xen/xen.h>
#include "xen/arch/x86/pv_cpuid_policy.h"

/* All leaves that a toolstack knows, in at most CPU_POLICY_LEAVES_MAX entries; how many. */
unsigned cpuid_policy_list(const struct cpuid_policy *p, xen_cpuid_leaf_t *out);

/* Turns *p, the policy for all guests, into the one that the list describes, which may only take
 * away from it. *bad: the index of the leaf at fault. -XEN_ERANGE: no such leaf; -XEN_EINVAL: another
 * vendor, or leaves that guests do not have: *p is of no use then. */
int cpuid_policy_restrict(struct cpuid_policy *p, const xen_cpuid_leaf_t *leaf, unsigned count,
                          unsigned *bad) LAGAN_MUST_CHECK;

/* Word i of the feature set (arch-x86/cpufeatureset.h). */
uint32_t cpuid_policy_features(const struct cpuid_policy *p, unsigned i);
