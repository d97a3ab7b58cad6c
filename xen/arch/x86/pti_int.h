/* SPDX-License-Identifier: MIT
 *
 * Between pti.c (a CPU's tables) and pti_audit.c (which looks at them).
 */
#pragma once

#include "xen/arch/x86/pti.h"

struct pti_tables {
    uint64_t *l4[2];          /* [1]: for the guest kernel, [0]: for its user mode */
    mfn_t from[2];            /* whose copies they are; MFN_INVALID: nobody's */
    uint64_t changes[2];      /* the account's l4_changes before the copying */
    uint64_t *l3;             /* of slot 261 */
    struct entry_page *entry; /* NULL: the CPU has no tables */
};

const struct pti_tables *pti_tables_of(unsigned cpu);
