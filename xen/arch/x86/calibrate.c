/* SPDX-License-Identifier: MIT
 *
 * How fast the TSC runs.
 *
 * A CPU may state it (leaf 0x15, with its crystal's frequency), and so may a hypervisor below us
 * (leaf 0x40000010 of those who define it so). Such a figure is exact where a measurement has an
 * error; but firmware and hypervisors have been known to state nonsense, so a short measurement
 * must agree with it. Otherwise the measurement counts: WINDOW_NS long, each end the narrowest of
 * several brackets, which gives some 40 ppm; time.c then refines it second by second.
 */
#include <lagan/string.h>
#include "xen/arch/x86/calibrate.h"
#include "xen/arch/x86/counter.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/tsc.h"

#define WINDOW_NS       5000000
#define CHECK_WINDOW_NS 1000000
#define POLL_TICKS      1000 /* between two looks at the counter: they are slow in a virtual machine */
#define POLL_MAX        10000000
#define FS_PER_NS       1000000
#define BILLION         1000000000

#define LEAF_HYPERVISOR     0x40000000
#define LEAF_HYPERVISOR_TSC 0x40000010 /* EAX: kHz */
#define LEAF_CRYSTAL        0x15

static LAGAN_INIT uint64_t hz_from_hypervisor(void)
{
    struct cpuid_regs r = cpuid(LEAF_HYPERVISOR, 0);
    char name[12];

    memcpy(name, &r.b, 4);
    memcpy(name + 4, &r.c, 4);
    memcpy(name + 8, &r.d, 4);
    if (r.a < LEAF_HYPERVISOR_TSC)
        return 0;
    if (memcmp(name, "KVMKVMKVM\0\0", 12) != 0 && memcmp(name, "VMwareVMware", 12) != 0)
        return 0;
    return (uint64_t)cpuid(LEAF_HYPERVISOR_TSC, 0).a * 1000;
}

static LAGAN_INIT uint64_t stated_hz(const char **source)
{
    struct cpuid_regs r;
    uint64_t hz = 0;

    if (cpuid(1, 0).c >> 31) { /* there is a hypervisor below us */
        *source = "hypervisor";
        hz = hz_from_hypervisor();
    }
    if (hz == 0 && cpuid(0, 0).a >= LEAF_CRYSTAL) {
        *source = "CPUID";
        r = cpuid(LEAF_CRYSTAL, 0);
        hz = tsc_hz_from_crystal(r.a, r.b, r.c);
    }
    return hz;
}

/* Waits until the counter has made `ticks`, fewer than it can count without wrapping. */
static LAGAN_INIT bool wait_for(const struct counter *c, uint32_t start, uint32_t ticks)
{
    for (unsigned i = 0; i < POLL_MAX; i++) {
        uint64_t from = rdtsc();

        if (((counter_read(c) - start) & c->mask) >= ticks)
            return true;
        while (rdtsc() - from < POLL_TICKS)
            ;
    }
    return false;
}

static LAGAN_INIT uint64_t measure_hz(const struct counter *c, uint64_t window_ns)
{
    struct counter_sample start = counter_sample(c), end;
    uint32_t ticks = (uint32_t)mul_div_u64(window_ns, FS_PER_NS, c->period_fs);
    uint64_t ns;

    if (!wait_for(c, start.count, ticks))
        return 0;
    end = counter_sample(c);
    ns = mul_div_u64((end.count - start.count) & c->mask, c->period_fs, FS_PER_NS);
    return ns ? mul_div_u64(end.tsc - start.tsc, BILLION, ns) : 0;
}

LAGAN_INIT uint64_t calibrate_tsc(const struct counter *c, const char **source)
{
    uint64_t stated = stated_hz(source);

    if (!c || (stated && hz_agree(stated, measure_hz(c, CHECK_WINDOW_NS))))
        return stated;
    *source = c->name;
    return measure_hz(c, WINDOW_NS);
}
