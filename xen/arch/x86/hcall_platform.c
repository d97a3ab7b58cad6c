/* SPDX-License-Identifier: MIT
 *
 * platform_op: what the control domain does to the machine as a whole, and asks of it. For any other
 * domain it is -XEN_EPERM, whatever it asks.
 *
 * Of power management the hypervisor uses HLT and nothing else: what the firmware's tables say of
 * C-states and P-states is checked and not used. Processors stay as they were at boot: one that is
 * online is told to be so with success, all else is -XEN_EOPNOTSUPP.
 */
#include "xen/hypercall.h"

#include <lagan/arch.h>
#include <lagan/string.h>
#include <xen/xen.h>
#include <xen/platform.h>

#include "xen/arch/x86/platform.h"
#include "xen/bootdomains.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/sched.h"
#include "xen/wallclock.h"
#include "arch_current.h"

#define SLEEP_OFF     5    /* S5 */
#define IDLE_CPUS_MAX 1024 /* more than any caller's map need have */

STATIC_ASSERT(sizeof(struct xen_platform_op) == 136);

/* ---- time ---- */

static int64_t set_time(uint64_t seconds, uint32_t ns, uint64_t system_time)
{
    return wallclock_set(seconds, ns, system_time);
}

/* ---- processors ---- */

static bool is_online(uint32_t cpu)
{
    return cpu < MAX_CPUS && cpumask_test(arch_online_cpus(), cpu);
}

static uint32_t highest_cpu(void)
{
    return cpumask_count(arch_online_cpus()) - 1; /* numbers are dense (INV-SMP-1) */
}

static void fill_cpu_info(struct xenpf_pcpuinfo *info)
{
    info->max_present = highest_cpu();
    info->flags = XEN_PCPU_FLAGS_INVALID;
    info->apic_id = info->acpi_id = 0;
    if (!is_online(info->xen_cpuid))
        return;
    info->flags = XEN_PCPU_FLAGS_ONLINE;
    info->apic_id = platform_apic_id(info->xen_cpuid);
    info->acpi_id = platform_acpi_id(info->xen_cpuid);
}

static int64_t fill_cpu_version(struct xenpf_pcpu_version *v)
{
    v->max_present = highest_cpu();
    if (!is_online(v->xen_cpuid))
        return -XEN_ENODEV;
    platform_cpu_version(v->vendor_id, &v->family, &v->model, &v->stepping);
    return 0;
}

static int64_t cpu_online(uint32_t cpu)
{
    if (cpu >= MAX_CPUS)
        return -XEN_EINVAL;
    return is_online(cpu) ? 0 : -XEN_EOPNOTSUPP;
}

/* Of the CPUs in the caller's map; it is left with those that there are. The others' times are 0. */
static int64_t idle_times(struct xenpf_getidletime *g)
{
    uint8_t map[IDLE_CPUS_MAX / 8] = {0};
    uint64_t bytes = ((uint64_t)g->cpumap_nr_cpus + 7) / 8;
    guest_ptr_t bits = guest_ptr((uint64_t)g->cpumap_bitmap.p);

    if (g->cpumap_nr_cpus > IDLE_CPUS_MAX)
        return -XEN_EINVAL;
    if (copy_from_guest(map, bits, bytes))
        return -XEN_EFAULT;
    g->now = arch_time_ns();
    for (uint32_t cpu = 0; cpu < g->cpumap_nr_cpus; cpu++) {
        uint64_t ns = is_online(cpu) ? sched_idle_time(cpu) : 0;
        uint8_t bit = (uint8_t)(1u << cpu % 8);

        if (!(map[cpu / 8] & bit))
            continue;
        if (!is_online(cpu))
            map[cpu / 8] = (uint8_t)(map[cpu / 8] & ~bit);
        if (copy_to_guest(guest_ptr((uint64_t)(g->idletime.p + cpu)), &ns, sizeof(ns)))
            return -XEN_EFAULT;
    }
    return copy_to_guest(bits, map, bytes);
}

/* No core is ever parked. */
static int64_t core_parking(struct xenpf_core_parking *p)
{
    if (p->type != XEN_CORE_PARKING_SET && p->type != XEN_CORE_PARKING_GET)
        return -XEN_EINVAL;
    if (p->type == XEN_CORE_PARKING_SET && p->idle_nums > 0)
        return -XEN_EOPNOTSUPP;
    p->idle_nums = 0;
    return 0;
}

static int64_t power_information(const struct xenpf_set_processor_pminfo *p)
{
    switch (p->type) {
    case XEN_PM_CX:
    case XEN_PM_PX:
    case XEN_PM_PDC: /* the caller's bits of what the firmware may count on stay as they are */
        return 0;
    case XEN_PM_TX:
        return -XEN_ENOSYS;
    default:
        return -XEN_EINVAL;
    }
}

/* ---- firmware ---- */

/* What only the BIOS's real mode knows is not known: of disks and screens there is nothing at any
 * index. */
static int64_t firmware_info(struct xenpf_firmware_info *f)
{
    switch (f->type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
        return -XEN_ESRCH;
    case XEN_FW_KBD_SHIFT_FLAGS:
        if (f->index != 0)
            return -XEN_ESRCH;
        f->u.kbd_shift_flags = 0;
        return 0;
    case XEN_FW_EFI_INFO:
        return -XEN_ENOSYS;
    default:
        return -XEN_EINVAL;
    }
}

/* The domain has run the firmware's own methods before, and knows what to write to the registers.
 * Of sleep there is only the deepest. */
static int64_t enter_sleep(const struct xenpf_enter_acpi_sleep *s)
{
    if ((s->flags & ~(uint32_t)XENPF_ACPI_SLEEP_EXTENDED) || s->sleep_state == 0 ||
        s->sleep_state > SLEEP_OFF)
        return -XEN_EINVAL;
    if (s->flags || s->sleep_state != SLEEP_OFF)
        return -XEN_EOPNOTSUPP;
    platform_power_off_by(s->val_a, s->val_b);
    bootdomains_end_host();
    domain_shutdown(current_vcpu()->domain, SHUTDOWN_poweroff);
    return 0;
}

/* ---- symbols ---- */

/* The name goes to the caller's buffer as far as it fits in; its length is told in full. */
static int64_t get_symbol(struct xenpf_symdata *s)
{
    const char *name = platform_symbol(s->symnum, &s->address);
    uint32_t room = s->namelen;
    size_t bytes;

    if (!name) {
        s->namelen = 0;
        return 0; /* symnum is as it was: that was the end */
    }
    bytes = strlen(name) + 1;
    if (copy_to_guest(guest_ptr((uint64_t)s->name.p), name, min_u64(bytes, room)))
        return -XEN_EFAULT;
    s->namelen = (uint32_t)bytes;
    s->type = 't';
    s->symnum++;
    return 0;
}

/* ---- the call ---- */

static int64_t quirk(uint32_t id)
{
    return id >= QUIRK_NOIRQBALANCING && id <= QUIRK_IOAPIC_GOOD_REGSEL ? 0 : -XEN_EINVAL;
}

/* Changes op where there is something to tell. */
static int64_t perform(struct xen_platform_op *op)
{
    switch (op->cmd) {
    case XENPF_settime32:
        return set_time(op->u.settime32.secs, op->u.settime32.nsecs, op->u.settime32.system_time);
    case XENPF_settime64:
        if (op->u.settime64.mbz)
            return -XEN_EINVAL;
        return set_time(op->u.settime64.secs, op->u.settime64.nsecs, op->u.settime64.system_time);
    case XENPF_firmware_info:
        return firmware_info(&op->u.firmware_info);
    case XENPF_enter_acpi_sleep:
        return enter_sleep(&op->u.enter_acpi_sleep);
    case XENPF_set_processor_pminfo:
        return power_information(&op->u.set_pminfo);
    case XENPF_get_cpuinfo:
        fill_cpu_info(&op->u.pcpu_info);
        return 0;
    case XENPF_get_cpu_version:
        return fill_cpu_version(&op->u.pcpu_version);
    case XENPF_getidletime:
        return idle_times(&op->u.getidletime);
    case XENPF_cpu_online:
        return cpu_online(op->u.cpu_ol.cpuid);
    case XENPF_core_parking:
        return core_parking(&op->u.core_parking);
    case XENPF_get_symbol:
        return get_symbol(&op->u.symdata);
    case XENPF_platform_quirk:
        return quirk(op->u.platform_quirk.quirk_id);
    case XENPF_cpu_offline:
    case XENPF_cpu_hotadd:
    case XENPF_mem_hotadd:
    case XENPF_change_freq:
    case XENPF_microcode_update:
    case XENPF_add_memtype:
    case XENPF_del_memtype:
    case XENPF_read_memtype:
    case XENPF_resource_op:
        return -XEN_EOPNOTSUPP;
    default: /* among them the calls of EFI: such firmware does not start us */
        return -XEN_ENOSYS;
    }
}

int64_t hcall_platform_op(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[0]);
    struct xen_platform_op op;
    int64_t rc;

    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.interface_version != XENPF_INTERFACE_VERSION)
        return -XEN_EACCES;
    rc = perform(&op);
    return rc ? rc : copy_to_guest(arg, &op, sizeof(op));
}
