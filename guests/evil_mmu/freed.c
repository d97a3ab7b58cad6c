/* SPDX-License-Identifier: MIT
 *
 * Frames that have gone back to the host, while other vCPUs still have translations of them. Whoever
 * gets the frame next must not be seen through these: here that is ourselves, on the first vCPU.
 */
#include "evil_mmu/evil_mmu.h"

#define FRAMES 8U
#define SECRET 0x5ec4e7UL

static volatile uint64_t window[FRAMES][TABLE_SLOTS] PAGE_ALIGNED; /* the watchers' */
static volatile uint64_t desk[TABLE_SLOTS] PAGE_ALIGNED;           /* the new owner's */
static volatile uint64_t reads, leaks, poke;
static uint64_t pfns[FRAMES]; /* of ours, that get one frame after the other */

static void watch_on(void *argument)
{
    (void)argument;
    while (others_stop == 0) {
        for (unsigned i = 0; i < FRAMES; i++) {
            leaks += window[i][3] == SECRET;
            if (poke != 0) {
                window[i][4] = SECRET;
            }
        }
        reads++;
    }
}

static void watcher(void *argument)
{
    (void)argument;
    others_run();
    while (others_stop == 0) {
        (void)guarded(watch_on, NULL);
    }
}

/* The frames of this round, each in its window; the watchers look at them for a while. */
static void show(const uint64_t *mfn, uint64_t flags)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        check_part(page_map((void *)window[i], mfn[i], flags) == 0, "map");
    }
    (void)wait_for(&reads, reads + 2, 20 * MS);
}

/* No flush is asked for; the frames go back, others come, and get what nobody else may read. */
static unsigned replace_all(uint64_t *mfn, unsigned round)
{
    uint64_t before[FRAMES];
    unsigned same = 0;

    for (unsigned i = 0; i < FRAMES; i++) {
        (void)hv_update_va_mapping((void *)window[i], 0, UVMF_NONE);
        before[i] = mfn[i];
        check_part(reserve_one(XENMEM_decrease_reservation, mfn[i], NULL) == 1, "give back");
    }
    for (unsigned i = 0; i < FRAMES; i++) {
        check_part(reserve_one(XENMEM_populate_physmap, pfns[i], &mfn[i]) == 1, "take");
        ((uint64_t *)kit_start_info->mfn_list)[pfns[i]] = mfn[i];
        check_part(page_map((void *)desk, mfn[i], PTE_P | PTE_W) == 0, "map the new one");
        desk[4] = 0; /* the host may have left what we had there */
        desk[3] = SECRET;
        for (unsigned k = 0; k < 300; k++) {
            __asm__ volatile("pause");
        }
        check_part(desk[4] == 0, "round %u: written through an old translation", round);
        for (unsigned k = 0; k < FRAMES; k++) {
            same += mfn[i] == before[k];
        }
    }
    (void)page_make_writable((void *)desk);
    return same;
}

static void watched(uint64_t flags)
{
    uint64_t mfn[FRAMES], since = time_now();
    unsigned round = 0, same = 0;

    reads = leaks = 0;
    poke = (flags & PTE_W) != 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        mfn[i] = spare_frame(i + 1);
        pfns[i] = mfn_to_pfn(mfn[i]);
    }
    if (others_begin(watcher)) {
        for (; time_now() - since < args_number("ms", 400) * MS || round < 3; round++) {
            show(mfn, flags);
            same += replace_all(mfn, round);
            for (unsigned i = 0; i < FRAMES; i++) {
                (void)table_op(MMUEXT_CLEAR_PAGE, mfn[i]);
            }
        }
        others_end();
        kit_printf("%u rounds, %lu reads, %u frames came back\n", round, reads, same);
        check_part(reads > 0, "nobody watched");
        check_part(leaks == 0, "%lu times the new owner's data was read", leaks);
    }
    for (unsigned i = 0; i < FRAMES; i++) {
        check_part(mfn_to_pfn(mfn[i]) == pfns[i], "frame %lx is page %lx", mfn[i],
                   mfn_to_pfn(mfn[i]));
        (void)page_make_writable((void *)window[i]);
    }
}

static void read_after_free(void)
{
    watched(PTE_P);
}

static void write_after_free(void)
{
    watched(PTE_P | PTE_W);
}

const struct attack evil_mmu_frees[] = {
    {"freed-then-read", read_after_free, false},
    {"freed-then-written", write_after_free, false},
    {NULL, NULL, false},
};
