/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the ELF parser: an accepted image keeps the invariants of elf.h, and its pages load. The
 * first byte of the input says whether the fields that any ELF kernel has are put right first, and a
 * note as well: else hardly an input would get past them.
 */
#include <stdlib.h>
#include <string.h>

#include "xen/elf.h"
#include "xen/elf_format.h"

/* Behind eight program headers. */
#define NOTES_AT    512
#define NOTES_BYTES 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct elf_image *e, const uint8_t *data, size_t size)
{
    static uint8_t page[PAGE_SIZE];

    if (e->entry < e->virt_start || e->entry >= e->virt_end || e->segment_count == 0)
        abort();
    for (unsigned i = 0; i < e->segment_count; i++) {
        const struct elf_segment *s = &e->segment[i];

        if (s->file < data || s->file_bytes > size || s->file + s->file_bytes > data + size ||
            s->file_bytes > s->mem_bytes || s->paddr < e->paddr_start ||
            s->paddr + s->mem_bytes > e->paddr_end)
            abort();
        elf_load_page(e, s->paddr & PAGE_MASK, page);
        elf_load_page(e, (s->paddr + s->file_bytes) & PAGE_MASK, page);
    }
}

static void repair(uint8_t *bytes)
{
    static const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', ELF_CLASS64, ELF_DATA_LSB, 1};
    struct elf_file_header h;

    memcpy(&h, bytes, sizeof(h));
    memcpy(h.ident, ident, sizeof(ident));
    h.type = ELF_TYPE_EXEC;
    h.machine = ELF_MACHINE_X86;
    h.version = 1;
    h.phentsize = sizeof(struct elf_program_header);
    h.shentsize = sizeof(struct elf_section_header);
    h.phoff %= 256;
    h.phnum %= 8;
    h.shnum %= 8;
    memcpy(bytes, &h, sizeof(h));
}

/* The first program header names a segment of notes, and the first note there is one of Xen's: without
 * any the parser would go no further. */
static void repair_notes(uint8_t *bytes)
{
    struct elf_program_header p = {
        .type = ELF_PT_NOTE, .offset = NOTES_AT, .filesz = NOTES_BYTES, .memsz = NOTES_BYTES};
    struct elf_file_header h;
    struct elf_note_header n;

    memcpy(&h, bytes, sizeof(h));
    h.phoff = sizeof(h);
    h.phnum = (uint16_t)(h.phnum % 6 + 2);
    memcpy(bytes, &h, sizeof(h));
    memcpy(bytes + sizeof(h), &p, sizeof(p));
    memcpy(&n, bytes + NOTES_AT, sizeof(n));
    n.namesz = 4;
    n.descsz %= 32;
    n.type %= 32;
    memcpy(bytes + NOTES_AT, &n, sizeof(n));
    memcpy(bytes + NOTES_AT + sizeof(n), "Xen", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_image image;
    const char *why = NULL;
    uint8_t *file;

    if (size == 0)
        return 0;
    size--;
    file = malloc(size); /* its own block: a look behind the end is seen */
    memcpy(file, data + 1, size);
    if ((data[0] & 1) && size >= sizeof(struct elf_file_header))
        repair(file);
    if ((data[0] & 2) && size >= NOTES_AT + NOTES_BYTES)
        repair_notes(file);
    if (elf_parse(file, size, &image, &why) == 0)
        check(&image, file, size);
    else if (!why)
        abort();
    free(file);
    return 0;
}
