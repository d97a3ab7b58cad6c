/* SPDX-License-Identifier: MIT
 *
 * Interrupts that come without end: however often a device sends, what the host does for it is bounded,
 * and afterwards nothing is lost.
 */
#include <string.h>

#include "irq_world.h"
#include "suite.h"
#include "xen/arch/x86/pirq_int.h"
#include "xen/event.h"

#define MILLISECOND UINT64_C(1000000)
#define OFTEN       2000 /* within a millisecond: no honest device does that */
#define AT_MOST     501  /* of these are delivered */
#define QUIET       (5 * MILLISECOND)

static unsigned number;
static int port;

static void bind_pin(unsigned gsi, bool level)
{
    number = gsi;
    CU_ASSERT_EQUAL(pirq_map_gsi(control, gsi), 0);
    CU_ASSERT_EQUAL(pirq_setup_gsi(gsi, level, level), 0);
    port = event_bind_pirq(control, gsi, false);
    CU_ASSERT_TRUE_FATAL(port > 0);
}

static void bind_message(unsigned function, unsigned count)
{
    struct pirq_messages m = {world_function(function), function == 2, 0, count, 0};
    int first = pirq_map_messages(control, &m);

    CU_ASSERT_TRUE_FATAL(first > 0);
    number = (unsigned)first;
    port = event_bind_pirq(control, number, false);
    CU_ASSERT_TRUE_FATAL(port > 0);
}

/* A device sends, the CPU looks, and the domain takes it; so often. Returns how often it took some. */
static unsigned storm(void (*send)(void), unsigned times)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < times; i++) {
        send();
        world_settle_all();
        taken += world_take(control, port);
    }
    pirq_audit();
    return taken;
}

static void pulse(void)
{
    world_line(1, true);
    world_line(1, false);
}

static void send_0(void)
{
    (void)world_send(world_function(0), 0);
}

static void send_1(void)
{
    (void)world_send(world_function(1), 0);
}

static void send_2(void)
{
    (void)world_send(world_function(2), 0);
}

/* Silent after so many; then once, for what was not kept; and then as before. */
static void check_storm(void (*send)(void))
{
    unsigned before = world_taken(0);

    CU_ASSERT_EQUAL(storm(send, OFTEN), AT_MOST);
    CU_ASSERT_EQUAL(world_taken(0) - before, AT_MOST); /* the others did not interrupt at all */
    CU_ASSERT_EQUAL(pirqs[number].storms, 1);
    world_pass(QUIET - 1);
    CU_ASSERT_EQUAL(storm(send, 10), 0);
    world_pass(1);
    CU_ASSERT_TRUE(world_take(control, port));
    CU_ASSERT_PTR_NOT_NULL(strstr(host_log(), "without end"));
    CU_ASSERT_EQUAL(storm(send, 10), 10);
    /* Said once, whatever follows. */
    CU_ASSERT_TRUE(storm(send, OFTEN) <= AT_MOST);
    CU_ASSERT_EQUAL(pirqs[number].storms, 2);
    world_pass(QUIET);
    CU_ASSERT_PTR_NULL(strstr(host_log(), "without end"));
}

static void test_kinds(void)
{
    irq_world();
    (void)host_log();
    bind_pin(1, false);
    check_storm(pulse);
    irq_world_end();
    for (unsigned f = 0; f < 3; f++) {
        irq_world();
        bind_message(f, 1);
        check_storm(f == 0 ? send_0 : f == 1 ? send_1 : send_2);
        irq_world_end();
    }
}

/* Messages that share an address are silent together: what the other sent meanwhile is not lost. */
static void test_group(void)
{
    int second;

    irq_world();
    world_config(0)[0x52] |= 1 << 1; /* it can send two, and still has no mask */
    bind_message(0, 2);
    second = event_bind_pirq(control, number + 1, false);
    CU_ASSERT_TRUE_FATAL(second > 0);
    CU_ASSERT_EQUAL(storm(send_0, OFTEN), AT_MOST);
    CU_ASSERT_TRUE(world_send(world_function(0), 1));
    world_settle_all();
    CU_ASSERT_FALSE(world_take(control, second));
    world_pass(QUIET);
    CU_ASSERT_TRUE(world_take(control, port));
    CU_ASSERT_TRUE(world_take(control, second));
    irq_world_end();
}

/* A line that is never let go: the domain's own EOI brings it back, until it is held back as well. */
static void test_level(void)
{
    unsigned taken = 0;

    irq_world();
    bind_pin(20, true);
    world_line(20, true);
    for (unsigned i = 0; i < OFTEN; i++) {
        world_settle_all();
        taken += world_take(control, port);
        CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    }
    CU_ASSERT_EQUAL(taken, AT_MOST);
    CU_ASSERT_TRUE(world_masked(20));
    pirq_audit();
    world_pass(QUIET);
    world_settle_all();
    CU_ASSERT_TRUE(world_take(control, port)); /* the line is still high */
    world_line(20, false);
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    CU_ASSERT_FALSE(world_masked(20));
    irq_world_end();
}

/* What is fast, but not too fast, never waits. */
static void test_honest(void)
{
    irq_world();
    bind_message(2, 1);
    for (unsigned i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(storm(send_2, AT_MOST - 1), AT_MOST - 1);
        world_pass(MILLISECOND);
    }
    CU_ASSERT_EQUAL(pirqs[number].storms, 0);
    irq_world_end();
}

/* It is given up, or moves, or is reset, while it is held back. */
static void test_ends(void)
{
    unsigned taken;

    irq_world();
    bind_message(0, 1);
    (void)storm(send_0, OFTEN);
    CU_ASSERT_EQUAL(pirq_restore_messages(control, world_function(0)), 0);
    CU_ASSERT_TRUE(storm(send_0, OFTEN) <= 1); /* it is sent again, and held back at once */
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)port), 0);
    pirq_audit();
    world_pass(QUIET);
    port = event_bind_pirq(control, number, false);
    CU_ASSERT_EQUAL(storm(send_0, 5), 5);
    (void)storm(send_0, OFTEN);
    CU_ASSERT_EQUAL(pirq_unmap(control, number), 0);
    taken = world_taken(0);
    CU_ASSERT_EQUAL(storm(send_0, 5), 0); /* what it still sends goes to nobody */
    CU_ASSERT_EQUAL(world_taken(0), taken);
    bind_message(0, 1);
    CU_ASSERT_EQUAL(storm(send_0, 5), 5);
    world_pass(QUIET);
    CU_ASSERT_EQUAL(storm(send_0, 5), 5);
    irq_world_end();
    irq_world();
    bind_pin(1, false);
    (void)storm(pulse, OFTEN);
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)port), 0);
    port = event_bind_pirq(control, 1, false);
    CU_ASSERT_EQUAL(storm(pulse, 5), 5);
    world_pass(QUIET);
    irq_world_end();
}

/* Nobody has bound it: it is only counted, and that within the same bound. */
static void test_unbound(void)
{
    struct pirq_messages m = {world_function(0), false, 0, 1, 0};
    unsigned long before = pirq_strays();
    int first;

    irq_world();
    first = pirq_map_messages(control, &m);
    CU_ASSERT_TRUE_FATAL(first > 0);
    number = (unsigned)first;
    port = 1;
    (void)storm(send_0, OFTEN);
    CU_ASSERT_EQUAL(pirq_strays() - before, AT_MOST);
    world_pass(QUIET);
    irq_world_end();
}

static unsigned again;

/* Sends another whenever the last was taken. */
static void send_another(void)
{
    if (again > 0 && again--)
        pulse();
}

/* Between two looks of the softirq a vector comes twice, and not a third time. */
static void test_between_looks(void)
{
    unsigned before;

    irq_world();
    bind_pin(1, false);
    bind_pin(20, true);
    before = world_taken(0);
    host_enter_cpu(0);
    for (unsigned i = 0; i < 100; i++) {
        pulse();
        world_take_interrupts();
    }
    CU_ASSERT_EQUAL(world_taken(0), before + 2);
    CU_ASSERT_EQUAL(world_in_service(0), 1);
    world_settle_all();
    CU_ASSERT_EQUAL(world_in_service(0), 0);
    /* And while a level one's pin is being masked. */
    world_on_access = send_another;
    again = OFTEN;
    world_line(20, true);
    world_settle(0);
    world_on_access = NULL;
    CU_ASSERT_TRUE(world_taken(0) < before + 20);
    world_line(20, false);
    CU_ASSERT_EQUAL(pirq_eoi(control, 20), 0);
    irq_world_end();
}

static const struct test_case cases[] = {{"every kind", test_kinds},
                                         {"a group", test_group},
                                         {"a line that stays high", test_level},
                                         {"what is honest", test_honest},
                                         {"its end", test_ends},
                                         {"nobody's", test_unbound},
                                         {"between two looks", test_between_looks},
                                         {NULL, NULL}};

const struct suite suite_storm = {"storm", cases, NULL, NULL};
