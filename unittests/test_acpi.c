/* SPDX-License-Identifier: MIT
 *
 * ACPI tables: a made-up firmware is laid out in memory and read; then it is damaged, byte by byte.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_firmware.h"
#include "suite.h"
#include "xen/arch/x86/acpi.h"

#define PHYS 0xe0000u

/* A firmware image under construction. */
static uint8_t image[0x2000];
static size_t used;

static void put(size_t at, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        image[at + i] = (uint8_t)(v >> (8 * i));
}

static void fix_sum(size_t at, size_t sum_at, size_t bytes)
{
    image[sum_at] = 0;
    image[sum_at] = (uint8_t)-acpi_sum(image + at, bytes);
}

/* Appends a table with an empty header and `body` bytes behind it; returns where it is in the
 * image. */
static size_t table(const char *signature, size_t body)
{
    size_t at = used = (used + 15) & ~(size_t)15;

    memset(image + at, 0, 36 + body);
    memcpy(image + at, signature, 4);
    put(at + 4, 36 + body, 4);
    image[at + 8] = 6;
    used += 36 + body;
    return at;
}

static void seal(size_t at)
{
    uint32_t length;

    memcpy(&length, image + at + 4, 4);
    if (length <= sizeof(image) - at) /* or a test has damaged it */
        fix_sum(at, at + 9, length);
}

static const uint8_t madt_body[] = {
    0x00, 0x00, 0xe0, 0xfe, 1,    0, 0,    0, /* local APIC address, PC/AT */
    0,    8,    0,    2,    1,    0, 0,    0, /* CPU with id 2 */
    0,    8,    1,    7,    1,    0, 0,    0, /* CPU with id 7: the boot CPU */
    0,    8,    2,    9,    0,    0, 0,    0, /* disabled */
    0,    8,    3,    0xff, 1,    0, 0,    0, /* blanked */
    9,    16,   0,    0,    0x2c, 1, 0,    0,    1,    0, 0, 0, 5, 0, 0, 0, /* x2APIC id 300 */
    9,    16,   0,    0,    2,    0, 0,    0,    1,    0, 0, 0, 0, 0, 0, 0, /* id 2 again */
    1,    12,   4,    0,    0,    0, 0xc0, 0xfe, 0,    0, 0, 0,             /* IO-APIC */
    2,    10,   0,    0,    2,    0, 0,    0,    0,    0,                   /* timer on GSI 2 */
    2,    10,   0,    9,    9,    0, 0,    0,    0x0f, 0,                   /* SCI: level, low */
    4,    6,    0xff, 0,    0,    0,                                        /* NMI on LINT0 */
};

/* The \_S5 of QEMU's DSDT is {0, 0, 0, 0}; this one has 5 for both. */
static const uint8_t dsdt_body[] = {0x10, 0x20, '\\', '_',  0x08, '_',  'S',  '5',  '_',
                                    0x12, 0x08, 0x04, 0x0a, 0x05, 0x0a, 0x05, 0x00, 0x00};

static size_t build_fadt(size_t dsdt)
{
    size_t at = table("FACP", 244 - 36);

    put(at + 40, PHYS + dsdt, 4);
    put(at + 46, 9, 2);
    put(at + 64, 0x604, 4);
    put(at + 76, 0x608, 4);
    image[at + 91] = 4;
    image[at + 108] = 0x32;
    put(at + 112, 1u << 10 | 1u << 8, 4);
    image[at + 116] = ACPI_PORTS;
    image[at + 117] = 8;
    put(at + 120, 0xcf9, 8);
    image[at + 128] = 0xf;
    image[at + 208] = ACPI_PORTS;
    image[at + 209] = 32;
    put(at + 212, 0xb008, 8); /* overrules 0x608 */
    seal(at);
    return at;
}

static size_t build_hpet(void)
{
    size_t at = table("HPET", 20);

    image[at + 40] = ACPI_MEMORY;
    put(at + 44, 0xfed00000, 8);
    seal(at);
    return at;
}

static size_t build_mcfg(void)
{
    size_t at = table("MCFG", 8 + 16);

    put(at + 44, 0xb0000000, 8);
    image[at + 55] = 0xff;
    seal(at);
    return at;
}

static size_t build_body(const char *signature, const uint8_t *body, size_t bytes)
{
    size_t at = table(signature, bytes);

    memcpy(image + at + 36, body, bytes);
    seal(at);
    return at;
}

/* Offsets of the tables in the image that build() makes. */
static struct {
    size_t madt, dsdt, fadt, hpet, mcfg, xsdt, rsdt;
} where;

static void build(void)
{
    size_t *const listed[] = {&where.fadt, &where.madt, &where.hpet, &where.mcfg};

    memset(image, 0, sizeof(image));
    used = 64; /* the RSDP is at 16 */
    where.madt = build_body("APIC", madt_body, sizeof(madt_body));
    where.dsdt = build_body("DSDT", dsdt_body, sizeof(dsdt_body));
    where.fadt = build_fadt(where.dsdt);
    where.hpet = build_hpet();
    where.mcfg = build_mcfg();
    where.xsdt = table("XSDT", 8 * 4);
    where.rsdt = table("RSDT", 4 * 4);
    for (unsigned i = 0; i < 4; i++) {
        put(where.xsdt + 36 + 8 * i, PHYS + *listed[i], 8);
        put(where.rsdt + 36 + 4 * i, PHYS + *listed[i], 4);
    }
    seal(where.xsdt);
    seal(where.rsdt);
    memcpy(image + 16, "RSD PTR ", 8);
    image[16 + 15] = 2;
    put(16 + 16, PHYS + where.rsdt, 4);
    put(16 + 20, 36, 4);
    put(16 + 24, PHYS + where.xsdt, 8);
    fix_sum(16, 16 + 8, 20);
    fix_sum(16, 16 + 32, 36);
    fake_firmware_set(PHYS, image, sizeof(image));
    fake_log_clear();
}

static int walk(struct acpi_info *info)
{
    fake_firmware_set(PHYS, image, sizeof(image));
    acpi_defaults(info, 7);
    return acpi_walk(image + 16, 36, info);
}

static void check_all(const struct acpi_info *i)
{
    CU_ASSERT_EQUAL(i->cpu_count, 3);
    CU_ASSERT_EQUAL(i->cpu[0].apic_id, 7);
    CU_ASSERT_EQUAL(i->cpu[0].acpi_id, 1);
    CU_ASSERT_EQUAL(i->cpu[1].apic_id, 2);
    CU_ASSERT_EQUAL(i->cpu[2].apic_id, 300);
    CU_ASSERT_EQUAL(i->cpu_disabled_count, 1);
    CU_ASSERT_EQUAL(i->ioapic_count, 1);
    CU_ASSERT_EQUAL(i->ioapic[0].address, 0xfec00000);
    CU_ASSERT_EQUAL(i->isa[0].gsi, 2);
    CU_ASSERT(!i->isa[0].level && !i->isa[0].low);
    CU_ASSERT(i->isa[9].level && i->isa[9].low);
    CU_ASSERT_EQUAL(i->isa[4].gsi, 4);
    CU_ASSERT_EQUAL(i->nmi_count, 1);
    CU_ASSERT_EQUAL(i->nmi[0].lint, 0);
    CU_ASSERT_EQUAL(i->pm1a_control.address, 0x604);
    CU_ASSERT_EQUAL(i->pm_timer.address, 0xb008);
    CU_ASSERT(i->pm_timer_32bit);
    CU_ASSERT_EQUAL(i->reset.address, 0xcf9);
    CU_ASSERT_EQUAL(i->reset_value, 0xf);
    CU_ASSERT_EQUAL(i->century, 0x32);
    CU_ASSERT(i->has_s5);
    CU_ASSERT_EQUAL(i->s5_type_a, 5);
    CU_ASSERT_EQUAL(i->s5_type_b, 5);
    CU_ASSERT_EQUAL(i->hpet_address, 0xfed00000);
    CU_ASSERT_EQUAL(i->segment_count, 1);
    CU_ASSERT_EQUAL(i->segment[0].last_bus, 0xff);
}

static void whole_machine(void)
{
    struct acpi_info info;

    build();
    CU_ASSERT_EQUAL(walk(&info), 0);
    check_all(&info);
    CU_ASSERT_STRING_EQUAL(fake_log, "");
}

/* The second root table serves if the first is broken, and without revision 2. */
static void root_fallback(void)
{
    struct acpi_info info;

    build();
    image[where.xsdt + 40] ^= 1;
    CU_ASSERT_EQUAL(walk(&info), 0);
    check_all(&info);
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "XSDT at"));
    build();
    image[16 + 15] = 0;
    fix_sum(16, 16 + 8, 20);
    CU_ASSERT_EQUAL(walk(&info), 0);
    check_all(&info);
}

/* A table with one wrong bit is named and ignored; the others are read. */
static void bad_checksum(void)
{
    const struct {
        const size_t *at;
        const char *name;
    } victim[] = {{&where.madt, "APIC"},
                  {&where.fadt, "FACP"},
                  {&where.hpet, "HPET"},
                  {&where.mcfg, "MCFG"},
                  {&where.dsdt, "DSDT"}};

    for (unsigned i = 0; i < ARRAY_SIZE(victim); i++) {
        struct acpi_info info;

        build();
        image[*victim[i].at + 20] ^= 0x40;
        CU_ASSERT_EQUAL(walk(&info), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, victim[i].name));
        CU_ASSERT_EQUAL(info.cpu_count, i == 0 ? 1 : 3);
        CU_ASSERT_EQUAL(info.has_fadt, i != 1);
        CU_ASSERT_EQUAL(info.hpet_address != 0, i != 2);
        CU_ASSERT_EQUAL(info.segment_count, i == 3 ? 0 : 1);
        CU_ASSERT_EQUAL(info.has_s5, i != 1 && i != 4);
    }
}

static void no_tables(void)
{
    struct acpi_info info;

    build();
    image[16 + 3] = 'X';
    CU_ASSERT_EQUAL(walk(&info), -XEN_ENOENT);
    CU_ASSERT_EQUAL(info.cpu_count, 1);
    CU_ASSERT_EQUAL(info.cpu[0].apic_id, 7);
    CU_ASSERT_EQUAL(info.lapic_address, 0xfee00000);
    CU_ASSERT_EQUAL(acpi_walk(image + 16, 19, &info), -XEN_ENOENT);
}

static void found_in_bios_area(void)
{
    build();
    fake_firmware_set(PHYS, image, sizeof(image));
    acpi_init(NULL, 0, 7); /* the fake machine is smaller than the BIOS area: nothing is found */
    CU_ASSERT(!acpi_info.present);
    uint8_t *area = calloc(1, 0x20000);
    memcpy(area, image, sizeof(image));
    fake_firmware_set(PHYS, area, 0x20000);
    acpi_init(NULL, 0, 7);
    CU_ASSERT(acpi_info.present);
    CU_ASSERT_EQUAL(acpi_info.rsdp, PHYS + 16);
    check_all(&acpi_info);
    fake_firmware_set(0, NULL, 0);
    free(area);
}

/* Lengths that lie: each is refused, and info stays as it was (INV-ACPI-2). */
static void madt_lengths(void)
{
    static const uint8_t bad[][8] = {{0, 1}, {0, 0}, {0, 7}, {0, 9},
                                     {1, 8}, {2, 8}, {9, 8}, {0xff, 1}};
    struct acpi_info before, info;
    uint8_t t[52];

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        memset(t, 0, sizeof(t));
        memcpy(t + 44, bad[i], 8);
        acpi_defaults(&before, 3);
        info = before;
        CU_ASSERT_EQUAL(acpi_read_madt(t, sizeof(t), &info), -XEN_EINVAL);
        CU_ASSERT_EQUAL(memcmp(&info, &before, sizeof(info)), 0);
    }
    CU_ASSERT_EQUAL(acpi_read_madt(t, 43, &info), -XEN_EINVAL);
    memset(t + 44, 0, 8);
    t[45] = 8;
    t[44] = 0xff; /* an unknown type of sound length is skipped */
    CU_ASSERT_EQUAL(acpi_read_madt(t, sizeof(t), &info), 0);
    CU_ASSERT_EQUAL(info.cpu_count, 1);
}

static void too_many(void)
{
    size_t bytes = 44 + 100 * 8 + 40 * 12;
    uint8_t *t = calloc(1, bytes);
    struct acpi_info info;

    for (unsigned i = 0; i < 100; i++)
        memcpy(t + 44 + 8 * i, (uint8_t[]){0, 8, 0, (uint8_t)i, 1, 0, 0, 0}, 8);
    for (unsigned i = 0; i < 40; i++)
        memcpy(t + 44 + 800 + 12 * i, (uint8_t[]){1, 12}, 2);
    acpi_defaults(&info, 99);
    CU_ASSERT_EQUAL(acpi_read_madt(t, bytes, &info), 0);
    CU_ASSERT_EQUAL(info.cpu_count, MAX_CPUS);
    CU_ASSERT_EQUAL(info.cpu[0].apic_id, 99);
    CU_ASSERT_EQUAL(info.cpu_dropped_count, 100 - MAX_CPUS);
    CU_ASSERT_EQUAL(info.ioapic_count, ACPI_MAX_IOAPICS);
    free(t);
}

static void small_tables(void)
{
    struct acpi_info info;
    uint8_t t[60] = {0};

    acpi_defaults(&info, 0);
    CU_ASSERT_EQUAL(acpi_read_fadt(t, 115, &info), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acpi_read_hpet(t, 55, &info), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acpi_read_hpet(t, 60, &info), -XEN_EINVAL); /* address 0 */
    CU_ASSERT_EQUAL(acpi_read_mcfg(t, 43, &info), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acpi_read_mcfg(t, 59, &info), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acpi_read_mcfg(t, 60, &info), -XEN_EINVAL); /* address 0 */
    t[46] = 0x10;
    t[54] = 2; /* first bus after the last */
    CU_ASSERT_EQUAL(acpi_read_mcfg(t, 60, &info), -XEN_EINVAL);
    t[54] = 0;
    CU_ASSERT_EQUAL(acpi_read_mcfg(t, 60, &info), 0);
    CU_ASSERT_EQUAL(info.segment[0].address, 0x100000);
}

/* A FADT of each length that firmware may have: fields behind its end are not there. */
static void fadt_lengths(void)
{
    for (size_t bytes = 116; bytes <= 244; bytes++) {
        uint8_t *exact = malloc(bytes);
        struct acpi_info info;

        memset(exact, 0xff, bytes);
        exact[91] = 4;
        memset(exact + 64, 1, 4);
        acpi_defaults(&info, 0);
        CU_ASSERT_EQUAL(acpi_read_fadt(exact, bytes, &info), 0);
        CU_ASSERT_EQUAL(info.pm1a_control.address, bytes >= 184 ? UINT64_MAX : 0x01010101);
        CU_ASSERT_EQUAL(info.pm_timer.address, bytes >= 220 ? UINT64_MAX : UINT32_MAX);
        CU_ASSERT_EQUAL(info.reset.address, bytes >= 129 ? UINT64_MAX : 0);
        CU_ASSERT_EQUAL(info.dsdt, bytes >= 148 ? UINT64_MAX : UINT32_MAX);
        free(exact);
    }
}

static void s5_forms(void)
{
    static const struct {
        uint8_t aml[20], bytes;
        int a, b; /* -1: not to be found */
    } form[] = {
        {"\x08_S5_\x12\x06\x04\x00\x00\x00\x00", 12, 0, 0},
        {"\x08\\_S5_\x12\x06\x04\x0a\x07\x01\x00\x00", 14, 7, 1},
        {"\x08_S5_\x12\x47\x00\x02\x0a\x03\x0a\x04", 13, 3, 4}, /* PkgLength of two bytes */
        {"\x08_S5_\x12\x07\x02\x0b\x05\x00\x0c\x06\x00\x00\x00", 16, 5, 6},
        {"\x08_S5_\x12\x03\x01\x0a\x05", 10, 5, 0},
        {"\x08_S5_\x12\x05\x02\x0a\x08\x00", 11, -1, -1},     /* a type above 7 */
        {"\x14_S5_\x12\x06\x04\x00\x00\x00\x00", 12, -1, -1}, /* a method */
        {"_S5_\x12\x06\x04\x00\x00\x00\x00", 11, -1, -1},
        {"\x08_S5_\x12\x06\x00\x00\x00", 9, -1, -1}, /* an empty package */
        {"\x08_S5_\x12\x06\x04\x0a", 9, -1, -1},     /* cut off in each place */
        {"\x08_S5_\x12\x06\x04", 8, -1, -1},
        {"\x08_S5_\x12\xc6", 7, -1, -1},
        {"\x08_S5_\x12", 6, -1, -1},
        {"\x08_S5_", 5, -1, -1},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(form); i++) {
        uint8_t *exact = malloc(form[i].bytes), a = 99, b = 99;

        memcpy(exact, form[i].aml, form[i].bytes);
        CU_ASSERT_EQUAL(acpi_find_s5(exact, form[i].bytes, &a, &b), form[i].a >= 0);
        if (form[i].a >= 0) {
            CU_ASSERT_EQUAL(a, form[i].a);
            CU_ASSERT_EQUAL(b, form[i].b);
        } else {
            CU_ASSERT(a == 99 && b == 99);
        }
        free(exact);
    }
}

/* Every single byte of the image damaged, with and without a checksum that is right again: nothing
 * but the bounds and INV-ACPI-3 can be said, and ASan listens. */
static void damaged_everywhere(void)
{
    size_t end;

    build();
    end = used;
    for (size_t at = 0; at < end; at++) {
        struct acpi_info info;

        build();
        image[at] ^= (uint8_t)(1 + test_seed % 255);
        seal(where.madt);
        seal(where.fadt);
        seal(where.mcfg);
        (void)walk(&info);
        CU_ASSERT(info.cpu_count >= 1 && info.cpu_count <= MAX_CPUS);
        CU_ASSERT_EQUAL(info.cpu[0].apic_id, 7);
        CU_ASSERT(info.ioapic_count <= ACPI_MAX_IOAPICS && info.nmi_count <= ACPI_MAX_NMIS);
    }
    fake_firmware_set(0, NULL, 0);
}

static const struct test_case cases[] = {
    {"a whole machine", whole_machine},
    {"RSDT when the XSDT is bad or missing", root_fallback},
    {"a bad checksum costs that table only", bad_checksum},
    {"no tables: the boot CPU works", no_tables},
    {"RSDP found in the BIOS area", found_in_bios_area},
    {"MADT entries with lying lengths", madt_lengths},
    {"more CPUs and IO-APICs than fit", too_many},
    {"tables too short for their kind", small_tables},
    {"FADTs of all lengths", fadt_lengths},
    {"forms of \\_S5", s5_forms},
    {"each byte damaged once", damaged_everywhere},
    {NULL, NULL},
};

const struct suite suite_acpi = {"acpi", cases, NULL, NULL};
