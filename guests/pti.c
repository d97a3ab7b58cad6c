/* SPDX-License-Identifier: MIT
 *
 * pti: what of the hypervisor is in the page tables that this guest runs with, and whether those follow
 * the tables that it has made.
 *
 * An access from ring 3 to an address of the hypervisor's always faults, but the error code tells whether
 * a page is there (bit 0): just what a processor with Meltdown would go on to read. The addresses are
 * the hypervisor's own choice (xen/arch/x86/layout.h), and no ABI.
 *
 *   isolated=yes   only what it takes to enter the hypervisor may be there
 *   isolated=no    all of it is: shows that the look finds what is there
 *   rounds=N       changes of L4 entries (20)
 *   ms=N           hypercalls for so long (100)
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "pti";

#define SOON      (60000 * MS)
#define PRESENT   1 /* of a page fault's error code */
#define PAGE_HIT  14
#define ENTRY_MAX 8 /* pages of the image: code that enters and leaves, the IDT */
#define GONE      0 /* in place of a value: the access has faulted */

static bool isolated;

/* ---- what is there ---- */

static void read_at(void *where)
{
    (void)*(volatile const uint8_t *)where;
}

static void read_at_and_leave(void *where)
{
    (void)*(volatile const uint8_t *)where;
    user_exit(0);
}

static bool is_there(uint64_t va, bool user)
{
    struct fault f =
        user ? guarded_user(read_at_and_leave, (void *)va) : guarded(read_at, (void *)va);

    return f.vector != PAGE_HIT || (f.frame.error & PRESENT);
}

static const struct region {
    const char *name;
    uint64_t start, step;
    unsigned count, least, most; /* of `count` places, how many may be there when isolated */
} regions[] = {
    {"frame-table", 0xffff810000000000, 0x1000, 16, 0, 0},
    {"m2p-of-ours", 0xffff818000000000, 0x1000, 16, 0, 0},
    {"image", 0xffff828000000000, 0x1000, 1024, 2, ENTRY_MAX},
    {"stacks", 0xffff828040000000, 0x1000, 128, 1, 1},
    {"devices", 0xffff828080000000, 0x1000, 16, 0, 0},
    {"direct-map", 0xffff830000000000, 0x100000, 64, 0, 0},
};

static void look(const struct region *r, bool user)
{
    unsigned there = 0;
    char name[40];

    for (unsigned i = 0; i < r->count; i++) {
        there += is_there(r->start + i * r->step, user);
    }
    (void)kit_snprintf(name, sizeof(name), "%s%s", r->name, user ? "-user" : "");
    if (isolated) {
        check_true(name, there >= r->least && there <= r->most, "%u pages", there);
    } else {
        check_true(name, there > r->most, "%u pages", there);
    }
}

static void look_everywhere(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = va_to_mfn(table_boot())};

    check_result("user-base", hv_mmuext(&op, 1), 0);
    for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        look(&regions[i], false);
        look(&regions[i], true);
    }
    check_true("m2p", mfn_to_pfn(va_to_mfn(&regions)) == va_to_pfn(&regions), "%s", "wrong");
}

/* ---- in and out, over and over ---- */

/* All registers that a call keeps are as they were, and its result is right, whatever strikes on the way
 * (the runner sends NMIs). */
static bool call_once(uint64_t i)
{
    register uint64_t kept asm("r15") = i * 0x0001000100010001;
    uint64_t result, arguments = i + XENVER_version;

    __asm__ volatile("syscall"
                     : "=a"(result), "+r"(kept), "+S"(arguments)
                     : "0"((uint64_t)__HYPERVISOR_xen_version), "D"((uint64_t)XENVER_version)
                     : "rcx", "r11", "memory");
    return kept == i * 0x0001000100010001 && result >> 16 == 4;
}

static void check_calls(void)
{
    uint64_t end = time_now() + args_number("ms", 100) * MS, wrong = 0;

    for (uint64_t i = 0; time_now() < end; i++) {
        for (unsigned j = 0; j < 100; j++) {
            wrong += !call_once(i);
        }
    }
    check_true("calls", wrong == 0, "%lu calls went wrong", wrong);
}

/* ---- changes of L4 entries ---- */

static struct space spaces[2];
static volatile uint64_t values[2][PAGE_SIZE / 8] PAGE_ALIGNED;
static volatile uint64_t asked, answered, seen, ended;

static uint64_t link_of(unsigned i)
{
    return entry_of(spaces[i].l3, TABLE_LINK);
}

static void read_space(void *result)
{
    *(volatile uint64_t *)result = *space_va(0);
}

static uint64_t value_here(void)
{
    volatile uint64_t value = GONE;

    return guarded(read_space, (void *)&value).vector == TRAP_NONE ? value : GONE;
}

/* Between two questions this vCPU stays in the guest: it does not come by what is new by chance. */
static void reader(void *argument)
{
    (void)argument;
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    for (uint64_t round = 1; ended == 0; round++) {
        while (asked < round && ended == 0) {
            __asm__ volatile("pause");
        }
        seen = value_here();
        __atomic_store_n(&answered, round, __ATOMIC_SEQ_CST);
    }
}

static uint64_t value_there(void)
{
    asked++;
    return wait_for(&answered, asked, SOON) ? seen : ~0UL;
}

/* Entries of the boot table, with which all vCPUs run: new, another, none. */
static void change_entries(const char *name, uint64_t value(void))
{
    const uint64_t *entry = &table_boot()[table_slot(space_va(0), 4)];
    const uint64_t what[] = {link_of(0), link_of(1), 0};
    const uint64_t wanted[] = {1, 2, GONE};

    check_begin(name);
    for (unsigned i = 0; i < 3 * args_number("rounds", 20); i++) {
        long rc = table_set(entry, what[i % 3]);
        uint64_t got = value();

        check_part(rc == 0, "change %u: %ld", i, rc);
        check_part(got == wanted[i % 3], "change %u: %lu instead of %lu", i, got, wanted[i % 3]);
    }
    check_end();
}

/* ---- a table in use for user mode changes while the kernel runs ---- */

static void read_space_and_leave(void *argument)
{
    (void)argument;
    user_exit(*space_va(0));
}

static uint64_t value_in_user_mode(void)
{
    struct fault f = guarded_user(read_space_and_leave, NULL);

    return f.vector == TRAP_SYSCALL ? f.frame.rax : GONE;
}

/* ---- a table that is something else for a while, and comes back with other entries ---- */

static struct multicall_entry mmuext_call(struct mmuext_op *ops)
{
    return (struct multicall_entry){.op = __HYPERVISOR_mmuext_op,
                                    .args = {ptr_arg(ops), 2, 0, DOMID_SELF}};
}

/* In one call: the vCPU does not go back to the guest in between. */
static long reuse_table(uint64_t entry)
{
    struct mmuext_op away[2] = {{.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = va_to_mfn(table_boot())},
                                {.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = va_to_mfn(spaces[0].l4)}};
    struct mmuext_op back[2] = {{.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = va_to_mfn(spaces[0].l4)},
                                {.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = va_to_mfn(spaces[0].l4)}};
    struct mmu_update update = {.ptr = entry_address(&spaces[0].l4[table_slot(space_va(0), 4)]),
                                .val = entry};
    struct multicall_entry calls[3] = {
        mmuext_call(away),
        {.op = __HYPERVISOR_mmu_update, .args = {ptr_arg(&update), 1, 0, DOMID_SELF}},
        mmuext_call(back)};
    long rc = hv_multicall(calls, 3);

    for (unsigned i = 0; i < 3 && rc == 0; i++) {
        rc = (long)calls[i].result;
    }
    return rc;
}

static void check_reuse(void)
{
    check_begin("table-reused");
    check_part(space_load(&spaces[0]) == 0, "%s", "not loaded");
    check_part(value_here() == 1, "%s", "not there");
    for (unsigned i = 1; i <= args_number("rounds", 20); i++) {
        long rc = reuse_table(link_of(i % 2));
        uint64_t got = value_here();

        check_part(rc == 0, "round %u: %ld", i, rc);
        check_part(got == i % 2 + 1, "round %u: %lu", i, got);
    }
    check_part(space_load(NULL) == 0, "%s", "boot table not loaded");
    check_end();
}

/* Kernel and user mode with different tables, again and again. */
static void check_modes(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = va_to_mfn(spaces[1].l4)};

    check_begin("modes");
    check_part(reuse_table(link_of(0)) == 0 && hv_mmuext(&op, 1) == 0, "%s", "not loaded");
    for (unsigned i = 0; i < args_number("rounds", 20); i++) {
        check_part(value_here() == i % 2 + 1 && value_in_user_mode() == 2, "round %u", i);
        check_part(reuse_table(link_of((i + 1) % 2)) == 0, "round %u: not changed", i);
    }
    op.arg1.mfn = va_to_mfn(table_boot());
    check_part(space_load(NULL) == 0 && hv_mmuext(&op, 1) == 0, "%s", "boot table not loaded");
    check_end();
}

static void make_spaces(void)
{
    for (unsigned i = 0; i < 2; i++) {
        values[i][0] = i + 1;
        space_new(&spaces[i], 1);
        *space_entry(&spaces[i], 0) = entry_of(&values[i], PTE_P | PTE_U);
        space_protect(&spaces[i]);
        check_result(i == 0 ? "pin-0" : "pin-1", table_pin(spaces[i].l4, 4), 0);
    }
}

void guest_main(void)
{
    isolated = !args_is("isolated", "no");
    look_everywhere();
    check_calls();
    make_spaces();
    change_entries("entries-here", value_here);
    change_entries("entries-user", value_in_user_mode);
    check_reuse();
    check_modes();
    if (cpu_count() < 2 || cpu_start(1, reader, NULL) != 0) {
        check_skip("entries-there", "one vCPU");
        return;
    }
    change_entries("entries-there", value_there);
    ended = 1;
}
