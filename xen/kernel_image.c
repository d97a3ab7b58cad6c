/* SPDX-License-Identifier: MIT
 *
 * Kernel files: unpack what is packed, then read the ELF file.
 */
#include "xen/kernel_image.h"

#include "xen/bzimage.h"
#include "xen/unpack.h"

int kernel_image_begin(struct kernel_image *k, const void *file, size_t bytes, const char **why)
{
    struct bzimage packed;
    int rc;

    *k = (struct kernel_image){.file = file, .bytes = bytes};
    if (!bzimage_recognised(file, bytes))
        return 0;
    rc = bzimage_parse(file, bytes, &packed, why);
    if (!rc)
        rc = unpack_begin(packed.payload, packed.payload_bytes, &k->unpack, why);
    return rc;
}

int kernel_image_step(struct kernel_image *k, const char **why)
{
    const void *file = k->file;
    size_t bytes = k->bytes;

    if (k->unpack) {
        int rc = unpack_step(k->unpack, why);

        if (rc)
            return rc;
        file = unpack_data(k->unpack, &bytes);
    }
    return elf_parse(file, bytes, &k->elf, why);
}

void kernel_image_end(struct kernel_image *k)
{
    unpack_end(k->unpack);
    k->unpack = NULL;
}
