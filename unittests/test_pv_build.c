/* SPDX-License-Identifier: MIT
 *
 * The domain builder: the finished domain is looked at as its kernel would, by walking its tables
 * from start_info on; and each allocation fails once.
 */
#include <string.h>

#include "mm/frame.h"
#include "mm/pte.h"
#include "unittests/core_world.h"
#include "xen/arch/x86/pv_build.h"
#include "xen/arch/x86/pv_vcpu.h"

#define HIGH UINT64_C(0xffffffff80000000)
#define P2M  UINT64_C(0x8000000000)

enum { RAM = 6000, KERNEL_PAGES = 5 };

static uint8_t kernel[KERNEL_PAGES * PAGE_SIZE], initrd[3 * PAGE_SIZE + 7];
static struct elf_image elf;
static struct pv_image image;
static struct domain *d;
static start_info_t *si;

/* Like Linux's notes (`high`), or none. */
static void make_image(bool high)
{
    for (size_t i = 0; i < sizeof(kernel); i++)
        kernel[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof(initrd); i++)
        initrd[i] = (uint8_t)(i * 3 + i / 256);
    elf = (struct elf_image){.virt_base = high ? HIGH : 0,
                             .paddr_start = 0x100000,
                             .paddr_end = 0x100000 + sizeof(kernel) + PAGE_SIZE,
                             .hypercall_page = high ? HIGH + 0x101000 : UINT64_MAX,
                             .init_p2m = high ? P2M : UINT64_MAX,
                             .mod_start_pfn = high,
                             .segment_count = 2};
    elf.virt_start = elf.virt_base + elf.paddr_start;
    elf.virt_end = elf.virt_base + elf.paddr_end;
    elf.entry = elf.virt_start + 0x10;
    elf.segment[0] = (struct elf_segment){kernel, 100, 100, 0x100000};
    elf.segment[1] = (struct elf_segment){kernel + 100, sizeof(kernel) - 100,
                                          sizeof(kernel) - 100 + PAGE_SIZE, 0x100064};
    image = (struct pv_image){&elf, initrd, sizeof(initrd), "root=/dev/null quiet"};
}

/* The entry that maps va at `level`; NULL if there is none. */
static uint64_t *entry_at(uint64_t va, unsigned level)
{
    mfn_t table = core_started.l4;

    for (unsigned l = 4;; l--) {
        uint64_t *e = (uint64_t *)arch_map_frame(table) + (va >> (3 + 9 * l) & 511);

        if (!(*e & PTE_P))
            return NULL;
        if (l == level)
            return e;
        table = pte_frame(*e);
    }
}

static uint8_t *byte_at(uint64_t va)
{
    uint64_t *e = entry_at(va, 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    return (uint8_t *)arch_map_frame(pte_frame(*e)) + (va & ~PAGE_MASK);
}

static uint64_t p2m(uint64_t g)
{
    uint64_t m;

    memcpy(&m, byte_at(si->mfn_list + g * 8), sizeof(m));
    return m;
}

static bool same_bytes(uint64_t va, const uint8_t *want, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (*byte_at(va + i) != want[i])
            return false;
    return true;
}

static void check_lists(uint64_t pages)
{
    bool inverse = true;

    CU_ASSERT_EQUAL(si->nr_pages, pages);
    for (uint64_t g = 0; g < pages; g++)
        inverse = inverse && arch_m2p_get(mfn(p2m(g))) == g &&
                  frame_owner(frame_of(mfn(p2m(g)))) == d->id;
    CU_ASSERT(inverse);
}

/* From virt_base on frame i is page i; tables can be read only, all else be written. */
static void check_mapping(void)
{
    uint64_t g = 0, tables = 0, *e;

    for (; (e = entry_at(elf.virt_base + g * PAGE_SIZE, 1)) && g < si->nr_pages; g++) {
        mfn_t m = pte_frame(*e);
        bool table = type_of(m) >= TYPE_L1 && type_of(m) <= TYPE_L4 && type_count(m);

        tables += table;
        if (arch_m2p_get(m) != g || (table && (*e & PTE_RW)) || !(*e & PTE_US))
            CU_FAIL("a page is mapped wrongly");
        if (!table && !(*e & PTE_RW) &&
            (elf.virt_base + g * PAGE_SIZE < si->pt_base ||
             elf.virt_base + g * PAGE_SIZE >= si->pt_base + si->nr_pt_frames * PAGE_SIZE) &&
            g < si->first_p2m_pfn)
            CU_FAIL("a page cannot be written");
    }
    CU_ASSERT(tables > 0 && tables <= si->nr_pages);
    CU_ASSERT(g * PAGE_SIZE + elf.virt_base >= core_started.stack);
    CU_ASSERT(g == si->nr_pages || g * PAGE_SIZE % (4 << 20) == 0);
}

static void check_start_info(void)
{
    uint64_t l4_va = si->pt_base;

    CU_ASSERT_STRING_EQUAL(si->magic, "xen-3.0-x86_64");
    CU_ASSERT_STRING_EQUAL((char *)si->cmd_line, "root=/dev/null quiet");
    CU_ASSERT_EQUAL(si->shared_info, arch_frame_of(d->shared_info).n << PAGE_SHIFT);
    CU_ASSERT_EQUAL(pte_frame(*entry_at(l4_va, 1)).n, core_started.l4.n);
    CU_ASSERT(type_of(core_started.l4) == TYPE_L4 && type_count(core_started.l4) == 2);
    CU_ASSERT(si->mod_len == sizeof(initrd));
    CU_ASSERT(core_started.entry == elf.entry);
    CU_ASSERT(core_started.stack % PAGE_SIZE == 0 && *byte_at(core_started.stack - 8) == 0);
}

static void check_contents(bool high)
{
    uint64_t at = elf.virt_base + 0x100000;
    bool same = true;

    CU_ASSERT(same_bytes(at, kernel, PAGE_SIZE));
    /* The second page is the hypercall page: stub 1 begins with push %rcx; push %r11. */
    CU_ASSERT(high ? same_bytes(at + PAGE_SIZE + 32, (uint8_t[]){0x51, 0x41, 0x53, 0xb8, 1}, 5)
                   : same_bytes(at + PAGE_SIZE, kernel + PAGE_SIZE, PAGE_SIZE));
    CU_ASSERT(same_bytes(at + 2 * PAGE_SIZE, kernel + 2 * PAGE_SIZE, 3 * PAGE_SIZE));
    CU_ASSERT_EQUAL(*byte_at(at + sizeof(kernel)), 0); /* BSS */
    if (!high) {
        CU_ASSERT(same_bytes(si->mod_start, initrd, sizeof(initrd)));
        return;
    }
    CU_ASSERT(si->flags & SIF_MOD_START_PFN);
    for (uint64_t i = 0; i < sizeof(initrd); i++)
        same = same && *((uint8_t *)arch_map_frame(mfn(p2m(si->mod_start + i / PAGE_SIZE))) +
                         i % PAGE_SIZE) == initrd[i];
    CU_ASSERT(same);
}

static void check_services(void)
{
    struct evtchn_status status = {0};

    CU_ASSERT(!(si->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN)));
    CU_ASSERT_EQUAL(si->store_evtchn, 0); /* nobody serves it */
    CU_ASSERT_EQUAL(event_status(d, si->console.domU.evtchn, &status), 0);
    CU_ASSERT(status.status == EVTCHNSTAT_interdomain && status.u.interdomain.dom == DOMID_XEN);
    CU_ASSERT_EQUAL(d->console_ring.port, si->console.domU.evtchn);
    CU_ASSERT_EQUAL(d->console_ring.frame.n, si->console.domU.mfn);
    CU_ASSERT_EQUAL(type_of(d->console_ring.frame), TYPE_WRITABLE);
    CU_ASSERT(arch_m2p_get(mfn(si->store_mfn)) + 1 == arch_m2p_get(mfn(si->console.domU.mfn)));
}

static int build(uint64_t pages, uint64_t max_pages, bool privileged, const char **why)
{
    struct domain_config config = {
        .id = DOMID_INVALID, .vcpus = 2, .max_pages = max_pages, .privileged = privileged};
    struct pv_builder *b = NULL;
    int rc = domain_create(&config, &d);

    *why = "created";
    if (rc) {
        d = NULL;
        return rc;
    }
    rc = pv_build_begin(d, &image, pages, &b, why);
    while (rc == 0 && (rc = pv_build_step(b, why)) == -XEN_ERESTART)
        rc = 0;
    pv_build_end(b);
    if (rc == 0)
        si = (start_info_t *)byte_at(core_started.start_info);
    return rc;
}

static void whole_picture(bool high)
{
    const char *why;

    core_start(RAM);
    make_image(high);
    CU_ASSERT_EQUAL_FATAL(build(2048, 2048, false, &why), 0);
    check_start_info();
    check_lists(2048);
    check_mapping();
    check_contents(high);
    check_services();
    CU_ASSERT(d->account.pages == 2048 && d->vcpu[0]->initialised && !d->vcpu[1]->initialised);
    core_audit();
    core_kill(d);
    core_end();
}

static void linux_like(void)
{
    whole_picture(true);
}

static void no_notes(void)
{
    whole_picture(false);
}

static void control_domain(void)
{
    const char *why;

    core_start(RAM);
    make_image(true);
    image.initrd_bytes = 0;
    CU_ASSERT_EQUAL_FATAL(build(1500, 1500, true, &why), 0);
    CU_ASSERT((si->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN)) == (SIF_PRIVILEGED | SIF_INITDOMAIN));
    CU_ASSERT(si->mod_len == 0 && si->store_mfn == 0 && si->console.domU.mfn == 0);
    CU_ASSERT(si->console.dom0.info_off == 0 && si->console.dom0.info_size == 0); /* no screen */
    CU_ASSERT_EQUAL(d->event.active_count, 0);
    check_lists(1500);
    check_mapping();
    core_kill(d);
    core_end();
}

/* It finds what its screen looks like behind start_info. */
static void screen(void)
{
    const struct dom0_vga_console_info *info;
    const char *why;

    core_start(RAM);
    make_image(true);
    core_screen_bytes = 12;
    CU_ASSERT_EQUAL_FATAL(build(1500, 1500, true, &why), 0);
    core_screen_bytes = 0;
    CU_ASSERT_EQUAL(si->console.dom0.info_size, 12);
    CU_ASSERT_FATAL(si->console.dom0.info_off >= sizeof(*si) &&
                    si->console.dom0.info_off + sizeof(*info) <= PAGE_SIZE);
    info = (const struct dom0_vga_console_info *)((const char *)si + si->console.dom0.info_off);
    CU_ASSERT(info->video_type == XEN_VGATYPE_TEXT_MODE_3 && info->u.text_mode_3.rows == 25);
    core_kill(d);
    core_end();
}

static void refusals(void)
{
    static const struct {
        uint64_t pages, max_pages;
        int rc;
        const char *why;
    } table[] = {
        {100, 100, -XEN_ENOMEM, "too little memory for kernel, ramdisk and tables"},
        {2048, 2047, -XEN_ENOMEM, "not enough free memory"},
        {RAM, RAM, -XEN_ENOMEM, "not enough free memory"},
        {RAM * 100, RAM * 100, -XEN_ENOMEM, "not enough free memory"},
        {UINT64_C(1) << 32, UINT64_C(1) << 32, -XEN_ENOMEM, "not enough free memory"},
        {UINT64_MAX, UINT64_MAX, -XEN_EINVAL, "its addresses do not fit a PV domain"},
    };
    const char *why;

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        core_start(RAM);
        make_image(true);
        CU_ASSERT_EQUAL(build(table[i].pages, table[i].max_pages, false, &why), table[i].rc);
        if (table[i].why)
            CU_ASSERT_STRING_EQUAL(why, table[i].why);
        core_kill(d);
        core_end();
    }
}

static void long_command_line(void)
{
    static char line[MAX_GUEST_CMDLINE + 50];
    const char *why;

    core_start(RAM);
    make_image(true);
    memset(line, 'a', sizeof(line) - 1);
    image.command_line = line;
    (void)host_log();
    CU_ASSERT_EQUAL_FATAL(build(1600, 1600, false, &why), 0);
    CU_ASSERT_EQUAL(strlen((char *)si->cmd_line), MAX_GUEST_CMDLINE - 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(host_log(), "its command line is cut to 1023 bytes"));
    core_kill(d);
    core_end();
}

/* Fails each allocation of creating and building once. A large chunk that is not to be had is made
 * of small ones, so some of the failures are survived. */
static void every_allocation_fails(void)
{
    unsigned n = 0, refused = 0;
    bool injected;

    do {
        const char *why;
        int rc;

        core_start(RAM);
        make_image(true);
        host_fail_after(++n);
        rc = build(1300, 1300, false, &why);
        injected = host_fail_off();
        CU_ASSERT(rc == 0 || (injected && rc == -XEN_ENOMEM));
        refused += rc != 0;
        if (rc == 0)
            check_lists(1300);
        core_audit();
        if (d)
            core_kill(d);
        core_end();
    } while (injected);
    CU_ASSERT(refused > 5);
}

static const struct test_case cases[] = {
    {"a kernel with all notes", linux_like},
    {"a kernel without notes", no_notes},
    {"the control domain", control_domain},
    {"a control domain's screen", screen},
    {"refusals", refusals},
    {"a long command line", long_command_line},
    {"every allocation fails", every_allocation_fails},
    {NULL, NULL},
};

const struct suite suite_pv_build = {"pv_build", cases, NULL, NULL};
