/* SPDX-License-Identifier: MIT
 *
 * Flushes of other vCPUs. The second vCPU reads through a page whenever asked, so that it has the
 * translation; the first one maps another frame there, flushes, and only then asks again.
 */
#include "mmu/mmu.h"

static struct data_page window PAGE_ALIGNED;
static volatile uint64_t asked, answered, value_seen, ended;

static void reader(void *argument)
{
    (void)argument;
    for (uint64_t round = 1;; round++) {
        while (asked < round) {
            if (ended != 0) {
                return;
            }
            __asm__ volatile("pause");
        }
        value_seen = window.word[0];
        __atomic_store_n(&answered, round, __ATOMIC_SEQ_CST);
    }
}

static uint64_t ask(void)
{
    asked++;
    return wait_for(&answered, asked, 5000 * MS) ? value_seen : 0;
}

static uint64_t both = 3;

static const struct {
    const char *name;
    unsigned long flags; /* of the mapping */
    unsigned command;    /* after it */
} flushes[] = {
    {"flush-map-invlpg-all", UVMF_INVLPG | UVMF_ALL, 0},
    {"flush-map-all", UVMF_TLB_FLUSH | UVMF_ALL, 0},
    {"flush-map-invlpg-mask", UVMF_INVLPG | UVMF_MULTI, 0},
    {"flush-map-mask", UVMF_TLB_FLUSH | UVMF_MULTI, 0},
    {"flush-op-invlpg-all", UVMF_NONE, MMUEXT_INVLPG_ALL},
    {"flush-op-all", UVMF_NONE, MMUEXT_TLB_FLUSH_ALL},
    {"flush-op-invlpg-multi", UVMF_NONE, MMUEXT_INVLPG_MULTI},
    {"flush-op-multi", UVMF_NONE, MMUEXT_TLB_FLUSH_MULTI},
};

static long remap_and_flush(unsigned i, uint64_t entry)
{
    unsigned long flags = flushes[i].flags;
    struct mmuext_op op = {.cmd = flushes[i].command};
    long rc;

    if (flags != UVMF_NONE && (flags & UVMF_ALL) == 0) {
        flags |= (unsigned long)&both;
    }
    rc = hv_update_va_mapping(&window, entry, flags);
    if (rc != 0 || op.cmd == 0) {
        return rc;
    }
    op.arg1.linear_addr = (unsigned long)&window;
    set_xen_guest_handle(op.arg2.vcpumask, (const uint64_t *)&both);
    return hv_mmuext(&op, 1);
}

static void others(void)
{
    for (unsigned i = 0; i < sizeof(flushes) / sizeof(flushes[0]); i++) {
        uint64_t seen;
        long rc = 0;

        check_begin(flushes[i].name);
        for (unsigned round = 0; round < 8; round++) {
            (void)ask();
            rc = remap_and_flush(i, entry_of(&mmu_data[round % 4], PTE_P | PTE_W));
            check_part(rc == 0, "result %ld", rc);
            seen = ask();
            check_part(seen == round % 4 + 1, "round %u: %lu", round, seen);
        }
        check_end();
    }
}

/* Masks with bits of vCPUs that do not exist, none at all, and in no memory. */
static void masks(void)
{
    static uint64_t wide[2] = {~0UL, ~0UL}, none;
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_MULTI};

    set_xen_guest_handle(op.arg2.vcpumask, (const uint64_t *)wide);
    check_result("flush-mask-wide", hv_mmuext(&op, 1), 0);
    set_xen_guest_handle(op.arg2.vcpumask, (const uint64_t *)&none);
    check_result("flush-mask-empty", hv_mmuext(&op, 1), 0);
    set_xen_guest_handle(op.arg2.vcpumask, (const uint64_t *)0x1000);
    check_result("flush-mask-nowhere", hv_mmuext(&op, 1), -XEN_EINVAL);
    op.cmd = MMUEXT_INVLPG_MULTI;
    check_result("flush-mask-nowhere-invlpg", hv_mmuext(&op, 1), -XEN_EINVAL);
    set_xen_guest_handle(op.arg2.vcpumask, (const uint64_t *)wide);
    op.arg1.linear_addr = 0x0000900000000000UL;
    check_result("flush-not-canonical", hv_mmuext(&op, 1), 0);
    op.cmd = MMUEXT_INVLPG_LOCAL;
    check_result("flush-not-canonical-local", hv_mmuext(&op, 1), 0);
    op.arg1.linear_addr = 0xffff830000000000UL;
    check_result("flush-of-hypervisor", hv_mmuext(&op, 1), 0);
}

void mmu_flush_tests(void)
{
    masks();
    window.word[0] = 99;
    if (cpu_count() < 2 || cpu_start(1, reader, NULL) != 0) {
        check_skip("flush-others", "one vCPU");
        return;
    }
    others();
    (void)page_make_writable(&window);
    ended = 1;
}
