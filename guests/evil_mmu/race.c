/* SPDX-License-Identifier: MIT
 *
 * Several vCPUs: a page that turns from data into a table while others write to it (advisory 401 and
 * every missing flush), and the same tables changed from both sides at once.
 */
#include "evil_mmu/evil_mmu.h"

static volatile uint64_t *victim;    /* the page as the writers see it */
static volatile uint64_t evil_entry; /* what they write: write access to an L4 */
static volatile uint64_t written, faulted;

static void write_on(void *argument)
{
    (void)argument;
    while (others_stop == 0) {
        victim[5] = evil_entry;
        victim[5] = 0;
        written++;
    }
}

/* Whenever the page is read-only the write faults; the next try comes at once. */
static void writer(void *argument)
{
    (void)argument;
    others_run();
    while (others_stop == 0) {
        if (guarded(write_on, NULL).vector == 14) {
            faulted++;
        }
    }
}

/* Whether to go on: for the time on the command line, and longer where others leave us too little of
 * it for a few successes. */
static bool go_on(uint64_t since, unsigned successes)
{
    uint64_t taken = time_now() - since, planned = args_number("ms", 400) * MS;

    return taken < planned || (successes < 3 && taken < planned + 15000 * MS);
}

/* Lets the others write, so that they have the translation, with the dirty bit set. */
static void let_them_write(void)
{
    (void)wait_for(&written, written + 2, 20 * MS);
}

/* Pins the page if it can, and looks whether anybody still writes. Nothing in it may be the evil
 * entry either: that could not have been validated. */
static bool watch_pinned(const uint64_t *page, unsigned round)
{
    uint64_t first, last;

    if (table_pin(page, 1) != 0) {
        return false;
    }
    first = victim[5];
    for (unsigned i = 0; i < 2000; i++) {
        __asm__ volatile("pause");
    }
    last = victim[5];
    check_part(first == 0 && last == 0, "round %u: %lx, then %lx", round, first, last);
    check_part(table_unpin(page) == 0, "unpin");
    return true;
}

/* The write access is taken away without a flush: the hypervisor has to see to it before the page
 * becomes a table, on every vCPU. */
static void flip_between_data_and_table(void)
{
    uint64_t *page = table_new(), since = time_now();
    unsigned pinned = 0, round = 0;

    victim = page;
    written = faulted = 0;
    evil_entry = entry_of(table_boot(), TABLE_PAGE);
    if (others_begin(writer)) {
        for (; go_on(since, pinned); round++) {
            unsigned long flush = round % 4 == 0 ? UVMF_INVLPG : UVMF_NONE;
            uint64_t readable = entry_of(page, PTE_P | PTE_U | PTE_A);

            let_them_write();
            check_part(hv_update_va_mapping(page, readable, flush) == 0, "protect");
            pinned += watch_pinned(page, round);
            check_part(page_make_writable(page) == 0, "round %u: not released", round);
            page[5] = 0;
        }
        others_end();
        kit_printf("%u of %u pinned, %lu writes, %lu faults\n", pinned, round, written, faulted);
        check_part(pinned > 0, "never pinned");
    }
    give_back(page, 1);
}

/* The same by unlinking: the writers' mapping goes away with the table that holds it. */
static struct space shared;
static volatile uint64_t loaded;

static void writer_in_space(void *argument)
{
    (void)argument;
    check_part(space_load(&shared) == 0, "load");
    others_run();
    while (others_stop == 0) {
        (void)guarded(write_on, NULL);
    }
    (void)space_load(NULL);
}

static void unlink_the_mapping(void)
{
    uint64_t *page = table_new(), since = time_now();
    unsigned pinned = 0, round = 0;

    (void)page_make_readonly(page);
    filled_space(&shared, 1);
    check_part(table_pin(shared.l4, 4) == 0, "pin");
    victim = space_va(9);
    evil_entry = entry_of(table_boot(), TABLE_PAGE);
    if (others_begin(writer_in_space)) {
        victim = (volatile uint64_t *)space_va(9);
        for (; go_on(since, pinned); round++) {
            uint64_t *slots[] = {space_entry(&shared, 9), shared.l2, shared.l3, shared.l4 + 2};
            uint64_t *slot = slots[round % 4], before;
            volatile uint64_t *seen = page;

            check_part(table_set(space_entry(&shared, 9), entry_of(page, TABLE_PAGE)) == 0, "map");
            let_them_write();
            before = *(volatile uint64_t *)slot;
            check_part(table_set(slot, 0) == 0, "unlink");
            check_part(table_set(space_entry(&shared, 9), 0) == 0, "unmap");
            if (table_op(MMUEXT_CLEAR_PAGE, va_to_mfn(page)) == 0 && table_pin(page, 1) == 0) {
                uint64_t first = seen[5];

                for (unsigned i = 0; i < 2000; i++) {
                    __asm__ volatile("pause");
                }
                check_part(first == 0 && seen[5] == 0, "round %u: written", round);
                check_part(table_unpin(page) == 0, "unpin");
                pinned++;
            }
            check_part(slot == space_entry(&shared, 9) || table_set(slot, before) == 0, "link");
        }
        others_end();
        kit_printf("%u of %u pinned, %lu writes\n", pinned, round, written);
        check_part(pinned > 0, "never pinned");
    }
    check_part(table_unpin(shared.l4) == 0, "unpin");
    give_back_space(&shared);
    give_back(page, 1);
}

/* ---- the same tables from all sides ---- */

static void one_change(uint32_t (*random)(uint32_t))
{
    uint64_t *table[5] = {NULL, shared.l1[random(2)], shared.l2, shared.l3, shared.l4};
    unsigned level = 1 + random(4);
    uint64_t link = level == 1 ? 0 : entry_of(table[level - 1], TABLE_LINK);
    unsigned slot = level == 4 ? 2 : level == 2 ? random(2) : 0;

    switch (random(8)) {
    case 0:
    case 1:
        (void)table_pin(table[level], level);
        break;
    case 2:
    case 3:
        (void)table_unpin(table[level]);
        break;
    case 4:
        (void)table_set(&table[level][slot], 0);
        break;
    case 5:
        (void)table_set(&table[level][slot], level == 1 ? entry_of(evil_page, TABLE_PAGE) : link);
        break;
    case 6: /* a page may be data for a moment: only if it is nothing else */
        if (page_make_writable(table[level]) == 0) {
            (void)page_make_readonly(table[level]);
        }
        break;
    default:
        (void)table_set_keeping(&table[level][slot], level == 1 ? 0 : link & ~PTE_W);
        break;
    }
}

static uint32_t chance_here(uint32_t below)
{
    static uint64_t states[KIT_CPUS_MAX];
    uint64_t *state = &states[this_cpu()->id];

    *state = (*state + this_cpu()->id * 2 + 1) * 6364136223846793005UL + 1442695040888963407UL;
    return (uint32_t)(*state >> 33) % below;
}

static void changer(void *argument)
{
    (void)argument;
    others_run();
    while (others_stop == 0) {
        one_change(chance_here);
        written++;
    }
}

static void unpin_all(void)
{
    uint64_t *all[] = {shared.l4, shared.l3, shared.l2, shared.l1[0], shared.l1[1]};

    for (unsigned i = 0; i < 5; i++) {
        while (table_unpin(all[i]) == 0) {
        }
    }
}

static void change_from_all_sides(void)
{
    uint64_t end = time_now() + args_number("ms", 400) * MS;
    unsigned rounds = 0;

    filled_space(&shared, 2);
    (void)others_begin(changer);
    for (; time_now() < end; rounds++) {
        one_change(chance_here);
    }
    others_end();
    kit_printf("%u changes here, %lu elsewhere\n", rounds, written);
    unpin_all();
    give_back_space(&shared);
}

/* Every vCPU loads and leaves the same space, while this one pins and unpins it. */
static void loader(void *argument)
{
    (void)argument;
    others_run();
    while (others_stop == 0) {
        if (space_load(&shared) == 0) {
            loaded++;
            (void)*space_va(1);
            (void)space_load(NULL);
        }
    }
}

static void load_against_unpin(void)
{
    uint64_t end = time_now() + args_number("ms", 400) * MS;
    unsigned rounds = 0;

    loaded = 0;
    filled_space(&shared, 2);
    (void)others_begin(loader);
    for (; time_now() < end; rounds++) {
        if (table_pin(shared.l4, 4) == 0) {
            check_part(page_make_writable(shared.l1[0]) < 0, "pinned and writable");
            check_part(table_unpin(shared.l4) == 0, "unpin");
        }
        if (page_make_writable(shared.l4) == 0) {
            (void)page_make_readonly(shared.l4);
        }
    }
    others_end();
    kit_printf("%u rounds, %lu loads\n", rounds, loaded);
    give_back_space(&shared);
}

const struct attack evil_mmu_races[] = {
    {"race-data-and-table", flip_between_data_and_table, false},
    {"race-unlink", unlink_the_mapping, false},
    {"race-change-from-all-sides", change_from_all_sides, false},
    {"race-load-against-unpin", load_against_unpin, false},
    {NULL, NULL, false},
};
