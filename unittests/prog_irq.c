/* SPDX-License-Identifier: MIT
 *
 * Tests of the devices that belong to the control domain: interrupts, messages, ports.
 */
#include <stddef.h>

#include "suite.h"

extern const struct suite suite_vectors, suite_msi, suite_pirq, suite_pirq_model, suite_port_rights,
    suite_physdev, suite_platform, suite_io_guard, suite_storm;

const struct suite *const suites[] = {
    &suite_vectors, &suite_msi,      &suite_pirq,     &suite_pirq_model, &suite_port_rights,
    &suite_physdev, &suite_platform, &suite_io_guard, &suite_storm,      NULL};
