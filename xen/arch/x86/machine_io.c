/* SPDX-License-Identifier: MIT
 *
 * An access that covers ports of different kinds is taken apart into bytes, as the bus would do for
 * devices of different kinds.
 *
 * PCI's address register is a word of ours (pci_config.h). There is one for the domain, as there is
 * one in the machine: its vCPUs have a lock of their own around the pair of accesses. Only a double
 * word sets it: bytes at 0xcf9 are the chipset's reset register.
 */
#include "xen/arch/x86/machine_io.h"

#include <stdatomic.h>

#include "xen/arch/x86/io.h"
#include "xen/arch/x86/pci_config.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/port_rights.h"

#define PCI_ADDRESS_PORT 0xcf8
#define NMI_MASKED       0x80u

static _Atomic uint32_t pci_address;

static uint32_t ones(unsigned bytes)
{
    return bytes == 4 ? UINT32_MAX : (UINT32_C(1) << 8 * bytes) - 1;
}

static uint32_t read_ports(uint16_t port, unsigned bytes)
{
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

static void write_ports(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1)
        out8(port, (uint8_t)value);
    else if (bytes == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
}

static uint32_t read_config(uint16_t port, unsigned bytes)
{
    uint32_t address = atomic_load(&pci_address);

    if (!(address & PCI_ADDRESS_ENABLE) || port % bytes != 0)
        return ones(bytes);
    return pci_config_read(pci_address_function(address), pci_address_register(address, port),
                           bytes);
}

static void write_config(uint16_t port, unsigned bytes, uint32_t value)
{
    uint32_t address = atomic_load(&pci_address);
    struct pci_function f = pci_address_function(address);
    unsigned reg = pci_address_register(address, port);

    if (!(address & PCI_ADDRESS_ENABLE) || port % bytes != 0)
        return;
    if (pirq_filter_config(f, reg, bytes, &value))
        pci_config_write(f, reg, bytes, value);
}

/* Of one kind, or a single byte. */
static uint32_t read_kind(enum port_right right, uint16_t port, unsigned bytes)
{
    switch (right) {
    case PORT_FREE:
    case PORT_CMOS_INDEX:
    case PORT_PCI_ADDRESS:
        return read_ports(port, bytes);
    case PORT_PCI_DATA:
        return read_config(port, bytes);
    case PORT_ZERO:
        return 0;
    case PORT_HIDDEN:
        break;
    }
    return ones(bytes);
}

static void write_kind(enum port_right right, uint16_t port, unsigned bytes, uint32_t value)
{
    switch (right) {
    case PORT_CMOS_INDEX:
        write_ports(port, bytes, value & ~NMI_MASKED);
        break;
    case PORT_FREE:
        write_ports(port, bytes, value);
        break;
    case PORT_PCI_DATA:
        write_config(port, bytes, value);
        break;
    case PORT_PCI_ADDRESS: /* not whole: would disturb the real register */
    case PORT_ZERO:
    case PORT_HIDDEN:
        break;
    }
}

uint32_t machine_io_read(uint16_t port, unsigned bytes)
{
    enum port_right right;
    uint32_t value = 0;

    if (port == PCI_ADDRESS_PORT && bytes == 4)
        return atomic_load(&pci_address);
    if (port_rights_same(port, bytes, &right))
        return read_kind(right, port, bytes);
    for (unsigned i = 0; i < bytes; i++)
        value |= read_kind(port_rights(port + i), (uint16_t)(port + i), 1) << 8 * i;
    return value;
}

void machine_io_write(uint16_t port, unsigned bytes, uint32_t value)
{
    enum port_right right;

    if (port == PCI_ADDRESS_PORT && bytes == 4) {
        atomic_store(&pci_address, value);
        return;
    }
    if (port_rights_same(port, bytes, &right)) {
        write_kind(right, port, bytes, value);
        return;
    }
    for (unsigned i = 0; i < bytes; i++)
        write_kind(port_rights(port + i), (uint16_t)(port + i), 1, value >> 8 * i & 0xff);
}
