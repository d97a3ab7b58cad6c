/* SPDX-License-Identifier: MIT
 *
 * Where the builder puts what in a new PV domain: a pure computation, host-tested.
 *
 * Guest frame i is mapped at virt_base + i pages, from frame 0 up to v_end. In this order:
 *
 *   kernel image | initrd (*) | p2m list (**) | start_info | xenstore page | console page |
 *   page tables | boot stack | slack of at least 512 KiB, to a multiple of 4 MiB = v_end
 *
 *   (*)  unless the kernel takes it by frame number (MOD_START_PFN): then unmapped, after the stack
 *   (**) unless the kernel names an address for it (INIT_P2M): then mapped there alone, with tables
 * of its own, and its frames follow those of the initrd
 */
#pragma once

#include <lagan/types.h>

struct pv_layout_input {
    uint64_t virt_base;    /* address of guest frame 0 */
    uint64_t image_end;    /* first address behind the kernel image */
    uint64_t init_p2m;     /* PV_NO_ADDRESS: with the image */
    uint64_t page_count;   /* of the domain */
    uint64_t initrd_bytes; /* 0: none */
    bool initrd_by_frame;
};

#define PV_NO_ADDRESS UINT64_MAX

/* Frame numbers are guest frames; counts are in frames. */
struct pv_layout {
    uint64_t initrd_gfn, initrd_count;
    uint64_t p2m_gfn, p2m_count;
    uint64_t p2m_va;
    uint64_t p2m_tables_gfn, p2m_tables_count; /* 0 when mapped with the image */
    uint64_t start_info_gfn, store_gfn, console_gfn;
    uint64_t tables_gfn, tables_count;
    uint64_t stack_gfn;
    uint64_t mapped_count; /* frames 0..this-1 are mapped from virt_base on */
    uint64_t used_count;   /* frames the picture needs */
};

/* -XEN_ENOMEM: the domain has too few pages. -XEN_EINVAL: addresses that overlap or wrap. */
int pv_layout_compute(const struct pv_layout_input *in, struct pv_layout *out) LAGAN_MUST_CHECK;
