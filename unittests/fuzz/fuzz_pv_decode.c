/* SPDX-License-Identifier: MIT
 *
 * The decoder on arbitrary bytes: INV-DEC-1 by the address sanitizer (the input is copied to a
 * buffer of exactly its size), INV-DEC-2 by decoding again.
 */
#include <stdlib.h>
#include <string.h>

#include "xen/arch/x86/pv_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    struct pv_insn insn, again;

    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    if (pv_decode(bytes, size, &insn)) {
        if (insn.length < 1 || insn.length > size || insn.length > PV_INSN_MAX)
            abort();
        if (insn.reg > 15 || insn.sysreg > 15 || insn.bytes == 3 || insn.bytes > 4)
            abort();
        bytes = realloc(bytes, insn.length); /* nothing behind it may matter */
        if (!pv_decode(bytes, insn.length, &again) || again.op != insn.op ||
            again.length != insn.length || again.reg != insn.reg || again.bytes != insn.bytes)
            abort();
        if (pv_decode(bytes, insn.length - 1U, &again))
            abort();
    }
    free(bytes);
    return 0;
}
