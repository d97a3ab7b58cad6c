/* SPDX-License-Identifier: MIT
 *
 * Hostile boot information. The first byte chooses the protocol and the alignment of what follows,
 * the rest is memory in which the information starts at a fixed place. Whatever it is, parsing
 * stays inside it, and what comes out is sane.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/assert.h>

#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/bootmem.h"
#include "xen/arch/x86/multiboot.h"

#define WINDOW_START 0x1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

void assert_failed(const char *what, const char *file, int line)
{
    (void)what;
    (void)file;
    (void)line;
    abort();
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* INV-BOOT-3 */
static void check_text(const struct boot_info *bi, const char *text)
{
    if (*text == '\0')
        return;
    check(text >= bi->text && text < bi->text + bi->text_used);
    check(memchr(text, '\0', (size_t)(bi->text + sizeof(bi->text) - text)) != NULL);
}

static void check_result(struct boot_info *bi)
{
    static struct bootmem bm;

    check_text(bi, bi->cmdline);
    check_text(bi, bi->loader);
    for (unsigned i = 0; i < bi->module_count; i++) {
        check(bi->module[i].start <= bi->module[i].end);
        check_text(bi, bi->module[i].cmdline);
    }
    check(bi->rsdp_bytes <= sizeof(bi->rsdp));
    (void)(bootinfo_sanitise(bi) == 0);
    for (unsigned i = 0; i < bi->map_count; i++) {
        check(bi->map[i].start < bi->map[i].end);
        check(i == 0 || bi->map[i - 1].end <= bi->map[i].start);
    }
    bootmem_init(&bm, bi, 0x100000);
    for (unsigned i = 0; i < bi->module_count; i++)
        bootmem_reserve(&bm, bi->module[i].start, bi->module[i].end);
    check(bm.count <= BOOTMEM_RANGES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct boot_info bi;
    struct phys_window window;
    uint8_t *copy;
    uint32_t magic;

    if (bytes < 1)
        return 0;
    magic = data[0] & 1 ? MULTIBOOT2_LOADER_MAGIC : MULTIBOOT1_LOADER_MAGIC;
    /* Exactly as large as it is, so that the sanitizer sees one byte too many. */
    copy = malloc(bytes - 1);
    check(copy != NULL);
    memcpy(copy, data + 1, bytes - 1);
    window = (struct phys_window){copy, WINDOW_START, bytes - 1};
    if (multiboot_parse(&bi, magic, &window, WINDOW_START + (data[0] >> 1 & 15)))
        check(bi.complaint != NULL);
    check_result(&bi);
    free(copy);
    return 0;
}
