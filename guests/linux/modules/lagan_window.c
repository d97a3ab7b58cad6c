// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows of Lagan's unified buffer cache, for guests without a PCI bus.
 *
 * The hypervisor lists a window as persistent memory (type 12) in the map of memory that it gives. Linux enters such
 * ranges into its table of resources, where the driver nd_e820 looks for them, in a step that belongs to the set-up of
 * PCI, and leaves it out where there is none, as in a domain without devices. This module does what was left out: it
 * enters the range, and the device that nd_e820 is for.
 *
 *	modprobe lagan_window start=ADDRESS[,ADDRESS...] bytes=SIZE[,SIZE...]	(as /sys/firmware/memmap says)
 */
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define WINDOWS 16

static unsigned long start[WINDOWS], bytes[WINDOWS];
static unsigned int starts, sizes;
module_param_array(start, ulong, &starts, 0444);
module_param_array(bytes, ulong, &sizes, 0444);

static struct resource window[WINDOWS];
static struct platform_device *device;

static void leave(unsigned int count)
{
    while (count-- > 0)
        remove_resource(&window[count]);
}

static int enter(unsigned int i)
{
    if (!start[i] || !bytes[i] || start[i] % PAGE_SIZE || bytes[i] % PAGE_SIZE ||
        bytes[i] > ~start[i])
        return -EINVAL;
    window[i] = (struct resource){
        .name = "Persistent Memory (legacy)",
        .start = start[i],
        .end = start[i] + bytes[i] - 1,
        .flags = IORESOURCE_MEM,
        .desc = IORES_DESC_PERSISTENT_MEMORY_LEGACY,
    };
    return insert_resource(&iomem_resource, &window[i]);
}

static int __init window_init(void)
{
    unsigned int i;
    int rc;

    if (!starts || starts != sizes)
        return -EINVAL;
    for (i = 0; i < starts; i++) {
        rc = enter(i);
        if (rc)
            goto fail;
    }
    device = platform_device_register_simple("e820_pmem", PLATFORM_DEVID_AUTO, NULL, 0);
    if (!IS_ERR(device))
        return 0;
    rc = PTR_ERR(device);
fail:
    leave(i);
    return rc;
}

static void __exit window_exit(void)
{
    platform_device_unregister(device);
    leave(starts);
}

module_init(window_init);
module_exit(window_exit);
MODULE_DESCRIPTION("Windows of the Lagan hypervisor's buffer cache");
MODULE_LICENSE("GPL");
