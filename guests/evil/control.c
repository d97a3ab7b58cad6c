/* SPDX-License-Identifier: MIT
 *
 * Attacks by the calls that are the control domain's alone: every operation of domctl and sysctl by
 * its number, and the calls of other kinds that it does not share. Each is refused with -EPERM
 * whatever it is given, nothing is written back, and this domain and the host's time are what they
 * were. What else happened to anybody, the neighbours of this guest notice.
 *
 * Of platform_op, physdev_op and mca the same is tried in device.c. The control domain itself leaves
 * all this out.
 */
#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/lib.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#include "include/public/lagan/host.h"
#include "include/public/lagan/pcache.h"
#include "include/public/lagan/pressure.h"
#include "include/public/lagan/ubc.h"

#define REFUSED       (-1)
#define DOMCTLS       120  /* with a few that do not exist yet */
#define DOMCTLS_GDBSX 1000 /* a second range of numbers */
#define SYSCTLS       60
#define TARGETS       10

static union {
    struct xen_domctl domctl;
    struct xen_sysctl sysctl;
    uint8_t bytes[1024];
} record, before;

static uint8_t buffer[PAGE_SIZE] PAGE_ALIGNED;

/* ---- nothing has changed ---- */

struct state {
    long pages, pages_max, up;
    uint64_t wall_clock;
};

static struct state state_now(void)
{
    const volatile shared_info_t *shared = kit_shared_info;
    domid_t self = DOMID_SELF;

    return (struct state){.pages = hv_memory(XENMEM_current_reservation, &self),
                          .pages_max = hv_memory(XENMEM_maximum_reservation, &self),
                          .up = hv_vcpu(VCPUOP_is_up, 0, NULL),
                          .wall_clock = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec};
}

static void check_unchanged(const struct state *s)
{
    struct state now = state_now();

    check_part(now.pages == s->pages && now.pages_max == s->pages_max,
               "%ld pages of %ld, before %ld of %ld", now.pages, now.pages_max, s->pages,
               s->pages_max);
    check_part(now.up == 1 && s->up == 1, "vCPU 0 is not up");
    check_part(now.wall_clock == s->wall_clock, "the wall clock has changed");
}

/* ---- domctl and sysctl ---- */

/* Everything in the record but its head is `fill`, or the address of memory, which is as good as a
 * list, a set of processors or a record of registers. */
static void fill_record(void *u, size_t bytes, unsigned how)
{
    uint64_t values[] = {0, UINT64_MAX, 1, (uint64_t)buffer};

    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        memcpy((uint8_t *)u + i, &values[how], 8);
    }
}

static void refused(unsigned long call, const char *what, unsigned cmd)
{
    long rc;

    memcpy(&before, &record, sizeof(record));
    rc = hypercall1(call, (uint64_t)&record);
    check_part(rc == REFUSED, "%s %u: %ld", what, cmd, rc);
    check_part(memcmp(&before, &record, sizeof(record)) == 0, "%s %u wrote", what, cmd);
}

static void try_domctl(unsigned cmd)
{
    static const domid_t targets[TARGETS] = {0,  1,          2,         3,        4,
                                             77, DOMID_SELF, DOMID_XEN, DOMID_IO, DOMID_INVALID};

    for (unsigned t = 0; t < TARGETS; t++) {
        for (unsigned how = 0; how < 4; how++) {
            fill_record(&record.domctl.u, sizeof(record.domctl.u), how);
            record.domctl.cmd = cmd;
            record.domctl.domain = targets[t];
            record.domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
            refused(__HYPERVISOR_domctl, "domctl", cmd);
        }
    }
    record.domctl.interface_version--;
    refused(__HYPERVISOR_domctl, "domctl of another version", cmd);
}

static void control_domains(void)
{
    struct state s = state_now();

    if (evil_controls()) {
        return;
    }
    for (unsigned cmd = 0; cmd < DOMCTLS; cmd++) {
        try_domctl(cmd);
        try_domctl(DOMCTLS_GDBSX + cmd);
    }
    check_part(hypercall1(__HYPERVISOR_domctl, 0) == REFUSED, "domctl of nothing");
    check_part(hypercall1(__HYPERVISOR_domctl, 0xffff830000000000UL) == REFUSED,
               "domctl of the hypervisor's memory");
    check_unchanged(&s);
}

static void control_host(void)
{
    struct state s = state_now();

    if (evil_controls()) {
        return;
    }
    for (unsigned cmd = 0; cmd < SYSCTLS; cmd++) {
        for (unsigned how = 0; how < 4; how++) {
            fill_record(&record.sysctl.u, sizeof(record.sysctl.u), how);
            record.sysctl.cmd = cmd;
            record.sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
            refused(__HYPERVISOR_sysctl, "sysctl", cmd);
        }
        record.sysctl.interface_version--;
        refused(__HYPERVISOR_sysctl, "sysctl of another version", cmd);
    }
    check_part(hypercall1(__HYPERVISOR_sysctl, 0) == REFUSED, "sysctl of nothing");
    check_part(hypercall1(__HYPERVISOR_sysctl, 0xffff830000000000UL) == REFUSED,
               "sysctl of the hypervisor's memory");
    check_unchanged(&s);
}

/* ---- calls that are the control domain's among those of everybody ---- */

#define CALL(nr, cmd)         \
    {                         \
        nr, cmd, #nr " " #cmd \
    }

static const struct {
    unsigned nr, cmd;
    const char *name;
} others[] = {
    CALL(__HYPERVISOR_memory_op, XENMEM_machine_memory_map),
    CALL(__HYPERVISOR_memory_op, XENMEM_claim_pages),
    CALL(__HYPERVISOR_memory_op, XENMEM_set_pod_target),
    CALL(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown),
    CALL(__HYPERVISOR_sched_op, SCHEDOP_pin_override),
    CALL(LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_audit),
    CALL(LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_mm_stats),
    CALL(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_get_domain),
    CALL(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_set_limits),
    CALL(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_set_target),
    CALL(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_reserve),
    CALL(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_get_host),
    CALL(LAGAN_HYPERVISOR_pressure_op, LAGAN_PRESSURE_set_host),
    CALL(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_set_quota),
    CALL(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_get_stats),
    CALL(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_ledger),
    CALL(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_freeze),
    CALL(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_curve),
    CALL(LAGAN_HYPERVISOR_pcache_op, LAGAN_PCACHE_host),
    CALL(LAGAN_HYPERVISOR_ubc_op, LAGAN_UBC_create),
    CALL(LAGAN_HYPERVISOR_ubc_op, LAGAN_UBC_list),
};

static void control_others(void)
{
    struct state s = state_now();

    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]) && !evil_controls(); i++) {
        for (unsigned how = 0; how < 4; how++) {
            long rc;

            fill_record(buffer, sizeof(buffer), how);
            rc = hypercall5(others[i].nr, others[i].cmd, (uint64_t)buffer, 1, 0, 0);
            check_part(rc == REFUSED, "%s: %ld", others[i].name, rc);
        }
    }
    check_unchanged(&s);
}

const struct attack evil_control[] = {
    {"control-domains", control_domains, false},
    {"control-host", control_host, false},
    {"control-others", control_others, false},
    {NULL, NULL, false},
};
