/* SPDX-License-Identifier: MIT
 *
 * Devices, CPUs and a domain doing what they like, in random order: no interrupt is lost, and none
 * stays in service.
 *
 * Each pin has a device that holds its line until its driver has served it. A driver serves when its
 * port is pending, then does its EOI. At the end, when no device asks any more, everything that asked
 * must have been served.
 */
#include <stdlib.h>

#include "irq_world.h"
#include "suite.h"
#include "xen/event.h"

#define DEVICES 12
#define FIRST   10
#define STEPS   4000

static struct {
    int port;
    bool level, asks;
    unsigned asked, served;
} device[DEVICES];

static unsigned rnd(unsigned n)
{
    return (unsigned)random() % n;
}

static void bind(unsigned i)
{
    device[i].port = event_bind_pirq(control, FIRST + i, false);
    CU_ASSERT_TRUE_FATAL(device[i].port > 0);
}

static void ask(unsigned i)
{
    if (device[i].asks)
        return;
    device[i].asks = true;
    device[i].asked++;
    world_line(FIRST + i, true);
}

static void serve(unsigned i)
{
    if (!device[i].port || !world_take(control, device[i].port))
        return;
    if (device[i].asks) {
        device[i].asks = false;
        device[i].served++;
        world_line(FIRST + i, false);
    }
    host_enter_cpu(rnd(WORLD_CPUS)); /* wherever the vCPU is */
    CU_ASSERT_EQUAL(pirq_eoi(control, FIRST + i), 0);
}

/* Not while an edge interrupt is on its way: that one is lost, as it would be on the machine. */
static void rebind(unsigned i)
{
    if (!device[i].level)
        return;
    CU_ASSERT_EQUAL(event_close(control, (evtchn_port_t)device[i].port), 0);
    bind(i);
}

static void step(void)
{
    unsigned i = rnd(DEVICES);

    switch (rnd(12)) {
    case 0 ... 3:
        ask(i);
        break;
    case 4 ... 6:
        serve(i);
        break;
    case 7 ... 8:
        world_settle(rnd(WORLD_CPUS));
        break;
    case 9:
        rebind(i);
        break;
    case 10:
        control->vcpu[rnd(WORLD_VCPUS)]->sched.cpu = rnd(WORLD_CPUS);
        break;
    default:
        CU_ASSERT_EQUAL(event_bind_vcpu(control, (evtchn_port_t)device[i].port, rnd(WORLD_VCPUS)),
                        0);
        break;
    }
}

static void test_random(void)
{
    srandom((unsigned)test_seed);
    irq_world();
    for (unsigned i = 0; i < DEVICES; i++) {
        device[i].level = i % 3 != 0;
        device[i].asks = false;
        device[i].asked = device[i].served = 0;
        CU_ASSERT_EQUAL(pirq_map_gsi(control, FIRST + i), 0);
        CU_ASSERT_EQUAL(pirq_setup_gsi(FIRST + i, device[i].level, device[i].level), 0);
        bind(i);
    }
    for (unsigned n = 0; n < STEPS; n++) {
        step();
        if (n % 64 == 0)
            pirq_audit();
    }
    for (unsigned n = 0; n < 4; n++) {
        world_settle_all();
        for (unsigned i = 0; i < DEVICES; i++)
            serve(i);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        CU_ASSERT_EQUAL(device[i].asked, device[i].served);
        CU_ASSERT_TRUE(device[i].asked > 0 && !device[i].asks);
    }
    irq_world_end();
}

static const struct test_case cases[] = {{"random devices", test_random}, {NULL, NULL}};

const struct suite suite_pirq_model = {"pirq model", cases, NULL, NULL};
