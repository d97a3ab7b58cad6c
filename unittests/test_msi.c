/* SPDX-License-Identifier: MIT
 *
 * Messages: where functions keep them, what is written there, and what the control domain may write.
 */
#include <string.h>

#include "irq_world.h"
#include "suite.h"
#include "xen/arch/x86/msi.h"

#define CAPABILITY 0x50

static void test_message(void)
{
    struct msi_message m = msi_message(0x42, 0x61);

    CU_ASSERT_TRUE(m.address == 0xfee42000 && m.data == 0x61);
    CU_ASSERT_EQUAL(msi_message(MSI_APIC_ID_MAX, 0x40).address, 0xfeefe000);
}

static void test_find(void)
{
    struct pci_function absent = {0, 7, 0}, elsewhere = {1, 1, 0};
    struct msi_source s;

    irq_world();
    CU_ASSERT_EQUAL(msi_find(world_function(0), false, 0, 0, &s), 0);
    CU_ASSERT_TRUE(!s.wide && !s.maskable && msi_capacity(&s) == 1);
    CU_ASSERT_EQUAL(msi_find(world_function(0), false, 1, 0, &s), -XEN_EINVAL);
    CU_ASSERT_EQUAL(msi_find(world_function(1), false, 7, 0, &s), 0);
    CU_ASSERT_TRUE(s.wide && s.maskable && msi_capacity(&s) == 8);
    CU_ASSERT_EQUAL(msi_find(world_function(1), false, 8, 0, &s), -XEN_EINVAL);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 15, 0, &s), 0);
    CU_ASSERT_PTR_EQUAL(s.entry, world_table() + 60);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 16, 0, &s), -XEN_EINVAL);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 4096, 0, &s), -XEN_EINVAL);
    CU_ASSERT_EQUAL(msi_find(world_function(2), false, 0, 0, &s), -XEN_ENODEV);
    CU_ASSERT_EQUAL(msi_find(world_function(0), true, 0, 0, &s), -XEN_ENODEV);
    CU_ASSERT_EQUAL(msi_find(world_function(3), false, 0, 0, &s), -XEN_ENODEV);
    CU_ASSERT_EQUAL(msi_find(absent, false, 0, 0, &s), -XEN_ENODEV);
    CU_ASSERT_EQUAL(msi_find(elsewhere, false, 0, 0, &s), -XEN_ENODEV);
    /* Where the table is: the function's word, or the caller's, but no memory that is no device's. */
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 0, 0x100000, &s), -XEN_EINVAL);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 1, WORLD_TABLE_ADDRESS, &s), 0);
    pci_config_write(world_function(2), CAPABILITY + 4, 4, 0x21); /* BAR 1, behind 32 bytes */
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 0, 0, &s), -XEN_EINVAL);
    pci_config_write(world_function(2), 0x14, 4, WORLD_TABLE_ADDRESS);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 0, 0, &s), 0);
    CU_ASSERT_PTR_EQUAL(s.entry, world_table() + 8);
    pci_config_write(world_function(2), 0x14, 4, 0xc001); /* ports */
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 0, 0, &s), -XEN_EINVAL);
    irq_world_end();
}

static uint32_t config32(unsigned n, unsigned reg)
{
    return pci_config_read(world_function(n), reg, 4);
}

static void test_write(void)
{
    struct msi_source s;

    irq_world();
    CU_ASSERT_EQUAL(msi_find(world_function(1), false, 0, 0, &s), 0);
    pci_config_write(world_function(1), CAPABILITY + 8, 4, 0xffffffff);
    msi_write(&s, msi_message(4, 0x48), 8);
    CU_ASSERT_EQUAL(config32(1, CAPABILITY + 4), 0xfee04000);
    CU_ASSERT_EQUAL(config32(1, CAPABILITY + 8), 0);
    CU_ASSERT_EQUAL(config32(1, CAPABILITY + 12) & 0xffff, 0x48);
    CU_ASSERT_EQUAL(config32(1, CAPABILITY) >> 16,
                    0x01b6); /* eight are enabled, nothing else changed */
    pci_config_write(world_function(1), CAPABILITY + 16, 4, 0x41);
    s.index = 3;
    msi_mask(&s, true);
    CU_ASSERT_EQUAL(config32(1, CAPABILITY + 16), 0x49);
    msi_mask(&s, false);
    CU_ASSERT_EQUAL(config32(1, CAPABILITY + 16), 0x41);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 2, 0, &s), 0);
    msi_write(&s, msi_message(2, 0x77), 1);
    CU_ASSERT_TRUE(world_table()[8] == 0xfee02000 && world_table()[9] == 0 &&
                   world_table()[10] == 0x77);
    CU_ASSERT_EQUAL(world_table()[11], 1);
    msi_mask(&s, false);
    CU_ASSERT_EQUAL(world_table()[11], 0);
    irq_world_end();
}

/* A write as it comes out of the filter; ~0: dropped. */
static uint64_t filtered(const struct msi_source *s, unsigned reg, unsigned bytes, uint32_t value)
{
    return msi_filter(s, reg, bytes, &value) ? value : UINT64_MAX;
}

static void test_filter(void)
{
    struct msi_source s;

    irq_world();
    CU_ASSERT_EQUAL(msi_find(world_function(1), false, 0, 0, &s), 0);
    msi_write(&s, msi_message(4, 0x48), 4);
    for (unsigned reg = CAPABILITY + 4; reg < CAPABILITY + 20; reg += 4)
        if (reg != CAPABILITY + 12)
            CU_ASSERT_EQUAL(filtered(&s, reg, 4, 0x55555555), UINT64_MAX);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 12, 2, 0x5555), UINT64_MAX);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 19, 1, 0x55), UINT64_MAX);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 20, 4, 0x55555555), 0x55555555);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY - 4, 4, 0x55555555), 0x55555555);
    /* The enable bit is the domain's, the count of messages is not. */
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 2, 2, 0x01d1), 0x01a1);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 2, 1, 0xff), 0xaf);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY, 4, 0x01d10005), 0x01a10005);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 3, 1, 0x01), 0x01);
    CU_ASSERT_EQUAL(msi_find(world_function(0), false, 0, 0, &s), 0);
    msi_write(&s, msi_message(4, 0x48), 1);
    /* Its data word ends in the middle of the double word. */
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 8, 4, 0x12345555), 0x12340048);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 10, 2, 0x1234), 0x1234);
    CU_ASSERT_EQUAL(msi_find(world_function(2), true, 0, 0, &s), 0);
    CU_ASSERT_EQUAL(filtered(&s, CAPABILITY + 2, 2, 0x8000), 0x8000);
    irq_world_end();
}

static const struct test_case cases[] = {{"the message", test_message},
                                         {"finding", test_find},
                                         {"writing", test_write},
                                         {"what the domain may write", test_filter},
                                         {NULL, NULL}};

const struct suite suite_msi = {"msi", cases, NULL, NULL};
