/* SPDX-License-Identifier: MIT
 *
 * The layout of the two capabilities (PCI Local Bus Specification 3.0, 6.8), and the pages through
 * which MSI-X tables are reached.
 *
 * A page of a table is mapped when it is first needed and stays mapped: there are few of them, and the
 * hypervisor's translations are never flushed. Should a device's memory be moved, its old page rests
 * unused. A table is never in RAM, whatever a device or the control domain says (INV-MSI-1).
 */
#include "xen/arch/x86/msi.h"

#include <lagan/arch.h>
#include <lagan/lock.h>

#include "xen/arch/x86/device_page.h"
#include "xen/arch/x86/io.h"
#include "arch_inline.h"

#define CAPABILITY_MSI  0x05
#define CAPABILITY_MSIX 0x11

/* MSI: control, address, upper half (if wide), data, mask bits (if maskable), pending bits. */
#define MSI_CONTROL  2
#define MSI_ADDRESS  4
#define CAPABLE_LOG2 1 /* bits of control: how many messages it could send... */
#define ENABLED_LOG2 4 /* ...and does */
#define LOG2_MASK    7
#define CONTROL_WIDE (1u << 7)
#define CONTROL_MASK (1u << 8)
#define LOG2_MAX     5

/* MSI-X: control, table, pending bits; an entry is address, upper half, data, control. */
#define MSIX_CONTROL   2
#define MSIX_TABLE     4
#define MSIX_SIZE_MASK 0x7ff
#define MSIX_BAR_MASK  7u
#define ENTRY_BYTES    16
#define ENTRY_ADDRESS  0
#define ENTRY_UPPER    4
#define ENTRY_DATA     8
#define ENTRY_CONTROL  12
#define ENTRY_MASKED   1u

#define REG_BAR         0x10
#define BAR_COUNT       6
#define BAR_PORTS       1u
#define BAR_WIDE        4u
#define BAR_WIDTH_MASK  6u
#define BAR_MEMORY_MASK (~UINT32_C(15))

#define MESSAGE_ADDRESS     UINT32_C(0xfee00000)
#define MESSAGE_DESTINATION 12 /* physical, fixed delivery, edge: all zero */

struct msi_message msi_message(uint32_t apic_id, uint8_t vector)
{
    return (struct msi_message){MESSAGE_ADDRESS | (apic_id & 0xff) << MESSAGE_DESTINATION, vector};
}

/* ---- finding ---- */

/* The address in a memory BAR; 0: it has none. */
static uint64_t bar_address(struct pci_function f, unsigned bar)
{
    uint32_t low, high = 0;

    if (bar >= BAR_COUNT)
        return 0;
    low = pci_config_read(f, REG_BAR + 4 * bar, 4);
    if (low == UINT32_MAX || (low & BAR_PORTS))
        return 0;
    if ((low & BAR_WIDTH_MASK) == BAR_WIDE && bar + 1 < BAR_COUNT)
        high = pci_config_read(f, REG_BAR + 4 * (bar + 1), 4);
    return (uint64_t)high << 32 | (low & BAR_MEMORY_MASK);
}

/* 0: it has none. */
static uint64_t table_address(struct pci_function f, unsigned capability, uint64_t table)
{
    uint32_t place = pci_config_read(f, capability + MSIX_TABLE, 4);
    uint64_t at = table ? table : bar_address(f, place & MSIX_BAR_MASK);

    return at && !add_overflows(at, place & ~MSIX_BAR_MASK, &at) ? at : 0;
}

static unsigned table_entries(struct pci_function f, unsigned capability)
{
    return (pci_config_read(f, capability + MSIX_CONTROL, 2) & MSIX_SIZE_MASK) + 1;
}

int msi_table(struct pci_function f, uint64_t table, uint64_t *start, uint32_t *bytes)
{
    unsigned capability = pci_find_capability(f, CAPABILITY_MSIX);

    if (!capability)
        return -XEN_ENODEV;
    *start = table_address(f, capability, table);
    *bytes = table_entries(f, capability) * ENTRY_BYTES;
    return *start ? 0 : -XEN_EINVAL;
}

static int find_msix(struct msi_source *s, uint64_t table)
{
    uint64_t at = table_address(s->function, s->capability, table);

    if (s->index >= table_entries(s->function, s->capability) || !at)
        return -XEN_EINVAL;
    return device_page_map(at + (uint64_t)s->index * ENTRY_BYTES, &s->entry);
}

static int find_msi(struct msi_source *s)
{
    uint32_t control = pci_config_read(s->function, s->capability + MSI_CONTROL, 2);

    s->wide = control & CONTROL_WIDE;
    s->maskable = control & CONTROL_MASK;
    return s->index < msi_capacity(s) ? 0 : -XEN_EINVAL;
}

int msi_find(struct pci_function f, bool msix, unsigned index, uint64_t table,
             struct msi_source *source)
{
    struct msi_source s = {.function = f, .msix = msix};

    if (index > MSIX_SIZE_MASK)
        return -XEN_EINVAL;
    s.index = (uint16_t)index;
    s.capability = (uint8_t)pci_find_capability(f, msix ? CAPABILITY_MSIX : CAPABILITY_MSI);
    if (!s.capability)
        return -XEN_ENODEV;
    *source = s;
    return msix ? find_msix(source, table) : find_msi(source);
}

unsigned msi_capacity(const struct msi_source *s)
{
    uint32_t log2 = pci_config_read(s->function, s->capability + MSI_CONTROL, 2) >> CAPABLE_LOG2;

    return 1u << min_u64(log2 & LOG2_MASK, LOG2_MAX);
}

/* ---- writing ---- */

static unsigned data_register(const struct msi_source *s)
{
    return s->capability + MSI_ADDRESS + (s->wide ? 8u : 4u);
}

static unsigned mask_register(const struct msi_source *s)
{
    return data_register(s) + 4;
}

static void write_msi(const struct msi_source *s, struct msi_message message, unsigned count)
{
    unsigned log2 = (unsigned)__builtin_ctz(count), control = s->capability + MSI_CONTROL;
    uint32_t old = pci_config_read(s->function, control, 2);
    uint32_t new = (old & ~(uint32_t)(LOG2_MASK << ENABLED_LOG2)) | log2 << ENABLED_LOG2;

    if (new != old)
        pci_config_write(s->function, control, 2, new);
    pci_config_write(s->function, s->capability + MSI_ADDRESS, 4, message.address);
    if (s->wide)
        pci_config_write(s->function, s->capability + MSI_ADDRESS + 4, 4, 0);
    pci_config_write(s->function, data_register(s), 2, message.data);
}

void msi_write(const struct msi_source *s, struct msi_message message, unsigned count)
{
    if (!s->msix) {
        write_msi(s, message, count);
        return;
    }
    mmio_write32(s->entry, ENTRY_ADDRESS, message.address);
    mmio_write32(s->entry, ENTRY_UPPER, 0);
    mmio_write32(s->entry, ENTRY_DATA, message.data);
}

void msi_divert(const struct msi_source *s, uint32_t apic_id)
{
    ASSERT(!s->msix);
    pci_config_write(s->function, s->capability + MSI_ADDRESS, 4, msi_message(apic_id, 0).address);
}

void msi_mask(const struct msi_source *s, bool masked)
{
    uint32_t bit = s->msix ? ENTRY_MASKED : UINT32_C(1) << s->index, value;

    if (s->msix) {
        value = mmio_read32(s->entry, ENTRY_CONTROL);
        mmio_write32(s->entry, ENTRY_CONTROL, masked ? value | bit : value & ~bit);
        (void)mmio_read32(s->entry, ENTRY_CONTROL); /* it has arrived when we return */
    } else if (s->maskable) {
        value = pci_config_read(s->function, mask_register(s), 4);
        pci_config_write(s->function, mask_register(s), 4, masked ? value | bit : value & ~bit);
    }
}

/* ---- what the control domain writes ---- */

/* Bytes [first, end) of the configuration space keep what they hold: of a write that covers some of
 * them, the value has these replaced. */
static void keep_bytes(const struct msi_source *s, unsigned first, unsigned end, unsigned reg,
                       unsigned bytes, uint32_t *value)
{
    for (unsigned i = 0; i < bytes; i++) {
        unsigned at = reg + i;

        if (at < first || at >= end)
            continue;
        *value &= ~(UINT32_C(0xff) << (8 * i));
        *value |= (pci_config_read(s->function, at, 1) & 0xff) << (8 * i);
    }
}

bool msi_filter(const struct msi_source *s, unsigned reg, unsigned bytes, uint32_t *value)
{
    unsigned first = s->capability + MSI_ADDRESS;
    unsigned end = s->maskable ? mask_register(s) + 4 : data_register(s) + 2;
    unsigned control = s->capability + MSI_CONTROL;

    if (s->msix) /* its messages are not here */
        return true;
    if (reg >= first && reg + bytes <= end)
        return false;
    keep_bytes(s, first, end, reg, bytes, value);
    if (reg <= control && control < reg + bytes) {
        unsigned shift = 8 * (control - reg) + ENABLED_LOG2;
        uint32_t old = pci_config_read(s->function, control, 1) >> ENABLED_LOG2 & LOG2_MASK;

        *value = (*value & ~(UINT32_C(7) << shift)) | old << shift;
    }
    return true;
}
