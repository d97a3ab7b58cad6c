/* SPDX-License-Identifier: MIT
 *
 * evil_pcache: the hostile guest of the page cache. Each attack is refused or harmless: no page of
 * another's is ever seen, no page of its own is lost but by its own doing, and all memory is there when
 * it has gone. `attack=NAME` chooses one, `attack=all` all that a domain survives.
 */
#include "evil_pcache/evil_pcache.h"
#include "kit/host.h"
#include "kit/lib.h"

const char guest_name[] = "evil_pcache";

static const struct attack *const tables[] = {evil_pcache_names, evil_pcache_frames,
                                              evil_pcache_calls};

uint64_t evil_page[EVIL_WORDS] PAGE_ALIGNED, evil_other[EVIL_WORDS] PAGE_ALIGNED;

uint64_t draw(void)
{
    static uint64_t state;

    if (state == 0) {
        state = args_number("seed", 1) * 2 + 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void fill(uint64_t *page, uint64_t seed)
{
    for (unsigned i = 0; i < EVIL_WORDS; i++) {
        page[i] = seed * 0x9e3779b97f4a7c15UL + i;
    }
}

bool holds(const uint64_t *page, uint64_t seed)
{
    for (unsigned i = 0; i < EVIL_WORDS; i++) {
        if (page[i] != seed * 0x9e3779b97f4a7c15UL + i) {
            return false;
        }
    }
    return true;
}

uint64_t put_for_sure(uint64_t seed)
{
    static uint64_t page[EVIL_WORDS] PAGE_ALIGNED;
    bool kept = false;
    uint64_t id = 0;

    fill(page, seed);
    for (unsigned i = 0; i < 1000 && !kept; i++) {
        id = pcache_put(page, 0, &kept);
    }
    check_part(kept && id != 0, "a page is never kept");
    return kept ? id : 0;
}

int32_t query_one(struct lagan_pcache_query *q)
{
    long rc = hv_pcache(LAGAN_PCACHE_query, q, 1);

    return rc != 0 ? (int32_t)rc : q->status;
}

void query_gives(struct lagan_pcache_query *q, int32_t want, const char *what)
{
    uint64_t page = q->page;
    int32_t status = query_one(q);

    check_part(status == want, "%s, page %lx: status %d, not %d", what, page, status, want);
}

/* Where we are the control domain, all memory is counted again. */
static void audit_host(void)
{
    struct lagan_host_audit audit;
    long rc = hv_host(LAGAN_HOST_OP_audit, &audit);

    check_part(rc == (first_domain() ? 0 : -XEN_EPERM), "audit: %ld", rc);
    check_part(rc != 0 || audit.faults == 0, "audit: %lu faults", audit.faults);
}

static void check_counts(void)
{
    struct lagan_pcache_stats s = pcache_info();

    check_part(s.puts == s.kept + s.refused + s.no_room,
               "%lu puts, %lu kept, %lu refused, %lu no room", s.puts, s.kept, s.refused,
               s.no_room);
    check_part(s.hits <= s.gets && s.pages <= s.ceiling, "%lu hits of %lu, %lu pages of %lu",
               s.hits, s.gets, s.pages, s.ceiling);
}

static uint64_t pages_now(void)
{
    domid_t self = DOMID_SELF;

    return (uint64_t)hv_memory(XENMEM_current_reservation, &self);
}

static void run_attack(const struct attack *a)
{
    struct lagan_pcache_flush all = {.what = LAGAN_PCACHE_FLUSH_ALL};
    uint64_t before = pages_now();

    kit_printf("attack: %s\n", a->name);
    check_begin(a->name);
    a->run();
    check_part(!a->crashes, "survived");
    check_part(hv_pcache(LAGAN_PCACHE_flush, &all, 1) == 0, "flush");
    check_part(pcache_info().pages == 0, "%lu pages are left", pcache_info().pages);
    check_part(pages_now() == before, "the domain has %lu pages, not %lu", pages_now(), before);
    check_counts();
    audit_host();
    check_end();
}

void guest_main(void)
{
    unsigned tried = 0;

    (void)time_bind_timer();
    if (!pcache_there()) {
        check_pass("start");
        check_skip("pcache", "this host has no page cache");
        return;
    }
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct attack *a = tables[t]; a->name != NULL; a++) {
            if (args_is("attack", "all") ? !a->crashes : args_is("attack", a->name)) {
                run_attack(a);
                tried++;
            }
        }
    }
    check_true("tried", tried > 0, "no attack of that name");
}
