/* SPDX-License-Identifier: MIT
 *
 * STAC and CLAC as three-byte no-ops that smap_enable() turns into the real thing where the CPU has
 * SMAP.
 */
#pragma once

#ifdef __ASSEMBLY__

/* clang-format off */
#define ASM_SMAP_SITE                                                                              \
    991 : .byte 0x0f, 0x1f, 0x00;                                                                  \
    .pushsection .smap_sites, "a", @progbits;                                                      \
    .quad 991b;                                                                                    \
    .popsection

#define ASM_CLAC                                                                                   \
    ASM_SMAP_SITE;                                                                                 \
    .pushsection .smap_kind, "a", @progbits; .byte 0xca; .popsection
#define ASM_STAC                                                                                   \
    ASM_SMAP_SITE;                                                                                 \
    .pushsection .smap_kind, "a", @progbits; .byte 0xcb; .popsection
/* clang-format on */

#else

/* For inline assembly. */
#define SMAP_SITE(kind)                                                           \
    "991: .byte 0x0f, 0x1f, 0x00\n\t"                                             \
    ".pushsection .smap_sites, \"a\", @progbits\n\t.quad 991b\n\t.popsection\n\t" \
    ".pushsection .smap_kind, \"a\", @progbits\n\t.byte " #kind "\n\t.popsection\n\t"
#define SMAP_CLAC SMAP_SITE(0xca)
#define SMAP_STAC SMAP_SITE(0xcb)

/* Boot only, while the text can still be written: patches every site. */
void smap_enable(void);

#endif
