/* SPDX-License-Identifier: MIT
 *
 * A kernel with one note and no more, as a file: two pages at guest-physical 1 MiB, the first filled with 0x90,
 * the second empty in the file.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ELF_KIT_PADDR UINT64_C(0x100000)
#define ELF_KIT_BYTES 0x2000

extern _Alignas(4096) uint8_t elf_kit_file[ELF_KIT_BYTES];
void elf_kit_build(void);
