/* SPDX-License-Identifier: MIT
 *
 * Tests of the core: domains from creation to the end, hypercalls and their dispatch, reservations,
 * the domain builder, domains that come with the boot.
 */
#include "suite.h"

extern const struct suite suite_domain, suite_hypercall, suite_vcpu_op, suite_reservation,
    suite_memory_op, suite_exchange, suite_pv_build, suite_bootdomains, suite_store_service,
    suite_preempted, suite_pressure, suite_pressure_for, suite_hcall_pcache, suite_hcall_ubc,
    suite_lives, suite_domctl, suite_domctl_vcpu, suite_sysctl;

const struct suite *const suites[] = {&suite_domain,
                                      &suite_hypercall,
                                      &suite_vcpu_op,
                                      &suite_reservation,
                                      &suite_memory_op,
                                      &suite_exchange,
                                      &suite_pv_build,
                                      &suite_bootdomains,
                                      &suite_store_service,
                                      &suite_preempted,
                                      &suite_pressure,
                                      &suite_pressure_for,
                                      &suite_hcall_pcache,
                                      &suite_hcall_ubc,
                                      &suite_lives,
                                      &suite_domctl,
                                      &suite_domctl_vcpu,
                                      &suite_sysctl,
                                      NULL};
