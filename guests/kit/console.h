/* SPDX-License-Identifier: MIT
 *
 * Text out. The console_io hypercall is used if the hypervisor takes it (it does from a first
 * domain, and from a domain built from a boot module); otherwise the shared ring that start_info
 * names.
 *
 * printf knows %c %s %d %u %x %p %%, with the widths of l and ll, and zero-padded or space-padded
 * field widths. A line goes out in one piece, so that the lines of several vCPUs do not mix.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void console_init(void);
void console_write(const char *text, size_t length);
void kit_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kit_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
/* Writes at most size bytes including the final zero; the length without it. */
size_t kit_vsnprintf(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
size_t kit_snprintf(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
