/* SPDX-License-Identifier: MIT
 *
 * A kernel as a boot module brings it, an ELF file or a bzImage with one packed inside, made ready
 * for the domain builder.
 */
#pragma once

#include "xen/elf.h"

struct unpack;

struct kernel_image {
    struct elf_image elf;  /* once kernel_image_step() has returned 0 */
    const void *file;      /* the module */
    size_t bytes;          /* of it */
    struct unpack *unpack; /* NULL: it is not packed */
};

/* Begins; the file must stay until kernel_image_end(), which must follow whatever is returned.
 * Errors as kernel_image_step(). */
int kernel_image_begin(struct kernel_image *k, const void *file, size_t bytes,
                       const char **why) LAGAN_MUST_CHECK;

/* One step of about a millisecond: -XEN_ERESTART: more to do; 0: k->elf is ready, and is valid until
 * kernel_image_end(); else *why says what is wrong with the file, or that memory is short
 * (-XEN_ENOMEM). */
int kernel_image_step(struct kernel_image *k, const char **why) LAGAN_MUST_CHECK;

/* Gives back the memory of what was unpacked. */
void kernel_image_end(struct kernel_image *k);
