/* SPDX-License-Identifier: MIT
 *
 * Operations on the buffer cache as a stream of bytes, six each: what, who, on which volume, which block, and
 * two of what the guest says. The auditors and the TLB check after each; a read that succeeds has to find its block.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/assert.h>
#include "mm/window.h"
#include "unittests/ubc_kit.h"

enum { OP = 6, VOLUMES = 2, BLOCKS = 40, SLOTS = 12 };

unsigned long test_seed = 1;
static uint64_t volume[VOLUMES];
static uint64_t now;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void map(unsigned d, uint64_t v, const uint8_t *in)
{
    struct lagan_ubc_map op = {.block = in[3] == 255 ? UINT64_MAX : in[3] % BLOCKS,
                               .address = ubc_va(in[4] % SLOTS),
                               .flags = in[5] & 31};

    if (op.flags & LAGAN_UBC_PTE)
        op.address = (in[4] & 16 ? ud[d].space.l1[0].n : in[4] * 8ul) << PAGE_SHIFT |
                     (KIT_DATA + in[4] % SLOTS) * 8;
    (void)!do_map_op(d, v, &op);
}

static void insert(unsigned d, uint64_t v, const uint8_t *in)
{
    struct lagan_ubc_insert op = {
        .block = in[3] % BLOCKS, .level = in[4] & 1, .flags = in[4] >> 1 & 2};
    uint64_t content[PAGE_SIZE / sizeof(uint64_t)];

    ubc_fill(content, op.block, in[5]);
    (void)!do_insert_page(d, v, &op, in[4] >> 3, content);
}

static void restart(unsigned d)
{
    ubc_kill(d);
    ubc_restart(d);
}

static void remake(unsigned n)
{
    BUG_ON(do_destroy(volume[n]) != 0);
    volume[n] = n ? ubc_make_slotted(n + 1, BLOCKS) : ubc_make_shared(n + 1, BLOCKS);
}

/* What readers ask for, and what the publisher says. */
static void want(unsigned d, uint64_t v, const uint8_t *in)
{
    struct lagan_ubc_want io = {.block = in[3] % BLOCKS, .flags = in[4] & 3};

    if (in[5] & 1)
        (void)!do_wanted(d, v, &io);
    else
        (void)!do_refuse(d, v, &io);
}

static void write_entry(unsigned d, const uint8_t *in)
{
    struct table_change c = {.from = ud[d].account->id};
    uint64_t old = ubc_pte(d, in[4] % SLOTS);

    if (in[5] & 1) /* what is there for another entry, perhaps to be written */
        c.entry = old ^ (in[5] & 2 ? PTE_RW : 0) ^ (in[5] & 8 && old ? WINDOW_ENTRY : 0);
    (void)!table_update(ud[d].account, ud[d].space.l1[in[5] & 4 ? 1 : 0], KIT_DATA + in[3] % SLOTS,
                        &c);
}

/* In time, or late. */
static void housekeep(const uint8_t *in)
{
    uint64_t when = ubc_housekeep();

    if (when > now)
        host_set_time(now = when + (in[3] & 1 ? LAGAN_UBC_GRACE_NS : 0));
}

static void take_memory(const uint8_t *in)
{
    void *p = page_alloc(in[3] % 10, HEAP_ANY);

    if (p)
        memset(p, 0xee, PAGE_SIZE);
    page_free(p, in[3] % 10);
}

/* Of what is shared nothing is writable. A copy (ubc/press.c) is the reader's own, to do with as it likes. */
static void look_at_entry(unsigned n)
{
    uint64_t e = ubc_pte(UREAD, n);
    mfn_t hit;

    if ((e & PTE_P) && frame_owner(frame_of(pte_frame(e))) == DOMID_COW)
        BUG_ON(e & PTE_RW);
    (void)host_touch(UREAD, ubc_va(n), false, &hit);
}

static void do_op(const uint8_t *in)
{
    unsigned d = in[1] % UBC_DOMAINS, n = in[2] % VOLUMES;
    struct lagan_ubc_unmap next = {.handle = in[4]};
    uint64_t v = volume[n];
    uint32_t tag;

    switch (in[0] % 17) {
    case 0:
        insert(d, v, in);
        break;
    case 1:
        map(d, v, in);
        break;
    case 2:
        (void)!do_unmap_handle(d, v, in[3]);
        break;
    case 3:
        (void)!do_read_tag(d, v, in[3], &tag);
        break;
    case 4:
        (void)!do_invalidate(d, v, in[3] % 64, in[4] % 64, NULL);
        break;
    case 5:
        (void)!do_revoke(d, v, in[3] % 64, in[4] % 64, in[5]);
        break;
    case 6:
        (void)!do_next(d, v, &next);
        host_set_time(now += in[5]);
        break;
    case 7:
        (void)ubc_reclaim(in[3]);
        break;
    case 8:
        (void)!ubc_give(v, d, in[3] % 5, in[4]);
        break;
    case 9:
        (void)!do_renew(d, &volume[n], in[3], BLOCKS);
        break;
    case 10:
        if (in[3] % 4 == 0)
            restart(d);
        break;
    case 11:
        if (in[3] % 4 == 0)
            remake(n);
        break;
    case 12:
        ubc_lack(in[3]);
        break;
    case 13:
        housekeep(in);
        break;
    case 14:
        take_memory(in);
        break;
    case 15:
        want(d, v, in);
        break;
    default:
        write_entry(d, in);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    host_set_time(now = 0);
    ubc_start();
    for (unsigned n = 0; n < VOLUMES; n++)
        volume[n] = n ? ubc_make_slotted(n + 1, BLOCKS) : ubc_make_shared(n + 1, BLOCKS);
    for (; size >= OP; data += OP, size -= OP) {
        host_preempt_every(data[0] >> 6);
        do_op(data);
        host_preempt_every(0);
        ubc_check();
        for (unsigned s = 0; s < SLOTS; s++)
            look_at_entry(s);
    }
    ubc_end();
    return 0;
}
