/* SPDX-License-Identifier: MIT
 *
 * The ELF parser, on images built here: one shaped like a Linux kernel, one like a small kernel
 * without notes, one with the old section, and each of them spoilt in many ways.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/elfnote.h>
#include <xen/features.h>

#include "suite.h"
#include "xen/elf.h"
#include "xen/elf_format.h"

#define VIRT        0xffffffff80000000
#define TEXT_AT     0x1000 /* offsets in the file */
#define DATA_AT     0x2000
#define NOTE_AT     0x3000
#define SECTIONS_AT 0x3800
#define NAMES_AT    0x3c00
#define FILE_BYTES  0x4000

static union {
    uint8_t bytes[FILE_BYTES];
    struct elf_file_header header;
} file;
static struct elf_image image;
static const char *why;
static uint64_t note_bytes;

static struct elf_program_header *program(unsigned i)
{
    return (struct elf_program_header *)(file.bytes + sizeof(struct elf_file_header)) + i;
}

static struct elf_section_header *section(unsigned i)
{
    return (struct elf_section_header *)(file.bytes + SECTIONS_AT) + i;
}

static void add_note_of(const char *owner, uint32_t type, const void *desc, uint32_t bytes)
{
    struct elf_note_header h = {(uint32_t)strlen(owner) + 1, bytes, type};
    uint8_t *at = file.bytes + NOTE_AT + note_bytes;
    uint32_t name_bytes = (h.namesz + 3) & ~3u;

    memcpy(at, &h, sizeof(h));
    memcpy(at + sizeof(h), owner, h.namesz);
    memcpy(at + sizeof(h) + name_bytes, desc, bytes);
    note_bytes += sizeof(h) + name_bytes + ((bytes + 3) & ~3u);
    program(2)->filesz = program(2)->memsz = note_bytes;
}

static void add_note(uint32_t type, const void *desc, uint32_t bytes)
{
    add_note_of("Xen", type, desc, bytes);
}

static void add_number(uint32_t type, uint64_t n)
{
    add_note(type, &n, sizeof(n));
}

static void add_string(uint32_t type, const char *s)
{
    add_note(type, s, (uint32_t)strlen(s) + 1);
}

/* Those of this type no longer mean anything. */
static void drop_notes(uint32_t type)
{
    struct elf_note_header h;

    for (uint64_t at = NOTE_AT; at < NOTE_AT + note_bytes;
         at += sizeof(h) + ((h.namesz + 3) & ~3u) + ((h.descsz + 3) & ~3u)) {
        memcpy(&h, file.bytes + at, sizeof(h));
        if (h.type == type)
            memcpy(file.bytes + at + offsetof(struct elf_note_header, type),
                   &(uint32_t){XEN_ELFNOTE_INFO}, 4);
    }
}

/* Two segments and an empty note segment: text at 16 MiB, data (with BSS) three pages above it. */
static void build_plain(void)
{
    static const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', ELF_CLASS64, ELF_DATA_LSB, 1};

    memset(&file, 0, sizeof(file));
    note_bytes = 0;
    file.header = (struct elf_file_header){.type = ELF_TYPE_EXEC,
                                           .machine = ELF_MACHINE_X86,
                                           .version = 1,
                                           .entry = 0x1000010,
                                           .phoff = sizeof(struct elf_file_header),
                                           .ehsize = 64,
                                           .phentsize = 56,
                                           .phnum = 3,
                                           .shentsize = 64};
    memcpy(file.header.ident, ident, sizeof(ident));
    *program(0) = (struct elf_program_header){.type = ELF_PT_LOAD,
                                              .offset = TEXT_AT,
                                              .vaddr = VIRT + 0x1000000,
                                              .paddr = 0x1000000,
                                              .filesz = 0x900,
                                              .memsz = 0x900};
    *program(1) = (struct elf_program_header){.type = ELF_PT_LOAD,
                                              .offset = DATA_AT,
                                              .vaddr = 0,
                                              .paddr = 0x1003800,
                                              .filesz = 0x1000,
                                              .memsz = 0x2345};
    *program(2) = (struct elf_program_header){.type = ELF_PT_NOTE, .offset = NOTE_AT};
    memset(file.bytes + TEXT_AT, 0x11, 0x900);
    memset(file.bytes + DATA_AT, 0x22, 0x1000);
}

static void build_linux(void)
{
    static const uint64_t l1_valid[2] = {1, 1};

    build_plain();
    add_note_of("Linux", XEN_ELFNOTE_XEN_VERSION, "2.6",
                4); /* not one of ours, whatever its type */
    add_string(XEN_ELFNOTE_GUEST_OS, "linux");
    add_string(XEN_ELFNOTE_GUEST_VERSION, "2.6");
    add_string(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_number(XEN_ELFNOTE_VIRT_BASE, VIRT);
    add_number(XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    add_number(XEN_ELFNOTE_ENTRY, VIRT + 0x1000020);
    add_string(XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|some_new_thing");
    add_note(XEN_ELFNOTE_SUPPORTED_FEATURES, &(uint32_t){0x8801}, 4);
    add_string(XEN_ELFNOTE_LOADER, "generic");
    add_string(XEN_ELFNOTE_PAE_MODE, "yes");
    add_note(XEN_ELFNOTE_L1_MFN_VALID, l1_valid, sizeof(l1_valid));
    add_note(XEN_ELFNOTE_SUSPEND_CANCEL, &(uint8_t){1}, 1);
    add_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    add_number(XEN_ELFNOTE_HV_START_LOW, HYPERVISOR_VIRT_START);
    add_number(XEN_ELFNOTE_PADDR_OFFSET, 0);
    add_number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
}

/* Two sections: the null one and, with this content, __xen_guest; then the table of names. */
static void build_legacy(const char *content)
{
    build_plain();
    file.header.shoff = SECTIONS_AT;
    file.header.shnum = 3;
    file.header.shstrndx = 2;
    *section(1) = (struct elf_section_header){
        .name = 1, .type = 1, .offset = NOTE_AT, .size = strlen(content) + 1};
    *section(2) = (struct elf_section_header){.type = 3, .offset = NAMES_AT, .size = 64};
    strcpy((char *)file.bytes + NAMES_AT + 1, "__xen_guest");
    strcpy((char *)file.bytes + NOTE_AT, content);
}

/* In a block of its own and exact size, so that the sanitizers and Valgrind see a read beyond the
 * end. */
static int parse(size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    int rc;

    why = NULL;
    memcpy(copy, &file, bytes);
    rc = elf_parse(copy, bytes, &image, &why);
    if (rc == 0 && elf_page_count(&image) < 64) {
        static uint8_t page[PAGE_SIZE];

        for (uint64_t at = image.paddr_start; at < image.paddr_end; at += PAGE_SIZE)
            elf_load_page(&image, at, page);
    }
    free(copy);
    CU_ASSERT_EQUAL(rc != 0, why != NULL);
    return rc;
}

static void refused(int rc, const char *reason)
{
    CU_ASSERT_EQUAL(parse(FILE_BYTES), rc);
    CU_ASSERT_PTR_NOT_NULL_FATAL(why);
    CU_ASSERT_STRING_EQUAL(why, reason);
}

static void test_linux(void)
{
    build_linux();
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT_EQUAL(image.entry, VIRT + 0x1000020);
    CU_ASSERT_EQUAL(image.virt_base, VIRT);
    CU_ASSERT(image.paddr_start == 0x1000000 && image.paddr_end == 0x1006000);
    CU_ASSERT(image.virt_start == VIRT + 0x1000000 && image.virt_end == VIRT + 0x1006000);
    CU_ASSERT_EQUAL(image.hypercall_page, UINT64_MAX);
    CU_ASSERT_EQUAL(image.init_p2m, 0x8000000000);
    CU_ASSERT(image.l1_mfn_mask == 1 && image.l1_mfn_value == 1);
    CU_ASSERT(image.mod_start_pfn && image.suspend_cancel);
    CU_ASSERT_EQUAL(image.supported_features, 0x8801 | 1u << XENFEAT_pae_pgdir_above_4gb |
                                                  1u << XENFEAT_writable_page_tables);
    CU_ASSERT_EQUAL(image.required_features, 1u << XENFEAT_writable_page_tables);
    CU_ASSERT_STRING_EQUAL(image.guest_os, "linux");
    CU_ASSERT_STRING_EQUAL(image.guest_version, "2.6");
    CU_ASSERT_STRING_EQUAL(image.loader, "generic");
}

static unsigned count(const uint8_t *page, uint8_t byte)
{
    unsigned n = 0;

    for (size_t i = 0; i < PAGE_SIZE; i++)
        n += page[i] == byte;
    return n;
}

static void test_load(void)
{
    uint8_t page[PAGE_SIZE];
    struct elf_image e;

    build_linux();
    CU_ASSERT_EQUAL_FATAL(elf_parse(&file, FILE_BYTES, &e, &why), 0);
    memset(page, 0xee, sizeof(page));
    elf_load_page(&e, 0x1000000, page);
    CU_ASSERT(count(page, 0x11) == 0x900 && count(page, 0) == 0x700 && page[0x8ff] == 0x11);
    memset(page, 0xee, sizeof(page));
    elf_load_page(&e, 0x1001000, page);
    CU_ASSERT_EQUAL(count(page, 0), PAGE_SIZE);
    elf_load_page(&e, 0x1003000, page);
    CU_ASSERT(count(page, 0x22) == 0x800 && page[0x7ff] == 0 && page[0x800] == 0x22);
    elf_load_page(&e, 0x1004000, page);
    CU_ASSERT(count(page, 0x22) == 0x800 && page[0x7ff] == 0x22 && page[0x800] == 0);
    elf_load_page(&e, 0x1005000, page);
    CU_ASSERT_EQUAL(count(page, 0), PAGE_SIZE);
}

/* What is not said has its default; but something has to be said. */
static void test_few_notes(void)
{
    build_plain();
    refused(-XEN_ENOEXEC, "no notes of Xen's: not a paravirtual kernel");
    add_note_of("Linux", XEN_ELFNOTE_GUEST_OS, "ab", 3);
    refused(-XEN_ENOEXEC, "no notes of Xen's: not a paravirtual kernel");
    add_string(XEN_ELFNOTE_GUEST_OS, "small");
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT(image.virt_base == 0 && image.entry == 0x1000010);
    CU_ASSERT(image.init_p2m == UINT64_MAX && image.hypercall_page == UINT64_MAX);
    CU_ASSERT_FALSE(image.mod_start_pfn);
    add_number(XEN_ELFNOTE_HYPERCALL_PAGE, 0x1003000);
    add_string(XEN_ELFNOTE_FEATURES, "!writable_page_tables");
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT_EQUAL(image.hypercall_page, 0x1003000);
    add_number(XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
    refused(-XEN_ENOEXEC, "a kernel for PVH only: PHYS32_ENTRY, but no ENTRY");
}

#define TWICE(type, text)                                                  \
    {                                                                      \
        XEN_ELFNOTE_##type, text, "note " #type " twice, and not the same" \
    }

static const struct {
    uint32_t type;
    const char *text; /* another one than Linux's; NULL: a number */
    const char *reason;
} contradictions[] = {
    TWICE(ENTRY, NULL),          TWICE(VIRT_BASE, NULL),      TWICE(PADDR_OFFSET, NULL),
    TWICE(HV_START_LOW, NULL),   TWICE(SUSPEND_CANCEL, NULL), TWICE(INIT_P2M, NULL),
    TWICE(MOD_START_PFN, NULL),  TWICE(PHYS32_ENTRY, NULL),   TWICE(XEN_VERSION, "xen-3.1"),
    TWICE(GUEST_OS, "netbsd"),   TWICE(GUEST_VERSION, "2.4"), TWICE(LOADER, "special"),
    TWICE(HYPERCALL_PAGE, NULL),
};

/* The same note again: with the same content it is in order, with another one it is not. */
static void test_contradictions(void)
{
    build_linux();
    add_number(XEN_ELFNOTE_ENTRY, VIRT + 0x1000020);
    add_string(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_string(XEN_ELFNOTE_FEATURES, "dom0");
    add_note(XEN_ELFNOTE_SUPPORTED_FEATURES, &(uint32_t){4}, 4);
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT_EQUAL(image.supported_features & 0x8805, 0x8805);
    for (size_t i = 0; i < ARRAY_SIZE(contradictions); i++) {
        build_linux();
        add_number(XEN_ELFNOTE_HYPERCALL_PAGE, VIRT + 0x1001000);
        if (contradictions[i].text)
            add_string(contradictions[i].type, contradictions[i].text);
        else
            add_number(contradictions[i].type, VIRT + 0x1003000);
        refused(-XEN_EINVAL, contradictions[i].reason);
    }
    build_legacy("GUEST_OS=old,VIRT_BASE=0,LOADER=generic,GUEST_OS=new");
    refused(-XEN_EINVAL, "__xen_guest: a key twice, and not the same");
}

static void test_note_section(void)
{
    build_plain();
    add_number(XEN_ELFNOTE_ENTRY, 0x1000030);
    file.header.phnum = 2;
    file.header.shoff = SECTIONS_AT;
    file.header.shnum = 2;
    *section(1) =
        (struct elf_section_header){.type = ELF_SHT_NOTE, .offset = NOTE_AT, .size = note_bytes};
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT_EQUAL(image.entry, 0x1000030);
}

static void test_legacy_section(void)
{
    build_legacy("GUEST_OS=old,XEN_VER=xen-3.0,VIRT_BASE=0xc0000000,VIRT_ENTRY=0xc0000040,"
                 "HYPERCALL_PAGE=0x1,LOADER=generic,PAE=yes,FEATURES=!writable_page_tables|dom0");
    program(0)->paddr = 0xc0000000; /* ELF_PADDR_OFFSET is VIRT_BASE by default */
    program(1)->paddr = 0xc0001000;
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT(image.paddr_start == 0 && image.virt_base == 0xc0000000);
    CU_ASSERT_EQUAL(image.entry, 0xc0000040);
    CU_ASSERT_EQUAL(image.hypercall_page, 0xc0001000);
    CU_ASSERT_STRING_EQUAL(image.guest_os, "old");
    CU_ASSERT_EQUAL(image.supported_features,
                    1u << XENFEAT_dom0 | 1u << XENFEAT_writable_page_tables);
    build_legacy("VIRT_BASE=0x1000,ELF_PADDR_OFFSET=0x1000000,VIRT_ENTRY=0x1010");
    CU_ASSERT_EQUAL_FATAL(parse(FILE_BYTES), 0);
    CU_ASSERT(image.paddr_start == 0 && image.virt_start == 0x1000);
    build_legacy("VIRT_BASE=zero");
    refused(-XEN_EINVAL, "__xen_guest: not a number");
    build_legacy("HYPERCALL_PAGE=0xffffffffffffff");
    refused(-XEN_EINVAL, "hypercall page outside the image or not the start of a page");
}

/* One field of a good image each, and what comes of it. */
#define HEADER(member, value, rc)                                                       \
    {                                                                                   \
        offsetof(struct elf_file_header, member), sizeof(file.header.member), value, rc \
    }
#define PROGRAM(i, member, value, rc)                                   \
    {                                                                   \
        sizeof(file.header) + (i) * sizeof(struct elf_program_header) + \
            offsetof(struct elf_program_header, member),                \
            sizeof(((struct elf_program_header *)0)->member), value, rc \
    }

static const struct {
    size_t at, bytes;
    uint64_t value;
    int rc;
} bad_fields[] = {
    HEADER(ident[1], 'e', -XEN_EINVAL),
    HEADER(ident[4], 1, -XEN_ENOEXEC),
    HEADER(ident[5], 2, -XEN_ENOEXEC),
    HEADER(ident[6], 2, -XEN_EINVAL),
    HEADER(version, 2, -XEN_EINVAL),
    HEADER(machine, 3, -XEN_ENOEXEC),
    HEADER(type, 1, -XEN_ENOEXEC),
    HEADER(type, ELF_TYPE_DYN, 0),
    HEADER(phentsize, 32, -XEN_EINVAL),
    HEADER(phnum, 65, -XEN_EINVAL),
    HEADER(phnum, 0, -XEN_ENOEXEC),
    HEADER(phoff, FILE_BYTES - 100, -XEN_EINVAL),
    HEADER(phoff, UINT64_MAX - 8, -XEN_EINVAL),
    PROGRAM(0, filesz, 0x901, -XEN_EINVAL),
    PROGRAM(0, offset, FILE_BYTES - 0x900, 0),
    PROGRAM(0, offset, FILE_BYTES - 0x8ff, -XEN_EINVAL),
    PROGRAM(0, offset, UINT64_MAX, -XEN_EINVAL),
    PROGRAM(0, paddr, UINT64_MAX - 0x100, -XEN_EINVAL),
    PROGRAM(0, memsz, 0x3800, 0),
    PROGRAM(0, memsz, 0x3801, -XEN_EINVAL),
    PROGRAM(1, memsz, 1u << 30, -XEN_ENOEXEC),
    PROGRAM(1, memsz, UINT64_MAX, -XEN_EINVAL),
    PROGRAM(1, type, 0, 0),
    PROGRAM(2, filesz, FILE_BYTES, -XEN_EINVAL),
    PROGRAM(2, offset, UINT64_MAX - 4, -XEN_EINVAL),
    {NOTE_AT + offsetof(struct elf_note_header, descsz), 4, UINT32_MAX, -XEN_EINVAL},
    {NOTE_AT + offsetof(struct elf_note_header, namesz), 4, UINT32_MAX, -XEN_EINVAL},
};

static void test_bad_fields(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_fields); i++) {
        int rc;

        build_linux();
        memcpy(file.bytes + bad_fields[i].at, &bad_fields[i].value, bad_fields[i].bytes);
        rc = parse(FILE_BYTES);
        if (rc != bad_fields[i].rc)
            printf("\nbad field %zu: %d (%s)\n", i, rc, why ? why : "accepted");
        CU_ASSERT_EQUAL(rc, bad_fields[i].rc);
    }
}

static const struct {
    uint32_t type;
    uint64_t number;
    const char *string; /* instead of the number */
    int rc;
} bad_notes[] = {
    {XEN_ELFNOTE_VIRT_BASE, VIRT + 1, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_VIRT_BASE, HYPERVISOR_VIRT_START, NULL, -XEN_ENOEXEC},
    {XEN_ELFNOTE_VIRT_BASE, HYPERVISOR_VIRT_END - PAGE_SIZE, NULL, -XEN_ENOEXEC},
    {XEN_ELFNOTE_VIRT_BASE, UINT64_C(0x7fffff000000), NULL, -XEN_ENOEXEC},
    {XEN_ELFNOTE_VIRT_BASE, UINT64_C(0xffffffffffff0000), NULL, -XEN_ENOEXEC},
    {XEN_ELFNOTE_ENTRY, VIRT + 0x1000000, NULL, 0},
    {XEN_ELFNOTE_ENTRY, VIRT + 0xffffff, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_ENTRY, VIRT + 0x1005fff, NULL, 0},
    {XEN_ELFNOTE_ENTRY, VIRT + 0x1006000, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_HYPERCALL_PAGE, VIRT + 0x1000800, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_HYPERCALL_PAGE, VIRT, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_HYPERCALL_PAGE, VIRT + 0x1005000, NULL, 0},
    {XEN_ELFNOTE_INIT_P2M, HYPERVISOR_VIRT_START, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_INIT_P2M, 0x8000000001, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_HV_START_LOW, HYPERVISOR_VIRT_START + 1, NULL, -XEN_ENOEXEC},
    {XEN_ELFNOTE_PADDR_OFFSET, 0x1000001, NULL, -XEN_EINVAL},
    {XEN_ELFNOTE_XEN_VERSION, 0, "xen-2.0", -XEN_ENOEXEC},
    {XEN_ELFNOTE_FEATURES, 0, "!auto_translated_physmap", -XEN_ENOEXEC},
    {XEN_ELFNOTE_FEATURES, 0, "dom0|!telepathy", -XEN_ENOEXEC},
    {XEN_ELFNOTE_FEATURES, 0, "auto_translated_physmap|telepathy", 0},
    {XEN_ELFNOTE_ENTRY, 0, "ab", -XEN_EINVAL}, /* three bytes */
    {XEN_ELFNOTE_SUPPORTED_FEATURES, 0, "ab", -XEN_EINVAL},
    {XEN_ELFNOTE_L1_MFN_VALID, 0, NULL, -XEN_EINVAL}, /* half a pair */
    {XEN_ELFNOTE_GUEST_OS, 0, "a name that is too long for its place", 0},
};

static void test_bad_notes(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_notes); i++) {
        int rc;

        build_linux();
        if (bad_notes[i].type != XEN_ELFNOTE_FEATURES)
            drop_notes(bad_notes[i].type);
        if (bad_notes[i].string)
            add_string(bad_notes[i].type, bad_notes[i].string);
        else
            add_number(bad_notes[i].type, bad_notes[i].number);
        rc = parse(FILE_BYTES);
        if (rc != bad_notes[i].rc)
            printf("\nbad note %zu: %d (%s)\n", i, rc, why ? why : "accepted");
        CU_ASSERT_EQUAL(rc, bad_notes[i].rc);
    }
    build_linux();
    add_string(XEN_ELFNOTE_FEATURES, "!auto_translated_physmap");
    refused(-XEN_ENOEXEC, "needs the feature auto_translated_physmap, which there is not");
    build_linux();
    add_string(XEN_ELFNOTE_GUEST_OS, "linux");
    add_string(XEN_ELFNOTE_BSD_SYMTAB, "ab");
    program(2)->filesz -= 1; /* the last note need not have its padding... */
    CU_ASSERT_EQUAL(parse(FILE_BYTES), 0);
    program(2)->filesz -= 1; /* ...but all of its descriptor */
    refused(-XEN_EINVAL, "note longer than its segment");
}

/* Every prefix of the file is refused or accepted without a look behind its end. */
static void test_truncated(void)
{
    for (size_t bytes = 0; bytes < FILE_BYTES; bytes += bytes < 0x200 ? 1 : 61) {
        build_linux();
        parse(bytes);
    }
    CU_ASSERT_EQUAL(parse(0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(parse(63), -XEN_EINVAL);
}

/* Random bytes in the headers and notes: whatever comes out, an accepted image keeps its
 * invariants. */
static void test_noise(void)
{
    srand((unsigned)test_seed);
    for (int round = 0; round < 3000; round++) {
        if (round % 2)
            build_linux();
        else
            build_legacy("VIRT_BASE=0x1000,ELF_PADDR_OFFSET=0x1000000,VIRT_ENTRY=0x1010");
        for (int n = rand() % 6; n >= 0; n--) {
            static const unsigned at[] = {0, NOTE_AT, SECTIONS_AT};

            file.bytes[at[rand() % 3] + (unsigned)rand() % 240] ^= (uint8_t)(1 << rand() % 8);
        }
        if (parse(FILE_BYTES) == 0) {
            CU_ASSERT(image.entry >= image.virt_start && image.entry < image.virt_end);
            CU_ASSERT(image.segment_count > 0 && image.segment_count <= ELF_SEGMENTS_MAX);
            for (unsigned i = 1; i < image.segment_count; i++)
                CU_ASSERT(image.segment[i - 1].paddr + image.segment[i - 1].mem_bytes <=
                          image.segment[i].paddr);
        }
    }
}

static const struct test_case cases[] = {
    {"an image like Linux", test_linux},
    {"its pages", test_load},
    {"an image with few notes", test_few_notes},
    {"notes that contradict each other", test_contradictions},
    {"notes in a section", test_note_section},
    {"the section __xen_guest", test_legacy_section},
    {"bad fields", test_bad_fields},
    {"bad notes", test_bad_notes},
    {"truncated files", test_truncated},
    {"noise", test_noise},
    {NULL, NULL},
};

const struct suite suite_elf = {.name = "elf", .cases = cases};
