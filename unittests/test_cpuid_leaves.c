/* SPDX-License-Identifier: MIT
 *
 * CPUID policies as lists: what is listed comes back as it was, and a list can take away and not add.
 */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include <xen/errno.h>

#include "unittests/suite.h"
#include "xen/arch/x86/pv_cpuid_leaves.h"
#include "xen/control.h"

static struct cpuid_policy policy;
static xen_cpuid_leaf_t list[CPU_POLICY_LEAVES_MAX + 1];
static unsigned count, bad;

/* A policy of which every other bit is set, and highest leaves that make sense. */
static void start(void)
{
    memset(&policy, 0x55, sizeof(policy));
    policy.basic[0].a = 0xd;
    policy.feature[0].a = 2;
    policy.extended[0].a = 0x80000021;
    list[CPU_POLICY_LEAVES_MAX].leaf = 0x77777777;
    count = cpuid_policy_list(&policy, list);
    CU_ASSERT_TRUE_FATAL(count <= CPU_POLICY_LEAVES_MAX);
    CU_ASSERT_EQUAL(list[CPU_POLICY_LEAVES_MAX].leaf, 0x77777777);
}

static xen_cpuid_leaf_t *listed(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < count; i++)
        if (list[i].leaf == leaf && list[i].subleaf == subleaf)
            return &list[i];
    CU_FAIL_FATAL("not in the list");
    return NULL;
}

#define NONE XEN_CPUID_NO_SUBLEAF

static void comes_back(void)
{
    struct cpuid_policy before;

    start();
    before = policy;
    CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count, &bad), 0);
    CU_ASSERT_EQUAL(memcmp(&before, &policy, sizeof(policy)), 0);
    for (unsigned i = 0; i < count; i++) /* no leaf twice */
        CU_ASSERT_PTR_EQUAL(listed(list[i].leaf, list[i].subleaf), &list[i]);
}

/* Of a leaf of features every register that is all ones or all zeroes in the list. */
static void takes_away_only(void)
{
    static const uint32_t leaves[][2] = {{1, NONE},
                                         {7, 0},
                                         {7, 1},
                                         {7, 2},
                                         {0xd, 1},
                                         {0x80000001, NONE},
                                         {0x80000007, NONE},
                                         {0x80000008, NONE},
                                         {0x80000021, NONE}};

    for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
        uint32_t sub = leaves[i][1] == NONE ? 0 : leaves[i][1];
        struct cpuid_policy before;
        struct cpuid_leaf *was, *is;
        xen_cpuid_leaf_t *l;

        start();
        before = policy;
        l = listed(leaves[i][0], leaves[i][1]);
        l->b = l->c = l->d = UINT32_MAX;
        CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count, &bad), 0);
        CU_ASSERT_EQUAL(memcmp(&before, &policy, sizeof(policy)), 0);
        if (leaves[i][0] != 1)
            l->a = 0;
        l->b = l->c = l->d = 0;
        CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count, &bad), 0);
        was = cpuid_policy_find(&before, leaves[i][0], sub);
        is = cpuid_policy_find(&policy, leaves[i][0], sub);
        CU_ASSERT_EQUAL(
            (is->a & ~was->a) | (is->b & ~was->b) | (is->c & ~was->c) | (is->d & ~was->d), 0);
        CU_ASSERT_NOT_EQUAL(memcmp(was, is, sizeof(*is)), 0);
    }
    CU_ASSERT_EQUAL(policy.basic[1].c, 0x55555555);
}

/* Features of leaf 1 go one by one; what is beside them stays. */
static void one_feature(void)
{
    start();
    listed(1, NONE)->c &= ~UINT32_C(0x10);
    listed(1, NONE)->b = 0;
    CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count, &bad), 0);
    CU_ASSERT_EQUAL(policy.basic[1].c, 0x55555545);
    CU_ASSERT_EQUAL(policy.basic[1].b, 0x55555555);
    CU_ASSERT_EQUAL(policy.basic[1].d, 0x55555555);
}

static void identity_changes(void)
{
    start();
    listed(1, NONE)->a = 0x123;
    listed(0x80000003, NONE)->c = 0x20202020;
    CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count, &bad), 0);
    CU_ASSERT_EQUAL(policy.basic[1].a, 0x123);
    CU_ASSERT_EQUAL(policy.extended[3].c, 0x20202020);
}

/* What describes the machine stays. */
static void truth_stays(void)
{
    struct cpuid_policy before;

    start();
    before = policy;
    listed(4, 1)->b = 0;
    listed(2, NONE)->a = 0;
    listed(0xd, 0)->a = 0;
    listed(0xd, 2)->a = UINT32_MAX;
    listed(0x80000006, NONE)->c = 1;
    listed(0xb, 0)->b = 4;
    listed(0x40000000, NONE)->a = 4;
    CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count, &bad), 0);
    CU_ASSERT_EQUAL(memcmp(&before, &policy, sizeof(policy)), 0);
}

static void refused_leaf(xen_cpuid_leaf_t leaf, int want)
{
    list[count] = leaf;
    bad = 0;
    CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count + 1, &bad), want);
    CU_ASSERT_EQUAL(bad, count);
}

static void refuses(void)
{
    xen_cpuid_leaf_t l;

    start();
    l = *listed(0, NONE);
    l.b ^= 1;
    refused_leaf(l, -XEN_EINVAL); /* another vendor */
    l = *listed(0, NONE);
    l.a++;
    refused_leaf(l, -XEN_EINVAL);
    l.a -= 2;
    list[count] = l;
    CU_ASSERT_EQUAL(cpuid_policy_restrict(&policy, list, count + 1, &bad), 0);
    CU_ASSERT_EQUAL(policy.basic[0].a, 0xc);
    start();
    l = *listed(0x80000000, NONE);
    l.a++;
    refused_leaf(l, -XEN_EINVAL);
    refused_leaf((xen_cpuid_leaf_t){.leaf = 0xe, .subleaf = NONE}, -XEN_ERANGE);
    refused_leaf((xen_cpuid_leaf_t){.leaf = 0x80000022, .subleaf = NONE}, -XEN_ERANGE);
    refused_leaf((xen_cpuid_leaf_t){.leaf = 1, .subleaf = 0}, -XEN_ERANGE);
    refused_leaf((xen_cpuid_leaf_t){.leaf = 7, .subleaf = NONE}, -XEN_ERANGE);
    refused_leaf((xen_cpuid_leaf_t){.leaf = 7, .subleaf = 3}, -XEN_ERANGE);
    refused_leaf((xen_cpuid_leaf_t){.leaf = 0x50000000, .subleaf = NONE}, -XEN_ERANGE);
}

static void as_words(void)
{
    start();
    policy.basic[1].d = 11;
    policy.extended[1].c = 22;
    policy.feature[0].d = 33;
    policy.feature[1].d = 44;
    CU_ASSERT_EQUAL(cpuid_policy_features(&policy, 0), 11);
    CU_ASSERT_EQUAL(cpuid_policy_features(&policy, 3), 22);
    CU_ASSERT_EQUAL(cpuid_policy_features(&policy, 9), 33);
    CU_ASSERT_EQUAL(cpuid_policy_features(&policy, 15), 44);
    CU_ASSERT_EQUAL(cpuid_policy_features(&policy, 16), 0);
}

static const struct test_case cases[] = {
    {"comes back", comes_back},   {"takes away only", takes_away_only},
    {"one feature", one_feature}, {"identity changes", identity_changes},
    {"truth stays", truth_stays}, {"refuses", refuses},
    {"as words", as_words},       {NULL, NULL},
};

const struct suite suite_cpuid_leaves = {"cpuid_leaves", cases, NULL, NULL};
