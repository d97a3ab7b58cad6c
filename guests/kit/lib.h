/* SPDX-License-Identifier: MIT
 *
 * The few functions of the C library that the compiler and the guests want.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
