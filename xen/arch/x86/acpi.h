/* SPDX-License-Identifier: MIT
 *
 * What the firmware's ACPI tables say of the machine, as far as the hypervisor itself needs it.
 * Everything read here is untrusted input: lengths are bounded, checksums checked, and a bad table
 * is named on the console and ignored. The AML interpreter is dom0's; we look up one package
 * (\_S5).
 *
 * Reading happens once, on the boot CPU, before the others start; acpi_info is constant afterwards.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>

#define ACPI_MAX_IOAPICS  16
#define ACPI_MAX_NMIS     16
#define ACPI_MAX_SEGMENTS 8
#define ACPI_ISA_IRQS     16

/* A register as ACPI names it. */
struct acpi_register {
    uint8_t space;    /* enum acpi_space */
    uint8_t bits;     /* width */
    uint64_t address; /* 0: there is none */
};
enum acpi_space { ACPI_MEMORY = 0, ACPI_PORTS = 1, ACPI_PCI_CONFIG = 2 };

struct acpi_ioapic {
    uint8_t id;
    uint32_t address;
    uint32_t gsi_base;
};

/* Where an ISA interrupt arrives. Without an override: the GSI of its number, edge, active high. */
struct acpi_isa_irq {
    uint32_t gsi;
    bool level, low;
};

/* A local APIC pin that carries NMI. */
struct acpi_nmi {
    uint32_t acpi_id; /* ACPI_ALL_CPUS: each */
    uint8_t lint;     /* 0 or 1 */
};
#define ACPI_ALL_CPUS UINT32_MAX

struct acpi_cpu {
    uint32_t apic_id;
    uint32_t acpi_id;
};

struct acpi_segment { /* PCI Express configuration space */
    uint64_t address;
    uint16_t segment;
    uint8_t first_bus, last_bus;
};

struct acpi_info {
    bool present;  /* a valid RSDP and RSDT or XSDT were found */
    uint64_t rsdp; /* physical address, 0 if known from the boot loader's copy only */

    /* MADT */
    uint64_t lapic_address;
    bool has_pic;       /* a pair of 8259s that must be silenced */
    unsigned cpu_count; /* enabled ones; cpu[0] is the boot CPU */
    unsigned cpu_disabled_count;
    unsigned cpu_dropped_count; /* enabled, but over MAX_CPUS */
    struct acpi_cpu cpu[MAX_CPUS];
    unsigned ioapic_count;
    struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
    struct acpi_isa_irq isa[ACPI_ISA_IRQS];
    unsigned nmi_count;
    struct acpi_nmi nmi[ACPI_MAX_NMIS];

    /* FADT */
    bool has_fadt;
    uint64_t dsdt;
    uint16_t sci_irq;
    uint32_t smi_command; /* port; 0: ACPI mode is always on */
    uint8_t acpi_enable;
    struct acpi_register pm1a_control, pm1b_control;
    struct acpi_register pm_timer;
    bool pm_timer_32bit;
    bool has_8042;
    uint8_t century; /* index in CMOS RAM; 0: none */
    struct acpi_register reset;
    uint8_t reset_value;

    /* DSDT or an SSDT */
    bool has_s5;
    uint8_t s5_type_a, s5_type_b;

    /* HPET */
    uint64_t hpet_address; /* 0: none */

    /* MCFG */
    unsigned segment_count;
    struct acpi_segment segment[ACPI_MAX_SEGMENTS];
};

extern struct acpi_info acpi_info;

/* Finds and reads the tables into acpi_info. rsdp is the boot loader's copy of the RSDP (rsdp_bytes
 * of it), or NULL: the BIOS areas are searched. boot_apic_id is the APIC id of the CPU that runs
 * this. Whatever is missing, acpi_info describes a machine that works: at least the boot CPU, at
 * the default addresses. */
void acpi_init(const void *rsdp, size_t rsdp_bytes, uint32_t boot_apic_id);

/* ---- the steps of it; each reads only the bytes given ---- */

/* Sum of the bytes modulo 256: 0 for a valid table. */
uint8_t acpi_sum(const void *p, size_t bytes);
/* As what acpi_info starts: no tables, default addresses, the boot CPU alone. */
void acpi_defaults(struct acpi_info *info, uint32_t boot_apic_id);
/* Each takes a whole table with its header, whose length field is `bytes`, and fills its part of
 * info: 0, or -XEN_EINVAL when the table makes no sense; info is then as before. */
int acpi_read_madt(const uint8_t *t, size_t bytes, struct acpi_info *info) LAGAN_MUST_CHECK;
int acpi_read_fadt(const uint8_t *t, size_t bytes, struct acpi_info *info) LAGAN_MUST_CHECK;
int acpi_read_hpet(const uint8_t *t, size_t bytes, struct acpi_info *info) LAGAN_MUST_CHECK;
int acpi_read_mcfg(const uint8_t *t, size_t bytes, struct acpi_info *info) LAGAN_MUST_CHECK;
/* Looks for the package \_S5 in AML: true when found, with the SLP_TYP values for PM1a and PM1b. */
bool acpi_find_s5(const uint8_t *aml, size_t bytes, uint8_t *type_a, uint8_t *type_b);
/* Walks the tables from an RSDP (see acpi_init) into info: 0, or -XEN_ENOENT without usable tables.
 */
int acpi_walk(const uint8_t *rsdp, size_t bytes, struct acpi_info *info) LAGAN_MUST_CHECK;
