/* SPDX-License-Identifier: MIT
 *
 * hostmem: what the hypervisor keeps for itself. The first domain adds up the RAM of the firmware's map, and takes off what is
 * free and what it has itself; on any hypervisor with the same ABI, so that the figures can be compared.
 *
 *   BENCH kept-kib figure
 */
#include "kit/kit.h"

#include <xen/sysctl.h>

const char guest_name[] = "hostmem";

#define ENTRIES 128
#define RAM     1 /* of the firmware's types */

static uint64_t host_pages(void)
{
    static struct {
        uint64_t start, size;
        uint32_t type;
    } __attribute__((packed)) map[ENTRIES];
    struct xen_memory_map m = {.nr_entries = ENTRIES};
    uint64_t pages = 0;

    set_xen_guest_handle(m.buffer, (void *)map);
    if (hv_memory(XENMEM_machine_memory_map, &m) != 0) {
        return 0;
    }
    for (unsigned i = 0; i < m.nr_entries; i++) {
        pages += map[i].type == RAM ? map[i].size / PAGE_SIZE : 0;
    }
    return pages;
}

static uint64_t free_pages(void)
{
    struct xen_sysctl op = {.cmd = XEN_SYSCTL_physinfo,
                            .interface_version = XEN_SYSCTL_INTERFACE_VERSION};

    return hypercall1(__HYPERVISOR_sysctl, (uint64_t)&op) == 0 ? op.u.physinfo.free_pages : 0;
}

void guest_main(void)
{
    domid_t self = DOMID_SELF;
    long own = hv_memory(XENMEM_current_reservation, &self);
    uint64_t host = host_pages(), free = free_pages();
    bool known = host != 0 && free != 0 && own > 0 && host > free + (uint64_t)own;

    check_true("host-memory", known, "%lu pages, %lu free, %ld ours", host, free, own);
    if (known) {
        kit_printf("BENCH kept-kib %lu\n", (host - free - (uint64_t)own) * (PAGE_SIZE / 1024));
    }
}
