/* SPDX-License-Identifier: MIT
 *
 * Copies; lists of operations; entries that change places; pages that change hands; version 2.
 */
#include "grant/grant.h"

static struct gnttab_copy copy_of(grant_ref_t from, grant_ref_t to, uint16_t length)
{
    struct gnttab_copy op = {.len = length, .flags = GNTCOPY_source_gref | GNTCOPY_dest_gref};

    op.source.u.ref = from;
    op.dest.u.ref = to;
    op.source.domid = op.dest.domid = self;
    return op;
}

static int copy(struct gnttab_copy op)
{
    return grant_copy(&op);
}

void test_copy(void)
{
    struct gnttab_copy op;

    for (unsigned i = 0; i < PAGE_SIZE; i++) {
        granted[4][i] = (uint8_t)(i * 3 + i / 256);
        granted[5][i] = 0;
    }
    grant_access(20, self, granted[4], GTF_readonly);
    grant_access(21, self, granted[5], 0);
    op = copy_of(20, 21, 1000);
    op.source.offset = 17;
    op.dest.offset = PAGE_SIZE - 1000;
    check_result("copy", copy(op), GNTST_okay);
    check_true("copy-copies",
               memcmp(&granted[5][PAGE_SIZE - 1000], &granted[4][17], 1000) == 0 &&
                   granted[5][PAGE_SIZE - 1001] == 0,
               "differs");
    check_result("copy-page", copy(copy_of(20, 21, PAGE_SIZE)), GNTST_okay);
    check_true("copy-page-copies", memcmp(granted[5], granted[4], PAGE_SIZE) == 0, "differs");
    check_result("copy-nothing", copy(copy_of(20, 21, 0)), GNTST_okay);
    op = copy_of(20, 21, 8);
    op.source.domid = op.dest.domid = DOMID_SELF;
    check_result("copy-domain-self", copy(op), GNTST_okay);
    op = copy_of(20, 0, 64);
    op.flags = GNTCOPY_source_gref;
    op.dest.u.gmfn = va_to_mfn(granted[6]);
    op.dest.domid = DOMID_SELF;
    op.source.offset = 64;
    check_result("copy-to-own", copy(op), GNTST_okay);
    check_true("copy-to-own-copies", memcmp(granted[6], &granted[4][64], 64) == 0, "differs");
    check_true("copy-leaves-no-flags",
               grant_v1(20)->flags == (GTF_permit_access | GTF_readonly) &&
                   grant_v1(21)->flags == GTF_permit_access,
               "0x%x 0x%x", grant_v1(20)->flags, grant_v1(21)->flags);
}

void test_copy_refused(void)
{
    struct gnttab_copy op = copy_of(20, 21, 100);

    op.source.offset = PAGE_SIZE - 99;
    check_result("copy-source-crosses", copy(op), GNTST_bad_copy_arg);
    op = copy_of(20, 21, 100);
    op.dest.offset = 0xffff;
    check_result("copy-dest-crosses", copy(op), GNTST_bad_copy_arg);
    check_result("copy-to-read-only", copy(copy_of(21, 20, 8)), GNTST_general_error);
    check_result("copy-bad-ref", copy(copy_of(20, 1024, 8)), GNTST_bad_gntref);
    check_result("copy-empty-entry", copy(copy_of(500, 21, 8)), GNTST_general_error);
    op = copy_of(20, 21, 8);
    op.source.domid = 0x7000;
    check_result("copy-no-domain", copy(op), GNTST_bad_domain);
    op = copy_of(20, 0, 8);
    op.flags = GNTCOPY_source_gref;
    op.dest.u.gmfn = va_to_mfn(granted[6]);
    check_result("copy-own-by-number", copy(op), GNTST_permission_denied);
    op.dest.domid = DOMID_SELF;
    op.dest.u.gmfn = 0xfffffff;
    check_result("copy-to-no-frame", copy(op), GNTST_bad_page);
    op.dest.u.gmfn = va_to_mfn(table_boot());
    check_result("copy-to-table", copy(op), GNTST_general_error);
}

void test_lists(void)
{
    static struct gnttab_map_grant_ref map[PAGES];
    static struct gnttab_unmap_grant_ref unmap[PAGES];
    static struct gnttab_copy copies[200];
    unsigned wrong = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        granted[i][0] = (uint8_t)(100 + i);
        grant_access(32 + i, self, granted[i], 0);
        map[i] = (struct gnttab_map_grant_ref){.host_addr = (uint64_t)window[i],
                                               .flags = MAP_RW,
                                               .ref = i == 7 ? 5000 : 32 + i,
                                               .dom = self};
    }
    check_result("list-map", hv_grant(GNTTABOP_map_grant_ref, map, PAGES), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        bool refused = map[i].status == GNTST_bad_gntref;

        wrong += i == 7 ? !refused : refused || *(volatile uint8_t *)window[i] != 100 + i;
        unmap[i] = (struct gnttab_unmap_grant_ref){.host_addr = (uint64_t)window[i],
                                                   .handle = i == 7 ? 9999 : map[i].handle};
    }
    check_true("list-each-its-own", wrong == 0, "%u wrong", wrong);
    check_result("list-unmap", hv_grant(GNTTABOP_unmap_grant_ref, unmap, PAGES), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        wrong += unmap[i].status != (i == 7 ? GNTST_bad_handle : GNTST_okay);
        wrong += !grant_end(32 + i);
        (void)page_make_writable(window[i]);
    }
    check_true("list-unmapped", wrong == 0, "%u wrong", wrong);
    for (unsigned i = 0; i < 200; i++) {
        copies[i] = copy_of(20, 21, 16);
        copies[i].dest.offset = copies[i].source.offset = (uint16_t)(16 * i);
    }
    memset(granted[5], 0, PAGE_SIZE);
    check_result("list-copy", hv_grant(GNTTABOP_copy, copies, 200), 0);
    check_true("list-copied", memcmp(granted[5], granted[4], 3200) == 0 && granted[5][3200] == 0,
               "differs");
}

/* ---- swap, transfer ---- */

static int swap(grant_ref_t a, grant_ref_t b)
{
    struct gnttab_swap_grant_ref op = {.ref_a = a, .ref_b = b, .status = 1};
    long rc = hv_grant(GNTTABOP_swap_grant_ref, &op, 1);

    return rc != 0 ? (int)rc - 1000 : op.status;
}

static int transfer(uint64_t mfn, grant_ref_t ref)
{
    struct gnttab_transfer op = {.mfn = mfn, .domid = self, .ref = ref, .status = 1};
    long rc = hv_grant(GNTTABOP_transfer, &op, 1);

    return rc != 0 ? (int)rc - 1000 : op.status;
}

void test_swap_and_transfer(void)
{
    grant_handle_t h;
    uint64_t frame;

    grant_access(24, self, granted[7], 0);
    grant_access(25, self, granted[8], GTF_readonly);
    check_result("swap", swap(24, 25), GNTST_okay);
    check_true("swap-swaps",
               grant_v1(24)->frame == va_to_mfn(granted[8]) &&
                   grant_v1(25)->flags == GTF_permit_access,
               "0x%x", grant_v1(25)->flags);
    check_result("swap-bad-ref", swap(24, 5000), GNTST_bad_gntref);
    check_result("swap-same", swap(24, 24), GNTST_okay);
    (void)grant_map(self, 24, window[6], MAP_RO, &h);
    check_result("swap-in-use", swap(24, 25), GNTST_eagain);
    (void)grant_unmap(h, window[6]);
    (void)page_make_writable(window[6]);

    check_result("transfer-mapped", transfer(va_to_mfn(granted[9]), 26), GNTST_bad_page);
    check_result("transfer-no-frame", transfer(0xfffffff, 26), GNTST_bad_page);
    frame = spare_frame(3);
    grant_v1(26)->domid = self;
    grant_v1(26)->frame = 0;
    __atomic_store_n(&grant_v1(26)->flags, (uint16_t)GTF_accept_transfer, __ATOMIC_SEQ_CST);
    check_result("transfer", transfer(frame, 26), GNTST_okay);
    check_true("transfer-completed",
               grant_v1(26)->flags ==
                       (GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed) &&
                   grant_v1(26)->frame == frame,
               "0x%x 0x%x", grant_v1(26)->flags, grant_v1(26)->frame);
    check_result("transfer-is-ours", page_map(window[7], frame, PTE_P | PTE_W | PTE_U), 0);
    *(volatile uint8_t *)window[7] = 1;
    (void)page_make_writable(window[7]);
    check_result("transfer-not-accepted", transfer(spare_frame(4), 27), GNTST_general_error);
    check_result("transfer-bad-ref", transfer(spare_frame(5), 5000), GNTST_general_error);
}

/* ---- version 2 ---- */

static long set_version(uint32_t version)
{
    struct gnttab_set_version op = {.version = version};

    return hv_grant(GNTTABOP_set_version, &op, 1);
}

static void access_2(grant_ref_t ref, const void *va, uint16_t flags)
{
    grant_v2(ref)->hdr.domid = self;
    grant_v2(ref)->full_page.frame = va_to_mfn(va);
    __atomic_store_n(&grant_v2(ref)->hdr.flags, flags, __ATOMIC_SEQ_CST);
}

static void sub_pages(void)
{
    struct gnttab_copy op = copy_of(40, 41, 50);

    access_2(40, granted[4], GTF_permit_access | GTF_sub_page);
    grant_v2(40)->sub_page.page_off = 100;
    grant_v2(40)->sub_page.length = 200;
    access_2(41, granted[5], GTF_permit_access);
    op.source.offset = 100;
    check_result("v2-sub-page", copy(op), GNTST_okay);
    op.source.offset = 250;
    check_result("v2-sub-page-to-the-end", copy(op), GNTST_okay);
    op.source.offset = 99;
    check_result("v2-sub-page-before", copy(op), GNTST_general_error);
    op.source.offset = 251;
    check_result("v2-sub-page-behind", copy(op), GNTST_general_error);
    check_result("v2-sub-page-map", grant_map(self, 40, window[0], MAP_RO, NULL),
                 GNTST_general_error);
    check_true("v2-status-clear", *grant_status(40) == 0 && *grant_status(41) == 0, "0x%x 0x%x",
               *grant_status(40), *grant_status(41));
}

void test_version_2(void)
{
    grant_handle_t h;

    grant_access(3, self, granted[10], GTF_readonly);
    check_result("version-3", set_version(3), -XEN_EINVAL);
    grant_access(24, self, granted[7], 0);
    (void)grant_map(self, 24, window[6], MAP_RO, &h);
    check_result("version-2-in-use", set_version(2), -XEN_EBUSY);
    (void)grant_unmap(h, window[6]);
    (void)page_make_writable(window[6]);
    check_result("version-2", set_version(2), 0);
    check_result("v2-map-status", grant_map_status(), 0);
    check_true("v2-reserved-carried",
               grant_v2(3)->full_page.frame == va_to_mfn(granted[10]) &&
                   grant_v2(3)->hdr.flags == (GTF_permit_access | GTF_readonly),
               "0x%x", grant_v2(3)->hdr.flags);
    check_true("v2-others-cleared", grant_v2(24)->hdr.flags == 0, "0x%x", grant_v2(24)->hdr.flags);
    granted[10][0] = 10;
    check_result("v2-map", grant_map(self, 3, window[1], MAP_RO, &h), GNTST_okay);
    check_true("v2-map-reaches", *(volatile uint8_t *)window[1] == 10, "%u", window[1][0]);
    check_true("v2-status", *grant_status(3) == GTF_reading, "0x%x", *grant_status(3));
    check_result("v2-unmap", grant_unmap(h, window[1]), GNTST_okay);
    check_true("v2-status-ends", *grant_status(3) == 0, "0x%x", *grant_status(3));
    (void)page_make_writable(window[1]);
    check_result("v2-ref-too-big", grant_map(self, 512, window[0], MAP_RO, NULL), GNTST_bad_gntref);
    sub_pages();
}
