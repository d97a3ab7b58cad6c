/* SPDX-License-Identifier: MIT
 *
 * pcache_op as guests make it: what is read and written, who may, batches that are interrupted, the end of
 * a domain with a full cache.
 */
#include <string.h>

#include <lagan/arch.h>
#include "include/public/lagan/pcache.h"
#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "unittests/core_world.h"
#include "xen/books.h"

enum { PAGES = 4000, DATA = 0x4000 };

static struct domain *dom0, *a, *b;

static int64_t op(struct domain *d, unsigned command, uint64_t where, unsigned count)
{
    return CORE_CALL(d->vcpu[0], LAGAN_HYPERVISOR_pcache_op, command, where, count);
}

static struct lagan_pcache_query *query_at(unsigned i)
{
    return (struct lagan_pcache_query *)core_at(0) + i;
}

static int32_t query(struct domain *d, struct lagan_pcache_query q)
{
    *query_at(0) = q;
    CU_ASSERT_EQUAL(op(d, LAGAN_PCACHE_query, core_va(0), 1), 0);
    return query_at(0)->status;
}

static void start(void)
{
    struct domain_config config = {.id = 0, .vcpus = 1, .max_pages = 500, .privileged = true};

    core_start(PAGES);
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &dom0), 0);
    dom0->pause_count = 0;
    core_vcpu_up(dom0->vcpu[0]);
    a = core_domain(1, 1000);
    b = core_domain(1, 1000);
}

static void end(void)
{
    struct books books;

    CU_ASSERT_TRUE(books_add_up(&books));
    core_kill(a);
    core_kill(b);
    core_kill(dom0);
    core_end();
}

static void test_virtual(void)
{
    struct lagan_pcache_query q = {
        .flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL, .page = core_va(DATA), .name = 5};
    uint64_t id;

    start();
    memset(core_at(DATA), 0x11, PAGE_SIZE);
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_KEPT);
    id = query_at(0)->new;
    CU_ASSERT_NOT_EQUAL(id, 0);
    memset(core_at(DATA), 0x22, PAGE_SIZE);
    q = (struct lagan_pcache_query){
        .flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_VIRTUAL, .page = core_va(DATA), .old = id};
    CU_ASSERT_EQUAL(query(b, q), 0); /* not its */
    CU_ASSERT_EQUAL(((uint8_t *)core_at(DATA))[9], 0x22);
    q.page = CORE_READONLY;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EFAULT); /* still there */
    q.page = core_va(DATA) + 8;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EINVAL);
    q.page = core_va(DATA);
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_HIT);
    CU_ASSERT_EQUAL(((uint8_t *)core_at(DATA))[PAGE_SIZE - 1], 0x11);
    CU_ASSERT_EQUAL(query(a, q), 0);
    q.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL;
    q.page = CORE_BAD;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EFAULT);
    q.page = CORE_HV;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EFAULT);
    end();
}

/* By frame, both in one query, with keys. */
static void test_frames(void)
{
    struct lagan_pcache_query q = {
        .flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_KEYED, .pool = 1, .new = 7};
    mfn_t m, other;

    start();
    m = core_frame(a);
    other = core_frame(b);
    *(struct lagan_pcache_pool *)core_at(0) = (struct lagan_pcache_pool){.kind = 2};
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_pool_new, core_va(0), 0), -XEN_EINVAL);
    *(struct lagan_pcache_pool *)core_at(0) = (struct lagan_pcache_pool){.kind = 0};
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_pool_new, core_va(0), 0), 1);
    memset(arch_map_frame(m), 1, PAGE_SIZE);
    q.page = other.n;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EPERM);
    q.page = m.n;
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_KEPT);
    memset(arch_map_frame(m), 2, PAGE_SIZE);
    q.flags |= LAGAN_PCACHE_GET;
    q.old = 7;
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_KEPT | LAGAN_PCACHE_HIT);
    CU_ASSERT_EQUAL(*(uint8_t *)arch_map_frame(m), 1);
    q.flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_STAY;
    q.page = other.n;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EPERM);
    q.page = m.n;
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_HIT);
    CU_ASSERT_EQUAL(*(uint8_t *)arch_map_frame(m), 2);
    /* The exchange: the frame itself. */
    q.flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_KEYED | LAGAN_PCACHE_EXCHANGE;
    arch_m2p_set(m, 55);
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_HIT | LAGAN_PCACHE_EXCHANGED);
    CU_ASSERT_NOT_EQUAL(query_at(0)->page, m.n);
    CU_ASSERT_EQUAL(arch_m2p_get(mfn(query_at(0)->page)), 55);
    q.page = m.n;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EPERM);
    q.flags |= LAGAN_PCACHE_STAY;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EINVAL);
    q.flags = LAGAN_PCACHE_PUT;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EINVAL); /* a pool without a key */
    q.flags = LAGAN_PCACHE_PUT | 1 << 14;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EINVAL);
    q.flags = 0;
    CU_ASSERT_EQUAL(query(a, q), -XEN_EINVAL);
    q = (struct lagan_pcache_query){.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_KEYED, .page = m.n};
    CU_ASSERT_EQUAL(query(a, q), -XEN_ENOENT);
    end();
}

static void test_batches(void)
{
    unsigned before;

    start();
    for (unsigned i = 0; i < 100; i++)
        *query_at(i) = (struct lagan_pcache_query){
            .flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL, .page = core_va(DATA), .name = 1 + i};
    before = core_restarts;
    host_preempt_every(3);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_query, core_va(0), 100), 0);
    host_preempt_every(0);
    CU_ASSERT_TRUE(core_restarts - before >= 20);
    for (unsigned i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(query_at(i)->status, LAGAN_PCACHE_KEPT);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_info, core_va(0), 0), 0);
    CU_ASSERT_EQUAL(((struct lagan_pcache_stats *)core_at(0))->pages, 100);
    CU_ASSERT_EQUAL(((struct lagan_pcache_stats *)core_at(0))->puts, 100);
    host_preempt_every(1); /* a single one is never interrupted */
    before = core_restarts;
    CU_ASSERT_EQUAL(query(a, (struct lagan_pcache_query){.flags = LAGAN_PCACHE_GET, .old = 1}), 0);
    CU_ASSERT_EQUAL(core_restarts, before);
    *(struct lagan_pcache_flush *)core_at(0) =
        (struct lagan_pcache_flush){.what = LAGAN_PCACHE_FLUSH_ALL};
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_flush, core_va(0), 1), 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(((struct lagan_pcache_flush *)core_at(0))->flushed, 100);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_query, core_va(0), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_query, core_va(0), 513), -XEN_EINVAL);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_query, CORE_BAD, 1), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_query, CORE_HV, 512), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(a, 0, core_va(0), 1), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(a, 6, core_va(0), 1), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(dom0, 22, core_va(0), 1), -XEN_ENOSYS);
    end();
}

static void test_control(void)
{
    struct lagan_pcache_quota *quota = core_at(0);
    struct lagan_pcache_stats *stats = core_at(0);
    struct lagan_pcache_host *host = core_at(0);
    struct lagan_pcache_ledger *ledger = core_at(0);
    uint64_t free;

    start();
    for (unsigned c = LAGAN_PCACHE_set_quota; c <= LAGAN_PCACHE_host; c++)
        CU_ASSERT_EQUAL(op(a, c, core_va(0), 1), -XEN_EPERM);
    free = heap_free_pages();
    *stats = (struct lagan_pcache_stats){.domid = a->id};
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_get_stats, core_va(0), 0), 0);
    CU_ASSERT(stats->domid == a->id && stats->weight == 256 && stats->books == 0 &&
              stats->flags == 0);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_ledger, core_va(0), 64), 0);
    memset(core_at(0), 0, sizeof(struct lagan_pcache_curve));
    ((struct lagan_pcache_curve *)core_at(0))->domid = a->id;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_curve, core_va(0), 0), 0);
    CU_ASSERT_EQUAL(((struct lagan_pcache_curve *)core_at(0))->points, 0);
    /* Questions have cost nothing. */
    CU_ASSERT_EQUAL(heap_free_pages(), free);
    CU_ASSERT_PTR_NULL(atomic_load(&a->pcache));
    *stats = (struct lagan_pcache_stats){.domid = 77};
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_get_stats, core_va(0), 0), -XEN_ESRCH);
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_info, core_va(0), 0), 0); /* it uses the cache now */
    free = heap_free_pages();
    *quota =
        (struct lagan_pcache_quota){.domid = a->id, .weight = 512, .floor = 100, .ceiling = 200};
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_set_quota, core_va(0), 0), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free - 100);
    quota->floor = 10000;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_set_quota, core_va(0), 0), -XEN_EINVAL);
    quota->ceiling = 10000;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_set_quota, core_va(0), 0), -XEN_ENOMEM);
    quota->domid = 77;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_set_quota, core_va(0), 0), -XEN_ESRCH);
    *stats = (struct lagan_pcache_stats){.domid = a->id};
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_get_stats, core_va(0), 0), 0);
    CU_ASSERT_TRUE(stats->floor == 100 && stats->ceiling == 200 && stats->weight == 512);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_host, core_va(0), 0), 0);
    CU_ASSERT_TRUE(host->floors == 100 && host->clients == 1);
    ledger->domid = a->id;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_ledger, core_va(0), 64), 0);
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_ledger, core_va(0), 65), -XEN_EINVAL);
    *(struct lagan_pcache_freeze *)core_at(0) =
        (struct lagan_pcache_freeze){.domid = a->id, .on = 1};
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_freeze, core_va(0), 0), 0);
    CU_ASSERT_EQUAL(
        query(a, (struct lagan_pcache_query){.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL,
                                             .page = core_va(DATA)}),
        0);
    memset(core_at(0), 0, sizeof(struct lagan_pcache_curve));
    ((struct lagan_pcache_curve *)core_at(0))->domid = a->id;
    CU_ASSERT_EQUAL(op(dom0, LAGAN_PCACHE_curve, core_va(0), 0), 0);
    CU_ASSERT_EQUAL(((struct lagan_pcache_curve *)core_at(0))->points, 32);
    end();
}

/* Domains end with caches of all kinds; the free count and the books know of no difference. */
static void test_end_of_domain(void)
{
    struct lagan_pcache_query q = {.flags =
                                       LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL | LAGAN_PCACHE_KEYED,
                                   .page = core_va(DATA)};

    start();
    for (unsigned kind = 0; kind < 2; kind++) {
        *(struct lagan_pcache_pool *)core_at(0) =
            (struct lagan_pcache_pool){.kind = (uint16_t)kind};
        q.pool = (uint16_t)op(a, LAGAN_PCACHE_pool_new, core_va(0), 0);
        for (q.new = 0; q.new < 300; q.new ++)
            (void)query(a, q);
    }
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_info, core_va(0), 0), 0);
    CU_ASSERT_EQUAL(((struct lagan_pcache_stats *)core_at(0))->persistent, 300);
    CU_ASSERT_TRUE(a->account.pages >= 300);
    end();
}

/* Persistent pages are copied where an exchange is asked for. */
static void test_persistent_exchange(void)
{
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_KEYED |
                                            LAGAN_PCACHE_EXCHANGE,
                                   .pool = 1,
                                   .new = 7};
    mfn_t m;

    start();
    m = core_frame(a);
    *(struct lagan_pcache_pool *)core_at(0) =
        (struct lagan_pcache_pool){.kind = LAGAN_PCACHE_PERSISTENT};
    CU_ASSERT_EQUAL(op(a, LAGAN_PCACHE_pool_new, core_va(0), 0), 1);
    memset(arch_map_frame(m), 3, PAGE_SIZE);
    q.page = m.n;
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_KEPT);
    CU_ASSERT_EQUAL(query_at(0)->page, m.n);
    memset(arch_map_frame(m), 4, PAGE_SIZE);
    q.flags ^= LAGAN_PCACHE_PUT | LAGAN_PCACHE_GET;
    q.old = 7;
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_HIT);
    CU_ASSERT_EQUAL(*(uint8_t *)arch_map_frame(m), 3);
    CU_ASSERT_EQUAL(query(a, q), 0);
    end();
}

/* A page that was a table, which is being undone: it is the domain's, and busy. */
static void test_unfinished_table(void)
{
    struct lagan_pcache_query q = {
        .flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL, .page = core_va(DATA), .name = 5};
    mfn_t l2, l1;

    start();
    l2 = core_frame(a);
    l1 = core_frame(a);
    memset(arch_map_frame(l2), 0, PAGE_SIZE);
    memset(arch_map_frame(l1), 0, PAGE_SIZE);
    for (unsigned i = 0; i < 512; i++)
        ((uint64_t *)arch_map_frame(l2))[i] = l1.n << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_KEPT);
    q = (struct lagan_pcache_query){
        .flags = LAGAN_PCACHE_GET, .page = l2.n, .old = query_at(0)->new};
    host_preempt_every(9);
    CU_ASSERT_EQUAL(table_pin(&a->account, l2, 2), -XEN_ERESTART);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(query(a, q), -XEN_EBUSY);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(query(a, q), LAGAN_PCACHE_HIT);
    end();
}

static const struct test_case cases[] = {
    {"by address", test_virtual},
    {"by frame", test_frames},
    {"batches", test_batches},
    {"the control domain's", test_control},
    {"the end of a domain", test_end_of_domain},
    {"persistent pages and exchange", test_persistent_exchange},
    {"a table half undone", test_unfinished_table},
    {NULL, NULL}};

const struct suite suite_hcall_pcache = {"hcall_pcache", cases, NULL, NULL};
