/* SPDX-License-Identifier: MIT
 *
 * The image in memory. Sections with different rights start on pages of their own (hvmap.c maps
 * them so), and file offsets grow exactly as addresses do: boot loaders that read program headers
 * (multiboot2) and those that read the address fields of a multiboot1 header then load the same
 * bytes at the same places.
 */
#include "xen/arch/x86/layout.h"

#define PHYS(va) ((va) - VA_IMAGE + IMAGE_PHYS)

OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)
ENTRY(boot_start)

PHDRS
{
    text PT_LOAD FLAGS(5);
    rodata PT_LOAD FLAGS(4);
    data PT_LOAD FLAGS(6);
    stack PT_GNU_STACK FLAGS(6);
}

SECTIONS
{
    . = VA_IMAGE;
    image_start = .;
    .text : AT(PHYS(ADDR(.text))) {
        text_start = .;
        *(.multiboot)
        *(.text .text.*)
        . = ALIGN(4096);
        entry_text_start = .;
        *(.entry.text)
        . = ALIGN(4096);
        entry_text_end = .;
        text_end = .;
    } :text
    .init.text : AT(PHYS(ADDR(.init.text))) {
        init_text_start = .;
        *(.init.text)
        . = ALIGN(4096);
        init_text_end = .;
    } :text
    .rodata : AT(PHYS(ADDR(.rodata))) {
        rodata_start = .;
        *(.rodata .rodata.*)
        . = ALIGN(8);
        ex_table_start = .;
        *(__ex_table)
        ex_table_end = .;
        . = ALIGN(8);
        smap_sites_start = .;
        *(.smap_sites)
        smap_sites_end = .;
        smap_kind_start = .;
        *(.smap_kind)
        . = ALIGN(8);
        init_array_start = .;
        *(.init_array .init_array.*)
        init_array_end = .;
        *(.got .got.plt)
        . = ALIGN(8);
        pti_sites_start = .;
        *(.pti_sites)
        pti_sites_end = .;
        . = ALIGN(4096);
        *(.ro_after_boot)
        /* Last, so that its own size moves no other constant and no code. */
        *(.symbols)
        . = ALIGN(4096);
        rodata_end = .;
    } :rodata
    .data : AT(PHYS(ADDR(.data))) {
        data_start = .;
        *(.data .data.*)
        . = ALIGN(4096);
    } :data
    .init.data : AT(PHYS(ADDR(.init.data))) {
        init_data_start = .;
        *(.init.data)
        . = ALIGN(4096);
        image_load_end = .;
    } :data
    .bss (NOLOAD) : AT(PHYS(ADDR(.bss))) {
        *(.bss.init)
        /* Aligned by hand: an input section's alignment would raise the segment's, and leave a gap in
         * the file that a loader without program headers does not know of. */
        . = ALIGN(STACK_SIZE);
        init_data_end = .;
        cpu0_stack = .;
        . += STACK_SIZE;
        *(.bss.page_aligned)
        *(.bss .bss.*)
        *(COMMON)
        . = ALIGN(4096);
        data_end = .;
    } :data
    image_end = .;

    boot_start_phys = PHYS(boot_start);
    image_load_end_phys = PHYS(image_load_end);
    image_end_phys = PHYS(image_end);

    /DISCARD/ : { *(.comment) *(.eh_frame) *(.note.*) }
}

ASSERT(image_end - image_start <= 0x400000, "boot.S maps four megabytes of image")
