/* SPDX-License-Identifier: MIT
 *
 * Most of what guests evict is never asked for again, so keeping it costs a copy and a page that
 * somebody had a use for. But how much is lost by refusing differs by domain, hour and size of cache: a
 * fixed rule is wrong somewhere. So two rules run side by side on samples, as curves of what they would serve at
 * each size of cache (pcache_curve.h):
 *
 *   all    every put is kept;
 *   known  a put is kept if that page has come back before: it was got, or asked for in vain while
 *          its name was remembered. For others only the name is kept.
 *
 * Each can be thinned: of the pages, chosen by a hash so that a page is in or out for good, one in 2^n is kept.
 * What that serves needs no curve of its own. A part of the pages behaves as the whole does
 * (which is why samples work at all), so the part's hits with room R are those of the whole with room
 * R * 2^n, over 2^n. Where a curve is a cliff, as with a loop that is a little larger than the cache,
 * of which keeping the last R pages serves nothing, keeping a half of it serves a half. (N. Beckmann
 * and D. Sanchez, "Talus: A simple way to remove cliffs in cache performance", HPCA 2015.)
 *
 * The rule in force is the one with the most of
 *
 *     hits - kept puts / PUTS_A_HIT
 *
 * since a kept put costs a copy, and a hit saves a disk's time. Estimates have errors, so keeping
 * everything is credited with the hits of a cache that is somewhat larger, any other rule has to win by a
 * margin, and as long as little is known everything is kept.
 *
 * No estimate knows the future: the first round of a loop looks like a scan. If all of it is refused, the
 * second round is lost, which keeping everything would have served. So what is refused only to save copies
 * is refused on credit: each put and each get earns 1/GHOST_CREDIT of a read that may be lost, a read that was
 * lost is paid with it, and the refused puts that a cache that keeps everything could still have, those of the last
 * `room` puts, are never more than the credit could pay for. Puts are hardly more than reads, nor are gets:
 * about 2/GHOST_CREDIT of reads are lost, 0.8 points, whatever comes.
 *
 * The table of names is an array of sets; a set is two cache lines, in the order of arrival. Neighbouring
 * names share a set, since scans are what is refused most: the next name's lines are there already.
 * What thinning refuses for more hits would be refused again, so it is not remembered.
 *
 * INV-GHOST-1: `used` and `gone` count the table's entries. No name is there twice.
 * INV-GHOST-2: a page that is kept has no entry (but one which its guest puts under a name in use).
 * INV-GHOST-4: when a put is refused to save a copy, the sum of `exposed` times GHOST_CREDIT is at most the
 * credit.
 * INV-GHOST-3: without a table, or with too little seen, every put is kept.
 */
#include "mm/pcache_ghost.h"

#include <lagan/assert.h>
#include <lagan/string.h>

STATIC_ASSERT(sizeof(struct ghost_entry) == GHOST_ENTRY_BYTES);

#define PUTS_A_HIT 256U /* so many puts cost as much as one hit saves */
#define NEIGHBOURS 2U   /* names that differ in so many low bits only share a set */
#define STAKE      8U   /* part of a room's reads that are put at stake for more hits */
#define REACH      8U   /* curves go to so many times the room */
/* Samples, of gets and puts, below which all is kept; reads in 1/256 a sample as the curves have them. */
#define SEEN_LEAST (UINT64_C(512) * 256)

/* A mark: bit 0 says that the page has come back before, the others tell it from other pages. */
#define MARK_KNOWN 1U

static uint32_t tag_of(uint32_t mark)
{
    return mark >> 1;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

void pcache_ghost_init(struct pcache_ghost *g, void *table, uint32_t entries, uint64_t seed,
                       uint64_t now)
{
    memset(g, 0, sizeof(*g));
    entries = (uint32_t)min_u64(entries, GHOST_ENTRIES_MAX);
    while ((entries & (entries - 1)) != 0)
        entries &= entries - 1;
    g->entries = entries < GHOST_ENTRIES_MIN ? 0 : entries;
    g->entry = table;
    g->seed = mix(seed);
    /* A pool's names are its keys behind a mask of its own. Neighbours stay neighbours. */
    for (uint32_t pool = 0; pool < GHOST_POOLS; pool++)
        g->pool_mask[pool] = mix(g->seed + pool + 1);
    memset(table, 0, (size_t)g->entries * GHOST_ENTRY_BYTES);
    for (unsigned r = 0; r < GHOST_RULES; r++)
        pcache_curve_init(&g->curve[r], 0, now);
}

/* ---- the table ---- */

static uint64_t stored(const struct pcache_ghost *g, uint64_t name)
{
    return name ^ g->salt ? name ^ g->salt : 1;
}

static struct ghost_entry *set_of(const struct pcache_ghost *g, uint64_t name)
{
    uint64_t hash = mix((name >> NEIGHBOURS) ^ g->seed);

    return &g->entry[(hash & (g->entries / GHOST_WAYS - 1)) * GHOST_WAYS];
}

void pcache_ghost_prefetch(const struct pcache_ghost *g, uint64_t name)
{
    const struct ghost_entry *set;

    if (g->entries == 0)
        return;
    set = set_of(g, name);
    __builtin_prefetch(&set[0], 1);
    __builtin_prefetch(&set[GHOST_WAYS / 2], 1);
}

static struct ghost_entry *find_in(struct ghost_entry *set, uint64_t as_stored)
{
    for (unsigned i = 0; i < GHOST_WAYS; i++) {
        if (set[i].name == as_stored)
            return &set[i];
    }
    return NULL;
}

static struct ghost_entry *find(const struct pcache_ghost *g, uint64_t name)
{
    return g->entries ? find_in(set_of(g, name), stored(g, name)) : NULL;
}

static void count(struct pcache_ghost *g, const struct ghost_entry *e, bool comes)
{
    uint32_t by = comes ? 1 : UINT32_MAX;

    if (e->name == 0)
        return;
    g->used += by;
    if (e->cause != GHOST_BACK)
        g->gone += by;
}

/* The entry makes way, and with it the gap in the set's order: the empty ones are the last. */
static void erase(struct pcache_ghost *g, struct ghost_entry *e)
{
    struct ghost_entry *last = &g->entry[((size_t)(e - g->entry) | (GHOST_WAYS - 1))];

    count(g, e, false);
    for (; e < last; e++)
        e[0] = e[1];
    *last = (struct ghost_entry){.name = 0};
}

static void set_cause(struct pcache_ghost *g, struct ghost_entry *e, uint16_t cause)
{
    count(g, e, false);
    e->cause = cause;
    count(g, e, true);
}

/* As the newest of its set, in place of the entry `at`, or of the oldest. */
static void place(struct pcache_ghost *g, struct ghost_entry *set, struct ghost_entry *at,
                  uint64_t as_stored, uint32_t mark, uint16_t cause)
{
    if (at == NULL)
        at = &set[GHOST_WAYS - 1];
    count(g, at, false);
    for (; at > set; at--)
        at[0] = at[-1];
    *at = (struct ghost_entry){.name = as_stored, .mark = mark, .cause = cause};
    count(g, at, true);
}

static void remember(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint16_t cause)
{
    struct ghost_entry *set;
    uint64_t as_stored = stored(g, name);

    if (g->entries == 0)
        return;
    set = set_of(g, name);
    place(g, set, find_in(set, as_stored), as_stored, mark, cause);
}

/* ---- the rule ---- */

struct choice {
    enum ghost_rule rule;
    uint32_t thin;
    uint64_t value;
};

static void earn(struct pcache_ghost *g, uint64_t amount)
{
    g->credit = min_u64(g->credit + amount, 2 * GHOST_CREDIT * (g->room + GHOST_DECIDE));
}

static void pay(struct pcache_ghost *g, uint64_t reads)
{
    g->credit -= min_u64(g->credit, GHOST_CREDIT * reads);
}

/* The last `room` puts are in the halves before the present one. */
static void pass_put(struct pcache_ghost *g)
{
    if (likely(g->puts < g->exposed_until))
        return;
    g->exposed[2] = g->exposed[1];
    g->exposed[1] = g->exposed[0];
    g->exposed[0] = 0;
    g->exposed_until = g->puts + g->room / 2 + 1;
}

/* May one more be refused? */
static bool expose(struct pcache_ghost *g)
{
    if ((g->exposed[0] + g->exposed[1] + g->exposed[2] + 1) * GHOST_CREDIT > g->credit)
        return false;
    g->exposed[0]++;
    return true;
}

/* In 1/256 hits. The puts of the window are in the same unit. */
static uint64_t value_of(const struct pcache_ghost *g, enum ghost_rule rule, uint32_t thin,
                         uint64_t room)
{
    const struct pcache_curve *c = &g->curve[rule];
    uint64_t hits = pcache_curve_hits(c, room << thin) >> thin,
             cost = (c->puts >> thin) / PUTS_A_HIT;

    return hits + (g->curve[GHOST_ALL].puts / PUTS_A_HIT) - cost;
}

static void keep_all(struct pcache_ghost *g)
{
    g->rule = GHOST_ALL;
    g->thin = 0;
    g->saves = false;
}

static void decide(struct pcache_ghost *g)
{
    const struct pcache_curve *all = &g->curve[GHOST_ALL];
    struct choice best;
    uint64_t margin;
    bool was_all;

    g->undecided = 0;
    if (g->entries == 0 || (all->gets + all->puts) >> all->shift < SEEN_LEAST) {
        keep_all(g);
        return;
    }
    best = (struct choice){GHOST_ALL, 0, value_of(g, GHOST_ALL, 0, g->room + g->room / 8)};
    margin = pcache_curve_hits(all, g->room) / 32 + all->puts / PUTS_A_HIT / 8;
    if (g->rule == GHOST_ALL && g->thin == 0)
        best.value += margin;
    for (uint32_t thin = 0; thin <= GHOST_THIN_MAX; thin++) {
        for (unsigned r = 0; r < GHOST_RULES; r++) {
            uint64_t value = value_of(g, (enum ghost_rule)r, thin, g->room);

            if ((r != GHOST_ALL || thin != 0) && value > best.value)
                best = (struct choice){(enum ghost_rule)r, thin, value};
        }
    }
    was_all = g->rule == GHOST_ALL && g->thin == 0;
    g->rule = best.rule;
    g->thin = best.thin;
    g->saves = (best.rule != GHOST_ALL || best.thin != 0) &&
               pcache_curve_hits(&g->curve[best.rule], g->room << best.thin) >> best.thin <=
                   pcache_curve_hits(all, g->room) + (all->gets >> 3);
    if (was_all && !g->saves && g->credit < GHOST_CREDIT * g->room / STAKE)
        keep_all(g);
}

static bool is_thinned_out(uint32_t mark, uint32_t thin)
{
    return thin != 0 && tag_of(mark) * UINT32_C(0x85ebca6b) >> (32 - thin) != 0;
}

void pcache_ghost_set_room(struct pcache_ghost *g, uint64_t pages)
{
    uint64_t reach = REACH * min_u64(pages, CURVE_REACH_MAX);
    uint64_t had = (uint64_t)g->curve[0].bucket_pages * CURVE_BUCKETS;

    g->room = min_u64(pages, CURVE_REACH_MAX);
    if (reach <= had + had / 2 && reach >= had / 4)
        return;
    for (unsigned r = 0; r < GHOST_RULES; r++)
        pcache_curve_set_reach(&g->curve[r], reach);
}

/* ---- events ---- */

bool pcache_ghost_put(struct pcache_ghost *g, uint64_t name, uint64_t hint, uint64_t now,
                      uint32_t *mark)
{
    struct ghost_entry *e = hint != 0 ? find(g, hint) : NULL;
    bool known, is_out;

    if (e != NULL) {
        *mark = e->mark;
        erase(g, e);
    } else {
        *mark = (uint32_t)(mix(name ^ g->seed) >> 32) & ~MARK_KNOWN;
    }
    g->puts++;
    earn(g, 1);
    pass_put(g);
    pcache_curve_put(&g->curve[GHOST_ALL], tag_of(*mark), now);
    if (*mark & MARK_KNOWN)
        pcache_curve_put(&g->curve[GHOST_KNOWN], tag_of(*mark), now);
    if (unlikely(++g->undecided >= GHOST_DECIDE))
        decide(g);
    known = *mark & MARK_KNOWN;
    is_out = is_thinned_out(*mark, g->thin);
    if (!is_out && (g->rule == GHOST_ALL || known))
        return true;
    if (g->saves && !expose(g))
        return true;
    if (!g->saves)
        g->judged_until = g->puts + g->room;
    g->refused++;
    if (is_out && !g->saves)
        return false;
    if (hint == name) /* it is known not to be there */
        place(g, set_of(g, name), NULL, stored(g, name), *mark, GHOST_REFUSED);
    else
        remember(g, name, *mark, GHOST_REFUSED);
    return false;
}

/* While a rule that promised more hits is in force, and as long after as its refusals may be felt, its
 * hits are earned, and those that keeping everything would have had are paid for. */
static void tell_get(struct pcache_ghost *g, uint32_t mark, bool hit, uint64_t now)
{
    uint64_t behind = pcache_curve_get(&g->curve[GHOST_ALL], tag_of(mark), now);

    (void)pcache_curve_get(&g->curve[GHOST_KNOWN], tag_of(mark), now);
    earn(g, 1);
    if (likely(g->puts >= g->judged_until))
        return;
    if (hit)
        earn(g, GHOST_CREDIT - GHOST_CREDIT / 8);
    if (behind < g->room + g->room / 8)
        pay(g, UINT64_C(1) << g->curve[GHOST_ALL].shift);
    if (g->credit == 0 && !g->saves)
        keep_all(g);
}

void pcache_ghost_hit(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint64_t now)
{
    tell_get(g, mark, true, now);
    remember(g, name, mark | MARK_KNOWN, GHOST_BACK);
    g->back++;
}

bool pcache_ghost_miss(struct pcache_ghost *g, uint64_t name, uint64_t now, uint16_t *cause)
{
    struct ghost_entry *e = find(g, name);

    /* A page whose name is stable is told from others by it, remembered or not. */
    tell_get(g, e ? e->mark : (uint32_t)(mix(name ^ g->seed) >> 32), false, now);
    if (e == NULL || e->cause == GHOST_BACK)
        return false;
    *cause = e->cause;
    if (e->cause == GHOST_REFUSED && g->puts >= g->judged_until)
        pay(g, 1);
    e->mark |= MARK_KNOWN;
    set_cause(g, e, GHOST_BACK);
    g->would_hit++;
    return true;
}

void pcache_ghost_dropped(struct pcache_ghost *g, uint64_t name, uint32_t mark, uint16_t cause)
{
    ASSERT(cause != GHOST_BACK);
    remember(g, name, mark, cause);
}

void pcache_ghost_forget_kept(struct pcache_ghost *g, uint32_t mark)
{
    for (unsigned r = 0; r < GHOST_RULES; r++)
        pcache_curve_forget(&g->curve[r], tag_of(mark));
}

void pcache_ghost_forget(struct pcache_ghost *g, uint64_t name)
{
    struct ghost_entry *e = find(g, name);

    if (e == NULL)
        return;
    pcache_ghost_forget_kept(g, e->mark);
    erase(g, e);
}

/* The entries stay until others take their place; nobody finds them. */
void pcache_ghost_forget_all(struct pcache_ghost *g)
{
    g->salt = mix(g->salt + g->seed + 1);
    for (unsigned r = 0; r < GHOST_RULES; r++)
        pcache_curve_forget_all(&g->curve[r]);
}

void pcache_ghost_audit(const struct pcache_ghost *g)
{
    uint32_t used = 0, gone = 0;

    for (uint32_t i = 0; i < g->entries; i++) {
        const struct ghost_entry *e = &g->entry[i];

        if (e->name == 0)
            continue;
        used++;
        gone += e->cause != GHOST_BACK;
        BUG_ON(i % GHOST_WAYS != 0 && e[-1].name == 0);
        for (const struct ghost_entry *o = e - i % GHOST_WAYS; o < e; o++)
            BUG_ON(o->name == e->name);
    }
    BUG_ON(used != g->used || gone != g->gone);
    BUG_ON(g->thin > GHOST_THIN_MAX || g->rule >= GHOST_RULES || g->undecided >= GHOST_DECIDE);
    BUG_ON(g->entries == 0 && (g->rule != GHOST_ALL || g->thin != 0)); /* INV-GHOST-3 */
    for (unsigned r = 0; r < GHOST_RULES; r++)
        pcache_curve_audit(&g->curve[r]);
}
