/* SPDX-License-Identifier: MIT
 *
 * Physical interrupts: from a device's line or message to the event channel, and back.
 */
#include <string.h>

#include "irq_world.h"
#include "mm/frame.h"
#include "mm/type.h"
#include "suite.h"
#include "xen/arch/x86/pirq_int.h"
#include "xen/event.h"

static int bound_gsi(unsigned gsi, bool level)
{
    int port;

    CU_ASSERT_EQUAL(pirq_map_gsi(control, gsi), 0);
    CU_ASSERT_EQUAL(pirq_setup_gsi(gsi, level, level), 0);
    port = event_bind_pirq(control, gsi, false);
    CU_ASSERT_TRUE_FATAL(port > 0);
    return port;
}

static int map(unsigned function, unsigned index, unsigned count)
{
    struct pirq_messages m = {world_function(function), function == 2, index, count, 0};

    return pirq_map_messages(control, &m);
}

static void test_edge(void)
{
    int port;

    irq_world();
    port = bound_gsi(1, false);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_FALSE(world_take(control, port));
        world_line(1, true);
        world_settle_all();
        CU_ASSERT_TRUE(world_take(control, port));
        world_line(1, false);
    }
    CU_ASSERT_EQUAL(pirq_eoi(control, 1), 0); /* not needed, and harmless */
    irq_world_end();
}

static void test_level(void)
{
    struct pirq_status status;
    int port;

    irq_world();
    port = bound_gsi(20, true);
    CU_ASSERT_TRUE(pirq_status(control, 20, &status) == 0 && status.needs_eoi);
    world_line(20, true);
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port) && world_masked(20));
    CU_ASSERT_EQUAL(world_in_service(0), 0);
    /* The line is still high: not before the domain's EOI does it come again. */
    world_settle_all();
    CU_ASSERT_FALSE(world_take(control, port));
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    world_line(20, false);
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    world_settle_all();
    CU_ASSERT_FALSE(world_take(control, port) || world_masked(20));
    irq_world_end();
}

/* The domain's EOI comes from another CPU, before the first has paid. */
static void test_early_eoi(void)
{
    int port;

    irq_world();
    port = bound_gsi(20, true);
    world_line(20, true);
    host_enter_cpu(0);
    pirq_softirq(); /* nothing has come yet */
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    host_enter_cpu(1);
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    world_line(20, false);
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    irq_world_end();
}

/* Several level interrupts and an edge one at once, which come on top of one another. */
static void test_nested(void)
{
    static const unsigned gsi[] = {16, 17, 18, 19, 20, 21, 22, 23};
    int port[8], edge;

    irq_world();
    for (unsigned i = 0; i < 8; i++)
        port[i] = bound_gsi(gsi[i], true);
    edge = bound_gsi(1, false);
    for (unsigned i = 0; i < 8; i++)
        world_line(gsi[i], true);
    world_line(1, true);
    world_settle_all();
    CU_ASSERT_EQUAL(world_in_service(0), 0);
    CU_ASSERT_TRUE(world_take(control, edge));
    for (unsigned i = 0; i < 8; i++) {
        CU_ASSERT_TRUE(world_take(control, port[i]));
        world_line(gsi[i], false);
        CU_ASSERT_EQUAL(pirq_eoi(control, gsi[i]), 0);
    }
    irq_world_end();
}

static void raise_20(void)
{
    world_line(20, true);
}

/* One of a higher class comes while the first one's pin is being masked: the CPU owes two, and the higher
 * would be retired first. Each is taken once, though its line stays high. */
static void test_owed(void)
{
    struct vector_place burnt[16];
    int low, high;

    irq_world();
    low = bound_gsi(16, true);
    for (unsigned i = 0; i < ARRAY_SIZE(burnt); i++)
        CU_ASSERT_EQUAL(vectors_alloc(0, 1, 999, false, &burnt[i]), 0);
    high = bound_gsi(20, true);
    for (unsigned i = 0; i < ARRAY_SIZE(burnt); i++)
        vectors_free(burnt[i]);
    CU_ASSERT_TRUE_FATAL(pirqs[20].at.vector >> 4 > pirqs[16].at.vector >> 4);
    world_on_access = raise_20;
    world_line(16, true);
    world_settle_all();
    world_on_access = NULL;
    CU_ASSERT_EQUAL(world_taken(0), 2);
    CU_ASSERT_TRUE(world_take(control, low) && world_take(control, high));
    world_line(16, false);
    world_line(20, false);
    CU_ASSERT_TRUE(pirq_eoi(control, 16) == 0 && pirq_eoi(control, 20) == 0);
    irq_world_end();
}

static void test_refusals(void)
{
    struct pirq_status status;
    int port;

    irq_world();
    CU_ASSERT_EQUAL(event_bind_pirq(control, 5, false), -XEN_EINVAL); /* not mapped */
    CU_ASSERT_EQUAL(pirq_map_gsi(control, WORLD_GSIS), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_setup_gsi(WORLD_GSIS, true, true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_setup_gsi(UINT32_MAX, true, true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_map_gsi(control, 5), 0);
    CU_ASSERT_EQUAL(pirq_map_gsi(control, 5), 0);
    CU_ASSERT_EQUAL(pirq_map_gsi(other, 5), -XEN_EEXIST);
    CU_ASSERT_EQUAL(event_bind_pirq(other, 5, false), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_eoi(other, 5), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_unmap(other, 5), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_status(other, 5, &status), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_eoi(control, PIRQ_COUNT), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_eoi(control, UINT32_MAX), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_unmap(control, PIRQ_COUNT), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_setup_gsi(5, true, true), 0);
    CU_ASSERT_EQUAL(pirq_setup_gsi(5, false, false), -XEN_EEXIST);
    port = event_bind_pirq(control, 5, true);
    CU_ASSERT_TRUE(port > 0);
    CU_ASSERT_EQUAL(event_bind_pirq(control, 5, true), -XEN_EEXIST);
    CU_ASSERT_TRUE(pirq_status(control, 5, &status) == 0 && status.shared && status.needs_eoi);
    CU_ASSERT_EQUAL(control->event.active_count, 1);
    /* The hypervisor's own. */
    CU_ASSERT_EQUAL(pirq_map_gsi(control, KEPT_GSI), 0);
    CU_ASSERT_EQUAL(pirq_setup_gsi(KEPT_GSI, false, false), -XEN_EEXIST);
    CU_ASSERT_EQUAL(event_bind_pirq(control, KEPT_GSI, false), -XEN_EBUSY);
    irq_world_end();
}

static void test_close_and_unmap(void)
{
    int port, again;

    irq_world();
    port = bound_gsi(20, true);
    world_line(20, true);
    world_settle_all();
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)port), 0); /* while it is in service */
    CU_ASSERT_TRUE(world_masked(20));
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    CU_ASSERT_TRUE(world_masked(20));
    again = event_bind_pirq(control, 20, false); /* the line is still high */
    CU_ASSERT_TRUE(again > 0);
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, again));
    CU_ASSERT_EQUAL(pirq_unmap(control, 20), 0); /* under the port's feet */
    CU_ASSERT_TRUE(world_masked(20));
    pirq_audit();
    CU_ASSERT_EQUAL(pirq_mapped(control), 0);
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)again), 0);
    irq_world_end();
}

static void test_messages(void)
{
    int single, port, table;

    irq_world();
    single = map(0, 0, 1);
    CU_ASSERT_TRUE_FATAL(single >= WORLD_GSIS);
    CU_ASSERT_EQUAL(map(0, 0, 1), -XEN_EEXIST);
    CU_ASSERT_TRUE(world_send(world_function(0), 0)); /* nobody has bound it: a stray */
    world_settle_all();
    port = event_bind_pirq(control, (unsigned)single, false);
    CU_ASSERT_TRUE(port > 0 && !world_take(control, port));
    CU_ASSERT_TRUE(world_send(world_function(0), 0));
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    table = map(2, 5, 1);
    CU_ASSERT_TRUE_FATAL(table >= WORLD_GSIS && table != single);
    CU_ASSERT_FALSE(world_send(world_function(2), 5)); /* masked until it is bound */
    port = event_bind_pirq(control, (unsigned)table, false);
    CU_ASSERT_TRUE(world_send(world_function(2), 5));
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)port), 0);
    CU_ASSERT_FALSE(world_send(world_function(2), 5));
    CU_ASSERT_EQUAL(pirq_unmap(control, (unsigned)table), 0);
    CU_ASSERT_EQUAL(map(2, 5, 1), table); /* the number is free again */
    CU_ASSERT_EQUAL(map(3, 0, 1), -XEN_ENODEV);
    CU_ASSERT_EQUAL(map(1, 0, 3), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(1, 0, 16), -XEN_EINVAL);
    CU_ASSERT_EQUAL(map(2, 0, 2), -XEN_EINVAL);
    irq_world_end();
}

static void test_group(void)
{
    int first, port[8];

    irq_world();
    first = map(1, 0, 8);
    CU_ASSERT_TRUE_FATAL(first >= WORLD_GSIS);
    for (int i = 0; i < 8; i++) {
        port[i] = event_bind_pirq(control, (unsigned)(first + i), false);
        CU_ASSERT_TRUE_FATAL(port[i] > 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        CU_ASSERT_TRUE(world_send(world_function(1), i));
        world_settle_all();
        for (unsigned k = 0; k < 8; k++)
            CU_ASSERT_EQUAL(world_take(control, port[k]), k == i);
    }
    CU_ASSERT_EQUAL(pirq_unmap(control, (unsigned)first + 3), -XEN_EINVAL); /* only as a whole */
    CU_ASSERT_EQUAL(pirq_mapped(control), 8);
    CU_ASSERT_EQUAL(pirq_unmap(control, (unsigned)first), 0);
    CU_ASSERT_EQUAL(pirq_mapped(control), 0);
    irq_world_end();
}

/* A reset of the function loses what it was told. */
static void test_restore(void)
{
    int number, port;

    irq_world();
    number = map(2, 1, 1);
    port = event_bind_pirq(control, (unsigned)number, false);
    memset(world_table(), 0, 64);
    world_table()[7] = 1;
    CU_ASSERT_FALSE(world_send(world_function(2), 1));
    CU_ASSERT_EQUAL(pirq_restore_messages(control, world_function(1)), 0);
    CU_ASSERT_FALSE(world_send(world_function(2), 1));
    CU_ASSERT_EQUAL(pirq_restore_messages(control, world_function(2)), 0);
    CU_ASSERT_TRUE(world_send(world_function(2), 1));
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    irq_world_end();
}

static void test_follow(void)
{
    int edge, level, table, plain;

    irq_world();
    edge = bound_gsi(1, false);
    level = bound_gsi(20, true);
    table = event_bind_pirq(control, (unsigned)map(2, 0, 1), false);
    plain = event_bind_pirq(control, (unsigned)map(0, 0, 1), false);
    control->vcpu[1]->sched.cpu = 2;
    CU_ASSERT_EQUAL(event_bind_vcpu(control, (evtchn_port_t)edge, 1), 0);
    CU_ASSERT_EQUAL(event_bind_vcpu(control, (evtchn_port_t)level, 1), 0);
    CU_ASSERT_EQUAL(event_bind_vcpu(control, (evtchn_port_t)table, 1), 0);
    CU_ASSERT_EQUAL(event_bind_vcpu(control, (evtchn_port_t)plain, 1), 0);
    for (unsigned turn = 0; turn < 2; turn++) {
        unsigned before = world_taken(2);

        world_line(1, true);
        world_line(20, true);
        CU_ASSERT_TRUE(world_send(world_function(2), 0));
        CU_ASSERT_TRUE(world_send(world_function(0), 0));
        world_settle_all();
        CU_ASSERT_TRUE(world_take(control, edge) && world_take(control, level));
        CU_ASSERT_TRUE(world_take(control, table) && world_take(control, plain));
        CU_ASSERT_EQUAL(world_taken(2), before + (turn ? 4 : 0));
        world_line(1, false);
        world_line(20, false);
        CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
        pirq_audit();
    }
    /* The vCPU goes elsewhere, for good: after a while so does what it wants. */
    control->vcpu[1]->sched.cpu = 1;
    for (unsigned i = 0; i < 40; i++) {
        world_line(1, true);
        world_settle_all();
        CU_ASSERT_TRUE(world_take(control, edge));
        world_line(1, false);
    }
    CU_ASSERT_EQUAL(pirqs[1].at.cpu, 1);
    irq_world_end();
}

/* Without a mask bit a message moves only where its vector is free. */
static void test_unmaskable(void)
{
    struct vector_place there;
    int number, port;

    irq_world();
    number = map(0, 0, 1);
    port = event_bind_pirq(control, (unsigned)number, false);
    there = (struct vector_place){1, pirqs[number].at.vector};
    CU_ASSERT_TRUE_FATAL(vectors_claim(there, 7, false));
    control->vcpu[0]->sched.cpu = 1;
    for (unsigned i = 0; i < 80; i++) {
        CU_ASSERT_TRUE(world_send(world_function(0), 0));
        world_settle_all();
        CU_ASSERT_TRUE(world_take(control, port));
        if (i == 40) {
            CU_ASSERT_EQUAL(pirqs[number].at.cpu, 0);
            vectors_free(there);
        }
    }
    CU_ASSERT_EQUAL(pirqs[number].at.cpu, 1);
    CU_ASSERT_EQUAL(pirqs[number].at.vector, there.vector);
    irq_world_end();
}

/* It was sent to the former place before it moved, and has not arrived yet. */
static void test_on_its_way(void)
{
    struct pirq *p;
    int number, port;

    irq_world();
    number = map(2, 0, 1);
    port = event_bind_pirq(control, (unsigned)number, false);
    p = &pirqs[number];
    CU_ASSERT_TRUE(world_send(world_function(2), 0));
    spin_lock(&p->lock);
    pirq_move(p, 2);
    spin_unlock(&p->lock);
    CU_ASSERT_EQUAL(p->at.cpu, 2);
    pirq_audit();
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port));
    irq_world_end();
}

static bool eoi_bit(const uint64_t *page, unsigned number)
{
    return page[number / 64] >> number % 64 & 1;
}

static void test_eoi_page(void)
{
    mfn_t frame, foreign;
    uint64_t *page;
    int level, edge;

    irq_world();
    frame = host_domain_frame(control);
    foreign = host_domain_frame(other);
    page = arch_map_frame(frame);
    memset(page, 0xff, PAGE_SIZE);
    level = bound_gsi(20, true);
    CU_ASSERT_EQUAL(pirq_set_eoi_page(control, foreign, true), -XEN_EINVAL);
    CU_ASSERT_EQUAL(pirq_set_eoi_page(control, frame, true), 0);
    CU_ASSERT_EQUAL(pirq_set_eoi_page(control, frame, true), -XEN_EBUSY);
    edge = bound_gsi(1, false);
    CU_ASSERT_TRUE(eoi_bit(page, 20) && !eoi_bit(page, 1));
    /* The EOI unmasks the channel too. */
    control->shared_info->evtchn_mask[0] |= UINT64_C(1) << level;
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    CU_ASSERT_FALSE(control->shared_info->evtchn_mask[0] >> level & 1);
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)level), 0);
    CU_ASSERT_FALSE(eoi_bit(page, 20));
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)edge), 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(frame)), 2);
    arch_pirqs_release(control);
    CU_ASSERT_EQUAL(frame_refs(frame_of(frame)), 1);
    irq_world_end();
}

static void test_exhaustion(void)
{
    int count = 0, last;

    irq_world();
    while ((last = map(2, (unsigned)count % 16, 1)) >= 0 && count < 16)
        count++;
    CU_ASSERT_EQUAL(count, 16);
    CU_ASSERT_EQUAL(last, -XEN_EEXIST);
    CU_ASSERT_EQUAL(pirq_find_free(), WORLD_GSIS + 16);
    CU_ASSERT_EQUAL(pirq_mapped(control), 16);
    irq_world_end();
}

static const struct test_case cases[] = {{"edge", test_edge},
                                         {"level", test_level},
                                         {"EOI from another CPU", test_early_eoi},
                                         {"many at once", test_nested},
                                         {"two in service", test_owed},
                                         {"refusals", test_refusals},
                                         {"close and unmap", test_close_and_unmap},
                                         {"messages", test_messages},
                                         {"a group of messages", test_group},
                                         {"messages restored", test_restore},
                                         {"following the vCPU", test_follow},
                                         {"a message that cannot be masked", test_unmaskable},
                                         {"sent before it moved", test_on_its_way},
                                         {"the page of bits", test_eoi_page},
                                         {"numbers run out", test_exhaustion},
                                         {NULL, NULL}};

const struct suite suite_pirq = {"pirq", cases, NULL, NULL};
