/* SPDX-License-Identifier: MIT
 *
 * Domains that come and go at random, each holding on to the memory of the others, and what is left of them: against
 * a model that keeps no counts.
 *
 * The model remembers which frames each domain has been given, who holds which frame by what (a reference of the
 * hypervisor's, an entry of a page table of one's own, a foreign mapping, a grant that is mapped), and what was claimed.
 * A domain has a frame as long as it is given to it or somebody holds it; the dead ones only the latter. Tables are
 * validated and torn down in steps of which any may be the last before something else happens; a death is one step of
 * many at any time. While an operation of a table is half done, or a holder is being taken apart, the model knows only
 * the least and the most that there may be.
 *
 * 5 million operations: LAGAN_MODEL_STEPS=5000000 (`make soak`).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mm/claim.h"
#include "mm/frame.h"
#include "mm/pte.h"
#include "shmem/grant_int.h"
#include "unittests/core_world.h"
#include "unittests/mm_kit.h"
#include "xen/books.h"
#include "xen/event.h"

enum {
    LIVES = 6,
    GIVEN = 24,  /* frames of one, beside the five that its space is made of */
    MOST = 40,   /* its limit */
    WINDOWS = 8, /* entries of its L1 table for what is others' */
    ENTRIES = 3, /* entries of its further tables */
    HOLDS = 160,
    REFS = 4, /* its grants */
    FIRST_REF = 8,
    PORTS = 12,
    RAM = 700,
};

enum kind { NONE, REFERENCE, WRITABLE, ENTRY, FOREIGN, GRANT };

/* Somebody holds a frame. */
struct hold {
    enum kind kind;
    unsigned holder, owner; /* lives; a reference has no holder */
    mfn_t m;
    mfn_t table;     /* ENTRY: which stands there */
    unsigned window; /* FOREIGN, GRANT */
    grant_handle_t handle;
};

struct life {
    struct domain *d;  /* NULL: nobody; the references of creation and ours */
    bool dying, waits; /* ... for others only */
    mfn_t root, l1;
    mfn_t given[GIVEN];
    bool pinned[GIVEN], half[GIVEN]; /* as a table; between two steps of it */
    unsigned count;
    unsigned level[GIVEN];
    uint64_t claim_for;
};

static struct life life[LIVES];
static struct hold hold[HOLDS];
static uint64_t rnd;
static unsigned long deaths;

static unsigned pick(unsigned n)
{
    return (unsigned)(kit_random(&rnd) % n);
}

/* ---- what the model knows ---- */

static struct hold *hold_new(void)
{
    for (unsigned i = 0; i < HOLDS; i++)
        if (hold[i].kind == NONE)
            return &hold[i];
    return NULL;
}

static bool is_given(const struct life *l, mfn_t m)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->given[i].n == m.n)
            return true;
    return false;
}

/* May the hold be gone by now, or not be there yet? */
static bool unsure(const struct hold *h)
{
    const struct life *by = &life[h->holder];

    if (h->kind == REFERENCE || h->kind == WRITABLE)
        return false;
    if (by->dying)
        return true;
    for (unsigned i = 0; h->kind == ENTRY && i < by->count; i++)
        if (by->half[i])
            return true;
    return false;
}

static bool first_of(unsigned i, bool sure)
{
    for (unsigned j = 0; j < i; j++)
        if (hold[j].kind != NONE && hold[j].owner == hold[i].owner && hold[j].m.n == hold[i].m.n &&
            !(sure && unsure(&hold[j])))
            return false;
    return true;
}

/* Frames that are the domain's only because they are held. */
static uint64_t kept(unsigned owner, bool sure)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < HOLDS; i++)
        if (hold[i].kind != NONE && hold[i].owner == owner && !(sure && unsure(&hold[i])) &&
            (life[owner].dying || !is_given(&life[owner], hold[i].m)) && first_of(i, sure))
            n++;
    return n;
}

static uint64_t claimed_by(const struct life *l)
{
    return l->d ? claim_pages(&l->d->account) : 0;
}

static bool agrees(void)
{
    uint64_t claimed = 0;
    struct books books;

    for (unsigned i = 0; i < LIVES; i++) {
        struct life *l = &life[i];
        uint64_t base = l->dying ? 0 : 4 + l->count;

        claimed += claimed_by(l);
        if (!l->d || (l->dying && !l->waits))
            continue;
        if (l->d->account.pages < base + kept(i, true) ||
            l->d->account.pages > base + kept(i, false))
            return false;
    }
    return claimed == heap_claimed_pages() && claimed <= heap_free_pages() && books_add_up(&books);
}

/* ---- births ---- */

static void be_born(struct life *l)
{
    static const struct grant_limits limits = {.frames = 1, .maptrack_frames = 1};
    struct domain_config config = {
        .id = DOMID_INVALID, .vcpus = 1 + pick(2), .max_pages = MOST, .grants = limits};
    mfn_t l3, l2;

    if (heap_free_pages() - heap_claimed_pages() < 60)
        return;
    *l = (struct life){.d = NULL};
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &l->d), 0);
    domain_unpause(l->d);
    core_vcpu_up(l->d->vcpu[0]);
    l->root = core_frame(l->d);
    l3 = core_frame(l->d);
    l2 = core_frame(l->d);
    l->l1 = core_frame(l->d);
    *kit_entry(l->root, 0) = kit_pte(l3, KIT_RW);
    *kit_entry(l3, 0) = kit_pte(l2, KIT_RW);
    *kit_entry(l2, 0) = kit_pte(l->l1, KIT_RW);
    CU_ASSERT_EQUAL_FATAL(table_pin(&l->d->account, l->root, 4), 0);
    CU_ASSERT_EQUAL_FATAL(grant_table_grow(l->d->grants, 1), GNTST_okay);
}

/* ---- frames and claims ---- */

static void take(struct life *l)
{
    struct account *a = &l->d->account;
    uint64_t free = heap_free_pages() - heap_claimed_pages() + claimed_by(l);
    bool may = a->pages < MOST && free > 0;
    mfn_t m;

    if (l->count == GIVEN)
        return;
    CU_ASSERT_EQUAL_FATAL(account_alloc(a, 0, HEAP_ANY, &m) == 0, may);
    if (!may)
        return;
    l->pinned[l->count] = l->half[l->count] = false;
    l->given[l->count++] = m;
}

static void forget(struct life *l, unsigned i)
{
    l->count--;
    l->given[i] = l->given[l->count];
    l->pinned[i] = l->pinned[l->count];
    l->half[i] = l->half[l->count];
    l->level[i] = l->level[l->count];
}

/* One or some, which others may hold. */
static void give(struct life *l)
{
    mfn_t list[4];
    unsigned n = 0, most = 1 + pick(4);

    for (unsigned i = l->count; i-- > 0 && n < most;)
        if (!l->pinned[i] && !l->half[i]) {
            list[n++] = l->given[i];
            forget(l, i);
        }
    if (n == 1) {
        CU_ASSERT_EQUAL_FATAL(account_release(&l->d->account, list[0]), 0);
    } else if (n > 1) {
        CU_ASSERT_EQUAL_FATAL(account_release_list(&l->d->account, list, n), n);
    }
    if (n)
        CU_ASSERT_EQUAL(account_release(&l->d->account, list[0]), -XEN_EINVAL); /* twice */
}

static void claim(struct life *l)
{
    struct account *a = &l->d->account;
    uint64_t want = pick(MOST + 4), others = heap_claimed_pages() - claimed_by(l);
    uint64_t lacks = want > a->pages ? want - a->pages : 0;
    int rc = 0;

    if (want && (lacks == 0 || want > MOST))
        rc = -XEN_EINVAL;
    else if (heap_free_pages() < others + lacks)
        rc = -XEN_ENOMEM;
    CU_ASSERT_EQUAL_FATAL(claim_set(a, want), rc);
    if (rc == 0)
        CU_ASSERT_EQUAL_FATAL(claim_pages(a), lacks);
}

/* ---- tables ---- */

/* And its content, or it would be an unknown table's when another refers to it as one. */
static void drop_entries(mfn_t table)
{
    memset(kit_entry(table, 0), 0, PAGE_SIZE);
    for (unsigned i = 0; i < HOLDS; i++)
        if (hold[i].kind == ENTRY && hold[i].table.n == table.n)
            hold[i].kind = NONE;
}

/* Entries that refer to frames of its own, which nobody has given back. */
static void fill(unsigned who, unsigned i)
{
    struct life *l = &life[who];
    uint64_t flags = l->level[i] > 1 ? KIT_RW : KIT_RO;

    memset(kit_entry(l->given[i], 0), 0, PAGE_SIZE);
    for (unsigned e = 0; e < ENTRIES; e++) {
        unsigned other = pick(l->count);
        struct hold *h = hold_new();

        if (!h || other == i || l->pinned[other] || l->half[other])
            continue;
        *kit_entry(l->given[i], 100 * e) = kit_pte(l->given[other], flags);
        *h = (struct hold){ENTRY, who, who, l->given[other], .table = l->given[i]};
    }
}

/* Nobody but its allocation has anything to do with it: its content can be written. */
static bool is_plain(const struct life *l, unsigned i)
{
    for (unsigned k = 0; k < HOLDS; k++)
        if (hold[k].kind != NONE && hold[k].m.n == l->given[i].n)
            return false;
    return !l->pinned[i] && !l->half[i];
}

/* A step: what was begun goes on, in either direction. */
static void pin(unsigned who)
{
    struct life *l = &life[who];
    unsigned i;
    int rc;

    if (l->count < 2)
        return;
    i = pick(l->count);
    if (!l->half[i] && !l->pinned[i]) {
        if (!is_plain(l, i))
            return;
        l->level[i] = 1 + pick(3);
        fill(who, i);
    }
    rc = l->pinned[i] ? table_unpin(&l->d->account, l->given[i])
                      : table_pin(&l->d->account, l->given[i], l->level[i]);
    l->half[i] = rc == -XEN_ERESTART;
    if (rc == 0)
        l->pinned[i] = !l->pinned[i];
    if (!l->half[i] && !l->pinned[i])
        drop_entries(l->given[i]);
}

/* ---- what others hold ---- */

static void refer(unsigned owner)
{
    struct life *l = &life[owner];
    struct hold *h = hold_new();
    bool write = pick(2), ok;
    mfn_t m;

    if (!h || !l->count)
        return;
    m = l->given[pick(l->count)];
    ok = write ? frame_get_writable(m, l->d->id) == 0 : frame_get(m, l->d->id);
    CU_ASSERT(ok || write);
    if (ok)
        *h = (struct hold){.kind = write ? WRITABLE : REFERENCE, .owner = owner, .m = m};
}

#define WINDOW_ADDRESS(life, w) ((life)->l1.n << PAGE_SHIFT | (w) * sizeof(uint64_t))

static bool window_free(unsigned who, unsigned window)
{
    for (unsigned i = 0; i < HOLDS; i++)
        if ((hold[i].kind == FOREIGN || hold[i].kind == GRANT) && hold[i].holder == who &&
            hold[i].window == window)
            return false;
    return true;
}

static int set_window(unsigned who, unsigned window, uint64_t entry, domid_t from)
{
    struct table_change c = {.entry = entry, .from = from};

    return table_update(&life[who].d->account, life[who].l1, window, &c);
}

static void map_foreign(unsigned who, unsigned owner)
{
    struct life *o = &life[owner];
    unsigned window = pick(WINDOWS);
    struct hold *h = hold_new();
    mfn_t m;

    if (!h || !o->count || who == owner || !window_free(who, window))
        return;
    m = o->given[pick(o->count)];
    if (set_window(who, window, kit_pte(m, pick(2) ? KIT_RW : KIT_RO), o->d->id) == 0)
        *h = (struct hold){FOREIGN, who, owner, m, .window = window};
}

static void map_grant(unsigned who, unsigned owner)
{
    struct life *o = &life[owner], *l = &life[who];
    unsigned window = pick(WINDOWS), ref = FIRST_REF + pick(REFS);
    struct hold *h = hold_new();
    struct grant_user user = {l->d->grants, l->root, 0};
    struct gnttab_map_grant_ref op = {.host_addr = WINDOW_ADDRESS(l, window),
                                      .flags = GNTMAP_host_map | GNTMAP_contains_pte |
                                               (pick(2) ? GNTMAP_readonly : 0),
                                      .ref = ref,
                                      .dom = o->d->id};
    int rc;
    mfn_t m;

    if (!h || !o->count || !window_free(who, window))
        return;
    m = o->given[pick(o->count)];
    if (!(grant_v1(o->d->grants, ref)->flags & (GTF_reading | GTF_writing)))
        *grant_v1(o->d->grants, ref) =
            (grant_entry_v1_t){GTF_permit_access, l->d->id, (uint32_t)m.n};
    else
        m = mfn(grant_v1(o->d->grants, ref)->frame);
    grant_enter();
    rc = grant_map(&user, &op);
    grant_leave();
    if (rc == 0 && op.status == GNTST_okay)
        *h = (struct hold){GRANT, who, owner, m, .window = window, .handle = op.handle};
}

static int unmap_grant(struct hold *h)
{
    struct life *l = &life[h->holder];
    struct grant_user user = {l->d->grants, l->root, 0};
    struct grant_unmap_batch b;
    int status;

    grant_unmap_begin(&b, &user);
    grant_enter();
    status = grant_unmap_one(&b, WINDOW_ADDRESS(l, h->window), 0, 0, h->handle);
    grant_unmap_finish(&b);
    grant_leave();
    return status;
}

static void let_go(struct hold *h)
{
    if (h->kind == ENTRY || (h->kind > ENTRY && life[h->holder].dying))
        return;
    if (h->kind == REFERENCE)
        frame_put(h->m);
    if (h->kind == WRITABLE)
        frame_put_writable(h->m);
    if (h->kind == FOREIGN)
        CU_ASSERT_EQUAL_FATAL(set_window(h->holder, h->window, 0, life[h->holder].d->id), 0);
    if (h->kind == GRANT)
        CU_ASSERT_EQUAL_FATAL(unmap_grant(h), GNTST_okay);
    h->kind = NONE;
}

/* ---- events ---- */

static void events(unsigned who, unsigned other)
{
    struct domain *d = life[who].d, *peer = life[other].d;
    evtchn_port_t port = 1 + pick(PORTS);

    switch (pick(4)) {
    case 0:
        (void)event_alloc_unbound(d, peer->id);
        break;
    case 1:
        (void)event_bind_interdomain(d, peer, port);
        break;
    case 2:
        (void)event_close(d, port);
        break;
    default:
        (void)event_send(d, port);
    }
}

/* ---- deaths ---- */

static void begin_to_die(struct life *l)
{
    domain_shutdown(l->d, (int)pick(4));
    core_settle();
    l->dying = true;
    l->waits = false;
}

static void die_on(unsigned who)
{
    struct life *l = &life[who];
    int rc = domain_kill(l->d);

    host_preempt_every(0);
    if (rc == -XEN_ERESTART)
        return;
    for (unsigned i = 0; i < HOLDS; i++)
        if (hold[i].holder == who && hold[i].kind >= ENTRY)
            hold[i].kind = NONE;
    l->waits = true;
    CU_ASSERT_EQUAL_FATAL(claim_pages(&l->d->account), 0);
    if (rc == -XEN_EAGAIN) {
        CU_ASSERT_FATAL(kept(who, false) > 0);
        return;
    }
    CU_ASSERT_FATAL(rc == 0 && kept(who, true) == 0);
    for (unsigned i = 0; i < HOLDS; i++) /* unsure ones: their holders have let go */
        if (hold[i].owner == who)
            hold[i].kind = NONE;
    domain_put(l->d);
    l->d = NULL;
    deaths++;
}

/* ---- all of it ---- */

static void step(void)
{
    unsigned who = pick(LIVES), other = pick(LIVES);
    struct life *l = &life[who];
    bool two = l->d && life[other].d && !l->dying && !life[other].dying;

    if (!l->d) {
        be_born(l);
        return;
    }
    host_preempt_every(pick(4));
    if (l->dying) {
        die_on(who);
        let_go(&hold[pick(HOLDS)]);
        return;
    }
    switch (pick(16)) {
    case 0:
    case 1:
    case 2:
        take(l);
        break;
    case 3:
        give(l);
        break;
    case 4:
        claim(l);
        break;
    case 5:
    case 6:
    case 7:
        pin(who);
        break;
    case 8:
        refer(who);
        break;
    case 9:
        if (two)
            map_foreign(who, other);
        break;
    case 10:
    case 11:
        if (two)
            map_grant(who, other);
        break;
    case 12:
    case 13:
        let_go(&hold[pick(HOLDS)]);
        break;
    case 14:
        if (two)
            events(who, other);
        break;
    default:
        if (pick(12) == 0)
            begin_to_die(l);
    }
}

static uint64_t references(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < HOLDS; i++)
        n += hold[i].kind == REFERENCE || hold[i].kind == WRITABLE;
    return n;
}

static void audit(void)
{
    core_audit();
    heap_audit();
    CU_ASSERT_EQUAL(grant_audit(), 0);
    CU_ASSERT_EQUAL_FATAL(mm_audit_held(), references() + grant_audit_held());
}

static void all_die(void)
{
    bool left;

    for (unsigned i = 0; i < LIVES; i++)
        if (life[i].d && !life[i].dying)
            begin_to_die(&life[i]);
    for (unsigned i = 0; i < HOLDS; i++)
        let_go(&hold[i]);
    do {
        left = false;
        for (unsigned i = 0; i < LIVES; i++)
            if (life[i].d) {
                die_on(i);
                left = true;
            }
        core_settle();
    } while (left);
}

static void lives(void)
{
    const char *given = getenv("LAGAN_MODEL_STEPS");
    unsigned long steps = given ? strtoul(given, NULL, 0) : 60000;

    rnd = kit_seed(23);
    deaths = 0;
    memset(life, 0, sizeof(life));
    memset(hold, 0, sizeof(hold));
    core_start(RAM);
    for (unsigned long n = 0; n < steps; n++) {
        step();
        host_preempt_every(0);
        if (!agrees()) {
            printf("step %lu: the model differs\n", n);
            CU_FAIL_FATAL("the model differs");
        }
        if (n % 1024 == 0)
            audit();
    }
    all_die();
    CU_ASSERT(deaths > steps / 1000);
    core_end();
}

static const struct test_case cases[] = {
    {"lives and deaths against the model", lives},
    {NULL, NULL},
};

const struct suite suite_lives = {"lives", cases, NULL, NULL};
