/* SPDX-License-Identifier: MIT
 *
 * Reading little-endian fields out of table bytes, which ACPI does not align. Callers check bounds.
 */
#pragma once

#include <lagan/string.h>
#include <lagan/types.h>

#define ACPI_HEADER_BYTES 36 /* signature, length, ..., creator revision */

static inline uint16_t get_le16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t get_le32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t get_le64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}
