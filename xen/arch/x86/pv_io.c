/* SPDX-License-Identifier: MIT
 *
 * Port I/O by ring 3: who may, and what the ports say. The control domain reaches the machine's
 * (machine_io.h). Any other guest sees an empty bus, where reads give all ones and writes go nowhere.
 * Raising #GP instead would be no kindness, since kernels probe ports with no fix-up.
 *
 * The table names the bytes that must not read as ones. The timer's channel 2 is one: Linux
 * calibrates its TSC by counting until that counter leaves 0xff, and spins 100,000 times before it
 * gives up.
 */
#include "xen/arch/x86/pv.h"

#include "xen/arch/x86/machine_io.h"
#include "xen/guest_access.h"

struct port_rule {
    uint16_t first, last;
    uint8_t value; /* what a byte reads as */
};

static const struct port_rule ports[] = {
    {0x42, 0x42, 0x00}, /* timer, channel 2 */
};

static uint8_t port_byte(uint32_t port)
{
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        if (port >= ports[i].first && port <= ports[i].last)
            return ports[i].value;
    return 0xff;
}

uint32_t pv_io_read(struct vcpu *v, uint16_t port, unsigned bytes)
{
    uint32_t value = 0;

    if (v->domain->privileged)
        return machine_io_read(port, bytes);
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)port_byte((uint32_t)port + i) << (8 * i);
    return value;
}

void pv_io_write(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t value)
{
    if (v->domain->privileged)
        machine_io_write(port, bytes, value);
}

bool pv_iopl_ok(const struct vcpu *v)
{
    bool architectural = v->domain->vm_assist >> VMASST_TYPE_architectural_iopl & 1;
    unsigned ring = !v->arch.kernel_mode ? 3 : architectural ? 0 : 1;

    return ring <= v->arch.iopl;
}

/* True if `count` bits from `port` on are clear in the guest's bitmap. The bitmap lies in guest
 * kernel memory: its page tables must be loaded. */
static bool bitmap_allows(const struct vcpu *v, uint32_t port, unsigned count)
{
    uint32_t mask = ((UINT32_C(1) << count) - 1) << (port % 8);
    uint8_t bits[2] = {0xff, 0xff};
    size_t bytes = mask > 0xff ? 2 : 1;

    if (port + count > v->arch.io_bitmap_ports)
        return false;
    if (copy_from_guest(bits, guest_ptr_add(v->arch.io_bitmap, port / 8), bytes))
        return false;
    return !((bits[0] | (uint32_t)bits[1] << 8) & mask);
}

bool pv_io_allowed(struct vcpu *v, uint16_t port, unsigned bytes)
{
    bool allowed, user = !v->arch.kernel_mode;

    if (pv_iopl_ok(v))
        return true;
    if (!v->arch.io_bitmap_ports)
        return false;
    if (user)
        pv_toggle_mode(v);
    allowed = bitmap_allows(v, port, bytes);
    if (user)
        pv_toggle_mode(v);
    return allowed;
}
