/* SPDX-License-Identifier: MIT
 *
 * Text out of a guest: a small printf, and the two ways to a console.
 */
#include "kit/console.h"
#include "kit/hypercall.h"
#include <xen/io/console.h>
#include "kit/kit.h"
#include "kit/lib.h"

#define LINE_MAX 512

static struct {
    struct xencons_interface *ring; /* NULL: console_io takes the text */
    evtchn_port_t ring_port;
    volatile unsigned char busy; /* a vCPU is writing a line */
} console;

void console_init(void)
{
    const struct start_info *info = kit_start_info;

    if (hv_console_write("", 0) == 0 || (info->flags & SIF_INITDOMAIN) ||
        info->console.domU.mfn == 0) {
        return;
    }
    /* The ring's page is one of ours, mapped from the start at its pseudo-physical place. */
    console.ring = pfn_to_va(mfn_to_pfn(info->console.domU.mfn));
    console.ring_port = info->console.domU.evtchn;
}

static void ring_write(const char *text, size_t length)
{
    struct xencons_interface *ring = console.ring;
    struct evtchn_send send = {.port = console.ring_port};

    for (size_t i = 0; i < length; i++) {
        XENCONS_RING_IDX at = ring->out_prod;

        while (at - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) >= sizeof(ring->out)) {
            (void)hv_event(EVTCHNOP_send, &send);
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
        ring->out[MASK_XENCONS_IDX(at, ring->out)] = text[i];
        __atomic_store_n(&ring->out_prod, at + 1, __ATOMIC_RELEASE);
    }
    (void)hv_event(EVTCHNOP_send, &send);
}

void console_write(const char *text, size_t length)
{
    if (console.ring != NULL) {
        ring_write(text, length);
    } else {
        (void)hv_console_write(text, length);
    }
}

/* ---- printf ---- */

struct out {
    char *text;
    size_t size, length;
};

static void put(struct out *out, char c)
{
    if (out->length + 1 < out->size) {
        out->text[out->length] = c;
    }
    out->length++;
}

static void put_text(struct out *out, const char *text, unsigned width)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++) {
        put(out, text[i]);
    }
    while (length++ < width) {
        put(out, ' ');
    }
}

static void put_number(struct out *out, uint64_t value, unsigned base, unsigned width, char pad,
                       bool negative)
{
    char digits[24];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        digits[count++] = '-';
    }
    while (width > count) {
        put(out, pad);
        width--;
    }
    while (count > 0) {
        put(out, digits[--count]);
    }
}

static uint64_t take_unsigned(va_list *args, unsigned longs)
{
    return longs > 0 ? va_arg(*args, unsigned long) : va_arg(*args, unsigned int);
}

static int64_t take_signed(va_list *args, unsigned longs)
{
    return longs > 0 ? va_arg(*args, long) : va_arg(*args, int);
}

/* One conversion, after its percent sign and flags. */
static void convert(struct out *out, char kind, unsigned longs, unsigned width, char pad,
                    va_list *args)
{
    int64_t number;

    switch (kind) {
    case 'c':
        put(out, (char)va_arg(*args, int));
        break;
    case 's':
        put_text(out, va_arg(*args, const char *), width);
        break;
    case 'd':
        number = take_signed(args, longs);
        put_number(out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10, width, pad,
                   number < 0);
        break;
    case 'u':
        put_number(out, take_unsigned(args, longs), 10, width, pad, false);
        break;
    case 'x':
        put_number(out, take_unsigned(args, longs), 16, width, pad, false);
        break;
    case 'p':
        put_number(out, (uint64_t)va_arg(*args, void *), 16, 16, '0', false);
        break;
    default:
        put(out, kind);
        break;
    }
}

size_t kit_vsnprintf(char *text, size_t size, const char *format, va_list args)
{
    struct out out = {.text = text, .size = size};
    va_list left;

    va_copy(left, args);
    for (const char *f = format; *f != '\0'; f++) {
        unsigned width = 0, longs = 0;
        char pad = ' ';

        if (*f != '%') {
            put(&out, *f);
            continue;
        }
        f++;
        if (*f == '-') {
            f++; /* text is always padded on its right */
        }
        if (*f == '0') {
            pad = '0';
        }
        for (; *f >= '0' && *f <= '9'; f++) {
            width = width * 10 + (unsigned)(*f - '0');
        }
        for (; *f == 'l'; f++) {
            longs++;
        }
        if (*f == '\0') {
            break;
        }
        convert(&out, *f, longs, width, pad, &left);
    }
    va_end(left);
    if (size > 0) {
        text[out.length < size ? out.length : size - 1] = '\0';
    }
    return out.length < size ? out.length : size - 1;
}

size_t kit_snprintf(char *text, size_t size, const char *format, ...)
{
    va_list args;
    size_t length;

    va_start(args, format);
    length = kit_vsnprintf(text, size, format, args);
    va_end(args);
    return length;
}

void kit_vprintf(const char *format, va_list args)
{
    char line[LINE_MAX];
    size_t length = kit_vsnprintf(line, sizeof(line), format, args);

    /* An upcall that prints must not find its own vCPU holding the console. */
    bool were_open = upcalls_mask();

    while (__atomic_test_and_set(&console.busy, __ATOMIC_ACQUIRE)) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    console_write(line, length);
    __atomic_clear(&console.busy, __ATOMIC_RELEASE);
    upcalls_restore(were_open);
}

void kit_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    kit_vprintf(format, args);
    va_end(args);
}
