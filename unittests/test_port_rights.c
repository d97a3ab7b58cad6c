/* SPDX-License-Identifier: MIT
 *
 * Which ports the control domain reaches.
 */
#include "suite.h"
#include "xen/arch/x86/port_rights.h"

static void test_rights(void)
{
    static const struct {
        uint32_t port;
        enum port_right right;
    } known[] = {{0x1f, PORT_FREE},       {0x20, PORT_HIDDEN},       {0x21, PORT_HIDDEN},
                 {0x22, PORT_FREE},       {0x3f, PORT_FREE},         {0x40, PORT_HIDDEN},
                 {0x41, PORT_HIDDEN},     {0x42, PORT_ZERO},         {0x43, PORT_HIDDEN},
                 {0x44, PORT_FREE},       {0x60, PORT_FREE},         {0x61, PORT_FREE},
                 {0x70, PORT_CMOS_INDEX}, {0x71, PORT_FREE},         {0xa0, PORT_HIDDEN},
                 {0xa1, PORT_HIDDEN},     {0xa2, PORT_FREE},         {0x2f7, PORT_FREE},
                 {0x2f8, PORT_HIDDEN},    {0x2ff, PORT_HIDDEN},      {0x300, PORT_FREE},
                 {0xcf7, PORT_FREE},      {0xcf8, PORT_PCI_ADDRESS}, {0xcf9, PORT_FREE},
                 {0xcfb, PORT_FREE},      {0xcfc, PORT_PCI_DATA},    {0xcff, PORT_PCI_DATA},
                 {0xd00, PORT_FREE},      {0xffff, PORT_FREE},       {0x10000, PORT_HIDDEN},
                 {0x10002, PORT_HIDDEN}};
    enum port_right right;

    port_rights_hide(0x2f8, 8);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        CU_ASSERT_EQUAL(port_rights(known[i].port), known[i].right);
    CU_ASSERT_TRUE(port_rights_same(0x1f0, 4, &right) && right == PORT_FREE);
    CU_ASSERT_TRUE(port_rights_same(0xcfc, 4, &right) && right == PORT_PCI_DATA);
    CU_ASSERT_FALSE(port_rights_same(0x2f6, 4, &right));
    CU_ASSERT_FALSE(port_rights_same(0x1e, 4, &right));
    CU_ASSERT_FALSE(port_rights_same(0xffff, 2, &right));
}

static const struct test_case cases[] = {{"rights", test_rights}, {NULL, NULL}};

const struct suite suite_port_rights = {"port rights", cases, NULL, NULL};
