/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's command line and the helpers that read words and numbers.
 */
#include <stdio.h>
#include <string.h>

#include <lagan/parse.h>

#include "suite.h"
#include "xen/cmdline.h"

static char warnings[1024];
static struct options o;

/* In place of the log: keeps what was said. */
void printk(enum log_level level, const char *fmt, ...)
{
    size_t used = strlen(warnings);
    va_list args;

    CU_ASSERT_EQUAL(level, LOG_WARNING);
    va_start(args, fmt);
    vsnprintf(warnings + used, sizeof(warnings) - used, fmt, args);
    va_end(args);
}

static unsigned parse(const char *line)
{
    options_default(&o);
    warnings[0] = '\0';
    return cmdline_parse(&o, line);
}

/* What GRUB's menu script on Debian and common advice on the net put on the line: no word of
 * complaint. */
static void test_usual_lines(void)
{
    CU_ASSERT_EQUAL(parse(""), 0);
    CU_ASSERT_EQUAL(parse("placeholder no-real-mode edid=off edd=off"), 0);
    CU_ASSERT_EQUAL(parse(" placeholder  dom0_mem=1G,max:1G\tcom1=115200,8n1 console=com1,vga "
                          "loglvl=all guest_loglvl=all noreboot=1 \n"),
                    0);
    CU_ASSERT_EQUAL(o.dom0_mem.bytes, UINT64_C(1) << 30);
    CU_ASSERT_EQUAL(o.dom0_mem_max.bytes, UINT64_C(1) << 30);
    CU_ASSERT_FALSE(o.dom0_mem_min.given);
    CU_ASSERT(o.com1.given && o.com1.baud == 115200 && o.com1.io_base == 0);
    CU_ASSERT_FALSE(o.com2.given);
    CU_ASSERT_EQUAL(o.console, CONSOLE_COM1 | CONSOLE_VGA);
    CU_ASSERT(o.loglvl.always == LOG_DEBUG + 1 && o.guest_loglvl.always == LOG_DEBUG + 1);
    CU_ASSERT(o.noreboot);
    CU_ASSERT_STRING_EQUAL(warnings, "");
}

static void test_xpti(void)
{
    static const struct {
        const char *words;
        enum option_choice dom0, domu;
        unsigned bad;
    } t[] = {
        {"", OPTION_DEFAULT, OPTION_DEFAULT, 0},
        {"xpti", OPTION_ON, OPTION_ON, 0},
        {"no-xpti", OPTION_OFF, OPTION_OFF, 0},
        {"xpti=true", OPTION_ON, OPTION_ON, 0},
        {"xpti=0", OPTION_OFF, OPTION_OFF, 0},
        {"xpti=1 xpti=default", OPTION_DEFAULT, OPTION_DEFAULT, 0},
        {"xpti=dom0=no", OPTION_OFF, OPTION_DEFAULT, 0},
        {"xpti=domu=off", OPTION_DEFAULT, OPTION_OFF, 0},
        {"xpti=dom0=false,domu=true", OPTION_OFF, OPTION_ON, 0},
        {"xpti=true,dom0=false", OPTION_OFF, OPTION_ON, 0},
        {"xpti=dom0=false,true", OPTION_ON, OPTION_ON, 0},
        {"xpti=", OPTION_DEFAULT, OPTION_DEFAULT, 1},
        {"xpti=maybe", OPTION_DEFAULT, OPTION_DEFAULT, 1},
        {"xpti=true,dom0=maybe", OPTION_DEFAULT, OPTION_DEFAULT, 1},
        {"xpti=dom0=default", OPTION_DEFAULT, OPTION_DEFAULT, 1},
        {"xpti=dom1=true", OPTION_DEFAULT, OPTION_DEFAULT, 1},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        CU_ASSERT_EQUAL(parse(t[i].words), t[i].bad);
        CU_ASSERT_EQUAL(o.xpti_dom0, t[i].dom0);
        CU_ASSERT_EQUAL(o.xpti_domu, t[i].domu);
    }
}

static void test_bools(void)
{
    static const struct {
        const char *word;
        bool smt;
        unsigned bad;
    } t[] = {
        {"smt", true, 0},        {"smt=1", true, 0},        {"smt=yes", true, 0},
        {"smt=on", true, 0},     {"smt=true", true, 0},     {"smt=enable", true, 0},
        {"smt=0", false, 0},     {"smt=no", false, 0},      {"smt=off", false, 0},
        {"smt=false", false, 0}, {"smt=disable", false, 0}, {"no-smt", false, 0},
        {"no-smt=1", true, 1},   {"smt=", true, 1},         {"smt=2", true, 1},
        {"no-no-smt", true, 1},  {"smt=onn", true, 1},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        CU_ASSERT_EQUAL(parse(t[i].word), t[i].bad);
        CU_ASSERT_EQUAL(o.smt, t[i].smt);
    }
    CU_ASSERT_EQUAL(parse("watchdog=force"), 0);
    CU_ASSERT(o.watchdog);
    CU_ASSERT_EQUAL(parse("watchdog no-watchdog"), 0);
    CU_ASSERT_FALSE(o.watchdog);
    CU_ASSERT_EQUAL(parse("nosmp"), 0);
    CU_ASSERT_EQUAL(o.maxcpus, 1);
    CU_ASSERT_EQUAL(parse("qemu-exit"), 0);
    CU_ASSERT(o.qemu_exit);
}

/* Each is named in one warning and leaves every option at its default. */
static void test_bad_words(void)
{
    static const char *const bad[] = {
        "frobnicate",
        "maxcpus",
        "maxcpus=",
        "maxcpus=-1",
        "maxcpus=4x",
        "maxcpus=4294967296",
        "mem=1Q",
        "mem=99999999999999999999G",
        "mem=18000000000000M",
        "com1=9600,8x1",
        "com1=9600,9n1",
        "com1=9600,8n1,0x3f8,4,9",
        "com1=,8n1",
        "com1=9600,8n1,0x20",
        "console=com3",
        "console=com1,tty",
        "loglvl=loud",
        "loglvl=all/",
        "loglvl=/all",
        "dom0_mem=max:",
        "dom0_mem=1G,huge",
        "dom0_mem=-",
        "dom0_max_vcpus=0",
        "dom0_max_vcpus=-",
        "dom0_max_vcpus=4-2",
        "dom0_max_vcpus=x",
        "conswitch=",
        "conswitch=ab",
        "conswitch=A",
        "dom0=pvh",
        "dom0=pv,",
        "no-com1",
        "=",
        "=1",
        "clocksource=a-name-longer-than-there-is-room-for",
    };
    struct options defaults;

    options_default(&defaults);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        unsigned n = parse(bad[i]);

        if (strcmp(bad[i], "loglvl=all/") == 0 || strcmp(bad[i], "dom0=pv,") == 0)
            continue; /* an empty part at the end is let pass */
        if (n != 1 || !strstr(warnings, bad[i]) || memcmp(&o, &defaults, sizeof(o)) != 0)
            printf("\nnot refused cleanly: %s\n", bad[i]);
        CU_ASSERT_EQUAL(n, 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(warnings, bad[i]));
        CU_ASSERT_EQUAL(memcmp(&o, &defaults, sizeof(o)), 0);
    }
    CU_ASSERT_EQUAL(parse("mem=1M one maxcpus=3 two=2"), 2);
    CU_ASSERT(o.mem == 1 << 20 && o.maxcpus == 3);
}

static void test_values(void)
{
    CU_ASSERT_EQUAL(parse("com2=auto,7e2,0x2f8,3 console=none,com2 loglvl=error/info"), 0);
    CU_ASSERT(o.com2.given && o.com2.baud == 0 && o.com2.data_bits == 7 && o.com2.parity == 'e' &&
              o.com2.stop_bits == 2 && o.com2.io_base == 0x2f8 && o.com2.irq == 3);
    CU_ASSERT_EQUAL(o.console, CONSOLE_COM2);
    CU_ASSERT(o.loglvl.always == LOG_ERR + 1 && o.loglvl.limited == LOG_INFO + 1);
    CU_ASSERT_EQUAL(parse("guest_loglvl=warning/none com1=9600,,0x3e8"), 0);
    CU_ASSERT(o.guest_loglvl.always == LOG_WARNING + 1 &&
              o.guest_loglvl.limited == LOG_WARNING + 1);
    CU_ASSERT(o.com1.io_base == 0x3e8 && o.com1.data_bits == 8 && o.com1.irq == UINT_MAX);
    CU_ASSERT_EQUAL(parse("dom0_mem=min:64M,max:-128M,512M dom0_max_vcpus=2-4"), 0);
    CU_ASSERT(o.dom0_mem_min.bytes == 64 << 20 && o.dom0_mem_max.below_total &&
              o.dom0_mem_max.bytes == 128 << 20 && o.dom0_mem.bytes == 512 << 20);
    CU_ASSERT(o.dom0_max_vcpus.low == 2 && o.dom0_max_vcpus.high == 4);
    CU_ASSERT_EQUAL(parse("dom0_max_vcpus=3"), 0);
    CU_ASSERT(o.dom0_max_vcpus.low == 3 && o.dom0_max_vcpus.high == 3);
    CU_ASSERT_EQUAL(parse("dom0_max_vcpus=-6 conswitch=bx clocksource=hpet"), 0);
    CU_ASSERT(o.dom0_max_vcpus.low == 1 && o.dom0_max_vcpus.high == 6);
    CU_ASSERT(o.conswitch == 'b' && o.conswitch_keep);
    CU_ASSERT_STRING_EQUAL(o.clocksource, "hpet");
    CU_ASSERT_EQUAL(parse("dom0_max_vcpus=40- conswitch=`"), 0);
    CU_ASSERT(o.dom0_max_vcpus.low == 40 && o.dom0_max_vcpus.high == 40 && o.conswitch == '\0');
}

static void test_dom0_part(void)
{
    char line[1100] = "smt=0 -- ";

    CU_ASSERT_EQUAL(parse("smt=0 --   root=/dev/xvda frobnicate"), 0);
    CU_ASSERT_STRING_EQUAL(o.dom0_extra, "root=/dev/xvda frobnicate");
    CU_ASSERT_EQUAL(parse("--"), 0);
    CU_ASSERT_STRING_EQUAL(o.dom0_extra, "");
    memset(line + 9, 'x', sizeof(line) - 10);
    CU_ASSERT_EQUAL(parse(line), 1);
    CU_ASSERT_EQUAL(strlen(o.dom0_extra), sizeof(o.dom0_extra) - 1);
}

static void test_numbers(void)
{
    uint64_t n = 7;

    CU_ASSERT(parse_u64(text_of("18446744073709551615"), &n) && n == UINT64_MAX);
    CU_ASSERT(parse_u64(text_of("0xfFfFfFfFfFfFfFfF"), &n) && n == UINT64_MAX);
    CU_ASSERT(parse_u64(text_of("010"), &n) && n == 8);
    CU_ASSERT(parse_u64(text_of("0"), &n) && n == 0);
    n = 7;
    CU_ASSERT_FALSE(parse_u64(text_of("18446744073709551616"), &n));
    CU_ASSERT_FALSE(parse_u64(text_of("0x10000000000000000"), &n));
    CU_ASSERT_FALSE(parse_u64(text_of("0x"), &n));
    CU_ASSERT_FALSE(parse_u64(text_of("08"), &n));
    CU_ASSERT_FALSE(parse_u64(text_of(""), &n));
    CU_ASSERT_EQUAL(n, 7);
    CU_ASSERT(parse_size(text_of("4"), &n) && n == 4096);
    CU_ASSERT(parse_size(text_of("4b"), &n) && n == 4);
    CU_ASSERT(parse_size(text_of("0xb"), &n) && n == 11 << 10);
    CU_ASSERT(parse_size(text_of("0x1M"), &n) && n == 1 << 20);
    CU_ASSERT(parse_size(text_of("16777215T"), &n) && n == UINT64_C(16777215) << 40);
    CU_ASSERT_FALSE(parse_size(text_of("16777216T"), &n));
    CU_ASSERT_FALSE(parse_size(text_of("M"), &n));
}

static void test_cpu_lists(void)
{
    cpumask_t m = cpumask_none();

    CU_ASSERT(parse_cpus(text_of("0-3,5"), &m) && m.bits == 0x2f);
    CU_ASSERT(parse_cpus(text_of("63"), &m) && m.bits == UINT64_C(1) << 63);
    CU_ASSERT(parse_cpus(text_of("0-63"), &m) && m.bits == UINT64_MAX);
    m = cpumask_of(9);
    CU_ASSERT_FALSE(parse_cpus(text_of(""), &m));
    CU_ASSERT_FALSE(parse_cpus(text_of("64"), &m));
    CU_ASSERT_FALSE(parse_cpus(text_of("3-1"), &m));
    CU_ASSERT_FALSE(parse_cpus(text_of("1,"), &m));
    CU_ASSERT_FALSE(parse_cpus(text_of(",1"), &m));
    CU_ASSERT_FALSE(parse_cpus(text_of("1-"), &m));
    CU_ASSERT_FALSE(parse_cpus(text_of("1-2-3"), &m));
    CU_ASSERT_EQUAL(m.bits, 1 << 9);
}

static const struct test_case cases[] = {
    {"the lines that people use", test_usual_lines},
    {"yes and no in every spelling", test_bools},
    {"page-table isolation", test_xpti},
    {"bad words are named and change nothing", test_bad_words},
    {"values", test_values},
    {"dom0's part behind --", test_dom0_part},
    {"numbers and sizes", test_numbers},
    {"lists of CPUs", test_cpu_lists},
    {NULL, NULL},
};

const struct suite suite_cmdline = {.name = "cmdline", .cases = cases};
