/* SPDX-License-Identifier: MIT
 *
 * Guarded device memory: tables of MSI-X, and configuration space in memory.
 */
#include <string.h>

#include "irq_world.h"
#include "suite.h"
#include "xen/arch/x86/io_guard.h"

#define TABLE_BYTES (16 * 16)
#define CAPABILITY  0x50

static bool covers(uint64_t phys)
{
    return io_guard_covers(mfn(phys >> PAGE_SHIFT));
}

/* Where a function of bus 1 has a register in memory. */
static uint64_t config_at(unsigned n, unsigned reg)
{
    return WORLD_CONFIG_ADDRESS + (UINT64_C(1) << 20) + (n << 15) + reg;
}

static void test_table(void)
{
    irq_world();
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS));
    CU_ASSERT_FALSE(io_guard_write(WORLD_TABLE_ADDRESS, 4, 1));
    for (unsigned n = 0; n < WORLD_FUNCTIONS; n++)
        io_guard_function(world_function(n), 0);
    CU_ASSERT_TRUE(covers(WORLD_TABLE_ADDRESS));
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS + PAGE_SIZE) || covers(WORLD_TABLE_ADDRESS - 1));
    for (unsigned at = 0; at < TABLE_BYTES; at += 4)
        CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + at, 4, 0xfee00000));
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + TABLE_BYTES - 8, 8, 0xfee00000));
    CU_ASSERT_EQUAL(world_written.count, 0);
    /* Other registers of the same page. */
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + TABLE_BYTES, 8, UINT64_C(0x123456789a)));
    CU_ASSERT_TRUE(world_written.count == 1 && world_written.bytes == 8 &&
                   world_written.phys == WORLD_TABLE_ADDRESS + TABLE_BYTES &&
                   world_written.value == UINT64_C(0x123456789a));
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + PAGE_SIZE - 1, 1, 7));
    CU_ASSERT_EQUAL(world_written.count, 2);
    io_guard_forget(world_function(2));
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS));
    irq_world_end();
}

/* A message that is mapped has its table guarded, whether or not the domain spoke of the function. */
static void test_mapped(void)
{
    struct pirq_messages m = {world_function(2), true, 3, 1, 0},
                         plain = {world_function(0), .count = 1};

    irq_world();
    world_config(2)[0] = world_config(2)[1] = 0xff; /* so have virtual functions */
    CU_ASSERT_TRUE(pirq_map_messages(control, &plain) > 0);
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS));
    CU_ASSERT_TRUE(pirq_map_messages(control, &m) > 0);
    CU_ASSERT_TRUE(covers(WORLD_TABLE_ADDRESS));
    irq_world_end();
}

/* The function's memory moves: the guard at the old place lets writes pass, and goes. */
static void test_moved(void)
{
    irq_world();
    io_guard_function(world_function(2), 0);
    pci_config_write(world_function(2), 0x10, 4, (WORLD_TABLE_ADDRESS + 0x10000) | 4);
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS, 4, 5));
    CU_ASSERT_EQUAL(world_written.count, 1);
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS));
    CU_ASSERT_TRUE(covers(WORLD_TABLE_ADDRESS + 0x10000));
    /* It has none any more. */
    pci_config_write(world_function(2), 0x10, 4, 1);
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + 0x10000, 4, 5));
    CU_ASSERT_EQUAL(world_written.count, 2);
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS + 0x10000));
    /* A virtual function's registers do not say where it is: then what was told holds. */
    pci_config_write(world_function(2), 0x10, 4, 0);
    io_guard_function(world_function(2), WORLD_TABLE_ADDRESS + 0x20000);
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + 0x20000, 4, 5));
    CU_ASSERT_EQUAL(world_written.count, 2);
    irq_world_end();
}

/* A page that was mapped while a guard was there is written by way of us for ever, whatever is there now. */
static void test_left(void)
{
    const uint64_t pins = HOST_SEEN_DEVICE << PAGE_SHIFT;

    irq_world();
    io_guard_function(world_function(2), 0);
    pci_config_write(world_function(2), 0x10, 4, (WORLD_TABLE_ADDRESS + 0x10000) | 4);
    for (unsigned i = 1; i <= 3; i++) {
        CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS, 4, i));
        CU_ASSERT_TRUE(world_written.count == i && world_written.value == i);
    }
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + 0x10000, 4, 5)); /* the table, now */
    io_guard_forget(world_function(2));
    CU_ASSERT_EQUAL(world_written.count, 3);
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + 0x10000, 4, 5));
    CU_ASSERT_EQUAL(world_written.count, 4);
    CU_ASSERT_FALSE(io_guard_write(pins, 4, 5)); /* read-only for everybody */
    CU_ASSERT_EQUAL(world_written.count, 4);
    irq_world_end();
}

/* It is being reset, and then it is there again, where it was. */
static void test_silent(void)
{
    uint8_t *c = world_config(2), was[PCI_CONFIG_BYTES];

    irq_world();
    io_guard_function(world_function(2), 0);
    memcpy(was, c, sizeof(was));
    memset(c, 0xff, sizeof(was));
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS, 4, 5));
    CU_ASSERT_TRUE(io_guard_write(WORLD_TABLE_ADDRESS + TABLE_BYTES, 4, 6));
    memcpy(c, was, sizeof(was));
    CU_ASSERT_TRUE(covers(WORLD_TABLE_ADDRESS));
    CU_ASSERT_TRUE(world_written.count == 1 && world_written.value == 6);
    irq_world_end();
}

static void test_config(void)
{
    struct pirq_messages m = {world_function(1), false, 0, 2, 0};

    irq_world();
    CU_ASSERT_TRUE(covers(WORLD_CONFIG_ADDRESS) && covers(config_at(3, 0)));
    CU_ASSERT_FALSE(covers(WORLD_CONFIG_ADDRESS - 1) ||
                    covers(WORLD_CONFIG_ADDRESS + (UINT64_C(8) << 20)));
    CU_ASSERT_FALSE(
        covers(WORLD_CONFIG_ADDRESS << 1)); /* another segment: no messages are handed out */
    /* What the ports would let through. */
    CU_ASSERT_TRUE(io_guard_write(config_at(3, 0x14), 4, 0x12345678));
    CU_ASSERT_EQUAL(pci_config_read(world_function(3), 0x14, 4), 0x12345678);
    CU_ASSERT_TRUE(io_guard_write(config_at(3, 0x16), 2, 0xabcd));
    CU_ASSERT_TRUE(io_guard_write(config_at(3, 0x15), 1, 0xef));
    CU_ASSERT_EQUAL(pci_config_read(world_function(3), 0x14, 4), 0xabcdef78);
    CU_ASSERT_TRUE(io_guard_write(config_at(3, 0x10), 8, UINT64_MAX)); /* no such access */
    CU_ASSERT_EQUAL(pci_config_read(world_function(3), 0x14, 4), 0xabcdef78);
    /* And what they would not: a message that is handed out. */
    CU_ASSERT_TRUE(pirq_map_messages(control, &m) > 0);
    for (unsigned reg = CAPABILITY + 4; reg <= CAPABILITY + 12; reg += 4) {
        uint32_t before = pci_config_read(world_function(1), reg, 4);

        CU_ASSERT_TRUE(io_guard_write(config_at(1, reg), 2, 0xffff));
        CU_ASSERT_EQUAL(pci_config_read(world_function(1), reg, 4), before);
    }
    /* Registers beyond the first 256 have none. */
    CU_ASSERT_EQUAL(world_written.count, 0);
    CU_ASSERT_TRUE(io_guard_write(config_at(1, 0x100), 4, 3));
    CU_ASSERT_TRUE(world_written.count == 1 && world_written.phys == config_at(1, 0x100));
    irq_world_end();
}

/* However often the domain speaks of a function, it is guarded once. */
static void test_many(void)
{
    irq_world();
    for (unsigned i = 0; i < 3; i++)
        io_guard_function(world_function(2), 0);
    CU_ASSERT_TRUE(covers(WORLD_TABLE_ADDRESS));
    io_guard_forget(world_function(2)); /* it was there once */
    CU_ASSERT_FALSE(covers(WORLD_TABLE_ADDRESS));
    irq_world_end();
}

static const struct test_case cases[] = {{"a table", test_table},
                                         {"a message that is mapped", test_mapped},
                                         {"a function that moves", test_moved},
                                         {"a page that was guarded", test_left},
                                         {"a function that is silent", test_silent},
                                         {"configuration space", test_config},
                                         {"told again", test_many},
                                         {NULL, NULL}};

const struct suite suite_io_guard = {"io guard", cases, NULL, NULL};
