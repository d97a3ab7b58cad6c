/* SPDX-License-Identifier: MIT
 *
 * The machine's memory map, as the control domain sees it.
 */
#pragma once

/* Completes boot_info's map, which nobody else reads any more. After acpi_init(). */
void machine_map_init(void);
