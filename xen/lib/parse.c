/* SPDX-License-Identifier: MIT
 *
 * Words and numbers of the command lines. All of this reads text that a boot loader or a user
 * wrote: nothing is assumed about it but that the line is terminated.
 */
#include <lagan/parse.h>
#include <lagan/string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct text text_word(const char **line)
{
    struct text t;

    while (blank(**line))
        (*line)++;
    t.at = *line;
    while (**line != '\0' && !blank(**line))
        (*line)++;
    t.length = (size_t)(*line - t.at);
    return t;
}

struct text text_split(struct text *t, char separator)
{
    struct text part = {t->at, 0};

    while (part.length < t->length && part.at[part.length] != separator)
        part.length++;
    *t = text_from(*t, part.length < t->length ? part.length + 1 : part.length);
    return part;
}

struct text text_of(const char *s)
{
    return (struct text){s, strlen(s)};
}

bool text_is(struct text t, const char *s)
{
    return t.length == strlen(s) && memcmp(t.at, s, t.length) == 0;
}

bool text_starts(struct text t, const char *s)
{
    size_t n = strlen(s);

    return t.length >= n && memcmp(t.at, s, n) == 0;
}

struct text text_from(struct text t, size_t n)
{
    return (struct text){t.at + n, t.length - n};
}

bool text_has(struct text t, char c)
{
    for (size_t i = 0; i < t.length; i++)
        if (t.at[i] == c)
            return true;
    return false;
}

bool text_copy(struct text t, char *dst, size_t size)
{
    if (t.length >= size)
        return false;
    memcpy(dst, t.at, t.length);
    dst[t.length] = '\0';
    return true;
}

/* The digit's value; 16, which no base has, for other characters. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

bool parse_u64(struct text t, uint64_t *n)
{
    unsigned base = 10;
    uint64_t value = 0;

    if (text_starts(t, "0x") || text_starts(t, "0X")) {
        base = 16;
        t = text_from(t, 2);
    } else if (t.length > 1 && t.at[0] == '0') {
        base = 8;
    }
    if (t.length == 0)
        return false;
    for (size_t i = 0; i < t.length; i++) {
        unsigned digit = digit_value(t.at[i]);

        if (digit >= base || mul_overflows(value, base, &value) ||
            add_overflows(value, digit, &value))
            return false;
    }
    *n = value;
    return true;
}

bool parse_range(struct text t, unsigned low, unsigned high, unsigned *n)
{
    uint64_t value;

    if (!parse_u64(t, &value) || value < low || value > high)
        return false;
    *n = (unsigned)value;
    return true;
}

/* The power of two that a unit letter stands for, or -1. */
static int unit_shift(char c)
{
    switch (c) {
    case 'B':
    case 'b':
        return 0;
    case 'K':
    case 'k':
        return 10;
    case 'M':
    case 'm':
        return 20;
    case 'G':
    case 'g':
        return 30;
    case 'T':
    case 't':
        return 40;
    default:
        return -1;
    }
}

bool parse_size(struct text t, uint64_t *bytes)
{
    /* A hexadecimal number may end in a b that is a digit: only without 0x is it a unit. */
    bool hex = text_starts(t, "0x") || text_starts(t, "0X");
    int shift = t.length > 0 ? unit_shift(t.at[t.length - 1]) : -1;
    uint64_t n, product;

    if (hex && shift == 0)
        shift = -1;
    if (shift >= 0)
        t.length--;
    else
        shift = 10;
    if (!parse_u64(t, &n) || mul_overflows(n, UINT64_C(1) << shift, &product))
        return false;
    *bytes = product;
    return true;
}

bool parse_bool(struct text t, bool *b)
{
    static const char *const yes[] = {"yes", "on", "true", "enable", "1"};
    static const char *const no[] = {"no", "off", "false", "disable", "0"};

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (text_is(t, yes[i]) || text_is(t, no[i])) {
            *b = text_is(t, yes[i]);
            return true;
        }
    }
    return false;
}

bool parse_cpus(struct text t, cpumask_t *cpus)
{
    cpumask_t all = cpumask_none();

    do {
        struct text range = text_split(&t, ',');
        bool has_end = text_has(range, '-');
        unsigned first, last;

        if (!parse_range(text_split(&range, '-'), 0, MAX_CPUS - 1, &first))
            return false;
        last = first;
        if (has_end && !parse_range(range, first, MAX_CPUS - 1, &last))
            return false;
        for (unsigned cpu = first; cpu <= last; cpu++)
            all = cpumask_or(all, cpumask_of(cpu));
        if (t.length == 0 && range.at + range.length != t.at)
            return false; /* a comma at the end */
    } while (t.length > 0);
    *cpus = all;
    return true;
}
