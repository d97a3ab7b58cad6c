/* SPDX-License-Identifier: MIT
 *
 * Random operations on two accounts and four CPUs, compared with the naive model after each.
 * LAGAN_MODEL_STEPS in the environment makes the run longer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unittests/mm_kit.h"
#include "unittests/model_type.h"

static struct model md;
static uint64_t rnd;

static unsigned pick(unsigned n)
{
    return (unsigned)(kit_random(&rnd) % n);
}

static struct account *account_of(const struct model_frame *f)
{
    return f->owner == 1 ? &kit_a : &kit_b;
}

static void renew(struct model_frame *f)
{
    *f = (struct model_frame){.owner = f - md.f < 20 ? 1 : 2, .allocated = true};
    f->m = kit_frame(account_of(f));
}

/* Frames that nobody refers to any more have gone back: others take their place. */
static void renew_all(void)
{
    model_walk(&md);
    for (unsigned i = 0; i < MODEL_FRAMES; i++)
        if (md.f[i].refs == 0)
            renew(&md.f[i]);
}

static uint64_t random_entry(void)
{
    static const uint64_t flags[] = {KIT_RW, KIT_RW,         KIT_RW,           KIT_RO,
                                     KIT_RO, PTE_P | PTE_RW, KIT_RW | PTE_G,   PTE_RW,
                                     0,      KIT_RW | PTE_A, KIT_RW | PTE_PSE, KIT_RO | PTE_NX};
    uint64_t e = kit_pte(md.f[pick(MODEL_FRAMES)].m, flags[pick(ARRAY_SIZE(flags))]);

    if (pick(20) == 0)
        e = kit_pte(mfn(HOST_OWN_DEVICE + pick(3)), flags[pick(ARRAY_SIZE(flags))]);
    if (pick(100) == 0)
        e |= UINT64_C(1) << (40 + pick(12));
    if (pick(100) == 0)
        e = kit_random(&rnd) << 20 | pick(4096);
    return pick(4) ? e : 0;
}

/* An operation with a preemption now and then, to its end. */
#define TO_THE_END(call)                           \
    __extension__({                                \
        int kit_rc;                                \
        while ((kit_rc = (call)) == -XEN_ERESTART) \
            ;                                      \
        kit_rc;                                    \
    })

static void step_pin(struct model_frame *f)
{
    unsigned level = 1 + pick(4);
    bool may = !f->pin && model_may_use(&md, f, (enum frame_type)level);
    int rc = TO_THE_END(table_pin(account_of(f), f->m, level));

    CU_ASSERT_EQUAL(rc == 0, may);
    if (rc == 0)
        f->pin = level;
}

static void step_unpin(struct model_frame *f)
{
    int rc = TO_THE_END(table_unpin(account_of(f), f->m));

    CU_ASSERT_EQUAL(rc == 0, f->pin != 0);
    f->pin = 0;
}

static void step_update(struct model_frame *f)
{
    unsigned slot = model_slot[pick(MODEL_SLOTS)];
    struct table_change c = {.entry = random_entry(),
                             .from = (domid_t)(pick(3) ? f->owner : 1 + pick(2)),
                             .preserve_ad = pick(2),
                             .exact = pick(4) == 0,
                             .expected = *kit_entry(f->m, slot)};
    bool may = model_may_set(&md, f, slot, c.entry, c.from);
    int rc;

    if (c.exact && (!f->types || f->type > TYPE_L4 || pick(4) == 0)) {
        c.expected ^= UINT64_C(1) << pick(64);
        may = false;
    }
    rc = TO_THE_END(table_update(account_of(f), f->m, slot, &c));
    CU_ASSERT_EQUAL(rc == 0, may);
    if (c.old_table.n != MFN_INVALID.n)
        while (table_drop(&c.old_table) != 0)
            ;
}

static void step_hold(struct model_frame *f)
{
    bool seg = pick(4) == 0;
    bool may = model_may_use(&md, f, seg ? TYPE_SEGDESC : TYPE_WRITABLE);
    int rc;

    if (!frame_get(f->m, f->owner)) {
        CU_FAIL("an owned frame is not to be had");
        return;
    }
    rc = TO_THE_END(type_get(f->m, seg ? TYPE_SEGDESC : TYPE_WRITABLE));
    CU_ASSERT_EQUAL(rc == 0, may);
    if (rc)
        frame_put(f->m);
    else if (seg)
        f->seg++;
    else
        f->writable++;
}

static void step_drop(struct model_frame *f)
{
    unsigned *held = f->writable ? &f->writable : &f->seg;

    if (!*held)
        return;
    --*held;
    type_put(f->m);
    frame_put(f->m);
}

static void step_release(struct model_frame *f)
{
    int rc = account_release(account_of(f), f->m);

    CU_ASSERT_EQUAL(rc == 0, f->allocated);
    f->allocated = false;
}

/* A guest on some CPU runs on tables that are pinned, and reads and writes through them. */
static void step_guest(struct model_frame *f)
{
    unsigned cpu = pick(HOST_CPUS);
    mfn_t hit;
    uint64_t va = 0;

    if (f->types && f->type == TYPE_L4 && f->pin == 4 && pick(4) == 0)
        host_tlb_load(cpu, account_of(f), f->m);
    for (unsigned level = 4; level > 0; level--)
        va = va << 9 | model_slot[pick(6)];
    va = va << 12 | model_slot[pick(MODEL_SLOTS)] * 8;
    if (pick(2))
        host_store(cpu, va, random_entry());
    else
        host_touch(cpu, va, false, &hit);
}

/* A CPU leaves tables before they are unpinned, as a vCPU does that holds a reference on its own.
 */
static void leave(const struct model_frame *f)
{
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        if (host_tlb_loaded(cpu).n == f->m.n)
            host_tlb_load(cpu, NULL, mfn(0));
}

static void step(void)
{
    struct model_frame *f = &md.f[pick(MODEL_FRAMES)];

    host_enter_cpu(pick(HOST_CPUS));
    host_preempt_every(pick(3));
    switch (pick(12)) {
    case 0:
        step_pin(f);
        break;
    case 1:
        leave(f);
        step_unpin(f);
        break;
    case 2:
        step_hold(f);
        break;
    case 3:
    case 4:
        step_drop(f);
        break;
    case 5:
        if (pick(8) == 0)
            step_release(f);
        break;
    case 6:
    case 7:
        step_guest(f);
        break;
    default:
        step_update(f);
    }
    host_preempt_every(0);
}

static void compare(unsigned n)
{
    bool same = model_walk(&md);

    for (unsigned i = 0; i < MODEL_FRAMES; i++) {
        const struct model_frame *f = &md.f[i];

        if (f->refs)
            same = same && f->refs == frame_refs(frame_of(f->m)) && f->types == type_count(f->m) &&
                   (!f->types || f->type == type_of(f->m));
        else
            same = same && frame_refs(frame_of(f->m)) <= 1 && !frame_get(f->m, f->owner);
    }
    if (!same)
        printf("step %u: the model differs\n", n);
    CU_ASSERT_FATAL(same);
    CU_ASSERT_EQUAL_FATAL(host_tlb_check(), 0);
}

static void test_model(void)
{
    const char *given = getenv("LAGAN_MODEL_STEPS");
    unsigned steps = given ? (unsigned)strtoul(given, NULL, 0) : 300000;

    rnd = kit_seed(3);
    kit_start(128);
    kit_b.maps_io = true;
    for (unsigned i = 0; i < MODEL_FRAMES; i++)
        renew(&md.f[i]);
    for (unsigned n = 0; n < steps; n++) {
        step();
        compare(n);
        renew_all();
        if (n % 1024 == 0) {
            CU_ASSERT_EQUAL_FATAL(mm_audit(), 0);
            heap_audit();
        }
    }
    for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
        host_tlb_load(cpu, NULL, mfn(0));
    for (unsigned i = 0; i < MODEL_FRAMES; i++)
        while (md.f[i].writable || md.f[i].seg)
            step_drop(&md.f[i]);
    host_enter_cpu(0);
    kit_end();
}

static const struct test_case cases[] = {
    {"random operations against the model", test_model},
    {0},
};
const struct suite suite_mm_model = {"mm model", cases, NULL, NULL};
