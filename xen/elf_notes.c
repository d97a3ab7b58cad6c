/* SPDX-License-Identifier: MIT
 *
 * Xen's notes in an ELF file.
 *
 * A note is a header (sizes of name and descriptor, type), the name and the descriptor, each padded
 * to four bytes; ours have the name "Xen". Numbers are little-endian, of one to eight bytes;
 * strings end in a NUL, which we do not rely on. Kernels of before 2006 have, instead, a section
 * __xen_guest with one string of KEY=VALUE pairs between commas.
 *
 * What is there twice has to say the same: of two entry points none can be right. Features add up,
 * as they may stand in several notes.
 */
#include <lagan/parse.h>
#include <xen/elfnote.h>
#include <xen/features.h>
#include "xen/elf_format.h"

#define SECTIONS_MAX 4096 /* as many headers are looked at */

#define FEATURE(name, offered)                                                            \
    {                                                                                     \
#name, "needs the feature " #name ", which there is not", XENFEAT_##name, offered \
    }

/* Names of XENFEAT_ numbers; whether a PV domain gets them from us. */
static const struct feature {
    const char *name;
    const char *refusal;
    unsigned bit;
    bool offered;
} features[] = {
    /* Required by kernels that know no other way than the one that every x86-64 kernel has:
       harmless. */
    FEATURE(writable_page_tables, true),
    FEATURE(writable_descriptor_tables, false),
    FEATURE(auto_translated_physmap, false),
    FEATURE(supervisor_mode_kernel, false),
    FEATURE(pae_pgdir_above_4gb, true),
    FEATURE(mmu_pt_update_preserve_ad, true),
    FEATURE(highmem_assist, true),
    FEATURE(gnttab_map_avail_bits, true),
    FEATURE(hvm_callback_vector, false),
    FEATURE(hvm_safe_pvclock, false),
    FEATURE(hvm_pirqs, false),
    FEATURE(dom0, true),
    FEATURE(memory_op_vnode_supported, true),
    FEATURE(linux_rsdp_unrestricted, false),
};

static int malformed(const char **why, const char *text)
{
    *why = text;
    return -XEN_EINVAL;
}

static int read_feature(struct text name, struct elf_notes *n, const char **why)
{
    bool required = text_starts(name, "!");

    if (required)
        name = text_from(name, 1);
    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        const struct feature *f = &features[i];

        if (!text_is(name, f->name))
            continue;
        if (required && !f->offered) {
            *why = f->refusal;
            return -XEN_ENOEXEC;
        }
        *(required ? &n->required_features : &n->supported_features) |= UINT64_C(1) << f->bit;
        return 0;
    }
    if (required) {
        *why = "needs a feature of unknown name";
        return -XEN_ENOEXEC;
    }
    return 0;
}

static int read_features(struct text list, struct elf_notes *n, const char **why)
{
    int rc = 0;

    while (!rc && list.length > 0)
        rc = read_feature(text_split(&list, '|'), n, why);
    return rc;
}

/* The descriptor as a string, which may or may not have its NUL. */
static struct text note_text(const uint8_t *desc, uint32_t bytes)
{
    return (struct text){(const char *)desc, strnlen((const char *)desc, bytes)};
}

/* A string too long for its place is left out: none of these decides anything but by its first
 * letters. False: another one is there already. */
static bool keep_text(struct text t, char place[16])
{
    char text[16] = "";

    if (!text_copy(t, text, sizeof(text)))
        text[0] = '?';
    if (place[0] != '\0' && strcmp(place, text) != 0)
        return false;
    memcpy(place, text, sizeof(text));
    return true;
}

static bool read_number(const uint8_t *desc, uint32_t bytes, uint64_t *n)
{
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
        return false;
    *n = 0;
    memcpy(n, desc, bytes);
    return true;
}

#define NUMBER(type, member)                                                               \
    {                                                                                      \
        XEN_ELFNOTE_##type, "note " #type " twice, and not the same",                      \
            "note " #type " with a number of odd size", offsetof(struct elf_notes, member) \
    }

/* Notes that hold a number, and its place; what to say of them. */
static const struct number_note {
    uint32_t type;
    const char *twice, *odd;
    size_t place;
} number_notes[] = {
    NUMBER(ENTRY, entry),
    NUMBER(HYPERCALL_PAGE, hypercall_page),
    NUMBER(VIRT_BASE, virt_base),
    NUMBER(PADDR_OFFSET, paddr_offset),
    NUMBER(HV_START_LOW, hv_start_low),
    NUMBER(SUSPEND_CANCEL, suspend_cancel),
    NUMBER(INIT_P2M, init_p2m),
    NUMBER(MOD_START_PFN, mod_start_pfn),
    NUMBER(PHYS32_ENTRY, phys32_entry),
};

static int read_number_note(const struct number_note *note, const uint8_t *desc, uint32_t bytes,
                            struct elf_notes *n, const char **why)
{
    uint64_t *place = (uint64_t *)((char *)n + note->place), value;

    if (!read_number(desc, bytes, &value))
        return malformed(why, note->odd);
    if (*place != UINT64_MAX && *place != value)
        return malformed(why, note->twice);
    *place = value;
    return 0;
}

/* Only the first pair: one is all that any kernel gives. */
static int read_l1_mfn_valid(const uint8_t *desc, uint32_t bytes, struct elf_notes *n,
                             const char **why)
{
    if (bytes < 16)
        return malformed(why, "note L1_MFN_VALID too short");
    memcpy(&n->l1_mfn_mask, desc, 8);
    memcpy(&n->l1_mfn_value, desc + 8, 8);
    return 0;
}

static int read_text_note(struct text t, char place[16], const char *twice, const char **why)
{
    return keep_text(t, place) ? 0 : malformed(why, twice);
}

static int read_note(uint32_t type, const uint8_t *desc, uint32_t bytes, struct elf_notes *n,
                     const char **why)
{
    struct text t = note_text(desc, bytes);
    uint64_t bits;

    for (size_t i = 0; i < ARRAY_SIZE(number_notes); i++)
        if (number_notes[i].type == type)
            return read_number_note(&number_notes[i], desc, bytes, n, why);
    switch (type) {
    case XEN_ELFNOTE_XEN_VERSION:
        return read_text_note(t, n->xen_version, "note XEN_VERSION twice, and not the same", why);
    case XEN_ELFNOTE_GUEST_OS:
        return read_text_note(t, n->guest_os, "note GUEST_OS twice, and not the same", why);
    case XEN_ELFNOTE_GUEST_VERSION:
        return read_text_note(t, n->guest_version, "note GUEST_VERSION twice, and not the same",
                              why);
    case XEN_ELFNOTE_LOADER:
        return read_text_note(t, n->loader, "note LOADER twice, and not the same", why);
    case XEN_ELFNOTE_FEATURES:
        return read_features(t, n, why);
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        if (!read_number(desc, bytes, &bits))
            return malformed(why, "note SUPPORTED_FEATURES with a number of odd size");
        n->supported_features |= bits;
        return 0;
    case XEN_ELFNOTE_L1_MFN_VALID:
        return read_l1_mfn_valid(desc, bytes, n, why);
    default:
        return 0; /* of no concern to a PV domain: INFO, PAE_MODE, BSD_SYMTAB, later ones */
    }
}

static uint64_t padded(uint32_t n)
{
    return ((uint64_t)n + 3) & ~UINT64_C(3);
}

/* All notes in [offset, offset + size) of the file. */
static int read_note_area(const struct elf_file *f, uint64_t offset, uint64_t size,
                          struct elf_notes *n, const char **why)
{
    const uint8_t *area = elf_bytes(f, offset, size);

    if (!area)
        return malformed(why, "notes outside the file");
    while (size >= sizeof(struct elf_note_header)) {
        struct elf_note_header h;
        uint64_t desc_at, bytes;
        int rc;

        memcpy(&h, area, sizeof(h));
        desc_at = sizeof(h) + padded(h.namesz);
        bytes = desc_at + h.descsz; /* the last one may lack its padding */
        if (bytes > size)
            return malformed(why, "note longer than its segment");
        if (h.namesz == 4 && memcmp(area + sizeof(h), "Xen", 4) == 0) {
            n->found = true;
            rc = read_note(h.type, area + desc_at, h.descsz, n, why);
            if (rc)
                return rc;
        }
        bytes = min_u64(desc_at + padded(h.descsz), size);
        area += bytes;
        size -= bytes;
    }
    return 0;
}

static int read_note_segments(const struct elf_file *f, struct elf_notes *n, const char **why)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < f->header.phnum; i++) {
        struct elf_program_header p;

        if (!elf_entry(f, f->header.phoff, i, &p, sizeof(p)))
            return malformed(why, "program headers outside the file");
        if (p.type == ELF_PT_NOTE)
            rc = read_note_area(f, p.offset, p.filesz, n, why);
    }
    return rc;
}

static bool read_section(const struct elf_file *f, unsigned i, struct elf_section_header *s)
{
    return elf_entry(f, f->header.shoff, i, s, sizeof(*s));
}

static int read_note_sections(const struct elf_file *f, struct elf_notes *n, const char **why)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < f->header.shnum; i++) {
        struct elf_section_header s;

        if (!read_section(f, i, &s))
            return malformed(why, "section headers outside the file");
        if (s.type == ELF_SHT_NOTE)
            rc = read_note_area(f, s.offset, s.size, n, why);
    }
    return rc;
}

static int read_legacy_pair(struct text pair, struct elf_notes *n, const char **why)
{
    struct text value = pair, key = text_split(&value, '=');
    bool good = true, same = true;

    if (text_is(key, "VIRT_BASE"))
        good = parse_u64(value, &n->virt_base);
    else if (text_is(key, "ELF_PADDR_OFFSET"))
        good = parse_u64(value, &n->paddr_offset);
    else if (text_is(key, "VIRT_ENTRY"))
        good = parse_u64(value, &n->entry);
    else if (text_is(key, "HYPERCALL_PAGE"))
        good = parse_u64(value, &n->hypercall_pfn);
    else if (text_is(key, "XEN_VER"))
        same = keep_text(value, n->xen_version);
    else if (text_is(key, "GUEST_OS"))
        same = keep_text(value, n->guest_os);
    else if (text_is(key, "GUEST_VER"))
        same = keep_text(value, n->guest_version);
    else if (text_is(key, "LOADER"))
        same = keep_text(value, n->loader);
    else if (text_is(key, "FEATURES"))
        return read_features(value, n, why);
    if (!same)
        return malformed(why, "__xen_guest: a key twice, and not the same");
    return good ? 0 : malformed(why, "__xen_guest: not a number");
}

static int read_legacy(const struct elf_file *f, const struct elf_section_header *s,
                       struct elf_notes *n, const char **why)
{
    const uint8_t *bytes = elf_bytes(f, s->offset, s->size);
    struct text all;
    int rc = 0;

    if (!bytes)
        return malformed(why, "__xen_guest outside the file");
    n->found = n->legacy = true;
    all = (struct text){(const char *)bytes, strnlen((const char *)bytes, s->size)};
    while (!rc && all.length > 0)
        rc = read_legacy_pair(text_split(&all, ','), n, why);
    return rc;
}

/* True if the section's name, in the table of names, is `name`. */
static bool section_is(const struct elf_file *f, const struct elf_section_header *names,
                       const struct elf_section_header *s, const char *name)
{
    size_t bytes = strlen(name) + 1;
    const uint8_t *at;
    uint64_t offset;

    if (s->type == ELF_SHT_NOBITS || add_overflows(names->offset, s->name, &offset))
        return false;
    at = elf_bytes(f, offset, bytes);
    return at && memcmp(at, name, bytes) == 0;
}

static int read_legacy_section(const struct elf_file *f, struct elf_notes *n, const char **why)
{
    struct elf_section_header names, s;

    if (f->header.shnum == 0 || f->header.shstrndx >= f->header.shnum)
        return 0;
    if (!read_section(f, f->header.shstrndx, &names))
        return malformed(why, "section headers outside the file");
    for (unsigned i = 0; i < f->header.shnum; i++) {
        if (!read_section(f, i, &s))
            return malformed(why, "section headers outside the file");
        if (section_is(f, &names, &s, "__xen_guest"))
            return read_legacy(f, &s, n, why);
    }
    return 0;
}

int elf_read_notes(const struct elf_file *f, struct elf_notes *n, const char **why)
{
    int rc;

    *n = (struct elf_notes){.entry = UINT64_MAX,
                            .virt_base = UINT64_MAX,
                            .paddr_offset = UINT64_MAX,
                            .hypercall_page = UINT64_MAX,
                            .hypercall_pfn = UINT64_MAX,
                            .init_p2m = UINT64_MAX,
                            .hv_start_low = UINT64_MAX,
                            .mod_start_pfn = UINT64_MAX,
                            .phys32_entry = UINT64_MAX,
                            .suspend_cancel = UINT64_MAX};
    rc = read_note_segments(f, n, why);
    if (rc || n->found || f->header.shnum == 0)
        return rc;
    if (f->header.shnum > SECTIONS_MAX || f->header.shentsize != sizeof(struct elf_section_header))
        return malformed(why, "section headers of unusual size or number");
    rc = read_note_sections(f, n, why);
    if (rc || n->found)
        return rc;
    return read_legacy_section(f, n, why);
}
