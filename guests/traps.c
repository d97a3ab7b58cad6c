/* SPDX-License-Identifier: MIT
 *
 * traps: every exception that a guest can take, in guest kernel and in guest user mode; selectors,
 * descriptor tables, iret frames; the emulation of privileged instructions; bad pointers to every
 * hypercall.
 */
#include "kit/kit.h"
#include "traps/traps.h"

const char guest_name[] = "traps";

void guest_main(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};

    /* User mode runs on the kernel's own page tables: all pages are open to ring 3 anyway. */
    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    check_result("user-base", hv_mmuext(&op, 1), 0);
    check_exceptions();
    check_entries();
    check_descriptors();
    check_emulation();
    check_registers();
    check_flags();
    check_nmis();
    check_small();
    check_pointers();
}
