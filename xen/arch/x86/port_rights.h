/* SPDX-License-Identifier: MIT
 *
 * Which I/O ports of the machine the control domain reaches: all but those that the hypervisor drives
 * itself, where it sees an empty bus; some are shared.
 */
#pragma once

#include <lagan/types.h>

enum port_right {
    PORT_FREE,        /* what the domain does there is done */
    PORT_HIDDEN,      /* reads as ones, writes go nowhere */
    PORT_ZERO,        /* the same, but reads as 0 */
    PORT_PCI_ADDRESS, /* 0xcf8: a double word at once is kept for the next access to data */
    PORT_PCI_DATA,    /* 0xcfc: configuration space (pci_config.h) */
    PORT_CMOS_INDEX,  /* 0x70: as written, but for the bit that masks NMIs */
};

/* Boot only: these are the hypervisor's. At most PORT_HIDDEN_MAX ranges; more panic. */
#define PORT_HIDDEN_MAX 8
void port_rights_hide(uint16_t first, unsigned count);

enum port_right port_rights(uint32_t port);
/* What `bytes` ports from `port` on have in common: true, and *right, if they are all of a kind. */
bool port_rights_same(uint32_t port, unsigned bytes, enum port_right *right);
