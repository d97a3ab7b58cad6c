/* SPDX-License-Identifier: MIT
 *
 * Half-done work (advisory 299): validation that is interrupted, again and again, or fails in the
 * middle. No reference may be left over, so that in the end every table can be had writable again; and
 * none may be given up that is still needed.
 */
#include "evil_mmu/evil_mmu.h"

#define L1_COUNT 16U

/* ---- interruptions ---- */

static struct {
    struct space *space;
    uint64_t interruptions, got_writable;
    bool meddle;
} half;

/* Runs in the middle of an interrupted operation on the space. */
static void meddle(void)
{
    const struct space *s = half.space;
    uint64_t *table[] = {s->l4, s->l3, s->l2, s->l1[chance(L1_COUNT)]};
    uint64_t *victim = table[chance(4)];

    switch (chance(6)) {
    case 0:
        if (page_make_writable(victim) == 0) {
            half.got_writable++;
            (void)page_make_readonly(victim);
        }
        break;
    case 1:
        (void)table_set(&victim[chance(4)], NO_ENTRY);
        break;
    case 2:
        if (table_pin(victim, 1 + chance(4)) == 0) {
            (void)table_unpin(victim);
        }
        break;
    case 3:
        (void)table_set_keeping(&s->l1[0][100], entry_of(evil_page, TABLE_PAGE));
        break;
    default:
        break;
    }
}

static void interruption(uint32_t port, void *data)
{
    (void)port;
    (void)data;
    half.interruptions++;
    if (half.meddle) {
        meddle();
    }
    (void)timer_singleshot(time_now() + 20000 + chance(100) * 1000, 0);
}

static uint32_t timer_port;

static void interruptions_begin(struct space *s, bool meddling)
{
    half.space = s;
    half.meddle = meddling;
    half.interruptions = 0;
    timer_port = time_bind_timer();
    event_set_handler(timer_port, interruption, NULL);
    (void)timer_stop_periodic();
    (void)timer_singleshot(time_now() + 50000, 0);
}

/* At least so many rounds, and as many as it takes until an interruption has come: on a busy machine
 * the timer is late. */
static bool goes_on(unsigned round, unsigned least)
{
    return round < least || (half.interruptions == 0 && round < 1000 * least);
}

static void interruptions_end(void)
{
    half.meddle = false;
    event_set_handler(timer_port, NULL, NULL);
    (void)timer_stop_singleshot();
    check_part(half.interruptions > 0, "no interruption");
}

static void interrupted_pins(void)
{
    struct space s;

    filled_space(&s, L1_COUNT);
    interruptions_begin(&s, false);
    for (unsigned round = 0; goes_on(round, 20); round++) {
        long rc = table_pin(s.l4, 4);

        check_part(rc == 0, "pin %u: %ld", round, rc);
        check_part(table_pin(s.l4, 4) == -XEN_EINVAL, "twice");
        check_part(space_load(&s) == 0, "load");
        rc = table_unpin(s.l4);
        check_part(rc == 0, "unpin %u: %ld", round, rc);
        check_part(page_make_writable(s.l1[L1_COUNT - 1]) < 0, "loaded and writable");
        check_part(space_load(NULL) == 0, "back");
    }
    interruptions_end();
    give_back_space(&s);
}

/* The interrupter changes the tables under way. What comes out is not told; that all ends well is. */
static void meddled_pins(void)
{
    struct space s;
    unsigned pinned = 0, round;

    filled_space(&s, L1_COUNT);
    interruptions_begin(&s, true);
    for (round = 0; goes_on(round, 40); round++) {
        if (table_pin(s.l4, 4) == 0) {
            pinned++;
            (void)table_unpin(s.l4);
        }
    }
    interruptions_end();
    while (table_unpin(s.l4) == 0) {
    }
    kit_printf("%u of %u pins, %lu interruptions\n", pinned, round, half.interruptions);
    give_back_space(&s);
}

/* ---- failures ---- */

/* See give_back(): what failed is tried again, level by level. */
static void finish_undoing(const struct space *s)
{
    if (!args_is("undo", "at-once")) {
        check_part(table_pin(s->l2, 2) < 0, "L2 pinned");
        check_part(table_pin(s->l3, 3) < 0, "L3 pinned");
    }
}

/* A bad entry at one place after another, with everything before it validated already; the same
 * tables are at times in use elsewhere, so that undoing must not drop too much. */
static void failing_pins(void)
{
    struct space s, user;

    filled_space(&s, 4);
    space_new(&user, 0);
    user.l2[0] = entry_of(s.l1[0], TABLE_LINK);
    space_protect(&user);
    check_part(table_pin(user.l4, 4) == 0, "the other space");
    for (unsigned round = 0; round < 60; round++) {
        unsigned bad = 1 + chance(3), at = chance(TABLE_SLOTS);
        uint64_t kept = s.l1[bad][at];
        long rc;

        (void)page_make_writable(s.l1[bad]);
        *(volatile uint64_t *)&s.l1[bad][at] = round % 2 ? entry_of(s.l2, TABLE_PAGE) : NO_ENTRY;
        (void)page_make_readonly(s.l1[bad]);
        rc = round % 3 == 0 ? space_load(&s) : table_pin(s.l4, 4);
        check_part(rc < 0, "round %u: pinned", round);
        finish_undoing(&s);
        check_part(page_make_writable(s.l1[0]) < 0, "round %u: in use elsewhere", round);
        check_part(page_make_writable(s.l1[bad]) == 0, "round %u: the bad one is kept", round);
        *(volatile uint64_t *)&s.l1[bad][at] = kept;
        (void)page_make_readonly(s.l1[bad]);
    }
    check_part(table_pin(s.l4, 4) == 0, "mended");
    check_part(table_unpin(s.l4) == 0, "unpin");
    check_part(table_unpin(user.l4) == 0, "unpin the other");
    give_back_space(&s);
    give_back_space(&user);
}

/* Bad entries of the upper levels, in the last slot. */
static void failing_upper_levels(void)
{
    struct space s;
    uint64_t *tables[3];

    filled_space(&s, 2);
    tables[0] = s.l2, tables[1] = s.l3, tables[2] = s.l4;
    for (unsigned round = 0; round < 30; round++) {
        unsigned level = round % 3;
        uint64_t *slot = &tables[level][level == 2 ? 400 : 511];

        (void)page_make_writable(tables[level]);
        *(volatile uint64_t *)slot = round % 2 ? NO_ENTRY : TABLE_LINK | PTE_PSE;
        (void)page_make_readonly(tables[level]);
        check_part(table_pin(s.l4, 4) < 0, "round %u", round);
        give_back_access(tables[level], level + 2);
        *(volatile uint64_t *)slot = 0;
        (void)page_make_readonly(tables[level]);
        check_part(table_pin(s.l4, 4) == 0, "round %u: mended", round);
        check_part(table_unpin(s.l4) == 0, "round %u: unpin", round);
    }
    give_back_space(&s);
}

/* As many mappings of one frame, and links of one table, as our tables hold: 16384 of each kind. */
static void many_references(void)
{
    struct space s;

    space_new(&s, 32);
    for (unsigned i = 0; i < 32 * TABLE_SLOTS; i++) {
        *space_entry(&s, i) = entry_of(evil_page, TABLE_PAGE);
    }
    for (unsigned i = 32; i < TABLE_SLOTS; i++) {
        s.l2[i] = entry_of(s.l1[i % 32], TABLE_LINK);
        s.l3[i] = entry_of(s.l2, TABLE_LINK);
    }
    for (unsigned i = 16; i < 250; i++) {
        s.l4[i] = entry_of(s.l3, TABLE_LINK);
    }
    space_protect(&s);
    for (unsigned round = 0; round < 3; round++) {
        check_part(table_pin(s.l4, 4) == 0, "pin");
        check_part(table_op(MMUEXT_PIN_L1_TABLE, va_to_mfn(evil_page)) < 0, "the page as a table");
        check_part(table_unpin(s.l4) == 0, "unpin");
    }
    give_back_space(&s);
    check_part(page_make_readonly((void *)evil_page) == 0, "read-only");
    check_part(table_op(MMUEXT_PIN_L1_TABLE, va_to_mfn(evil_page)) == 0, "mappings are left");
    check_part(table_op(MMUEXT_UNPIN_TABLE, va_to_mfn(evil_page)) == 0, "unpin");
    check_part(page_make_writable((void *)evil_page) == 0, "writable");
}

const struct attack evil_mmu_leaks[] = {
    {"leak-interrupted-pins", interrupted_pins, false},
    {"leak-meddled-pins", meddled_pins, false},
    {"leak-failing-pins", failing_pins, false},
    {"leak-failing-upper-levels", failing_upper_levels, false},
    {"leak-many-references", many_references, false},
    {NULL, NULL, false},
};
