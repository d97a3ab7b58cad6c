/* SPDX-License-Identifier: MIT
 *
 * A machine's firmware memory for the ACPI tests and the fuzzer: a block of bytes at a physical
 * address, which map_firmware() gives out and nothing else; and printk() into a buffer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* From now on the machine has these bytes at `phys`, and nothing anywhere else. */
void fake_firmware_set(uint64_t phys, const uint8_t *bytes, size_t count);

/* What has been logged since fake_log_clear(). */
extern char fake_log[4096];
void fake_log_clear(void);
