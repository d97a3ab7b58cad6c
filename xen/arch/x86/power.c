/* SPDX-License-Identifier: MIT
 *
 * Switching off and restarting.
 *
 * Off is ACPI's S5: the sleep type that \_S5 names is written to PM1a (and PM1b), then again with
 * the enable bit. The firmware's methods that should run before are dom0's; the hypervisor powers
 * off by itself only when there is no dom0, or after it is gone. The machine must be in ACPI mode
 * for it, which the FADT's SMI command brings about where the firmware has not.
 *
 * Every way is tried in order with a pause behind it, since none of them tells whether it will
 * work.
 */
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/power.h"
#include "xen/arch/x86/time.h"
#include "xen/options.h"

#define SLP_EN        (1u << 13)
#define SLP_TYP_SHIFT 10
#define SLP_MASK      (SLP_EN | 7u << SLP_TYP_SHIFT)
#define SCI_EN        1u

#define QEMU_EXIT 0xf4
#define QEMU_Q35_PM1 \
    0x604 /* the PM1a registers of QEMU's machines, for a guest without ACPI tables */
#define QEMU_PC_PM1     0xb004
#define QEMU_S5         0
#define KEYBOARD_STATUS 0x64
#define KEYBOARD_BUSY   2u
#define KEYBOARD_RESET  0xfe
#define RESET_CONTROL   0xcf9
#define RESET_HARD      2
#define RESET_NOW       6
#define EFFECT_US       50000
#define KEYBOARD_POLLS  10000
#define ACPI_MODE_POLLS 3000

static bool port_of(const struct acpi_register *r, uint16_t *port)
{
    if (r->space != ACPI_PORTS || r->address == 0 || r->address > 0xfffe)
        return false;
    *port = (uint16_t)r->address;
    return true;
}

static void enter_acpi_mode(uint16_t pm1a)
{
    if ((in16(pm1a) & SCI_EN) || acpi_info.smi_command == 0 || acpi_info.smi_command > 0xffff ||
        acpi_info.acpi_enable == 0)
        return;
    out8((uint16_t)acpi_info.smi_command, acpi_info.acpi_enable);
    for (unsigned i = 0; i < ACPI_MODE_POLLS && !(in16(pm1a) & SCI_EN); i++)
        udelay(1000);
}

static uint16_t sleep_value(uint16_t port, uint8_t type)
{
    return (uint16_t)((in16(port) & ~SLP_MASK) | (uint32_t)type << SLP_TYP_SHIFT);
}

/* Of the control domain, which has evaluated what the firmware says. */
static struct {
    bool given;
    uint16_t a, b;
} sleep_values;

void machine_set_sleep_values(uint16_t pm1a, uint16_t pm1b)
{
    sleep_values.a = pm1a & (uint16_t)~SLP_EN;
    sleep_values.b = pm1b & (uint16_t)~SLP_EN;
    sleep_values.given = true;
}

static void try_s5(void)
{
    uint16_t pm1a, pm1b, a, b = 0;
    bool has_b = port_of(&acpi_info.pm1b_control, &pm1b);

    if (!(acpi_info.has_s5 || sleep_values.given) || !port_of(&acpi_info.pm1a_control, &pm1a))
        return;
    enter_acpi_mode(pm1a);
    a = sleep_values.given ? sleep_values.a : sleep_value(pm1a, acpi_info.s5_type_a);
    out16(pm1a, a);
    if (has_b) {
        b = sleep_values.given ? sleep_values.b : sleep_value(pm1b, acpi_info.s5_type_b);
        out16(pm1b, b);
    }
    out16(pm1a, (uint16_t)(a | SLP_EN));
    if (has_b)
        out16(pm1b, (uint16_t)(b | SLP_EN));
    udelay(EFFECT_US);
}

void machine_halt(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}

void machine_power_off(void)
{
    try_s5();
    if (!acpi_info.has_fadt) { /* a machine with a FADT may have something else at these ports */
        out16(QEMU_Q35_PM1, QEMU_S5 << SLP_TYP_SHIFT | SLP_EN);
        out16(QEMU_PC_PM1, QEMU_S5 << SLP_TYP_SHIFT | SLP_EN);
    }
    machine_halt();
}

void machine_qemu_exit(uint32_t value)
{
    if (options.qemu_exit)
        out32(QEMU_EXIT, value);
}

static void try_reset_register(void)
{
    uint16_t port;

    /* One in memory or in PCI configuration space would need a mapping made now, maybe after a
     * crash; the ways below work on such machines too. */
    if (port_of(&acpi_info.reset, &port)) {
        out8(port, acpi_info.reset_value);
        udelay(EFFECT_US);
    }
}

static void try_keyboard(void)
{
    if (!acpi_info.has_8042)
        return;
    for (unsigned i = 0; i < KEYBOARD_POLLS && (in8(KEYBOARD_STATUS) & KEYBOARD_BUSY); i++)
        io_delay();
    out8(KEYBOARD_STATUS, KEYBOARD_RESET);
    udelay(EFFECT_US);
}

static void try_reset_control(void)
{
    out8(RESET_CONTROL, RESET_HARD);
    udelay(1);
    out8(RESET_CONTROL, RESET_NOW);
    udelay(EFFECT_US);
}

void machine_restart(void)
{
    struct LAGAN_PACKED {
        uint16_t limit;
        uint64_t base;
    } none = {0, 0};

    __asm__ volatile("cli" : : : "memory");
    try_reset_register();
    try_keyboard();
    try_reset_control();
    /* No handler for the exception, none for the fault of not having one: the CPU shuts down, and
     * the chipset resets the machine. */
    __asm__ volatile("lidt %0; ud2" : : "m"(none));
    machine_halt();
}
