/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the ACPI readers: the first byte chooses one table's reader, or the whole walk with the
 * input as the firmware's memory (an RSDP in front, checksums made right so that the walk gets
 * somewhere).
 */
#include <stdlib.h>
#include <string.h>

#include "unittests/fake_firmware.h"
#include "xen/arch/x86/acpi.h"

#define PHYS 0x1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct acpi_info *i)
{
    if (i->cpu_count < 1 || i->cpu_count > MAX_CPUS || i->cpu[0].apic_id != 5 ||
        i->ioapic_count > ACPI_MAX_IOAPICS || i->nmi_count > ACPI_MAX_NMIS ||
        i->segment_count > ACPI_MAX_SEGMENTS || i->s5_type_a > 7 || i->s5_type_b > 7)
        abort();
    for (unsigned n = 0; n < i->cpu_count; n++)
        for (unsigned m = 0; m < n; m++)
            if (i->cpu[n].apic_id == i->cpu[m].apic_id)
                abort();
}

/* Wherever a plausible table begins (every 16 bytes), its checksum is made right. */
static void fix_sums(uint8_t *m, size_t size)
{
    for (size_t at = 0; at + 36 <= size; at += 16) {
        uint32_t length;

        memcpy(&length, m + at + 4, 4);
        if (length >= 36 && length <= size - at) {
            m[at + 9] = 0;
            m[at + 9] = (uint8_t)-acpi_sum(m + at, length);
        }
    }
}

static void walk(const uint8_t *data, size_t size, struct acpi_info *info)
{
    uint8_t rsdp[36] = "RSD PTR ", *memory = malloc(size + 1);
    const uint32_t root = PHYS;

    memcpy(memory, data, size);
    fix_sums(memory, size);
    if (size && (data[0] & 1)) { /* both kinds of root tables */
        rsdp[15] = 2;
        memcpy(rsdp + 24, &root, 4);
    }
    memcpy(rsdp + 16, &root, 4);
    rsdp[8] = (uint8_t)-acpi_sum(rsdp, 20);
    rsdp[32] = (uint8_t)-acpi_sum(rsdp, 36);
    fake_log_clear();
    fake_firmware_set(PHYS, memory, size);
    (void)acpi_walk(rsdp, sizeof(rsdp), info);
    fake_firmware_set(0, NULL, 0);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acpi_info info;
    uint8_t a, b;
    int rc = 0;

    if (size < 1)
        return 0;
    acpi_defaults(&info, 5);
    switch (data[0] % 6) {
    case 0:
        rc = acpi_read_madt(data + 1, size - 1, &info);
        break;
    case 1:
        rc = acpi_read_fadt(data + 1, size - 1, &info);
        break;
    case 2:
        rc = acpi_read_hpet(data + 1, size - 1, &info);
        break;
    case 3:
        rc = acpi_read_mcfg(data + 1, size - 1, &info);
        break;
    case 4:
        (void)acpi_find_s5(data + 1, size - 1, &a, &b);
        break;
    default:
        walk(data + 1, size - 1, &info);
        break;
    }
    (void)rc;
    check(&info);
    return 0;
}
