/* SPDX-License-Identifier: MIT
 *
 * See event_world.h. One machine serves all tests: so a page that one loses is missed by it.
 */
#include <stdlib.h>

#include "unittests/event_world.h"

struct domain *dom[WORLD_DOMAINS];

static uint64_t free_pages;

/* The registers of accounts and the slabs keep pages for later: have them before counting. */
static void warm_up(void)
{
    struct domain *d;

    host_heap(256, 3000);
    d = host_domain_create(0, WORLD_VCPUS, 0);
    if (event_init_control(d, 0, host_domain_frame(d), 0))
        abort();
    host_domain_kill(d);
}

void world_limited(unsigned max_port)
{
    static bool machine;

    if (!machine) {
        warm_up();
        machine = true;
    }
    heap_drain_cpu_cache();
    free_pages = heap_free_pages();
    for (unsigned i = 0; i < WORLD_DOMAINS; i++)
        dom[i] = host_domain_create((domid_t)i, WORLD_VCPUS, max_port);
    dom[0]->privileged = true;
}

void world(void)
{
    world_limited(EVTCHN_FIFO_NR_CHANNELS - 1);
}

void world_audit(void)
{
    for (unsigned i = 0; i < WORLD_DOMAINS; i++)
        if (dom[i])
            event_audit(dom[i]);
}

bool world_gone(void)
{
    world_audit();
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        if (dom[i])
            host_domain_kill(dom[i]);
        dom[i] = NULL;
        world_audit();
    }
    heap_drain_cpu_cache();
    return heap_free_pages() == free_pages;
}
