/* SPDX-License-Identifier: MIT
 *
 * mca: machine checks, as the control domain's log of them wants to have them. Errors that were not
 * corrected stop the host (mce.c), and those that were are forgotten: so there is never one to fetch. The
 * domain is told what the processors are, and may bind VIRQ_MCA, which does not come.
 */
#include "xen/hypercall.h"

#include <lagan/arch.h>
#include <lagan/string.h>
#include <xen/xen.h>
#include <xen/arch-x86/xen-mca.h>

#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/platform.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/topology.h"
#include "arch_current.h"

#define CPUID_MAX_NAME 0x80000004

static void fill_brand(char brand[64])
{
    memset(brand, 0, 64);
    if (cpuid(0x80000000, 0).a < CPUID_MAX_NAME)
        return;
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid_regs r = cpuid(0x80000002 + i, 0);

        memcpy(brand + 16 * i, &r.a, 4);
        memcpy(brand + 16 * i + 4, &r.b, 4);
        memcpy(brand + 16 * i + 8, &r.c, 4);
        memcpy(brand + 16 * i + 12, &r.d, 4);
    }
}

/* How many CPUs are in the same package, and how many of them on the same core. */
static void count_neighbours(unsigned cpu, uint32_t *cores, uint32_t *threads)
{
    cpumask_t cpus = arch_online_cpus();
    unsigned i, in_package = 0;

    *threads = 0;
    for_each_cpu (i, cpus) {
        if (cpu_place[i].package != cpu_place[cpu].package)
            continue;
        in_package++;
        *threads += cpu_place[i].core == cpu_place[cpu].core;
    }
    *cores = in_package / *threads;
}

static void fill_cpu(xen_mc_logical_cpu_t *info, unsigned cpu)
{
    struct cpuid_regs version = cpuid(1, 0), extended = cpuid(0x80000001, 0);

    memset(info, 0, sizeof(*info));
    info->mc_cpunr = cpu;
    info->mc_chipid = cpu_place[cpu].package;
    info->mc_coreid = (uint16_t)cpu_place[cpu].core;
    info->mc_threadid = (uint16_t)cpu_place[cpu].thread;
    info->mc_apicid = platform_apic_id(cpu);
    info->mc_clusterid = UINT32_MAX;
    count_neighbours(cpu, &info->mc_ncores, &info->mc_nthreads);
    info->mc_ncores_active = info->mc_ncores;
    info->mc_cpuid_level = (int32_t)cpuid(0, 0).a;
    platform_cpu_version(info->mc_vendorid, &info->mc_family, &info->mc_model, &info->mc_step);
    fill_brand(info->mc_brandid);
    info->mc_cpu_caps[MC_CAPS_STD_EDX] = version.d;
    info->mc_cpu_caps[MC_CAPS_STD_ECX] = version.c;
    info->mc_cpu_caps[MC_CAPS_AMD_EDX] = extended.d;
    info->mc_cpu_caps[MC_CAPS_AMD_ECX] = extended.c;
    info->mc_cache_alignment = (version.b >> 8 & 0xff) * 8;
    info->mc_nmsrvals = 1;
    info->mc_msrvalues[0].reg = MSR_MCG_CAP;
    info->mc_msrvalues[0].value = platform_mcg_cap();
}

/* Without a buffer, just how many there are. */
static int64_t processors(struct xen_mc_physcpuinfo *p)
{
    guest_ptr_t to = guest_ptr((uint64_t)p->info.p);
    uint32_t count = cpumask_count(arch_online_cpus());
    xen_mc_logical_cpu_t info;

    if (to.va && (p->ncpus == 0 || p->ncpus > MAX_CPUS))
        return -XEN_EINVAL;
    if (to.va)
        count = (uint32_t)min_u64(count, p->ncpus);
    for (unsigned cpu = 0; to.va && cpu < count; cpu++) {
        fill_cpu(&info, cpu);
        if (copy_to_guest(guest_ptr_add(to, cpu * sizeof(info)), &info, sizeof(info)))
            return -XEN_EFAULT;
    }
    p->ncpus = count;
    return 0;
}

static int64_t fetch(struct xen_mc_fetch *f)
{
    uint32_t which = f->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT);

    if (which != XEN_MC_NONURGENT && which != XEN_MC_URGENT)
        return -XEN_EINVAL;
    f->flags = f->flags & XEN_MC_ACK ? XEN_MC_OK : XEN_MC_NODATA;
    f->fetch_id = 0;
    return 0;
}

int64_t hcall_mca(const struct hypercall_args *args)
{
    guest_ptr_t arg = guest_ptr(args->a[0]);
    struct xen_mc op;
    int64_t rc;

    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    if (copy_from_guest(&op, arg, sizeof(op)))
        return -XEN_EFAULT;
    if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
        return -XEN_EACCES;
    switch (op.cmd) {
    case XEN_MC_fetch:
        rc = fetch(&op.u.mc_fetch);
        break;
    case XEN_MC_physcpuinfo:
        rc = processors(&op.u.mc_physcpuinfo);
        break;
    case XEN_MC_notifydomain:
        return -XEN_EINVAL;
    case XEN_MC_msrinject: /* errors are not made up here */
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
    return rc ? rc : copy_to_guest(arg, &op, sizeof(op));
}
