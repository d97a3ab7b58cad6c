/* SPDX-License-Identifier: MIT
 *
 * ubc_op as guests make it: what is read and written, who may, lists that are interrupted; and the host's side: memory
 * that idle pages have is free for a new domain, and what is mapped is taken back by a timer.
 */
#include <string.h>

#include <lagan/arch.h>
#include "include/public/lagan/ubc.h"
#include "mm/frame.h"
#include "mm/spare.h"
#include "unittests/core_world.h"
#include "xen/books.h"
#include "xen/ubc_host.h"

enum { PAGES = 4000, DATA = 0x4000, BLOCKS = 4096 };

static struct domain *dom0, *a, *b;
static uint64_t volume;

static int64_t op(struct domain *d, unsigned command, uint64_t where, unsigned count,
                  uint64_t epoch)
{
    return CORE_CALL(d->vcpu[0], LAGAN_HYPERVISOR_ubc_op, command, volume, where, count, epoch);
}

static int64_t allow(const struct domain *d, unsigned rights)
{
    *(struct lagan_ubc_allow *)core_at(0) =
        (struct lagan_ubc_allow){.domid = d->id, .rights = rights, .limit = 100};
    return op(dom0, LAGAN_UBC_allow, core_va(0), 0, 0);
}

static void start(void)
{
    struct domain_config config = {.id = 0, .vcpus = 1, .max_pages = 500, .privileged = true};
    struct lagan_ubc_create *in = core_at(0);

    core_start(PAGES);
    ubc_host_start();
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &dom0), 0);
    dom0->pause_count = 0;
    core_vcpu_up(dom0->vcpu[0]);
    a = core_domain(1, 1000);
    b = core_domain(1, 1000);
    *in = (struct lagan_ubc_create){.id = {1}, .generation = 1, .blocks = BLOCKS};
    volume = 0;
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_create, core_va(0), 0, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL_FATAL(op(dom0, LAGAN_UBC_create, core_va(0), 0, 0), 0);
    volume = in->volume;
    CU_ASSERT_EQUAL_FATAL(allow(a, LAGAN_UBC_PUBLISH), 0);
    CU_ASSERT_EQUAL_FATAL(allow(b, LAGAN_UBC_READ), 0);
}

static void end(void)
{
    struct books books;

    CU_ASSERT_TRUE(books_add_up(&books));
    CU_ASSERT_EQUAL(ubc_audit(), 0);
    core_kill(a);
    core_kill(b);
    core_kill(dom0);
    ubc_stop();
    ubc_set_work(NULL, NULL);
    core_end();
}

static struct lagan_ubc_insert *insert_at(unsigned i)
{
    return (struct lagan_ubc_insert *)core_at(0) + i;
}

static int32_t insert(struct domain *d, uint64_t block, uint64_t address, uint64_t epoch)
{
    *insert_at(0) = (struct lagan_ubc_insert){.block = block, .address = address};
    CU_ASSERT_EQUAL(op(d, LAGAN_UBC_insert, core_va(0), 1, epoch), 0);
    return insert_at(0)->status;
}

static struct lagan_ubc_read *read_at(void)
{
    return core_at(0);
}

static int32_t read(struct domain *d, uint64_t block, uint64_t address, unsigned offset,
                    unsigned length)
{
    *read_at() = (struct lagan_ubc_read){
        .block = block, .address = address, .offset = (uint16_t)offset, .length = (uint16_t)length};
    CU_ASSERT_EQUAL(op(d, LAGAN_UBC_read, core_va(0), 1, 0), 0);
    return read_at()->status;
}

/* ---- copies in and out ---- */

static void copies(void)
{
    uint8_t *data = core_at(DATA);
    uint64_t lent;

    start();
    memset(data, 0x11, PAGE_SIZE);
    CU_ASSERT_EQUAL(insert(b, 5, core_va(DATA), 1), -XEN_EPERM);
    lent = spare_pages();
    CU_ASSERT_EQUAL(insert(a, 5, CORE_BAD, 1), -XEN_EFAULT);
    CU_ASSERT_EQUAL(insert(a, 5, CORE_HV, 1), -XEN_EFAULT);
    CU_ASSERT_EQUAL(insert(a, BLOCKS, core_va(DATA), 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(insert(a, 5, core_va(DATA), 9), -XEN_EAGAIN);
    CU_ASSERT_EQUAL(spare_pages(), lent); /* what fails keeps nothing */
    CU_ASSERT_EQUAL(insert(a, 5, core_va(DATA), 1), 0);
    CU_ASSERT_EQUAL(insert(a, 5, core_va(DATA), 1), -XEN_EEXIST);
    CU_ASSERT_EQUAL(spare_pages(), lent + 1);
    memset(data, 0, 2 * PAGE_SIZE);
    CU_ASSERT_EQUAL(read(a, 5, core_va(DATA), 0, 8), -XEN_EPERM);
    CU_ASSERT_EQUAL(read(b, 4, core_va(DATA), 0, 8), -XEN_ENOENT);
    CU_ASSERT_EQUAL(read(b, 5, core_va(DATA), 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(read(b, 5, core_va(DATA), 1, PAGE_SIZE), -XEN_EINVAL);
    CU_ASSERT_EQUAL(read(b, 5, CORE_READONLY, 0, 8), -XEN_EFAULT);
    CU_ASSERT_EQUAL(read(b, 5, CORE_HV, 0, 8), -XEN_EFAULT);
    CU_ASSERT_EQUAL(data[0], 0);
    CU_ASSERT_EQUAL(read(b, 5, core_va(DATA) + 1, 4000, 96), 0);
    CU_ASSERT(data[0] == 0 && data[1] == 0x11 && data[96] == 0x11 && data[97] == 0);
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_read, CORE_BAD, 1, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_read, CORE_HV, 1, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_read, core_va(0), LAGAN_UBC_LIST_MAX + 1, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(b, 99, core_va(0), 1, 0), -XEN_ENOSYS);
    end();
}

/* A list that is preempted between entries is done once each, and counted on. */
static void lists(void)
{
    unsigned before;

    start();
    for (unsigned i = 0; i < 40; i++)
        *insert_at(i) =
            (struct lagan_ubc_insert){.block = i, .address = core_va(DATA), .status = 77};
    before = core_restarts;
    host_preempt_every(2);
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_insert, core_va(0), 40, 1), 0);
    host_preempt_every(0);
    CU_ASSERT(core_restarts >= before + 10);
    for (unsigned i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(insert_at(i)->status, 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 40);
    end();
}

static void ranges(void)
{
    struct lagan_ubc_range *r = core_at(0);
    struct lagan_ubc_unmap *u = core_at(0);
    unsigned before;

    start();
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(insert(a, i, core_va(DATA), 1), 0);
    *r = (struct lagan_ubc_range){.first = 0, .count = 100};
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_invalidate, core_va(0), 0, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_invalidate, CORE_READONLY, 0, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 100);
    before = core_restarts;
    host_preempt_every(1);
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_invalidate, core_va(0), 0, 0), 0);
    host_preempt_every(0);
    CU_ASSERT(core_restarts > before);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_EQUAL(insert(a, 50, core_va(DATA), 1), -XEN_EAGAIN);
    *r = (struct lagan_ubc_range){.first = 0, .count = 100, .timeout_ns = UINT64_MAX};
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_revoke, core_va(0), 0, 0), -XEN_EINVAL);
    *u = (struct lagan_ubc_unmap){0};
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_next_revoked, core_va(0), 0, 0), -XEN_ENOENT);
    u->handle = 3;
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_unmap, core_va(0), 1, 0), 0);
    CU_ASSERT_EQUAL(u->status, -XEN_ENOENT);
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_destroy, 0, 0, 0), -XEN_EPERM);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_UBC_destroy, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_stats, core_va(0), 0, 0), -XEN_ENXIO);
    end();
}

/* ---- the host ---- */

/* A host full of idle pages has room for a new domain, at once; the names of the pages go by and by. */
static void new_domain(void)
{
    struct books books;
    struct domain *d;
    uint64_t block = 0, free;
    mfn_t m;

    start();
    free = heap_free_pages();
    while (spare_pages() < free - free / 8 && block < BLOCKS)
        CU_ASSERT_EQUAL_FATAL(insert(a, block++, core_va(DATA), 1), 0);
    CU_ASSERT(heap_free_pages() > free - free / 16);
    CU_ASSERT_TRUE(books_add_up(&books));
    CU_ASSERT_EQUAL(books.lent, block);
    d = core_domain(1, PAGES);
    free = heap_free_pages();
    for (uint64_t n = 0; n < free; n++)
        CU_ASSERT_EQUAL_FATAL(account_alloc(&d->account, 0, HEAP_ANY, &m), 0);
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_TRUE(books_add_up(&books));
    CU_ASSERT_EQUAL(heap_free_pages(), 0);
    core_pass(100000000); /* the timer */
    CU_ASSERT(heap_free_pages() >= block / 64);
    CU_ASSERT_TRUE(books_add_up(&books));
    core_kill(d);
    end();
}

/* ---- what readers ask for ---- */

static bool is_told(struct domain *d, evtchn_port_t port)
{
    uint64_t *word = (uint64_t *)&d->shared_info->evtchn_pending[port / 64];
    uint64_t bit = UINT64_C(1) << port % 64;
    bool told = *word & bit;

    *word &= ~bit;
    return told;
}

static evtchn_port_t bind(struct domain *d)
{
    struct evtchn_bind_virq *in = core_at(0);

    *in = (struct evtchn_bind_virq){.virq = LAGAN_VIRQ_UBC};
    CU_ASSERT_EQUAL_FATAL(
        CORE_CALL(d->vcpu[0], __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, core_va(0)), 0);
    return in->port;
}

static struct lagan_ubc_want *want_at(unsigned i)
{
    return (struct lagan_ubc_want *)core_at(0) + i;
}

static int32_t ask(struct domain *d, uint64_t block)
{
    struct lagan_ubc_map *in = core_at(0);

    *in = (struct lagan_ubc_map){.block = block, .flags = LAGAN_UBC_LOOK | LAGAN_UBC_WANT};
    CU_ASSERT_EQUAL(op(d, LAGAN_UBC_map, core_va(0), 1, 0), 0);
    return in->status;
}

static void wants(void)
{
    evtchn_port_t pa, pb;

    start();
    pa = bind(a);
    pb = bind(b);
    CU_ASSERT_EQUAL(ask(b, 7), -XEN_EBUSY);
    CU_ASSERT_EQUAL(ask(b, 9), -XEN_EBUSY);
    CU_ASSERT(is_told(a, pa) && !is_told(b, pb));
    memset(core_at(0), 0, 3 * sizeof(struct lagan_ubc_want));
    CU_ASSERT_EQUAL(op(b, LAGAN_UBC_wanted, core_va(0), 3, 0), 0);
    CU_ASSERT_EQUAL(want_at(0)->status, -XEN_EPERM);
    memset(core_at(0), 0, 3 * sizeof(struct lagan_ubc_want));
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_wanted, core_va(0), 3, 0), 0);
    CU_ASSERT(want_at(0)->status == 0 && want_at(0)->block == 7);
    CU_ASSERT(want_at(1)->status == 0 && want_at(1)->block == 9);
    CU_ASSERT_EQUAL(want_at(2)->status, -XEN_ENOENT);
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_wanted, CORE_BAD, 1, 0), -XEN_EFAULT);
    CU_ASSERT_EQUAL(insert(a, 7, core_va(DATA), 1), 0);
    CU_ASSERT(is_told(b, pb) && !is_told(a, pa));
    *want_at(0) = (struct lagan_ubc_want){.block = 9};
    CU_ASSERT_EQUAL(ask(b, 9), -XEN_EBUSY);
    *want_at(0) = (struct lagan_ubc_want){.block = 9};
    CU_ASSERT_EQUAL(op(a, LAGAN_UBC_refuse, core_va(0), 1, 0), 0);
    CU_ASSERT(want_at(0)->status == 0 && is_told(b, pb));
    CU_ASSERT_EQUAL(ask(b, 9), -XEN_EIO);
    end();
}

static const struct test_case cases[] = {{"copies in and out", copies},
                                         {"lists that are interrupted", lists},
                                         {"ranges", ranges},
                                         {"wants", wants},
                                         {"a new domain on a host full of pages", new_domain},
                                         {NULL, NULL}};
const struct suite suite_hcall_ubc = {"hcall_ubc", cases, NULL, NULL};
