/* SPDX-License-Identifier: MIT
 *
 * Gives the target's C library functions other names, so that a test can hold them next to the
 * host's: a test file includes this, then the .c file under test.
 */
#pragma once

#define memcpy    target_memcpy
#define memmove   target_memmove
#define memset    target_memset
#define memcmp    target_memcmp
#define strlen    target_strlen
#define strnlen   target_strnlen
#define strcmp    target_strcmp
#define strncmp   target_strncmp
#define strchr    target_strchr
#define vsnprintf target_vsnprintf
#define snprintf  target_snprintf
