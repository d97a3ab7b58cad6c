/* SPDX-License-Identifier: MIT
 *
 * Formatted text. On the target xen/lib/vsnprintf.c, on the host the C library's.
 *
 * Understood: flags - 0 + space #, width and precision as numbers or *, lengths hh h l ll z j t,
 * and the conversions d i u x X o c s p %. There is no floating point and no %n. Anything else is
 * copied as it stands, so that a mistake is seen in the output.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Writes at most size - 1 characters and a terminator (size 0: nothing, and buf may be NULL).
 * Returns the length that the whole text has, without the terminator: it was cut short if that is
 * >= size. */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
