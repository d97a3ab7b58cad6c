/* SPDX-License-Identifier: MIT
 *
 * mmu_update: its kinds, its levels, its batches.
 */
#include "mmu/mmu.h"

static uint64_t *entry(unsigned i)
{
    return space_entry(&mmu_space, i);
}

static uint64_t data_entry(unsigned i, uint64_t flags)
{
    return entry_of(&mmu_data[i], flags);
}

static uint64_t seen(unsigned i)
{
    return *(volatile uint64_t *)entry(i);
}

/* What is read back is the frame and the rights; the hypervisor may have set U, G and one of the
 * software's bits. */
static void lowest_level(void)
{
    check_begin("update-l1");
    check_part(table_set(entry(0), data_entry(0, TABLE_PAGE)) == 0, "refused");
    check_part((seen(0) & PTE_FRAME) == data_entry(0, 0), "frame: %lx", seen(0));
    check_part((seen(0) & (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)) == TABLE_PAGE, "%lx", seen(0));
    check_part(table_set(entry(0), data_entry(1, PTE_P)) == 0, "read-only refused");
    check_part((seen(0) & (PTE_P | PTE_W)) == PTE_P, "%lx", seen(0));
    check_part((seen(0) & PTE_FRAME) == data_entry(1, 0), "another frame: %lx", seen(0));
    check_part(table_set(entry(0), 0) == 0 && seen(0) == 0, "%lx", seen(0));
    check_part(table_set(entry(0), 0x1234567890ab0UL) == 0, "not present: refused");
    check_part(seen(0) == 0x1234567890ab0UL, "not present: %lx", seen(0));
    check_part(table_set(entry(0), 0) == 0, "%lx", seen(0));
    check_end();
}

static void flags_of_lowest_level(void)
{
    static const struct {
        const char *name;
        uint64_t flags;
    } accepted[] = {
        {"nx", PTE_NX},
        {"write-through", PTE_PWT},
        {"uncached", PTE_PCD},
        {"pat", PTE_PSE},
        {"global", PTE_G},
        {"software-low", 7UL << 9},
        {"dirty-only", PTE_D},
        {"user", PTE_U},
        {"software-53", 1UL << 53},
        {"software-58", 1UL << 58},
        {"key", 1UL << 59},
        {"key-62", 1UL << 62},
    };

    /* Cache attributes are for those who have devices. */
    uint64_t free_bits = PTE_G | (first_domain() ? 0 : PTE_PWT | PTE_PCD | PTE_PSE);

    check_begin("update-l1-flags");
    for (unsigned i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        uint64_t value = data_entry(0, PTE_P | PTE_W | accepted[i].flags);
        long rc = table_set(entry(1), value);

        check_part(rc == 0, "%s: %ld", accepted[i].name, rc);
        check_part((seen(1) & value & ~free_bits) == (value & ~free_bits), "%s: %lx, not %lx",
                   accepted[i].name, seen(1), value);
    }
    (void)table_set(entry(1), 0);
    check_end();
}

static void keeping_bits(void)
{
    check_begin("update-preserve-ad");
    check_part(table_set(entry(0), data_entry(0, PTE_P | PTE_W | PTE_A | PTE_D)) == 0, "set");
    check_part(table_set_keeping(entry(0), data_entry(0, PTE_P)) == 0, "refused");
    check_part((seen(0) & (PTE_W | PTE_A | PTE_D)) == (PTE_A | PTE_D), "%lx", seen(0));
    check_part(table_set(entry(0), data_entry(0, PTE_P)) == 0, "plain refused");
    check_part((seen(0) & (PTE_A | PTE_D)) == 0, "plain keeps them: %lx", seen(0));
    check_part(table_set_keeping(entry(0), 0) == 0 && seen(0) == 0, "cleared: %lx", seen(0));
    check_end();
}

static void machine_to_phys(void)
{
    uint64_t mfn = va_to_mfn(&mmu_data[0]), pfn = va_to_pfn(&mmu_data[0]);
    uint64_t ptr = mfn * PAGE_SIZE | MMU_MACHPHYS_UPDATE;

    check_begin("update-machphys");
    check_part(table_update(ptr, 0x12345) == 0, "refused");
    check_part(mfn_to_pfn(mfn) == 0x12345, "%lx", mfn_to_pfn(mfn));
    check_part(table_update(ptr, pfn) == 0 && mfn_to_pfn(mfn) == pfn, "back: %lx", mfn_to_pfn(mfn));
    check_end();
    check_result("update-machphys-no-frame",
                 table_update(NO_FRAME * PAGE_SIZE | MMU_MACHPHYS_UPDATE, 1), -XEN_EINVAL);
}

static void commands(void)
{
    check_begin("update-unknown-commands");
    for (unsigned command = 4; command < 8; command++) {
        long rc = table_update(entry_address(entry(0)) | command, 0);

        check_part(rc == -XEN_ENOSYS, "%u: %ld", command, rc);
    }
    check_end();
    check_result("update-no-translate",
                 table_update(entry_address(entry(0)) | MMU_PT_UPDATE_NO_TRANSLATE,
                              data_entry(0, TABLE_PAGE)),
                 0);
    (void)table_set(entry(0), 0);
    check_result("update-in-no-frame", table_update(NO_FRAME * PAGE_SIZE, 0), -XEN_EINVAL);
}

/* A frame that is no table is simply written. */
static void plain_frame(void)
{
    check_begin("update-plain-frame");
    mmu_data[3].word[5] = 0;
    check_part(table_set((uint64_t *)&mmu_data[3].word[5], 0xabcdef0123456789UL) == 0, "refused");
    check_part(mmu_data[3].word[5] == 0xabcdef0123456789UL, "%lx", mmu_data[3].word[5]);
    check_end();
}

static struct mmu_update batch[TABLE_SLOTS];

static long run_batch(unsigned count, unsigned *done)
{
    return hv_mmu_update(batch, count, done, DOMID_SELF);
}

static void fill_batch(unsigned count, uint64_t value)
{
    for (unsigned i = 0; i < count; i++) {
        batch[i].ptr = entry_address(entry(i));
        batch[i].val = value;
    }
}

static void batches(void)
{
    unsigned done = 77;
    long rc;

    check_begin("update-batches");
    check_part(run_batch(0, &done) == 0, "none refused");
    fill_batch(TABLE_SLOTS, data_entry(0, TABLE_PAGE));
    done = 77;
    check_part(run_batch(TABLE_SLOTS, &done) == 0 && done == TABLE_SLOTS, "512: %u done", done);
    fill_batch(5, data_entry(1, TABLE_PAGE));
    batch[2].val = NO_FRAME * PAGE_SIZE | PTE_P;
    done = 77;
    rc = run_batch(5, &done);
    check_part(rc == -XEN_EPERM && done == 2, "%ld with %u done", rc, done);
    check_part((seen(1) & PTE_FRAME) == data_entry(1, 0), "second: %lx", seen(1));
    check_part((seen(2) & PTE_FRAME) == data_entry(0, 0), "third: %lx", seen(2));
    check_part((seen(3) & PTE_FRAME) == data_entry(0, 0), "fourth: %lx", seen(3));
    check_part(run_batch(5, NULL) == -XEN_EPERM, "without a count of those done");
    fill_batch(TABLE_SLOTS, 0);
    check_part(run_batch(TABLE_SLOTS, NULL) == 0, "clearing");
    check_end();
}

static void pointers(void)
{
    void *nowhere = (void *)0x1000, *theirs = (void *)0xffff830000001000UL;

    fill_batch(1, 0);
    check_result("update-no-requests", hv_mmu_update(nowhere, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    check_result("update-requests-above", hv_mmu_update(theirs, 1, NULL, DOMID_SELF), -XEN_EFAULT);
    check_result("update-no-place-for-done", hv_mmu_update(batch, 1, nowhere, DOMID_SELF), 0);
    check_no_domain("update-no-such-domain", hv_mmu_update(batch, 1, NULL, NO_DOMAIN));
    check_no_domain("update-no-such-table-owner",
                    hv_mmu_update(batch, 1, NULL, (NO_DOMAIN + 1) << 16 | DOMID_SELF));
}

/* The upper levels: a table is linked, is then one, and is free again when it is unlinked. */
static void upper_levels(void)
{
    const struct space *s = &mmu_space;
    uint64_t *table = table_new();
    uint64_t *parents[] = {s->l2 + 9, s->l3 + 9, s->l4 + 9};

    check_begin("update-upper-levels");
    for (unsigned i = 0; i < 3; i++) {
        (void)page_make_readonly(table);
        check_part(table_set(parents[i], entry_of(table, TABLE_LINK)) == 0, "level %u", i + 2);
        check_part((*parents[i] & PTE_FRAME) == entry_of(table, 0), "level %u: %lx", i + 2,
                   *parents[i]);
        check_part(page_make_writable(table) < 0, "level %u: writable", i + 2);
        check_part(table_set(parents[i], entry_of(table, TABLE_LINK & ~PTE_W)) == 0,
                   "level %u: read-only", i + 2);
        check_part(table_set(parents[i], entry_of(table, TABLE_LINK | PTE_NX)) == 0, "level %u: NX",
                   i + 2);
        check_part(table_set(parents[i], 0) == 0, "level %u: unlinked", i + 2);
        check_part(page_make_writable(table) == 0, "level %u: not released", i + 2);
    }
    table_free(table);
    check_end();
}

void mmu_update_tests(void)
{
    lowest_level();
    flags_of_lowest_level();
    keeping_bits();
    machine_to_phys();
    commands();
    plain_frame();
    batches();
    pointers();
    upper_levels();
}
