/* SPDX-License-Identifier: MIT
 *
 * Parts of physdev_op that stand in files of their own.
 */
#pragma once

#include <lagan/types.h>

/* hcall_cpu.c: PHYSDEVOP_set_iopl, _set_iobitmap, which every guest may. */
int64_t physdev_set_iopl(guest_ptr_t arg);
int64_t physdev_set_io_bitmap(guest_ptr_t arg);

/* hcall_physdev_apic.c: PHYSDEVOP_apic_read, _apic_write: a register of an IO-APIC as the control
 * domain sees it. A write changes nothing: pins are set up by other calls. -XEN_EINVAL: no IO-APIC
 * there. */
int64_t physdev_apic_access(guest_ptr_t arg, bool write);
