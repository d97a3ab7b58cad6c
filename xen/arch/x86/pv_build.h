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

struct pv_builder;

/* Begins to build the (new, paused) domain, of `pages` pages, from *image, which has to stay until
 * pv_build_end(). 0 and *builder; or an error, and *why says in words what is wrong. */
int pv_build_begin(struct domain *d, const struct pv_image *image, uint64_t pages,
                   struct pv_builder **builder, const char **why) LAGAN_MUST_CHECK;

/* One step, of a few milliseconds at most: gives the domain some of its pages, or fills some.
 * -XEN_ERESTART: there is more to do; 0: vCPU 0 is ready to start; else *why says what failed, the
 * domain holds whatever it was given so far, and is to be killed. */
int pv_build_step(struct pv_builder *b, const char **why) LAGAN_MUST_CHECK;

/* Gives back what building took, at any time. NULL is allowed. */
void pv_build_end(struct pv_builder *b);
