/* SPDX-License-Identifier: MIT
 *
 * Parser of boot information, by the Multiboot specifications 0.6.96 and 2.0.
 *
 * The loader is trusted as much as firmware is: it cannot be kept from doing harm, but what it says
 * is bounded before it is believed, so that a broken loader gives a message and not a strange
 * crash. Every read goes through at(), which knows how much memory there is to read. Unaligned
 * fields are copied out.
 *
 * File names: a multiboot1 loader puts the file's name before a command line (QEMU; GRUB's older
 * line), GRUB 2 does not, in either protocol. So the name is dropped in multiboot1 unless the
 * loader calls itself "GRUB 2...".
 */
#include <lagan/string.h>

#include "xen/arch/x86/multiboot.h"

/* ---- multiboot1 ---- */

enum mb1_flag {
    MB1_MEMORY = 1 << 0,
    MB1_CMDLINE = 1 << 2,
    MB1_MODULES = 1 << 3,
    MB1_MMAP = 1 << 6,
    MB1_LOADER = 1 << 9,
    MB1_VBE = 1 << 11,
    MB1_FRAMEBUFFER = 1 << 12,
};

struct mb1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table, boot_loader_name;
    uint32_t apm_table, vbe_control_info, vbe_mode_info;
    uint16_t vbe_mode, vbe_interface[3];
};

#define MB1_FRAMEBUFFER_OFFSET 88 /* in the whole of the information */

STATIC_ASSERT(sizeof(struct mb1_info) == MB1_FRAMEBUFFER_OFFSET);

struct mb1_module {
    uint32_t start, end, string, reserved;
};

struct mb1_mmap {
    uint32_t size; /* of what follows */
    uint64_t start, length;
    uint32_t type;
} LAGAN_PACKED;

/* ---- multiboot2 ---- */

enum mb2_tag_type {
    MB2_END = 0,
    MB2_CMDLINE = 1,
    MB2_LOADER = 2,
    MB2_MODULE = 3,
    MB2_MEMORY = 4,
    MB2_MMAP = 6,
    MB2_VBE = 7,
    MB2_FRAMEBUFFER = 8,
    MB2_EFI64 = 12,
    MB2_RSDP_OLD = 14,
    MB2_RSDP_NEW = 15,
    MB2_EFI_MMAP = 17,
};

struct mb2_tag {
    uint32_t type, size;
};

struct mb2_mmap {
    uint64_t start, length;
    uint32_t type, reserved;
};

struct efi_memory {
    uint32_t type, pad;
    uint64_t start, virtual_start, pages, attributes;
};

/* In either protocol; the colours follow, in the second one behind two bytes of padding. */
struct framebuffer {
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits;
    uint8_t kind; /* as enum boot_screen_kind, but one less */
} LAGAN_PACKED;

struct framebuffer_colours {
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
};

#define MB2_COLOURS_OFFSET 24 /* in the tag, behind its head */

/* Of VBE's two blocks: where they are in the tag, and what is wanted of them. */
#define MB2_VBE_CONTROL  8
#define MB2_VBE_MODE     520
#define VBE_CAPABILITIES 10

#define TEXT_MAX 4096 /* of one command line */

static LAGAN_INIT int bad(struct boot_info *bi, const char *complaint)
{
    bi->complaint = complaint;
    return -XEN_EINVAL;
}

/* `bytes` of physical memory at `pa`, or NULL if they are not all in the window. */
static LAGAN_INIT const uint8_t *at(const struct phys_window *w, uint64_t pa, uint64_t bytes)
{
    if (pa < w->start || pa - w->start > w->bytes || bytes > w->bytes - (pa - w->start))
        return NULL;
    return w->base + (pa - w->start);
}

static LAGAN_INIT bool fetch(const struct phys_window *w, uint64_t pa, void *to, size_t bytes)
{
    const uint8_t *from = at(w, pa, bytes);

    if (from)
        memcpy(to, from, bytes);
    return from != NULL;
}

/* A string of unknown length: as much of it as can be read. */
static LAGAN_INIT const char *keep_string(struct boot_info *bi, const struct phys_window *w,
                                          uint64_t pa, unsigned skip)
{
    uint64_t bytes = 0;

    if (pa >= w->start && pa - w->start < w->bytes)
        bytes = min_u64(w->bytes - (pa - w->start), TEXT_MAX);
    if (bytes == 0) {
        bi->complaint = "a command line lies outside of memory";
        return "";
    }
    return bootinfo_keep_text(bi, (const char *)at(w, pa, bytes), bytes, skip);
}

static LAGAN_INIT int add_module(struct boot_info *bi, uint64_t start, uint64_t end,
                                 const char *cmdline)
{
    if (end < start)
        return bad(bi, "a module ends before it starts");
    if (bi->module_count == BOOT_MODULES_MAX)
        return bad(bi, "too many modules");
    bi->module[bi->module_count++] = (struct boot_module){start, end, cmdline};
    return 0;
}

/* Without a map, the old two numbers: KiB from 0 up, and KiB from 1 MiB up. */
static LAGAN_INIT void add_basic_memory(struct boot_info *bi, uint32_t lower, uint32_t upper)
{
    bootinfo_add_range(bi, 0, (uint64_t)min_u64(lower, 640) << 10, BOOT_RAM);
    bootinfo_add_range(bi, 0x100000, (uint64_t)upper << 10, BOOT_RAM);
}

static LAGAN_INIT int mb1_map(struct boot_info *bi, const struct phys_window *w, uint32_t pa,
                              uint32_t length)
{
    uint64_t end = (uint64_t)pa + length;

    for (uint64_t p = pa; p + sizeof(struct mb1_mmap) <= end;) {
        struct mb1_mmap entry;

        if (!fetch(w, p, &entry, sizeof(entry)))
            return bad(bi, "the memory map lies outside of memory");
        if (entry.size < sizeof(entry) - sizeof(entry.size))
            return bad(bi, "memory map: an entry is too short");
        bootinfo_add_range(bi, entry.start, entry.length, entry.type);
        p += sizeof(entry.size) + (uint64_t)entry.size;
    }
    return 0;
}

static LAGAN_INIT int mb1_modules(struct boot_info *bi, const struct phys_window *w,
                                  const struct mb1_info *info, unsigned skip)
{
    if (info->mods_count > BOOT_MODULES_MAX)
        return bad(bi, "too many modules");
    for (uint32_t i = 0; i < info->mods_count; i++) {
        struct mb1_module m;
        uint64_t pa = (uint64_t)info->mods_addr + i * sizeof(m);
        int rc;

        if (!fetch(w, pa, &m, sizeof(m)))
            return bad(bi, "the list of modules lies outside of memory");
        rc = add_module(bi, m.start, m.end, m.string ? keep_string(bi, w, m.string, skip) : "");
        if (rc)
            return rc;
    }
    return 0;
}

/* Bytes that are missing are as if the loader had not spoken of a screen. */
static LAGAN_INIT void keep_screen(struct boot_info *bi, const struct framebuffer *f,
                                   const struct framebuffer_colours *c)
{
    struct boot_screen *s = &bi->screen;

    if (f->kind + 1 > BOOT_SCREEN_TEXT)
        return;
    s->kind = (enum boot_screen_kind)(f->kind + 1);
    s->address = f->address;
    s->pitch = f->pitch;
    s->width = f->width;
    s->height = f->height;
    s->bits = f->bits;
    s->red = (struct boot_colour){c->red_position, c->red_size};
    s->green = (struct boot_colour){c->green_position, c->green_size};
    s->blue = (struct boot_colour){c->blue_position, c->blue_size};
}

static LAGAN_INIT void mb1_screen(struct boot_info *bi, const struct phys_window *w, uint64_t pa,
                                  const struct mb1_info *info)
{
    struct framebuffer_colours c;
    struct framebuffer f;
    uint64_t at_framebuffer = pa + MB1_FRAMEBUFFER_OFFSET;

    if ((info->flags & MB1_FRAMEBUFFER) && fetch(w, at_framebuffer, &f, sizeof(f)) &&
        fetch(w, at_framebuffer + sizeof(f), &c, sizeof(c)))
        keep_screen(bi, &f, &c);
    if (info->flags & MB1_VBE) {
        (void)fetch(w, (uint64_t)info->vbe_control_info + VBE_CAPABILITIES,
                    &bi->screen.vbe_capabilities, sizeof(bi->screen.vbe_capabilities));
        (void)fetch(w, info->vbe_mode_info, &bi->screen.vbe_attributes,
                    sizeof(bi->screen.vbe_attributes));
    }
}

static LAGAN_INIT int parse_mb1(struct boot_info *bi, const struct phys_window *w, uint64_t pa)
{
    struct mb1_info info;
    unsigned skip = 1;
    int rc = 0;

    if (!fetch(w, pa, &info, sizeof(info)))
        return bad(bi, "multiboot information lies outside of memory");
    if (info.flags & MB1_LOADER)
        bi->loader = keep_string(bi, w, info.boot_loader_name, 0);
    if (strncmp(bi->loader, "GRUB 2", 6) == 0)
        skip = 0;
    if (info.flags & MB1_CMDLINE)
        bi->cmdline = keep_string(bi, w, info.cmdline, skip);
    if (info.flags & MB1_MMAP)
        rc = mb1_map(bi, w, info.mmap_addr, info.mmap_length);
    else if (info.flags & MB1_MEMORY)
        add_basic_memory(bi, info.mem_lower, info.mem_upper);
    if (rc == 0 && (info.flags & MB1_MODULES))
        rc = mb1_modules(bi, w, &info, skip);
    mb1_screen(bi, w, pa, &info);
    return rc;
}

static LAGAN_INIT int mb2_map(struct boot_info *bi, const uint8_t *body, uint32_t bytes)
{
    uint32_t entry_size;

    if (bytes < 8)
        return bad(bi, "memory map: tag too short");
    memcpy(&entry_size, body, sizeof(entry_size));
    if (entry_size < sizeof(struct mb2_mmap))
        return bad(bi, "memory map: an entry is too short");
    for (uint64_t p = 8; p + entry_size <= bytes; p += entry_size) {
        struct mb2_mmap entry;

        memcpy(&entry, body + p, sizeof(entry));
        bootinfo_add_range(bi, entry.start, entry.length, entry.type);
    }
    return 0;
}

/* By the UEFI specification: loader and boot-services memory is free once boot services have ended.
 */
static LAGAN_INIT uint32_t efi_type(uint32_t type)
{
    switch (type) {
    case 1:
    case 2:
    case 3:
    case 4:
    case 7:
        return BOOT_RAM;
    case 8:
        return BOOT_BAD;
    case 9:
        return BOOT_ACPI;
    case 10:
        return BOOT_ACPI_NVS;
    default:
        return BOOT_RESERVED;
    }
}

static LAGAN_INIT int mb2_efi_map(struct boot_info *bi, const uint8_t *body, uint32_t bytes)
{
    uint32_t entry_size;

    if (bytes < 8)
        return bad(bi, "EFI memory map: tag too short");
    memcpy(&entry_size, body, sizeof(entry_size));
    if (entry_size < sizeof(struct efi_memory))
        return bad(bi, "EFI memory map: an entry is too short");
    for (uint64_t p = 8; p + entry_size <= bytes; p += entry_size) {
        struct efi_memory entry;
        uint64_t size;

        memcpy(&entry, body + p, sizeof(entry));
        if (mul_overflows(entry.pages, PAGE_SIZE, &size))
            size = UINT64_MAX;
        bootinfo_add_range(bi, entry.start, size, efi_type(entry.type));
    }
    return 0;
}

static LAGAN_INIT int mb2_module(struct boot_info *bi, const uint8_t *body, uint32_t bytes)
{
    uint32_t bounds[2];

    if (bytes < sizeof(bounds))
        return bad(bi, "module: tag too short");
    memcpy(bounds, body, sizeof(bounds));
    return add_module(bi, bounds[0], bounds[1],
                      bootinfo_keep_text(bi, (const char *)body + 8, bytes - 8, 0));
}

static LAGAN_INIT void mb2_rsdp(struct boot_info *bi, const uint8_t *body, uint32_t bytes)
{
    uint32_t kept = (uint32_t)min_u64(bytes, BOOT_RSDP_BYTES);

    /* The new form is the longer one, and has all that the old one says. */
    if (kept > bi->rsdp_bytes) {
        memcpy(bi->rsdp, body, kept);
        bi->rsdp_bytes = kept;
    }
}

static LAGAN_INIT void mb2_screen(struct boot_info *bi, const uint8_t *body, uint32_t bytes)
{
    struct framebuffer_colours c = {0};
    struct framebuffer f;

    if (bytes < sizeof(f))
        return;
    memcpy(&f, body, sizeof(f));
    if (bytes >= MB2_COLOURS_OFFSET + sizeof(c))
        memcpy(&c, body + MB2_COLOURS_OFFSET, sizeof(c));
    keep_screen(bi, &f, &c);
}

static LAGAN_INIT void mb2_vbe(struct boot_info *bi, const uint8_t *body, uint32_t bytes)
{
    struct boot_screen *s = &bi->screen;

    if (bytes < MB2_VBE_MODE + sizeof(s->vbe_attributes))
        return;
    memcpy(&s->vbe_capabilities, body + MB2_VBE_CONTROL + VBE_CAPABILITIES,
           sizeof(s->vbe_capabilities));
    memcpy(&s->vbe_attributes, body + MB2_VBE_MODE, sizeof(s->vbe_attributes));
}

/* What was seen so far of tags whose use depends on each other. */
struct mb2_memory {
    const uint8_t *efi_map;
    uint32_t efi_map_bytes, lower, upper;
};

static LAGAN_INIT int mb2_one_tag(struct boot_info *bi, struct mb2_memory *memory, uint32_t type,
                                  const uint8_t *body, uint32_t bytes)
{
    switch (type) {
    case MB2_CMDLINE:
        bi->cmdline = bootinfo_keep_text(bi, (const char *)body, bytes, 0);
        return 0;
    case MB2_LOADER:
        bi->loader = bootinfo_keep_text(bi, (const char *)body, bytes, 0);
        return 0;
    case MB2_MODULE:
        return mb2_module(bi, body, bytes);
    case MB2_MEMORY:
        if (bytes < 8)
            return bad(bi, "memory size: tag too short");
        memcpy(&memory->lower, body, 4);
        memcpy(&memory->upper, body + 4, 4);
        return 0;
    case MB2_MMAP:
        return mb2_map(bi, body, bytes);
    case MB2_EFI_MMAP:
        memory->efi_map = body;
        memory->efi_map_bytes = bytes;
        return 0;
    case MB2_EFI64:
        if (bytes < 8)
            return bad(bi, "EFI system table: tag too short");
        memcpy(&bi->efi_system_table, body, 8);
        return 0;
    case MB2_VBE:
        mb2_vbe(bi, body, bytes);
        return 0;
    case MB2_FRAMEBUFFER:
        mb2_screen(bi, body, bytes);
        return 0;
    case MB2_RSDP_OLD:
    case MB2_RSDP_NEW:
        mb2_rsdp(bi, body, bytes);
        return 0;
    default:
        return 0;
    }
}

static LAGAN_INIT int parse_mb2(struct boot_info *bi, const struct phys_window *w, uint64_t pa)
{
    struct mb2_memory memory = {0};
    uint32_t total;
    uint64_t next;

    if (!fetch(w, pa, &total, sizeof(total)) || !at(w, pa, total))
        return bad(bi, "multiboot2 information lies outside of memory");
    for (next = 8;;) {
        struct mb2_tag tag;
        int rc;

        if (next + sizeof(tag) > total)
            return bad(bi, "multiboot2 information has no end tag");
        memcpy(&tag, at(w, pa + next, sizeof(tag)), sizeof(tag));
        if (tag.type == MB2_END)
            break;
        if (tag.size < sizeof(tag) || tag.size > total - next)
            return bad(bi, "multiboot2 information: a tag's size is wrong");
        rc = mb2_one_tag(bi, &memory, tag.type, at(w, pa + next + sizeof(tag), 0),
                         (uint32_t)(tag.size - sizeof(tag)));
        if (rc)
            return rc;
        next += ((uint64_t)tag.size + 7) & ~UINT64_C(7);
    }
    if (bi->map_count == 0 && memory.efi_map)
        return mb2_efi_map(bi, memory.efi_map, memory.efi_map_bytes);
    if (bi->map_count == 0)
        add_basic_memory(bi, memory.lower, memory.upper);
    return 0;
}

LAGAN_INIT int multiboot_parse(struct boot_info *bi, uint32_t magic, const struct phys_window *w,
                               uint64_t info)
{
    int rc;

    memset(bi, 0, sizeof(*bi));
    bi->cmdline = bi->loader = "";
    if (magic == MULTIBOOT1_LOADER_MAGIC)
        rc = parse_mb1(bi, w, info);
    else if (magic == MULTIBOOT2_LOADER_MAGIC)
        rc = parse_mb2(bi, w, info);
    else
        rc = bad(bi, "not started by a multiboot loader");
    if (rc == 0 && bi->map_count == 0)
        rc = bad(bi, "the loader gave no memory map");
    return rc;
}
