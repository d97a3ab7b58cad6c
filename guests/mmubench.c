/* SPDX-License-Identifier: MIT
 *
 * mmubench: what the page table services cost, by the time stamp counter. Under QEMU with -icount
 * shift=0 one tick is one instruction. Each line is `BENCH name value`: ticks for one operation,
 * the loop (and a table's own copying by the guest, where it says so) included in the longer ones
 * only.
 */
#include "kit/host.h"
#include "kit/kit.h"
#include "kit/lib.h"
#include "mmubench/mmubench.h"

const char guest_name[] = "mmubench";

#define ROUNDS 1000U
#define BATCH  32U

static uint8_t page[2][PAGE_SIZE] PAGE_ALIGNED;
static struct space space, child;
static struct mmu_update batch[TABLE_SLOTS];
static long result; /* of the last call: an error makes the figure worthless */
static unsigned turn;

static void nothing(void)
{
    __asm__ volatile("");
}

static void note(long rc)
{
    result = rc != 0 ? rc : result;
}

static uint64_t ticks_of(void (*operation)(void), unsigned rounds)
{
    uint64_t start;

    operation();
    operation();
    start = read_tsc();
    for (unsigned i = 0; i < rounds; i++) {
        operation();
    }
    return (read_tsc() - start) / rounds;
}

/* One check a figure: that the operation does what it was timed for. */
static void report(const char *name, uint64_t ticks)
{
    kit_printf("BENCH %s %lu\n", name, ticks);
    check_true(name, result == 0 && ticks > 0, "%ld, %lu ticks", result, ticks);
    result = 0;
}

static uint64_t loop_cost;

static void measure(const char *name, void (*operation)(void))
{
    report(name, ticks_of(operation, ROUNDS) - loop_cost);
}

static void null_call(void)
{
    (void)hv_version(XENVER_version, NULL);
}

/* ---- entries ---- */

static void update_one(void)
{
    batch[0].val = entry_of(page[turn++ % 2], TABLE_PAGE);
    note(hv_mmu_update(batch, 1, NULL, DOMID_SELF));
}

static void update_batch(void)
{
    uint64_t value = entry_of(page[turn++ % 2], TABLE_PAGE);

    for (unsigned i = 0; i < BATCH; i++) {
        batch[i].val = value;
    }
    note(hv_mmu_update(batch, BATCH, NULL, DOMID_SELF));
}

/* As a kernel does on fork: the same frame, another right. */
static void update_flags(void)
{
    batch[0].val = entry_of(page[0], turn++ % 2 ? TABLE_PAGE : TABLE_PAGE & ~PTE_W);
    note(hv_mmu_update(batch, 1, NULL, DOMID_SELF));
}

static void map_plain(void)
{
    note(hv_update_va_mapping(page[1], entry_of(page[turn++ % 2], TABLE_PAGE), UVMF_NONE));
}

static void map_invlpg(void)
{
    note(hv_update_va_mapping(page[1], entry_of(page[turn++ % 2], TABLE_PAGE), UVMF_INVLPG));
}

static void map_flush_all(void)
{
    note(hv_update_va_mapping(page[1], entry_of(page[turn++ % 2], TABLE_PAGE),
                              UVMF_TLB_FLUSH | UVMF_ALL));
}

static void measure_entries(void)
{
    space_new_pinned(&space, 1);
    for (unsigned i = 0; i < BATCH; i++) {
        batch[i].ptr = entry_address(space_entry(&space, i));
    }
    measure("mmu-update", update_one);
    measure("mmu-update-flags", update_flags);
    measure("mmu-update-x32", update_batch);
    measure("update-va-mapping", map_plain);
    measure("update-va-mapping-invlpg", map_invlpg);
    measure("update-va-mapping-flush", map_flush_all);
    (void)page_make_writable(page[1]);
}

/* ---- base pointers ---- */

static void new_base(void)
{
    note(space_load(turn++ % 2 ? NULL : &space));
}

static void new_bases(void)
{
    uint64_t l4 = va_to_mfn(turn++ % 2 ? table_boot() : space.l4);
    struct mmuext_op ops[2] = {{.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = l4},
                               {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = l4}};

    note(hv_mmuext(ops, 2));
}

static void measure_base(void)
{
    measure("new-baseptr", new_base);
    measure("new-baseptr-and-user", new_bases);
    (void)table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(table_boot()));
    note(space_load(NULL));
}

/* ---- writes to a page table that the hypervisor carries out ---- */

static void write_mov(void)
{
    *(volatile uint64_t *)space_entry(&space, 0) = entry_of(page[turn++ % 2], TABLE_PAGE);
}

static void write_xchg(void)
{
    uint64_t value = turn++ % 2 ? entry_of(page[0], TABLE_PAGE) : 0;

    __asm__ volatile("xchg %0, %1" : "+r"(value), "+m"(*space_entry(&space, 0)));
}

static void write_and_byte(void)
{
    __asm__ volatile("lock andb $0xfd, %0" : "+m"(*(uint8_t *)space_entry(&space, 1)));
}

static void measure_writes(void)
{
    note(table_assist(VMASST_TYPE_writable_pagetables, true));
    note(table_set(space_entry(&space, 1), entry_of(page[0], TABLE_PAGE)));
    measure("table-write-mov", write_mov);
    measure("table-write-xchg", write_xchg);
    measure("table-write-and-byte", write_and_byte);
}

/* ---- whole address spaces ---- */

static void fill(struct space *s, uint64_t flags)
{
    for (unsigned i = 0; i < s->l1_count * TABLE_SLOTS; i++) {
        *space_entry(s, i) = spare_frame(i) * PAGE_SIZE | flags;
    }
}

static void measure_pin(const char *pin, const char *unpin, unsigned l1_count, unsigned rounds)
{
    uint64_t pinning = 0, unpinning = 0;

    space_new(&space, l1_count);
    fill(&space, TABLE_PAGE);
    space_protect(&space);
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t t0 = read_tsc(), t1;

        note(table_pin(space.l4, 4));
        t1 = read_tsc();
        note(table_unpin(space.l4));
        pinning += t1 - t0;
        unpinning += read_tsc() - t1;
    }
    report(pin, pinning / rounds);
    report(unpin, unpinning / rounds);
    space_delete(&space);
}

/* ---- how long the CPU is held ---- */

static long pin_space(void)
{
    return table_pin(space.l4, 4);
}

static long unpin_space(void)
{
    return table_unpin(space.l4);
}

/* An entry of a pinned L4 table, that leads to the full L3 table, is set and cleared. */
static long link_l3(void)
{
    struct mmu_update u = {.ptr = entry_address(&child.l4[0]),
                           .val = entry_of(space.l3, TABLE_PAGE)};

    return hv_mmu_update(&u, 1, NULL, DOMID_SELF);
}

static long unlink_l3(void)
{
    struct mmu_update u = {.ptr = entry_address(&child.l4[0]), .val = 0};

    return hv_mmu_update(&u, 1, NULL, DOMID_SELF);
}

static void measure_holds(void)
{
    space_new(&space, 32);
    fill(&space, TABLE_PAGE);
    space_protect(&space);
    hold_measure("pin-64m-hold", pin_space, "unpin-64m-hold", unpin_space);
    space_new_pinned(&child, 1);
    hold_measure("link-64m-hold", link_l3, "unlink-64m-hold", unlink_l3);
    note(table_unpin(child.l4));
    space_delete(&child);
    space_delete(&space);
    last_use_measure();
}

/* ---- fork ---- */

/* The parent's pages lose their write right by batches, and the child gets the same entries. */
static void fork_space(void)
{
    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        uint64_t *entry = space_entry(&space, i);

        batch[i].ptr = entry_address(entry) | MMU_PT_UPDATE_PRESERVE_AD;
        batch[i].val = *entry & ~PTE_W;
    }
    for (unsigned i = 0; i < TABLE_SLOTS; i += BATCH) {
        note(hv_mmu_update(&batch[i], BATCH, NULL, DOMID_SELF));
    }
    note(table_op(MMUEXT_TLB_FLUSH_LOCAL, 0));
    space_new(&child, 1);
    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        *space_entry(&child, i) = batch[i].val;
    }
    space_protect(&child);
    note(table_pin(child.l4, 4));
    note(space_load(&child));
}

static void end_child(void)
{
    note(space_load(&space));
    note(table_unpin(child.l4));
    space_delete(&child);
}

/* What the parent gets back by its write faults. */
static void restore_parent(void)
{
    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        note(table_set(space_entry(&space, i), spare_frame(i) * PAGE_SIZE | TABLE_PAGE));
    }
}

static void measure_fork(unsigned rounds)
{
    uint64_t forking = 0, ending = 0;

    space_new(&space, 1);
    fill(&space, TABLE_PAGE);
    space_protect(&space);
    note(table_pin(space.l4, 4));
    note(space_load(&space));
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t t0 = read_tsc(), t1;

        fork_space();
        t1 = read_tsc();
        end_child();
        forking += t1 - t0;
        ending += read_tsc() - t1;
        restore_parent();
    }
    report("fork-2m", forking / rounds);
    report("fork-teardown-2m", ending / rounds);
    note(space_load(NULL));
    note(table_unpin(space.l4));
    space_delete(&space);
}

/* What the type changes of all this have cost in interrupts; our hypervisor only. */
static void report_flushes(void)
{
    struct lagan_host_mm_stats s;

    if (hv_host(LAGAN_HOST_OP_mm_stats, &s) == 0 && s.type_changes > 0) {
        kit_printf("FLUSHES %lu type changes; flush interrupts for 1000 of them: %lu, flushing "
                   "always: %lu\n",
                   s.type_changes, s.type_ipis * 1000 / s.type_changes,
                   s.type_ipis_naive * 1000 / s.type_changes);
    }
}

void guest_main(void)
{
    if (!table_supported()) {
        check_pass("start");
        check_skip("mmu", "the hypervisor has no mmu_update");
        return;
    }
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    loop_cost = ticks_of(nothing, ROUNDS);
    measure("null-hypercall", null_call);
    measure_entries();
    measure_base();
    measure_writes();
    note(table_unpin(space.l4));
    space_delete(&space);
    measure_pin("pin-2m", "unpin-2m", 1, 20);
    measure_pin("pin-64m", "unpin-64m", 32, 3);
    measure_holds();
    measure_fork(10);
    report_flushes();
}
