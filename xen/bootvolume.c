/* SPDX-License-Identifier: MIT
 *
 * Volumes from boot modules.
 *
 * A module lies where the boot loader put it. The volume is a copy of it, in a run of frames that begins at 2 MiB
 * and is a multiple of that long, filled up with zeroes: Linux wants as much of what it takes for a device of
 * memory. The module's own memory goes to the heap like any other's.
 *
 * A domain sees a window at its machine address in its map of memory (hcall_memory_map.c), so that has to lie
 * behind the frames that the domain may have by its own count. A run at the wrong place is kept aside while
 * another is asked for.
 */
#include "xen/bootvolume.h"

#include <lagan/printk.h>
#include <lagan/string.h>

#include "arch_inline.h"
#include "mm/heap.h"
#include "xen/arch/x86/bootinfo.h"
#include "xen/bootmodule.h"

#define UNIT_PAGES ((uint64_t)(2 << 20) / PAGE_SIZE)
#define ATTEMPTS   8

static struct {
    unsigned count;
    struct boot_volume {
        uint64_t handle;
        const struct modline *line;
    } volume[BOOT_MODULES_MAX];
} boot;

void bootvolume_start(void)
{
    boot.count = 0;
}

/* A run of frames from a multiple of 2 MiB on, behind so many; NULL. */
static void *alloc_run(uint64_t pages, uint64_t above)
{
    void *aside[ATTEMPTS], *run = NULL;
    unsigned n = 0;

    while (n < ATTEMPTS && !run) {
        aside[n] = page_alloc_run(pages);
        if (!aside[n])
            break;
        if (arch_frame_of(aside[n]).n >= above && arch_frame_of(aside[n]).n % UNIT_PAGES == 0)
            run = aside[n];
        else
            n++;
    }
    while (n > 0)
        page_free_run(aside[--n], pages);
    return run;
}

const char *bootvolume_publish(unsigned index, const struct modline *line, uint64_t above)
{
    struct boot_volume *v = &boot.volume[boot.count];
    uint8_t id[16] = {0};
    const void *data;
    size_t bytes;
    uint64_t pages;
    void *run;

    data = bootmodule_data(index, &bytes);
    pages = (bytes + UNIT_PAGES * PAGE_SIZE - 1) / (UNIT_PAGES * PAGE_SIZE) * UNIT_PAGES;
    if (bytes == 0)
        return "it is empty";
    run = alloc_run(pages, above);
    if (!run)
        return "there is no place for it behind its readers' memory";
    memcpy(run, data, bytes);
    memset((char *)run + bytes, 0, pages * PAGE_SIZE - bytes);
    memcpy(id, line->name, strlen(line->name));
    if (ubc_window_create(id, arch_frame_of(run), pages, &v->handle)) {
        page_free_run(run, pages);
        return "its name is taken, or there are too many volumes";
    }
    v->line = line;
    boot.count++;
    log_info("volume %s: %lu KiB at machine address %#lx\n", line->name, bytes >> 10,
             arch_frame_of(run).n << PAGE_SHIFT);
    return NULL;
}

static int allow(struct domain *d, const struct boot_volume *v)
{
    struct ubc_ref ref;
    int rc = ubc_get(&d->ubc, true, v->handle, &ref);

    if (rc)
        return 0; /* the control domain has destroyed it */
    do
        rc = ubc_allow(&ref, &d->ubc, LAGAN_UBC_READ, 0);
    while (rc == -XEN_ERESTART);
    ubc_put(&ref);
    return rc == -XEN_ENOMEM ? rc : 0;
}

int bootvolume_allow(struct domain *d)
{
    int rc = 0;

    for (unsigned i = 0; i < boot.count && !rc; i++) {
        const struct modline *line = boot.volume[i].line;

        if (modline_lists(line->readers, line->readers_length, d->name))
            rc = allow(d, &boot.volume[i]);
    }
    return rc;
}
