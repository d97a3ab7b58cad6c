/* SPDX-License-Identifier: MIT
 *
 * Segment registers as a guest left them and wants them back.
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/extable.h"

static inline void swapgs(void)
{
    __asm__ volatile("swapgs" : : : "memory");
}

#define DEFINE_SELECTOR(reg)                                                        \
    static inline uint16_t read_##reg(void)                                         \
    {                                                                               \
        uint16_t selector;                                                          \
                                                                                    \
        __asm__ volatile("mov %%" #reg ", %0" : "=r"(selector));                    \
        return selector;                                                            \
    }                                                                               \
    /* False, with a null selector loaded, when the descriptor cannot be loaded. */ \
    static inline bool load_##reg(uint16_t selector)                                \
    {                                                                               \
        uint32_t value = selector, failed = 0;                                      \
                                                                                    \
        __asm__ volatile("1: mov %1, %%" #reg "\n"                                  \
                         "2:\n\t"                                                   \
                         ".pushsection .text.fixup, \"ax\", @progbits\n"            \
                         "3: xor %1, %1\n\t"                                        \
                         "mov $1, %0\n\t"                                           \
                         "jmp 1b\n\t"                                               \
                         ".popsection\n\t" EX_TABLE(1b, 3b)                         \
                         : "+r"(failed), "+r"(value)                                \
                         :                                                          \
                         : "memory");                                               \
        return !failed;                                                             \
    }

DEFINE_SELECTOR(ds)
DEFINE_SELECTOR(es)
DEFINE_SELECTOR(fs)
DEFINE_SELECTOR(gs)
