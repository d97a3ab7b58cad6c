/* SPDX-License-Identifier: MIT
 *
 * The bzImage header, and kernel files of both kinds.
 */
#include <stdlib.h>
#include <string.h>

#include "mm/heap.h"
#include "unittests/arch/host.h"
#include "unittests/elf_kit.h"
#include "unittests/pack_kit.h"
#include "unittests/suite.h"
#include "xen/bzimage.h"
#include "xen/kernel_image.h"

enum { LOW = 100, HIGH = 4000, START = (PACK_KIT_SETUP_SECTORS + 1) * 512 + 100 };

static uint8_t *file;
static size_t bytes;

static void begin(void)
{
    file = pack_kit_bzimage("payload", 7, &bytes);
}

static int parse(struct bzimage *image, const char **why)
{
    int rc = bzimage_parse(file, bytes, image, why);

    CU_ASSERT(rc == 0 || *why);
    return rc;
}

static void found(void)
{
    struct bzimage image;
    const char *why = NULL;

    begin();
    CU_ASSERT_TRUE(bzimage_recognised(file, bytes));
    CU_ASSERT_EQUAL(parse(&image, &why), 0);
    CU_ASSERT(image.payload == file + START && image.payload_bytes == 7);
    CU_ASSERT_EQUAL(memcmp(image.payload, "payload", 7), 0);
    free(file);
}

/* 0 sectors mean four. */
static void default_sectors(void)
{
    struct bzimage image;
    const char *why = NULL;

    begin();
    file[0x1f1] = 0;
    file[0x248] = 0;
    CU_ASSERT_EQUAL(parse(&image, &why), -XEN_EINVAL);
    file = realloc(file, 5 * 512 + 7);
    bytes = 5 * 512 + 7;
    CU_ASSERT_EQUAL(parse(&image, &why), 0);
    CU_ASSERT_PTR_EQUAL(image.payload, file + (size_t)5 * 512);
    free(file);
}

static void refused(void)
{
    static const struct {
        size_t at;
        uint32_t value;
        unsigned count;
        int error;
    } table[] = {
        {0x206, 0x207, 2, -XEN_ENOEXEC}, /* protocol 2.07 */
        {0x211, 0, 1, -XEN_ENOEXEC},     /* a zImage */
        {0x24c, 0, 4, -XEN_ENOEXEC},     /* no payload */
        {0x24c, 8, 4, -XEN_EINVAL},      /* one byte too many */
        {0x24c, UINT32_MAX, 4, -XEN_EINVAL}, {0x248, UINT32_MAX, 4, -XEN_EINVAL},
        {0x1f1, 255, 1, -XEN_EINVAL},        {0x1fe, 0xaa56, 2, -XEN_EINVAL},
        {0x202, 0x53726449, 4, -XEN_EINVAL},
    };
    struct bzimage image;
    const char *why;

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        begin();
        memcpy(file + table[i].at, &table[i].value, table[i].count);
        why = NULL;
        CU_ASSERT_EQUAL(parse(&image, &why), table[i].error);
        CU_ASSERT_EQUAL(bzimage_recognised(file, bytes),
                        table[i].at < 0x1fe || table[i].at > 0x202);
        free(file);
    }
}

/* Cut anywhere: no look behind the end, and an error. */
static void cut(void)
{
    struct bzimage image;
    const char *why;

    begin();
    for (size_t keep = 0; keep < bytes; keep++) {
        uint8_t *short_file = malloc(keep ? keep : 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(short_file);
        memcpy(short_file, file, keep);
        CU_ASSERT_EQUAL(bzimage_recognised(short_file, keep), keep >= 0x250);
        CU_ASSERT_EQUAL(bzimage_parse(short_file, keep, &image, &why), -XEN_EINVAL);
        free(short_file);
    }
    free(file);
}

/* ---- kernel files ---- */

static int open_image(struct kernel_image *k, const void *at, size_t count, const char **why)
{
    int rc = kernel_image_begin(k, at, count, why);

    while (rc == 0 && (rc = kernel_image_step(k, why)) == -XEN_ERESTART)
        rc = 0;
    return rc;
}

static void plain_kernel(void)
{
    struct kernel_image k;
    const char *why;

    host_heap(LOW, HIGH);
    elf_kit_build();
    CU_ASSERT_EQUAL(open_image(&k, elf_kit_file, ELF_KIT_BYTES, &why), 0);
    CU_ASSERT(k.elf.entry == ELF_KIT_PADDR && k.unpack == NULL);
    CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);
    kernel_image_end(&k);
    elf_kit_file[1] = 0;
    CU_ASSERT_EQUAL(open_image(&k, elf_kit_file, ELF_KIT_BYTES, &why), -XEN_EINVAL);
    kernel_image_end(&k);
}

static void packed_kernel(void)
{
    uint8_t *payload, *kernel;
    struct kernel_image k;
    const char *why;
    size_t count, kernel_bytes;

    elf_kit_build();
    for (enum pack_kind kind = 0; kind < PACK_KINDS; kind++) {
        host_heap(LOW, HIGH);
        payload = pack_kit(kind, elf_kit_file, ELF_KIT_BYTES, &count);
        kernel = pack_kit_bzimage(payload, count, &kernel_bytes);
        CU_ASSERT_EQUAL(open_image(&k, kernel, kernel_bytes, &why), 0);
        CU_ASSERT(k.elf.entry == ELF_KIT_PADDR && k.elf.segment_count == 1);
        CU_ASSERT_EQUAL(k.elf.segment[0].file[0], 0x90);
        CU_ASSERT(heap_free_pages() < LOW + HIGH);
        kernel_image_end(&k);
        CU_ASSERT_PTR_NULL(k.unpack);
        slab_trim();
        CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);
        /* A payload that is cut off is noticed by its file's header. */
        CU_ASSERT_EQUAL(open_image(&k, kernel, kernel_bytes - 1, &why), -XEN_EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, "truncated"));
        kernel_image_end(&k);
        free(payload);
        free(kernel);
    }
}

/* Sound, but no kernel. */
static void packed_nonsense(void)
{
    size_t count, kernel_bytes;
    uint8_t *payload = pack_kit(PACK_XZ, "no kernel", 9, &count);
    uint8_t *kernel = pack_kit_bzimage(payload, count, &kernel_bytes);
    struct kernel_image k;
    const char *why;

    host_heap(LOW, HIGH);
    CU_ASSERT_EQUAL(open_image(&k, kernel, kernel_bytes, &why), -XEN_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "too short for an ELF header"));
    kernel_image_end(&k);
    slab_trim();
    CU_ASSERT_EQUAL(heap_free_pages(), LOW + HIGH);
    free(payload);
    free(kernel);
}

static const struct test_case cases[] = {
    {"the payload is found", found},       {"four sectors by default", default_sectors},
    {"headers that are refused", refused}, {"cut off anywhere", cut},
    {"a plain kernel", plain_kernel},      {"packed kernels", packed_kernel},
    {"packed nonsense", packed_nonsense},  {NULL, NULL},
};

const struct suite suite_bzimage = {"bzimage", cases, NULL, NULL};
