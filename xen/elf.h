/* SPDX-License-Identifier: MIT
 *
 * Parser of paravirtual kernels: ELF64 files in memory, with Xen's notes. Pure: it reads the file
 * and writes a struct elf_image; the domain builder maps and copies.
 *
 * The file may come from a guest's administrator: nothing in it is trusted.
 */
#pragma once

#include <lagan/types.h>

#define ELF_SEGMENTS_MAX 16
#define ELF_STRING_MAX   16
/* The image's span in memory, from its first byte to its last. */
#define ELF_SPAN_MAX (UINT64_C(1) << 30)

struct elf_segment {
    const uint8_t *file; /* file_bytes of content; the rest, up to mem_bytes, is zero */
    uint64_t file_bytes;
    uint64_t mem_bytes;
    uint64_t paddr; /* guest-physical: pfn 0 begins at 0 */
};

/* INV-ELF-1: segments ascend in paddr, do not overlap, and lie in [paddr_start, paddr_end).
 * INV-ELF-2: virt_start..virt_end is the same range as seen through virt_base, lies in one half of
 * the canonical addresses and outside the hypervisor's part, and contains the entry point. */
struct elf_image {
    uint64_t entry;     /* virtual address */
    uint64_t virt_base; /* virtual address of guest-physical 0; page-aligned */
    uint64_t paddr_start,
        paddr_end; /* guest-physical bytes; start rounded down to a page, end up */
    uint64_t virt_start, virt_end;
    uint64_t hypercall_page; /* virtual address, page-aligned; UINT64_MAX: none */
    uint64_t init_p2m;       /* where the p2m list is to be mapped; UINT64_MAX: after the image */
    uint64_t l1_mfn_mask,
        l1_mfn_value;   /* how a not present L1 entry that holds a frame looks; 0, 0: none */
    bool mod_start_pfn; /* copes with an initrd that is not mapped, named by its pfn */
    bool suspend_cancel;
    uint64_t supported_features; /* bit n: XENFEAT n, from either note */
    uint64_t required_features;  /* those that it cannot do without: all are ones that we offer */
    char guest_os[ELF_STRING_MAX], guest_version[ELF_STRING_MAX], loader[ELF_STRING_MAX];
    struct elf_segment segment[ELF_SEGMENTS_MAX];
    unsigned segment_count; /* >= 1 */
};

/* Checks the file and fills *image, which then points into the file. 0, or -XEN_EINVAL (malformed),
 * or -XEN_ENOEXEC (well-formed, but not for us), with *why saying what is wrong; *image is then
 * undefined. */
int elf_parse(const void *file, size_t bytes, struct elf_image *image,
              const char **why) LAGAN_MUST_CHECK;

/* Fills one page with what the image has at guest-physical address paddr (a multiple of PAGE_SIZE),
 * zeroes where it has nothing. Call it for each page from paddr_start to paddr_end. */
void elf_load_page(const struct elf_image *image, uint64_t paddr, void *page);

static inline uint64_t elf_page_count(const struct elf_image *image)
{
    return (image->paddr_end - image->paddr_start) >> PAGE_SHIFT;
}
