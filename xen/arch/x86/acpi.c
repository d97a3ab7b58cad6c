/* SPDX-License-Identifier: MIT
 *
 * Finding the ACPI tables: RSDP, then XSDT (or RSDT), then each table that we know.
 *
 * Physical memory is reached through map_firmware(), which refuses (NULL) what it cannot map; the
 * host tests put a made-up machine behind it. A table is mapped twice: its header first, for the
 * length, then the whole. Firmware memory does not change while we read it: only this CPU runs.
 *
 * INV-ACPI-4: a table is used only if its length is within [header, TABLE_MAX] and its bytes sum up
 * to 0.
 */
#include <lagan/printk.h>
#include "xen/arch/x86/acpi.h"
#include "xen/arch/x86/acpi_tables.h"
#include "xen/arch/x86/hvmap.h"

#define TABLE_MAX     (4u << 20)
#define ROOT_MAX      256 /* entries of a root table that we follow */
#define RSDP_V1_BYTES 20
#define RSDP_V2_BYTES 36
#define BDA_EBDA      0x40e /* the BIOS data area's word: segment of the EBDA */
#define BIOS_START    0xe0000
#define BIOS_END      0x100000

struct acpi_info acpi_info;

struct table {
    const uint8_t *bytes;
    size_t length;
};

/* Maps the table at phys; false, with a word on the console, if it is no table. */
static LAGAN_INIT bool table_map(uint64_t phys, struct table *t)
{
    const uint8_t *head = map_firmware(phys, ACPI_HEADER_BYTES);
    uint32_t length;
    char name[5] = "";

    if (!head) {
        log_warn("ACPI: table at %#lx is out of reach, ignored\n", (unsigned long)phys);
        return false;
    }
    length = get_le32(head + 4);
    for (unsigned i = 0; i < 4; i++) /* bytes from the firmware: keep the console clean */
        name[i] = head[i] >= ' ' && head[i] <= '~' ? (char)head[i] : '?';
    if (length < ACPI_HEADER_BYTES || length > TABLE_MAX) {
        log_warn("ACPI: %s at %#lx has a bad length %u, ignored\n", name, (unsigned long)phys,
                 length);
        return false;
    }
    t->bytes = map_firmware(phys, length);
    t->length = length;
    if (!t->bytes || acpi_sum(t->bytes, length) != 0) {
        log_warn("ACPI: %s at %#lx has a bad checksum, ignored\n", name, (unsigned long)phys);
        return false;
    }
    return true;
}

static LAGAN_INIT bool is_named(const struct table *t, const char *signature)
{
    return memcmp(t->bytes, signature, 4) == 0;
}

static LAGAN_INIT void look_for_s5(const struct table *t, struct acpi_info *info)
{
    if (!info->has_s5)
        info->has_s5 = acpi_find_s5(t->bytes + ACPI_HEADER_BYTES, t->length - ACPI_HEADER_BYTES,
                                    &info->s5_type_a, &info->s5_type_b);
}

/* Reads one table if it is of a kind that we know; the first of a kind wins. */
static LAGAN_INIT void read_table(const struct table *t, struct acpi_info *info, bool *madt_seen)
{
    int rc = 0;

    if (is_named(t, "APIC") && !*madt_seen) {
        rc = acpi_read_madt(t->bytes, t->length, info);
        *madt_seen = rc == 0;
    } else if (is_named(t, "FACP") && !info->has_fadt) {
        rc = acpi_read_fadt(t->bytes, t->length, info);
    } else if (is_named(t, "HPET") && info->hpet_address == 0) {
        rc = acpi_read_hpet(t->bytes, t->length, info);
    } else if (is_named(t, "MCFG") && info->segment_count == 0) {
        rc = acpi_read_mcfg(t->bytes, t->length, info);
    } else if (is_named(t, "SSDT")) {
        look_for_s5(t, info);
    }
    if (rc)
        log_warn("ACPI: %.4s makes no sense, ignored\n", (const char *)t->bytes);
}

static LAGAN_INIT void read_dsdt(struct acpi_info *info)
{
    struct table t;

    if (info->dsdt && table_map(info->dsdt, &t) && is_named(&t, "DSDT"))
        look_for_s5(&t, info);
}

/* Follows the root table: 8-byte pointers in an XSDT, 4-byte ones in an RSDT. */
static LAGAN_INIT bool walk_root(uint64_t phys, const char *signature, size_t pointer,
                                 struct acpi_info *info)
{
    struct table root, t;
    bool madt_seen = false;
    size_t count;

    if (phys == 0 || !table_map(phys, &root) || !is_named(&root, signature))
        return false;
    count = min_u64((root.length - ACPI_HEADER_BYTES) / pointer, ROOT_MAX);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *e = root.bytes + ACPI_HEADER_BYTES + i * pointer;
        uint64_t where = pointer == 8 ? get_le64(e) : get_le32(e);

        if (where && table_map(where, &t))
            read_table(&t, info, &madt_seen);
    }
    read_dsdt(info);
    return true;
}

/* How many of the bytes are the RSDP: 0 if it is none. */
static LAGAN_INIT size_t rsdp_bytes(const uint8_t *p, size_t bytes)
{
    if (bytes < RSDP_V1_BYTES || memcmp(p, "RSD PTR ", 8) != 0 || acpi_sum(p, RSDP_V1_BYTES) != 0)
        return 0;
    if (p[15] >= 2 && bytes >= RSDP_V2_BYTES && acpi_sum(p, RSDP_V2_BYTES) == 0)
        return RSDP_V2_BYTES;
    return RSDP_V1_BYTES;
}

LAGAN_INIT int acpi_walk(const uint8_t *rsdp, size_t bytes, struct acpi_info *info)
{
    size_t valid = rsdp_bytes(rsdp, bytes);

    if (valid == 0)
        return -XEN_ENOENT;
    if (valid == RSDP_V2_BYTES && walk_root(get_le64(rsdp + 24), "XSDT", 8, info))
        info->present = true;
    else
        info->present = walk_root(get_le32(rsdp + 16), "RSDT", 4, info);
    return info->present ? 0 : -XEN_ENOENT;
}

/* The RSDP stands on a multiple of 16 within the area. */
static LAGAN_INIT const uint8_t *scan(uint64_t phys, size_t bytes, struct acpi_info *info)
{
    const uint8_t *area = map_firmware(phys, bytes);

    for (size_t at = 0; area && at + RSDP_V2_BYTES <= bytes; at += 16) {
        if (rsdp_bytes(area + at, bytes - at) != 0) {
            info->rsdp = phys + at;
            return area + at;
        }
    }
    return NULL;
}

static LAGAN_INIT const uint8_t *scan_bios(struct acpi_info *info)
{
    const uint8_t *bda = map_firmware(BDA_EBDA, 2);
    uint64_t ebda = bda ? (uint64_t)get_le16(bda) << 4 : 0;
    const uint8_t *found = NULL;

    if (ebda >= 0x80000 && ebda < 0xa0000)
        found = scan(ebda, 1024, info);
    return found ? found : scan(BIOS_START, BIOS_END - BIOS_START, info);
}

static LAGAN_INIT void print_summary(const struct acpi_info *info)
{
    log_info(
        "ACPI: %u CPUs (%u disabled, %u over the limit), %u IO-APICs, HPET %#lx, PM timer %#lx\n",
        info->cpu_count, info->cpu_disabled_count, info->cpu_dropped_count, info->ioapic_count,
        (unsigned long)info->hpet_address, (unsigned long)info->pm_timer.address);
    for (unsigned i = 0; i < info->segment_count; i++)
        log_info("ACPI: PCI segment %u, buses %u-%u, configuration space at %#lx\n",
                 info->segment[i].segment, info->segment[i].first_bus, info->segment[i].last_bus,
                 (unsigned long)info->segment[i].address);
    if (!info->has_s5)
        log_warn("ACPI: no \\_S5 found: cannot switch the machine off by ACPI\n");
}

LAGAN_INIT void acpi_init(const void *rsdp, size_t bytes, uint32_t boot_apic_id)
{
    acpi_defaults(&acpi_info, boot_apic_id);
    if (!rsdp) {
        rsdp = scan_bios(&acpi_info);
        bytes = RSDP_V2_BYTES;
    }
    if (!rsdp || acpi_walk(rsdp, bytes, &acpi_info) != 0) {
        log_warn("ACPI: no usable tables: one CPU, no IO-APIC\n");
        return;
    }
    print_summary(&acpi_info);
}
