/* SPDX-License-Identifier: MIT
 *
 * Pages of devices' memory that are found after the boot, mapped for the hypervisor.
 */
#pragma once

#include <lagan/types.h>

/* Once at boot, on the boot CPU. */
void device_page_init(void);
/* Where the address is mapped, uncached, for good; the same page is mapped once only. `phys` is a
 * multiple of 16, and 16 bytes may be reached. -XEN_EINVAL: that is not memory of a device (it is RAM,
 * or an interrupt controller's); -XEN_ENOSPC: there are too many. */
int device_page_map(uint64_t phys, volatile void **at) LAGAN_MUST_CHECK;
/* A single write of 1, 2, 4 or 8 bytes, of which the address is a multiple, to a page that is not worth
 * a place for good. Nothing happens if it is not a device's. */
void device_page_write(uint64_t phys, unsigned bytes, uint64_t value);
