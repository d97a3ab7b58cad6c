/* SPDX-License-Identifier: MIT
 *
 * Which domains are isolated: pure.
 */
#pragma once

#include <lagan/types.h>
#include "xen/options.h"

/* What is known of the processor's kind: the answers of CPUID leaves 0 and 1. */
struct processor_kind {
    char vendor[13];
    unsigned family, model; /* with their extensions */
};

/* From the registers of leaf 0 in the order of the text, and EAX of leaf 1. */
struct processor_kind processor_kind(uint32_t b, uint32_t d, uint32_t c, uint32_t signature);

/* May ring 3 read speculatively what only ring 0 may read (Meltdown)? rdcl_no: the processor says that
 * it may not. One of which nothing is known is taken to be affected. */
bool has_meltdown(const struct processor_kind *kind, bool rdcl_no);

/* Is a domain to be isolated that asks by this option? */
static inline bool pti_wanted(enum option_choice choice, bool affected)
{
    return choice == OPTION_DEFAULT ? affected : choice == OPTION_ON;
}
