/* SPDX-License-Identifier: MIT
 *
 * What several attacks need: the other vCPUs, and frames given back and taken.
 */
#include "evil_mmu/evil_mmu.h"

volatile uint64_t others_stop;
static volatile uint64_t running;

static bool cpu_begin(unsigned id, void (*main)(void *))
{
    cpu_by_id(id)->main = main;
    return hv_vcpu(VCPUOP_up, id, NULL) == 0 || cpu_start(id, main, NULL) == 0;
}

bool others_begin(void (*main)(void *))
{
    unsigned count = cpu_count();

    others_stop = running = 0;
    for (unsigned id = 1; id < count; id++) {
        check_part(cpu_begin(id, main), "vCPU %u does not start", id);
    }
    return count > 1 && wait_for(&running, count - 1, 5000 * MS);
}

void others_run(void)
{
    __atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
}

void others_end(void)
{
    uint64_t end = time_now() + 10000 * MS;

    others_stop = 1;
    for (unsigned id = 1; id < cpu_count(); id++) {
        while (hv_vcpu(VCPUOP_is_up, id, NULL) == 1 && time_now() < end) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
        check_part(hv_vcpu(VCPUOP_is_up, id, NULL) == 0, "vCPU %u does not stop", id);
    }
}

long reserve_one(unsigned command, uint64_t frame, uint64_t *result)
{
    static xen_pfn_t extent;
    struct xen_memory_reservation reservation = {.nr_extents = 1, .domid = DOMID_SELF};
    long rc;

    extent = frame;
    set_xen_guest_handle(reservation.extent_start, &extent);
    rc = hv_memory(command, &reservation);
    if (result != NULL) {
        *result = extent;
    }
    return rc;
}
