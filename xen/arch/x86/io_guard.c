/* SPDX-License-Identifier: MIT
 *
 * Guarded device memory.
 *
 * A message is a write of a device to 0xfeeXXXXX, and which vector of which CPU it means is said by words
 * that the device keeps: in its configuration space (MSI) or in a table in its memory (MSI-X). Without
 * interrupt remapping nothing checks them. So they are the hypervisor's to write. By the ports it sees
 * every write to configuration space (msi_filter()); here it sees those by way of memory:
 *
 *   configuration space in memory   the first 256 bytes of a function are written through the ports'
 *                                   filter; what is beyond has no messages, and is written as it is
 *   a table of MSI-X                its bytes are not written; others of the same page are
 *
 * A kernel as control domain writes neither tables nor addresses, since it has physdev_op for that. It
 * tells of each function when it has found it, before a driver maps anything, and that is when the guard
 * begins. That a function has moved its memory afterwards is found out when somebody writes to the old
 * place: the function is asked again, and its guard goes where the table is now. Mappings of the old place
 * stay read-only, whatever is there now: what is written by them is written as it is. A function that
 * does not answer, as it is being reset or has been pulled out, has not moved.
 *
 * What this is worth: it keeps a driver that has gone astray from sending interrupts that are not its own.
 * A control domain that wants to can have a device write to 0xfeeXXXXX as to any other address, since
 * there is no IOMMU.
 *
 * INV-GUARD-1: no two entries in use are of the same function; entries from `end` on are not in use.
 */
#include "xen/arch/x86/io_guard.h"

#include <lagan/arch.h>
#include <lagan/lock.h>
#include <lagan/printk.h>

#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/device_page.h"
#include "xen/arch/x86/msi.h"
#include "xen/arch/x86/pirq.h"

#define GUARD_COUNT    256
#define BUS_BYTES_LOG2 20
#define FUNCTION_BYTES 4096
#define FUNCTION_LOG2  12
#define REG_STATUS     0x06

struct guard {
    struct pci_function function;
    bool told; /* where it is was told, and cannot be asked of the function */
    uint64_t start;
    uint32_t bytes; /* 0: not in use */
};

static struct {
    uint64_t config_start, config_end; /* [c] segment 0's buses; both 0: not in memory */
    uint64_t config_base;              /* [c] where bus 0 is, or would be */
    struct spinlock lock;              /* LK_IRQ */
    unsigned end;                      /* [lock] */
    bool full;                         /* [lock] it was said */
    _Atomic bool left;                 /* a guard has gone: mappings may be read-only without one */
    struct guard guard[GUARD_COUNT];   /* [lock] */
} io = {.lock = SPINLOCK_INIT(LK_IRQ)};

void io_guard_init(void)
{
    io.left = false;
    for (unsigned i = 0; i < acpi_info.segment_count; i++) {
        const struct acpi_segment *s = &acpi_info.segment[i];

        if (s->segment != 0)
            continue;
        io.config_base = s->address;
        io.config_start = s->address + ((uint64_t)s->first_bus << BUS_BYTES_LOG2);
        io.config_end = s->address + (((uint64_t)s->last_bus + 1) << BUS_BYTES_LOG2);
    }
}

static bool is_config(uint64_t phys)
{
    return phys >= io.config_start && phys < io.config_end;
}

/* The entry whose table reaches into [first, first + bytes), which the lock is held for. */
static struct guard *find_at(uint64_t first, uint64_t bytes)
{
    for (unsigned i = 0; i < io.end; i++) {
        struct guard *g = &io.guard[i];

        if (g->bytes && g->start < first + bytes && first < g->start + g->bytes)
            return g;
    }
    return NULL;
}

bool io_guard_covers(mfn_t m)
{
    uint64_t page = m.n << PAGE_SHIFT;
    bool found;

    if (is_config(page))
        return true;
    spin_lock(&io.lock);
    found = find_at(page, PAGE_SIZE);
    spin_unlock(&io.lock);
    return found;
}

/* ---- which tables ---- */

/* The function's entry, or one that is free; NULL: there is neither. */
static struct guard *place_for(struct pci_function f)
{
    struct guard *free = NULL;

    for (unsigned i = 0; i < io.end; i++) {
        if (!io.guard[i].bytes)
            free = &io.guard[i];
        else if (pci_same_function(io.guard[i].function, f))
            return &io.guard[i];
    }
    if (free || io.end == GUARD_COUNT)
        return free;
    return &io.guard[io.end++];
}

void io_guard_function(struct pci_function f, uint64_t table)
{
    struct guard new = {.function = f}, *g;
    bool complain = false, known = false;

    /* A virtual function knows its memory, but its registers do not say so. */
    if (msi_table(f, 0, &new.start, &new.bytes)) {
        new.told = table != 0 && msi_table(f, table, &new.start, &new.bytes) == 0;
        if (!new.told) {
            io_guard_forget(f);
            return;
        }
    }
    spin_lock(&io.lock);
    g = place_for(f);
    if (g) {
        known = g->bytes == new.bytes && g->start == new.start;
        if (g->bytes && !known)
            io.left = true;
        *g = new;
    } else {
        complain = !io.full;
        io.full = true;
    }
    spin_unlock(&io.lock);
    if (complain)
        log_warn("more than %u functions with MSI-X: the tables of some can be written\n",
                 GUARD_COUNT);
    else if (g && !known)
        log_debug("PCI %02x:%02x.%u: %u messages at %#lx are guarded\n", f.bus, f.devfn >> 3,
                  f.devfn & 7u, new.bytes / 16, (unsigned long)new.start);
}

void io_guard_forget(struct pci_function f)
{
    spin_lock(&io.lock);
    for (unsigned i = 0; i < io.end; i++)
        if (io.guard[i].bytes && pci_same_function(io.guard[i].function, f)) {
            io.guard[i].bytes = 0;
            io.left = true;
        }
    spin_unlock(&io.lock);
}

/* ---- writes ---- */

static void write_config(uint64_t phys, unsigned bytes, uint64_t value)
{
    uint64_t at = phys - io.config_base;
    struct pci_function f = {0, (uint8_t)(at >> BUS_BYTES_LOG2), (uint8_t)(at >> FUNCTION_LOG2)};
    unsigned reg = at % FUNCTION_BYTES;
    uint32_t word = (uint32_t)value;

    if (bytes > sizeof(word)) /* no function need take it */
        return;
    if (reg >= PCI_CONFIG_BYTES)
        device_page_write(phys, bytes, value);
    else if (pirq_filter_config(f, reg, bytes, &word))
        pci_config_write(f, reg, bytes, word);
}

/* A table that the function no longer has there. */
static bool is_stale(const struct guard *g)
{
    struct guard now;

    if (pci_config_read(g->function, REG_STATUS, 2) == UINT16_MAX)
        return false;
    return !g->told && (msi_table(g->function, 0, &now.start, &now.bytes) || now.start != g->start);
}

static bool find_copy(uint64_t first, uint64_t bytes, struct guard *copy)
{
    const struct guard *g;

    spin_lock(&io.lock);
    g = find_at(first, bytes);
    if (g)
        *copy = *g;
    spin_unlock(&io.lock);
    return g;
}

/* Does the access touch a table? Entries of the bytes that are not up to date are brought up to date; a
 * function that keeps moving meanwhile is not followed for ever. */
static bool is_in_table(uint64_t phys, unsigned bytes)
{
    struct guard g;

    for (unsigned i = 0; i < GUARD_COUNT && find_copy(phys, bytes, &g); i++) {
        if (!is_stale(&g))
            return true;
        io_guard_function(g.function, 0);
    }
    return false;
}

bool io_guard_write(uint64_t phys, unsigned bytes, uint64_t value)
{
    mfn_t m = mfn(phys >> PAGE_SHIFT);

    if (!io_guard_covers(m) && !(io.left && arch_io_access(m) == IO_ALL))
        return false;
    if (is_config(phys))
        write_config(phys, bytes, value);
    else if (!is_in_table(phys, bytes))
        device_page_write(phys, bytes, value);
    return true;
}
