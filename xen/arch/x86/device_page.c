/* SPDX-License-Identifier: MIT
 *
 * A window of the hypervisor's address space, whose page tables exist from the boot on: a page is put
 * into it by writing an entry that was never present, which no CPU has to be told.
 */
#include "xen/arch/x86/device_page.h"

#include <lagan/arch.h>
#include <lagan/lock.h>

#include "xen/arch/x86/hvmap.h"
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
    pages.window = map_device_window(WINDOW_PAGES);
}

static bool is_device_memory(mfn_t m)
{
    return !arch_mfn_valid(m) && arch_io_access(m) == IO_ALL;
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
