/* SPDX-License-Identifier: MIT
 *
 * Who still needs which boot module.
 *
 * A module whose place is odd (not inside of one range of RAM above 1 MiB, or over another module)
 * stays where it is for good: what the boot loader says is not trusted with the heap.
 */
#include "xen/bootmodule.h"

#include <lagan/assert.h>
#include <lagan/printk.h>

#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/layout.h"

#define LOW_MEMORY UINT64_C(0x100000)

static struct {
    const struct boot_info *info;
    unsigned users[BOOT_MODULES_MAX];
} modules;

LAGAN_INIT void bootmodule_start(const struct boot_info *info)
{
    modules.info = info;
    for (unsigned i = 0; i < BOOT_MODULES_MAX; i++)
        modules.users[i] = i < info->module_count;
}

static bool in_ram(const struct boot_module *m)
{
    const struct boot_info *info = modules.info;

    for (unsigned i = 0; i < info->map_count; i++)
        if (info->map[i].type == BOOT_RAM && m->start >= info->map[i].start &&
            m->end <= info->map[i].end)
            return m->start >= LOW_MEMORY;
    return false;
}

/* Pages that two modules share are freed with neither, since only whole pages are. */
static bool stands_alone(unsigned index)
{
    const struct boot_module *m = modules.info->module;

    for (unsigned i = 0; i < modules.info->module_count; i++)
        if (i != index && m[i].start < m[index].end && m[index].start < m[i].end)
            return false;
    return true;
}

void bootmodule_get(unsigned index)
{
    if (index == BOOTMODULE_NONE)
        return;
    ASSERT(index < BOOT_MODULES_MAX && modules.users[index] > 0);
    modules.users[index]++;
}

void bootmodule_put(unsigned index)
{
    const struct boot_module *m;

    if (index == BOOTMODULE_NONE)
        return;
    ASSERT(index < BOOT_MODULES_MAX && modules.users[index] > 0);
    if (--modules.users[index] > 0)
        return;
    m = &modules.info->module[index];
    if (!in_ram(m) || !stands_alone(index))
        return;
    log_info("boot memory: module %u's %lu pages given back\n", index,
             hvmap_release(m->start, m->end));
}

const void *bootmodule_data(unsigned index, size_t *bytes)
{
    const struct boot_module *m = &modules.info->module[index];

    ASSERT(modules.users[index] > 0);
    *bytes = m->end - m->start;
    return (const void *)(VA_DIRECT + m->start);
}
