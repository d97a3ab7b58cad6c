/* SPDX-License-Identifier: MIT
 *
 * What the portable files of linux/ use of the kernel, on the host: only as much as they need, so that they
 * can be tested there, with threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
