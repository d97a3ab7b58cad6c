/* SPDX-License-Identifier: MIT
 *
 * The C library's memory and string functions, with their usual contracts. On the target they are
 * xen/lib/string.c; the host tests link the host's own. strlcpy() is ours on both machines
 * (xen/lib/strlcpy.c), as not every host has it.
 */
#pragma once

#include <stddef.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Copies at most size - 1 characters and a terminator; size 0 writes nothing. Returns strlen(src):
 * the copy is cut short if that is >= size. */
size_t strlcpy(char *dst, const char *src, size_t size);
