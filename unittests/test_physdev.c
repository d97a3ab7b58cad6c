/* SPDX-License-Identifier: MIT
 *
 * physdev_op: what the control domain gets, and that no other domain gets anything.
 */
#include <string.h>

#include "arch_current.h"
#include "irq_world.h"
#include "suite.h"
#include "xen/arch/x86/hcall_physdev.h"
#include "xen/hypercall.h"

#include <xen/physdev.h>

int64_t physdev_set_iopl(guest_ptr_t arg)
{
    return arg.va ? 0 : -XEN_EFAULT;
}

int64_t physdev_set_io_bitmap(guest_ptr_t arg)
{
    return arg.va ? 0 : -XEN_EFAULT;
}

#include "xen/arch/x86/hcall_physdev.c"
#include "xen/arch/x86/hcall_physdev_apic.c"

static int64_t call(unsigned cmd, const void *arg)
{
    return hcall_physdev_op(&(struct hypercall_args){.a = {cmd, (uint64_t)arg}});
}

/* Every number that there could be, from a domain that is not the control domain. */
static void test_others(void)
{
    uint8_t arg[128] = {0};

    irq_world();
    host_current = other->vcpu[0];
    for (unsigned cmd = 0; cmd < 64; cmd++)
        if (cmd != PHYSDEVOP_set_iopl && cmd != PHYSDEVOP_set_iobitmap)
            CU_ASSERT_EQUAL(call(cmd, arg), -XEN_EPERM);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_set_iopl, arg), 0);
    CU_ASSERT_EQUAL(pirq_mapped(NULL), 0);
    irq_world_end();
}

/* A bad pointer is -EFAULT for every one, and changes nothing. */
static void test_faults(void)
{
    irq_world();
    for (unsigned cmd = 0; cmd < 64; cmd++) {
        int64_t rc = call(cmd, NULL);

        CU_ASSERT_TRUE(rc == -XEN_EFAULT || rc == -XEN_ENOSYS);
    }
    CU_ASSERT_EQUAL(call(PHYSDEVOP_IRQ_UNMASK_NOTIFY, NULL), -XEN_ENOSYS);
    irq_world_end();
}

static void test_pins(void)
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9};
    struct physdev_irq_status_query status = {.irq = 9, .flags = 77};
    struct physdev_setup_gsi setup = {9, 1, 0};
    struct physdev_unmap_pirq unmap = {DOMID_SELF, 9};
    struct physdev_irq vector = {9, 0};
    struct physdev_eoi end = {9};

    irq_world();
    CU_ASSERT_EQUAL(call(PHYSDEVOP_irq_status_query, &status), -XEN_EINVAL);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), 0);
    CU_ASSERT_EQUAL(map.pirq, 9);
    map.pirq = -1;
    CU_ASSERT_TRUE(call(PHYSDEVOP_map_pirq, &map) == 0 && map.pirq == 9);
    map.pirq = 10;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
    map = (struct physdev_map_pirq){
        .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = -1, .pirq = -1};
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
    map.index = 3;
    map.domid = 1;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EOPNOTSUPP);
    map.domid = 0;
    host_guest_read_only = true;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EFAULT);
    host_guest_read_only = false;
    CU_ASSERT_EQUAL(pirq_mapped(control), 1);
    map.type = MAP_PIRQ_TYPE_UNKNOWN;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
    CU_ASSERT_TRUE(call(PHYSDEVOP_alloc_irq_vector, &vector) == 0 && vector.vector == 9);
    vector.irq = PIRQ_COUNT;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_alloc_irq_vector, &vector), -XEN_EINVAL);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_setup_gsi, &setup), 0);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_setup_gsi, &setup), -XEN_EEXIST);
    setup.gsi = -1;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_setup_gsi, &setup), -XEN_EINVAL);
    setup = (struct physdev_setup_gsi){10, 2, 0};
    CU_ASSERT_EQUAL(call(PHYSDEVOP_setup_gsi, &setup), -XEN_EINVAL);
    CU_ASSERT_TRUE(call(PHYSDEVOP_irq_status_query, &status) == 0 &&
                   status.flags == XENIRQSTAT_needs_eoi);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_eoi, &end), 0);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_unmap_pirq, &unmap), 0);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_unmap_pirq, &unmap), -XEN_EINVAL);
    unmap.pirq = -5;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_unmap_pirq, &unmap), -XEN_EINVAL);
    irq_world_end();
}

static void test_functions(void)
{
    struct physdev_map_pirq map = {.domid = DOMID_SELF,
                                   .type = MAP_PIRQ_TYPE_MSI_SEG,
                                   .index = -1,
                                   .pirq = -1,
                                   .bus = 1,
                                   .devfn = 2 << 3,
                                   .entry_nr = 3,
                                   .table_base = WORLD_TABLE_ADDRESS};
    struct physdev_get_free_pirq free = {MAP_PIRQ_TYPE_MSI, 0};
    struct physdev_pci_device device = {0, 1, 2 << 3};
    struct physdev_apic apic = {0xfec00000, 7, 0};

    irq_world();
    CU_ASSERT_TRUE(call(PHYSDEVOP_get_free_pirq, &free) == 0 && free.pirq == WORLD_GSIS);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), 0);
    CU_ASSERT_EQUAL(map.pirq, WORLD_GSIS);
    CU_ASSERT_TRUE(call(PHYSDEVOP_get_free_pirq, &free) == 0 && free.pirq == WORLD_GSIS + 1);
    map.entry_nr = -1;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
    map.bus = 1 << 16 | 1; /* another segment */
    map.entry_nr = 0;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_ENODEV);
    map = (struct physdev_map_pirq){.domid = DOMID_SELF,
                                    .type = MAP_PIRQ_TYPE_MULTI_MSI,
                                    .pirq = -1,
                                    .bus = 1,
                                    .devfn = 1 << 3,
                                    .entry_nr = 3};
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), 0);
    CU_ASSERT_EQUAL(pirq_mapped(control), 5); /* of four that it can send, three are wanted */
    map.entry_nr = VECTOR_BLOCK_MAX + 1;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_restore_msi_ext, &device), 0);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_prepare_msix, &device), 0);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_release_msix, &device), 0);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_pci_device_remove, &device), 0);
    CU_ASSERT_TRUE(call(PHYSDEVOP_apic_read, &apic) == 0 && apic.value == 7);
    CU_ASSERT_EQUAL(call(PHYSDEVOP_apic_write, &apic), 0);
    apic.apic_physbase = 0;
    CU_ASSERT_EQUAL(call(PHYSDEVOP_apic_read, &apic), -XEN_EINVAL);
    irq_world_end();
}

static const struct test_case cases[] = {{"other domains", test_others},
                                         {"bad pointers", test_faults},
                                         {"pins", test_pins},
                                         {"functions", test_functions},
                                         {NULL, NULL}};

const struct suite suite_physdev = {"physdev", cases, NULL, NULL};
