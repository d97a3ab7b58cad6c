/* SPDX-License-Identifier: MIT
 *
 * Base pointers: the kernel's and the user mode's, and tables that are in use by nothing else.
 */
#include "mmu/mmu.h"

static void load_and_leave(void)
{
    struct probe there = {.where = space_va(5)};

    check_begin("base-load");
    check_part(table_set(space_entry(&mmu_space, 5), entry_of(&mmu_data[2], TABLE_PAGE)) == 0,
               "set");
    check_part(probe_read(&there) == 14, "seen before");
    check_part(space_load(&mmu_space) == 0, "refused");
    check_part(probe_read(&there) == TRAP_NONE && there.value == 3, "%lu", there.value);
    check_part(table_set(space_entry(&mmu_space, 5), entry_of(&mmu_data[3], TABLE_PAGE)) == 0,
               "changing what is loaded");
    check_part(space_load(&mmu_space) == 0, "the same again");
    check_part(probe_read(&there) == TRAP_NONE && there.value == 4, "%lu after", there.value);
    check_part(hv_update_va_mapping((void *)space_va(6), entry_of(&mmu_data[1], TABLE_PAGE),
                                    UVMF_INVLPG) == 0,
               "mapping by address");
    check_part(*space_va(6) == 2, "mapped by address: %lu", *space_va(6));
    check_part(space_load(NULL) == 0, "back");
    check_part(probe_read(&there) == 14, "still there");
    check_end();
    (void)table_set(space_entry(&mmu_space, 5), 0);
    (void)table_set(space_entry(&mmu_space, 6), 0);
}

/* A base pointer alone makes a table of a frame, and holds it. */
static void unpinned(void)
{
    struct space s;

    space_new(&s, 1);
    space_protect(&s);
    check_begin("base-unpinned");
    check_part(space_load(&s) == 0, "refused");
    check_part(page_make_writable(s.l4) < 0, "loaded and writable");
    check_part(page_make_writable(s.l1[0]) < 0, "loaded and writable below");
    check_part(space_load(NULL) == 0, "back");
    check_part(page_make_writable(s.l4) == 0, "L4 held");
    check_part(page_make_writable(s.l1[0]) == 0, "L1 held");
    check_end();
    space_delete(&s);
}

static void unpin_what_is_loaded(void)
{
    struct space s;

    space_new_pinned(&s, 1);
    check_begin("base-unpin-loaded");
    check_part(space_load(&s) == 0, "refused");
    check_part(table_unpin(s.l4) == 0, "unpin refused");
    check_part(page_make_writable(s.l4) < 0, "loaded and writable");
    check_part(table_pin(s.l4, 4) == 0, "pin again");
    check_part(table_unpin(s.l4) == 0, "unpin again");
    check_part(space_load(NULL) == 0, "back");
    check_end();
    space_delete(&s);
}

static void refused(void)
{
    static const unsigned commands[] = {MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR};

    for (unsigned i = 0; i < 2; i++) {
        unsigned c = commands[i];

        check_begin(i == 0 ? "base-refused" : "base-user-refused");
        check_part(table_op(c, NO_FRAME) == -XEN_EINVAL, "no frame: %ld", table_op(c, NO_FRAME));
        check_part(table_op(c, va_to_mfn(&mmu_data[0])) == -XEN_EINVAL, "data: %ld",
                   table_op(c, va_to_mfn(&mmu_data[0])));
        check_part(table_op(c, va_to_mfn(mmu_space.l1[0])) == -XEN_EINVAL, "L1: %ld",
                   table_op(c, va_to_mfn(mmu_space.l1[0])));
        check_part(table_op(c, va_to_mfn(mmu_space.l3)) == -XEN_EINVAL, "L3: %ld",
                   table_op(c, va_to_mfn(mmu_space.l3)));
        check_end();
    }
    check_result("base-0", table_op(MMUEXT_NEW_BASEPTR, 0), -XEN_EINVAL);
}

/* ---- user mode's ---- */

static void user_read(void *argument)
{
    user_exit(*(volatile uint64_t *)argument);
}

static uint64_t user_sees(unsigned page)
{
    struct fault fault = guarded_user(user_read, (void *)space_va(page));

    return fault.vector == TRAP_SYSCALL ? fault.frame.rax : 0;
}

/* A domain starts without one. */
static void user_base(void)
{
    struct probe there = {.where = space_va(5)};

    check_begin("base-user");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(table_boot())) == 0, "the boot tables");
    check_part(table_set(space_entry(&mmu_space, 5), entry_of(&mmu_data[2], TABLE_PAGE)) == 0,
               "set");
    check_part(user_sees(5) == 0, "seen before");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(mmu_space.l4)) == 0, "refused");
    check_part(user_sees(5) == 3, "user mode does not see it");
    check_part(probe_read(&there) == 14, "the kernel sees it");
    check_part(table_set(space_entry(&mmu_space, 5), entry_of(&mmu_data[1], TABLE_PAGE)) == 0,
               "change");
    check_part(user_sees(5) == 2, "a change while the kernel runs");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, 0) == 0, "none: refused");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(table_boot())) == 0, "back");
    check_part(user_sees(5) == 0, "still seen");
    check_part(table_set(space_entry(&mmu_space, 5), 0) == 0, "clearing");
    check_end();
}

static void user_base_holds(void)
{
    struct space s;

    space_new_pinned(&s, 1);
    check_begin("base-user-holds");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(s.l4)) == 0, "refused");
    check_part(table_unpin(s.l4) == 0, "unpin");
    check_part(page_make_writable(s.l4) < 0, "in use and writable");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(table_boot())) == 0, "back");
    check_end();
    space_delete(&s);
}

void mmu_base_tests(void)
{
    load_and_leave();
    unpinned();
    unpin_what_is_loaded();
    refused();
    user_base();
    user_base_holds();
}
