/* SPDX-License-Identifier: MIT
 *
 * Page tables of the guest's own making. Their pages come from a pool in the image, so each has one
 * mapping that the kit knows of; whoever makes a table of it has to take write access away there.
 */
#include "kit/table.h"
#include "kit/hypercall.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define POOL_PAGES 128

static struct {
    uint64_t page[POOL_PAGES][TABLE_SLOTS] PAGE_ALIGNED;
    uint64_t *returned[POOL_PAGES];
    unsigned fresh, returned_count;
} pool;

uint64_t *table_new(void)
{
    if (pool.returned_count > 0) {
        return pool.returned[--pool.returned_count];
    }
    if (pool.fresh == POOL_PAGES) {
        check_fail("kit-tables", "no page left");
        kit_finish();
    }
    return pool.page[pool.fresh++];
}

void table_free(uint64_t *table)
{
    long rc = page_make_writable(table);

    if (rc != 0) {
        check_fail("kit-table-free", "still in use: %ld", rc);
        return;
    }
    memset(table, 0, PAGE_SIZE);
    pool.returned[pool.returned_count++] = table;
}

unsigned table_left(void)
{
    return POOL_PAGES - pool.fresh + pool.returned_count;
}

long table_update(uint64_t ptr, uint64_t value)
{
    struct mmu_update update = {.ptr = ptr, .val = value};

    return hv_mmu_update(&update, 1, NULL, DOMID_SELF);
}

long table_set(const uint64_t *entry, uint64_t value)
{
    return table_update(entry_address(entry) | MMU_NORMAL_PT_UPDATE, value);
}

long table_set_keeping(const uint64_t *entry, uint64_t value)
{
    return table_update(entry_address(entry) | MMU_PT_UPDATE_PRESERVE_AD, value);
}

long table_op(unsigned command, uint64_t mfn)
{
    struct mmuext_op op = {.cmd = command, .arg1.mfn = mfn};

    return hv_mmuext(&op, 1);
}

long table_pin(const uint64_t *table, unsigned level)
{
    return table_op(MMUEXT_PIN_L1_TABLE + level - 1, va_to_mfn(table));
}

long table_unpin(const uint64_t *table)
{
    return table_op(MMUEXT_UNPIN_TABLE, va_to_mfn(table));
}

const uint64_t *table_boot(void)
{
    return (const uint64_t *)kit_start_info->pt_base;
}

/* The builder's tables are mapped (read-only) like the rest of our memory, so they can be walked by
 * machine frame -> pseudo-physical frame -> address. */
const uint64_t *table_walk(const volatile void *va, unsigned level)
{
    const uint64_t *table = table_boot();

    for (unsigned l = 4; l > level; l--) {
        uint64_t entry = table[table_slot(va, l)];

        table = pfn_to_va(mfn_to_pfn((entry & PTE_FRAME) / PAGE_SIZE));
    }
    return &table[table_slot(va, level)];
}

bool table_supported(void)
{
    return hv_mmu_update(NULL, 0, NULL, DOMID_SELF) != -XEN_ENOSYS;
}

long table_assist(unsigned type, bool on)
{
    return hypercall2(__HYPERVISOR_vm_assist, on ? VMASST_CMD_enable : VMASST_CMD_disable, type);
}
