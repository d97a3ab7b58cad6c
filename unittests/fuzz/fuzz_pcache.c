/* SPDX-License-Identifier: MIT
 *
 * Streams of pcache_op by two domains and the control domain, through the real dispatch: structures in guest memory that
 * make sense more often than not. Every page that is put says who put it under which key or name; what comes back is
 * looked at. Domains die, memory is taken and given back, calls are interrupted. There is so little memory that pages
 * must go. The auditors follow every AUDIT_EACH calls, and at the end every page must be back.
 *
 * An input is a list of records of RECORD bytes, a call each, and is changed record by record: they are moved,
 * doubled, left out, and new ones come as calls that mean something, or as stories of some calls.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/arch.h>
#include "include/public/lagan/pcache.h"
#include "mm/frame.h"
#include "mm/pcache.h"
#include "unittests/core_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

enum {
    RECORD = 16,
    AUDIT_EACH = 32,
    PAGES = 190, /* of these some 70 are free when the guests are there */
    GUEST_MOST = 40,
    HELD = 64,
    GUESTS = 2,
    FRAMES = 6,
    KEYS = 24,
    IDS = 16,
    BATCH = 6,
    ORDERS = 4, /* of the memory that the host wants meanwhile: up to 8 pages in a row */
    CALLS_MAX = 200,
    DATA = 0x4000 /* of the guests' memory: BATCH pages */
};

/* What a page says at its beginning; the rest of it is its number. */
struct content {
    uint64_t guest, name, fill;
};

static struct domain *dom0, *guest[GUESTS];
static uint64_t frame[GUESTS][FRAMES], id[GUESTS][IDS], id_name[GUESTS][IDS], generation;
static unsigned life[GUESTS]; /* so that no page survives its domain */
static struct {
    mfn_t mfn;
    unsigned order;
} held[HELD];
static unsigned held_count;

/* The bytes of a record, one after the other; longer calls read them again, as other ones. */
struct input {
    uint8_t of[RECORD];
    unsigned next;
};

static unsigned byte(struct input *in)
{
    unsigned n = in->next++;

    return in->of[n % RECORD] ^ (n / RECORD * 37 & 0xff);
}

static void fill(void *page, unsigned g, uint64_t name)
{
    memset(page, (int)(++generation & 0xff), PAGE_SIZE);
    *(struct content *)page =
        (struct content){g + 1 + GUESTS * (uint64_t)life[g], name, generation};
}

static void check_content(const void *page, unsigned g, uint64_t name)
{
    const struct content *c = page;
    const uint8_t *bytes = page;

    BUG_ON(c->guest != g + 1 + GUESTS * (uint64_t)life[g] || c->name != name);
    BUG_ON(bytes[sizeof(*c)] != (uint8_t)c->fill); /* and all bytes behind it are the same */
    BUG_ON(memcmp(bytes + sizeof(*c), bytes + sizeof(*c) + 1, PAGE_SIZE - sizeof(*c) - 1) != 0);
}

static void begin_guest(unsigned g)
{
    struct pcache *cache;

    life[g]++;
    guest[g] = core_domain(1, GUEST_MOST);
    for (unsigned i = 0; i < FRAMES; i++) {
        mfn_t m = MFN_INVALID;

        BUG_ON(account_alloc_named(&guest[g]->account, 0, 0, i, &m) != 0);
        frame[g][i] = m.n;
    }
    (void)!domain_pcache(guest[g], &cache); /* -XEN_ENOMEM where memory is in pieces */
    for (unsigned i = 0; i < IDS; i++)
        id[g][i] = id_name[g][i] = 0;
}

static int64_t op(struct domain *d, unsigned command, unsigned count)
{
    return CORE_CALL(d->vcpu[0], LAGAN_HYPERVISOR_pcache_op, command, core_va(0), count);
}

/* ---- queries ---- */

struct sent {
    struct lagan_pcache_query q;
    uint64_t put_name, get_name;
    unsigned id; /* of those the guest has, which the query asks for */
    bool sane;   /* what comes back can be judged */
};

/* The page of the i-th query, where it can be seen from here; NULL: it names none of the guest's. */
static void *page_of(unsigned g, const struct lagan_pcache_query *q)
{
    if (q->flags & LAGAN_PCACHE_VIRTUAL) {
        bool data = q->page >= core_va(DATA) && q->page < core_va(DATA + BATCH * PAGE_SIZE) &&
                    q->page % PAGE_SIZE == 0;

        return data || q->page == CORE_READONLY ? core_at(q->page - core_va(0)) : NULL;
    }
    for (unsigned i = 0; i < FRAMES; i++) {
        if (frame[g][i] == q->page)
            return arch_map_frame(mfn(q->page));
    }
    return NULL;
}

static uint64_t place(struct input *in, unsigned g, unsigned i, bool is_virtual)
{
    static const uint64_t wild[] = {0, UINT64_MAX, CORE_BAD, CORE_HV, CORE_READONLY, 1, 699};
    unsigned b = byte(in);

    if (b >= 240)
        return wild[b % ARRAY_SIZE(wild)];
    return is_virtual ? core_va(DATA + i * PAGE_SIZE) : frame[b >= 232 ? !g : g][b % FRAMES];
}

static void make_query(struct input *in, unsigned g, unsigned i, struct sent *s)
{
    static const uint16_t usual[] = {0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x09, 0x0a, 0x0b, 0x0d,
                                     0x0e, 0x0f, 0x11, 0x12, 0x13, 0x15, 0x16, 0x17, 0x26, 0x36};
    unsigned b = byte(in);
    uint16_t flags = b < 240 ? usual[b % ARRAY_SIZE(usual)] : (uint16_t)(b * 257);
    bool keyed = flags & LAGAN_PCACHE_KEYED;

    memset(s, 0, sizeof(*s));
    s->id = byte(in) % IDS;
    s->q.flags = flags;
    s->q.pool = (uint16_t)(keyed ? byte(in) % 5 : byte(in) >= 250);
    s->q.page = place(in, g, i, flags & LAGAN_PCACHE_VIRTUAL);
    s->put_name = 1 + byte(in) % KEYS;
    if (keyed) {
        s->put_name |= (uint64_t)s->q.pool << 32;
        s->get_name = (1 + byte(in) % KEYS) | (uint64_t)s->q.pool << 32;
        s->q.new = s->put_name;
        s->q.old = s->get_name;
    } else {
        s->get_name = id_name[g][s->id];
        s->q.name = byte(in) & 1 ? s->put_name : 0;
        s->q.old = id[byte(in) >= 240 ? !g : g][s->id];
        s->q.old_name = byte(in) & 1 ? s->get_name : 0;
    }
}

/* What was answered is true: only a guest's own pages come back, as they were put. */
static void judge(unsigned g, struct sent *s, const struct lagan_pcache_query *a)
{
    bool keyed = s->q.flags & LAGAN_PCACHE_KEYED;
    void *page;

    if (a->status > 0 && a->page != s->q.page) {
        BUG_ON(!(a->status & LAGAN_PCACHE_EXCHANGED));
        for (unsigned i = 0; i < FRAMES; i++) {
            if (frame[g][i] == s->q.page)
                frame[g][i] = a->page;
        }
        BUG_ON(arch_map_frame(mfn(a->page)) == NULL ||
               frame_owner(frame_of(mfn(a->page))) != guest[g]->id);
    }
    page = page_of(g, a);
    if (a->status > 0 && (a->status & LAGAN_PCACHE_HIT) && s->sane && page)
        check_content(page, g, s->get_name);
    if (!keyed && a->status > 0 && (a->status & LAGAN_PCACHE_KEPT)) {
        id[g][s->id] = a->new;
        id_name[g][s->id] = s->put_name;
    }
}

static void query(struct input *in, unsigned g)
{
    struct lagan_pcache_query *q = core_at(0);
    unsigned count = 1 + byte(in) % BATCH;
    struct sent sent[BATCH];

    /* One of a batch may fill the page, or change the frame, of another: those are not judged. */
    for (unsigned i = 0; i < count; i++) {
        struct sent *s = &sent[i];
        void *page;

        make_query(in, g, i, s);
        s->sane = count == 1;
        page = page_of(g, &s->q);
        if (page && count == 1)
            fill(page, g, s->put_name);
        if (count > 1) /* with pages of their own, and gets only: what they say must be true */
            s->q.flags &= (uint16_t) ~(LAGAN_PCACHE_PUT | LAGAN_PCACHE_EXCHANGE);
        q[i] = s->q;
    }
    if (op(guest[g], LAGAN_PCACHE_query, count) != 0)
        return;
    for (unsigned i = 0; i < count; i++)
        judge(g, &sent[i], &q[i]);
}

/* ---- the other calls ---- */

static void flush(struct input *in, unsigned g)
{
    struct lagan_pcache_flush *f = core_at(0);
    unsigned b = byte(in);

    *f = (struct lagan_pcache_flush){.what = (uint16_t)(byte(in) % 6),
                                     .pool = (uint16_t)(byte(in) % 5),
                                     .first = b & 1 ? id[g][b % IDS] : b % KEYS,
                                     .keys = b & 2 ? UINT64_MAX - b : b % 16,
                                     .cursor = b >= 250 ? UINT32_MAX : 0};
    if (f->pool && f->first < KEYS)
        f->first |= (uint64_t)f->pool << 32;
    (void)op(guest[g], LAGAN_PCACHE_flush, 1);
}

static void pools(struct input *in, unsigned g)
{
    struct lagan_pcache_pool *p = core_at(0);
    unsigned b = byte(in);

    *p = (struct lagan_pcache_pool){.kind = (uint16_t)(b & 1)};
    if (b & 2)
        *p = (struct lagan_pcache_pool){.pool = (uint16_t)(b / 4 % 18),
                                        .cursor = b >= 240 ? UINT32_MAX - b : 0};
    (void)op(guest[g], b & 2 ? LAGAN_PCACHE_pool_destroy : LAGAN_PCACHE_pool_new, 0);
}

static void control(struct input *in, unsigned g)
{
    unsigned command = LAGAN_PCACHE_set_quota + byte(in) % 7;
    struct lagan_pcache_quota *q = core_at(0);

    memset(core_at(0), 0, PAGE_SIZE);
    *q = (struct lagan_pcache_quota){.domid = guest[g]->id};
    if (command == LAGAN_PCACHE_set_quota) {
        q->weight = byte(in) * 300;
        q->floor = byte(in);
        q->ceiling = byte(in) < 200 ? UINT64_MAX : byte(in);
    } else if (command == LAGAN_PCACHE_freeze) {
        ((struct lagan_pcache_freeze *)core_at(0))->on = byte(in) & 1;
    }
    (void)op(byte(in) < 240 ? dom0 : guest[g], command, 1 + byte(in) % 3);
}

static bool hold(unsigned order, unsigned flags)
{
    if (held_count == HELD || heap_alloc(order, flags, &held[held_count].mfn) != 1)
        return false;
    held[held_count++].order = order;
    return true;
}

static void let_go(void)
{
    held_count--;
    heap_free(held[held_count].mfn, held[held_count].order);
}

/* The host wants memory, or has it back; time passes; a domain dies. */
static void events(struct input *in, unsigned g)
{
    unsigned b = byte(in);

    if (b < 100) {
        (void)hold(b / 4 % ORDERS, b & 1 ? HEAP_CLEAR : HEAP_ANY);
    } else if (b < 180) {
        if (held_count > 0)
            let_go();
    } else if (b < 240) {
        core_pass((uint64_t)b * 1000000);
    } else {
        while (held_count > 0)
            let_go();
        core_kill(guest[g]);
        begin_guest(g);
    }
}

static void one(struct input *in)
{
    unsigned b = byte(in), g = b & 1;

    host_preempt_every(b & 2 ? 1 + b / 64 : 0);
    switch (b / 4 % 10) {
    case 0:
        flush(in, g);
        break;
    case 1:
        pools(in, g);
        break;
    case 2:
        control(in, g);
        break;
    case 3:
        host_preempt_every(0);
        events(in, g);
        break;
    default:
        query(in, g);
    }
    host_preempt_every(0);
}

static void audit(void)
{
    BUG_ON(pcache_audit() != 0);
    core_audit();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct domain_config config = {.id = 0, .vcpus = 1, .max_pages = 20, .privileged = true};
    unsigned n;

    core_start(PAGES);
    BUG_ON(domain_create(&config, &dom0) != 0);
    dom0->pause_count = 0;
    core_vcpu_up(dom0->vcpu[0]);
    for (unsigned g = 0; g < GUESTS; g++)
        begin_guest(g);
    for (n = 1; size > 0 && n <= CALLS_MAX; n++) {
        struct input in = {.next = 0};
        size_t bytes = min_u64(size, RECORD);

        memcpy(in.of, data, bytes);
        data += bytes;
        size -= bytes;
        one(&in);
        if (n % AUDIT_EACH == 0)
            audit();
    }
    audit();
    while (held_count > 0)
        let_go();
    for (unsigned g = 0; g < GUESTS; g++)
        core_kill(guest[g]);
    core_kill(dom0);
    if (!core_gone())
        abort();
    return 0;
}

/* ---- changing inputs ---- */

static unsigned draw(unsigned *random, unsigned below)
{
    *random = *random * 1664525 + 1013904223;
    return (*random >> 8) % below;
}

/* A call that means something: `kind` and what its first bytes are; the others are drawn. */
static const struct {
    uint8_t length, head[6];
} calls[] = {
    {3, {16, 0, 12}},
    {3, {16, 0, 13}},
    {3, {16, 0, 14}},
    {3, {16, 0, 6}},
    {3, {16, 0, 7}},
    {3, {16, 0, 8}},
    {5, {16, 0, 15, 0, 1}},
    {5, {16, 0, 16, 0, 1}},
    {5, {16, 0, 17, 0, 1}},
    {5, {16, 0, 9, 0, 1}},
    {5, {16, 0, 11, 0, 1}},
    {5, {16, 0, 15, 0, 2}},
    {5, {16, 0, 16, 0, 2}},
    {5, {16, 0, 18, 0, 1}},
    {3, {16, 5, 13}},
    {2, {4, 0}},
    {2, {4, 1}},
    {2, {4, 6}},
    {2, {4, 10}},
    {3, {0, 0, 0}},
    {3, {0, 3, 1}},
    {3, {0, 2, 2}},
    {3, {0, 1, 3}},
    {2, {8, 0}},
    {2, {8, 1}},
    {2, {8, 3}},
    {2, {12, 0}},
    {2, {12, 13}},
    {2, {12, 120}},
    {2, {12, 239}},
    {2, {12, 250}},
    {3, {18, 5, 13}},
};

static void make_record(uint8_t *to, unsigned call, unsigned *random)
{
    for (unsigned i = 0; i < RECORD; i++)
        to[i] = (uint8_t)draw(random, 256);
    memcpy(to, calls[call].head, calls[call].length);
    to[0] |= (uint8_t)draw(random, 2); /* either guest */
}

/* One call several times, as to fill the cache or to empty it; returns the records. */
static size_t make_story(uint8_t *to, size_t room, unsigned *random)
{
    unsigned call = draw(random, ARRAY_SIZE(calls));
    size_t count = min_u64(room, draw(random, 3) ? 1 : 1 + draw(random, 24));

    for (size_t i = 0; i < count; i++)
        make_record(to + i * RECORD, call, random);
    return count;
}

static void change_one(uint8_t *record)
{
    size_t size = LLVMFuzzerMutate(record, RECORD, RECORD);

    memset(record + size, 0, RECORD - size);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size_t count = size / RECORD, room = max_size / RECORD - count, at, length;
    unsigned random = seed;
    uint8_t made[24 * RECORD];

    if (max_size < RECORD)
        return LLVMFuzzerMutate(data, size, max_size);
    at = draw(&random, (unsigned)count + 1);
    length = count > at ? 1 + draw(&random, (unsigned)min_u64(count - at, 8)) : 0;
    switch (count ? draw(&random, 6) : 0) {
    case 0:
    case 1: /* new ones */
        length = make_story(made, min_u64(room, 24), &random);
        break;
    case 2: /* some twice */
        length = min_u64(length, room);
        memcpy(made, data + at * RECORD, length * RECORD);
        at = draw(&random, (unsigned)count + 1);
        break;
    case 3: /* some are left out */
        memmove(data + at * RECORD, data + (at + length) * RECORD, (count - at - length) * RECORD);
        return (count - length) * RECORD;
    case 4:
        return LLVMFuzzerMutate(data, size, max_size);
    default:
        change_one(data + (at < count ? at : 0) * RECORD);
        return count * RECORD;
    }
    memmove(data + (at + length) * RECORD, data + at * RECORD, (count - at) * RECORD);
    memcpy(data + at * RECORD, made, length * RECORD);
    return (count + length) * RECORD;
}
