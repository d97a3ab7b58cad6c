/* SPDX-License-Identifier: MIT
 *
 * Builds a PV domain from a kernel image in memory: allocates its frames, lays them out
 * (pv_layout.h), copies kernel and initrd, writes p2m, start_info and the first page tables, and
 * has those validated by the same code that validates a guest's own. Facts of the ABI: xen.h's
 * comment "Start-of-day memory layout", and what Debian's kernel and toolstack were seen to expect.
 */
#include "xen/arch/x86/pv_build.h"

#include <lagan/printk.h>
#include <lagan/string.h>

#include "mm/heap.h"
#include "mm/type.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pv_build_tables.h"
#include "xen/arch/x86/pv_hypercall.h"
#include "xen/arch/x86/pv_layout.h"
#include "xen/arch/x86/pv_vcpu.h"
#include "xen/arch/x86/screen.h"
#include "xen/store_service.h"
#include "arch_inline.h"

/* A step is bounded, whatever the domain's size: guests may be waiting for the CPU. */
#define CHUNK_ORDER_MAX    7                     /* of a step: 70,000 instructions, to clear it */
#define COPY_BYTES         (UINT64_C(512) << 10) /* of a step; a chunk is as large */
#define MAPPED_PAGES       2048                  /* of a step */
#define DOMAIN_OF_SERVICES 0                     /* who serves consoles and stores */

struct pv_builder {
    const struct pv_image *image;
    struct domain *d;
    struct pv_layout layout;
    struct p2m p2m;
    unsigned p2m_order;
    int (*step)(struct pv_builder *b, const char **why); /* what is next */
    unsigned order;                                      /* of the chunks that there may still be */
    unsigned segment;                                    /* next one to be copied... */
    uint64_t done;                                       /* ...frames or bytes done so far */
    struct table_writer linear, list; /* of the image's tables, and the p2m list's */
    mfn_t l4;
};

/* The steps, each of which names the next. */
static int step_allocate(struct pv_builder *b, const char **why);
static int step_kernel(struct pv_builder *b, const char **why);
static int step_initrd(struct pv_builder *b, const char **why);
static int step_describe(struct pv_builder *b, const char **why);
static int step_p2m(struct pv_builder *b, const char **why);
static int step_map(struct pv_builder *b, const char **why);
static int step_map_p2m(struct pv_builder *b, const char **why);
static int step_pin(struct pv_builder *b, const char **why);

static int next_step(struct pv_builder *b, int (*step)(struct pv_builder *b, const char **why))
{
    b->step = step;
    b->done = 0;
    return -XEN_ERESTART;
}

static uint64_t gfn_va(const struct pv_builder *b, uint64_t g)
{
    return b->image->elf->virt_base + (g << PAGE_SHIFT);
}

static void *gfn_map(const struct pv_builder *b, uint64_t g)
{
    return arch_map_frame(b->p2m.mfn[g]);
}

/* ---- memory ---- */

/* One chunk. Big ones first, smaller ones when there are none; every frame comes cleared. */
static int step_allocate(struct pv_builder *b, const char **why)
{
    mfn_t first;

    while (b->p2m.count - b->done < UINT64_C(1) << b->order)
        b->order--;
    while (account_alloc(&b->d->account, b->order, HEAP_ANY, &first)) {
        *why = "not enough free memory";
        if (b->order == 0)
            return -XEN_ENOMEM;
        b->order--;
    }
    for (uint64_t i = 0; i < UINT64_C(1) << b->order; i++, b->done++) {
        b->p2m.mfn[b->done] = mfn(first.n + i);
        arch_m2p_set(b->p2m.mfn[b->done], b->done);
    }
    return b->done < b->p2m.count ? -XEN_ERESTART : next_step(b, step_kernel);
}

/* Copies bytes to consecutive guest frames, from an address in guest-physical terms on. */
static void copy_to_frames(struct pv_builder *b, uint64_t paddr, const uint8_t *src, uint64_t bytes)
{
    while (bytes) {
        uint64_t offset = paddr & (PAGE_SIZE - 1);
        uint64_t n = min_u64(bytes, PAGE_SIZE - offset);

        memcpy((uint8_t *)gfn_map(b, paddr >> PAGE_SHIFT) + offset, src, n);
        paddr += n;
        src += n;
        bytes -= n;
    }
}

/* Copies the next part of [src, src + bytes); true: that was the last. */
static bool copy_part(struct pv_builder *b, uint64_t paddr, const uint8_t *src, uint64_t bytes)
{
    uint64_t n = min_u64(bytes - b->done, COPY_BYTES);

    copy_to_frames(b, paddr + b->done, src + b->done, n);
    b->done += n;
    return b->done == bytes;
}

static int step_kernel(struct pv_builder *b, const char **why)
{
    const struct elf_image *elf = b->image->elf;
    const struct elf_segment *s = &elf->segment[b->segment];

    (void)why;
    if (!copy_part(b, s->paddr, s->file, s->file_bytes))
        return -XEN_ERESTART;
    if (++b->segment < elf->segment_count)
        return next_step(b, step_kernel);
    if (elf->hypercall_page != UINT64_MAX)
        pv_write_hypercall_page(gfn_map(b, (elf->hypercall_page - elf->virt_base) >> PAGE_SHIFT));
    return next_step(b, step_initrd);
}

static int step_initrd(struct pv_builder *b, const char **why)
{
    (void)why;
    return copy_part(b, b->layout.initrd_gfn << PAGE_SHIFT, b->image->initrd,
                     b->image->initrd_bytes)
               ? next_step(b, step_describe)
               : -XEN_ERESTART;
}

/* ---- start_info ---- */

static void write_modules(const struct pv_builder *b, start_info_t *si)
{
    const struct pv_layout *l = &b->layout;

    if (!l->initrd_count)
        return;
    si->mod_len = b->image->initrd_bytes;
    if (b->image->elf->mod_start_pfn) {
        si->flags |= SIF_MOD_START_PFN;
        si->mod_start = l->initrd_gfn;
    } else {
        si->mod_start = gfn_va(b, l->initrd_gfn);
    }
}

/* Whoever serves a domain's console and store finds their pages by the reserved entries of its grant
 * table. */
static int seed_grants(const struct pv_builder *b)
{
    struct grant_table *t = b->d->grants;

    if (grant_seed(t, GNTTAB_RESERVED_CONSOLE, DOMAIN_OF_SERVICES,
                   b->p2m.mfn[b->layout.console_gfn]) ||
        grant_seed(t, GNTTAB_RESERVED_XENSTORE, store_service_id(),
                   b->p2m.mfn[b->layout.store_gfn]))
        return -XEN_ENOMEM;
    return 0;
}

/* Behind start_info, in its page. */
static void write_screen(start_info_t *si)
{
    uint32_t offset = sizeof(*si);
    struct dom0_vga_console_info *info = (struct dom0_vga_console_info *)((char *)si + offset);

    STATIC_ASSERT(sizeof(*si) % 8 == 0 && sizeof(*si) + sizeof(*info) <= PAGE_SIZE);
    si->console.dom0.info_size = (uint32_t)screen_info(info);
    si->console.dom0.info_off = si->console.dom0.info_size ? offset : 0;
}

/* The control domain finds its store and console itself. Others get a page and a port for each. The
 * console's other end is the hypervisor; the store's the domain that serves it, and without one the
 * port is 0, which says that there is no store. */
static int write_services(const struct pv_builder *b, start_info_t *si)
{
    int port;

    if (b->d->privileged) {
        si->flags |= SIF_PRIVILEGED | SIF_INITDOMAIN;
        write_screen(si);
        return 0;
    }
    si->store_mfn = b->p2m.mfn[b->layout.store_gfn].n;
    si->console.domU.mfn = b->p2m.mfn[b->layout.console_gfn].n;
    port = console_ring_attach(b->d, b->p2m.mfn[b->layout.console_gfn]);
    if (port < 0)
        return port;
    si->console.domU.evtchn = (uint32_t)port;
    port = store_service_attach(b->d);
    if (port < 0)
        return port;
    si->store_evtchn = (uint32_t)port;
    return seed_grants(b);
}

static int write_start_info(const struct pv_builder *b)
{
    const struct pv_layout *l = &b->layout;
    start_info_t *si = gfn_map(b, l->start_info_gfn);

    strlcpy(si->magic, "xen-3.0-x86_64", sizeof(si->magic));
    si->nr_pages = b->p2m.count;
    si->shared_info = arch_frame_of(b->d->shared_info).n << PAGE_SHIFT;
    si->pt_base = gfn_va(b, l->tables_gfn);
    si->nr_pt_frames = l->tables_count;
    si->mfn_list = l->p2m_va;
    if (l->p2m_tables_count) {
        si->first_p2m_pfn = l->p2m_gfn;
        si->nr_p2m_frames = l->p2m_count + l->p2m_tables_count;
    }
    if (strlcpy((char *)si->cmd_line, b->image->command_line, sizeof(si->cmd_line)) >=
        sizeof(si->cmd_line))
        log_warn("domain %s: its command line is cut to %zu bytes\n", b->d->name,
                 sizeof(si->cmd_line) - 1);
    write_modules(b, si);
    return write_services(b, si);
}

/* ---- page tables ---- */

static void begin_tables(struct pv_builder *b)
{
    const struct pv_layout *l = &b->layout;

    b->linear = (struct table_writer){&b->p2m, l->tables_gfn, l->tables_gfn + l->tables_count, l};
    b->list = (struct table_writer){&b->p2m, l->p2m_tables_gfn,
                                    l->p2m_tables_gfn + l->p2m_tables_count, l};
    (void)table_writer_new(&b->linear, &b->l4);
}

/* Maps the next part of the range. 0: that was the last. */
static int map_part(struct pv_builder *b, struct table_writer *w, const struct table_range *r)
{
    struct table_range part = {r->va + (b->done << PAGE_SHIFT), r->gfn + b->done,
                               min_u64(r->count - b->done, MAPPED_PAGES)};
    int rc = table_writer_map(w, arch_map_frame(b->l4), &part);

    b->done += part.count;
    return rc || b->done == r->count ? rc : -XEN_ERESTART;
}

static int start_vcpu(struct pv_builder *b)
{
    struct vcpu *v = b->d->vcpu[0];
    struct pv_start start = {.l4 = b->l4,
                             .entry = b->image->elf->entry,
                             .stack = gfn_va(b, b->layout.stack_gfn + 1),
                             .start_info = gfn_va(b, b->layout.start_info_gfn)};
    int rc = arch_vcpu_start_of_day(v, &start);

    if (rc)
        return rc;
    v->initialised = true;
    v->down = false;
    return 0;
}

static int step_describe(struct pv_builder *b, const char **why)
{
    int rc;

    *why = "no event channel for its console or store";
    rc = write_start_info(b);
    if (rc)
        return rc;
    begin_tables(b);
    return next_step(b, step_p2m);
}

static int step_p2m(struct pv_builder *b, const char **why)
{
    (void)why;
    return copy_part(b, b->layout.p2m_gfn << PAGE_SHIFT, (const uint8_t *)b->p2m.mfn,
                     b->p2m.count * sizeof(b->p2m.mfn[0]))
               ? next_step(b, step_map)
               : -XEN_ERESTART;
}

static int step_map(struct pv_builder *b, const char **why)
{
    const struct pv_layout *l = &b->layout;
    struct table_range range = {b->image->elf->virt_base, 0, l->mapped_count};
    int rc = map_part(b, &b->linear, &range);

    *why = "its page tables were not accepted";
    return rc ? rc : next_step(b, l->p2m_tables_count ? step_map_p2m : step_pin);
}

static int step_map_p2m(struct pv_builder *b, const char **why)
{
    const struct pv_layout *l = &b->layout;
    struct table_range range = {l->p2m_va, l->p2m_gfn, l->p2m_count};
    int rc = map_part(b, &b->list, &range);

    *why = "its page tables were not accepted";
    return rc ? rc : next_step(b, step_pin);
}

static int step_pin(struct pv_builder *b, const char **why)
{
    int rc = table_pin(&b->d->account, b->l4, 4);

    *why = "its page tables were not accepted";
    return rc ? rc : start_vcpu(b);
}

int pv_build_step(struct pv_builder *b, const char **why)
{
    return b->step(b, why);
}

static int compute_layout(struct pv_builder *b, uint64_t pages)
{
    const struct elf_image *elf = b->image->elf;
    struct pv_layout_input in = {.virt_base = elf->virt_base,
                                 .image_end = elf->virt_end,
                                 .init_p2m = elf->init_p2m,
                                 .page_count = pages,
                                 .initrd_bytes = b->image->initrd_bytes,
                                 .initrd_by_frame = elf->mod_start_pfn};

    return pv_layout_compute(&in, &b->layout);
}

int pv_build_begin(struct domain *d, const struct pv_image *image, uint64_t pages,
                   struct pv_builder **builder, const char **why)
{
    struct pv_builder *b = slab_alloc(sizeof(*b));
    int rc;

    *why = "no memory for building it";
    if (!b)
        return -XEN_ENOMEM;
    b->image = image;
    b->d = d;
    b->step = step_allocate;
    b->order = CHUNK_ORDER_MAX;
    rc = compute_layout(b, pages);
    if (rc) {
        *why = rc == -XEN_ENOMEM ? "too little memory for kernel, ramdisk and tables"
                                 : "its addresses do not fit a PV domain";
    } else if (pages > heap_free_pages()) {
        /* Said at once, and not after all memory was cleared and given back. */
        *why = "not enough free memory";
        rc = -XEN_ENOMEM;
    } else {
        b->p2m_order = order_of_bytes(pages * sizeof(mfn_t));
        b->p2m.mfn = page_alloc(b->p2m_order, 0);
        b->p2m.count = pages;
        rc = b->p2m.mfn ? 0 : -XEN_ENOMEM;
    }
    if (rc)
        pv_build_end(b);
    else
        *builder = b;
    return rc;
}

void pv_build_end(struct pv_builder *b)
{
    if (!b)
        return;
    page_free(b->p2m.mfn, b->p2m_order);
    slab_free(b);
}
