/* SPDX-License-Identifier: MIT
 *
 * A window of the hypervisor's address space, whose page tables exist from the boot on: a page is put
 * into it by writing an entry that was never present, which no CPU has to be told.
 *
 * The last page is for single writes. Its entry does change: so who uses it drops its own CPU's
 * translation of it, under the lock, and no other CPU relies on one that it has from before.
 */
#include "xen/arch/x86/device_page.h"

#include <lagan/arch.h>
#include <lagan/lock.h>

#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/iomem.h"
#include "arch_inline.h"

#define WINDOW_PAGES 256

static struct {
    struct spinlock lock;
    char *window;               /* [c] */
    unsigned count;             /* [lock] pages in use, from the first on */
    uint64_t mfn[WINDOW_PAGES]; /* [lock] */
} pages = {.lock = SPINLOCK_INIT(LK_IRQ)};

void device_page_init(void)
{
    pages.window = map_device_window(WINDOW_PAGES + 1);
}

static bool is_device_memory(mfn_t m)
{
    return !arch_mfn_valid(m) && iomem_access(m) == IO_ALL;
}

int device_page_map(uint64_t phys, volatile void **at)
{
    mfn_t m = mfn(phys >> PAGE_SHIFT);
    int rc = 0;
    unsigned i;

    if (phys % 16 != 0 || !is_device_memory(m))
        return -XEN_EINVAL;
    spin_lock(&pages.lock);
    for (i = 0; i < pages.count && pages.mfn[i] != m.n; i++)
        ;
    if (i == WINDOW_PAGES) {
        rc = -XEN_ENOSPC;
    } else if (i == pages.count) {
        map_device_window_page(pages.window + i * PAGE_SIZE, m);
        pages.mfn[pages.count++] = m.n;
    }
    spin_unlock(&pages.lock);
    if (!rc)
        *at = pages.window + i * PAGE_SIZE + (phys & ~PAGE_MASK);
    return rc;
}

/* Exactly one access, as wide as it was meant. */
static void write_once(volatile char *at, unsigned bytes, uint64_t value)
{
    switch (bytes) {
    case 1:
        mmio_write8(at, 0, (uint8_t)value);
        break;
    case 2:
        mmio_write16(at, 0, (uint16_t)value);
        break;
    case 4:
        mmio_write32(at, 0, (uint32_t)value);
        break;
    default:
        mmio_write64(at, 0, value);
        break;
    }
}

void device_page_write(uint64_t phys, unsigned bytes, uint64_t value)
{
    char *page = pages.window + WINDOW_PAGES * PAGE_SIZE;
    mfn_t m = mfn(phys >> PAGE_SHIFT);

    ASSERT(phys % bytes == 0);
    if (!is_device_memory(m))
        return;
    spin_lock(&pages.lock);
    map_device_window_change(page, m);
    write_once(page + (phys & ~PAGE_MASK), bytes, value);
    spin_unlock(&pages.lock);
}
