/* SPDX-License-Identifier: MIT
 *
 * platform_op and mca: what the control domain is told, and that no other domain is told anything.
 */
#include <setjmp.h>
#include <string.h>

#include "arch_current.h"
#include "irq_world.h"
#include "suite.h"
#include "xen/bootdomains.h"
#include "xen/hypercall.h"
#include "xen/topology.h"
#include "xen/wallclock.h"
#include "xen/arch/x86/platform.h"

static uint64_t set_seconds, set_system_time;
static uint32_t set_ns;
static int ended, off_a, off_b;

struct cpu_place cpu_place[MAX_CPUS] = {{0, 0, 0}, {0, 0, 1}, {1, 0, 0}};

int wallclock_set(uint64_t seconds, uint32_t ns, uint64_t system_time)
{
    if (ns >= 1000000000)
        return -XEN_EINVAL;
    set_seconds = seconds;
    set_ns = ns;
    set_system_time = system_time;
    return 0;
}

void bootdomains_end_host(void)
{
    ended = 1;
}

void domain_shutdown(struct domain *d, int reason)
{
    CU_ASSERT_TRUE(d == control && ended == 1);
    ended = 2 + reason;
}

uint32_t platform_apic_id(unsigned cpu)
{
    return cpu * 2;
}

uint32_t platform_acpi_id(unsigned cpu)
{
    return cpu + 7;
}

void platform_cpu_version(char vendor[12], uint32_t *family, uint32_t *model, uint32_t *stepping)
{
    memcpy(vendor, "LaganProcess", 12);
    *family = 1;
    *model = 2;
    *stepping = 3;
}

uint64_t platform_mcg_cap(void)
{
    return 2;
}

const char *platform_symbol(uint32_t n, uint64_t *address)
{
    *address = 0x1000 + n;
    return n < 2 ? "a_function" : NULL;
}

void platform_power_off_by(uint16_t pm1a, uint16_t pm1b)
{
    off_a = pm1a;
    off_b = pm1b;
}

uint64_t sched_idle_time(unsigned cpu)
{
    CU_ASSERT(cpu < WORLD_CPUS);
    return 1000 + cpu;
}

#include "xen/arch/x86/hcall_mca.c"
#include "xen/arch/x86/hcall_platform.c"

static int64_t platform(struct xen_platform_op *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XENPF_INTERFACE_VERSION;
    return hcall_platform_op(&(struct hypercall_args){.a = {(uint64_t)op}});
}

static int64_t mca(struct xen_mc *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_MCA_INTERFACE_VERSION;
    return hcall_mca(&(struct hypercall_args){.a = {(uint64_t)op}});
}

static void test_others(void)
{
    struct xen_platform_op op = {0};
    struct xen_mc mc = {0};

    irq_world();
    host_current = other->vcpu[0];
    ended = 0;
    for (uint32_t cmd = 0; cmd < 100; cmd++) {
        CU_ASSERT_EQUAL(platform(&op, cmd), -XEN_EPERM);
        CU_ASSERT_EQUAL(mca(&mc, cmd), -XEN_EPERM);
    }
    CU_ASSERT_EQUAL(ended, 0);
    irq_world_end();
}

/* None crashes on nothing, and none but those that are meant to do anything. */
static void test_shape(void)
{
    static const uint32_t unsupported[] = {
        XENPF_cpu_offline, XENPF_cpu_hotadd,       XENPF_mem_hotadd,
        XENPF_change_freq, XENPF_microcode_update, XENPF_add_memtype,
        XENPF_del_memtype, XENPF_read_memtype,     XENPF_resource_op};
    static const uint32_t unknown[] = {XENPF_efi_runtime_call};
    struct xen_platform_op op;
    struct xen_mc mc = {.cmd = XEN_MC_fetch};
    struct hypercall_args fault = {.a = {0}}, wrong = {.a = {(uint64_t)&op}},
                          wrong_mc = {.a = {(uint64_t)&mc}};

    irq_world();
    memset(&op, 0, sizeof(op));
    CU_ASSERT_EQUAL(hcall_platform_op(&fault), -XEN_EFAULT);
    CU_ASSERT_EQUAL(hcall_platform_op(&wrong), -XEN_EACCES);
    CU_ASSERT_EQUAL(hcall_mca(&fault), -XEN_EFAULT);
    CU_ASSERT_EQUAL(hcall_mca(&wrong_mc), -XEN_EACCES);
    ended = 0;
    for (uint32_t cmd = 0; cmd < 100; cmd++) {
        memset(&op, 0, sizeof(op));
        (void)platform(&op, cmd);
        memset(&mc, 0, sizeof(mc));
        (void)mca(&mc, cmd);
    }
    CU_ASSERT_EQUAL(ended, 0);
    CU_ASSERT_EQUAL(platform(&op, 1000), -XEN_ENOSYS);
    for (unsigned i = 0; i < ARRAY_SIZE(unsupported); i++)
        CU_ASSERT_EQUAL(platform(&op, unsupported[i]), -XEN_EOPNOTSUPP);
    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++)
        CU_ASSERT_EQUAL(platform(&op, unknown[i]), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(mca(&mc, 1000), -XEN_ENOSYS);
    irq_world_end();
}

static void test_time(void)
{
    struct xen_platform_op op;

    irq_world();
    memset(&op, 0, sizeof(op));
    op.u.settime64 = (struct xenpf_settime64){UINT64_C(0x123456789), 5, 0, 77};
    CU_ASSERT_EQUAL(platform(&op, XENPF_settime64), 0);
    CU_ASSERT_TRUE(set_seconds == UINT64_C(0x123456789) && set_ns == 5 && set_system_time == 77);
    op.u.settime64.mbz = 1;
    CU_ASSERT_EQUAL(platform(&op, XENPF_settime64), -XEN_EINVAL);
    op.u.settime64 = (struct xenpf_settime64){1, 1000000000, 0, 0};
    CU_ASSERT_EQUAL(platform(&op, XENPF_settime64), -XEN_EINVAL);
    op.u.settime32 = (struct xenpf_settime32){9, 8, 7};
    CU_ASSERT_EQUAL(platform(&op, XENPF_settime32), 0);
    CU_ASSERT_TRUE(set_seconds == 9 && set_ns == 8 && set_system_time == 7);
    irq_world_end();
}

static void test_processors(void)
{
    struct xen_platform_op op;

    irq_world();
    memset(&op, 0, sizeof(op));
    for (uint32_t cpu = 0; cpu < WORLD_CPUS; cpu++) {
        op.u.pcpu_info.xen_cpuid = cpu;
        CU_ASSERT_EQUAL(platform(&op, XENPF_get_cpuinfo), 0);
        CU_ASSERT_EQUAL(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
        CU_ASSERT_EQUAL(op.u.pcpu_info.max_present, WORLD_CPUS - 1);
        CU_ASSERT_TRUE(op.u.pcpu_info.apic_id == 2 * cpu && op.u.pcpu_info.acpi_id == cpu + 7);
        op.u.cpu_ol.cpuid = cpu;
        CU_ASSERT_EQUAL(platform(&op, XENPF_cpu_online), 0);
        CU_ASSERT_EQUAL(platform(&op, XENPF_cpu_offline), -XEN_EOPNOTSUPP);
    }
    op.u.pcpu_info.xen_cpuid = WORLD_CPUS;
    CU_ASSERT_TRUE(platform(&op, XENPF_get_cpuinfo) == 0 &&
                   op.u.pcpu_info.flags == XEN_PCPU_FLAGS_INVALID);
    op.u.pcpu_info.xen_cpuid = UINT32_MAX;
    CU_ASSERT_TRUE(platform(&op, XENPF_get_cpuinfo) == 0 &&
                   op.u.pcpu_info.flags == XEN_PCPU_FLAGS_INVALID);
    op.u.cpu_ol.cpuid = WORLD_CPUS;
    CU_ASSERT_EQUAL(platform(&op, XENPF_cpu_online), -XEN_EOPNOTSUPP);
    op.u.cpu_ol.cpuid = UINT32_MAX;
    CU_ASSERT_EQUAL(platform(&op, XENPF_cpu_online), -XEN_EINVAL);
    op.u.pcpu_version.xen_cpuid = 1;
    CU_ASSERT_EQUAL(platform(&op, XENPF_get_cpu_version), 0);
    CU_ASSERT_TRUE(op.u.pcpu_version.family == 1 && op.u.pcpu_version.model == 2);
    op.u.pcpu_version.xen_cpuid = WORLD_CPUS;
    CU_ASSERT_EQUAL(platform(&op, XENPF_get_cpu_version), -XEN_ENODEV);
    op.u.core_parking = (struct xenpf_core_parking){XEN_CORE_PARKING_GET, 5};
    CU_ASSERT_TRUE(platform(&op, XENPF_core_parking) == 0 && op.u.core_parking.idle_nums == 0);
    op.u.core_parking = (struct xenpf_core_parking){XEN_CORE_PARKING_SET, 1};
    CU_ASSERT_EQUAL(platform(&op, XENPF_core_parking), -XEN_EOPNOTSUPP);
    op.u.core_parking = (struct xenpf_core_parking){3, 0};
    CU_ASSERT_EQUAL(platform(&op, XENPF_core_parking), -XEN_EINVAL);
    op.u.set_pminfo.type = XEN_PM_PX;
    CU_ASSERT_EQUAL(platform(&op, XENPF_set_processor_pminfo), 0);
    op.u.set_pminfo.type = XEN_PM_TX;
    CU_ASSERT_EQUAL(platform(&op, XENPF_set_processor_pminfo), -XEN_ENOSYS);
    op.u.set_pminfo.type = 9;
    CU_ASSERT_EQUAL(platform(&op, XENPF_set_processor_pminfo), -XEN_EINVAL);
    irq_world_end();
}

static void test_idle_times(void)
{
    uint64_t times[24];
    uint8_t map[4] = {0x0d, 0xff, 0x01, 0xee};
    struct xen_platform_op op;

    irq_world();
    memset(&op, 0, sizeof(op));
    memset(times, 0xaa, sizeof(times));
    op.u.getidletime.cpumap_bitmap.p = map;
    op.u.getidletime.cpumap_nr_cpus = 24;
    op.u.getidletime.idletime.p = times;
    CU_ASSERT_EQUAL(platform(&op, XENPF_getidletime), 0);
    CU_ASSERT(map[0] == 0x05 && map[1] == 0 && map[2] == 0 && map[3] == 0xee);
    CU_ASSERT(times[0] == 1000 && times[2] == 1002 && times[3] == 0 && times[8] == 0);
    CU_ASSERT(times[1] == UINT64_C(0xaaaaaaaaaaaaaaaa) && times[17] == times[1]);
    CU_ASSERT_EQUAL(op.u.getidletime.now, arch_time_ns());
    op.u.getidletime.cpumap_nr_cpus = 0;
    CU_ASSERT_EQUAL(platform(&op, XENPF_getidletime), 0);
    op.u.getidletime.cpumap_nr_cpus = 1025;
    CU_ASSERT_EQUAL(platform(&op, XENPF_getidletime), -XEN_EINVAL);
    op.u.getidletime.cpumap_nr_cpus = 24;
    op.u.getidletime.cpumap_bitmap.p = NULL;
    CU_ASSERT_EQUAL(platform(&op, XENPF_getidletime), -XEN_EFAULT);
    op.u.getidletime.cpumap_bitmap.p = map;
    op.u.getidletime.idletime.p = NULL;
    CU_ASSERT_EQUAL(platform(&op, XENPF_getidletime), -XEN_EFAULT);
    CU_ASSERT_EQUAL(map[0], 0x05);
    irq_world_end();
}

static void test_firmware(void)
{
    static const struct {
        uint32_t type, index;
        int64_t rc;
    } table[] = {{XEN_FW_DISK_INFO, 0, -XEN_ESRCH},
                 {XEN_FW_DISK_MBR_SIGNATURE, 0, -XEN_ESRCH},
                 {XEN_FW_VBEDDC_INFO, 0, -XEN_ESRCH},
                 {XEN_FW_EFI_INFO, 0, -XEN_ENOSYS},
                 {XEN_FW_KBD_SHIFT_FLAGS, 0, 0},
                 {XEN_FW_KBD_SHIFT_FLAGS, 1, -XEN_ESRCH},
                 {0, 0, -XEN_EINVAL},
                 {6, 0, -XEN_EINVAL}};
    struct xen_platform_op op;

    irq_world();
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        memset(&op, 0xff, sizeof(op));
        op.u.firmware_info.type = table[i].type;
        op.u.firmware_info.index = table[i].index;
        CU_ASSERT_EQUAL(platform(&op, XENPF_firmware_info), table[i].rc);
    }
    irq_world_end();
}

static void test_sleep(void)
{
    struct xen_platform_op op;

    irq_world();
    ended = 0;
    for (uint32_t state = 0; state < 9; state++) {
        memset(&op, 0, sizeof(op));
        op.u.enter_acpi_sleep.sleep_state = state;
        if (state != 5)
            CU_ASSERT_EQUAL(platform(&op, XENPF_enter_acpi_sleep),
                            state == 0 || state > 5 ? -XEN_EINVAL : -XEN_EOPNOTSUPP);
    }
    op.u.enter_acpi_sleep = (struct xenpf_enter_acpi_sleep){0x2000, 3, 5, 2};
    CU_ASSERT_EQUAL(platform(&op, XENPF_enter_acpi_sleep), -XEN_EINVAL);
    op.u.enter_acpi_sleep.flags = XENPF_ACPI_SLEEP_EXTENDED;
    CU_ASSERT_EQUAL(platform(&op, XENPF_enter_acpi_sleep), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(ended, 0);
    op.u.enter_acpi_sleep.flags = 0;
    CU_ASSERT_EQUAL(platform(&op, XENPF_enter_acpi_sleep), 0);
    CU_ASSERT_TRUE(ended == 2 + SHUTDOWN_poweroff && off_a == 0x2000 && off_b == 3);
    irq_world_end();
}

static void test_symbols(void)
{
    struct xen_platform_op op;
    char name[6] = "#####";

    irq_world();
    memset(&op, 0, sizeof(op));
    op.u.symdata.name.p = name;
    op.u.symdata.namelen = 4;
    op.u.symdata.symnum = 1;
    CU_ASSERT_EQUAL(platform(&op, XENPF_get_symbol), 0);
    CU_ASSERT_TRUE(op.u.symdata.symnum == 2 && op.u.symdata.namelen == 11 &&
                   op.u.symdata.address == 0x1001);
    CU_ASSERT_TRUE(memcmp(name, "a_fu#", 5) == 0);
    CU_ASSERT_EQUAL(platform(&op, XENPF_get_symbol), 0);
    CU_ASSERT_TRUE(op.u.symdata.symnum == 2 && op.u.symdata.namelen == 0);
    irq_world_end();
}

static void test_mca(void)
{
    xen_mc_logical_cpu_t cpus[WORLD_CPUS + 1];
    struct xen_mc op;

    irq_world();
    memset(&op, 0, sizeof(op));
    memset(cpus, 0xaa, sizeof(cpus));
    CU_ASSERT_TRUE(mca(&op, XEN_MC_physcpuinfo) == 0 && op.u.mc_physcpuinfo.ncpus == WORLD_CPUS);
    op.u.mc_physcpuinfo.info.p = cpus;
    op.u.mc_physcpuinfo.ncpus = 0;
    CU_ASSERT_EQUAL(mca(&op, XEN_MC_physcpuinfo), -XEN_EINVAL);
    op.u.mc_physcpuinfo.ncpus = 2;
    CU_ASSERT_TRUE(mca(&op, XEN_MC_physcpuinfo) == 0 && op.u.mc_physcpuinfo.ncpus == 2);
    CU_ASSERT_EQUAL(cpus[2].mc_cpunr, 0xaaaaaaaa); /* no more than asked for */
    op.u.mc_physcpuinfo.ncpus = MAX_CPUS;
    CU_ASSERT_TRUE(mca(&op, XEN_MC_physcpuinfo) == 0 && op.u.mc_physcpuinfo.ncpus == WORLD_CPUS);
    CU_ASSERT_TRUE(cpus[1].mc_cpunr == 1 && cpus[1].mc_apicid == 2 && cpus[1].mc_threadid == 1);
    CU_ASSERT_TRUE(cpus[0].mc_ncores == 1 && cpus[0].mc_nthreads == 2 && cpus[2].mc_nthreads == 1);
    CU_ASSERT_TRUE(cpus[2].mc_msrvalues[0].value == 2 && cpus[3].mc_cpunr == 0xaaaaaaaa);
    op.u.mc_physcpuinfo.ncpus = MAX_CPUS + 1;
    CU_ASSERT_EQUAL(mca(&op, XEN_MC_physcpuinfo), -XEN_EINVAL);
    memset(&op, 0, sizeof(op));
    CU_ASSERT_EQUAL(mca(&op, XEN_MC_fetch), -XEN_EINVAL);
    op.u.mc_fetch.flags = XEN_MC_NONURGENT;
    CU_ASSERT_TRUE(mca(&op, XEN_MC_fetch) == 0 && op.u.mc_fetch.flags == XEN_MC_NODATA);
    op.u.mc_fetch.flags = XEN_MC_URGENT | XEN_MC_ACK;
    CU_ASSERT_TRUE(mca(&op, XEN_MC_fetch) == 0 && op.u.mc_fetch.flags == XEN_MC_OK);
    irq_world_end();
}

static const struct test_case cases[] = {{"other domains", test_others},
                                         {"the call's shape", test_shape},
                                         {"time", test_time},
                                         {"processors", test_processors},
                                         {"idle times", test_idle_times},
                                         {"firmware", test_firmware},
                                         {"sleep", test_sleep},
                                         {"symbols", test_symbols},
                                         {"machine checks", test_mca},
                                         {NULL, NULL}};

const struct suite suite_platform = {"platform", cases, NULL, NULL};
