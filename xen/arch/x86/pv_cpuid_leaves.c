/* SPDX-License-Identifier: MIT
 *
 * A toolstack reads the guests' policy as a list of leaves, takes from it what a guest is not to have,
 * and gives the list back for that guest.
 *
 * What comes back is trusted in nothing: bits of features count only as far as all guests may have
 * them (INV-CPUID-1), the vendor has to be the machine's, highest leaves may only be lower, and what
 * describes caches or the sizes of register state is the machine's truth whatever the list says.
 */
#include "xen/arch/x86/pv_cpuid_leaves.h"

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/errno.h>

#include "xen/control.h"

/* ---- as a list ---- */

struct leaf_list {
    xen_cpuid_leaf_t *out;
    unsigned count;
};

static void put(struct leaf_list *l, uint32_t leaf, uint32_t subleaf, const struct cpuid_leaf *v)
{
    static const struct cpuid_leaf none;

    if (!v)
        v = &none;
    l->out[l->count++] = (xen_cpuid_leaf_t){leaf, subleaf, v->a, v->b, v->c, v->d};
}

/* The toolstack's library gives back as many leaves as it has places for, whatever is in them, and
 * takes the length of our list for the room that it has. So the list has all of them. */
#define CACHES_LISTED 6
#define XSAVES_LISTED 63

STATIC_ASSERT(CPUID_BASIC_COUNT + CACHES_LISTED + CPUID_FEATURE_COUNT + 2 + XSAVES_LISTED + 2 +
                  CPUID_EXTENDED_COUNT <=
              CPU_POLICY_LEAVES_MAX);

static void put_subleaves(struct leaf_list *l, struct cpuid_policy *p, uint32_t leaf,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put(l, leaf, i, leaf == 0xb ? NULL : cpuid_policy_find(p, leaf, i));
}

unsigned cpuid_policy_list(const struct cpuid_policy *from, xen_cpuid_leaf_t *out)
{
    struct cpuid_policy *p = (struct cpuid_policy *)from; /* which is only looked at */
    struct leaf_list l = {out, 0};

    for (uint32_t i = 0; i < CPUID_BASIC_COUNT; i++) {
        if (i == 0x4)
            put_subleaves(&l, p, i, CACHES_LISTED);
        else if (i == 0x7)
            put_subleaves(&l, p, i, CPUID_FEATURE_COUNT);
        else if (i == 0xb)
            put_subleaves(&l, p, i, 2);
        else if (i == 0xd)
            put_subleaves(&l, p, i, XSAVES_LISTED);
        else
            put(&l, i, XEN_CPUID_NO_SUBLEAF, &p->basic[i]);
    }
    put(&l, 0x40000000, XEN_CPUID_NO_SUBLEAF, NULL);
    put(&l, 0x40000100, XEN_CPUID_NO_SUBLEAF, NULL);
    for (uint32_t i = 0; i < CPUID_EXTENDED_COUNT; i++)
        put(&l, CPUID_EXTENDED_FIRST + i, XEN_CPUID_NO_SUBLEAF, &p->extended[i]);
    return l.count;
}

/* ---- from a list ---- */

/* Which bits of a leaf are features that may be taken away; what is not here stays as it is. */
static const struct {
    uint32_t leaf, subleaf;
    struct cpuid_leaf mask;
} features[] = {
    {0x1, 0, {0, 0, UINT32_MAX, UINT32_MAX}},
    {0x7, 0, {0, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
    {0x7, 1, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
    {0x7, 2, {0, 0, 0, UINT32_MAX}},
    {0xd, 1, {UINT32_MAX, 0, 0, 0}},
    {0x80000001, 0, {0, 0, UINT32_MAX, UINT32_MAX}},
    {0x80000007, 0, {0, 0, 0, UINT32_MAX}},
    {0x80000008, 0, {0, UINT32_MAX, 0, 0}},
    {0x80000021, 0, {UINT32_MAX, 0, 0, 0}},
};

/* *have loses the bits of mask that want does not have. */
static void take_away(struct cpuid_leaf *have, const xen_cpuid_leaf_t *want,
                      const struct cpuid_leaf *mask)
{
    have->a &= want->a | ~mask->a;
    have->b &= want->b | ~mask->b;
    have->c &= want->c | ~mask->c;
    have->d &= want->d | ~mask->d;
}

/* The leaves that say how many there are: fewer are allowed. The basic one names the vendor too. */
static int limits(struct cpuid_policy *p, const xen_cpuid_leaf_t *l)
{
    struct cpuid_leaf *have = cpuid_policy_find(p, l->leaf, 0);

    if (l->leaf == 0 && (l->b != have->b || l->c != have->c || l->d != have->d))
        return -XEN_EINVAL;
    if (l->a > have->a)
        return -XEN_EINVAL;
    have->a = l->a;
    return 0;
}

/* Family, model, stepping, and the brand: what they say is the toolstack's business. */
static void identity(struct cpuid_leaf *have, const xen_cpuid_leaf_t *l)
{
    have->a = l->a;
    if (l->leaf != 1)
        *have = (struct cpuid_leaf){l->a, l->b, l->c, l->d};
}

static int take_leaf(struct cpuid_policy *p, const xen_cpuid_leaf_t *l)
{
    bool plain = l->subleaf == XEN_CPUID_NO_SUBLEAF, subleaves;
    struct cpuid_leaf *have;

    if (l->leaf >> 16 == 0x4000)
        return 0; /* the hypervisor's own say what they always say */
    subleaves = l->leaf == 0x4 || l->leaf == 0x7 || l->leaf == 0xb || l->leaf == 0xd;
    if (plain == subleaves)
        return -XEN_ERANGE;
    if (l->leaf == 0xb)
        return 0; /* no topology: each vCPU is a processor of its own */
    have = cpuid_policy_find(p, l->leaf, subleaves ? l->subleaf : 0);
    if (!have)
        return l->leaf == 0x4 || l->leaf == 0xd ? 0 : -XEN_ERANGE;
    if (l->leaf == 0 || l->leaf == CPUID_EXTENDED_FIRST)
        return limits(p, l);
    if (l->leaf == 1 || (l->leaf >= 0x80000002 && l->leaf <= 0x80000004))
        identity(have, l);
    return 0;
}

int cpuid_policy_restrict(struct cpuid_policy *p, const xen_cpuid_leaf_t *leaf, unsigned count,
                          unsigned *bad)
{
    for (unsigned i = 0; i < count; i++) {
        const xen_cpuid_leaf_t *l = &leaf[i];
        uint32_t subleaf = l->subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : l->subleaf;
        int rc = take_leaf(p, l);

        *bad = i;
        if (rc)
            return rc;
        for (size_t f = 0; f < ARRAY_SIZE(features); f++)
            if (features[f].leaf == l->leaf && features[f].subleaf == subleaf)
                take_away(cpuid_policy_find(p, l->leaf, subleaf), l, &features[f].mask);
    }
    return 0;
}

/* ---- as words ---- */

uint32_t cpuid_policy_features(const struct cpuid_policy *p, unsigned i)
{
    const uint32_t words[CPU_FEATURE_WORDS] = {
        p->basic[1].d,    p->basic[1].c,   p->extended[1].d, p->extended[1].c,
        p->xsave[1].a,    p->feature[0].b, p->feature[0].c,  p->extended[7].d,
        p->extended[8].b, p->feature[0].d, p->feature[1].a,  p->extended[0x21].a,
        p->feature[1].b,  p->feature[2].d, p->feature[1].c,  p->feature[1].d,
    };

    return i < ARRAY_SIZE(words) ? words[i] : 0;
}
