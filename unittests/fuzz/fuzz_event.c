/* SPDX-License-Identifier: MIT
 *
 * Streams of event-channel hypercalls by three domains, two of which have FIFO pages that the input
 * also scribbles over, and each a console ring, likewise; the auditor after every step, and every page
 * back at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "arch_current.h"
#include "mm/frame.h"
#include "unittests/arch/host.h"
#include "unittests/event_world.h"
#include "unittests/ring_world.h"
#include "xen/hypercall.h"
#include "unittests/fuzz/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES 3

static mfn_t frame[WORLD_DOMAINS][FRAMES];

/* Mostly small numbers, as ports, vCPUs and VIRQs are; sometimes wild ones. */
static uint32_t number(struct input *in)
{
    unsigned b = byte(in);

    if (b < 240)
        return b % 24;
    return b < 248 ? b << byte(in) % 24 : UINT32_MAX - b % 4;
}

/* An argument of whatever operation: 16-bit domain numbers are small halves of the words. */
static void hypercall(struct input *in, unsigned d)
{
    uint32_t arg[8];
    uint64_t op = byte(in) % 16;
    struct hypercall_args args = {{op, (uint64_t)arg}};

    for (unsigned i = 0; i < 4; i++)
        arg[i] = number(in);
    memset(arg + 4, 0, 16);
    if (op == EVTCHNOP_alloc_unbound)
        arg[0] = (arg[0] % 4) | (arg[1] % 4) << 16;
    if (op == EVTCHNOP_init_control || op == EVTCHNOP_expand_array) {
        uint64_t f = frame[arg[0] % WORLD_DOMAINS][arg[1] % FRAMES].n;

        memcpy(arg, &f, sizeof(f));
    }
    host_current = dom[d]->vcpu[0];
    host_guest_read_only = byte(in) >= 250;
    (void)hcall_event_channel_op(&args);
    host_guest_read_only = false;
}

static void scribble(struct input *in, unsigned d)
{
    uint32_t *word = arch_map_frame(frame[d][byte(in) % FRAMES]);

    word[byte(in) % 32] = byte(in) << 24 | byte(in);
}

/* The indices are the last 16 bytes of the console's page. */
static void console(struct input *in, unsigned d)
{
    uint32_t *index = (uint32_t *)((char *)arch_map_frame(dom[d]->console_ring.frame) + 3072);
    unsigned what = byte(in);

    ring_typed = "some characters that have been typed";
    if (what < 200)
        index[what % 4] += number(in);
    else if (what < 240)
        (void)console_ring_input(dom[d]);
    else
        console_ring_drain(dom[d]);
}

static void new_domain(unsigned d)
{
    dom[d] = host_domain_create((domid_t)d, WORLD_VCPUS, 200);
    dom[d]->privileged = d == 0;
    dom[d]->pause_count = d == 2;
    for (unsigned i = 0; i < FRAMES; i++)
        frame[d][i] = host_domain_frame(dom[d]);
    console_ring_init(dom[d]);
    if (console_ring_attach(dom[d], host_domain_frame(dom[d])) < 0)
        abort();
}

static void kill_domain(unsigned d)
{
    console_ring_detach(dom[d]);
    host_domain_kill(dom[d]);
}

static void step(struct input *in)
{
    unsigned what = byte(in), d = what % WORLD_DOMAINS;

    if (what < 40) {
        console(in, d);
    } else if (what < 180) {
        hypercall(in, d);
    } else if (what < 225) {
        scribble(in, d);
    } else if (what < 235) {
        event_raise_global_virq(dom[d], VIRQ_CONSOLE);
    } else if (what < 245) {
        event_raise_vcpu_virq(dom[d]->vcpu[what % WORLD_VCPUS], VIRQ_TIMER);
    } else if (what < 252) {
        dom[d]->shared_info->evtchn_pending[0] = byte(in);
        dom[d]->shared_info->evtchn_mask[0] = byte(in);
        take_upcall(dom[d]->vcpu[what % WORLD_VCPUS]);
    } else {
        kill_domain(d);
        new_domain(d);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    world_limited(200);
    for (unsigned d = 0; d < WORLD_DOMAINS; d++) {
        host_domain_kill(dom[d]);
        new_domain(d);
    }
    host_preempt_every(3);
    while (in.left > 0) {
        step(&in);
        world_audit();
    }
    host_preempt_every(0);
    for (unsigned d = 0; d < WORLD_DOMAINS; d++)
        console_ring_detach(dom[d]);
    if (!world_gone())
        abort();
    return 0;
}
