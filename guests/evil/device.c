/* SPDX-License-Identifier: MIT
 *
 * Attacks on the machine's devices: a domain has none, and whatever it asks of them is refused. In a
 * control domain they are left out: it would take its own machine apart.
 */
#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/lib.h"

#include <xen/arch-x86/xen-mca.h>
#include <xen/physdev.h>
#include <xen/platform.h>

#define EPERM_RESULT (-1)
#define COMMANDS     80

bool evil_controls(void)
{
    return kit_start_info->flags & SIF_INITDOMAIN;
}

/* Every operation there is, and some that there is not: with zeroes, with ones, and with no argument. */
static void ask_for_devices(void)
{
    static uint8_t zeroes[512], ones[512];
    void *const args[] = {zeroes, ones, NULL};
    unsigned tried = 0;

    for (unsigned i = 0; i < sizeof(ones); i++) {
        ones[i] = 0xff;
    }
    for (unsigned cmd = 0; cmd < COMMANDS && !evil_controls(); cmd++) {
        for (unsigned i = 0; i < 3; i++) {
            if (cmd != PHYSDEVOP_set_iopl && cmd != PHYSDEVOP_set_iobitmap) {
                check_part(hv_physdev(cmd, args[i]) == EPERM_RESULT, "physdev_op %u", cmd);
                tried++;
            }
        }
    }
    check_part(tried > 200 || evil_controls(), "%u", tried);
}

static void command_the_machine(void)
{
    struct xen_platform_op op = {.interface_version = XENPF_INTERFACE_VERSION};
    struct xen_mc mc = {.interface_version = XEN_MCA_INTERFACE_VERSION};

    for (unsigned cmd = 0; cmd < COMMANDS && !evil_controls(); cmd++) {
        op.cmd = mc.cmd = cmd;
        op.u.enter_acpi_sleep.sleep_state = 5;
        check_part(hypercall1(__HYPERVISOR_platform_op, (uint64_t)&op) == EPERM_RESULT,
                   "platform_op %u", cmd);
        check_part(hypercall1(__HYPERVISOR_mca, (uint64_t)&mc) == EPERM_RESULT, "mca %u", cmd);
    }
}

static void bind_interrupts(void)
{
    struct evtchn_bind_pirq bind = {.flags = BIND_PIRQ__WILL_SHARE};

    for (unsigned pirq = 0; pirq < 64 && !evil_controls(); pirq++) {
        bind.pirq = pirq;
        check_part(hv_event(EVTCHNOP_bind_pirq, &bind) == EPERM_RESULT, "interrupt %u", pirq);
    }
    bind.pirq = UINT32_MAX;
    check_part(hv_event(EVTCHNOP_bind_pirq, &bind) < 0, "interrupt 2^32 - 1");
}

static void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* The ways to switch a PC off or restart it by a port, a look into PCI, and the tests' own way out. Who
 * still runs after that has not reached any of them. */
static void write_ports(void)
{
    struct physdev_set_iopl iopl = {.iopl = 3};

    if (evil_controls()) {
        return;
    }
    (void)hv_physdev(PHYSDEVOP_set_iopl, &iopl);
    out8(0x64, 0xfe);
    out8(0x92, 1);
    out8(0xcf9, 6);
    out16(0x604, 0x2000);
    out16(0xb004, 0x2000);
    out32(0xf4, 1);
    out8(0x20, 0x11);
    out32(0xcf8, 0x80000000);
    check_part(in32(0xcf8) == UINT32_MAX && in32(0xcfc) == UINT32_MAX, "PCI is there");
    check_part(in32(0x3f8) == UINT32_MAX, "the serial port is there");
}

static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;

static void map_devices(void)
{
    static const uint64_t devices[] = {0xfee00, 0xfec00, 0xfed00, 0xb0000,
                                       0xfebff, 0xa0,    0xf0,    0xfe};

    for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        check_part(page_map(page, devices[i], PTE_P | PTE_W) < 0 || evil_controls(),
                   "frame %lx, writable", devices[i]);
        check_part(page_map(page, devices[i], PTE_P) < 0 || evil_controls(), "frame %lx",
                   devices[i]);
    }
    (void)page_make_writable(page);
}

const struct attack evil_devices[] = {
    {"ask-for-devices", ask_for_devices, false},
    {"command-the-machine", command_the_machine, false},
    {"bind-interrupts", bind_interrupts, false},
    {"write-ports", write_ports, false},
    {"map-devices", map_devices, false},
    {NULL, NULL, false},
};
