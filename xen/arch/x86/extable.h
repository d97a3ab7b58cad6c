/* SPDX-License-Identifier: MIT
 *
 * Instructions that may fault on a guest's account, and where to go on when they do.
 */
#pragma once

#ifdef __ASSEMBLY__
/* clang-format off */
#define EX_TABLE(fault, fixup)                                                                     \
    .pushsection __ex_table, "a", @progbits;                                                       \
    .balign 4;                                                                                     \
    .long fault - .;                                                                               \
    .long fixup - .;                                                                               \
    .popsection
/* clang-format on */
#else
/* For inline assembly: labels of the surrounding statement. */
#define EX_TABLE(fault, fixup)                                                \
    ".pushsection __ex_table, \"a\", @progbits\n\t.balign 4\n\t.long " #fault \
    " - .\n\t.long " #fixup " - .\n\t.popsection\n\t"
#endif
