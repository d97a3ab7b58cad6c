/* SPDX-License-Identifier: MIT
 *
 * Tables with an entry for each frame of RAM: the frame table (24 bytes) and the
 * machine-to-physical table (8 bytes), and which frames have one.
 *
 * The frame table is mapped only where RAM is. The M2P is read by guests at any frame number,
 * including those of devices, so all of it is mapped, up to the end of RAM and at least to 4 GiB;
 * where there is no RAM a single page of ~0 stands in, behind as many entries as needed: whole
 * gigabytes of nothing share one L1 table. Slots 256 and 259 lead to one L3 table: whether a
 * mapping is the guest's read-only one or our writable one is decided by the rights in the L4
 * entry.
 *
 * Boot time counts here: 32 bytes for each frame are written once, by string instructions, and that
 * is all that is done for each frame.
 *
 * INV-M2P-1: the shared page of ~0 is never writable, at any address of the M2P.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>

#include "mm/frame.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/hvmap_int.h"
#include "xen/arch/x86/pte.h"

#define M2P_ENTRY_FRAMES (PAGE_SIZE / sizeof(uint64_t)) /* frames that one 4 KiB page describes */
#define M2P_CHUNK_FRAMES (SIZE_2M / sizeof(uint64_t))   /* frames that one 2 MiB page describes */
#define M2P_MIN_FRAMES   (UINT64_C(1) << 20)            /* 4 GiB: where devices are */

STATIC_ASSERT(M2P_CHUNK_FRAMES << PAGE_SHIFT == SIZE_1G);

static struct {
    unsigned count;
    struct arch_ram ram[BOOT_MAP_MAX]; /* ascending */
    uint64_t max_mfn;
    uint64_t m2p_frames; /* frames with an M2P entry that can be read */
} frames;

struct arch_ram arch_largest_ram; /* a copy of one of frames.ram[]: asked first */

static void fill64(uint64_t *to, uint64_t value, uint64_t count)
{
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}

static LAGAN_INIT void note_ram(const struct boot_info *bi)
{
    for (unsigned i = 0; i < bi->map_count; i++) {
        struct arch_ram r = {bi->map[i].start >> PAGE_SHIFT, bi->map[i].end >> PAGE_SHIFT};

        if (bi->map[i].type != BOOT_RAM)
            continue;
        if (r.end - r.start > arch_largest_ram.end - arch_largest_ram.start)
            arch_largest_ram = r;
        frames.ram[frames.count++] = r;
        frames.max_mfn = r.end;
    }
    frames.m2p_frames =
        (max_u64(frames.max_mfn, M2P_MIN_FRAMES) + M2P_CHUNK_FRAMES - 1) & ~(M2P_CHUNK_FRAMES - 1);
}

/* How many of the frames [start, end) are RAM. */
static uint64_t ram_within(uint64_t start, uint64_t end)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < frames.count; i++) {
        uint64_t s = max_u64(start, frames.ram[i].start), e = min_u64(end, frames.ram[i].end);

        sum += s < e ? e - s : 0;
    }
    return sum;
}

/* The pages of the frame table that ram[i] needs and the range before it did not. */
static LAGAN_INIT struct arch_ram table_of(unsigned i)
{
    struct arch_ram t;

    t.start = (VA_FRAMES + frames.ram[i].start * sizeof(struct frame)) & PAGE_MASK;
    t.end = (VA_FRAMES + frames.ram[i].end * sizeof(struct frame) + PAGE_SIZE - 1) & PAGE_MASK;
    if (i > 0)
        t.start = max_u64(
            t.start,
            (VA_FRAMES + frames.ram[i - 1].end * sizeof(struct frame) + PAGE_SIZE - 1) & PAGE_MASK);
    t.end = max_u64(t.start, t.end);
    return t;
}

static LAGAN_INIT void map_frame_table(struct bootmem *bm)
{
    for (unsigned i = 0; i < frames.count; i++) {
        struct arch_ram t = table_of(i);

        while (t.start < t.end) {
            bool large = (t.start & (SIZE_2M - 1)) == 0 && t.end - t.start >= SIZE_2M;
            uint64_t bytes = large ? SIZE_2M : PAGE_SIZE;

            map_range(t.start, boot_pages(bm, bytes, UINT64_MAX), bytes, PTE_HV_RW, SIZE_2M);
            t.start += bytes;
        }
    }
}

/* A gigabyte of frames that are partly RAM: pages up to the last one that describes RAM, in one
 * piece, as arch_m2p_extent() names it; the page of ~0 where there is none (in a hole of the piece,
 * which is small if there is one, the memory is wasted). */
static LAGAN_INIT uint64_t m2p_mixed(struct bootmem *bm, uint64_t first, uint64_t nothing)
{
    uint64_t l1 = table_new(), piece;
    unsigned count = 512;

    while (!ram_within(first + (count - 1) * M2P_ENTRY_FRAMES, first + count * M2P_ENTRY_FRAMES))
        count--;
    piece = boot_pages(bm, count * PAGE_SIZE, UINT64_MAX);
    for (unsigned i = 0; i < 512; i++) {
        uint64_t at = first + i * M2P_ENTRY_FRAMES;
        bool ram = ram_within(at, at + M2P_ENTRY_FRAMES) != 0;

        table_at(l1)[i] =
            ram ? (piece + i * PAGE_SIZE) | PTE_HV_RW | PTE_US : nothing | PTE_HV_RO | PTE_US;
    }
    return l1 | PTE_HV_TABLE | PTE_US;
}

static LAGAN_INIT void map_m2p(struct bootmem *bm)
{
    uint64_t nothing = table_new(), hole_l1 = table_new();
    uint64_t *l4e = &hv_l4[SLOT_M2P_RW];

    fill64(table_at(nothing), UINT64_MAX, PAGE_SIZE / 8);
    fill64(table_at(hole_l1), nothing | PTE_HV_RO | PTE_US, 512);
    for (uint64_t m = 0; m < frames.m2p_frames; m += M2P_CHUNK_FRAMES) {
        uint64_t ram = ram_within(m, m + M2P_CHUNK_FRAMES);
        uint64_t *e = entry_for(VA_M2P_RW + m * sizeof(uint64_t), 2);

        /* Nearly all RAM: the large page is worth more than what its unused part takes. */
        if (ram > M2P_CHUNK_FRAMES - M2P_CHUNK_FRAMES / 8)
            *e = boot_pages(bm, SIZE_2M, UINT64_MAX) | PTE_HV_RW | PTE_US | PTE_PS;
        else if (ram)
            *e = m2p_mixed(bm, m, nothing);
        else
            *e = hole_l1 | PTE_HV_TABLE | PTE_US;
        /* Rights are the same at each level but the highest. */
        *entry_for(VA_M2P_RW + m * sizeof(uint64_t), 3) |= PTE_US;
    }
    hv_l4[SLOT_M2P_RO] = (*l4e & ~PTE_RW) | PTE_US | PTE_NX;
    *l4e |= PTE_NX;
}

LAGAN_INIT void frames_map(const struct boot_info *bi, struct bootmem *bm)
{
    note_ram(bi);
    map_frame_table(bm);
    map_m2p(bm);
}

/* All pages of the M2P that are RAM of their own, wherever they are mapped; the shared one is
 * filled already. */
static LAGAN_INIT void fill_m2p(void)
{
    for (uint64_t m = 0; m < frames.m2p_frames; m += M2P_CHUNK_FRAMES) {
        uint64_t *to = (uint64_t *)VA_M2P_RW + m;
        uint64_t e = *entry_for((uint64_t)to, 2);

        if (e & PTE_PS) {
            fill64(to, UINT64_MAX, M2P_CHUNK_FRAMES);
            continue;
        }
        for (unsigned i = 0; i < 512; i++)
            if (table_at(e & PTE_ADDR)[i] & PTE_RW)
                fill64(to + i * M2P_ENTRY_FRAMES, UINT64_MAX, M2P_ENTRY_FRAMES);
    }
}

LAGAN_INIT void frames_fill(void)
{
    for (unsigned i = 0; i < frames.count; i++) {
        struct arch_ram t = table_of(i);

        fill64((uint64_t *)t.start, 0, (t.end - t.start) / 8);
    }
    fill_m2p();
}

uint64_t arch_ram_pages(void)
{
    return ram_within(0, frames.max_mfn);
}

uint64_t arch_max_mfn(void)
{
    return frames.max_mfn;
}

bool arch_mfn_valid_elsewhere(mfn_t m)
{
    for (unsigned i = 0; i < frames.count; i++)
        if (m.n >= frames.ram[i].start && m.n < frames.ram[i].end)
            return true;
    return false;
}

unsigned arch_m2p_extent_count(void)
{
    return (unsigned)((frames.max_mfn + M2P_CHUNK_FRAMES - 1) / M2P_CHUNK_FRAMES);
}

mfn_t arch_m2p_extent(unsigned i)
{
    uint64_t first = i * M2P_CHUNK_FRAMES, e;

    if (!ram_within(first, first + M2P_CHUNK_FRAMES))
        return mfn(0);
    e = *entry_for(VA_M2P_RW + first * sizeof(uint64_t), 2);
    if (!(e & PTE_PS)) {
        const uint64_t *l1 = table_at(e & PTE_ADDR);
        unsigned page = 0;

        while (!(l1[page] & PTE_RW))
            page++;
        e = l1[page] - page * PAGE_SIZE;
    }
    return mfn((e & PTE_ADDR) >> PAGE_SHIFT);
}

void arch_m2p_set(mfn_t m, uint64_t pfn)
{
    ASSERT(arch_mfn_valid(m));
    ((uint64_t *)VA_M2P_RW)[m.n] = pfn;
}

uint64_t arch_m2p_get(mfn_t m)
{
    return m.n < frames.m2p_frames ? ((const uint64_t *)VA_M2P_RW)[m.n] : UINT64_MAX;
}
