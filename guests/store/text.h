/* SPDX-License-Identifier: MIT
 *
 * Text put together in a buffer of fixed size, and numbers read from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *at;
    unsigned length, limit;
    uint64_t skip; /* bytes still to be left out, before the first that is kept */
    bool cut;      /* something did not fit; what is there is whole pieces */
};

static inline struct text text_in(char *buffer, unsigned limit)
{
    return (struct text){.at = buffer, .limit = limit};
}

void text_add(struct text *text, const void *bytes, size_t count);
/* Without its terminator. */
void text_add_string(struct text *text, const char *string);
void text_add_char(struct text *text, char c);
void text_add_number(struct text *text, uint64_t number);
/* A whole string of decimal digits, at most `max`. */
bool text_number(const char *string, uint64_t max, uint64_t *number);
