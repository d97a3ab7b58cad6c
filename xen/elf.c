/* SPDX-License-Identifier: MIT
 *
 * Paravirtual kernels: headers, segments, and how a segment's address becomes a place in memory.
 *
 * The guest's memory is a row of frames, pfn 0 upwards, that the builder maps at virt_base. A
 * segment goes by p_paddr, less PADDR_OFFSET, to its place in this row; p_vaddr is not looked at,
 * since Linux has a segment (its per-CPU template) whose p_vaddr is 0. The default of PADDR_OFFSET
 * is 0 with notes, and VIRT_BASE with the old __xen_guest section, whose kernels put virtual
 * addresses into p_paddr.
 *
 * All sums are checked for overflow before they are compared; after that everything is bounded by
 * ELF_SPAN_MAX and by the file's size.
 */
#include "xen/elf.h"
#include "xen/elf_format.h"

#define PROGRAM_HEADERS_MAX 64
#define CANONICAL_LOW_END   (UINT64_C(1) << 47)

static int malformed(const char **why, const char *text)
{
    *why = text;
    return -XEN_EINVAL;
}

static int unsuitable(const char **why, const char *text)
{
    *why = text;
    return -XEN_ENOEXEC;
}

static int read_header(struct elf_file *f, const char **why)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
    struct elf_file_header *h = &f->header;

    if (!elf_entry(f, 0, 0, h, sizeof(*h)))
        return malformed(why, "too short for an ELF header");
    if (memcmp(h->ident, magic, sizeof(magic)) != 0)
        return malformed(why, "not an ELF file");
    if (h->ident[4] != ELF_CLASS64 || h->ident[5] != ELF_DATA_LSB || h->machine != ELF_MACHINE_X86)
        return unsuitable(why, "not a 64-bit x86 image");
    if (h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN)
        return unsuitable(why, "not an executable");
    if (h->version != 1 || h->ident[6] != 1)
        return malformed(why, "unknown ELF version");
    if (h->phentsize != sizeof(struct elf_program_header) || h->phnum > PROGRAM_HEADERS_MAX)
        return malformed(why, "program headers of unusual size or number");
    return 0;
}

/* Puts the segment into its place in ascending order. */
static int insert_segment(struct elf_image *image, const struct elf_segment *s, const char **why)
{
    unsigned i = image->segment_count;

    if (i == ELF_SEGMENTS_MAX)
        return malformed(why, "too many segments");
    while (i > 0 && image->segment[i - 1].paddr > s->paddr) {
        image->segment[i] = image->segment[i - 1];
        i--;
    }
    image->segment[i] = *s;
    image->segment_count++;
    return 0;
}

static int add_segment(const struct elf_file *f, const struct elf_program_header *p,
                       uint64_t paddr_offset, struct elf_image *image, const char **why)
{
    struct elf_segment s = {.file_bytes = p->filesz, .mem_bytes = p->memsz};
    uint64_t end;

    if (p->memsz == 0)
        return 0;
    if (p->filesz > p->memsz)
        return malformed(why, "segment larger in the file than in memory");
    s.file = elf_bytes(f, p->offset, p->filesz);
    if (!s.file)
        return malformed(why, "segment outside the file");
    if (p->paddr < paddr_offset)
        return malformed(why, "segment below PADDR_OFFSET");
    s.paddr = p->paddr - paddr_offset;
    if (add_overflows(s.paddr, s.mem_bytes, &end) || end > UINT64_MAX - PAGE_SIZE)
        return malformed(why, "segment address overflows");
    return insert_segment(image, &s, why);
}

static int read_segments(const struct elf_file *f, uint64_t paddr_offset, struct elf_image *image,
                         const char **why)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < f->header.phnum; i++) {
        struct elf_program_header p;

        if (!elf_entry(f, f->header.phoff, i, &p, sizeof(p)))
            return malformed(why, "program headers outside the file");
        if (p.type == ELF_PT_LOAD)
            rc = add_segment(f, &p, paddr_offset, image, why);
    }
    if (!rc && image->segment_count == 0)
        return malformed(why, "nothing to load");
    return rc;
}

static uint64_t segment_end(const struct elf_segment *s)
{
    return s->paddr + s->mem_bytes;
}

/* INV-ELF-1, and the span. */
static int check_segments(struct elf_image *image, const char **why)
{
    const struct elf_segment *s = image->segment;
    unsigned last = image->segment_count - 1;

    for (unsigned i = 0; i < last; i++)
        if (segment_end(&s[i]) > s[i + 1].paddr)
            return malformed(why, "segments overlap");
    image->paddr_start = s[0].paddr & PAGE_MASK;
    image->paddr_end = (segment_end(&s[last]) + PAGE_SIZE - 1) & PAGE_MASK;
    if (image->paddr_end - image->paddr_start > ELF_SPAN_MAX)
        return unsuitable(why, "image larger than 1 GiB");
    return 0;
}

/* True if [start, end) is in the lower half, or in the upper half above the hypervisor. */
static bool guest_may_map(uint64_t start, uint64_t end)
{
    return end <= CANONICAL_LOW_END || start >= HYPERVISOR_VIRT_END;
}

/* INV-ELF-2. The range is taken from virt_base on: the builder maps everything from pfn 0. */
static int check_addresses(struct elf_image *image, const char **why)
{
    if (image->virt_base & ~PAGE_MASK)
        return malformed(why, "VIRT_BASE is not the start of a page");
    if (add_overflows(image->virt_base, image->paddr_start, &image->virt_start) ||
        add_overflows(image->virt_base, image->paddr_end, &image->virt_end) ||
        !guest_may_map(image->virt_base, image->virt_end))
        return unsuitable(why, "virtual addresses that a guest cannot have");
    if (image->entry < image->virt_start || image->entry >= image->virt_end)
        return malformed(why, "entry point outside the image");
    if (image->hypercall_page != UINT64_MAX &&
        ((image->hypercall_page & ~PAGE_MASK) || image->hypercall_page < image->virt_start ||
         image->hypercall_page >= image->virt_end))
        return malformed(why, "hypercall page outside the image or not the start of a page");
    if (image->init_p2m != UINT64_MAX &&
        ((image->init_p2m & ~PAGE_MASK) || !guest_may_map(image->init_p2m, image->init_p2m)))
        return malformed(why, "INIT_P2M where a guest cannot map it");
    return 0;
}

/* Where the old section names the hypercall page, it is by page number in the image. */
static uint64_t hypercall_page(const struct elf_notes *n, uint64_t virt_base)
{
    if (n->hypercall_page != UINT64_MAX || n->hypercall_pfn == UINT64_MAX)
        return n->hypercall_page;
    /* A product too large for a page address is no page address either way. */
    return n->hypercall_pfn <= ELF_SPAN_MAX ? virt_base + (n->hypercall_pfn << PAGE_SHIFT) : 1;
}

static int apply_notes(const struct elf_file *f, const struct elf_notes *n, struct elf_image *image,
                       const char **why)
{
    if (!n->found)
        return unsuitable(why, "no notes of Xen's: not a paravirtual kernel");
    if (n->phys32_entry != UINT64_MAX && n->entry == UINT64_MAX)
        return unsuitable(why, "a kernel for PVH only: PHYS32_ENTRY, but no ENTRY");
    if (n->xen_version[0] != '\0' && strcmp(n->xen_version, "xen-3.0") != 0)
        return unsuitable(why, "made for another interface than xen-3.0");
    if (n->hv_start_low != UINT64_MAX && n->hv_start_low > HYPERVISOR_VIRT_START)
        return unsuitable(why, "wants the hypervisor at another place");
    image->entry = n->entry != UINT64_MAX ? n->entry : f->header.entry;
    image->virt_base = n->virt_base != UINT64_MAX ? n->virt_base : 0;
    image->hypercall_page = hypercall_page(n, image->virt_base);
    image->init_p2m = n->init_p2m;
    image->l1_mfn_mask = n->l1_mfn_mask;
    image->l1_mfn_value = n->l1_mfn_value;
    image->mod_start_pfn = n->mod_start_pfn != UINT64_MAX && n->mod_start_pfn != 0;
    image->suspend_cancel = n->suspend_cancel != UINT64_MAX && n->suspend_cancel != 0;
    image->supported_features = n->supported_features | n->required_features;
    image->required_features = n->required_features;
    memcpy(image->guest_os, n->guest_os, sizeof(image->guest_os));
    memcpy(image->guest_version, n->guest_version, sizeof(image->guest_version));
    memcpy(image->loader, n->loader, sizeof(image->loader));
    return 0;
}

static uint64_t paddr_offset(const struct elf_notes *n, uint64_t virt_base)
{
    if (n->paddr_offset != UINT64_MAX)
        return n->paddr_offset;
    return n->legacy ? virt_base : 0;
}

int elf_parse(const void *file, size_t bytes, struct elf_image *image, const char **why)
{
    struct elf_file f = {.base = file, .size = bytes};
    struct elf_notes notes;
    int rc = read_header(&f, why);

    *image = (struct elf_image){0};
    if (!rc)
        rc = elf_read_notes(&f, &notes, why);
    if (!rc)
        rc = apply_notes(&f, &notes, image, why);
    if (!rc)
        rc = read_segments(&f, paddr_offset(&notes, image->virt_base), image, why);
    if (!rc)
        rc = check_segments(image, why);
    if (!rc)
        rc = check_addresses(image, why);
    return rc;
}

void elf_load_page(const struct elf_image *image, uint64_t paddr, void *page)
{
    memset(page, 0, PAGE_SIZE);
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segment[i];
        uint64_t from = max_u64(s->paddr, paddr);
        uint64_t to = min_u64(s->paddr + s->file_bytes, paddr + PAGE_SIZE);

        if (from < to)
            memcpy((uint8_t *)page + (from - paddr), s->file + (from - s->paddr), to - from);
    }
}
