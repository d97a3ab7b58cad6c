/* SPDX-License-Identifier: MIT
 *
 * Suite for xen/arch/x86/multiboot.c: what each protocol says arrives; what is broken is refused
 * with a word.
 */
#include <string.h>

#include "suite.h"
#include "xen/arch/x86/multiboot.h"

#define WINDOW_START 0x10000
#define INFO         (WINDOW_START + 0x100)

static uint8_t memory[0x4000];
static unsigned used; /* of memory, from 0x100 on */
static struct boot_info bi;

static const struct phys_window window = {memory, WINDOW_START, sizeof(memory)};

static void put(unsigned at, const void *bytes, size_t count)
{
    memcpy(memory + at, bytes, count);
}

static void put32(unsigned at, uint32_t v)
{
    put(at, &v, sizeof(v));
}

static void put64(unsigned at, uint64_t v)
{
    put(at, &v, sizeof(v));
}

/* ---- multiboot2: tags behind each other ---- */

static void mb2_start(void)
{
    memset(memory, 0xee, sizeof(memory));
    used = 0x108;
}

static void mb2_tag(uint32_t type, const void *body, uint32_t bytes)
{
    put32(used, type);
    put32(used + 4, bytes + 8);
    put(used + 8, body, bytes);
    used = (used + 8 + bytes + 7) & ~7u;
}

static void mb2_end(void)
{
    mb2_tag(0, "", 0);
    put32(0x100, used - 0x100);
    put32(0x104, 0);
}

static void mb2_map_tag(void)
{
    struct {
        uint32_t entry_size, version;
        uint64_t e[2][3];
    } tag = {24, 0, {{0, 0xa0000, BOOT_RAM}, {0x100000, 0x7f00000, BOOT_RAM}}};

    mb2_tag(6, &tag, sizeof(tag));
}

static void mb2_module_tag(uint32_t start, uint32_t end, const char *text)
{
    uint8_t body[256];

    memcpy(body, &start, 4);
    memcpy(body + 4, &end, 4);
    strcpy((char *)body + 8, text);
    mb2_tag(3, body, (uint32_t)(9 + strlen(text)));
}

static int parse(uint32_t magic)
{
    return multiboot_parse(&bi, magic, &window, INFO);
}

static void mb2_all(void)
{
    uint64_t efi = 0x7eed0000;
    uint8_t rsdp[36] = "RSD PTR ";

    mb2_start();
    mb2_tag(1, "loglvl=all com1", 16);
    mb2_tag(2, "GRUB 2.06", 10);
    mb2_map_tag();
    mb2_module_tag(0x400000, 0x500000, "placeholder root=/dev/sda");
    mb2_module_tag(0x500000, 0x500000, "");
    mb2_tag(14, rsdp, 20);
    mb2_tag(15, rsdp, 36);
    mb2_tag(12, &efi, 8);
    mb2_end();

    CU_ASSERT_EQUAL_FATAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT_STRING_EQUAL(bi.cmdline, "loglvl=all com1");
    CU_ASSERT_STRING_EQUAL(bi.loader, "GRUB 2.06");
    CU_ASSERT_EQUAL(bi.map_count, 2);
    CU_ASSERT_EQUAL(bi.map[1].start, 0x100000);
    CU_ASSERT_EQUAL(bi.map[1].end, 0x8000000);
    CU_ASSERT_EQUAL_FATAL(bi.module_count, 2);
    CU_ASSERT_EQUAL(bi.module[0].start, 0x400000);
    CU_ASSERT_EQUAL(bi.module[0].end, 0x500000);
    CU_ASSERT_STRING_EQUAL(bi.module[0].cmdline, "root=/dev/sda");
    CU_ASSERT_STRING_EQUAL(bi.module[1].cmdline, "");
    CU_ASSERT_EQUAL(bi.rsdp_bytes, 36);
    CU_ASSERT_EQUAL(memcmp(bi.rsdp, "RSD PTR ", 8), 0);
    CU_ASSERT_EQUAL(bi.efi_system_table, efi);
    CU_ASSERT_PTR_NULL(bi.complaint);
}

/* Without a memory map: EFI's, then the two old numbers. */
static void mb2_other_maps(void)
{
    struct {
        uint32_t entry_size, version;
        uint64_t e[3][6]; /* larger than the structure, as firmware has it */
    } efi = {
        48, 1, {{7, 0x100000, 0, 0x100, 0xf}, {9, 0x200000, 0, 1, 0xf}, {0, 0x300000, 0, 2, 0}}};
    uint32_t basic[2] = {639, 0x7c00};

    mb2_start();
    mb2_tag(17, &efi, sizeof(efi));
    mb2_end();
    CU_ASSERT_EQUAL_FATAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT_EQUAL_FATAL(bi.map_count, 3);
    CU_ASSERT_EQUAL(bi.map[0].end, 0x200000);
    CU_ASSERT_EQUAL(bi.map[0].type, BOOT_RAM);
    CU_ASSERT_EQUAL(bi.map[1].type, BOOT_ACPI);
    CU_ASSERT_EQUAL(bi.map[2].type, BOOT_RESERVED);

    mb2_start();
    mb2_tag(4, basic, 8);
    mb2_end();
    CU_ASSERT_EQUAL_FATAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT_EQUAL_FATAL(bi.map_count, 2);
    CU_ASSERT_EQUAL(bi.map[0].end, 639 << 10);
    CU_ASSERT_EQUAL(bi.map[1].end, 0x100000 + (0x7c00 << 10));
}

/* A framebuffer's tag, as GRUB writes it, and VBE's. */
static void mb2_screen(void)
{
    uint8_t body[31] = {0}, vbe[776] = {0};
    uint64_t address = UINT64_C(0x4fd000000);
    uint32_t numbers[3] = {4096, 1024, 768};

    memcpy(body, &address, 8);
    memcpy(body + 8, numbers, 12);
    body[20] = 32;
    body[21] = 1;
    memcpy(body + 24, "\x10\x08\x08\x07\x00\x06", 6);
    vbe[8 + 10] = 0x21;
    vbe[520] = 0x9b;
    mb2_start();
    mb2_map_tag();
    mb2_tag(8, body, 30);
    mb2_tag(7, vbe, sizeof(vbe));
    mb2_end();
    CU_ASSERT_EQUAL_FATAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT(bi.screen.kind == BOOT_SCREEN_RGB && bi.screen.address == address);
    CU_ASSERT(bi.screen.pitch == 4096 && bi.screen.width == 1024 && bi.screen.height == 768);
    CU_ASSERT(bi.screen.bits == 32 && bi.screen.red.position == 16 && bi.screen.red.size == 8);
    CU_ASSERT(bi.screen.green.position == 8 && bi.screen.green.size == 7);
    CU_ASSERT(bi.screen.blue.position == 0 && bi.screen.blue.size == 6);
    CU_ASSERT(bi.screen.vbe_capabilities == 0x21 && bi.screen.vbe_attributes == 0x9b);

    body[21] = 2; /* text */
    mb2_start();
    mb2_map_tag();
    mb2_tag(8, body, 24);
    mb2_end();
    CU_ASSERT_EQUAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT(bi.screen.kind == BOOT_SCREEN_TEXT && bi.screen.red.size == 0);
    CU_ASSERT_EQUAL(bi.screen.vbe_attributes, 0);

    body[21] = 3; /* a kind that nobody knows, and tags that are too short */
    mb2_start();
    mb2_map_tag();
    mb2_tag(8, body, 30);
    body[21] = 1;
    mb2_tag(8, body, 21);
    mb2_tag(7, vbe, 521);
    mb2_end();
    CU_ASSERT_EQUAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT(bi.screen.kind == BOOT_SCREEN_NONE && bi.screen.vbe_attributes == 0);
}

/* The old form of the RSDP behind the new one does not replace it. */
static void mb2_rsdp_order(void)
{
    uint8_t new_form[36] = "new", old_form[20] = "old";

    mb2_start();
    mb2_map_tag();
    mb2_tag(15, new_form, 36);
    mb2_tag(14, old_form, 20);
    mb2_end();
    CU_ASSERT_EQUAL(parse(MULTIBOOT2_LOADER_MAGIC), 0);
    CU_ASSERT_EQUAL(bi.rsdp_bytes, 36);
    CU_ASSERT_EQUAL(bi.rsdp[0], 'n');
}

static void refused(uint32_t magic)
{
    CU_ASSERT_EQUAL(parse(magic), -XEN_EINVAL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bi.complaint);
    CU_ASSERT(strlen(bi.complaint) > 10);
}

static void mb2_broken(void)
{
    uint32_t small_entry[2] = {23, 0};

    mb2_start(); /* no end tag */
    mb2_map_tag();
    put32(0x100, used - 0x100);
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* a tag that does not even have its head */
    mb2_map_tag();
    mb2_end();
    put32(0x108 + 4, 7);
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* a tag beyond the end */
    mb2_map_tag();
    mb2_end();
    put32(0x108 + 4, 0xfffffff8);
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* all of it beyond the end of memory */
    mb2_map_tag();
    mb2_end();
    put32(0x100, sizeof(memory));
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* entries of a size that would not move on */
    mb2_tag(6, small_entry, 8);
    mb2_end();
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* no memory at all */
    mb2_end();
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* a module that ends before it starts */
    mb2_map_tag();
    mb2_module_tag(0x2000, 0x1000, "x");
    mb2_end();
    refused(MULTIBOOT2_LOADER_MAGIC);

    mb2_start(); /* more modules than there is room for */
    mb2_map_tag();
    for (unsigned i = 0; i <= BOOT_MODULES_MAX; i++)
        mb2_module_tag(0x1000, 0x2000, "m");
    mb2_end();
    refused(MULTIBOOT2_LOADER_MAGIC);

    refused(0x12345678);
    CU_ASSERT_EQUAL(multiboot_parse(&bi, MULTIBOOT2_LOADER_MAGIC, &window, WINDOW_START - 1),
                    -XEN_EINVAL);
    CU_ASSERT_EQUAL(multiboot_parse(&bi, MULTIBOOT2_LOADER_MAGIC, &window, UINT64_MAX),
                    -XEN_EINVAL);
}

/* ---- multiboot1 ---- */

static void mb1_start(const char *loader)
{
    memset(memory, 0, sizeof(memory));
    put32(0x100, 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
    put32(0x100 + 16, WINDOW_START + 0x400);
    strcpy((char *)memory + 0x400, "/path/lagan com1=115200 noreboot");
    put32(0x100 + 64, WINDOW_START + 0x500);
    strcpy((char *)memory + 0x500, loader);
    /* two modules */
    put32(0x100 + 20, 2);
    put32(0x100 + 24, WINDOW_START + 0x600);
    put32(0x600, 0x400000);
    put32(0x604, 0x480000);
    put32(0x608, WINDOW_START + 0x700);
    strcpy((char *)memory + 0x700, "guests/hello domain name=a mem=16M");
    put32(0x610, 0x480000);
    put32(0x614, 0x490000);
    /* a map whose first entry is longer than usual */
    put32(0x100 + 44, 28 + 24);
    put32(0x100 + 48, WINDOW_START + 0x800);
    put32(0x800, 24);
    put64(0x804, 0);
    put64(0x80c, 0x9fc00);
    put32(0x814, 1);
    put32(0x81c, 20);
    put64(0x820, 0x100000);
    put64(0x828, 0x7f00000);
    put32(0x830, 1);
}

static void mb1_all(void)
{
    mb1_start("qemu");
    CU_ASSERT_EQUAL_FATAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT_STRING_EQUAL(bi.cmdline, "com1=115200 noreboot");
    CU_ASSERT_STRING_EQUAL(bi.loader, "qemu");
    CU_ASSERT_EQUAL_FATAL(bi.module_count, 2);
    CU_ASSERT_EQUAL(bi.module[0].end, 0x480000);
    CU_ASSERT_STRING_EQUAL(bi.module[0].cmdline, "domain name=a mem=16M");
    CU_ASSERT_STRING_EQUAL(bi.module[1].cmdline, "");
    CU_ASSERT_EQUAL_FATAL(bi.map_count, 2);
    CU_ASSERT_EQUAL(bi.map[0].end, 0x9fc00);
    CU_ASSERT_EQUAL(bi.map[1].end, 0x8000000);

    /* GRUB 2 does not put the file's name there; older ones and all others do. */
    mb1_start("GRUB 2.06-13");
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT_STRING_EQUAL(bi.cmdline, "/path/lagan com1=115200 noreboot");
    mb1_start("GNU GRUB 0.97");
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT_STRING_EQUAL(bi.cmdline, "com1=115200 noreboot");
}

static void mb1_screen(void)
{
    mb1_start("qemu");
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT_EQUAL(bi.screen.kind, BOOT_SCREEN_NONE);
    put32(0x100, 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9 | 1 << 11 | 1 << 12);
    put32(0x100 + 72, WINDOW_START + 0x900);
    put32(0x100 + 76, WINDOW_START + 0xa00);
    put32(0x90a, 0x22);
    put32(0xa00, 0x8c);
    put64(0x100 + 88, 0xe0000000);
    put32(0x100 + 96, 2560);
    put32(0x100 + 100, 1280);
    put32(0x100 + 104, 800);
    put(0x100 + 108, "\x10\x01\x0b\x05\x05\x06\x00\x05", 8); /* 16 bits; red from bit 11 on... */
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT(bi.screen.kind == BOOT_SCREEN_RGB && bi.screen.address == 0xe0000000);
    CU_ASSERT(bi.screen.pitch == 2560 && bi.screen.width == 1280 && bi.screen.height == 800);
    CU_ASSERT(bi.screen.bits == 16 && bi.screen.blue.position == 0 && bi.screen.blue.size == 5);
    CU_ASSERT(bi.screen.vbe_capabilities == 0x22 && bi.screen.vbe_attributes == 0x8c);
    put32(0x100 + 76, 0xfffffffe); /* outside of memory: not known */
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT(bi.screen.kind == BOOT_SCREEN_RGB && bi.screen.vbe_attributes == 0);
}

static void mb1_broken(void)
{
    mb1_start("qemu"); /* map outside of memory */
    put32(0x100 + 48, 0xffff0000);
    refused(MULTIBOOT1_LOADER_MAGIC);
    mb1_start("qemu"); /* an entry that would not move on */
    put32(0x800, 0);
    refused(MULTIBOOT1_LOADER_MAGIC);
    mb1_start("qemu"); /* modules outside of memory */
    put32(0x100 + 24, 0xfffffff8);
    refused(MULTIBOOT1_LOADER_MAGIC);
    mb1_start("qemu"); /* more of them than there is room for */
    put32(0x100 + 20, 0xffffffff);
    refused(MULTIBOOT1_LOADER_MAGIC);
    mb1_start("qemu"); /* a string outside of memory is no reason not to boot */
    put32(0x608, 0x10);
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT_STRING_EQUAL(bi.module[0].cmdline, "");
    CU_ASSERT_PTR_NOT_NULL(bi.complaint);
}

/* A string that runs into the end of memory ends there. */
static void string_at_the_end(void)
{
    mb1_start("qemu");
    put32(0x100 + 16, WINDOW_START + sizeof(memory) - 4);
    memcpy(memory + sizeof(memory) - 4, "a bc", 4);
    CU_ASSERT_EQUAL(parse(MULTIBOOT1_LOADER_MAGIC), 0);
    CU_ASSERT_STRING_EQUAL(bi.cmdline, "bc");
}

static const struct test_case cases[] = {
    {"multiboot2 with everything", mb2_all},
    {"multiboot2 without a memory map", mb2_other_maps},
    {"multiboot2: the better RSDP", mb2_rsdp_order},
    {"multiboot2, broken", mb2_broken},
    {"multiboot1 with everything", mb1_all},
    {"multiboot2: a screen", mb2_screen},
    {"multiboot1: a screen", mb1_screen},
    {"multiboot1, broken", mb1_broken},
    {"a string at the end of memory", string_at_the_end},
    {NULL, NULL},
};
const struct suite suite_multiboot = {"multiboot", cases, NULL, NULL};
