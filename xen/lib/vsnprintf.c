/* SPDX-License-Identifier: MIT
 *
 * Formatted text for the target.
 *
 * A conversion goes through three steps: parse_spec() reads what stands between '%' and the
 * conversion letter; the argument is fetched, in a width that the length modifier names, and turned
 * into a run of characters (a `struct field`: sign or 0x, zeroes, text); put_field() pads that to
 * the width. The text is counted to its end even where the buffer has no more room, since the
 * length is the return value.
 */
#include <lagan/string.h>
#include <lagan/vsnprintf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* INV-FMT-1: buf[0 .. min(length, size)) is written; nothing at or beyond buf[size] ever is. */
struct out {
    char *buf;
    size_t size;
    size_t length;
};

struct spec {
    bool left, zero, plus, space, alternate;
    int width;
    int precision; /* -1: none given */
    char length;   /* 'H' for hh, 'h', 'l' for l, ll, z, j and t (all are 64 bits), 0 */
};

struct field {
    const char *prefix; /* sign or base */
    size_t zeroes;      /* between the prefix and the text */
    const char *text;
    size_t text_length;
};

static void put(struct out *o, char c)
{
    if (o->length < o->size)
        o->buf[o->length] = c;
    o->length++;
}

static void put_many(struct out *o, char c, size_t n)
{
    while (n-- > 0)
        put(o, c);
}

static void put_text(struct out *o, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(o, s[i]);
}

static void put_field(struct out *o, const struct spec *s, const struct field *f)
{
    size_t prefix = strlen(f->prefix);
    size_t used = prefix + f->zeroes + f->text_length;
    size_t pad = (size_t)s->width > used ? (size_t)s->width - used : 0;

    if (!s->left)
        put_many(o, ' ', pad);
    put_text(o, f->prefix, prefix);
    put_many(o, '0', f->zeroes);
    put_text(o, f->text, f->text_length);
    if (s->left)
        put_many(o, ' ', pad);
}

/* How many zeroes a number of `digits` digits needs: the precision asks for them, or, without one,
 * the flag 0 together with the width. */
static size_t leading_zeroes(const struct spec *s, size_t prefix, size_t digits)
{
    size_t used = prefix + digits;

    if (s->precision >= 0)
        return (size_t)s->precision > digits ? (size_t)s->precision - digits : 0;
    if (s->zero && !s->left && (size_t)s->width > used)
        return (size_t)s->width - used;
    return 0;
}

static void put_number(struct out *o, const struct spec *s, uint64_t n, unsigned base, bool upper,
                       const char *prefix)
{
    const char *digit = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24]; /* 22 octal digits hold 64 bits */
    char *end = text + sizeof(text), *p = end;
    struct field f = {.prefix = prefix};

    while (n != 0) {
        *--p = digit[n % base];
        n /= base;
    }
    if (p == end && s->precision != 0)
        *--p = '0';
    f.text = p;
    f.text_length = (size_t)(end - p);
    f.zeroes = leading_zeroes(s, strlen(prefix), f.text_length);
    if (base == 8 && s->alternate && f.zeroes == 0 && (p == end || *p != '0'))
        f.zeroes = 1;
    put_field(o, s, &f);
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
    struct field f = {.prefix = ""};

    f.text = text ? text : "(null)";
    f.text_length = s->precision >= 0 ? strnlen(f.text, (size_t)s->precision) : strlen(f.text);
    put_field(o, s, &f);
}

/* Reads digits or '*'. A number beyond INT_MAX stays there: nobody can want such a field. */
static int parse_number(const char **fmt, va_list *args)
{
    int n = 0;

    if (**fmt == '*') {
        (*fmt)++;
        return va_arg(*args, int);
    }
    for (; **fmt >= '0' && **fmt <= '9'; (*fmt)++)
        n = n > (INT_MAX - 9) / 10 ? INT_MAX : n * 10 + (**fmt - '0');
    return n;
}

static bool parse_flag(struct spec *s, char c)
{
    switch (c) {
    case '-':
        return s->left = true;
    case '0':
        return s->zero = true;
    case '+':
        return s->plus = true;
    case ' ':
        return s->space = true;
    case '#':
        return s->alternate = true;
    default:
        return false;
    }
}

static void parse_length(const char **fmt, struct spec *s)
{
    for (;; (*fmt)++) {
        switch (**fmt) {
        case 'h':
            s->length = s->length == 'h' ? 'H' : 'h';
            break;
        case 'l':
        case 'z':
        case 'j':
        case 't':
            s->length = 'l';
            break;
        default:
            return;
        }
    }
}

/* Leaves *fmt at the conversion letter. */
static struct spec parse_spec(const char **fmt, va_list *args)
{
    struct spec s = {.precision = -1};

    while (parse_flag(&s, **fmt))
        (*fmt)++;
    s.width = parse_number(fmt, args);
    if (s.width < 0) {
        s.left = true;
        s.width = s.width == INT_MIN ? INT_MAX : -s.width;
    }
    if (**fmt == '.') {
        (*fmt)++;
        s.precision = parse_number(fmt, args);
    }
    parse_length(fmt, &s);
    return s;
}

static uint64_t fetch_unsigned(const struct spec *s, va_list *args)
{
    switch (s->length) {
    case 'l':
        return va_arg(*args, uint64_t);
    case 'h':
        return (unsigned short)va_arg(*args, unsigned);
    case 'H':
        return (unsigned char)va_arg(*args, unsigned);
    default:
        return va_arg(*args, unsigned);
    }
}

static void put_signed(struct out *o, const struct spec *s, va_list *args)
{
    int64_t n;

    switch (s->length) {
    case 'l':
        n = va_arg(*args, int64_t);
        break;
    case 'h':
        n = (short)va_arg(*args, int);
        break;
    case 'H':
        n = (signed char)va_arg(*args, int);
        break;
    default:
        n = va_arg(*args, int);
        break;
    }
    if (n < 0)
        put_number(o, s, -(uint64_t)n, 10, false, "-");
    else
        put_number(o, s, (uint64_t)n, 10, false, s->plus ? "+" : s->space ? " " : "");
}

static void put_hex(struct out *o, const struct spec *s, va_list *args, bool upper)
{
    uint64_t n = fetch_unsigned(s, args);

    put_number(o, s, n, 16, upper, !s->alternate || n == 0 ? "" : upper ? "0X" : "0x");
}

static void put_char(struct out *o, const struct spec *s, char c)
{
    put_field(o, s, &(struct field){.prefix = "", .text = &c, .text_length = 1});
}

/* False when the letter is none that we know; no argument has been fetched then. */
static bool put_conversion(struct out *o, struct spec *s, char letter, va_list *args)
{
    switch (letter) {
    case 'd':
    case 'i':
        put_signed(o, s, args);
        return true;
    case 'u':
        put_number(o, s, fetch_unsigned(s, args), 10, false, "");
        return true;
    case 'x':
    case 'X':
        put_hex(o, s, args, letter == 'X');
        return true;
    case 'o':
        put_number(o, s, fetch_unsigned(s, args), 8, false, "");
        return true;
    case 'p':
        put_number(o, s, (uintptr_t)va_arg(*args, void *), 16, false, "0x");
        return true;
    case 's':
        put_string(o, s, va_arg(*args, const char *));
        return true;
    case 'c':
        put_char(o, s, (char)va_arg(*args, int));
        return true;
    case '%':
        put(o, '%');
        return true;
    default:
        return false;
    }
}

static void format(struct out *o, const char *fmt, va_list *args)
{
    while (*fmt) {
        const char *start = fmt;

        if (*fmt != '%') {
            put(o, *fmt++);
            continue;
        }
        fmt++;
        struct spec s = parse_spec(&fmt, args);

        if (*fmt && put_conversion(o, &s, *fmt, args))
            fmt++;
        else
            put_text(o, start, (size_t)(fmt - start));
    }
}

int vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out o = {.buf = buf, .size = size};
    va_list copy;

    va_copy(copy, args); /* a parameter's address would be a pointer of the wrong type on x86-64 */
    format(&o, fmt, &copy);
    va_end(copy);
    if (size > 0)
        buf[o.length < size ? o.length : size - 1] = '\0';
    return o.length > INT_MAX ? INT_MAX : (int)o.length;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(buf, size, fmt, args);
    va_end(args);
    return n;
}
