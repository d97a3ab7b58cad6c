/* SPDX-License-Identifier: MIT
 *
 * replay: reads blocks as a trace says (replay/trace.h), through a page cache of its own, with the
 * hypervisor's below it. Its disk is made up, so each page that comes back is checked byte by byte
 * against what was written there last.
 *
 * The trace is run once for each form that is named, from empty caches:
 *   off            without the hypervisor's cache
 *   copy           pages are copied, two calls: evicted page down, wanted page up
 *   swap           the same in one call
 *   exchange       frames are handed over, both in one call
 *   keyed          the block's number is the key, in an ephemeral pool
 * Further words:
 *   pages=N        of its own cache (1024)
 *   until=MS       it goes round and round until then (since the host's start), for others to be beside it
 *   need=PERCENT   so many of the misses of its own cache the other must serve, or it fails (0)
 *   grow=N         it begins with pages=N and gives the other pages back; then follows its target, up to N pages of
 *                  its own cache (docs/balloon.md)
 *   grown=N        so many pages more it must have at the end, and 0: none
 *   full=MIB       as the control domain: so much of the host's memory must be lent to the cache at the end
 *   rest=MS        it sits there with what it has so long, at the end, and says what became of that
 *   recalled=MS    the same until the host has recalled pages of it and wants no more, so long at most
 * Times are of its own vCPU, so that it does not matter who else is on the CPU.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "kit/pcache.h"
#include "replay/grow.h"
#include "replay/lru.h"
#include "replay/trace.h"

const char guest_name[] = "replay";

enum form { OFF, COPY, SWAP, EXCHANGE, KEYED, FORMS };
static const char *const form_name[FORMS] = {"off", "copy", "swap", "exchange", "keyed"};

#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static struct {
    enum form form;
    unsigned pool;
    uint64_t requests, own_hits, hits, reads, wrong;
    uint64_t first_reads, last_reads; /* of the first round and of the last */
    uint64_t ns;
} run;

/* ---- the disk ---- */

static uint64_t word_of(const struct block *b, unsigned i)
{
    return (b->number * 0x9e3779b97f4a7c15UL ^ (uint64_t)b->generation << 32) +
           i * 0xd1342543de82ef95UL;
}

static void read_disk(const struct block *b, uint64_t *page)
{
    run.reads++;
    for (unsigned i = 0; i < WORDS; i++) {
        page[i] = word_of(b, i);
    }
}

static void verify(const struct block *b, const uint64_t *page)
{
    for (unsigned i = 0; i < WORDS; i++) {
        if (page[i] != word_of(b, i)) {
            run.wrong++;
            check_part(false, "block %lu word %u is %lx, not %lx", b->number - 1, i, page[i],
                       word_of(b, i));
            return;
        }
    }
}

/* ---- the hypervisor's cache ---- */

/* Names tell the cache what comes back: a block's number will do. 0 says nothing, but numbers begin at 1. */
static bool by_copy(void *page, struct block *out, struct block *in, uint64_t old)
{
    bool kept;

    if (out != NULL) {
        out->id = pcache_put(page, out->number, &kept);
    }
    return old != 0 && pcache_get(page, old, in->number);
}

static bool by_swap(void *page, struct block *out, struct block *in, uint64_t old)
{
    uint64_t id;
    bool hit;

    if (out == NULL) {
        return old != 0 && pcache_get(page, old, in->number);
    }
    hit = pcache_swap(page, out->number, &id, old, in->number);
    out->id = id;
    return hit;
}

static bool by_exchange(void *page, struct block *out, struct block *in, uint64_t old)
{
    uint64_t id = 0;
    bool hit;

    if (out == NULL && old == 0) {
        return false;
    }
    hit = pcache_exchange(page, out != NULL, out != NULL ? out->number : 0, &id, old, in->number);
    if (out != NULL) {
        out->id = id;
    }
    return hit;
}

static bool by_key(void *page, struct block *out, struct block *in)
{
    int32_t status;

    if (out != NULL) {
        status = pcache_put_key(run.pool, out->number, page);
        check_part(status >= 0, "put by key: status %d", status);
    }
    status = pcache_get_key(run.pool, in->number, page);
    check_part(status >= 0, "get by key: status %d", status);
    return status > 0 && (status & LAGAN_PCACHE_HIT) != 0;
}

/* The page of `out`, which was evicted (NULL: none was), is to hold `in`: true if the cache had it. */
static bool ask(void *page, struct block *out, struct block *in)
{
    uint64_t old = in->id;

    in->id = 0;
    switch (run.form) {
    case COPY:
        return by_copy(page, out, in, old);
    case SWAP:
        return by_swap(page, out, in, old);
    case EXCHANGE:
        return by_exchange(page, out, in, old);
    case KEYED:
        return by_key(page, out, in);
    default:
        return false;
    }
}

/* What is there of the block is worth nothing any more. */
static void forget(struct block *b)
{
    if (run.form == KEYED) {
        (void)pcache_flush_keys(run.pool, b->number, 1);
    } else if (b->id != 0) {
        (void)pcache_flush(b->id);
        b->id = 0;
    }
}

/* ---- replaying ---- */

#define TURN 1000 /* requests after which it looks at its target */

static unsigned own_pages(void)
{
    return args_has("grow") ? grow_pages() : (unsigned)args_number("pages", 1024);
}

/* A write goes to the disk at once: what the page cache holds stays clean. */
static void write_block(struct block *b, uint64_t *page)
{
    b->generation++;
    forget(b);
    for (unsigned i = 0; i < WORDS; i++) {
        page[i] = word_of(b, i);
    }
}

static void serve(const struct request *r)
{
    struct block *b = lru_block(r->block), *evicted;
    uint64_t *page;

    if (b == NULL) {
        return; /* more blocks than we have records for */
    }
    run.requests++;
    page = lru_find(b);
    if (page != NULL) {
        run.own_hits++;
    } else {
        page = lru_take(b, &evicted);
        if (ask(page, evicted, b)) {
            run.hits++;
            verify(b, page);
        } else {
            read_disk(b, page);
        }
    }
    if (r->write) {
        write_block(b, page);
    }
}

/* So long this vCPU has run. */
static uint64_t own_time(void)
{
    struct vcpu_runstate_info info;

    return hv_vcpu(VCPUOP_get_runstate_info, 0, &info) == 0 ? info.time[RUNSTATE_running] : 0;
}

static void replay_once(void)
{
    struct request r;
    uint64_t start = own_time(), reads = run.reads;

    lru_reset(own_pages());
    trace_start();
    while (trace_next(&r)) {
        serve(&r);
        if (run.requests % TURN == 0 && args_has("grow")) {
            grow_turn();
        }
    }
    run.ns += own_time() - start;
    run.last_reads = run.reads - reads;
    if (reads == 0) {
        run.first_reads = run.last_reads;
    }
}

static void print_result(void)
{
    kit_printf("replay %s: %lu requests, %lu served by its own %lu pages, %lu by the host's cache, "
               "%lu reads of the disk; %lu us\n",
               form_name[run.form], run.requests, run.own_hits, (uint64_t)own_pages(), run.hits,
               run.reads, run.ns / 1000);
}

/* Its own count and the host's, of what it asked for and what came. */
static void check_counts(const struct lagan_pcache_stats *before)
{
    struct lagan_pcache_stats now = pcache_info();
    uint64_t misses = run.requests - run.own_hits;

    kit_printf(
        "cache: %lu pages there; %lu put, %lu kept, %lu refused, no room for %lu; dropped: %lu "
        "for its own, %lu for other caches, %lu for the host\n",
        now.pages, now.puts - before->puts, now.kept - before->kept, now.refused - before->refused,
        now.no_room - before->no_room, now.dropped_self - before->dropped_self,
        now.dropped_cache - before->dropped_cache, now.dropped_host - before->dropped_host);
    check_part(now.hits - before->hits == run.hits, "%lu hits by the host's count, %lu by ours",
               now.hits - before->hits, run.hits);
    check_part(run.hits * 100 >= misses * args_number("need", 0), "%lu of %lu misses served",
               run.hits, misses);
}

/* All that earlier rounds have left there goes. */
static void start_form(enum form form)
{
    struct lagan_pcache_flush all = {.what = LAGAN_PCACHE_FLUSH_ALL};
    long pool;

    run.form = form;
    run.requests = run.own_hits = run.hits = run.reads = run.wrong = run.ns = 0;
    if (form == OFF) {
        return;
    }
    check_part(hv_pcache(LAGAN_PCACHE_flush, &all, 1) == 0, "flush");
    if (form == KEYED) {
        pool = pcache_pool_new(LAGAN_PCACHE_EPHEMERAL);
        check_part(pool > 0, "pool_new: %ld", pool);
        run.pool = (unsigned)pool;
    }
}

static void replay_form(enum form form)
{
    uint64_t end = args_number("until", 0) * MS;
    struct lagan_pcache_stats before;

    check_begin(form_name[form]);
    start_form(form);
    if (form != OFF) {
        before = pcache_info();
    }
    do {
        replay_once();
    } while (time_now() < end);
    print_result();
    check_part(run.wrong == 0, "%lu pages wrong", run.wrong);
    if (form != OFF) {
        check_counts(&before);
    }
    if (form == KEYED) {
        check_part(pcache_pool_destroy(run.pool) == 0, "pool_destroy");
    }
    check_end();
}

static void check_grown(unsigned more)
{
    uint64_t least = args_number("grown", 0);

    kit_printf("grown by %u pages: %lu reads in the first round, %lu in the last\n", more,
               run.first_reads, run.last_reads);
    check_true("fewer-reads", more == 0 || run.last_reads < run.first_reads, "no");
    check_true("grown", least > 0 ? more >= least : more == 0, "by %u pages", more);
}

static void check_host(void)
{
    struct lagan_pcache_host h;
    long rc = hv_pcache(LAGAN_PCACHE_host, &h, 1);

    if (rc != 0) {
        check_fail("host", "%ld", rc);
        return;
    }
    kit_printf("host: %lu pages lent, %lu kept for floors, %lu of records, %u domains\n", h.lent,
               h.floors, h.books, h.clients);
    check_true("host-full", h.lent >= args_number("full", 0) * 256, "%lu pages lent", h.lent);
}

/* Until pages were dropped for the host, and for a second none was. */
static void wait_for_recall(uint64_t ms)
{
    uint64_t end = time_now() + ms * MS, last_change = 0, dropped = 0;

    while (time_now() < end && (dropped == 0 || time_now() < last_change + 1000 * MS)) {
        uint64_t now = pcache_info().dropped_host;

        last_change = now != dropped ? time_now() : last_change;
        dropped = now;
        time_sleep(50 * MS);
    }
}

/* Others may want its pages' memory meanwhile. */
static void rest(uint64_t ms)
{
    struct lagan_pcache_stats now;

    if (ms == 0 && !args_has("recalled")) {
        return;
    }
    time_sleep(ms * MS);
    if (pcache_there()) {
        wait_for_recall(args_number("recalled", 0));
        now = pcache_info();
        kit_printf("rested: %lu pages there, %lu dropped for the host so far\n", now.pages,
                   now.dropped_host);
    }
}

void guest_main(void)
{
    bool any = false;

    (void)time_bind_timer();
    if (args_has("grow")) {
        check_result(
            "grow",
            grow_start((unsigned)args_number("pages", 1024), (unsigned)args_number("grow", 0)), 0);
    }
    for (enum form f = OFF; f < FORMS; f++) {
        if (!args_has(form_name[f])) {
            continue;
        }
        any = true;
        if (f != OFF && !pcache_there()) {
            check_skip(form_name[f], "this host has no page cache");
        } else {
            replay_form(f);
        }
    }
    if (!any) {
        check_fail("forms", "none is named: off copy swap exchange keyed");
    }
    if (args_has("grown")) {
        check_grown(grow_pages() - (unsigned)args_number("pages", 1024));
    }
    if (args_has("full")) {
        check_host();
    }
    rest(args_number("rest", 0));
}
