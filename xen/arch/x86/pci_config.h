/* SPDX-License-Identifier: MIT
 *
 * PCI configuration space by the ports 0xcf8 and 0xcfc: the first 256 bytes of each function of
 * segment 0. What lies beyond is memory, which the control domain maps by itself.
 *
 * The two ports are one resource, which the control domain and the hypervisor both need: so the
 * domain's address register is a word of ours, and each access writes the real one anew.
 */
#pragma once

#include <lagan/types.h>

struct pci_function {
    uint16_t segment;
    uint8_t bus;
    uint8_t devfn; /* device << 3 | function */
};

#define PCI_CONFIG_BYTES   256
#define PCI_ADDRESS_ENABLE UINT32_C(0x80000000)

/* Aligned accesses of 1, 2 or 4 bytes. A function of another segment is not there: ones, and
 * nothing. No lock of level LK_IRQ or above is held. */
uint32_t pci_config_read(struct pci_function f, unsigned reg, unsigned bytes);
void pci_config_write(struct pci_function f, unsigned reg, unsigned bytes, uint32_t value);

/* Where the function has the capability: its offset, or 0. */
unsigned pci_find_capability(struct pci_function f, uint8_t id);

/* The function and register that an access to port 0xcfc + `offset` means while the address
 * register holds `address`. */
struct pci_function pci_address_function(uint32_t address);
unsigned pci_address_register(uint32_t address, unsigned offset);

static inline bool pci_same_function(struct pci_function a, struct pci_function b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}
