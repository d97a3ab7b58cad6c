/* SPDX-License-Identifier: MIT
 *
 * Grant operations of two domains as a stream of bytes, six each: what, who, which entry, where, and
 * two of what is written into entries. The auditors and the TLB check after each.
 */
#include <stdlib.h>

#include <lagan/assert.h>
#include "mm/heap.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "shmem/grant_int.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"

enum { DOMAINS = 2, FRAMES = 8, OP = 6, SLOTS = 4 };

static struct account account[DOMAINS];
static struct grant_table *table[DOMAINS];
static mfn_t frame[DOMAINS][FRAMES]; /* 0 to 3: L4 to L1 */
static bool alive[DOMAINS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t *entry(mfn_t m, unsigned i)
{
    return (uint64_t *)arch_map_frame(m) + i;
}

static void start_domain(unsigned d)
{
    static const struct grant_limits limits = {2, 1, 2};

    BUG_ON(account_init(&account[d], (domid_t)(d + 1), 2 * FRAMES) != 0);
    for (unsigned i = 0; i < FRAMES; i++)
        BUG_ON(account_alloc(&account[d], 0, 0, &frame[d][i]) != 0);
    for (unsigned i = 0; i < 3; i++)
        *entry(frame[d][i], 0) = frame[d][i + 1].n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    BUG_ON(table_pin(&account[d], frame[d][0], 4) != 0);
    BUG_ON(grant_table_create(&account[d], &limits, 2, &table[d]) != 0);
    BUG_ON(grant_table_grow(table[d], 1) != GNTST_okay);
    host_tlb_load(d, &account[d], frame[d][0]);
    alive[d] = true;
}

static void check(void)
{
    BUG_ON(grant_audit() != 0 || mm_audit() != 0 || mm_audit_held() != grant_audit_held() ||
           host_tlb_check() != 0);
}

static void kill_domain(unsigned d)
{
    if (!alive[d])
        return;
    alive[d] = false;
    host_tlb_load(d, NULL, mfn(0));
    while (account_relinquish(&account[d]) == -XEN_ERESTART)
        check();
    while (grant_table_relinquish(table[d]) == -XEN_ERESTART)
        check();
}

/* Raw bytes into an entry: the flags mostly such as mean something. */
static void write_entry(unsigned d, const uint8_t *op)
{
    uint64_t *e = (uint64_t *)grant_v1(table[d], 0) + op[2] % 32;
    uint64_t m = op[5] & 0x80 ? op[5] : frame[(op[5] >> 4) % DOMAINS][op[5] % FRAMES].n;

    if (op[1] & 0x80) /* the second half of a version 2 entry, or anything */
        *e = m;
    else
        *e = m << 32 | (uint64_t)(1 + op[4] / 64 % DOMAINS) << 16 | (uint64_t)(op[4] & 0x1f) |
             (op[4] & 0x20 ? GTF_sub_page : 0);
}

static uint64_t place(unsigned d, const uint8_t *op, uint32_t *flags)
{
    if (op[4] & 1)
        return (uint64_t)(op[3] % SLOTS) << PAGE_SHIFT;
    *flags |= GNTMAP_contains_pte;
    return frame[d][op[3] >> 4 & 3].n << PAGE_SHIFT | (op[3] % SLOTS) * 8;
}

static int map(struct grant_user *u, unsigned d, const uint8_t *op)
{
    struct gnttab_map_grant_ref m = {.ref = op[2], .dom = (domid_t)(1 + op[5] % 3)};

    m.flags = op[4] >> 1 & (GNTMAP_device_map | GNTMAP_host_map | GNTMAP_readonly);
    m.host_addr = place(d, op, &m.flags);
    return grant_map(u, &m);
}

static void unmap(struct grant_user *u, unsigned d, const uint8_t *op)
{
    struct grant_unmap_batch b;
    uint32_t flags = 0;

    grant_unmap_begin(&b, u);
    for (unsigned i = 0; i < 1 + (op[1] & 3u); i++)
        (void)!grant_unmap_one(&b, place(d, op, &flags),
                               op[4] & 2 ? frame[1 - d][op[5] % FRAMES].n << PAGE_SHIFT : 0,
                               op[4] & 4 ? (uint64_t)(op[5] % SLOTS) << PAGE_SHIFT : 0, op[2] + i);
    grant_unmap_finish(&b);
}

static int copy(struct grant_user *u, unsigned d, const uint8_t *op)
{
    struct gnttab_copy c = {.len = (uint16_t)(op[4] << 4), .flags = op[4] & 3};

    c.source.domid = c.dest.domid = op[4] & 4 ? DOMID_SELF : (domid_t)(1 + op[5] % 3);
    c.source.u.ref = op[2];
    c.dest.u.ref = op[3];
    if (!(c.flags & GNTCOPY_source_gref)) {
        c.source.u.gmfn = frame[d][op[2] % FRAMES].n;
        c.source.domid = DOMID_SELF;
    }
    if (!(c.flags & GNTCOPY_dest_gref)) {
        c.dest.u.gmfn = frame[d][4 + op[3] % 4].n; /* not over tables' contents to come */
        c.dest.domid = DOMID_SELF;
    }
    c.source.offset = (uint16_t)(op[5] << 4);
    return grant_copy(u, &c);
}

static void change_entry(unsigned d, const uint8_t *op)
{
    struct table_change c = {.from = account[d].id};

    c.entry = op[4] & 1 ? frame[op[5] % DOMAINS][4 + op[5] / 16 % 4].n << PAGE_SHIFT | PTE_P |
                              (op[4] & 2) | PTE_US
                        : 0;
    (void)!table_update(&account[d], frame[d][3], op[3] % SLOTS, &c);
}

static void operate(const uint8_t *op)
{
    unsigned d = op[1] % DOMAINS;
    struct grant_user u = {table[d], frame[d][0], op[1] >> 2 & 1};
    struct gnttab_transfer t = {
        .mfn = frame[d][op[5] % FRAMES].n, .domid = (domid_t)(1 + op[4] % 3), .ref = op[2]};
    mfn_t hit;

    if (!alive[d])
        return;
    if (op[0] % 12 == 11) {
        if (op[2] == 3)
            kill_domain(d);
        else
            (void)!grant_set_version(table[d], op[2] % 4);
        return;
    }
    grant_enter();
    switch (op[0] % 12) {
    case 0:
        write_entry(d, op);
        break;
    case 1:
    case 2:
    case 3:
        (void)!map(&u, d, op);
        break;
    case 4:
    case 5:
        unmap(&u, d, op);
        break;
    case 6:
        (void)!copy(&u, d, op);
        break;
    case 7:
        change_entry(d, op);
        break;
    case 8:
        (void)!grant_swap(table[d], op[2], op[3]);
        break;
    case 9:
        (void)host_touch(d, (uint64_t)(op[3] % SLOTS) << PAGE_SHIFT, op[4] & 1, &hit);
        break;
    default:
        if (op[3] & 1)
            (void)!grant_transfer(&u, &t);
        else
            (void)!grant_table_grow(table[d], op[2] % 4);
    }
    grant_leave();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t free_before;

    if (size > 400)
        return -1;
    host_heap(100, 0);
    accounts_init();
    grants_init();
    free_before = heap_free_pages();
    for (unsigned d = 0; d < DOMAINS; d++)
        start_domain(d);
    for (size_t i = 0; i + OP <= size; i += OP) {
        operate(data + i);
        check();
    }
    for (unsigned d = 0; d < DOMAINS; d++)
        kill_domain(d);
    for (unsigned d = 0; d < DOMAINS; d++) {
        BUG_ON(account[d].pages != 0 || grant_table_withdraw(table[d]) != 0);
        grant_table_destroy(table[d]);
        account_destroy(&account[d]);
    }
    slab_trim();
    heap_audit();
    BUG_ON(heap_free_pages() != free_before);
    return 0;
}
