/* SPDX-License-Identifier: MIT
 *
 * Bad pointers to each hypercall: into the hypervisor, not canonical, unmapped, at the end of the
 * address space. Each must be -EFAULT, and nothing else may happen.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

static const uint64_t bad[] = {
    0x1000,               /* not mapped */
    0x00007ffffffff000UL, /* the lower half's end */
    0x0000800000000000UL, /* not canonical */
    0x0000900000000000UL,
    0xffff7fffffffffffUL,
    0xffff804000000000UL, /* the hypervisor's */
    0xffff808000000000UL,
    0xffff820000000000UL,
    0xffff82d040000000UL,
    0xffff83000f000000UL,
    0xffff87fffffffff8UL, /* its last bytes, and beyond */
    0xfffffffffffff000UL, /* the end of all */
    0xfffffffffffffff8UL,
    0xffffffffffffffffUL,
};

#define COUNTS 0x100

/* One call per row: the pointer goes into argument `at`. A call that answers with a count of what
 * it has done may say 0 instead (Xen does). */
static const struct call {
    const char *name;
    unsigned long nr;
    unsigned at; /* | COUNTS */
    unsigned long a[5];
} calls[] = {
    {"set-trap-table", __HYPERVISOR_set_trap_table, 0, {0}},
    {"set-gdt", __HYPERVISOR_set_gdt, 0, {0, 512}},
    {"memory-populate", __HYPERVISOR_memory_op, 1 | COUNTS, {XENMEM_populate_physmap}},
    {"memory-decrease", __HYPERVISOR_memory_op, 1 | COUNTS, {XENMEM_decrease_reservation}},
    {"memory-current", __HYPERVISOR_memory_op, 1, {XENMEM_current_reservation}},
    {"multicall", __HYPERVISOR_multicall, 0, {0, 1}},
    {"version-extra", __HYPERVISOR_xen_version, 1, {XENVER_extraversion}},
    {"version-compile", __HYPERVISOR_xen_version, 1, {XENVER_compile_info}},
    {"version-capabilities", __HYPERVISOR_xen_version, 1, {XENVER_capabilities}},
    {"version-changeset", __HYPERVISOR_xen_version, 1, {XENVER_changeset}},
    {"version-platform", __HYPERVISOR_xen_version, 1, {XENVER_platform_parameters}},
    {"version-features", __HYPERVISOR_xen_version, 1, {XENVER_get_features}},
    {"version-handle", __HYPERVISOR_xen_version, 1, {XENVER_guest_handle}},
    {"console-write", __HYPERVISOR_console_io, 2, {CONSOLEIO_write, 8}},
    {"callback-register", __HYPERVISOR_callback_op, 1, {CALLBACKOP_register}},
    {"sched-shutdown", __HYPERVISOR_sched_op, 1, {SCHEDOP_shutdown}},
    {"sched-poll", __HYPERVISOR_sched_op, 1, {SCHEDOP_poll}},
    {"event-send", __HYPERVISOR_event_channel_op, 1, {EVTCHNOP_send}},
    {"event-status", __HYPERVISOR_event_channel_op, 1, {EVTCHNOP_status}},
    {"event-bind-ipi", __HYPERVISOR_event_channel_op, 1, {EVTCHNOP_bind_ipi}},
    {"event-bind-virq", __HYPERVISOR_event_channel_op, 1, {EVTCHNOP_bind_virq}},
    {"event-alloc", __HYPERVISOR_event_channel_op, 1, {EVTCHNOP_alloc_unbound}},
    {"event-fifo", __HYPERVISOR_event_channel_op, 1, {EVTCHNOP_init_control}},
    {"vcpu-runstate", __HYPERVISOR_vcpu_op, 2, {VCPUOP_get_runstate_info, 0}},
    {"vcpu-runstate-area", __HYPERVISOR_vcpu_op, 2, {VCPUOP_register_runstate_memory_area, 0}},
    {"vcpu-periodic", __HYPERVISOR_vcpu_op, 2, {VCPUOP_set_periodic_timer, 0}},
    {"vcpu-singleshot", __HYPERVISOR_vcpu_op, 2, {VCPUOP_set_singleshot_timer, 0}},
    {"vcpu-info", __HYPERVISOR_vcpu_op, 2, {VCPUOP_register_vcpu_info, 0}},
    {"mmuext", __HYPERVISOR_mmuext_op, 0, {0, 1, 0, DOMID_SELF}},
    {"physdev-iopl", __HYPERVISOR_physdev_op, 1, {PHYSDEVOP_set_iopl}},
};

/* Calls that write their result need a pointer that can be read but not written, too. */
static uint8_t readonly[PAGE_SIZE] PAGE_ALIGNED;

static void one_call(const struct call *c)
{
    char name[48];

    (void)kit_snprintf(name, sizeof(name), "pointer-%s", c->name);
    check_begin(name);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned long a[5];
        long rc;

        memcpy(a, c->a, sizeof(a));
        a[c->at & 7] = bad[i];
        rc = hypercall5(c->nr, a[0], a[1], a[2], a[3], a[4]);
        check_part(rc == -XEN_EFAULT || ((c->at & COUNTS) != 0 && rc == 0), "at %lx: result %ld",
                   bad[i], rc);
    }
    check_end();
}

static void check_readonly(void)
{
    check_begin("pointer-readonly");
    (void)page_make_readonly(readonly);
    check_part(hv_version(XENVER_extraversion, readonly) == -XEN_EFAULT, "version");
    check_part(hv_vcpu(VCPUOP_get_runstate_info, 0, readonly) == -XEN_EFAULT, "run state");
    check_part(hv_version(XENVER_extraversion, (void *)MACH2PHYS_VIRT_START) == -XEN_EFAULT,
               "the M2P table");
    (void)page_make_writable(readonly);
    check_end();
}

/* A structure whose second half is not there. */
static void check_across(void)
{
    uint8_t *end = readonly + PAGE_SIZE - 8;

    (void)page_unmap(pfn_to_va(va_to_pfn(readonly) + 1));
    check_begin("pointer-across-pages");
    check_part(hv_version(XENVER_compile_info, end) == -XEN_EFAULT, "version");
    check_part(hv_multicall((void *)end, 1) == -XEN_EFAULT, "multicall");
    check_part(hv_console_write((void *)end, 64) == -XEN_EFAULT, "console");
    check_end();
}

/* The page behind `readonly`. */
static uint8_t behind[PAGE_SIZE] PAGE_ALIGNED;

void check_pointers(void)
{
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        one_call(&calls[i]);
    }
    check_readonly();
    if (va_to_pfn(behind) == va_to_pfn(readonly) + 1) {
        check_across();
        (void)page_make_writable(behind);
    }
    check_result("traps-restored", hv_set_trap_table(trap_table()), 0);
}
