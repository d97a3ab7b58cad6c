/* SPDX-License-Identifier: MIT
 *
 * Device memory where the messages of PCI functions are kept: tables of MSI-X, and configuration space
 * in memory. The control domain reads it as it is; its mappings are not writable, and what it writes
 * goes the way of a write by the ports (pci_config.h).
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/pci_config.h"

/* Once at boot, when ACPI's tables have been read. */
void io_guard_init(void);

/* May a page of devices' memory be mapped for reading only? Any lock below LK_IRQ may be held. */
bool io_guard_covers(mfn_t m);

/* The function is there, or has moved: from now on its table of MSI-X is guarded, if it has one. Mappings
 * that were made before stay as they are. `table`: as msi_find() has it; 0: the function is asked.
 * No lock of level LK_IRQ or above is held here and below. */
void io_guard_function(struct pci_function f, uint64_t table);
/* It has gone. */
void io_guard_forget(struct pci_function f);

/* The control domain writes to a page of devices' memory that is mapped for reading only, since it is
 * guarded or once was: what may be written of it, is. Bytes: 1, 2, 4 or 8, the address a multiple of it.
 * False: there has been no guard, and nothing was written. */
bool io_guard_write(uint64_t phys, unsigned bytes, uint64_t value) LAGAN_MUST_CHECK;
