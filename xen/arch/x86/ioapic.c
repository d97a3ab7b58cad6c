/* SPDX-License-Identifier: MIT
 *
 * The IO-APICs.
 *
 * Each has an index register and a data window, so an access takes two steps, which the lock makes
 * one. An entry is 64 bits in two words; the lower holds the mask bit. To change an entry it is
 * masked first, then its upper word is written, then the lower: no interrupt ever goes to a
 * half-written target (INV-IOAPIC-1).
 *
 * How a device interrupt that belongs to a domain is served without a lock in its handler is told in
 * pirq.c.
 */
#include <lagan/lock.h>
#include <lagan/printk.h>
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/ioapic.h"

#define WINDOW_BYTES  0x44
#define INDEX         0x00
#define DATA          0x10
#define EOI           0x40 /* version 0x20 and later: write a vector */
#define REG_VERSION   1
#define REG_ENTRY     0x10 /* + 2 * pin: lower word, then upper */
#define VERSION_EOI   0x20
#define PINS_MAX      240
#define GSI_MAX       1024
#define VECTOR_LOWEST 0x30
#define TARGET_MAX    254

#define ENTRY_LOW     (1u << 13)
#define ENTRY_SERVING (1u << 14)
#define ENTRY_LEVEL   (1u << 15)
#define ENTRY_MASKED  (1u << 16)

struct ioapic {
    volatile void *window;
    uint64_t address;
    unsigned gsi_base, pins;
    uint8_t version;
};

static struct {
    struct spinlock lock;
    unsigned count;                         /* [c] */
    struct ioapic ioapic[ACPI_MAX_IOAPICS]; /* [c] the registers behind: [lock] */
    unsigned gsi_count;                     /* [c] */
} io = {.lock = SPINLOCK_INIT(LK_IRQ)};

static uint32_t reg_read(const struct ioapic *a, unsigned reg)
{
    mmio_write32(a->window, INDEX, reg);
    return mmio_read32(a->window, DATA);
}

static void reg_write(const struct ioapic *a, unsigned reg, uint32_t v)
{
    mmio_write32(a->window, INDEX, reg);
    mmio_write32(a->window, DATA, v);
}

static unsigned entry_reg(const struct ioapic *a, unsigned gsi)
{
    return REG_ENTRY + 2 * (gsi - a->gsi_base);
}

static const struct ioapic *find(unsigned gsi)
{
    for (unsigned i = 0; i < io.count; i++) {
        const struct ioapic *a = &io.ioapic[i];

        if (gsi >= a->gsi_base && gsi - a->gsi_base < a->pins)
            return a;
    }
    return NULL;
}

/* The lock is held. Older chips have no EOI register: there, an entry that becomes edge for a
 * moment forgets what it was serving. */
static void forget_service(const struct ioapic *a, unsigned gsi)
{
    unsigned reg = entry_reg(a, gsi);
    uint32_t low = reg_read(a, reg);

    if (!(low & ENTRY_LEVEL) || !(low & ENTRY_SERVING))
        return;
    if (a->version >= VERSION_EOI) {
        mmio_write32(a->window, EOI, low & 0xff);
        return;
    }
    reg_write(a, reg, (low | ENTRY_MASKED) & ~ENTRY_LEVEL);
    reg_write(a, reg, low | ENTRY_MASKED);
    reg_write(a, reg, low);
}

static void mask_all(const struct ioapic *a)
{
    for (unsigned gsi = a->gsi_base; gsi < a->gsi_base + a->pins; gsi++) {
        reg_write(a, entry_reg(a, gsi), reg_read(a, entry_reg(a, gsi)) | ENTRY_MASKED);
        forget_service(a, gsi);
        reg_write(a, entry_reg(a, gsi), ENTRY_MASKED);
        reg_write(a, entry_reg(a, gsi) + 1, 0);
    }
}

static bool overlaps(const struct ioapic *a)
{
    for (unsigned i = 0; i < io.count; i++) {
        const struct ioapic *b = &io.ioapic[i];

        if (a->gsi_base < b->gsi_base + b->pins && b->gsi_base < a->gsi_base + a->pins)
            return true;
    }
    return false;
}

static void add(const struct acpi_ioapic *described)
{
    struct ioapic a = {.window = map_device(described->address, WINDOW_BYTES),
                       .address = described->address,
                       .gsi_base = described->gsi_base};
    uint32_t version = a.window ? reg_read(&a, REG_VERSION) : UINT32_MAX;

    a.pins = ((version >> 16) & 0xff) + 1;
    a.version = (uint8_t)version;
    if (version == UINT32_MAX || a.pins > PINS_MAX || a.gsi_base > GSI_MAX || overlaps(&a)) {
        log_warn("IO-APIC: at %#x, GSIs from %u: makes no sense, ignored\n", described->address,
                 described->gsi_base);
        return;
    }
    mask_all(&a);
    io.ioapic[io.count++] = a;
    if (io.gsi_count < a.gsi_base + a.pins)
        io.gsi_count = a.gsi_base + a.pins;
    log_info("IO-APIC: at %#x, version %#x, GSIs %u-%u\n", described->address, a.version,
             a.gsi_base, a.gsi_base + a.pins - 1);
}

void ioapic_init(void)
{
    spin_lock(&io.lock);
    for (unsigned i = 0; i < acpi_info.ioapic_count; i++)
        add(&acpi_info.ioapic[i]);
    spin_unlock(&io.lock);
}

unsigned ioapic_gsi_count(void)
{
    return io.gsi_count;
}

int ioapic_route(unsigned gsi, uint8_t vector, bool level, bool low, unsigned cpu)
{
    const struct ioapic *a = find(gsi);
    uint32_t target = apic_id_of(cpu);
    uint32_t word = ENTRY_MASKED | vector | (level ? ENTRY_LEVEL : 0) | (low ? ENTRY_LOW : 0);

    if (!a)
        return -XEN_ENODEV;
    if (vector < VECTOR_LOWEST || target > TARGET_MAX)
        return -XEN_EINVAL;
    spin_lock(&io.lock);
    reg_write(a, entry_reg(a, gsi), reg_read(a, entry_reg(a, gsi)) | ENTRY_MASKED);
    forget_service(a, gsi); /* the end of what it serves would be told by its old vector */
    reg_write(a, entry_reg(a, gsi) + 1, target << 24);
    reg_write(a, entry_reg(a, gsi), word);
    spin_unlock(&io.lock);
    return 0;
}

static void set_mask(unsigned gsi, uint32_t mask)
{
    const struct ioapic *a = find(gsi);

    if (!a)
        return;
    spin_lock(&io.lock);
    reg_write(a, entry_reg(a, gsi), (reg_read(a, entry_reg(a, gsi)) & ~ENTRY_MASKED) | mask);
    /* Read back: the write has reached the chip when this returns, not some time after. */
    (void)reg_read(a, entry_reg(a, gsi));
    spin_unlock(&io.lock);
}

void ioapic_mask(unsigned gsi)
{
    set_mask(gsi, ENTRY_MASKED);
}

void ioapic_unmask(unsigned gsi)
{
    set_mask(gsi, 0);
}

void ioapic_eoi(unsigned gsi)
{
    const struct ioapic *a = find(gsi);

    if (!a)
        return;
    spin_lock(&io.lock);
    forget_service(a, gsi);
    spin_unlock(&io.lock);
}

int ioapic_peek(uint64_t address, uint32_t reg, uint32_t *value)
{
    for (unsigned i = 0; i < io.count; i++) {
        if (io.ioapic[i].address != address || reg > 0xff)
            continue;
        spin_lock(&io.lock);
        *value = reg_read(&io.ioapic[i], reg);
        spin_unlock(&io.lock);
        return 0;
    }
    return -XEN_EINVAL;
}

struct acpi_isa_irq ioapic_isa(unsigned irq)
{
    ASSERT(irq < ACPI_ISA_IRQS);
    return acpi_info.isa[irq];
}
