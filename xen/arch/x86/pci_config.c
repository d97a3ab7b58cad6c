/* SPDX-License-Identifier: MIT */
#include "xen/arch/x86/pci_config.h"

#include <lagan/lock.h>

#include "xen/arch/x86/io.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc

#define REG_STATUS              0x06
#define REG_CAPABILITIES        0x34
#define STATUS_HAS_CAPABILITIES 0x10
#define CAPABILITIES_FIRST      0x40
#define CAPABILITIES_MAX        48 /* as many as there is room for: a list that goes in a circle ends */

static struct spinlock config_lock = SPINLOCK_INIT(LK_IRQ);

static uint32_t address_of(struct pci_function f, unsigned reg)
{
    return PCI_ADDRESS_ENABLE | (uint32_t)f.bus << 16 | (uint32_t)f.devfn << 8 | (reg & 0xfc);
}

struct pci_function pci_address_function(uint32_t address)
{
    return (struct pci_function){0, (uint8_t)(address >> 16), (uint8_t)(address >> 8)};
}

unsigned pci_address_register(uint32_t address, unsigned offset)
{
    return (address & 0xfc) | (offset & 3);
}

uint32_t pci_config_read(struct pci_function f, unsigned reg, unsigned bytes)
{
    uint16_t port = (uint16_t)(PORT_DATA + (reg & 3));
    uint32_t value;

    if (f.segment != 0)
        return UINT32_MAX;
    spin_lock(&config_lock);
    out32(PORT_ADDRESS, address_of(f, reg));
    value = bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
    spin_unlock(&config_lock);
    return value;
}

void pci_config_write(struct pci_function f, unsigned reg, unsigned bytes, uint32_t value)
{
    uint16_t port = (uint16_t)(PORT_DATA + (reg & 3));

    if (f.segment != 0)
        return;
    spin_lock(&config_lock);
    out32(PORT_ADDRESS, address_of(f, reg));
    if (bytes == 1)
        out8(port, (uint8_t)value);
    else if (bytes == 2)
        out16(port, (uint16_t)value);
    else
        out32(port, value);
    spin_unlock(&config_lock);
}

unsigned pci_find_capability(struct pci_function f, uint8_t id)
{
    uint32_t status = pci_config_read(f, REG_STATUS, 2);
    unsigned at;

    if (status == UINT16_MAX || !(status & STATUS_HAS_CAPABILITIES))
        return 0;
    at = pci_config_read(f, REG_CAPABILITIES, 1) & 0xfc;
    for (unsigned i = 0; i < CAPABILITIES_MAX && at >= CAPABILITIES_FIRST; i++) {
        uint32_t head = pci_config_read(f, at, 2);

        if ((head & 0xff) == id)
            return at;
        at = (head >> 8) & 0xfc;
    }
    return 0;
}
