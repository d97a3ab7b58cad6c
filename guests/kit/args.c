/* SPDX-License-Identifier: MIT
 *
 * Looking up words of the guest's command line.
 */
#include "kit/args.h"
#include "kit/kit.h"
#include "kit/lib.h"

const char *args_line(void)
{
    return (const char *)kit_start_info->cmd_line;
}

/* The text behind `key` in the word that starts with it, or NULL. */
static const char *find(const char *key)
{
    const char *at = args_line();
    size_t length = strlen(key);

    while (*at != '\0') {
        while (*at == ' ') {
            at++;
        }
        size_t i = 0;
        while (i < length && at[i] == key[i]) {
            i++;
        }
        if (i == length && (at[i] == '=' || at[i] == ' ' || at[i] == '\0')) {
            return at + i;
        }
        while (*at != '\0' && *at != ' ') {
            at++;
        }
    }
    return NULL;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

uint64_t args_number(const char *key, uint64_t otherwise)
{
    const char *at = find(key);
    uint64_t value = 0;
    unsigned base = 10;

    if (at == NULL || *at != '=') {
        return otherwise;
    }
    at++;
    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    for (; digit_value(*at) < base; at++) {
        value = value * base + digit_value(*at);
    }
    return value;
}

bool args_is(const char *key, const char *value)
{
    const char *at = find(key);
    size_t length = strlen(value);

    return at != NULL && *at == '=' && strlen(at + 1) >= length &&
           memcmp(at + 1, value, length) == 0 && (at[1 + length] == ' ' || at[1 + length] == '\0');
}

bool args_has(const char *word)
{
    return find(word) != NULL;
}
