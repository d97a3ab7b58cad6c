/* SPDX-License-Identifier: MIT
 *
 * The target's C library functions under their test names: see lib_rename.h.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *target_memcpy(void *dst, const void *src, size_t n);
void *target_memmove(void *dst, const void *src, size_t n);
void *target_memset(void *dst, int byte, size_t n);
int target_memcmp(const void *a, const void *b, size_t n);
size_t target_strlen(const char *s);
size_t target_strnlen(const char *s, size_t max);
int target_strcmp(const char *a, const char *b);
int target_strncmp(const char *a, const char *b, size_t n);
char *target_strchr(const char *s, int c);
int target_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 3, 0)));
int target_snprintf(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
