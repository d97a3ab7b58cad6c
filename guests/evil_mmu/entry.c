/* SPDX-License-Identifier: MIT
 *
 * Entries that a shortcut for "only the flags change" may let pass (advisories 148 and 182), and
 * translations that outlive an entry of an upper level (286).
 */
#include "evil_mmu/evil_mmu.h"

/* Each bit of an entry in use is turned over, by both kinds of update. What must never be seen in it
 * afterwards is a superpage, or another frame. */
static void turn_bits(const char *what, volatile uint64_t *entry)
{
    uint64_t before = *entry;

    for (unsigned bit = 1; bit < 64; bit++) {
        for (unsigned keep = 0; keep < 2; keep++) {
            uint64_t value = before ^ 1UL << bit;
            long rc = keep ? table_set_keeping((const uint64_t *)entry, value)
                           : table_set((const uint64_t *)entry, value);

            check_part((*entry & PTE_PSE) == 0, "%s, bit %u: %ld, %lx", what, bit, rc, *entry);
            check_part(((*entry ^ before) & PTE_FRAME) == 0 || rc == 0, "%s, bit %u: frame %lx",
                       what, bit, *entry);
            check_part(bit < 40 || bit >= 52 || rc < 0, "%s: address bit %u", what, bit);
            check_part(table_set((const uint64_t *)entry, before) == 0, "%s: not restored", what);
        }
    }
}

/* Bits 12 up are those of the frame: only the ones that no frame has are tried. */
static void superpage_by_flags(void)
{
    struct space s;

    filled_space(&s, 1);
    check_part(table_pin(s.l4, 4) == 0, "pin");
    for (unsigned loaded = 0; loaded < 2; loaded++) {
        check_part(!loaded || space_load(&s) == 0, "load");
        turn_bits("L2", s.l2);
        turn_bits("L3", s.l3);
        turn_bits("L4", s.l4 + 2);
    }
    /* With all the other bits of a superpage's entry at once. */
    check_part(table_set(s.l2, PTE_PSE | TABLE_LINK) < 0, "frame 0 as a superpage");
    check_part(table_set(s.l2, (s.l2[0] & ~PTE_P) | PTE_PSE) == 0, "not present yet");
    check_part(table_set_keeping(s.l2, s.l2[0] | PTE_P) < 0, "present afterwards");
    check_part(faults_on_read(SPACE_VA), "something is there");
    check_part(table_set(s.l2, entry_of(s.l1[0], TABLE_LINK)) == 0, "linked again");
    check_part(space_load(NULL) == 0 && table_unpin(s.l4) == 0, "end");
    give_back_space(&s);
}

static uint64_t address_of_slots(uint64_t l4, uint64_t l3, uint64_t l2, uint64_t l1)
{
    return l4 << 39 | l3 << 30 | l2 << 21 | l1 << 12;
}

/* A view of the table itself in a slot of it: if it is granted, it stays read-only. (Writes to a
 * lowest-level table may be carried out as updates; `va` is 0 there.) */
static void view(const char *what, uint64_t *table, unsigned slot, uint64_t va)
{
    uint64_t readable = entry_of(table, PTE_P | PTE_U | PTE_A);

    check_part(table_set(&table[slot], readable | PTE_W) < 0, "%s: writable at once", what);
    if (table_set(&table[slot], readable) != 0) {
        return;
    }
    check_part(table_set(&table[slot], readable | PTE_W) < 0, "%s: made writable", what);
    check_part(table_set_keeping(&table[slot], readable | PTE_W) < 0, "%s: made writable (AD)",
               what);
    check_part(table_set(&table[slot], readable | PTE_W | PTE_D | 7UL << 9) < 0,
               "%s: writable and more", what);
    check_part(va == 0 || faults_on_write(va), "%s: can be written", what);
    check_part(table_set(&table[slot], 0) == 0, "%s: clearing", what);
}

static void writable_view_by_flags(void)
{
    struct space s;

    filled_space(&s, 1);
    check_part(table_pin(s.l4, 4) == 0 && space_load(&s) == 0, "load");
    view("L4", s.l4, 7, address_of_slots(7, 7, 7, 7));
    view("L3", s.l3, 7, address_of_slots(2, 7, 7, 7));
    view("L2", s.l2, 7, address_of_slots(2, 0, 7, 7));
    view("L1", s.l1[0], 7, 0);
    check_part(space_load(NULL) == 0 && table_unpin(s.l4) == 0, "end");
    give_back_space(&s);
}

/* Tables that are reached by an upper level, after that level has changed: an update by address has
 * to go by what stands in the tables now. */
static void stale_upper_level(void)
{
    const uint64_t *slots[3];
    struct space s, other;
    uint64_t data = entry_of(evil_page, TABLE_PAGE);

    filled_space(&s, 1);
    filled_space(&other, 1);
    check_part(table_pin(s.l4, 4) == 0 && table_pin(other.l4, 4) == 0 && space_load(&s) == 0,
               "load");
    slots[0] = s.l2, slots[1] = s.l3, slots[2] = s.l4 + 2;
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t *theirs[3] = {other.l1[0], other.l2, other.l3};
        uint64_t before = *(volatile const uint64_t *)slots[i], mine = *space_entry(&s, 9);

        (void)faults_on_read((uint64_t)space_va(9));
        check_part(table_set(slots[i], entry_of(theirs[i], TABLE_LINK)) == 0, "level %u", i + 2);
        check_part(hv_update_va_mapping((void *)space_va(9), data, UVMF_NONE) == 0, "map");
        check_part(*(volatile uint64_t *)space_entry(&s, 9) == mine, "level %u: the old table",
                   i + 2);
        check_part((*(volatile uint64_t *)space_entry(&other, 9) & PTE_FRAME) == (data & PTE_FRAME),
                   "level %u: not in the new table", i + 2);
        check_part(table_set(space_entry(&other, 9), 0) == 0, "clear");
        check_part(table_set(slots[i], 0) == 0, "level %u: unlink", i + 2);
        check_part(hv_update_va_mapping((void *)space_va(9), data, UVMF_NONE) < 0,
                   "level %u: mapped in nothing", i + 2);
        check_part(*(volatile uint64_t *)space_entry(&s, 9) == mine, "level %u: old table", i + 2);
        check_part(table_set(slots[i], before) == 0, "level %u: back", i + 2);
    }
    check_part(space_load(NULL) == 0 && table_unpin(s.l4) == 0 && table_unpin(other.l4) == 0,
               "end");
    give_back_space(&s);
    give_back_space(&other);
}

/* The same in one multicall, the table freed and written as data before the update by address. */
static void stale_within_multicall(void)
{
    struct space s;
    struct mmu_update unlink;
    struct multicall_entry calls[3];

    filled_space(&s, 1);
    check_part(table_pin(s.l4, 4) == 0 && space_load(&s) == 0, "load");
    (void)faults_on_read((uint64_t)space_va(9));
    unlink = (struct mmu_update){.ptr = entry_address(s.l3)};
    calls[0] = (struct multicall_entry){.op = __HYPERVISOR_mmu_update,
                                        .args = {(unsigned long)&unlink, 1, 0, DOMID_SELF}};
    calls[1] = (struct multicall_entry){
        .op = __HYPERVISOR_update_va_mapping,
        .args = {(unsigned long)s.l1[0], entry_of(s.l1[0], TABLE_PAGE), UVMF_INVLPG}};
    calls[2] = (struct multicall_entry){
        .op = __HYPERVISOR_update_va_mapping,
        .args = {(unsigned long)space_va(9), entry_of(table_boot(), TABLE_PAGE), UVMF_INVLPG}};
    check_part(hv_multicall(calls, 3) == 0, "multicall");
    check_part(calls[0].result == 0 && calls[1].result == 0, "unlinked: %ld, writable: %ld",
               calls[0].result, calls[1].result);
    check_part((long)calls[2].result < 0, "mapped in what is data now");
    check_part(faults_on_read((uint64_t)space_va(9)), "still there");
    check_part(space_load(NULL) == 0 && table_unpin(s.l4) == 0, "end");
    give_back_space(&s);
}

/* A table that gives itself write access to itself or its parents, at birth. */
static void born_writable(void)
{
    struct space s;

    space_new(&s, 1);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t *target[4] = {s.l1[0], s.l2, s.l3, s.l4};

        *space_entry(&s, 9) = entry_of(target[i], TABLE_PAGE);
        space_protect(&s);
        check_part(table_pin(s.l4, 4) < 0, "pinned, L%u writable", i + 1);
        check_part(space_load(&s) < 0, "loaded, L%u writable", i + 1);
        check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(s.l4)) < 0, "for user mode");
        check_part(i != 0 || table_pin(s.l1[0], 1) < 0, "L1 pinned by itself");
        (void)page_make_writable(s.l1[0]);
        (void)page_make_writable(s.l2);
        (void)page_make_writable(s.l3);
        (void)page_make_writable(s.l4);
    }
    *space_entry(&s, 9) = 0;
    give_back_space(&s);
}

const struct attack evil_mmu_entries[] = {
    {"superpage-by-flags", superpage_by_flags, false},
    {"writable-view-by-flags", writable_view_by_flags, false},
    {"stale-upper-level", stale_upper_level, false},
    {"stale-within-multicall", stale_within_multicall, false},
    {"born-writable", born_writable, false},
    {NULL, NULL, false},
};
