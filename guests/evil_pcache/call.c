/* SPDX-License-Identifier: MIT
 *
 * Hostile calls: pointers, counts, commands of the control domain's, all vCPUs on the same pages, and a
 * domain that dies while a batch of its is under way.
 */
#include "evil_pcache/evil_pcache.h"
#include "kit/lib.h"

#define BATCH LAGAN_PCACHE_BATCH_MAX

static struct lagan_pcache_query batch[BATCH + 1] PAGE_ALIGNED;

static void counts(void)
{
    static const unsigned bad[] = {0, BATCH + 1, 0x80000000U, ~0U};

    memset(batch, 0, sizeof(batch));
    for (unsigned i = 0; i < 4; i++) {
        check_part(hv_pcache(LAGAN_PCACHE_query, batch, bad[i]) == -XEN_EINVAL, "query %u", bad[i]);
        check_part(hv_pcache(LAGAN_PCACHE_flush, batch, bad[i]) == -XEN_EINVAL, "flush %u", bad[i]);
    }
    check_part(hv_pcache(LAGAN_PCACHE_query, batch, BATCH) == 0, "a whole batch of nonsense");
    for (unsigned i = 0; i < BATCH; i++) {
        check_part(batch[i].status == -XEN_EINVAL, "query %u: status %d", i, batch[i].status);
    }
}

static void flags_and_fields(void)
{
    for (unsigned flags = 0; flags < 0x10000; flags = flags < 64 ? flags + 1 : flags * 2 + 1) {
        struct lagan_pcache_query q = {.flags = (uint16_t)flags, .page = 3, .old = draw()};

        int32_t status = query_one(&q);

        check_part(status < 0 || flags < 64, "flags %x: status %d", flags, status);
    }
    for (unsigned command = 0; command < 100; command++) {
        long rc = hv_pcache(command, (void *)8, 1);

        check_part(rc < 0, "command %u: %ld", command, rc);
        check_part(rc == (command >= LAGAN_PCACHE_set_quota && command <= LAGAN_PCACHE_host &&
                                  !first_domain()
                              ? -XEN_EPERM
                              : rc),
                   "command %u: %ld", command, rc);
    }
}

/* Where a guest may have no page, and where it has none. */
static void pointers(void)
{
    static const uint64_t bad[] = {0,
                                   0x1000,
                                   1UL << 47,
                                   0xffff800000000000UL,
                                   0xffff82d080200000UL,
                                   0xffff830000000000UL,
                                   ~0xfffUL};
    struct lagan_pcache_query q;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t id = put_for_sure(i);

        check_part(hv_pcache(LAGAN_PCACHE_query, (void *)bad[i], 1) == -XEN_EFAULT, "argument %lx",
                   bad[i]);
        check_part(hv_pcache(LAGAN_PCACHE_info, (void *)bad[i], 1) == -XEN_EFAULT, "info %lx",
                   bad[i]);
        check_part(hv_pcache(LAGAN_PCACHE_pool_new, (void *)bad[i], 1) == -XEN_EFAULT, "pool %lx",
                   bad[i]);
        q = (struct lagan_pcache_query){
            .flags = LAGAN_PCACHE_GET | LAGAN_PCACHE_VIRTUAL, .old = id, .page = bad[i]};
        query_gives(&q, -XEN_EFAULT, "get into it");
        check_part(pcache_get(evil_page, id, 0) && holds(evil_page, i), "lost by a bad pointer");
        q.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL;
        check_part(query_one(&q) <= 0, "put of %lx", bad[i]);
        q.page = ptr_arg(evil_page) + 8;
        query_gives(&q, -XEN_EINVAL, "a page that is none");
    }
}

/* A page that we may only read is not written by a get, under either name. */
static void pages_not_writable(void)
{
    uint64_t id = put_for_sure(1);
    struct lagan_pcache_query q = {.flags = LAGAN_PCACHE_GET, .old = id};
    uint64_t *table = table_new();

    fill(evil_page, 2);
    check_part(page_make_readonly(evil_page) == 0, "read-only");
    check_part(!pcache_get(evil_page, id, 0), "written by address");
    check_part(page_make_writable(evil_page) == 0 && holds(evil_page, 2), "changed");
    check_part(page_make_readonly(table) == 0 && table_pin(table, 1) == 0, "pin");
    q.page = va_to_mfn(table);
    query_gives(&q, -XEN_EBUSY, "get into a page table");
    for (unsigned i = 0; i < TABLE_SLOTS; i++) {
        check_part(table[i] == 0, "entry %u of the table is %lx", i, table[i]);
    }
    check_part(table_unpin(table) == 0 && page_make_writable(table) == 0, "unpin");
    table_free(table);
    check_part(pcache_get(evil_page, id, 0) && holds(evil_page, 1), "lost");
}

/* ---- several vCPUs ---- */

#define SHARED_IDS 32U
static volatile uint64_t shared_id[SHARED_IDS], stop, running, wrong, wins;

/* Each takes whatever id there is, by get or by flush, and puts another page under its place. */
static void scramble(void *unused)
{
    static uint64_t pages[KIT_CPUS_MAX][EVIL_WORDS] PAGE_ALIGNED;
    uint64_t *page = pages[this_cpu()->id];
    bool kept;

    (void)unused;
    __atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
    for (unsigned n = this_cpu()->id; !stop; n = n * 1664525 + 1013904223) {
        unsigned i = (n >> 16) % SHARED_IDS;
        uint64_t id = shared_id[i];

        if (n >> 31 != 0 && id != 0) {
            (void)pcache_flush(id);
        } else if (id != 0 && pcache_get(page, id, 0)) {
            wins++;
            if (!holds(page, i + 1)) {
                wrong++;
            }
        }
        fill(page, i + 1);
        shared_id[i] = pcache_put(page, 0, &kept);
    }
    __atomic_fetch_sub(&running, 1, __ATOMIC_SEQ_CST);
}

static void same_ids_from_all_sides(void)
{
    uint64_t end = time_now() + 300 * MS;

    stop = running = wrong = wins = 0;
    memset((void *)(uint64_t)shared_id, 0, sizeof(shared_id));
    for (unsigned id = 1; id < cpu_count(); id++) {
        check_part(cpu_start(id, scramble, NULL) == 0, "vCPU %u does not start", id);
    }
    (void)wait_for(&running, cpu_count() - 1, 5000 * MS);
    while (time_now() < end) {
        time_sleep(20 * MS);
    }
    stop = 1;
    for (unsigned id = 1; id < cpu_count(); id++) {
        while (hv_vcpu(VCPUOP_is_up, id, NULL) == 1) {
            (void)hv_sched(SCHEDOP_yield, NULL);
        }
    }
    check_part(wrong == 0, "%lu pages wrong", wrong);
    check_part(cpu_count() == 1 || wins > 0, "no get was ever served");
}

/* ---- death ---- */

static void put_batches(void *unused)
{
    static uint64_t pages[KIT_CPUS_MAX][EVIL_WORDS] PAGE_ALIGNED;
    static struct lagan_pcache_query own[KIT_CPUS_MAX][BATCH] PAGE_ALIGNED;
    struct lagan_pcache_query *q = own[this_cpu()->id];

    (void)unused;
    __atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        for (unsigned i = 0; i < BATCH; i++) {
            q[i] = (struct lagan_pcache_query){.flags = LAGAN_PCACHE_PUT | LAGAN_PCACHE_VIRTUAL,
                                               .page = ptr_arg(pages[this_cpu()->id])};
        }
        (void)hv_pcache(LAGAN_PCACHE_query, q, BATCH);
    }
}

/* All vCPUs fill the cache while the first one ends the domain. It ends without a verdict: a crash. */
static void death_in_a_batch(void)
{
    struct sched_shutdown end = {.reason = SHUTDOWN_crash};

    running = 0;
    for (unsigned id = 1; id < cpu_count(); id++) {
        check_part(cpu_start(id, put_batches, NULL) == 0, "vCPU %u does not start", id);
    }
    (void)wait_for(&running, cpu_count() - 1, 5000 * MS);
    time_sleep((100 + draw() % 20) * MS);
    (void)hv_sched(SCHEDOP_shutdown, &end);
}

const struct attack evil_pcache_calls[] = {
    {"counts", counts, false},
    {"flags-and-fields", flags_and_fields, false},
    {"pointers", pointers, false},
    {"pages-not-writable", pages_not_writable, false},
    {"same-ids-from-all-sides", same_ids_from_all_sides, false},
    {"death-in-a-batch", death_in_a_batch, true},
    {NULL, NULL, false}};
