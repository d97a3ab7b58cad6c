// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows of Lagan's unified buffer cache, for guests without a PCI bus.
 *
 * The hypervisor lists a window as persistent memory (type 12) in the map of memory that it gives. Linux enters such
 * ranges into its table of resources, where the driver nd_e820 looks for them, in a step that belongs to the set-up of
 * PCI, and leaves it out where there is none, as in a domain without devices. This module does what was left out: it
 * enters the range, and the device that nd_e820 is for.
 *
 *	modprobe lagan_window start=ADDRESS bytes=SIZE		(both are in /sys/firmware/memmap)
 */
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static unsigned long start, bytes;
module_param(start, ulong, 0444);
module_param(bytes, ulong, 0444);

static struct resource window = {
    .name = "Persistent Memory (legacy)",
    .flags = IORESOURCE_MEM,
    .desc = IORES_DESC_PERSISTENT_MEMORY_LEGACY,
};
static struct platform_device *device;

static int __init window_init(void)
{
    int rc;

    if (!start || !bytes || start % PAGE_SIZE || bytes % PAGE_SIZE)
        return -EINVAL;
    window.start = start;
    window.end = start + bytes - 1;
    rc = insert_resource(&iomem_resource, &window);
    if (rc)
        return rc;
    device = platform_device_register_simple("e820_pmem", PLATFORM_DEVID_AUTO, NULL, 0);
    if (IS_ERR(device)) {
        remove_resource(&window);
        return PTR_ERR(device);
    }
    return 0;
}

static void __exit window_exit(void)
{
    platform_device_unregister(device);
    remove_resource(&window);
}

module_init(window_init);
module_exit(window_exit);
MODULE_DESCRIPTION("Windows of the Lagan hypervisor's buffer cache");
MODULE_LICENSE("GPL");
