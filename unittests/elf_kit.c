/* SPDX-License-Identifier: MIT
 *
 * See elf_kit.h.
 */
#include <string.h>

#include <xen/elfnote.h>

#include "unittests/elf_kit.h"
#include "xen/elf_format.h"

#define NOTE_AT 0x200

_Alignas(4096) uint8_t elf_kit_file[ELF_KIT_BYTES];

void elf_kit_build(void)
{
    static const uint8_t ident[16] = {0x7f, 'E', 'L', 'F', ELF_CLASS64, ELF_DATA_LSB, 1};
    static const struct {
        struct elf_note_header header;
        char owner[4], text[4];
    } note = {{4, 4, XEN_ELFNOTE_GUEST_OS}, "Xen", "kit"};
    struct elf_file_header *h = (struct elf_file_header *)elf_kit_file;
    struct elf_program_header *p = (struct elf_program_header *)(h + 1);

    memset(elf_kit_file, 0, sizeof(elf_kit_file));
    *h = (struct elf_file_header){.type = ELF_TYPE_EXEC,
                                  .machine = ELF_MACHINE_X86,
                                  .version = 1,
                                  .entry = ELF_KIT_PADDR,
                                  .phoff = sizeof(*h),
                                  .ehsize = sizeof(*h),
                                  .phentsize = sizeof(*p),
                                  .phnum = 2};
    memcpy(h->ident, ident, sizeof(ident));
    *p = (struct elf_program_header){.type = ELF_PT_LOAD,
                                     .flags = 7,
                                     .offset = 0x1000,
                                     .vaddr = ELF_KIT_PADDR,
                                     .paddr = ELF_KIT_PADDR,
                                     .filesz = 0x1000,
                                     .memsz = 0x2000};
    memset(elf_kit_file + 0x1000, 0x90, 0x1000);
    p[1] = (struct elf_program_header){
        .type = ELF_PT_NOTE, .offset = NOTE_AT, .filesz = sizeof(note), .memsz = sizeof(note)};
    memcpy(elf_kit_file + NOTE_AT, &note, sizeof(note));
}
