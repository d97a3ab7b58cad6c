/* SPDX-License-Identifier: MIT
 *
 * The input is a stream of what a control domain asks of physdev_op and of event channels, what
 * devices do, and which CPU goes on. Interrupts are recounted after each step; at the end none may be in
 * service, and all must be given back.
 */
#include <stdlib.h>
#include <string.h>

#include "arch_current.h"
#include "unittests/fuzz/fuzz_input.h"
#include "unittests/irq_world.h"
#include "xen/arch/x86/hcall_physdev.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/event.h"
#include "xen/hypercall.h"

#include <xen/physdev.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int64_t physdev_set_iopl(guest_ptr_t arg)
{
    return arg.va ? 0 : -XEN_EFAULT;
}

int64_t physdev_set_io_bitmap(guest_ptr_t arg)
{
    return arg.va ? 0 : -XEN_EFAULT;
}

/* Mostly small numbers, as interrupts, functions and ports are; sometimes wild ones. */
static uint32_t number(struct input *in)
{
    unsigned b = byte(in);

    if (b < 240)
        return b % 48;
    return b < 248 ? b << byte(in) % 24 : UINT32_MAX - b % 4;
}

static void map(struct input *in)
{
    struct physdev_map_pirq op = {.domid = DOMID_SELF, .type = (int)(byte(in) % 6), .pirq = -1};

    op.index = (int)number(in);
    op.bus = byte(in) < 250;
    op.devfn = (int)(byte(in) % 5 << 3);
    op.entry_nr = (int)number(in);
    op.table_base = op.devfn == 16 ? WORLD_TABLE_ADDRESS : 0;
    host_guest_read_only = byte(in) >= 250;
    (void)hcall_physdev_op(&(struct hypercall_args){{PHYSDEVOP_map_pirq, (uint64_t)&op}});
    host_guest_read_only = false;
}

static void physdev(struct input *in)
{
    uint32_t arg[16] = {0};

    for (unsigned i = 0; i < 4; i++)
        arg[i] = number(in);
    (void)hcall_physdev_op(&(struct hypercall_args){{byte(in) % 34, (uint64_t)arg}});
}

static void unmap(struct input *in)
{
    struct physdev_unmap_pirq op = {DOMID_SELF, (int)number(in)};

    (void)hcall_physdev_op(&(struct hypercall_args){{PHYSDEVOP_unmap_pirq, (uint64_t)&op}});
}

static void event(struct input *in)
{
    static const unsigned ops[] = {EVTCHNOP_bind_pirq, EVTCHNOP_bind_pirq, EVTCHNOP_close,
                                   EVTCHNOP_bind_vcpu, EVTCHNOP_unmask,    EVTCHNOP_bind_virq};
    uint32_t arg[4] = {number(in), number(in) % 4, 0, 0};

    (void)hcall_event_channel_op(&(struct hypercall_args){{ops[byte(in) % 6], (uint64_t)arg}});
}

static void configure(struct input *in)
{
    struct pci_function f = world_function(byte(in) % WORLD_FUNCTIONS);
    unsigned bytes = 1u << byte(in) % 3, reg = byte(in) / bytes * bytes;
    uint32_t value = number(in);

    if (reg >= 0x50 && reg < 0x70 && pirq_filter_config(f, reg, bytes, &value))
        pci_config_write(f, reg, bytes, value);
}

/* What nobody has written is no message: the controllers would take it for one of another kind. */
static void send(struct input *in)
{
    unsigned n = byte(in) % 3, index = byte(in) % 16;
    uint32_t value = 0;

    if (n == 2 || !pirq_filter_config(world_function(n), 0x54, 4, &value))
        (void)world_send(world_function(n), index);
}

/* By way of memory: to the table, or to a function's configuration space. A message is the hypervisor's as
 * long as it is mapped. */
static void guarded_write(struct input *in)
{
    unsigned bytes = 1u << byte(in) % 4, n = byte(in) % WORLD_FUNCTIONS,
             reg = byte(in) / bytes * bytes;
    uint64_t phys = WORLD_CONFIG_ADDRESS + (UINT64_C(1) << 20) + (n << 15) + reg;

    if (byte(in) % 2)
        phys = WORLD_TABLE_ADDRESS + reg;
    else if (reg < 0x50 || reg >= 0x70)
        return;
    (void)io_guard_write(phys, bytes, number(in));
}

/* The device sends far too often. */
static void storm(struct input *in)
{
    unsigned n = byte(in) % 3, gsi = byte(in) % WORLD_GSIS;
    uint32_t value = 0;

    for (unsigned i = 0; i < 600; i++) {
        if (n == 2 || !pirq_filter_config(world_function(n), 0x54, 4, &value))
            (void)world_send(world_function(n), 0);
        world_line(gsi, i % 2);
        world_settle(i % WORLD_CPUS);
    }
}

static void step(struct input *in)
{
    switch (byte(in) % 12) {
    case 0:
        map(in);
        break;
    case 1:
        physdev(in);
        break;
    case 2:
        unmap(in);
        break;
    case 3:
        event(in);
        break;
    case 4:
        configure(in);
        break;
    case 5:
        world_line(byte(in) % WORLD_GSIS, byte(in) % 2);
        break;
    case 6:
        send(in);
        break;
    case 7:
        control->vcpu[byte(in) % WORLD_VCPUS]->sched.cpu = byte(in) % WORLD_CPUS;
        break;
    case 8:
        guarded_write(in);
        break;
    case 9:
        storm(in);
        break;
    case 10:
        world_pass(UINT64_C(1) << byte(in) % 24);
        break;
    default:
        world_settle(byte(in) % WORLD_CPUS);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    irq_world();
    while (in.left) {
        host_current = byte(&in) < 250 ? control->vcpu[0] : other->vcpu[0];
        step(&in);
        pirq_audit();
    }
    irq_world_end();
    return 0;
}
