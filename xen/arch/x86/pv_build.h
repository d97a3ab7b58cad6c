/* SPDX-License-Identifier: MIT
 *
 * Turns a kernel image into a PV domain that is ready to run.
 */
#pragma once

#include <lagan/types.h>
#include "xen/domain.h"
#include "xen/elf.h"

struct pv_image {
    const struct elf_image *elf;
    const void *initrd; /* NULL: none */
    uint64_t initrd_bytes;
    const char *command_line;
};

/* Gives the (new, paused) domain `pages` pages, fills them, and makes vCPU 0 ready to start. On an
 * error *why says in words what failed; the domain then holds whatever it was given so far, and is
 * to be killed. */
int pv_build(struct domain *d, const struct pv_image *image, uint64_t pages,
             const char **why) LAGAN_MUST_CHECK;
