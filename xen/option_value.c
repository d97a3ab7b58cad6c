/* SPDX-License-Identifier: MIT
 *
 * The values of those options that are more than a number or a yes. Each reads the whole text
 * before it changes anything.
 */
#include <lagan/parse.h>
#include "xen/option_value.h"

static LAGAN_INIT bool parse_parity(char c, char *parity)
{
    if (c != 'n' && c != 'o' && c != 'e' && c != 'm' && c != 's')
        return false;
    *parity = c;
    return true;
}

LAGAN_INIT bool option_uart(struct text t, struct option_uart *uart)
{
    struct option_uart u = *uart;
    struct text speed = text_split(&t, ','), dps = text_split(&t, ',');
    struct text base = text_split(&t, ','), irq = text_split(&t, ',');
    struct text baud = text_split(&speed, '/');

    u.given = true;
    if (text_is(baud, "auto"))
        u.baud = 0;
    else if (!parse_range(baud, 1200, 115200 * 8, &u.baud))
        return false;
    if (dps.length > 0) {
        if (dps.length != 3 || !parse_range((struct text){dps.at, 1}, 5, 8, &u.data_bits) ||
            !parse_parity(dps.at[1], &u.parity) ||
            !parse_range((struct text){dps.at + 2, 1}, 1, 2, &u.stop_bits))
            return false;
    }
    if (base.length > 0 && !parse_range(base, 0x100, 0xfff8, &u.io_base))
        return false;
    if (irq.length > 0 && !parse_range(irq, 0, 15, &u.irq))
        return false;
    if (t.length > 0)
        return false;
    *uart = u;
    return true;
}

LAGAN_INIT bool option_console(struct text t, unsigned *console)
{
    unsigned bits = 0;

    do {
        struct text name = text_split(&t, ',');

        if (text_is(name, "com1"))
            bits |= CONSOLE_COM1;
        else if (text_is(name, "com2"))
            bits |= CONSOLE_COM2;
        else if (text_is(name, "vga"))
            bits |= CONSOLE_VGA;
        else if (!text_is(name, "none"))
            return false;
    } while (t.length > 0);
    *console = bits;
    return true;
}

static LAGAN_INIT bool parse_level(struct text t, uint8_t *threshold)
{
    static const char *const names[] = {"none", "error", "warning", "info", "debug"};

    STATIC_ASSERT(ARRAY_SIZE(names) == LOG_DEBUG + 2);
    if (text_is(t, "all")) {
        *threshold = LOG_DEBUG + 1;
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (text_is(t, names[i])) {
            *threshold = (uint8_t)i;
            return true;
        }
    }
    return false;
}

LAGAN_INIT bool option_loglvl(struct text t, struct log_threshold *threshold)
{
    struct text first = text_split(&t, '/');
    struct log_threshold both;

    if (!parse_level(first, &both.always))
        return false;
    both.limited = both.always;
    if (t.length > 0 && !parse_level(t, &both.limited))
        return false;
    if (both.limited < both.always)
        both.limited = both.always;
    *threshold = both;
    return true;
}

LAGAN_INIT bool option_conswitch(struct text t, struct options *o)
{
    bool keep = t.length == 2 && t.at[1] == 'x';
    char letter = t.length > 0 ? t.at[0] : '\0';

    if (t.length != 1 && !keep)
        return false;
    if (letter != '`' && (letter < 'a' || letter > 'z'))
        return false;
    o->conswitch = letter == '`' ? '\0' : letter;
    o->conswitch_keep = keep;
    return true;
}

LAGAN_INIT bool option_dom0(struct text t)
{
    static const char *const known[] = {
        "pv",          "verbose",       "no-verbose", "cpuid-faulting", "no-cpuid-faulting",
        "msr-relaxed", "no-msr-relaxed"};

    do {
        struct text word = text_split(&t, ',');
        size_t i = 0;

        while (i < ARRAY_SIZE(known) && !text_is(word, known[i]))
            i++;
        if (i == ARRAY_SIZE(known))
            return false;
    } while (t.length > 0);
    return true;
}

/* One word of the list, into the choices that it is about. */
static LAGAN_INIT bool parse_xpti(struct text word, enum option_choice *dom0,
                                  enum option_choice *domu)
{
    enum option_choice choice = OPTION_DEFAULT;
    bool for_dom0 = text_starts(word, "dom0="), for_domu = text_starts(word, "domu="), on;

    if (for_dom0 || for_domu)
        word = text_from(word, 5);
    if (parse_bool(word, &on))
        choice = on ? OPTION_ON : OPTION_OFF;
    else if (for_dom0 || for_domu || !text_is(word, "default"))
        return false;
    if (!for_domu)
        *dom0 = choice;
    if (!for_dom0)
        *domu = choice;
    return true;
}

LAGAN_INIT bool option_xpti(struct text t, struct options *o)
{
    enum option_choice dom0 = o->xpti_dom0, domu = o->xpti_domu;

    do {
        if (!parse_xpti(text_split(&t, ','), &dom0, &domu))
            return false;
    } while (t.length > 0);
    o->xpti_dom0 = dom0;
    o->xpti_domu = domu;
    return true;
}

LAGAN_INIT bool option_dom0_mem(struct text t, struct options *o)
{
    struct option_amount size = o->dom0_mem, low = o->dom0_mem_min, high = o->dom0_mem_max;

    do {
        struct text word = text_split(&t, ',');
        struct option_amount *amount = &size;
        bool below = false;
        uint64_t bytes;

        if (text_starts(word, "min:"))
            amount = &low;
        else if (text_starts(word, "max:"))
            amount = &high;
        if (amount != &size)
            word = text_from(word, 4);
        if (text_starts(word, "-")) {
            below = true;
            word = text_from(word, 1);
        }
        if (!parse_size(word, &bytes))
            return false;
        *amount = (struct option_amount){true, below, bytes};
    } while (t.length > 0);
    o->dom0_mem = size;
    o->dom0_mem_min = low;
    o->dom0_mem_max = high;
    return true;
}

LAGAN_INIT bool option_dom0_vcpus(struct text t, struct option_vcpus *vcpus)
{
    struct option_vcpus v = {1, XEN_LEGACY_MAX_VCPUS};
    bool range = text_has(t, '-');
    struct text low = text_split(&t, '-');

    if (!range) {
        if (!parse_range(low, 1, UINT_MAX, &v.high))
            return false;
        v.low = v.high;
    } else {
        if (low.length == 0 && t.length == 0)
            return false;
        if (low.length > 0 && !parse_range(low, 1, UINT_MAX, &v.low))
            return false;
        if (t.length > 0 && !parse_range(t, v.low, UINT_MAX, &v.high))
            return false;
        v.high = v.high < v.low ? v.low : v.high;
    }
    *vcpus = v;
    return true;
}
