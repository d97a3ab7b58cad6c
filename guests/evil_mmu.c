/* SPDX-License-Identifier: MIT
 *
 * evil_mmu: the hostile guest's page tables. The shapes of what has gone wrong in hypervisors, as
 * their public advisories describe it: each ends refused, or harmless. `attack=NAME` chooses one,
 * `attack=all` all that a domain survives. An attack that is to cost the domain its life prints a FAIL
 * line if it is survived.
 */
#include "evil_mmu/evil_mmu.h"
#include "kit/host.h"
#include "kit/lib.h"

const char guest_name[] = "evil_mmu";

static const struct attack *const tables[] = {evil_mmu_entries, evil_mmu_linear, evil_mmu_leaks,
                                              evil_mmu_frames,  evil_mmu_races,  evil_mmu_frees,
                                              evil_mmu_contexts};

volatile uint64_t evil_page[TABLE_SLOTS] PAGE_ALIGNED;

static void read_there(void *va)
{
    (void)*(volatile uint64_t *)va;
}

/* Whatever it is, it stays the same if the write gets through: the page tables could be ours. */
static void write_there(void *va)
{
    __asm__ volatile("lock orq $0, (%0)" : : "r"(va) : "memory");
}

bool faults_on_read(uint64_t va)
{
    return guarded(read_there, (void *)va).vector == 14;
}

bool faults_on_write(uint64_t va)
{
    return guarded(write_there, (void *)va).vector == 14;
}

void give_back_access(uint64_t *table, unsigned level)
{
    if (page_make_writable(table) == 0 || args_is("undo", "at-once")) {
        return;
    }
    if (table_pin(table, level) == 0) {
        (void)table_unpin(table);
    }
    (void)page_make_writable(table);
}

void give_back(uint64_t *table, unsigned level)
{
    give_back_access(table, level);
    table_free(table);
}

void give_back_space(struct space *space)
{
    give_back(space->l4, 4);
    give_back(space->l3, 3);
    give_back(space->l2, 2);
    for (unsigned i = 0; i < space->l1_count; i++) {
        give_back(space->l1[i], 1);
    }
}

void filled_space(struct space *space, unsigned l1_count)
{
    space_new(space, l1_count);
    for (unsigned i = 0; i < l1_count * TABLE_SLOTS; i++) {
        *space_entry(space, i) = spare_frame(i) * PAGE_SIZE | TABLE_PAGE;
    }
    space_protect(space);
}

uint32_t chance(uint32_t below)
{
    static uint64_t state;

    if (state == 0) {
        state = args_number("seed", 1) * 2 + 1;
    }
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (uint32_t)(state >> 33) % below;
}

/* Where we are the control domain of a hypervisor that can, it counts again what we have left. */
static void audit_host(void)
{
    struct lagan_host_audit audit;
    long rc = hv_host(LAGAN_HOST_OP_audit, &audit);

    check_part(rc == -XEN_ENOSYS || rc == (first_domain() ? 0 : -XEN_EPERM), "audit: %ld", rc);
    check_part(rc != 0 || audit.faults == 0, "audit: %lu faults", audit.faults);
}

static void run_attack(const struct attack *a)
{
    unsigned left = table_left();

    kit_printf("attack: %s\n", a->name);
    check_begin(a->name);
    a->run();
    check_part(!a->crashes, "survived");
    audit_host();
    check_part(table_left() == left, "%u tables are lost", left - table_left());
    check_end();
}

void guest_main(void)
{
    unsigned tried = 0;

    if (!table_supported()) {
        check_pass("start");
        check_skip("mmu", "the hypervisor has no mmu_update");
        return;
    }
    (void)time_bind_timer();
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct attack *a = tables[t]; a->name != NULL; a++) {
            if (args_is("attack", "all") ? !a->crashes : args_is("attack", a->name)) {
                run_attack(a);
                tried++;
            }
        }
    }
    if (tried == 0) {
        check_fail("attack", "there is no such attack");
    }
}
