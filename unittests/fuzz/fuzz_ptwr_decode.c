/* SPDX-License-Identifier: MIT
 *
 * The decoder of writes to page tables on arbitrary bytes: INV-PTWR-1 by the address sanitizer (the
 * input is copied to a buffer of exactly its size), INV-PTWR-2 by decoding again; and execution of
 * what was decoded.
 */
#include <stdlib.h>
#include <string.h>

#include "xen/arch/x86/pv_ptwr_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_execution(const struct ptwr_insn *insn)
{
    struct ptwr_effect e;

    if (ptwr_execute(insn, 0x8000000000000067, insn->immediate, 0x67, 0x246, &e) &&
        insn->bytes < 8 && e.memory >> (8 * insn->bytes))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    struct ptwr_insn insn, again;

    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    if (ptwr_decode(bytes, size, &insn)) {
        if (insn.length < 2 || insn.length > size || insn.length > PTWR_INSN_MAX)
            abort();
        if (insn.op > PTWR_DEC || insn.op == PTWR_CMP || insn.scale > 3 ||
            (insn.bytes & (insn.bytes - 1)) || insn.bytes > 8 ||
            (insn.reg > 15 && insn.reg != PTWR_NO_REG) ||
            (insn.base > 15 && insn.base != PTWR_NO_REG) ||
            (insn.index > 15 && insn.index != PTWR_NO_REG))
            abort();
        bytes = realloc(bytes, insn.length); /* nothing behind it may matter */
        if (!ptwr_decode(bytes, insn.length, &again) ||
            memcmp(&again.length, &insn.length, sizeof(insn.length)) != 0 || again.op != insn.op)
            abort();
        if (ptwr_decode(bytes, insn.length - 1U, &again))
            abort();
        check_execution(&insn);
    }
    free(bytes);
    return 0;
}
