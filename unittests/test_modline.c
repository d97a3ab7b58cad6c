/* SPDX-License-Identifier: MIT
 *
 * Boot modules' command lines: what they say, and the words about what is wrong with them.
 */
#include <string.h>

#include "suite.h"
#include "xen/modline.h"

static struct modline m;
static char why[MODLINE_WHY_MAX];

static void test_full_line(void)
{
    CU_ASSERT_EQUAL(modline_parse("domain name=web-1.a mem=64M vcpus=4 weight=512 cap=150 "
                                  "ramdisk=rd maxmem=128M cpus=0-1,3 serves=store --  "
                                  "console=hvc0 -- x=1",
                                  &m, why),
                    0);
    CU_ASSERT_EQUAL(m.kind, MODLINE_DOMAIN);
    CU_ASSERT_STRING_EQUAL(m.name, "web-1.a");
    CU_ASSERT_STRING_EQUAL(m.ramdisk, "rd");
    CU_ASSERT(m.mem_bytes == 64 << 20 && m.maxmem_bytes == 128 << 20);
    CU_ASSERT(m.vcpus == 4 && m.weight == 512 && m.cap == 150 && m.cpus.bits == 0xb);
    CU_ASSERT(m.serves_store);
    CU_ASSERT_STRING_EQUAL(m.guest_line, "console=hvc0 -- x=1");
}

static void test_actions(void)
{
    CU_ASSERT_EQUAL(modline_parse("domain name=a mem=8M", &m, why), 0);
    CU_ASSERT(m.on_reboot == MODLINE_RESTART && m.on_crash == MODLINE_DESTROY);
    CU_ASSERT_EQUAL(
        modline_parse("domain name=a mem=8M on_crash=restart on_reboot=destroy", &m, why), 0);
    CU_ASSERT(m.on_reboot == MODLINE_DESTROY && m.on_crash == MODLINE_RESTART);
    CU_ASSERT(modline_parse("domain name=a mem=8M on_crash=preserve", &m, why) < 0);
    CU_ASSERT_STRING_EQUAL(why, "on_crash=preserve: must be restart or destroy");
}

static void test_defaults(void)
{
    CU_ASSERT_EQUAL(modline_parse("  domain\tmem=1025 name=a", &m, why), 0);
    CU_ASSERT(m.vcpus == 1 && m.weight == 0 && m.cap == 0 && m.cpus.bits == UINT64_MAX);
    CU_ASSERT(!m.serves_store);
    CU_ASSERT_EQUAL(m.mem_bytes, 1028 << 10); /* KiB, whole pages */
    CU_ASSERT_EQUAL(m.maxmem_bytes, m.mem_bytes);
    CU_ASSERT_EQUAL(m.minmem_bytes, m.mem_bytes);
    CU_ASSERT_EQUAL(m.delay_ms, 0);
    CU_ASSERT_EQUAL(modline_parse("domain name=a mem=8M minmem=3M delay=250", &m, why), 0);
    CU_ASSERT(m.minmem_bytes == 3 << 20 && m.delay_ms == 250 && m.after[0] == 0);
    CU_ASSERT_EQUAL(modline_parse("domain name=a mem=8M after=b.c", &m, why), 0);
    CU_ASSERT_STRING_EQUAL(m.after, "b.c");
    CU_ASSERT(m.cache_floor_bytes == 0 && m.cache_max_bytes == MODLINE_CACHE_ALL);
    CU_ASSERT_EQUAL(m.cache_weight, MODLINE_CACHE_WEIGHT);
    CU_ASSERT_EQUAL(
        modline_parse("domain name=a mem=8M cache-floor=1 cache-max=2M cache-weight=9", &m, why),
        0);
    CU_ASSERT(m.cache_floor_bytes == 4096 && m.cache_max_bytes == 2 << 20 && m.cache_weight == 9);
    CU_ASSERT_EQUAL(modline_parse("domain name=a mem=8M cache-max=0", &m, why), 0);
    CU_ASSERT_EQUAL(m.cache_max_bytes, 0);
    CU_ASSERT_STRING_EQUAL(m.ramdisk, "");
    CU_ASSERT_STRING_EQUAL(m.guest_line, "");
    CU_ASSERT_EQUAL(modline_parse("domain name=a mem=8M maxmem=8M vcpus=2 cap=200", &m, why), 0);
    CU_ASSERT_EQUAL(modline_parse("ramdisk name=rd", &m, why), 0);
    CU_ASSERT_EQUAL(m.kind, MODLINE_RAMDISK);
    CU_ASSERT_STRING_EQUAL(m.name, "rd");
}

static void test_plain(void)
{
    static const char *const plain[] = {"", "placeholder root=/dev/sda1 ro", "domains name=a",
                                        "Domain name=a mem=1M", "name=domain domain"};

    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        CU_ASSERT_EQUAL(modline_parse(plain[i], &m, why), 0);
        CU_ASSERT_EQUAL(m.kind, MODLINE_PLAIN);
        CU_ASSERT_PTR_EQUAL(m.guest_line, plain[i]);
        CU_ASSERT_STRING_EQUAL(m.name, "");
    }
}

static void test_faults(void)
{
    static const struct {
        const char *line, *fault;
    } t[] = {
        {"domain", "name missing"},
        {"domain mem=4M", "name missing"},
        {"domain name=a", "mem missing"},
        {"ramdisk", "name missing"},
        {"domain name=a mem=4M vcpus=0", "vcpus=0: must be 1..32"},
        {"domain name=a mem=4M vcpus=33", "vcpus=33: must be 1..32"},
        {"domain name=a mem=4M vcpus=", "vcpus=: must be 1..32"},
        {"domain name=a mem=4M vcpus", "vcpus: not understood"},
        {"domain name=a mem=4M vpcus=1", "vpcus=1: not understood"},
        {"domain name=a mem=4M mem=4M", "mem=4M: given twice"},
        {"domain name=a mem=1023", "mem=1023: must be a size of 1M..16T"},
        {"domain name=a mem=17T", "mem=17T: must be a size of 1M..16T"},
        {"domain name=a mem=4X", "mem=4X: must be a size of 1M..16T"},
        {"domain name=a mem=8M maxmem=4M", "maxmem is less than mem"},
        {"domain name=a mem=8M minmem=9M", "minmem is more than mem"},
        {"domain name=a mem=8M minmem=4K", "minmem=4K: must be a size of 1M..16T"},
        {"domain name=a mem=8M cache-floor=8M cache-max=4M", "cache-floor is more than cache-max"},
        {"domain name=a mem=8M cache-floor=x", "cache-floor=x: must be a size of 0..16T"},
        {"domain name=a mem=8M cache-max=17T", "cache-max=17T: must be a size of 0..16T"},
        {"domain name=a mem=8M cache-weight=0", "cache-weight=0: must be 1..65535"},
        {"domain name=a mem=8M delay=0", "delay=0: must be 1..86400000 ms"},
        {"domain name=a mem=8M delay=86400001", "delay=86400001: must be 1..86400000 ms"},
        {"domain name=a mem=8M delay=5 serves=store", "who serves the store comes first"},
        {"domain name=a mem=8M after=b serves=store", "who serves the store comes first"},
        {"domain name=a mem=8M after=", "after=: must be 1..31 letters, digits, - _ ."},
        {"domain name=a mem=8M cap=101", "cap is more than the vcpus can use"},
        {"domain name=a mem=8M cap=0", "cap=0: must be 1..3200 per cent"},
        {"domain name=a mem=8M weight=65536", "weight=65536: must be 1..65535"},
        {"domain name=a mem=8M cpus=64", "cpus=64: must be a list of CPUs below 64, as 0-3,5"},
        {"domain name= mem=8M", "name=: must be 1..31 letters, digits, - _ ."},
        {"domain name=a/b mem=8M", "name=a/b: must be 1..31 letters, digits, - _ ."},
        {"ramdisk name=a mem=4M", "mem=4M: not understood"},
        {"ramdisk name=a -- x", "--: only a domain has a command line"},
        {"volume name=a", "readers missing"},
        {"volume readers=a", "name missing"},
        {"volume name=a readers=a,",
         "readers=a,: must be names of domains, with commas between them"},
        {"volume name=a readers=,a",
         "readers=,a: must be names of domains, with commas between them"},
        {"volume name=a readers=a mem=4M", "mem=4M: not understood"},
        {"volume name=a readers=a -- x", "--: only a domain has a command line"},
        {"volume name=abcdefghijklmnopq readers=a", "a volume's name has 16 characters at most"},
        {"domain name=a mem=4M readers=b", "readers=b: not understood"},
        {"domain name=a kernel mem=4M", "kernel: not understood"},
        {"domain name=a mem=4M serves=shop", "serves=shop: must be store"},
        {"ramdisk name=a serves=store", "serves=store: not understood"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        CU_ASSERT_EQUAL(modline_parse(t[i].line, &m, why), -XEN_EINVAL);
        CU_ASSERT_STRING_EQUAL(why, t[i].fault);
        CU_ASSERT_EQUAL(m.kind, t[i].line[0] == 'd'   ? MODLINE_DOMAIN
                                : t[i].line[0] == 'v' ? MODLINE_VOLUME
                                                      : MODLINE_RAMDISK);
    }
}

static void test_long_words(void)
{
    char line[300] = "domain mem=4M name=";
    size_t start = strlen(line);

    memset(line + start, 'n', 31);
    CU_ASSERT_EQUAL(modline_parse(line, &m, why), 0);
    CU_ASSERT_EQUAL(strlen(m.name), 31);
    memset(line + start, 'n', 200);
    CU_ASSERT_EQUAL(modline_parse(line, &m, why), -XEN_EINVAL);
    CU_ASSERT(strlen(why) < MODLINE_WHY_MAX && strstr(why, "must be 1..31"));
}

static void test_find(void)
{
    static const struct modline lines[] = {{.kind = MODLINE_PLAIN},
                                           {.kind = MODLINE_RAMDISK, .name = "a"},
                                           {.kind = MODLINE_DOMAIN, .name = "a"},
                                           {.kind = MODLINE_DOMAIN, .name = "b"}};

    CU_ASSERT_EQUAL(modline_find(lines, 4, MODLINE_DOMAIN, "a"), 2);
    CU_ASSERT_EQUAL(modline_find(lines, 4, MODLINE_RAMDISK, "a"), 1);
    CU_ASSERT_EQUAL(modline_find(lines, 3, MODLINE_DOMAIN, "b"), 3);
    CU_ASSERT_EQUAL(modline_find(lines, 0, MODLINE_DOMAIN, "b"), 0);
}

static const struct test_case cases[] = {
    {"a line with everything", test_full_line},
    {"what becomes of it at its end", test_actions},
    {"defaults", test_defaults},
    {"plain modules", test_plain},
    {"each fault is named", test_faults},
    {"long words", test_long_words},
    {"look-up", test_find},
    {NULL, NULL},
};

const struct suite suite_modline = {.name = "modline", .cases = cases};
