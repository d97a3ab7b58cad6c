/* SPDX-License-Identifier: MIT
 *
 * CPUs of several kinds, played from tables of what their CPUID says.
 */
#include <string.h>

#include "suite.h"
#include "xen/arch/x86/topology.h"

struct row {
    uint32_t leaf, subleaf;
    struct cpuid_regs r;
};

#define INTEL                                 \
    {                                         \
        0, 0x756e6547, 0x6c65746e, 0x49656e69 \
    }
#define AMD                                   \
    {                                         \
        0, 0x68747541, 0x444d4163, 0x69746e65 \
    }

static const struct row *table;
static uint32_t highest, id;

/* The APIC id of the CPU in question is put in wherever the leaf reports it. */
static struct cpuid_regs play(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = {0, 0, 0, 0};

    for (const struct row *t = table; t->leaf != UINT32_MAX; t++)
        if (t->leaf == leaf && t->subleaf == subleaf)
            r = t->r;
    if (leaf == 0)
        r.a = highest;
    if (leaf == 1)
        r.b = (r.b & 0xffffff) | id << 24;
    if (leaf == 0xb || leaf == 0x1f)
        r.d = id;
    if (leaf == 0x8000001e)
        r.a = id;
    return r;
}

static struct cpu_place place(const struct row *t, uint32_t top, uint32_t apic_id)
{
    table = t;
    highest = top;
    id = apic_id;
    return topology_decode(play);
}

static void check(struct cpu_place p, unsigned package, unsigned core, unsigned thread)
{
    CU_ASSERT_EQUAL(p.package, package);
    CU_ASSERT_EQUAL(p.core, core);
    CU_ASSERT_EQUAL(p.thread, thread);
}

/* qemu -cpu max -smp 8,sockets=2,cores=2,threads=2 */
static const struct row qemu_2_2_2[] = {
    {0, 0, AMD},
    {1, 0, {0, 4 << 16, 0, 1u << 28}},
    {0xb, 0, {1, 2, 0x100, 0}},
    {0xb, 1, {2, 4, 0x201, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};

static void qemu(void)
{
    for (uint32_t i = 0; i < 8; i++)
        check(place(qemu_2_2_2, 0xd, i), i >> 2, (i >> 1) & 1, i & 1);
}

/* A two-socket Xeon, 28 cores, hyper-threading; leaf 0x1f repeats 0xb */
static const struct row xeon[] = {
    {0, 0, INTEL},
    {1, 0, {0, 64 << 16, 0, 1u << 28}},
    {0xb, 0, {1, 2, 0x100, 0}},
    {0xb, 1, {6, 56, 0x201, 0}},
    {0x1f, 0, {1, 2, 0x100, 0}},
    {0x1f, 1, {6, 56, 0x201, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};

/* A package of two dies: threads 1 bit, cores up to bit 4, dies up to bit 6 */
static const struct row dies[] = {
    {0, 0, INTEL},
    {0xb, 0, {1, 2, 0x100, 0}},
    {0xb, 1, {4, 16, 0x201, 0}},
    {0x1f, 0, {1, 2, 0x100, 0}},
    {0x1f, 1, {4, 16, 0x201, 0}},
    {0x1f, 2, {6, 32, 0x502, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};

static void intel_leaves(void)
{
    check(place(xeon, 0x20, 0), 0, 0, 0);
    check(place(xeon, 0x20, 1), 0, 0, 1);
    check(place(xeon, 0x20, 0x37), 0, 27, 1);
    check(place(xeon, 0x20, 0x40), 1, 0, 0);
    check(place(xeon, 0xb, 0x77), 1, 27, 1);
    check(place(dies, 0x1f, 0x33), 0, 25, 1); /* the die is part of the package */
    check(place(dies, 0x1f, 0x40), 1, 0, 0);
    check(place(dies, 0xb, 0x33), 3, 1, 1); /* an old table: package above bit 4 */
}

/* A Core 2 Quad: leaf 4 says 4 cores, leaf 1 says 4 ids; and a Pentium 4 with two threads, one core
 */
static const struct row core2[] = {
    {0, 0, INTEL},
    {1, 0, {0, 4 << 16, 0, 1u << 28}},
    {4, 0, {3u << 26 | 0x121, 0, 0, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};
static const struct row pentium4[] = {
    {0, 0, INTEL},
    {1, 0, {0, 2 << 16, 0, 1u << 28}},
    {4, 0, {0x121, 0, 0, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};
static const struct row single[] = {{0, 0, INTEL}, {UINT32_MAX, 0, {0, 0, 0, 0}}};

static void intel_counts(void)
{
    check(place(core2, 0xa, 3), 0, 3, 0);
    check(place(core2, 0xa, 4), 1, 0, 0);
    check(place(pentium4, 5, 1), 0, 0, 1);
    check(place(pentium4, 5, 6), 3, 0, 0);
    check(place(single, 1, 5), 5, 0, 0);
}

/* A Zen of 8 cores, 2 threads each, without leaf 0xb; and a Bulldozer-time part that only has
 * counts */
static const struct row zen[] = {
    {0, 0, AMD},
    {1, 0, {0, 16 << 16, 0, 1u << 28}},
    {0x80000000, 0, {0x8000001f, 0, 0, 0}},
    {0x80000001, 0, {0, 0, 1u << 22, 0}},
    {0x80000008, 0, {0, 0, 4u << 12 | 15, 0}},
    {0x8000001e, 0, {0, 0x100, 0, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};
static const struct row old_amd[] = {
    {0, 0, AMD},
    {1, 0, {0, 6 << 16, 0, 1u << 28}},
    {0x80000000, 0, {0x80000008, 0, 0, 0}},
    {0x80000008, 0, {0, 0, 5, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};

static void amd(void)
{
    check(place(zen, 0xa, 0), 0, 0, 0);
    check(place(zen, 0xa, 15), 0, 7, 1);
    check(place(zen, 0xa, 16), 1, 0, 0);
    check(place(old_amd, 6, 5), 0, 5, 0);
    check(place(old_amd, 6, 8), 1, 0, 0); /* six cores take three bits */
}

/* Nonsense must not shift by 32 or more (UBSan), loop for ever, or read other than asked. */
static const struct row nonsense[] = {
    {0, 0, INTEL},
    {0xb, 0, {0xffffffff, 0, 0x1ff, 0}},
    {0xb, 1, {3, 0, 0x9901, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};
static const struct row endless[] = {
    {0, 0, INTEL},
    {0xb, 0, {1, 0, 0x100, 0}},
    {0xb, 1, {2, 0, 0x200, 0}},
    {0xb, 2, {3, 0, 0x300, 0}},
    {0xb, 3, {4, 0, 0x400, 0}},
    {0xb, 4, {5, 0, 0x500, 0}},
    {0xb, 5, {6, 0, 0x600, 0}},
    {0xb, 6, {7, 0, 0x600, 0}},
    {0xb, 7, {8, 0, 0x600, 0}},
    {0xb, 8, {9, 0, 0x600, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};

static const struct row shrinking[] = {
    {0, 0, INTEL},
    {0xb, 0, {1, 2, 0x100, 0}},
    {0xb, 1, {5, 32, 0x201, 0}},
    {0xb, 2, {3, 64, 0x502, 0}},
    {UINT32_MAX, 0, {0, 0, 0, 0}},
};

static void hostile(void)
{
    check(place(shrinking, 0xb, 0x3f), 1, 15, 1); /* a level further out cannot be narrower */
    check(place(nonsense, 0xb, 0xffffffff), 1, 0, 0x7fffffff);
    check(place(endless, 0xb, 0x1ff), 1, 0x7f, 1);
}

static void siblings(void)
{
    table = qemu_2_2_2;
    highest = 0xd;
    for (uint32_t i = 0; i < 8; i++)
        for (uint32_t j = 0; j < 8; j++)
            CU_ASSERT_EQUAL(topology_siblings(play, i, j), i >> 1 == j >> 1);
    table = old_amd; /* no threads */
    highest = 6;
    CU_ASSERT(topology_siblings(play, 5, 5));
    CU_ASSERT_FALSE(topology_siblings(play, 4, 5));
}

static const struct test_case cases[] = {
    {"QEMU, two sockets", qemu},
    {"Intel by leaves 0xb and 0x1f", intel_leaves},
    {"Intel by leaves 1 and 4", intel_counts},
    {"AMD", amd},
    {"sibling threads", siblings},
    {"nonsense", hostile},
    {NULL, NULL},
};

const struct suite suite_topology = {"topology", cases, NULL, NULL};
