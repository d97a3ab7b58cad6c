/* SPDX-License-Identifier: MIT
 *
 * The table; mapping and unmapping.
 */
#include "grant/grant.h"

static uint64_t pte_of(const volatile void *va)
{
    return *table_walk(va, 1);
}

/* The page of the image is mapped there again, for the next check. */
static void restore(void *va)
{
    (void)page_make_writable(va);
}

void test_table(void)
{
    struct gnttab_query_size size = {.dom = DOMID_SELF};
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = 1000000};
    struct gnttab_get_version version = {.dom = DOMID_SELF};
    struct gnttab_dump_table dump = {.dom = DOMID_SELF};

    check_result("setup", grant_begin(2), 0);
    check_result("query-size", hv_grant(GNTTABOP_query_size, &size, 1), 0);
    check_true("query-size-says",
               size.status == 0 && size.nr_frames == 2 && size.max_nr_frames == 64, "%d %u %u",
               size.status, size.nr_frames, size.max_nr_frames);
    check_true("setup-over-limit",
               hv_grant(GNTTABOP_setup_table, &op, 1) == 0 && op.status == GNTST_general_error,
               "%d", op.status);
    op.dom = 0x7000;
    check_true("setup-no-domain",
               hv_grant(GNTTABOP_setup_table, &op, 1) == 0 && op.status == GNTST_bad_domain, "%d",
               op.status);
    check_result("setup-two-at-once", hv_grant(GNTTABOP_setup_table, &op, 2), -XEN_EINVAL);
    check_result("count-negative", hv_grant(GNTTABOP_map_grant_ref, &op, 0x80000000), -XEN_EINVAL);
    check_result("count-zero", hv_grant(GNTTABOP_map_grant_ref, &op, 0), 0);
    check_result("pointer-bad", hv_grant(GNTTABOP_map_grant_ref, (void *)0xffff830000000000, 1),
                 -XEN_EFAULT);
    check_result("pointer-unmapped", hv_grant(GNTTABOP_map_grant_ref, (void *)0x10000000000, 1),
                 -XEN_EFAULT);
    check_result("no-such-operation", hv_grant(100, &op, 1), -XEN_ENOSYS);
    check_result("dump-table", hv_grant(GNTTABOP_dump_table, &dump, 1), -XEN_ENOSYS);
    check_true("version-is-1",
               hv_grant(GNTTABOP_get_version, &version, 1) == 0 && version.version == 1, "%u",
               version.version);
    version.dom = 0x7000;
    check_result("version-no-domain", hv_grant(GNTTABOP_get_version, &version, 1), -XEN_ESRCH);
}

static long cache_flush(uint32_t op, uint16_t offset, uint16_t length, uint64_t address)
{
    struct gnttab_cache_flush flush = {.offset = offset, .length = length, .op = op};

    flush.a.dev_bus_addr = address;
    return hv_grant(GNTTABOP_cache_flush, &flush, 1);
}

void test_cache_flush(void)
{
    uint64_t own = va_to_mfn(granted[0]) * PAGE_SIZE;

    check_result("cache-clean", cache_flush(GNTTAB_CACHE_CLEAN, 100, 64, own), 0);
    check_result("cache-invalidate", cache_flush(GNTTAB_CACHE_INVAL, 0, 64, own), -XEN_EOPNOTSUPP);
    check_result("cache-both", cache_flush(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL, 0, 64, own), 0);
    check_result("cache-nothing", cache_flush(0, 0, 64, own), 0);
    check_result("cache-no-bytes", cache_flush(GNTTAB_CACHE_CLEAN, 0, 0, own), 0);
    check_result("cache-no-such-op", cache_flush(4, 0, 64, own), -XEN_EINVAL);
    check_result("cache-crosses", cache_flush(GNTTAB_CACHE_CLEAN, 4000, 200, own), -XEN_EINVAL);
    check_result("cache-no-frame", cache_flush(GNTTAB_CACHE_CLEAN, 0, 64, 0xfffffff000),
                 -XEN_EINVAL);
}

void test_map(void)
{
    uint32_t avail = 1u << _GNTMAP_guest_avail0;
    grant_handle_t h[2];
    struct gnttab_map_grant_ref op;

    granted[0][5] = 55;
    grant_access(16, self, granted[0], 0);
    check_result("map", grant_map(self, 16, window[0], MAP_RW, &h[0]), GNTST_okay);
    check_true("map-reaches", *(volatile uint8_t *)&window[0][5] == 55, "%u", window[0][5]);
    *(volatile uint8_t *)&window[0][6] = 66;
    check_true("map-writes", *(volatile uint8_t *)&granted[0][6] == 66, "%u", granted[0][6]);
    check_true("map-in-use", grant_v1(16)->flags == (GTF_permit_access | GTF_reading | GTF_writing),
               "0x%x", grant_v1(16)->flags);
    check_true("map-not-to-be-ended", !grant_end(16), "ended");
    check_result("map-twice", grant_map(self, 16, window[1], MAP_RO, &h[1]), GNTST_okay);
    check_true("map-read-only", !(pte_of(window[1]) & PTE_W), "0x%lx", pte_of(window[1]));
    check_result("unmap", grant_unmap(h[0], window[0]), GNTST_okay);
    check_true("unmap-clears", pte_of(window[0]) == 0, "0x%lx", pte_of(window[0]));
    /* What a device is given when Linux reads a disk into a page that it has mapped by grant. */
    op = (struct gnttab_map_grant_ref){
        .host_addr = (uint64_t)window[0], .flags = MAP_RW, .ref = 16, .dom = self};
    check_true("map-again", hv_grant(GNTTABOP_map_grant_ref, &op, 1) == 0 && op.status == 0, "%d",
               op.status);
    check_true("map-tells-machine-address", op.dev_bus_addr == va_to_mfn(granted[0]) * PAGE_SIZE,
               "0x%lx", op.dev_bus_addr);
    check_result("unmap-again", grant_unmap(op.handle, window[0]), GNTST_okay);
    check_true("unmap-one-of-two", grant_v1(16)->flags == (GTF_permit_access | GTF_reading), "0x%x",
               grant_v1(16)->flags);
    check_result("unmap-other", grant_unmap(h[1], window[1]), GNTST_okay);
    check_true("unmap-all", grant_end(16), "0x%x", grant_v1(16)->flags);

    /* By the machine address of the entry, with a bit of the guest's own. */
    grant_access(16, self, granted[0], GTF_readonly);
    op = (struct gnttab_map_grant_ref){.host_addr = page_entry_address(window[2]),
                                       .flags = MAP_RO | GNTMAP_contains_pte |
                                                GNTMAP_application_map | avail | GNTMAP_device_map,
                                       .ref = 16,
                                       .dom = self};
    check_result("map-by-entry", hv_grant(GNTTABOP_map_grant_ref, &op, 1), 0);
    check_result("map-by-entry-status", op.status, GNTST_okay);
    check_true("map-by-entry-bits",
               (pte_of(window[2]) & (PTE_FRAME | PTE_P | PTE_W | PTE_U | PTE_NX | 0xe00)) ==
                   (va_to_mfn(granted[0]) * PAGE_SIZE | PTE_P | PTE_U | PTE_NX | 0x200),
               "0x%lx", pte_of(window[2]));
    check_true("map-device-address", op.dev_bus_addr == va_to_mfn(granted[0]) * PAGE_SIZE, "0x%lx",
               op.dev_bus_addr);
    check_result("unmap-by-entry-not-by-address", grant_unmap(op.handle, window[2]),
                 GNTST_general_error);
    {
        struct gnttab_unmap_grant_ref end = {.host_addr = op.host_addr, .handle = op.handle};

        check_true("unmap-by-entry",
                   hv_grant(GNTTABOP_unmap_grant_ref, &end, 1) == 0 && end.status == 0, "%d",
                   end.status);
        check_true("unmap-by-entry-device-stays",
                   grant_v1(16)->flags == (GTF_permit_access | GTF_readonly | GTF_reading), "0x%x",
                   grant_v1(16)->flags);
        end.host_addr = 0;
        end.dev_bus_addr = op.dev_bus_addr;
        check_true("unmap-device",
                   hv_grant(GNTTABOP_unmap_grant_ref, &end, 1) == 0 && end.status == 0, "%d",
                   end.status);
    }
    check_true("unmap-device-ends", grant_end(16), "0x%x", grant_v1(16)->flags);
    for (unsigned i = 0; i < 3; i++) {
        restore(window[i]);
    }
}

void test_map_refused(void)
{
    grant_access(17, self, granted[1], GTF_readonly);
    check_result("map-writable-of-read-only", grant_map(self, 17, window[0], MAP_RW, NULL),
                 GNTST_general_error);
    check_result("map-no-place", grant_map(self, 17, window[0], 0, NULL), GNTST_bad_gntref);
    check_result("map-no-domain", grant_map(0x7000, 17, window[0], MAP_RO, NULL), GNTST_bad_domain);
    check_result("map-domain-self", grant_map(DOMID_SELF, 17, window[0], MAP_RO, NULL),
                 GNTST_bad_domain);
    check_result("map-ref-too-big", grant_map(self, 1024, window[0], MAP_RO, NULL),
                 GNTST_bad_gntref);
    check_result("map-ref-huge", grant_map(self, 0xffffffff, window[0], MAP_RO, NULL),
                 GNTST_bad_gntref);
    check_result("map-empty-entry", grant_map(self, 500, window[0], MAP_RO, NULL),
                 GNTST_general_error);
    check_result("map-no-table", grant_map(self, 17, (void *)0x10000000000, MAP_RO, NULL),
                 GNTST_general_error);
    check_result("map-at-hypervisor", grant_map(self, 17, (void *)0xffff830000000000, MAP_RO, NULL),
                 GNTST_general_error);
    grant_access(17, (uint16_t)(self + 1), granted[1], 0);
    check_result("map-of-another", grant_map(self, 17, window[0], MAP_RO, NULL),
                 GNTST_general_error);
    grant_access(17, self, granted[1], 0);
    grant_v1(17)->frame = 0xfffffff;
    check_result("map-no-frame", grant_map(self, 17, window[0], MAP_RO, NULL), GNTST_bad_page);
    grant_v1(17)->frame = (uint32_t)va_to_mfn(table_walk(window[0], 1));
    check_result("map-page-table", grant_map(self, 17, window[0], MAP_RW, NULL),
                 GNTST_general_error);
    check_true("map-refused-leaves-nothing", grant_v1(17)->flags == GTF_permit_access, "0x%x",
               grant_v1(17)->flags);
    grant_v1(17)->flags = GTF_accept_transfer;
    check_result("map-of-transfer", grant_map(self, 17, window[0], MAP_RO, NULL),
                 GNTST_general_error);
    check_result("map-at-memory",
                 grant_map(self, 17, (void *)(va_to_mfn(granted[2]) * PAGE_SIZE),
                           MAP_RO | GNTMAP_contains_pte, NULL),
                 GNTST_general_error);
    grant_access(17, self, granted[1], 0);
    check_result("map-at-unaligned",
                 grant_map(self, 17, (void *)(page_entry_address(window[0]) + 1),
                           MAP_RO | GNTMAP_contains_pte, NULL),
                 GNTST_general_error);
    check_result("map-at-upper-table",
                 grant_map(self, 17, (void *)(va_to_mfn(table_boot()) * PAGE_SIZE + 8),
                           MAP_RO | GNTMAP_contains_pte, NULL),
                 GNTST_general_error);
    check_true("map-refused-leaves-window",
               (pte_of(window[0]) & PTE_FRAME) / PAGE_SIZE == va_to_mfn(window[0]), "0x%lx",
               pte_of(window[0]));
}

void test_unmap(void)
{
    grant_handle_t h;
    struct gnttab_unmap_and_replace op;

    grant_access(18, self, granted[3], 0);
    check_result("unmap-map", grant_map(self, 18, window[3], MAP_RW, &h), GNTST_okay);
    check_result("unmap-bad-handle", grant_unmap(h + 100, window[3]), GNTST_bad_handle);
    check_result("unmap-huge-handle", grant_unmap(0xffffffff, window[3]), GNTST_bad_handle);
    check_result("unmap-wrong-address", grant_unmap(h, window[4]), GNTST_general_error);
    check_result("unmap-no-address", grant_unmap(h, NULL), GNTST_okay);
    check_true("unmap-no-address-nothing", (grant_v1(18)->flags & GTF_reading) != 0, "0x%x",
               grant_v1(18)->flags);
    window[5][9] = 99;
    op = (struct gnttab_unmap_and_replace){
        .host_addr = (uint64_t)window[3], .new_addr = (uint64_t)window[5], .handle = h};
    check_true("replace", hv_grant(GNTTABOP_unmap_and_replace, &op, 1) == 0 && op.status == 0, "%d",
               op.status);
    check_true("replace-moves", *(volatile uint8_t *)&window[3][9] == 99 && pte_of(window[5]) == 0,
               "%u 0x%lx", window[3][9], pte_of(window[5]));
    check_true("replace-ends", grant_end(18), "0x%x", grant_v1(18)->flags);
    check_result("unmap-again", grant_unmap(h, window[3]), GNTST_bad_handle);
    restore(window[5]);
    restore(window[3]);
}
