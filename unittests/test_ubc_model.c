/* SPDX-License-Identifier: MIT
 *
 * Random operations of a publisher, two readers and the control domain on two volumes, beside a model that is
 * no more than a table of what each block says. Whatever a reader gets, by copy, by an entry or by what a
 * TLB remembers, says the volume, its generation and the version that the block has now. Domains and volumes end
 * and begin again, the heap asks for idle pages, the host for mapped ones, everything is preempted now and then.
 *
 * In the environment: LAGAN_MODEL_STEPS: as many steps; LAGAN_MODEL_READS: until so many blocks have been read.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/window.h"
#include "unittests/ubc_kit.h"

enum { VOLUMES = 2, SLOTTED = 1, BLOCKS = 48, ENTRIES = 12, STEPS = 100000 };

static struct {
    uint64_t handle;
    unsigned generation;
    unsigned version[BLOCKS]; /* of what is stored */
    uint64_t epoch[BLOCKS];   /* when that was read */
} vol[VOLUMES];

static struct entry {
    bool used;
    unsigned v, block;
    uint32_t handle;
} entry[UBC_DOMAINS][ENTRIES];

static uint64_t seed, reads, now;

static unsigned pick(unsigned n)
{
    return (unsigned)(kit_random(&seed) % n);
}

static uint32_t tag_of(unsigned v, unsigned block)
{
    return v << 28 | (vol[v].generation & 0xfff) << 16 | (vol[v].version[block] & 0xffff);
}

static void begin_volume(unsigned v)
{
    vol[v].handle = v == SLOTTED ? ubc_make_slotted(v + 1, BLOCKS) : ubc_make_shared(v + 1, BLOCKS);
    vol[v].generation++;
}

/* What the entries of the domain say of volume v is over. */
static void forget(unsigned d, unsigned v)
{
    for (unsigned n = 0; n < ENTRIES; n++)
        if (entry[d][n].v == v)
            entry[d][n].used = false;
}

/* ---- steps ---- */

/* The publisher reads a block from where it is stored; later, perhaps much later, it inserts that. */
static struct {
    unsigned v, block;
    uint32_t tag;
    uint64_t epoch, handle;
} on_the_way[4];

static void read_storage(unsigned i)
{
    unsigned v = pick(VOLUMES), block = pick(BLOCKS);

    on_the_way[i].v = v;
    on_the_way[i].block = block;
    on_the_way[i].handle = vol[v].handle;
    on_the_way[i].epoch = ubc_epoch(v + 1);
    on_the_way[i].tag = tag_of(v, block);
}

static void insert(unsigned i)
{
    int rc;

    if (!on_the_way[i].handle)
        return;
    rc = do_insert(UPUB, on_the_way[i].handle, on_the_way[i].block, on_the_way[i].epoch,
                   on_the_way[i].tag);
    CU_ASSERT(rc == 0 || rc == -XEN_EEXIST || rc == -XEN_EAGAIN || rc == -XEN_ENXIO);
    if (rc == 0)
        CU_ASSERT_EQUAL(on_the_way[i].tag, tag_of(on_the_way[i].v, on_the_way[i].block));
}

static void write_storage(void)
{
    unsigned v = pick(VOLUMES), first = pick(BLOCKS), count = 1 + pick(BLOCKS - first);

    if (pick(16))
        count = 1;
    for (unsigned b = first; b < first + count; b++)
        vol[v].version[b]++;
    CU_ASSERT_EQUAL(do_invalidate(UPUB, vol[v].handle, first, count, NULL), 0);
}

static void renew(void)
{
    unsigned v = pick(VOLUMES);

    vol[v].generation++;
    CU_ASSERT_EQUAL(
        do_renew(pick(2) ? UPUB : UCONTROL, &vol[v].handle, vol[v].generation + 100, BLOCKS), 0);
}

static void map(unsigned d)
{
    unsigned n = pick(ENTRIES), v = pick(VOLUMES), block = pick(BLOCKS);
    struct entry *e = &entry[d][n];
    int rc;

    if (e->used)
        return;
    rc = do_map_block(d, vol[v].handle, block, n, &e->handle);
    CU_ASSERT(rc == 0 || rc == -XEN_ENOENT || rc == -XEN_EAGAIN ||
              (rc == -XEN_ENOMEM && ubc_engine.press.want));
    if (rc == 0)
        *e = (struct entry){true, v, block, e->handle};
}

static void unmap(unsigned d)
{
    struct entry *e = &entry[d][pick(ENTRIES)];

    if (!e->used)
        return;
    e->used = false;
    CU_ASSERT_EQUAL(do_unmap_handle(d, vol[e->v].handle, e->handle), 0);
}

static int set_entry(unsigned d, unsigned n, uint64_t e)
{
    struct table_change c = {.entry = e, .from = ud[d].account->id};

    return table_update(ud[d].account, ud[d].space.l1[0], KIT_DATA + n, &c);
}

static void overwrite(unsigned d)
{
    (void)!set_entry(d, pick(ENTRIES), 0);
}

/* Through an entry, or what is left of one in the TLB while it is still mapped. */
static void look_at(unsigned d, unsigned n)
{
    const struct entry *e = &entry[d][n];
    uint32_t tag;

    if (!e->used || !ubc_sees(d, n, e->block, &tag))
        return;
    CU_ASSERT_EQUAL(tag, tag_of(e->v, e->block));
    reads++;
}

/* An entry of the reader's own making, for a page that it has by handle, or had once. Those lie behind the others. */
static void make_own(unsigned d)
{
    static uint64_t seen[4];
    uint64_t e = ubc_pte(d, pick(ENTRIES));
    unsigned i = pick(4), n = ENTRIES + pick(ENTRIES);

    if ((e & PTE_P) && window_has(pte_frame(e)))
        seen[i] = e;
    if (!seen[i])
        return;
    (void)!set_entry(d, n, kit_pte(pte_frame(seen[i]), (pick(2) ? KIT_RW : KIT_RO) | WINDOW_ENTRY));
    arch_tlb_flush_page((cpumask_t){UINT64_MAX},
                        ubc_va(n)); /* what was there is its maker's care */
}

static void empty_own(unsigned d)
{
    (void)!set_entry(d, ENTRIES + pick(ENTRIES), 0);
}

/* Whatever block it is, it says what that has to say. */
static void look_at_own(unsigned d, unsigned n)
{
    uint64_t e = ubc_pte(d, n), word;
    unsigned block;
    uint32_t tag;

    if (!(e & PTE_P) || !window_has(pte_frame(e)))
        return; /* such a frame may be the reader's memory by now */
    CU_ASSERT_EQUAL(e & PTE_RW, 0);
    word = *(const uint64_t *)arch_map_frame(pte_frame(e));
    block = (uint32_t)word;
    CU_ASSERT_FATAL(block < BLOCKS);
    if (!ubc_sees(d, n, block, &tag))
        return;
    CU_ASSERT_EQUAL(tag, tag_of(SLOTTED, block));
    reads++;
}

static void look(unsigned d)
{
    for (unsigned n = ENTRIES; n < 2 * ENTRIES; n++)
        look_at_own(d, n);
    for (unsigned n = 0; n < ENTRIES; n++)
        look_at(d, n);
}

static void read_copy(unsigned d)
{
    unsigned v = pick(VOLUMES), block = pick(BLOCKS);
    uint32_t tag;
    int rc = do_read_tag(d, vol[v].handle, block, &tag);

    CU_ASSERT(rc == 0 || rc == -XEN_ENOENT);
    if (rc == 0)
        CU_ASSERT_EQUAL(tag, tag_of(v, block));
    reads += rc == 0;
}

static void revoke(void)
{
    unsigned v = pick(VOLUMES), first = pick(BLOCKS);

    host_set_time(now += pick(100));
    (void)!do_revoke(UPUB, vol[v].handle, first, 1 + pick(3) % (BLOCKS - first), pick(200));
}

/* The host wants what is mapped; its housekeeper comes late now and then. */
static void press(void)
{
    uint64_t when;

    if (pick(8) == 0)
        ubc_lack(1 + pick(40));
    when = ubc_housekeep();
    if (when > now)
        host_set_time(now = when + (pick(8) ? 0 : LAGAN_UBC_GRACE_NS));
}

/* Somebody wants memory, and lets it go. */
static void memory(void)
{
    unsigned order = pick(32) ? 0 : pick(10);
    void *p;

    (void)ubc_reclaim(pick(3));
    p = page_alloc(order, HEAP_ANY);
    if (p)
        memset(p, 0xee, PAGE_SIZE);
    page_free(p, order);
}

static void end_domain(void)
{
    unsigned d = UREAD + pick(2);

    ubc_kill(d);
    ubc_restart(d);
    for (unsigned v = 0; v < VOLUMES; v++) {
        forget(d, v);
        CU_ASSERT_EQUAL(ubc_give(vol[v].handle, d, LAGAN_UBC_READ, 200), 0);
    }
}

static void end_volume(void)
{
    unsigned v = pick(VOLUMES);

    CU_ASSERT_EQUAL(do_destroy(vol[v].handle), 0);
    for (unsigned d = 0; d < UBC_DOMAINS; d++)
        forget(d, v);
    begin_volume(v);
}

static void step(unsigned n)
{
    unsigned d = UREAD + pick(2);

    host_preempt_every(pick(3));
    switch (pick(29)) {
    case 0 ... 3:
        read_storage(pick(4));
        break;
    case 4 ... 9:
        insert(pick(4));
        break;
    case 10:
        write_storage();
        break;
    case 11 ... 13:
        map(d);
        break;
    case 14:
        unmap(d);
        break;
    case 15 ... 17:
        look(d);
        break;
    case 18 ... 19:
        for (unsigned i = 0; i < BLOCKS; i++)
            read_copy(d);
        break;
    case 20:
        overwrite(d);
        break;
    case 21:
        revoke();
        break;
    case 22:
        memory();
        break;
    case 23:
        press();
        break;
    case 24 ... 26:
        make_own(d);
        break;
    case 27:
        empty_own(d);
        break;
    default:
        if (n % 32 == 0)
            renew();
        else if (n % 16 == 1)
            end_domain();
        else if (n % 16 == 2)
            end_volume();
    }
    host_preempt_every(0);
}

static void random_operations(void)
{
    const char *steps = getenv("LAGAN_MODEL_STEPS"), *wanted = getenv("LAGAN_MODEL_READS");
    uint64_t count = steps ? strtoul(steps, NULL, 0) : STEPS;
    uint64_t reads_wanted = wanted ? strtoul(wanted, NULL, 0) : 0;
    unsigned n;

    seed = kit_seed(81);
    memset(vol, 0, sizeof(vol));
    memset(entry, 0, sizeof(entry));
    memset(on_the_way, 0, sizeof(on_the_way));
    reads = now = 0;
    host_set_time(0);
    ubc_start();
    for (unsigned v = 0; v < VOLUMES; v++)
        begin_volume(v);
    for (n = 0; n < count || reads < reads_wanted; n++) {
        step(n);
        if (n % 64 == 0)
            ubc_check();
    }
    CU_ASSERT(reads > n / 4);
    if (wanted)
        printf("%lu steps, %lu reads\n", (unsigned long)n, (unsigned long)reads);
    ubc_end();
    host_set_time(0);
}

static const struct test_case cases[] = {{"random operations", random_operations}, {NULL, NULL}};
const struct suite suite_ubc_model = {"ubc_model", cases, NULL, NULL};
