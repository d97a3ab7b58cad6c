/* SPDX-License-Identifier: MIT
 *
 * A guest's page-table operations as a stream of bytes; the auditor and the TLB check after each.
 * Each operation is four bytes: what, which frame, which entry, which other frame and flags.
 */
#include <stdlib.h>

#include <lagan/assert.h>
#include "mm/segdesc.h"
#include "arch_inline.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/pte.h"
#include "mm/type.h"

enum { FRAMES = 16 };

static struct account account[2];
static mfn_t frame[FRAMES];
static bool released[FRAMES];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct account *owner_of(unsigned f)
{
    return &account[f >= FRAMES - 3];
}

static void start(void)
{
    host_heap(64, 0); /* low frames only: the auditor needs less memory */
    accounts_init();
    for (unsigned i = 0; i < 2; i++)
        BUG_ON(account_init(&account[i], (domid_t)(i + 1), FRAMES) != 0);
    account[1].maps_io = true;
    for (unsigned i = 0; i < FRAMES; i++) {
        BUG_ON(account_alloc(owner_of(i), 0, 0, &frame[i]) != 0);
        released[i] = false;
    }
}

static void finish(uint64_t free_before)
{
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        host_tlb_load(cpu, NULL, mfn(0));
    host_preempt_every(1);
    for (unsigned i = 0; i < 2; i++) {
        while (account_relinquish(&account[i]) == -XEN_ERESTART)
            BUG_ON(mm_audit() != 0);
    }
    for (unsigned i = 0; i < 2; i++) { /* either may have mapped frames of the other */
        BUG_ON(account[i].pages != 0);
        account_destroy(&account[i]);
    }
    heap_audit();
    BUG_ON(heap_free_pages() != free_before);
}

static uint64_t entry(uint8_t which, uint8_t bits)
{
    static const uint64_t flags[16] = {
        0,          PTE_P,       3,         PTE_P | PTE_US, 7,
        7 | PTE_A,  7 | PTE_PSE, 7 | PTE_G, 7 | PTE_PWT,    7 | UINT64_C(1) << 45,
        3 | PTE_NX, PTE_RW,      7 | PTE_D, 5 | PTE_A,      7,
        7};

    return frame[which % FRAMES].n << PAGE_SHIFT | flags[bits % 16];
}

/* CPUs leave tables before they are unpinned, as vCPUs hold references of their own. */
static void leave(mfn_t l4)
{
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        if (host_tlb_loaded(cpu).n == l4.n)
            host_tlb_load(cpu, NULL, mfn(0));
}

static int guest(unsigned f, const uint8_t *op)
{
    uint64_t va = (uint64_t)(op[2] & 3) << 12 | (uint64_t)(op[2] >> 2 & 3) << 21;

    if (op[0] & 0x40) {
        mfn_t hit;

        return host_touch(op[3] % HOST_CPUS, va, false, &hit);
    }
    if (op[0] & 0x20)
        return host_store(op[3] % HOST_CPUS, va | (op[2] & 0x30) >> 1, entry(op[1], op[3] >> 4));
    if (type_of(frame[f]) == TYPE_L4 && type_is_valid(frame[f]))
        host_tlb_load(op[3] % HOST_CPUS, owner_of(f), frame[f]);
    return 0;
}

/* The second account has devices. Bit 4: the frames of the other account; bit 3: keep A and D. */
static int change(struct account *a, unsigned f, unsigned index, const uint8_t *op)
{
    struct table_change c = {.entry = entry(op[3], op[3] >> 4),
                             .from = (domid_t)(op[0] & 0x10 ? 3 - a->id : a->id),
                             .preserve_ad = op[0] & 8,
                             .exact = op[2] & 0x40,
                             .expected = *((uint64_t *)arch_map_frame(frame[f]) + index)};
    int rc;

    if (op[2] & 0x20)
        c.entry = (HOST_OWN_DEVICE + (op[3] & 1)) << PAGE_SHIFT | (c.entry & 0xfff);
    rc = table_update(a, frame[f], index, &c);
    while (table_drop(&c.old_table) != 0)
        BUG_ON(mm_audit() != 0);
    return rc;
}

static int operate(const uint8_t *op)
{
    unsigned f = op[1] % FRAMES;
    unsigned index = op[2] % 4 + (op[2] & 0x80 ? 254 : 0);
    struct account *a = owner_of(f);

    if (released[f])
        return 0;
    switch (op[0] % 8) {
    case 0:
        return table_pin(a, frame[f], op[3] % 6);
    case 1:
        leave(frame[f]);
        return table_unpin(a, frame[f]);
    case 2:
    case 3:
        return change(a, f, index, op);
    case 4:
        return segdesc_update(a, frame[f], index, entry(op[3], op[3] >> 4));
    case 5:
        if (frame_get_writable(frame[f], a->id) == 0)
            frame_put_writable(frame[f]);
        return 0;
    case 6:
        released[f] = (op[3] == 7);
        return released[f] ? account_release(a, frame[f]) : 0;
    default:
        return guest(f, op);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t free_before;

    if (size > 400)
        return -1;
    start();
    free_before = heap_free_pages() + FRAMES;
    for (size_t i = 0; i + 4 <= size; i += 4) {
        host_preempt_every(data[i] >> 7 ? 1 + (data[i] >> 5 & 3) : 0);
        (void)operate(data + i);
        host_preempt_every(0);
        BUG_ON(mm_audit() != 0 || mm_audit_held() != 0 || host_tlb_check() != 0);
    }
    finish(free_before);
    return 0;
}
