/* SPDX-License-Identifier: MIT
 *
 * Exchange of frames that are in use, are not ours, or are none; and what an exchange leaves behind.
 */
#include "evil_pcache/evil_pcache.h"
#include "kit/grant.h"
#include "kit/lib.h"

/* An exchange that must be refused, and change nothing; `want` 0: with whatever error. */
static void refused(const char *what, uint64_t mfn, int32_t want)
{
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_EXCHANGE | LAGAN_PCACHE_PUT, .page = mfn};
    struct lagan_pcache_stats before = pcache_info(), after;
    int32_t got = query_one(&q);

    after = pcache_info();
    check_part(want != 0 ? got == want : got < 0, "%s: frame %lx: status %d, not %d", what, mfn,
               got, want);
    check_part(q.page == mfn, "%s: frame %lx became %lx", what, mfn, q.page);
    check_part(before.pages == after.pages, "%s: %lu pages, then %lu", what, before.pages,
               after.pages);
}

static void mapped_frames(void)
{
    fill(evil_page, 3);
    refused("mapped", va_to_mfn(evil_page), -XEN_EBUSY);
    check_part(page_make_readonly(evil_page) == 0, "read-only");
    refused("mapped read-only", va_to_mfn(evil_page), -XEN_EBUSY);
    check_part(page_make_writable(evil_page) == 0, "writable");
    check_part(holds(evil_page, 3), "the page has changed");
}

static void tables_and_descriptors(void)
{
    static uint64_t gdt[TABLE_SLOTS] PAGE_ALIGNED;
    unsigned long frame = va_to_mfn(gdt);
    uint64_t *table = table_new();

    check_part(page_make_readonly(table) == 0 && table_pin(table, 1) == 0, "pin");
    check_part(page_unmap(table) == 0, "unmap");
    refused("pinned table, not mapped", va_to_mfn(table), -XEN_EBUSY);
    check_part(table_unpin(table) == 0 && page_make_writable(table) == 0, "unpin");
    table_free(table);
    refused("the L4 in use", va_to_mfn((void *)kit_start_info->pt_base), -XEN_EBUSY);
    refused("shared info", kit_start_info->shared_info / PAGE_SIZE, 0);
    check_part(page_make_readonly(gdt) == 0 && hv_set_gdt(&frame, 512) == 0, "GDT");
    check_part(page_unmap(gdt) == 0, "unmap");
    refused("descriptors, not mapped", frame, -XEN_EBUSY);
    check_part(hv_set_gdt(NULL, 0) == 0 && page_make_writable(gdt) == 0, "no GDT");
}

static void granted_frame(void)
{
    static uint64_t shared[EVIL_WORDS] PAGE_ALIGNED, window[EVIL_WORDS] PAGE_ALIGNED;
    grant_handle_t handle = 0;

    check_part(grant_begin(1) == 0, "no grants");
    grant_access(20, own_domain(), shared, 0);
    check_part(grant_map(own_domain(), 20, window, GNTMAP_host_map, &handle) == GNTST_okay, "map");
    check_part(page_unmap(shared) == 0, "unmap");
    refused("mapped by a grant", va_to_mfn(shared), -XEN_EBUSY);
    check_part(grant_unmap(handle, window) == GNTST_okay && grant_end(20), "unmap");
    check_part(page_make_writable(window) == 0 && page_make_writable(shared) == 0, "writable");
}

/* Frames of nobody's, the hypervisor's, other domains': all that the machine may have, near and far. */
static void not_ours(void)
{
    struct lagan_pcache_stats before = pcache_info();
    uint64_t highest = (uint64_t)hv_memory(XENMEM_maximum_ram_page, NULL), ours = 0;

    for (uint64_t mfn = 0; mfn <= highest; mfn += highest / 4096 + 1) {
        struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_EXCHANGE | LAGAN_PCACHE_PUT,
                                       .page = mfn};
        uint64_t pfn = mfn_to_pfn(mfn);
        int32_t status;

        if (pfn < kit_start_info->nr_pages && pfn_to_mfn(pfn) == mfn) {
            continue;
        }
        query_gives(&q, -XEN_EPERM, "exchange");
        q.flags = LAGAN_PCACHE_PUT;
        status = query_one(&q);
        /* Tables of grants and the like are ours as well: then it can be mapped. */
        check_part(status == -XEN_EPERM || status == 0 || page_map(evil_other, mfn, PTE_P) == 0,
                   "copy of frame %lx: %d", mfn, status);
        check_part(page_make_writable(evil_other) == 0, "writable");
        ours += status > 0;
    }
    refused("no frame", 1UL << 40, -XEN_EPERM);
    refused("no frame", ~0UL, -XEN_EPERM);
    check_part(pcache_info().pages <= before.pages + ours, "pages came in");
}

/* Given back to the host, and given in exchange then. */
static void given_back(void)
{
    uint64_t mfn = spare_frame(0);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    static xen_pfn_t extent;

    extent = mfn;
    set_xen_guest_handle(r.extent_start, &extent);
    check_part(hv_memory(XENMEM_decrease_reservation, &r) == 1, "decrease");
    refused("given back", mfn, -XEN_EPERM);
    extent = spare_first();
    check_part(hv_memory(XENMEM_populate_physmap, &r) == 1, "populate");
    ((uint64_t *)kit_start_info->mfn_list)[spare_first()] = extent;
}

/* Pages go down and frames come up, again and again: nothing is lost, and a frame that comes holds only
 * what we have put, or zeroes. */
static void there_and_back(void)
{
    static uint64_t page[16][EVIL_WORDS] PAGE_ALIGNED;
    uint64_t id[16], next;
    unsigned hits = 0;

    for (unsigned i = 0; i < 16; i++) {
        fill(page[i], i);
        (void)pcache_exchange(page[i], true, i + 1, &id[i], 0, 0);
        fill(page[i], 100 + i);
    }
    for (unsigned round = 0; round < 64; round++) {
        unsigned i = (unsigned)(draw() % 16);
        bool hit = pcache_exchange(page[i], true, 0, &next, id[i], 0);

        if (hit) {
            check_part(holds(page[i], i), "page %u is wrong", i);
            hits++;
        }
        fill(page[i], i);
        (void)pcache_flush(next);
        (void)pcache_exchange(page[i], true, 0, &id[i], 0, 0);
        fill(page[i], 100 + i);
    }
    kit_printf("%u of 64 came back\n", hits);
}

static void write_there(void *va)
{
    *(volatile uint64_t *)va = 0x0bad;
}

/* A translation that is left over may still reach the frame, as long as it is in our own part of the cache: then the
 * page is what we have made of it, and nothing else has changed. */
static void through_an_old_translation(void)
{
    static volatile uint64_t window[EVIL_WORDS] PAGE_ALIGNED;
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_EXCHANGE | LAGAN_PCACHE_PUT};

    for (unsigned i = 0; i < 32; i++) {
        uint64_t mfn = va_to_mfn(evil_page);

        fill(evil_page, i);
        check_part(page_map((void *)(uint64_t)window, mfn, PTE_P | PTE_W | PTE_A | PTE_D) == 0,
                   "map");
        (void)window[0]; /* the translation is there now */
        check_part(page_unmap(evil_page) == 0, "unmap");
        check_part(hv_update_va_mapping((void *)(uint64_t)window, 0, 0) == 0, "unmap, no flush");
        q.page = mfn;
        check_part(query_one(&q) >= 0, "exchange");
        ((uint64_t *)kit_start_info->mfn_list)[va_to_pfn(evil_page)] = q.page;
        check_part(page_make_writable(evil_page) == 0, "writable");
        if (q.status & LAGAN_PCACHE_EXCHANGED) {
            fill(evil_page, 50);
            (void)guarded(write_there, (void *)(uint64_t)&window[1]);
            check_part(holds(evil_page, 50), "round %u: written to the new frame", i);
        }
        check_part(page_make_writable((void *)(uint64_t)window) == 0, "window");
        if ((q.status & LAGAN_PCACHE_KEPT) && pcache_get(evil_page, q.new, 0)) {
            if (evil_page[1] == 0x0bad) {
                evil_page[1] = evil_page[0] + 1;
            }
            check_part(holds(evil_page, i), "round %u: changed", i);
        }
    }
}

const struct attack evil_pcache_frames[] = {
    {"mapped-frames", mapped_frames, false},
    {"tables-and-descriptors", tables_and_descriptors, false},
    {"granted-frame", granted_frame, false},
    {"not-ours", not_ours, false},
    {"given-back", given_back, false},
    {"there-and-back", there_and_back, false},
    {"through-an-old-translation", through_an_old_translation, false},
    {NULL, NULL, false}};
