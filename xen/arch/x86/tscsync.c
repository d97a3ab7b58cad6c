/* SPDX-License-Identifier: MIT
 *
 * Are the TSCs of two CPUs in step? Asked when a CPU is started, of it and the boot CPU.
 *
 * Warp test: in turns, each reads its TSC and compares it with the value that the other has just
 * read. One that is smaller is a warp: what a CPU would see if the other's time stamp reached it.
 * No warp in WARP_ROUNDS turns of each: in step, as far as anybody can tell. Otherwise their
 * difference is measured by passing a ball: the boot CPU notes when it sends and when it has the
 * answer; the new CPU's reading belongs to the middle, and the fastest of the rounds is the most
 * exact.
 *
 * Both run with interrupts off, hand in hand by counting steps. A partner that does not come within
 * PATIENCE polls is given up, and so is every later comparison: the counts would not match.
 */
#include <stdatomic.h>

#include <lagan/printk.h>
#include "arch_inline.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/time.h"
#include "xen/arch/x86/time_internal.h"

#define WARP_ROUNDS 10
#define BALL_ROUNDS 16
#define PATIENCE    100000000u

static struct {
    _Atomic uint32_t step[2]; /* [0] the boot CPU's, [1] the new one's */
    _Atomic bool failed;
    uint64_t last, warp; /* of the side whose turn it is */
    _Atomic uint64_t answer;
    int64_t offset; /* of the new CPU's TSC against the boot CPU's */
    uint64_t tsc_adjust;
} sync;

/* Takes the next step and waits for the other side to take it too. */
static bool meet(unsigned side)
{
    uint32_t mine = atomic_fetch_add(&sync.step[side], 1) + 1;

    for (unsigned i = 0; i < PATIENCE && !atomic_load(&sync.failed); i++) {
        if ((int32_t)(atomic_load(&sync.step[!side]) - mine) >= 0)
            return true;
        arch_relax();
    }
    atomic_store(&sync.failed, true);
    return false;
}

/* Strictly in turns: were they to race for a lock, one side might be through before the other
 * begins, and a difference would show only if it was the later one that lags. */
static bool warp_rounds(unsigned side)
{
    for (unsigned turn = 0; turn < 2 * WARP_ROUNDS; turn++) {
        if (turn % 2 == side) {
            uint64_t now = rdtsc_ordered();

            if (now < sync.last && sync.last - now > sync.warp)
                sync.warp = sync.last - now;
            sync.last = now;
        }
        if (!meet(side))
            return false;
    }
    return true;
}

static bool throw_ball(void)
{
    uint64_t best = UINT64_MAX;

    for (unsigned i = 0; i < BALL_ROUNDS; i++) {
        uint64_t start, width;

        if (!meet(0)) /* the other is ready to catch */
            return false;
        start = rdtsc_ordered();
        if (!meet(0) || !meet(0))
            return false;
        width = rdtsc_ordered() - start;
        if (width < best) {
            best = width;
            sync.offset = (int64_t)(atomic_load(&sync.answer) - start - width / 2);
        }
    }
    return true;
}

static bool catch_ball(void)
{
    for (unsigned i = 0; i < BALL_ROUNDS; i++) {
        if (!meet(1) || !meet(1))
            return false;
        atomic_store(&sync.answer, rdtsc_ordered());
        if (!meet(1))
            return false;
    }
    return true;
}

static bool has_tsc_adjust(void)
{
    return cpuid(0, 0).a >= 7 && (cpuid(7, 0).b & 2);
}

static bool compare(unsigned side)
{
    if (!meet(side) || !warp_rounds(side))
        return false;
    if (sync.warp == 0)
        return true;
    return (side == 0 ? throw_ball() : catch_ball()) && meet(side);
}

LAGAN_INIT void time_sync_boot(unsigned cpu)
{
    uint64_t flags = irq_save();

    sync.warp = 0;
    sync.last = 0;
    sync.offset = 0;
    sync.tsc_adjust = has_tsc_adjust() ? rdmsr(MSR_TSC_ADJUST) : 0;
    if (!compare(0))
        time_separate("one did not answer");
    irq_restore(flags);
    if (sync.warp) {
        log_warn("time: TSC of CPU%u is %ld ticks ahead of CPU0's\n", cpu, (long)sync.offset);
        time_separate("warp at its start");
    }
    (void)meet(0); /* the new CPU goes on only when the decision is made */
}

void time_sync_ap(void)
{
    /* Nothing but TSC_ADJUST makes TSCs differ that were reset together: undo what the firmware did
     * to one of them. The boot CPU waits in its first meet(). */
    uint64_t adjust;

    while (!atomic_load(&sync.failed) && atomic_load(&sync.step[0]) == atomic_load(&sync.step[1]))
        arch_relax();
    adjust = sync.tsc_adjust;
    if (has_tsc_adjust() && rdmsr(MSR_TSC_ADJUST) != adjust)
        wrmsr(MSR_TSC_ADJUST, adjust);
    (void)compare(1);
    time_adopt(arch_cpu(), sync.offset);
    (void)meet(1);
}
