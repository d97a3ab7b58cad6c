/* SPDX-License-Identifier: MIT
 *
 * mmu: the calls that change page tables: every kind of entry, every level, pinning, base pointers,
 * flushes, writes to tables that the hypervisor carries out, and the error for each thing that is
 * refused. What it expects is what Debian's Xen 4.17 answers.
 */
#include "mmu/mmu.h"

const char guest_name[] = "mmu";

struct data_page mmu_data[4] PAGE_ALIGNED;
struct space mmu_space;

static void read_word(void *argument)
{
    struct probe *probe = argument;

    probe->value = *probe->where;
}

static void write_word(void *argument)
{
    struct probe *probe = argument;

    *probe->where = probe->value;
}

unsigned probe_read(struct probe *probe)
{
    return guarded(read_word, probe).vector;
}

unsigned probe_write(struct probe *probe)
{
    return guarded(write_word, probe).vector;
}

void check_no_domain(const char *name, long rc)
{
    check_true(name, rc == -XEN_ESRCH || (rc == -XEN_EPERM && !first_domain()), "result %ld", rc);
}

void guest_main(void)
{
    unsigned left = table_left();

    check_result("start", hv_update_va_mapping(&mmu_data[0], entry_of(&mmu_data[0], TABLE_PAGE), 0),
                 0);
    if (!table_supported()) {
        check_skip("mmu", "the hypervisor has no mmu_update");
        return;
    }
    (void)time_bind_timer();
    for (unsigned i = 0; i < 4; i++) {
        mmu_data[i].word[0] = i + 1;
    }
    space_new_pinned(&mmu_space, 2);
    mmu_update_tests();
    mmu_refused_tests();
    mmu_map_tests();
    mmu_pin_tests();
    mmu_page_tests();
    mmu_base_tests();
    mmu_flush_tests();
    mmu_type_tests();
    mmu_write_tests();
    check_result("end-unpin", table_unpin(mmu_space.l4), 0);
    space_delete(&mmu_space);
    check_true("end-all-released", table_left() == left, "%u of %u tables", table_left(), left);
}
