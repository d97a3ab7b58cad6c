/* SPDX-License-Identifier: MIT
 *
 * Page tables of the hypervisor.
 *
 * The tables are made while boot.S's identity map is loaded, and are reached at their physical
 * addresses, so they come from below 4 GiB; once they are loaded themselves, through the direct
 * map. Large tables (frame table, M2P) are taken from the highest RAM and are written only after
 * the switch.
 *
 * INV-MAP-1: no page is writable and executable, at any of its addresses: the image's code and
 *            constants are read-only in the direct map too (boot code until it is gone: initmem.c).
 * INV-MAP-2: every leaf is global; no leaf but those of the M2P is accessible from ring 3.
 * INV-MAP-3: the L3 tables of slots 256..271, but 260, are final after hvmap_init(): L4 tables
 *            hold copies of the entries that lead to them.
 */
#include <lagan/printk.h>
#include <lagan/string.h>

#include "mm/frame.h"
#include "mm/heap.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/hvmap_int.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pte.h"
#include "xen/arch/x86/sections.h"

#define FOUR_GIB     (UINT64_C(1) << 32)
#define DEVICES_SIZE SIZE_1G

uint64_t hv_l4[512] LAGAN_ALIGNED(4096) __attribute__((section(".bss.page_aligned")));
extern char cpu0_stack[];

static struct {
    struct bootmem *bm; /* where tables come from; NULL: from the heap */
    bool loaded;        /* the direct map works */
    uint64_t device_next;
    uint64_t kept_bytes;
    uint64_t boot_pages; /* of RAM that are FRAME_RESERVED */
} map;

uint64_t boot_pages(struct bootmem *bm, uint64_t bytes, uint64_t limit)
{
    uint64_t pa;

    if (!bootmem_alloc(bm, bytes, min_u64(bytes & -bytes, SIZE_2M), limit, &pa))
        arch_panic("Not enough memory for the hypervisor's own tables\n");
    map.kept_bytes += bytes;
    return pa;
}

uint64_t *table_at(uint64_t pa)
{
    return (uint64_t *)(map.loaded ? VA_DIRECT + pa : pa);
}

uint64_t table_new(void)
{
    uint64_t pa;
    mfn_t m;

    if (map.bm) {
        pa = boot_pages(map.bm, PAGE_SIZE, FOUR_GIB);
    } else {
        if (!heap_alloc(0, HEAP_ANY, &m))
            arch_panic("No memory for a table of the hypervisor's\n");
        pa = m.n << PAGE_SHIFT;
    }
    memset(table_at(pa), 0, PAGE_SIZE);
    return pa;
}

uint64_t *entry_for(uint64_t va, unsigned level)
{
    uint64_t *table = hv_l4;

    for (unsigned l = 4;; l--) {
        uint64_t *e = &table[(va >> (PAGE_SHIFT + 9 * (l - 1))) & 511];

        if (l == level)
            return e;
        if (!(*e & PTE_P))
            *e = table_new() | PTE_HV_TABLE;
        ASSERT(!(*e & PTE_PS));
        table = table_at(*e & PTE_ADDR);
    }
}

void map_range(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t flags, uint64_t largest)
{
    while (bytes) {
        uint64_t size = PAGE_SIZE;
        unsigned level = 1;

        while (level < 3 && size * 512 <= largest && size * 512 <= bytes &&
               ((va | pa) & (size * 512 - 1)) == 0) {
            size *= 512;
            level++;
        }
        *entry_for(va, level) = pa | flags | (level > 1 ? PTE_PS : 0);
        va += size;
        pa += size;
        bytes -= size;
    }
}

static LAGAN_INIT uint64_t largest_page(void)
{
    bool gigabyte = cpuid(0x80000000, 0).a >= 0x80000001 && (cpuid(0x80000001, 0).d >> 26 & 1);

    return gigabyte ? SIZE_1G : SIZE_2M;
}

/* The part of [start, end) in [from, to). */
static LAGAN_INIT void map_direct(uint64_t start, uint64_t end, uint64_t from, uint64_t to,
                                  uint64_t flags, uint64_t largest)
{
    start = max_u64(start, from);
    end = min_u64(end, to);
    if (start < end)
        map_range(VA_DIRECT + start, start, end - start, flags, largest);
}

static LAGAN_INIT void map_direct_range(uint64_t start, uint64_t end)
{
    uint64_t ro_start = image_phys(text_start), ro_end = image_phys(rodata_end);
    uint64_t init_start = image_phys(init_text_start), init_end = image_phys(init_text_end);
    uint64_t large = largest_page();

    map_direct(start, end, 0, ro_start, PTE_HV_RW, large);
    map_direct(start, end, ro_start, init_start, PTE_HV_RO, large);
    map_direct(start, end, init_start, init_end, PTE_HV_RO, PAGE_SIZE); /* initmem.c changes it */
    map_direct(start, end, init_end, ro_end, PTE_HV_RO, large);
    map_direct(start, end, ro_end, UINT64_MAX, PTE_HV_RW, large);
}

static LAGAN_INIT void map_image_part(const char *start, const char *end, uint64_t flags)
{
    map_range((uint64_t)start, image_phys(start), (uint64_t)(end - start), flags, PAGE_SIZE);
}

static LAGAN_INIT void map_image(void)
{
    map_image_part(text_start, text_end, PTE_HV_RX);
    map_image_part(init_text_start, init_text_end, PTE_HV_RX);
    map_image_part(rodata_start, rodata_end, PTE_HV_RO);
    map_image_part(data_start, data_end, PTE_HV_RW);
    map.kept_bytes += (uint64_t)(image_end - image_start);
}

/* INV-MAP-3: all L3 tables that will ever be, but that of slot 260. */
static LAGAN_INIT void make_l3_tables(void)
{
    for (uint64_t slot = SLOT_HV_FIRST; slot <= SLOT_HV_LAST; slot++)
        if (slot >= SLOT_HV || slot == SLOT_FRAMES)
            (void)entry_for(VA_HV_START + ((slot - SLOT_HV_FIRST) << 39), 3);
}

LAGAN_INIT void hvmap_init(const struct boot_info *bi, struct bootmem *bm)
{
    map.bm = bm;
    map.device_next = VA_DEVICES;
    make_l3_tables();
    map_image();
    for (unsigned i = 0; i < bi->map_count; i++)
        if (bi->map[i].type == BOOT_RAM)
            map_direct_range(bi->map[i].start, bi->map[i].end);
    frames_map(bi, bm);
    if (hvmap_stack(0))
        BUG();
    write_cr3(hv_l4_phys());
    map.loaded = true;
    frames_fill();
}

static LAGAN_INIT void reserve_frames(uint64_t start, uint64_t end)
{
    map.boot_pages += (end - start) >> PAGE_SHIFT;
    for (; start < end; start += PAGE_SIZE)
        atomic_store_explicit(&frame_of(mfn(start >> PAGE_SHIFT))->use,
                              (uint64_t)FRAME_RESERVED << 48 | (uint64_t)DOMID_XEN << 32 | 1,
                              memory_order_relaxed);
}

static LAGAN_INIT void reserve_unlisted(const struct boot_info *bi, const struct bootmem *bm)
{
    unsigned next = 0;

    for (unsigned i = 0; i < bi->map_count; i++) {
        uint64_t at = bi->map[i].start;

        if (bi->map[i].type != BOOT_RAM)
            continue;
        for (; next < bm->count && bm->range[next].start < bi->map[i].end; next++) {
            reserve_frames(at, bm->range[next].start);
            at = bm->range[next].end;
        }
        reserve_frames(at, bi->map[i].end);
    }
}

LAGAN_INIT void hvmap_heap_start(const struct boot_info *bi, struct bootmem *bm)
{
    reserve_unlisted(bi, bm);
    heap_init();
    for (unsigned i = 0; i < bm->count; i++)
        heap_add(mfn(bm->range[i].start >> PAGE_SHIFT), mfn(bm->range[i].end >> PAGE_SHIFT));
    log_info("boot memory: the early allocator's %lu pages go to the heap, %lu are kept\n",
             heap_total_pages(), map.boot_pages);
    bm->count = 0;
    map.bm = NULL;
}

uint64_t hvmap_release(uint64_t start, uint64_t end)
{
    start = (start + PAGE_SIZE - 1) & PAGE_MASK;
    end &= PAGE_MASK;
    if (start >= end)
        return 0;
    for (uint64_t pa = start; pa < end; pa += PAGE_SIZE) {
        struct frame *f = frame_of(mfn(pa >> PAGE_SHIFT));

        BUG_ON(frame_state(f) != FRAME_RESERVED);
        atomic_store_explicit(&f->use, 0, memory_order_relaxed);
    }
    map.boot_pages -= (end - start) >> PAGE_SHIFT;
    heap_add(mfn(start >> PAGE_SHIFT), mfn(end >> PAGE_SHIFT));
    return (end - start) >> PAGE_SHIFT;
}

int hvmap_stack(unsigned cpu)
{
    uint64_t bottom = VA_STACKS + (uint64_t)(cpu + 1) * STACK_STRIDE - STACK_SIZE;

    for (uint64_t at = 0; at < STACK_SIZE; at += PAGE_SIZE) {
        uint64_t pa = image_phys(cpu0_stack) + at;
        void *page;

        if (at == STACK_GUARD_OFFSET || (*entry_for(bottom + at, 1) & PTE_P))
            continue;
        if (cpu != 0) {
            page = page_alloc(0, HEAP_CLEAR);
            if (!page)
                return -XEN_ENOMEM;
            pa = arch_frame_of(page).n << PAGE_SHIFT;
        }
        *entry_for(bottom + at, 1) = pa | PTE_HV_RW;
    }
    return 0;
}

static uint64_t map_for_good(uint64_t phys, size_t bytes, uint64_t flags)
{
    uint64_t first = phys & PAGE_MASK;
    uint64_t span = (phys + bytes - first + PAGE_SIZE - 1) & PAGE_MASK;
    uint64_t va = map.device_next;

    if (span > VA_DEVICES + DEVICES_SIZE - va)
        arch_panic("No address space to map %zu bytes at %#lx\n", bytes, phys);
    map_range(va, first, span, flags, PAGE_SIZE);
    map.device_next += span + PAGE_SIZE; /* the gap catches overruns */
    return va + (phys - first);
}

void *map_device(uint64_t phys, size_t bytes)
{
    return (void *)map_for_good(phys, bytes, PTE_HV_UC);
}

char *map_device_window(unsigned pages)
{
    uint64_t va = map.device_next, span = pages * PAGE_SIZE;

    if (span > VA_DEVICES + DEVICES_SIZE - va)
        arch_panic("No address space for a window of %u pages\n", pages);
    for (uint64_t at = 0; at < span; at += PAGE_SIZE)
        (void)entry_for(va + at, 1);
    map.device_next += span + PAGE_SIZE;
    return (char *)va;
}

void map_device_window_page(char *at, mfn_t m)
{
    uint64_t *entry = entry_for((uint64_t)at, 1);

    ASSERT(!(*entry & PTE_P));
    *(volatile uint64_t *)entry = m.n << PAGE_SHIFT | PTE_HV_UC;
}

void map_device_window_change(char *at, mfn_t m)
{
    *(volatile uint64_t *)entry_for((uint64_t)at, 1) = m.n << PAGE_SHIFT | PTE_HV_UC;
    __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
}

const void *map_firmware(uint64_t phys, size_t bytes)
{
    uint64_t end;

    if (bytes == 0 || bytes > DEVICES_SIZE / 4 || add_overflows(phys, bytes, &end) ||
        end >> arch_phys_bits())
        return NULL;
    return (const void *)map_for_good(phys, bytes, PTE_HV_RO);
}

uint64_t hv_l4_phys(void)
{
    return image_phys(hv_l4);
}

void arch_l4_fill(uint64_t *table, domid_t owner)
{
    memcpy(table + SLOT_HV_FIRST, hv_l4 + SLOT_HV_FIRST,
           (SLOT_HV_LAST - SLOT_HV_FIRST + 1) * sizeof(*table));
    table[SLOT_PERDOMAIN] = perdomain_l4_entry(owner);
}

LAGAN_INIT uint64_t hvmap_kept_kib(void)
{
    return map.kept_bytes >> 10;
}

uint64_t arch_boot_pages(void)
{
    return map.boot_pages;
}
