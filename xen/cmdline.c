/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's command line: a table of names, a kind of value for each, and the place of the
 * value in struct options. The kinds are few, and the parser of each one has read all of its text
 * before it changes the place, so that a malformed option leaves the default as it was.
 *
 * Options of Xen that ask for something that we always or never do, and whose absence harms nobody,
 * are of the kind IGNORED: they come from GRUB's own scripts or from a configuration written for
 * Xen, and a warning for each would only teach people not to read warnings.
 */
#include <lagan/parse.h>
#include <lagan/string.h>
#include "xen/cmdline.h"
#include "xen/option_value.h"

enum kind {
    KIND_BOOL,
    KIND_UINT,
    KIND_SIZE,
    KIND_TEXT,
    KIND_UART,
    KIND_CONSOLE,
    KIND_LOGLVL,
    KIND_CONSWITCH,
    KIND_DOM0,
    KIND_DOM0_MEM,
    KIND_DOM0_VCPUS,
    KIND_WATCHDOG,
    KIND_XPTI,
    KIND_NOSMP,
    KIND_IGNORED,
};

struct option {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct options */
};

#define AT(member) offsetof(struct options, member)

static const struct option table[] = {
    {"com1", KIND_UART, AT(com1)},
    {"com2", KIND_UART, AT(com2)},
    {"console", KIND_CONSOLE, 0},
    {"console_to_ring", KIND_BOOL, AT(console_to_ring)},
    {"conswitch", KIND_CONSWITCH, 0},
    {"loglvl", KIND_LOGLVL, AT(loglvl)},
    {"guest_loglvl", KIND_LOGLVL, AT(guest_loglvl)},
    {"dom0", KIND_DOM0, 0},
    {"dom0_mem", KIND_DOM0_MEM, 0},
    {"dom0_max_vcpus", KIND_DOM0_VCPUS, 0},
    {"dom0_vcpus_pin", KIND_BOOL, AT(dom0_vcpus_pin)},
    {"noreboot", KIND_BOOL, AT(noreboot)},
    {"qemu-exit", KIND_BOOL, AT(qemu_exit)},
    {"maxcpus", KIND_UINT, AT(maxcpus)},
    {"nosmp", KIND_NOSMP, 0},
    {"mem", KIND_SIZE, AT(mem)},
    {"smt", KIND_BOOL, AT(smt)},
    {"x2apic", KIND_BOOL, AT(x2apic)},
    {"xsave", KIND_BOOL, AT(xsave)},
    {"smep", KIND_BOOL, AT(smep)},
    {"smap", KIND_BOOL, AT(smap)},
    {"umip", KIND_BOOL, AT(umip)},
    {"xpti", KIND_XPTI, 0},
    {"watchdog", KIND_WATCHDOG, 0},
    {"watchdog_timeout", KIND_UINT, AT(watchdog_timeout)},
    {"clocksource", KIND_TEXT, AT(clocksource)},
    {"sched_credit_tslice_ms", KIND_UINT, AT(sched_slice_ms)},
};

static const char *const ignored[] = {
    "placeholder",
    "no-real-mode",
    "edd",
    "edid",
    "vga",
    "font",
    "bootscrub",
    "sched",
    "sched_ratelimit_us",
    "sync_console",
    "console_timestamps",
    "conring_size",
    "serial_tx_buffer",
    "apic_verbosity",
    "e820-verbose",
    "reboot",
    "ucode",
    "spec-ctrl",
    "pv-l1tf",
    "pv",
    "pcid",
    "iommu",
    "dom0-iommu",
    "dom0_nodes",
    "crashkernel",
    "cpufreq",
    "cpuidle",
    "max_cstate",
    "mwait-idle",
    "pci",
    "nmi",
    "mce",
    "mce_verbosity",
    "flask",
    "gnttab",
    "gnttab_max_frames",
    "gnttab_max_maptrack_frames",
    "max_gsi_irqs",
    "hap",
    "ept",
    "vpid_mode",
    "altp2m",
    "hvm_fep",
    "tmem",
    "timer_slop",
    "allow_unsafe",
    "tboot",
    "efi",
    "numa",
    "low_mem_virq_limit",
    "sched_smt_power_savings",
    "sched-gran",
    "credit2_runqueue",
    "hmp-unsafe",
};

static LAGAN_INIT bool find_option(struct text name, struct option *found)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (text_is(name, table[i].name)) {
            *found = table[i];
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++) {
        if (text_is(name, ignored[i])) {
            *found = (struct option){ignored[i], KIND_IGNORED, 0};
            return true;
        }
    }
    return false;
}

/* Each of these kinds has text behind a '='. */
static LAGAN_INIT bool parse_value(const struct option *option, struct text value,
                                   struct options *o)
{
    void *place = (char *)o + option->offset;

    switch (option->kind) {
    case KIND_UINT:
        return parse_range(value, 0, UINT_MAX, place);
    case KIND_SIZE:
        return parse_size(value, place);
    case KIND_TEXT:
        return text_copy(value, place, OPTION_TEXT_MAX);
    case KIND_UART:
        return option_uart(value, place);
    case KIND_CONSOLE:
        return option_console(value, &o->console);
    case KIND_LOGLVL:
        return option_loglvl(value, place);
    case KIND_CONSWITCH:
        return option_conswitch(value, o);
    case KIND_DOM0:
        return option_dom0(value);
    case KIND_DOM0_MEM:
        return option_dom0_mem(value, o);
    case KIND_DOM0_VCPUS:
        return option_dom0_vcpus(value, &o->dom0_max_vcpus);
    default:
        return false;
    }
}

/* These kinds have a yes or no, written as NAME, no-NAME, NAME=BOOL, or a word that means yes. */
static LAGAN_INIT bool parse_switch(const struct option *option, bool on, struct options *o)
{
    switch (option->kind) {
    case KIND_BOOL:
        *(bool *)((char *)o + option->offset) = on;
        return true;
    case KIND_WATCHDOG:
        o->watchdog = on;
        return true;
    case KIND_XPTI:
        o->xpti_dom0 = o->xpti_domu = on ? OPTION_ON : OPTION_OFF;
        return true;
    case KIND_NOSMP:
        o->maxcpus = on ? 1 : 0;
        return true;
    default:
        return false;
    }
}

static LAGAN_INIT bool is_switch(enum kind kind)
{
    return kind == KIND_BOOL || kind == KIND_WATCHDOG || kind == KIND_XPTI || kind == KIND_NOSMP;
}

static LAGAN_INIT bool parse_word(struct options *o, struct text word, const char **why)
{
    bool has_value = text_has(word, '='), on = true;
    struct text value = word, name = text_split(&value, '=');
    struct option option;

    *why = "unknown option";
    if (!find_option(name, &option)) {
        if (!text_starts(name, "no-") || has_value || !find_option(text_from(name, 3), &option))
            return false;
        if (!is_switch(option.kind) && option.kind != KIND_IGNORED)
            return false;
        on = false;
    }
    *why = has_value ? "malformed value" : "value missing";
    if (option.kind == KIND_IGNORED)
        return true;
    if (!is_switch(option.kind))
        return has_value && parse_value(&option, value, o);
    if (option.kind == KIND_WATCHDOG && text_is(value, "force"))
        return parse_switch(&option, true, o);
    if (option.kind == KIND_XPTI && has_value)
        return option_xpti(value, o);
    return (!has_value || parse_bool(value, &on)) && parse_switch(&option, on, o);
}

LAGAN_INIT unsigned cmdline_parse(struct options *o, const char *line)
{
    unsigned bad = 0;

    for (;;) {
        struct text word = text_word(&line);
        const char *why;

        if (word.length == 0)
            return bad;
        if (text_is(word, "--")) {
            while (*line == ' ')
                line++;
            if (strlcpy(o->dom0_extra, line, sizeof(o->dom0_extra)) < sizeof(o->dom0_extra))
                return bad;
            log_warn("Command line: the part for dom0 is too long and was cut short\n");
            return bad + 1;
        }
        if (!parse_word(o, word, &why)) {
            log_warn("Command line: \"%.*s\": %s, ignored\n", (int)min_u64(word.length, 128),
                     word.at, why);
            bad++;
        }
    }
}
