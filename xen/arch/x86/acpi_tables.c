/* SPDX-License-Identifier: MIT
 *
 * The ACPI tables that are plain data: MADT, FADT, HPET, MCFG. Pure functions over bytes: they
 * touch nothing but the table and the struct they fill, so that the host tests and the fuzzer run
 * them as they are.
 *
 * INV-ACPI-1: no byte outside [t, t + bytes) is read, whatever the table says.
 * INV-ACPI-2: an error leaves *info as it was.
 * INV-ACPI-3: cpu[0] is the boot CPU, no APIC id stands twice, and no count exceeds its array.
 */
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/acpi_tables.h"

#define DEFAULT_LAPIC 0xfee00000
#define ISA_SCI       9
#define MADT_HEAD     44
#define MADT_PC_AT    1 /* flag: a pair of 8259s is wired up as well */
#define CPU_ENABLED   1
#define POLARITY_LOW  3
#define TRIGGER_LEVEL 3

/* Types of MADT entries, with the length each must have. */
enum madt_type {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_LAPIC_ADDRESS = 5,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};

LAGAN_INIT uint8_t acpi_sum(const void *p, size_t bytes)
{
    const uint8_t *b = p;
    unsigned sum = 0;

    while (bytes--)
        sum += *b++;
    return (uint8_t)sum;
}

LAGAN_INIT void acpi_defaults(struct acpi_info *info, uint32_t boot_apic_id)
{
    memset(info, 0, sizeof(*info));
    info->lapic_address = DEFAULT_LAPIC;
    info->has_pic = true;
    info->has_8042 = true;
    info->sci_irq = ISA_SCI;
    info->cpu_count = 1;
    info->cpu[0] = (struct acpi_cpu){.apic_id = boot_apic_id};
    for (uint32_t irq = 0; irq < ACPI_ISA_IRQS; irq++)
        info->isa[irq] = (struct acpi_isa_irq){.gsi = irq};
    /* LINT1 is NMI by convention; a MADT that names any pin replaces this. */
    info->nmi_count = 1;
    info->nmi[0] = (struct acpi_nmi){.acpi_id = ACPI_ALL_CPUS, .lint = 1};
}

/* ---- MADT ---- */

static LAGAN_INIT void add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t acpi_id,
                               uint32_t flags)
{
    if (!(flags & CPU_ENABLED)) {
        info->cpu_disabled_count++;
        return;
    }
    for (unsigned i = 0; i < info->cpu_count; i++) {
        if (info->cpu[i].apic_id == apic_id) {
            info->cpu[i].acpi_id = acpi_id; /* the boot CPU, or one listed in both forms */
            return;
        }
    }
    if (info->cpu_count == MAX_CPUS) {
        info->cpu_dropped_count++;
        return;
    }
    info->cpu[info->cpu_count++] = (struct acpi_cpu){.apic_id = apic_id, .acpi_id = acpi_id};
}

static LAGAN_INIT void add_ioapic(struct acpi_info *info, const uint8_t *e)
{
    if (info->ioapic_count < ACPI_MAX_IOAPICS)
        info->ioapic[info->ioapic_count++] = (struct acpi_ioapic){
            .id = e[2], .address = get_le32(e + 4), .gsi_base = get_le32(e + 8)};
}

/* Flags: polarity in bits 1:0, trigger mode in bits 3:2; value 0 means the bus's habit, which for
 * ISA is edge and active high. */
static LAGAN_INIT void add_override(struct acpi_info *info, const uint8_t *e)
{
    uint8_t irq = e[3];
    uint16_t flags = get_le16(e + 8);

    if (e[2] != 0 || irq >= ACPI_ISA_IRQS)
        return;
    info->isa[irq] = (struct acpi_isa_irq){.gsi = get_le32(e + 4),
                                           .level = ((flags >> 2) & 3) == TRIGGER_LEVEL,
                                           .low = (flags & 3) == POLARITY_LOW};
}

static LAGAN_INIT void add_nmi(struct acpi_info *info, uint32_t acpi_id, uint8_t lint)
{
    if (info->nmi_count < ACPI_MAX_NMIS && lint <= 1)
        info->nmi[info->nmi_count++] = (struct acpi_nmi){.acpi_id = acpi_id, .lint = lint};
}

static LAGAN_INIT size_t madt_entry_bytes(uint8_t type)
{
    switch (type) {
    case MADT_LAPIC:
        return 8;
    case MADT_IOAPIC:
        return 12;
    case MADT_OVERRIDE:
        return 10;
    case MADT_LAPIC_NMI:
        return 6;
    case MADT_LAPIC_ADDRESS:
        return 12;
    case MADT_X2APIC:
        return 16;
    case MADT_X2APIC_NMI:
        return 12;
    default:
        return 2;
    }
}

static LAGAN_INIT void add_entry(struct acpi_info *info, const uint8_t *e)
{
    switch (e[0]) {
    case MADT_LAPIC:
        if (e[3] != 0xff) /* the id of none: firmware's way to blank an entry */
            add_cpu(info, e[3], e[2], get_le32(e + 4));
        break;
    case MADT_IOAPIC:
        add_ioapic(info, e);
        break;
    case MADT_OVERRIDE:
        add_override(info, e);
        break;
    case MADT_LAPIC_NMI:
        add_nmi(info, e[2] == 0xff ? ACPI_ALL_CPUS : e[2], e[5]);
        break;
    case MADT_LAPIC_ADDRESS:
        info->lapic_address = get_le64(e + 4);
        break;
    case MADT_X2APIC:
        if (get_le32(e + 4) != UINT32_MAX)
            add_cpu(info, get_le32(e + 4), get_le32(e + 12), get_le32(e + 8));
        break;
    case MADT_X2APIC_NMI:
        add_nmi(info, get_le32(e + 4), e[8]);
        break;
    default: /* affinity, platform interrupts, ...: not our business */
        break;
    }
}

/* Every entry lies within the table and is as long as its type demands. */
static LAGAN_INIT bool madt_is_sound(const uint8_t *t, size_t bytes, bool *names_nmi)
{
    size_t at = MADT_HEAD;

    *names_nmi = false;
    if (bytes < MADT_HEAD)
        return false;
    while (at < bytes) {
        if (bytes - at < 2 || t[at + 1] > bytes - at || t[at + 1] < madt_entry_bytes(t[at]))
            return false;
        *names_nmi |= t[at] == MADT_LAPIC_NMI || t[at] == MADT_X2APIC_NMI;
        at += t[at + 1];
    }
    return true;
}

LAGAN_INIT int acpi_read_madt(const uint8_t *t, size_t bytes, struct acpi_info *info)
{
    bool names_nmi;

    if (!madt_is_sound(t, bytes, &names_nmi))
        return -XEN_EINVAL;
    info->lapic_address = get_le32(t + 36);
    info->has_pic = get_le32(t + 40) & MADT_PC_AT;
    if (names_nmi)
        info->nmi_count = 0;
    for (size_t at = MADT_HEAD; at < bytes; at += t[at + 1])
        add_entry(info, t + at);
    return 0;
}

/* ---- FADT ---- */

enum fadt_offset {
    FADT_DSDT = 40,
    FADT_SCI = 46,
    FADT_SMI_COMMAND = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_CONTROL = 64,
    FADT_PM1B_CONTROL = 68,
    FADT_PM_TIMER = 76,
    FADT_PM_TIMER_BYTES = 91,
    FADT_CENTURY = 108,
    FADT_BOOT_ARCH = 109,
    FADT_FLAGS = 112,
    FADT_V1_BYTES = 116, /* where ACPI 1.0 ends */
    FADT_RESET = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CONTROL = 172,
    FADT_X_PM1B_CONTROL = 184,
    FADT_X_PM_TIMER = 208,
};
#define FADT_TIMER_32BIT (1u << 8)
#define FADT_HAS_RESET   (1u << 10)
#define BOOT_ARCH_8042   (1u << 1)
#define GAS_BYTES        12

/* The extended form of a register if the table has it and it is in use, else the old port number.
 */
static LAGAN_INIT struct acpi_register fadt_register(const uint8_t *t, size_t bytes, size_t old,
                                                     size_t extended, uint8_t bits)
{
    struct acpi_register r = {ACPI_PORTS, bits, get_le32(t + old)};

    if (bytes >= extended + GAS_BYTES && get_le64(t + extended + 4) != 0)
        r = (struct acpi_register){t[extended], t[extended + 1], get_le64(t + extended + 4)};
    return r;
}

static LAGAN_INIT void read_reset(const uint8_t *t, size_t bytes, struct acpi_info *info)
{
    if (bytes <= FADT_RESET_VALUE || !(get_le32(t + FADT_FLAGS) & FADT_HAS_RESET))
        return;
    info->reset =
        (struct acpi_register){t[FADT_RESET], t[FADT_RESET + 1], get_le64(t + FADT_RESET + 4)};
    info->reset_value = t[FADT_RESET_VALUE];
}

LAGAN_INIT int acpi_read_fadt(const uint8_t *t, size_t bytes, struct acpi_info *info)
{
    if (bytes < FADT_V1_BYTES)
        return -XEN_EINVAL;
    info->has_fadt = true;
    info->dsdt = get_le32(t + FADT_DSDT);
    if (bytes >= FADT_X_DSDT + 8 && get_le64(t + FADT_X_DSDT) != 0)
        info->dsdt = get_le64(t + FADT_X_DSDT);
    info->sci_irq = get_le16(t + FADT_SCI);
    info->smi_command = get_le32(t + FADT_SMI_COMMAND);
    info->acpi_enable = t[FADT_ACPI_ENABLE];
    info->pm1a_control = fadt_register(t, bytes, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL, 16);
    info->pm1b_control = fadt_register(t, bytes, FADT_PM1B_CONTROL, FADT_X_PM1B_CONTROL, 16);
    if (t[FADT_PM_TIMER_BYTES] == 4)
        info->pm_timer = fadt_register(t, bytes, FADT_PM_TIMER, FADT_X_PM_TIMER, 32);
    info->pm_timer_32bit = get_le32(t + FADT_FLAGS) & FADT_TIMER_32BIT;
    info->century = t[FADT_CENTURY] < 128 ? t[FADT_CENTURY] : 0;
    /* ACPI 1.0 had no such flags: a machine of that age has the keyboard controller. */
    info->has_8042 = t[8] < 2 || (get_le16(t + FADT_BOOT_ARCH) & BOOT_ARCH_8042);
    read_reset(t, bytes, info);
    return 0;
}

/* ---- HPET, MCFG ---- */

LAGAN_INIT int acpi_read_hpet(const uint8_t *t, size_t bytes, struct acpi_info *info)
{
    if (bytes < 56 || t[40] != ACPI_MEMORY || get_le64(t + 44) == 0)
        return -XEN_EINVAL;
    info->hpet_address = get_le64(t + 44);
    return 0;
}

/* A megabyte of configuration space a bus, and the address is that of bus 0. */
static LAGAN_INIT bool segment_is_sound(const struct acpi_segment *s)
{
    uint64_t end;

    return s->address != 0 && s->address % PAGE_SIZE == 0 && s->first_bus <= s->last_bus &&
           !add_overflows(s->address, ((uint64_t)s->last_bus + 1) << 20, &end);
}

LAGAN_INIT int acpi_read_mcfg(const uint8_t *t, size_t bytes, struct acpi_info *info)
{
    struct acpi_segment found[ACPI_MAX_SEGMENTS];
    unsigned count = 0;

    if (bytes < 44 || (bytes - 44) % 16 != 0)
        return -XEN_EINVAL;
    for (size_t at = 44; at < bytes && count < ACPI_MAX_SEGMENTS; at += 16) {
        found[count] =
            (struct acpi_segment){get_le64(t + at), get_le16(t + at + 8), t[at + 10], t[at + 11]};
        if (!segment_is_sound(&found[count++]))
            return -XEN_EINVAL;
    }
    memcpy(info->segment, found, count * sizeof(found[0]));
    info->segment_count = count;
    return 0;
}
