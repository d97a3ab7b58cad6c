/* SPDX-License-Identifier: MIT
 *
 * Pinning, and the operations on whole pages.
 */
#include "mmu/mmu.h"

/* Each level by itself, from the bottom up, on tables that are linked to one another. */
static void levels(void)
{
    struct space s;
    uint64_t *table[5];

    space_new(&s, 1);
    *space_entry(&s, 0) = entry_of(&mmu_data[0], TABLE_PAGE);
    space_protect(&s);
    table[1] = s.l1[0], table[2] = s.l2, table[3] = s.l3, table[4] = s.l4;
    for (unsigned level = 1; level <= 4; level++) {
        static const char *const names[] = {"", "pin-l1", "pin-l2", "pin-l3", "pin-l4"};

        check_begin(names[level]);
        check_part(table_unpin(table[level]) == -XEN_EINVAL, "unpinned before");
        check_part(table_pin(table[level], level) == 0, "refused");
        check_part(table_pin(table[level], level) == -XEN_EINVAL, "twice");
        check_part(page_make_writable(table[level]) < 0, "pinned and writable");
        for (unsigned wrong = 1; wrong <= 4; wrong++) {
            check_part(wrong == level || table_pin(table[level], wrong) < 0, "as L%u too", wrong);
        }
        check_part(table_unpin(table[level]) == 0, "unpin");
        check_part(table_unpin(table[level]) == -XEN_EINVAL, "unpinned twice");
        check_part(page_make_writable(table[level]) == 0, "not released");
        check_part(page_make_readonly(table[level]) == 0, "not protected again");
        check_end();
    }
    space_delete(&s);
}

/* As kernels with split locks do: a lowest-level table pinned by itself and linked as well. */
static void pinned_and_linked(void)
{
    uint64_t *table = mmu_space.l1[1], link = mmu_space.l2[1];

    check_begin("pin-linked");
    check_part(table_pin(table, 1) == 0, "refused");
    check_part(table_set(&mmu_space.l2[1], 0) == 0, "unlinking");
    check_part(page_make_writable(table) < 0, "writable though pinned");
    check_part(table_set(&table[3], entry_of(&mmu_data[0], TABLE_PAGE)) == 0, "no table any more");
    check_part(table_set(&mmu_space.l2[1], link) == 0, "linking again");
    check_part(table_unpin(table) == 0, "unpin");
    check_part(page_make_writable(table) < 0, "writable though linked");
    check_part(table_set(&table[3], 0) == 0, "no table at the end");
    check_end();
}

/* One bad entry deep in the middle: nothing of the whole stays validated. Xen keeps the lower tables
 * typed until the next try, so that much is only demanded where the command line says so. */
static void undone(const struct space *s)
{
    bool kept = page_make_writable(s->l1[0]) != 0 || page_make_writable(s->l2) != 0;

    if (kept && !args_is("undo", "at-once")) {
        check_skip("pin-bad-entry-undone", "the tables below stay typed until the next try");
    } else {
        check_true("pin-bad-entry-undone", !kept, "%s", "L1 or L2 is still typed");
    }
    check_begin("pin-bad-entry-undone-above");
    check_part(page_make_writable(s->l3) == 0, "L3 kept");
    check_part(page_make_writable(s->l4) == 0, "L4 kept");
    check_end();
    (void)page_make_readonly(s->l1[0]);
    (void)page_make_readonly(s->l2);
    (void)page_make_readonly(s->l3);
    (void)page_make_readonly(s->l4);
}

static void failed_in_the_middle(void)
{
    struct space s;

    space_new(&s, 3);
    for (unsigned i = 0; i < 3 * TABLE_SLOTS; i++) {
        *space_entry(&s, i) = entry_of(&mmu_data[i % 4], TABLE_PAGE);
    }
    *space_entry(&s, TABLE_SLOTS + 77) = NO_FRAME * PAGE_SIZE | PTE_P;
    space_protect(&s);
    check_result("pin-bad-entry", table_pin(s.l4, 4), -XEN_EPERM);
    undone(&s);
    (void)page_make_writable(s.l1[1]);
    *space_entry(&s, TABLE_SLOTS + 77) = 0;
    (void)page_make_readonly(s.l1[1]);
    check_result("pin-bad-entry-mended", table_pin(s.l4, 4), 0);
    check_result("pin-mended-unpin", table_unpin(s.l4), 0);
    space_delete(&s);
}

static void refused(void)
{
    uint64_t data = va_to_mfn(&mmu_data[0]);
    struct mmuext_op ops[3] = {{.cmd = MMUEXT_TLB_FLUSH_LOCAL}, {.cmd = 99}};
    unsigned done = 77;

    check_result("pin-writable", table_op(MMUEXT_PIN_L1_TABLE, data), -XEN_EINVAL);
    check_result("pin-writable-l4", table_op(MMUEXT_PIN_L4_TABLE, data), -XEN_EINVAL);
    check_result("pin-no-frame", table_op(MMUEXT_PIN_L4_TABLE, NO_FRAME), -XEN_EINVAL);
    check_result("unpin-no-frame", table_op(MMUEXT_UNPIN_TABLE, NO_FRAME), -XEN_EINVAL);
    check_result("unpin-data", table_op(MMUEXT_UNPIN_TABLE, data), -XEN_EINVAL);
    check_result("pin-l1-as-l2", table_pin(mmu_space.l1[0], 2), -XEN_EINVAL);
    check_result("pin-l2-as-l1", table_pin(mmu_space.l2, 1), -XEN_EINVAL);
    check_result(
        "mmuext-unknown",
        hypercall5(__HYPERVISOR_mmuext_op, (unsigned long)ops, 3, ptr_arg(&done), DOMID_SELF, 0),
        -XEN_ENOSYS);
    check_true("mmuext-done", done == 1, "%u", done);
    check_no_domain("mmuext-no-such-domain",
                    hypercall5(__HYPERVISOR_mmuext_op, (unsigned long)ops, 1, 0, NO_DOMAIN, 0));
    check_result("mmuext-nowhere", hv_mmuext((void *)0x1000, 1), -XEN_EFAULT);
    check_result("mmuext-none", hv_mmuext(ops, 0), 0);
    check_result("mmuext-mark-super", table_op(MMUEXT_MARK_SUPER, data), -XEN_EOPNOTSUPP);
    check_result("mmuext-unmark-super", table_op(MMUEXT_UNMARK_SUPER, data), -XEN_EOPNOTSUPP);
}

void mmu_pin_tests(void)
{
    levels();
    pinned_and_linked();
    failed_in_the_middle();
    refused();
}

static long copy_page(uint64_t to, uint64_t from)
{
    struct mmuext_op op = {.cmd = MMUEXT_COPY_PAGE, .arg1.mfn = to, .arg2.src_mfn = from};

    return hv_mmuext(&op, 1);
}

void mmu_page_tests(void)
{
    static struct data_page a PAGE_ALIGNED, b PAGE_ALIGNED;
    uint64_t table = va_to_mfn(mmu_space.l1[0]);

    a.word[0] = 17, a.word[511] = 18, b.word[0] = 0;
    check_begin("copy-page");
    check_part(copy_page(va_to_mfn(&b), va_to_mfn(&a)) == 0, "refused");
    check_part(b.word[0] == 17 && b.word[511] == 18, "%lu %lu", b.word[0], b.word[511]);
    check_part(copy_page(va_to_mfn(&b), table) == 0, "from a table: refused");
    check_end();
    check_result("copy-page-to-table", copy_page(table, va_to_mfn(&a)), -XEN_EINVAL);
    check_result("copy-page-from-none", copy_page(va_to_mfn(&b), NO_FRAME), -XEN_EINVAL);
    check_result("copy-page-to-none", copy_page(NO_FRAME, va_to_mfn(&b)), -XEN_EINVAL);
    check_begin("clear-page");
    check_part(table_op(MMUEXT_CLEAR_PAGE, va_to_mfn(&a)) == 0, "refused");
    check_part(a.word[0] == 0 && a.word[511] == 0, "%lu %lu", a.word[0], a.word[511]);
    check_end();
    check_result("clear-page-table", table_op(MMUEXT_CLEAR_PAGE, table), -XEN_EINVAL);
    check_result("clear-page-none", table_op(MMUEXT_CLEAR_PAGE, NO_FRAME), -XEN_EINVAL);
}
