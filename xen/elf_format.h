/* SPDX-License-Identifier: MIT
 *
 * The ELF64 format, as far as elf.c and elf_notes.c read it, and what passes between the two.
 */
#pragma once

#include <lagan/string.h>
#include <lagan/types.h>

#define ELF_CLASS64     2
#define ELF_DATA_LSB    1
#define ELF_TYPE_EXEC   2
#define ELF_TYPE_DYN    3
#define ELF_MACHINE_X86 62
#define ELF_PT_LOAD     1
#define ELF_PT_NOTE     4
#define ELF_SHT_NOTE    7
#define ELF_SHT_NOBITS  8

struct elf_file_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
STATIC_ASSERT(sizeof(struct elf_file_header) == 64);

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
STATIC_ASSERT(sizeof(struct elf_program_header) == 56);

struct elf_section_header {
    uint32_t name, type;
    uint64_t flags, addr, offset, size;
    uint32_t link, info;
    uint64_t addralign, entsize;
};
STATIC_ASSERT(sizeof(struct elf_section_header) == 64);

struct elf_note_header {
    uint32_t namesz, descsz, type;
};
STATIC_ASSERT(sizeof(struct elf_note_header) == 12);

/* The file: every access goes through elf_bytes(). */
struct elf_file {
    const uint8_t *base;
    uint64_t size;
    struct elf_file_header header;
};

/* The bytes [offset, offset + count) of the file, or NULL if any of them is outside. */
static inline const uint8_t *elf_bytes(const struct elf_file *f, uint64_t offset, uint64_t count)
{
    return offset <= f->size && count <= f->size - offset ? f->base + offset : NULL;
}

/* Copies entry `index` of a table of `size`-byte entries; the file need not be aligned. False:
 * outside. */
static inline bool elf_entry(const struct elf_file *f, uint64_t table, unsigned index, void *entry,
                             size_t size)
{
    uint64_t offset;
    const uint8_t *bytes =
        add_overflows(table, (uint64_t)index * size, &offset) ? NULL : elf_bytes(f, offset, size);

    if (bytes)
        memcpy(entry, bytes, size);
    return bytes != NULL;
}

/* What the notes say; UINT64_MAX in a number: nothing. */
struct elf_notes {
    bool found;  /* notes of Xen's, or the old section */
    bool legacy; /* the old section: other defaults */
    uint64_t entry, virt_base, paddr_offset, hypercall_page, hypercall_pfn, init_p2m, hv_start_low;
    uint64_t l1_mfn_mask, l1_mfn_value;
    uint64_t mod_start_pfn, suspend_cancel, phys32_entry;
    uint64_t supported_features, required_features;
    char xen_version[16], guest_os[16], guest_version[16], loader[16];
};

/* Finds and reads them: note segments first, then note sections, then the section __xen_guest. A
 * file without any is in order. Errors as elf_parse(). */
int elf_read_notes(const struct elf_file *f, struct elf_notes *notes, const char **why);
