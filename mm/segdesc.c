/* SPDX-License-Identifier: MIT
 *
 * Segment descriptors.
 *
 * A guest's descriptor tables are its own memory, read by the processor at each selector load. Code
 * and data segments are harmless once their DPL is 3. A call gate leads to an address of the
 * guest's choice at the privilege of the code segment it names, which may be the hypervisor's: it
 * gets DPL 0, which closes it to ring 3 (Xen does the same, and accepts it). Everything else is
 * refused: no guest needs it, as LLDT and LTR are privileged.
 */
#include <lagan/arch.h>
#include "mm/account.h"
#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/segdesc.h"
#include "mm/type.h"

#define DESC_PRESENT (UINT64_C(1) << 47)
#define DESC_DPL     (UINT64_C(3) << 45)
#define DESC_TYPE    (UINT64_C(15) << 40)
#define DESC_GATE    (UINT64_C(12) << 40) /* type of a call gate */
#define DESC_SEGMENT (UINT64_C(1) << 44)  /* code or data; clear: a gate or a system segment */

bool segdesc_fix(uint64_t *desc)
{
    if (!(*desc & DESC_PRESENT))
        return true;
    if (*desc & DESC_SEGMENT)
        *desc |= DESC_DPL;
    else if ((*desc & DESC_TYPE) == DESC_GATE)
        *desc &= ~DESC_DPL;
    else
        return false;
    return true;
}

bool segdesc_fix_frame(mfn_t m)
{
    uint64_t *table = arch_map_frame(m);

    for (unsigned i = 0; i < SEGDESC_PER_FRAME; i++) {
        uint64_t d = pte_load(&table[i]);

        if (!segdesc_fix(&d))
            return false;
    }
    for (unsigned i = 0; i < SEGDESC_PER_FRAME; i++)
        if (!segdesc_fix(&table[i]))
            return false;
    return true;
}

int segdesc_update(struct account *a, mfn_t m, unsigned index, uint64_t desc)
{
    enum frame_type type = TYPE_WRITABLE;
    int rc = 0;

    if (index >= SEGDESC_PER_FRAME || !frame_get(m, a->id))
        return -XEN_EINVAL;
    if (type_of(m) == TYPE_SEGDESC && type_is_valid(m)) {
        type = TYPE_SEGDESC;
        if (!segdesc_fix(&desc))
            rc = -XEN_EINVAL;
    }
    if (rc == 0)
        rc = type_get(m, type);
    if (rc == 0) {
        pte_store((uint64_t *)arch_map_frame(m) + index, desc);
        type_put(m);
    }
    frame_put(m);
    return rc == -XEN_EBUSY ? -XEN_EINVAL : rc; /* in use as a page table, for one */
}
