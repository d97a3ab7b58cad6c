/* SPDX-License-Identifier: MIT
 *
 * Where a CPU sits, from CPUID.
 *
 * An APIC id is made of bit fields: | package | core | thread |. CPUID says how wide the lower two
 * are:
 *
 *  - Leaf 0x1f or 0xb, one subleaf a level from the innermost outwards: how far to shift the id
 * right to get the number of the next level. Levels above the core (module, tile, die) belong to
 * the package here: a scheduler that looks for a near CPU wants "same core" and "same package".
 *  - AMD without these: leaf 0x80000008 has the width of core and thread together (or the number of
 *    threads, of which the width follows), leaf 0x8000001e the threads per core.
 *  - Old Intel: leaf 1 has the number of ids in a package, leaf 4 the number of cores among them.
 *
 * Every figure is rounded up to a power of two, since fields are whole bits, and bounded to 32
 * bits: a hypervisor below us may say anything.
 */
#include "xen/arch/x86/topology.h"

#define LEAF_CACHES       4
#define LEAF_TOPOLOGY     0xb
#define LEAF_TOPOLOGY_V2  0x1f
#define LEAF_AMD_SIZES    0x80000008
#define LEAF_AMD_TOPOLOGY 0x8000001e
#define LEVELS_MAX        8
#define LEVEL_END         0
#define LEVEL_THREAD      1
#define LEVEL_CORE        2

#define VENDOR_AMD_B   0x68747541 /* "Auth" */
#define VENDOR_HYGON_B 0x6f677948 /* "Hygo" */
#define CPUID1_HTT     (1u << 28) /* EDX */
#define AMD_TOPOLOGY   (1u << 22) /* leaf 0x80000001 ECX */

struct cpu_place cpu_place[MAX_CPUS];

/* The id and the widths, from its right end, of the thread field and of thread and core together.
 */
struct layout {
    uint32_t id;
    unsigned thread_bits, package_bits;
};

/* Bits needed to number `count` things. */
static unsigned width(uint32_t count)
{
    return count <= 1 ? 0 : 32 - (unsigned)__builtin_clz(count - 1);
}

/* Bits at and above `from`; a shift by 32 or more has no meaning in C. */
static uint32_t above(uint32_t id, unsigned from)
{
    return from < 32 ? id >> from : 0;
}

static bool by_levels(cpuid_reader *read, uint32_t leaf, struct layout *l)
{
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        struct cpuid_regs r = read(leaf, level);
        unsigned type = (r.c >> 8) & 0xff, shift = r.a & 31;

        if (type == LEVEL_END)
            return level > 0;
        l->id = r.d;
        if (type == LEVEL_THREAD)
            l->thread_bits = shift;
        if (shift > l->package_bits) /* each level outwards is at least as wide */
            l->package_bits = shift;
    }
    return true;
}

static void by_amd(cpuid_reader *read, uint32_t highest, struct layout *l)
{
    uint32_t sizes = read(LEAF_AMD_SIZES, 0).c;
    unsigned stated = (sizes >> 12) & 15;

    l->package_bits = stated ? stated : width((sizes & 0xff) + 1);
    if (highest >= LEAF_AMD_TOPOLOGY && (read(0x80000001, 0).c & AMD_TOPOLOGY)) {
        struct cpuid_regs r = read(LEAF_AMD_TOPOLOGY, 0);

        l->id = r.a;
        l->thread_bits = width(((r.b >> 8) & 0xff) + 1);
    }
}

static void by_counts(cpuid_reader *read, uint32_t highest, struct layout *l)
{
    struct cpuid_regs one = read(1, 0);
    uint32_t ids = (one.b >> 16) & 0xff, cores = 1;

    if (!(one.d & CPUID1_HTT))
        return;
    if (highest >= LEAF_CACHES && (read(LEAF_CACHES, 0).a & 31) != 0)
        cores = (read(LEAF_CACHES, 0).a >> 26) + 1;
    l->package_bits = width(ids);
    l->thread_bits = l->package_bits > width(cores) ? l->package_bits - width(cores) : 0;
}

static struct layout find_layout(cpuid_reader *read)
{
    struct cpuid_regs zero = read(0, 0);
    struct layout l = {read(1, 0).b >> 24, 0, 0};
    uint32_t extended = read(0x80000000, 0).a;

    if (zero.a >= LEAF_TOPOLOGY_V2 && by_levels(read, LEAF_TOPOLOGY_V2, &l))
        return l;
    if (zero.a >= LEAF_TOPOLOGY && by_levels(read, LEAF_TOPOLOGY, &l))
        return l;
    if ((zero.b == VENDOR_AMD_B || zero.b == VENDOR_HYGON_B) && extended >= LEAF_AMD_SIZES &&
        extended < 0x80010000)
        by_amd(read, extended, &l);
    else
        by_counts(read, zero.a, &l);
    return l;
}

struct cpu_place topology_decode(cpuid_reader *read)
{
    struct layout l = find_layout(read);

    if (l.package_bits < l.thread_bits)
        l.package_bits = l.thread_bits;
    return (struct cpu_place){
        .package = above(l.id, l.package_bits),
        .core = above(l.id & ~(UINT32_MAX << l.package_bits), l.thread_bits),
        .thread = l.id & ~(UINT32_MAX << l.thread_bits),
    };
}

bool topology_siblings(cpuid_reader *read, uint32_t id, uint32_t other)
{
    unsigned bits = find_layout(read).thread_bits;

    return above(id, bits) == above(other, bits);
}

void topology_cpu_init(unsigned cpu)
{
    cpu_place[cpu] = topology_decode(cpuid);
}
