/* SPDX-License-Identifier: MIT
 *
 * tlb: what one vCPU changes in the page tables, all others see as soon as the flush that it asked
 * for has returned. The others write to one page all the time; vCPU 0 takes the right to write away,
 * or puts another frame there, and from then on not one write may get through.
 *
 *   settle=US   how long a stale translation has to show itself (300)
 *   rounds=N    changes for each kind of flush (3)
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "tlb";

#define SOON   (60000 * MS)
#define BURST  200 /* writes of a restless vCPU before it sleeps */
#define SLOTS  KIT_CPUS_MAX
#define RO     (PTE_P | PTE_U | PTE_A)
#define RW     (PTE_P | PTE_U | PTE_A | PTE_D | PTE_W)
#define NO_UVM UVMF_NONE

/* The page that all look at, each in a slot of its own; and two frames to be seen through it. */
static volatile uint64_t window[PAGE_SIZE / 8] PAGE_ALIGNED;
static volatile uint64_t other[PAGE_SIZE / 8] PAGE_ALIGNED;

static struct {
    volatile uint64_t open; /* odd: the page may be written */
    volatile uint64_t stop, restless;
    bool failed;
    volatile uint64_t faults[SLOTS], alive[SLOTS];
} shared;

static uint64_t others; /* bitmap of the vCPUs that write */
static unsigned count;

/* ---- the writers ---- */

static void write_on(void *argument)
{
    unsigned id = (unsigned)(uint64_t)argument;

    for (unsigned i = 0; !shared.stop && (!shared.restless || i < BURST); i++) {
        window[id]++;
        shared.alive[id]++;
    }
}

static void nap(void)
{
    (void)upcalls_mask();
    (void)timer_singleshot(time_now() + 20000, 0);
    (void)hv_sched(SCHEDOP_block, NULL);
    upcalls_unmask();
}

static void writer(void *argument)
{
    uint64_t id = (uint64_t)argument, seen;

    (void)time_bind_timer();
    (void)timer_stop_periodic();
    while (!shared.stop) {
        seen = shared.open;
        if (seen % 2 == 0) {
            __asm__ volatile("pause");
        } else if (guarded(write_on, argument).vector != TRAP_NONE) {
            shared.faults[id]++;
            while (shared.open == seen && !shared.stop) {
                __asm__ volatile("pause");
            }
        } else if (!shared.stop) {
            nap();
        }
    }
    (void)hv_vcpu(VCPUOP_down, (unsigned)id, NULL);
}

/* ---- kinds of flush ---- */

static long flush_by_op(unsigned command, const uint64_t *bitmap)
{
    struct mmuext_op op = {.cmd = command};

    if (command != MMUEXT_TLB_FLUSH_ALL && command != MMUEXT_TLB_FLUSH_MULTI) {
        op.arg1.linear_addr = (uint64_t)window;
    }
    if (bitmap != NULL) {
        op.arg2.vcpumask.p = bitmap;
    }
    return hv_mmuext(&op, 1);
}

static const struct kind {
    const char *name;
    unsigned long uvm; /* flags of update_va_mapping; MULTI: the bitmap's address is added */
    bool multi;
    unsigned op; /* the operation that flushes instead, or 0 */
} kinds[] = {
    {"update-flush-all", UVMF_TLB_FLUSH | UVMF_ALL, false, 0},
    {"update-invlpg-all", UVMF_INVLPG | UVMF_ALL, false, 0},
    {"update-flush-multi", UVMF_TLB_FLUSH | UVMF_MULTI, true, 0},
    {"update-invlpg-multi", UVMF_INVLPG | UVMF_MULTI, true, 0},
    {"flush-all", NO_UVM, false, MMUEXT_TLB_FLUSH_ALL},
    {"invlpg-all", NO_UVM, false, MMUEXT_INVLPG_ALL},
    {"flush-multi", NO_UVM, true, MMUEXT_TLB_FLUSH_MULTI},
    {"invlpg-multi", NO_UVM, true, MMUEXT_INVLPG_MULTI},
};

static long change(const struct kind *kind, uint64_t mfn, uint64_t rights)
{
    unsigned long flags = kind->uvm + (kind->multi && kind->op == 0 ? ptr_arg(&others) : 0);
    long rc = hv_update_va_mapping((void *)window, mfn * PAGE_SIZE | rights, flags);

    if (rc == 0 && kind->op != 0) {
        rc = flush_by_op(kind->op, kind->multi ? &others : NULL);
    }
    return rc;
}

static bool all_pass(const volatile uint64_t *counters, const uint64_t *before)
{
    uint64_t end = time_now() + SOON;

    for (unsigned id = 1; id < count; id++) {
        while (counters[id] == before[id]) {
            if (time_now() > end) {
                return false;
            }
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
    return true;
}

static void copy_slots(uint64_t *to, const volatile uint64_t *from)
{
    for (unsigned id = 0; id < SLOTS; id++) {
        to[id] = from[id];
    }
}

/* Nothing in the page moves for a while. */
static void stays(const volatile uint64_t *page, const char *what)
{
    uint64_t before[SLOTS], end;

    copy_slots(before, page);
    end = time_now() + args_number("settle", 300) * 1000;
    while (time_now() < end) {
        __asm__ volatile("pause");
    }
    for (unsigned id = 1; id < count; id++) {
        shared.failed |= page[id] != before[id];
        check_part(page[id] == before[id], "%s: vCPU %u made %lu writes after the flush", what, id,
                   page[id] - before[id]);
    }
}

/* ---- the checks ---- */

static void take_right_away(const struct kind *kind)
{
    uint64_t mine = va_to_mfn(window), before[SLOTS], faults[SLOTS];

    copy_slots(before, shared.alive);
    copy_slots(faults, shared.faults);
    shared.open++;
    check_part(all_pass(shared.alive, before), "a vCPU does not write");
    check_part(change(kind, mine, RO) == 0, "read-only refused");
    stays(window, "read-only");
    check_part(shared.failed || all_pass(shared.faults, faults), "a vCPU has had no fault");
    shared.open++;
    check_part(change(kind, mine, RW) == 0, "writable refused");
}

static void put_other_frame(const struct kind *kind)
{
    uint64_t mine = va_to_mfn(window), before[SLOTS];

    copy_slots(before, shared.alive);
    shared.open++;
    check_part(all_pass(shared.alive, before), "a vCPU does not write");
    check_part(change(kind, va_to_mfn(other), RW) == 0, "the other frame refused");
    /* Our own frame is mapped nowhere now; look at it through the page of the other. */
    check_part(
        hv_update_va_mapping((void *)other, mine * PAGE_SIZE | RO, UVMF_INVLPG | UVMF_LOCAL) == 0,
        "read-only refused");
    stays(other, "another frame");
    check_part(page_make_writable((void *)other) == 0, "writable refused");
    check_part(change(kind, mine, RW) == 0, "its own frame refused");
    check_part(change(kind, mine, RO) == 0, "read-only refused"); /* so that all come to rest */
    shared.open++;
    check_part(change(kind, mine, RW) == 0, "writable refused");
}

static void check_kind(const struct kind *kind, const char *manner,
                       void (*turn)(const struct kind *))
{
    char name[48];

    (void)kit_snprintf(name, sizeof(name), "%s%s", kind->name, manner);
    check_begin(name);
    for (uint64_t i = 0; !shared.failed && i < args_number("rounds", 3); i++) {
        turn(kind);
    }
    check_end();
}

static void check_all(void)
{
    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && !shared.failed; k++) {
        check_kind(&kinds[k], "", take_right_away);
        check_kind(&kinds[k], "-moved", put_other_frame);
    }
    /* Writers that come and go: the set of CPUs to flush changes all the time. */
    shared.restless = 1;
    check_kind(&kinds[0], "-restless", take_right_away);
    check_kind(&kinds[1], "-restless", take_right_away);
}

void guest_main(void)
{
    count = cpu_count();
    if (count < 2) {
        check_skip("tlb", "one vCPU");
        check_pass("alone");
        return;
    }
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    others = 0;
    for (unsigned id = 1; id < count; id++) {
        long rc = cpu_start(id, writer, (void *)(uint64_t)id);

        if (rc != 0) {
            check_fail("start", "vCPU %u: %ld", id, rc);
            return;
        }
        others |= 1UL << id;
    }
    check_all();
    shared.stop = 1;
}
