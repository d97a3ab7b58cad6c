/* SPDX-License-Identifier: MIT
 *
 * Segment descriptors.
 */
#include "mm/segdesc.h"
#include "unittests/mm_kit.h"

static const struct desc_case {
    const char *what;
    uint64_t in;
    bool ok;
    uint64_t out;
} desc_cases[] = {
    {"null", 0, true, 0},
    {"kernel code 64", 0x00af9b000000ffff, true, 0x00affb000000ffff},
    {"kernel data", 0x00cf93000000ffff, true, 0x00cff3000000ffff},
    {"user code 32", 0x00cffb000000ffff, true, 0x00cffb000000ffff},
    {"DPL 1 data", 0x00cfb3000000ffff, true, 0x00cff3000000ffff},
    {"not present", 0x00cf13000000ffff, true, 0x00cf13000000ffff},
    {"not present call gate", 0x00006c0000100000, true, 0x00006c0000100000},
    {"call gate", 0x0000ec00e0080000, true, 0x00008c00e0080000},
    {"interrupt gate", 0x00008e00e0080000, false, 0},
    {"trap gate", 0x0000ef00e0080000, false, 0},
    {"TSS", 0x0000890000000067, false, 0},
    {"busy TSS", 0x00008b0000000067, false, 0},
    {"LDT", 0x000082000000ffff, false, 0},
    {"task gate", 0x0000e50000400000, false, 0},
    {"type 0", 0x0000e00000000000, false, 0},
};

static void test_fix(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(desc_cases); i++) {
        const struct desc_case *c = &desc_cases[i];
        uint64_t d = c->in;

        CU_ASSERT_EQUAL(segdesc_fix(&d), c->ok);
        CU_ASSERT_EQUAL(d, c->ok ? c->out : c->in);
    }
}

/* The same through a frame that becomes a descriptor table, and through updates of one. */
static void test_frame(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(desc_cases); i++) {
        const struct desc_case *c = &desc_cases[i];
        mfn_t m;

        kit_start(32);
        m = kit_frame(&kit_a);
        *kit_entry(m, 0) = 0x00cf93000000ffff;
        *kit_entry(m, 511) = c->in;
        CU_ASSERT_EQUAL(type_get(m, TYPE_SEGDESC), c->ok ? 0 : -XEN_EINVAL);
        CU_ASSERT_EQUAL(*kit_entry(m, 0), c->ok ? 0x00cff3000000ffff : 0x00cf93000000ffff);
        CU_ASSERT_EQUAL(*kit_entry(m, 511), c->ok ? c->out : c->in);
        CU_ASSERT_EQUAL(type_count(m), c->ok);
        if (c->ok)
            type_put(m);
        *kit_entry(m, 511) = 0;
        CU_ASSERT_EQUAL(segdesc_update(&kit_a, m, 7, c->in), 0); /* plain memory now */
        CU_ASSERT_EQUAL(*kit_entry(m, 7), c->in);
        *kit_entry(m, 7) = 0;
        CU_ASSERT_TRUE(frame_get(m, 1));
        CU_ASSERT_EQUAL(type_get(m, TYPE_SEGDESC), 0);
        CU_ASSERT_EQUAL(segdesc_update(&kit_a, m, 7, c->in), c->ok ? 0 : -XEN_EINVAL);
        CU_ASSERT_EQUAL(*kit_entry(m, 7), c->ok ? c->out : 0);
        CU_ASSERT_EQUAL(segdesc_update(&kit_a, m, 512, 0), -XEN_EINVAL);
        CU_ASSERT_EQUAL(segdesc_update(&kit_b, m, 0, 0), -XEN_EINVAL);
        kit_check(1);
        type_put(m);
        frame_put(m);
        kit_end();
    }
}

static void test_not_a_table(void)
{
    mfn_t m;

    kit_start(32);
    m = kit_frame(&kit_a);
    CU_ASSERT_EQUAL(table_pin(&kit_a, m, 1), 0);
    CU_ASSERT_EQUAL(segdesc_update(&kit_a, m, 0, kit_pte(m, KIT_RW)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(*kit_entry(m, 0), 0);
    CU_ASSERT_EQUAL(table_unpin(&kit_a, m), 0);
    kit_end();
}

static const struct test_case cases[] = {
    {"each kind of descriptor", test_fix},
    {"frames and updates", test_frame},
    {"not a way to write page tables", test_not_a_table},
    {0},
};
const struct suite suite_segdesc = {"segdesc", cases, NULL, NULL};
