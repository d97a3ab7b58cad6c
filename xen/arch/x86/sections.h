/* SPDX-License-Identifier: MIT
 *
 * Bounds of the image's sections (xen.lds.S).
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/layout.h"

extern char image_start[], image_end[];
extern char text_start[], text_end[];
extern char entry_text_start[], entry_text_end[]; /* part of the text: pti.h */
extern char init_text_start[], init_text_end[];
extern char rodata_start[], rodata_end[];
extern char data_start[], data_end[];
extern char init_data_start[], init_data_end[]; /* LAGAN_INIT_DATA, LAGAN_INIT_BSS */
/* Constructors of the libraries' objects (foreign.c). */
extern void (*const init_array_start[])(void), (*const init_array_end[])(void);

/* Physical address of something in the image. */
static inline uint64_t image_phys(const void *p)
{
    return (uint64_t)p - VA_IMAGE + IMAGE_PHYS;
}

extern bool init_is_gone; /* initmem.c */

static inline bool address_is_code(uint64_t a)
{
    return (a >= (uint64_t)text_start && a < (uint64_t)text_end) ||
           (!init_is_gone && a >= (uint64_t)init_text_start && a < (uint64_t)init_text_end);
}
