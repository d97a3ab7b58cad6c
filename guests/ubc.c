/* SPDX-License-Identifier: MIT
 *
 * ubc: the unified buffer cache from a guest's side.
 *
 * As the control domain it makes volumes, publishes and reads them, all by itself; with role=window it maps the
 * volume of a boot module, whose file begins with "\x7fELF"; with role=evil it calls with what comes to its mind,
 * for `rounds` rounds. Neither of these two has any other right.
 */
#include "kit/kit.h"
#include "kit/ubc.h"

const char guest_name[] = "ubc";

enum { BLOCKS = 100 };

static uint64_t page[2][512] PAGE_ALIGNED, window[8][512] PAGE_ALIGNED;
static uint64_t volume;

/* SHA-256 of a page of zeroes, and of a page of 128 such digests. */
static const uint8_t zero_digest[32] = {
    0xad, 0x7f, 0xac, 0xb2, 0x58, 0x6f, 0xc6, 0xe9, 0x66, 0xc0, 0x04, 0xd7, 0xd1, 0xd1, 0x6b, 0x02,
    0x4f, 0x58, 0x05, 0xff, 0x7c, 0xb4, 0x7c, 0x7a, 0x85, 0xda, 0xbd, 0x8b, 0x48, 0x89, 0x2c, 0xa7};
static const uint8_t zero_root[32] = {
    0xb2, 0x4a, 0x5d, 0xfc, 0x70, 0x87, 0xb0, 0x9c, 0x73, 0x78, 0xbb, 0x91, 0x00, 0xb5, 0xea, 0x91,
    0x3f, 0x28, 0x3d, 0xa2, 0xc8, 0xca, 0x05, 0x29, 0x7f, 0x39, 0x45, 0x7c, 0xbd, 0xd6, 0x51, 0xd4};

static void fill(uint64_t block, uint64_t tag)
{
    for (unsigned i = 0; i < 512; i++)
        page[0][i] = block << 32 | tag;
}

static void write_word(void *at)
{
    *(volatile uint64_t *)at = 1;
}

static void read_word(void *at)
{
    (void)*(volatile uint64_t *)at;
}

static long insert(uint64_t block, uint64_t tag, uint64_t epoch)
{
    struct lagan_ubc_insert op = {.block = block, .address = (uint64_t)page[0]};

    fill(block, tag);
    return ubc_insert(volume, &op, epoch);
}

static long map(uint64_t block, unsigned n, uint32_t *handle)
{
    struct lagan_ubc_map op = {.block = block, .address = (uint64_t)window[n]};
    long rc = ubc_map(volume, &op);

    *handle = op.handle;
    return rc;
}

static long allow(uint64_t v, unsigned rights, unsigned limit)
{
    struct lagan_ubc_allow in = {.domid = DOMID_SELF, .rights = rights, .limit = limit};

    return hv_ubc(LAGAN_UBC_allow, v, &in, 0, 0);
}

/* ---- the control domain ---- */

static void make(void)
{
    struct lagan_ubc_create in = {.id = "test", .generation = 1, .blocks = BLOCKS};
    struct lagan_ubc_open io = {.id = "test"};

    check_result("create", hv_ubc(LAGAN_UBC_create, 0, &in, 0, 0), 0);
    volume = in.volume;
    check_result("create-again", hv_ubc(LAGAN_UBC_create, 0, &in, 0, 0), -XEN_EEXIST);
    check_result("create-bad-pointer", hv_ubc(LAGAN_UBC_create, 0, (void *)8, 0, 0), -XEN_EFAULT);
    check_result("no-such-command", hv_ubc(99, volume, &in, 0, 0), -XEN_ENOSYS);
    check_result("no-such-volume", hv_ubc(LAGAN_UBC_stats, volume + 1, &in, 0, 0), -XEN_ENXIO);
    check_result("allow", allow(volume, LAGAN_UBC_READ | LAGAN_UBC_PUBLISH, 4), 0);
    check_result("open", hv_ubc(LAGAN_UBC_open, 0, &io, 0, 0), 0);
    check_true("open-says", io.volume == volume && io.blocks == BLOCKS && io.limit == 4, "%lu %lu",
               io.volume, io.blocks);
}

static void publish(void)
{
    struct lagan_ubc_insert op = {.block = 60, .flags = LAGAN_UBC_DONATE};
    long rc = 0;

    check_begin("insert");
    for (unsigned b = 0; b < 50 && !rc; b++)
        rc = insert(b, 7, 1);
    check_part(rc == 0, "%ld", rc);
    check_end();
    check_result("insert-again", insert(3, 7, 1), -XEN_EEXIST);
    check_result("insert-beyond", insert(BLOCKS, 7, 1), -XEN_EINVAL);
    op.address = va_to_mfn(page[1]);
    check_result("donate-mapped", ubc_insert(volume, &op, 1), -XEN_EBUSY);
    op.flags = 0;
    op.address = 0xffff830000000000;
    check_result("insert-bad-pointer", ubc_insert(volume, &op, 1), -XEN_EFAULT);
}

static void read_and_map(void)
{
    uint32_t h[5];
    struct fault f;

    check_result("read", ubc_read(volume, 20, page[1], 8, 16), 0);
    check_true("read-says", page[1][0] == (20ul << 32 | 7), "%lx", page[1][0]);
    check_result("read-missing", ubc_read(volume, 70, page[1], 0, 8), -XEN_ENOENT);
    check_result("read-beyond-page", ubc_read(volume, 20, page[1], 4090, 8), -XEN_EINVAL);
    check_result("map", map(21, 0, &h[0]), 0);
    check_true("map-says", window[0][511] == (21ul << 32 | 7), "%lx", window[0][511]);
    f = guarded(write_word, window[0]);
    check_true("map-is-read-only", f.vector == 14, "vector %u", f.vector);
    check_true("make-writable-refused",
               hv_update_va_mapping(window[0], *table_walk(window[0], 1) | PTE_W, UVMF_INVLPG) != 0,
               "a writable entry");
    check_true("second-entry-refused",
               hv_update_va_mapping(window[5], *table_walk(window[0], 1), UVMF_INVLPG) != 0,
               "an entry of one's own");
    check_result("map-missing", map(70, 1, &h[1]), -XEN_ENOENT);
    for (unsigned i = 1; i < 4; i++)
        check_result("map-more", map(21 + i, i, &h[i]), 0);
    check_result("map-over-limit", map(21, 4, &h[4]), -XEN_ENOBUFS);
    check_result("unmap", ubc_unmap(volume, h[3]), 0);
    check_result("unmap-again", ubc_unmap(volume, h[3]), -XEN_ENOENT);
    f = guarded(read_word, window[3]);
    check_true("unmapped-is-gone", f.vector == 14, "vector %u", f.vector);
}

static void take_away(void)
{
    struct lagan_ubc_range all = {.first = 0, .count = BLOCKS}, one = {.first = 21, .count = 1};
    struct lagan_ubc_unmap next = {.handle = 0};
    struct lagan_ubc_stats s;
    struct fault f;

    check_result("invalidate", hv_ubc(LAGAN_UBC_invalidate, volume, &one, 0, 0), 0);
    f = guarded(read_word, window[0]);
    check_true("invalid-is-gone", f.vector == 14, "vector %u", f.vector);
    check_result("late-insert", insert(21, 8, one.epoch - 1), -XEN_EAGAIN);
    check_result("insert-new", insert(21, 8, one.epoch), 0);
    all.timeout_ns = LAGAN_UBC_TIMEOUT_MAX + 1;
    check_result("revoke-for-too-long", hv_ubc(LAGAN_UBC_revoke, volume, &all, 0, 0), -XEN_EINVAL);
    all.timeout_ns = LAGAN_UBC_TIMEOUT_MAX;
    check_result("revoke-waits", hv_ubc(LAGAN_UBC_revoke, volume, &all, 0, 0), -XEN_EAGAIN);
    check_result("next-revoked", hv_ubc(LAGAN_UBC_next_revoked, volume, &next, 0, 0), 0);
    check_true("next-is-gone", next.status == LAGAN_UBC_GONE && next.block == 21, "%d %lu",
               next.status, next.block);
    check_result("stats", hv_ubc(LAGAN_UBC_stats, volume, &s, 0, 0), 0);
    check_true("stats-say", s.pages == 2 && s.mapped == 2 && s.taken == 1, "%lu %lu %lu", s.pages,
               s.mapped, s.taken);
}

static void tree(void)
{
    struct lagan_ubc_create in = {
        .id = "tree", .generation = 1, .blocks = 128, .flags = LAGAN_UBC_TREE};
    struct lagan_ubc_insert op = {.block = 9, .address = (uint64_t)page[1]};
    uint8_t *low = (uint8_t *)page[0];

    for (unsigned i = 0; i < 32; i++)
        in.root[i] = zero_root[i];
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        low[i] = zero_digest[i % 32];
    for (unsigned i = 0; i < 512; i++)
        page[1][i] = 0;
    check_result("tree-create", hv_ubc(LAGAN_UBC_create, 0, &in, 0, 0), 0);
    check_result("tree-allow", allow(in.volume, LAGAN_UBC_READ, 1), 0);
    check_result("tree-no-parent", ubc_insert(in.volume, &op, 0), -XEN_ENODATA);
    op = (struct lagan_ubc_insert){.address = (uint64_t)page[0], .flags = LAGAN_UBC_HASH};
    low[77] ^= 1;
    check_result("tree-wrong-hash", ubc_insert(in.volume, &op, 0), -XEN_EILSEQ);
    low[77] ^= 1;
    check_result("tree-hash", ubc_insert(in.volume, &op, 0), 0);
    op = (struct lagan_ubc_insert){.block = 9, .address = (uint64_t)page[1]};
    page[1][511] = 1;
    check_result("tree-wrong-data", ubc_insert(in.volume, &op, 0), -XEN_EILSEQ);
    page[1][511] = 0;
    check_result("tree-data", ubc_insert(in.volume, &op, 0), 0);
    check_result("tree-read", ubc_read(in.volume, 9, page[0], 0, 4096), 0);
    check_result("tree-destroy", hv_ubc(LAGAN_UBC_destroy, in.volume, NULL, 0, 0), 0);
}

static void renew(void)
{
    struct lagan_ubc_create in = {.generation = 2, .blocks = 10};
    struct fault f;

    check_result("renew", hv_ubc(LAGAN_UBC_renew, volume, &in, 0, 0), 0);
    check_true("renew-says", in.volume != volume, "the same handle");
    f = guarded(read_word, window[1]);
    check_true("old-is-gone", f.vector == 14, "vector %u", f.vector);
    check_result("old-handle", ubc_read(volume, 1, page[1], 0, 8), -XEN_ENXIO);
    check_result("new-is-empty", ubc_read(in.volume, 1, page[1], 0, 8), -XEN_ENOENT);
    check_result("destroy", hv_ubc(LAGAN_UBC_destroy, in.volume, NULL, 0, 0), 0);
    check_result("destroyed", ubc_read(in.volume, 1, page[1], 0, 8), -XEN_ENXIO);
}

static void control(void)
{
    make();
    publish();
    read_and_map();
    take_away();
    tree();
    renew();
    for (unsigned n = 0; n < 8; n++)
        (void)page_make_writable(window[n]);
}

/* ---- others ---- */

/* Is it one of those that we started with? */
static bool is_ours(uint64_t mfn)
{
    uint64_t pfn = mfn_to_pfn(mfn);

    return pfn < kit_start_info->nr_pages && pfn_to_mfn(pfn) == mfn;
}

static void map_window(void)
{
    struct lagan_ubc_open io = {.id = "image"};
    struct lagan_ubc_create in = {.id = "mine", .generation = 1, .blocks = 1};
    uint64_t first;
    struct fault f;

    check_result("not-for-us", hv_ubc(LAGAN_UBC_create, 0, &in, 0, 0), -XEN_EPERM);
    check_result("open", hv_ubc(LAGAN_UBC_open, 0, &io, 0, 0), 0);
    check_true("is-window", io.flags == LAGAN_UBC_WINDOW && io.rights == LAGAN_UBC_READ, "%u %u",
               io.flags, io.rights);
    first = io.window / PAGE_SIZE;
    check_result("map", page_map(window[0], first, PTE_P | PTE_U | PTE_NX), 0);
    check_true("content", (uint32_t)window[0][0] == 0x464c457f, "%lx", window[0][0]);
    check_result("map-for-writing", page_map(window[0], first, PTE_P | PTE_W | PTE_U | PTE_NX), 0);
    check_true("entry-is-read-only", !(*table_walk(window[0], 1) & PTE_W), "%lx",
               *table_walk(window[0], 1));
    f = guarded(write_word, window[0]);
    check_true("write-faults", f.vector == 14, "vector %u", f.vector);
    check_true("behind-is-refused",
               is_ours(first + io.blocks) ||
                   page_map(window[1], first + io.blocks, PTE_P | PTE_U) != 0,
               "%lu", first + io.blocks);
    check_result("read", ubc_read(io.volume, 0, page[1], 0, 4), 0);
    check_result("allow-refused", allow(io.volume, 3, 1), -XEN_EPERM);
    check_result("destroy-refused", hv_ubc(LAGAN_UBC_destroy, io.volume, NULL, 0, 0), -XEN_EPERM);
    (void)page_make_writable(window[0]);
}

static uint64_t seed = 88172645463325252;

static uint64_t noise(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* Words that are small, huge, handles, addresses of pages and of tables. */
static uint64_t word(void)
{
    switch (noise() % 8) {
    case 0:
        return noise();
    case 1:
        return (uint64_t)page[noise() % 2];
    case 2:
        return (uint64_t)window[noise() % 8];
    case 3:
        return page_entry_address(window[noise() % 8]);
    case 4:
        return va_to_mfn(page[1]);
    case 5:
        return UINT64_MAX;
    default:
        return noise() % 70;
    }
}

static void evil(void)
{
    uint64_t rounds = args_number("rounds", 20000);
    struct lagan_ubc_open io = {.id = "image"};

    (void)hv_ubc(LAGAN_UBC_open, 0, &io, 0, 0);
    for (uint64_t n = 0; n < rounds; n++) {
        uint64_t v = noise() % 4 ? io.volume : word();

        for (unsigned i = 0; i < 64; i++)
            page[0][i] = word();
        (void)hv_ubc((unsigned)(noise() % 17), v, noise() % 8 ? page[0] : (void *)word(),
                     (unsigned)(noise() % 16 ? noise() % 20 : noise()), word());
    }
    check_pass("still-here");
}

void guest_main(void)
{
    if (args_is("role", "window"))
        map_window();
    else if (args_is("role", "evil"))
        evil();
    else
        control();
}
