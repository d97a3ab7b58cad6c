/* SPDX-License-Identifier: MIT
 *
 * What the boot loader told us, in one form whatever the loader's protocol, and the memory map made
 * sane.
 *
 * INV-BOOT-1: after bootinfo_sanitise() the map is sorted, its ranges do not overlap, none is
 *             empty, and every BOOT_RAM range begins and ends on a page boundary.
 * INV-BOOT-2: an address that any entry of the loader's map calls something other than RAM is not
 *             in a BOOT_RAM range.
 * INV-BOOT-3: all strings are NUL-terminated and lie in `text`.
 */
#pragma once

#include <lagan/types.h>

#define BOOT_MAP_MAX     512
#define BOOT_MODULES_MAX 64
#define BOOT_TEXT_BYTES  16384
#define BOOT_RSDP_BYTES  36

/* As in the e820 interface. Of two that claim an address, the higher number wins. */
enum boot_memory {
    BOOT_RAM = 1,
    BOOT_RESERVED = 2,
    BOOT_ACPI = 3,
    BOOT_ACPI_NVS = 4,
    BOOT_BAD = 5,
};

struct boot_range {
    uint64_t start, end; /* bytes; end is the first that does not belong */
    uint32_t type;       /* enum boot_memory */
};

struct boot_module {
    uint64_t start, end;
    const char *cmdline; /* without the file's name */
};

/* A screen that the loader speaks of. */
enum boot_screen_kind { BOOT_SCREEN_NONE, BOOT_SCREEN_INDEXED, BOOT_SCREEN_RGB, BOOT_SCREEN_TEXT };

struct boot_colour {
    uint8_t position, size; /* bits of a pixel */
};

struct boot_screen {
    enum boot_screen_kind kind;
    uint64_t address;
    uint32_t pitch, width, height; /* bytes a line; pixels, or characters */
    uint8_t bits;                  /* a pixel */
    struct boot_colour red, green, blue;
    uint32_t vbe_capabilities; /* as VBE says them; 0: unknown */
    uint16_t vbe_attributes;
};

struct boot_info {
    const char *cmdline; /* the hypervisor's, without the file's name; never NULL once parsed */
    const char *loader;  /* "" if it has no name */

    unsigned map_count;
    struct boot_range map[BOOT_MAP_MAX];

    unsigned module_count;
    struct boot_module module[BOOT_MODULES_MAX];

    /* Copies of the ACPI root pointer: revision 2 or later is preferred. */
    unsigned rsdp_bytes; /* 0: the loader gave none */
    uint8_t rsdp[BOOT_RSDP_BYTES];
    uint64_t efi_system_table; /* physical; 0: none */

    struct boot_screen screen;

    unsigned text_used;
    char text[BOOT_TEXT_BYTES];

    const char
        *complaint; /* what was wrong, when parsing failed; otherwise what was left out, or NULL */
};

/* Adds a range [start, start + size) to the map. An overflowing end is cut at 2^64 - 1; an empty
 * range is left out. When the map is full, RAM is left out, or makes room for a range that is not
 * RAM. */
void bootinfo_add_range(struct boot_info *bi, uint64_t start, uint64_t size, uint32_t type);

/* Forgets RAM from `limit` (page-aligned) up. */
void bootinfo_limit_ram(struct boot_info *bi, uint64_t limit);

/* Keeps a copy of text[0..length), up to its first NUL, after dropping `skip` leading words and the
 * word "placeholder" that GRUB's menu script puts where older loaders had the file's name. Never
 * fails: "" and a complaint when there is no room. */
const char *bootinfo_keep_text(struct boot_info *bi, const char *text, size_t length,
                               unsigned skip);

/* Sorts the map and resolves overlaps: establishes INV-BOOT-1 and INV-BOOT-2. 0, or -XEN_E2BIG when
 * the result does not fit: the map is then cut at its high end and still sane. */
int bootinfo_sanitise(struct boot_info *bi) LAGAN_MUST_CHECK;
