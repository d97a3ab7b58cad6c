/* SPDX-License-Identifier: MIT
 *
 * Which processors need page-table isolation, and who gets it.
 */
#include "suite.h"
#include "xen/arch/x86/pti_policy.h"

#define INTEL   0x756e6547, 0x49656e69, 0x6c65746e
#define AMD     0x68747541, 0x69746e65, 0x444d4163
#define HYGON   0x6f677948, 0x6e65476e, 0x656e6975
#define CENTAUR 0x746e6543, 0x48727561, 0x736c7561

static void test_kinds(void)
{
    static const struct {
        uint32_t b, d, c, signature;
        const char *vendor;
        unsigned family, model;
        bool rdcl_no, affected;
    } t[] = {
        {INTEL, 0x000506e3, "GenuineIntel", 6, 0x5e, false, true},  /* Skylake */
        {INTEL, 0x00050657, "GenuineIntel", 6, 0x55, true, false},  /* Cascade Lake says so */
        {INTEL, 0x00000f4a, "GenuineIntel", 15, 4, false, true},    /* Pentium 4 */
        {INTEL, 0x000106c2, "GenuineIntel", 6, 0x1c, false, false}, /* Atom, in order */
        {INTEL, 0x00030661, "GenuineIntel", 6, 0x36, false, false}, /* the last of them */
        {INTEL, 0x00030673, "GenuineIntel", 6, 0x37, false, true},  /* the next speculates */
        {INTEL, 0x00010fc0, "GenuineIntel", 15, 0x1c, false,
         true}, /* the model of another family */
        {AMD, 0x00800f11, "AuthenticAMD", 23, 1, false, false},
        {HYGON, 0x00900f02, "HygonGenuine", 24, 0, false, false},
        {CENTAUR, 0x000006fe, "CentaurHauls", 6, 15, false, true}, /* nothing is known */
        {CENTAUR, 0x000006fe, "CentaurHauls", 6, 15, true, false},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct processor_kind k = processor_kind(t[i].b, t[i].d, t[i].c, t[i].signature);

        CU_ASSERT_STRING_EQUAL(k.vendor, t[i].vendor);
        CU_ASSERT_EQUAL(k.family, t[i].family);
        CU_ASSERT_EQUAL(k.model, t[i].model);
        CU_ASSERT_EQUAL(has_meltdown(&k, t[i].rdcl_no), t[i].affected);
    }
}

static void test_wanted(void)
{
    CU_ASSERT_TRUE(pti_wanted(OPTION_DEFAULT, true));
    CU_ASSERT_FALSE(pti_wanted(OPTION_DEFAULT, false));
    CU_ASSERT_TRUE(pti_wanted(OPTION_ON, false));
    CU_ASSERT_TRUE(pti_wanted(OPTION_ON, true));
    CU_ASSERT_FALSE(pti_wanted(OPTION_OFF, true));
    CU_ASSERT_FALSE(pti_wanted(OPTION_OFF, false));
}

static const struct test_case cases[] = {
    {"processors", test_kinds},
    {"by option and by default", test_wanted},
    {NULL, NULL},
};
const struct suite suite_pti_policy = {"pti_policy", cases, NULL, NULL};
