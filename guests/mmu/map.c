/* SPDX-License-Identifier: MIT
 *
 * update_va_mapping on one vCPU: what it maps, how it flushes, what it refuses.
 */
#include "mmu/mmu.h"

static struct data_page window PAGE_ALIGNED;

static void restore(void)
{
    (void)page_make_writable(&window);
}

/* The word that a read through the window gives, 0 if it faults. */
static uint64_t through(void)
{
    struct probe probe = {.where = &window.word[0]};

    return probe_read(&probe) == TRAP_NONE ? probe.value : 0;
}

/* Data page after data page, each time with the window's translation in the TLB before. */
static void local_flushes(void)
{
    static uint64_t mask = 1;
    const struct {
        const char *name;
        unsigned long flags;
    } flush[] = {
        {"map-invlpg", UVMF_INVLPG},
        {"map-invlpg-all", UVMF_INVLPG | UVMF_ALL},
        {"map-invlpg-mask", UVMF_INVLPG | (unsigned long)&mask},
        {"map-flush", UVMF_TLB_FLUSH},
        {"map-flush-all", UVMF_TLB_FLUSH | UVMF_ALL},
        {"map-flush-mask", UVMF_TLB_FLUSH | (unsigned long)&mask},
    };

    for (unsigned i = 0; i < sizeof(flush) / sizeof(flush[0]); i++) {
        uint64_t value = entry_of(&mmu_data[i % 4], PTE_P | PTE_W);
        long rc;

        (void)through();
        rc = hv_update_va_mapping(&window, value, flush[i].flags);
        check_true(flush[i].name, rc == 0 && through() == i % 4 + 1, "%ld, then %lu", rc,
                   through());
    }
    restore();
}

static void explicit_flush(void)
{
    struct mmuext_op ops[] = {
        {.cmd = MMUEXT_INVLPG_LOCAL},
        {.cmd = MMUEXT_TLB_FLUSH_LOCAL},
        {.cmd = MMUEXT_INVLPG_ALL},
        {.cmd = MMUEXT_TLB_FLUSH_ALL},
    };

    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        ops[i].arg1.linear_addr = (unsigned long)&window;
    }
    check_begin("map-then-flush");
    for (unsigned i = 0; i < 4; i++) {
        (void)through();
        check_part(hv_update_va_mapping(&window, entry_of(&mmu_data[i], PTE_P), UVMF_NONE) == 0,
                   "mapping %u", i);
        check_part(hv_mmuext(&ops[i], 1) == 0, "operation %u", ops[i].cmd);
        check_part(through() == i + 1, "operation %u: still %lu", ops[i].cmd, through());
    }
    check_end();
    restore();
}

static void jump_there(void *there)
{
    __asm__ volatile("call *%0" : : "r"(there) : "memory");
}

static void rights(void)
{
    struct probe probe = {.where = &window.word[0]};
    struct fault fault;

    window.word[0] = 0xc3; /* a return */
    check_begin("map-rights");
    check_part(guarded(jump_there, &window).vector == TRAP_NONE, "not executable");
    check_part(page_map(&window, va_to_mfn(&window), PTE_P | PTE_W | PTE_NX) == 0, "NX");
    fault = guarded(jump_there, &window);
    check_part(fault.vector == 14 && (fault.frame.error & 0x11) == 0x11, "NX: vector %u, %lx",
               fault.vector, fault.frame.error);
    check_part(page_make_readonly(&window) == 0, "read-only");
    check_part(probe_read(&probe) == TRAP_NONE && probe_write(&probe) == 14, "read-only");
    check_part(page_unmap(&window) == 0, "none");
    check_part(probe_read(&probe) == 14, "none");
    restore();
    check_part(probe_write(&probe) == TRAP_NONE, "back");
    check_end();
}

/* The CPU's own bits are seen in the table. */
static void accessed_and_dirty(void)
{
    const volatile uint64_t *entry = table_walk(&window, 1);

    check_begin("map-accessed-dirty");
    check_part(page_map(&window, va_to_mfn(&window), PTE_P | PTE_W) == 0, "refused");
    check_part((*entry & (PTE_A | PTE_D)) == 0, "before: %lx", *entry);
    (void)window.word[1];
    check_part((*entry & (PTE_A | PTE_D)) == PTE_A, "read: %lx", *entry);
    window.word[1] = 0;
    check_part((*entry & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "written: %lx", *entry);
    restore();
    check_end();
}

static void refused(void)
{
    uint64_t data = entry_of(&mmu_data[0], PTE_P | PTE_W);
    struct probe probe = {.where = &window.word[0]};

    check_result("map-no-table", hv_update_va_mapping((void *)SPACE_VA, data, 0), -XEN_EINVAL);
    check_result("map-address-0", hv_update_va_mapping(NULL, data, 0), -XEN_EINVAL);
    check_result("map-not-canonical", hv_update_va_mapping((void *)(1UL << 47), data, 0),
                 -XEN_EINVAL);
    check_result("map-of-hypervisor", hv_update_va_mapping((void *)0xffff830000000000UL, data, 0),
                 -XEN_EINVAL);
    check_result("map-of-m2p", hv_update_va_mapping((void *)MACH2PHYS_VIRT_START, data, 0),
                 -XEN_EINVAL);
    check_result("map-no-frame", hv_update_va_mapping(&window, NO_FRAME * PAGE_SIZE | PTE_P, 0),
                 -XEN_EPERM);
    check_result("map-table-writable", page_map(&window, va_to_mfn(table_boot()), PTE_P | PTE_W),
                 -XEN_EBUSY);
    check_result("map-unknown-flush", hv_update_va_mapping(&window, data, 3), 0);
    check_result("map-mask-nowhere", hv_update_va_mapping(&window, data, UVMF_INVLPG | 0x1000),
                 -XEN_EFAULT);
    restore();
    check_true("map-after-all", probe_write(&probe) == TRAP_NONE, "%s", "the window is lost");
}

static long map_other(uint64_t value, unsigned domain)
{
    return hypercall5(__HYPERVISOR_update_va_mapping_otherdomain, ptr_arg(&window), value,
                      UVMF_INVLPG, domain, 0);
}

static void other_domain(void)
{
    check_no_domain("map-no-such-domain", map_other(entry_of(&mmu_data[1], PTE_P), NO_DOMAIN));
    check_result("map-own-as-other", map_other(entry_of(&mmu_data[1], PTE_P), DOMID_SELF), 0);
    check_true("map-own-as-other-seen", through() == 2, "%lu", through());
    restore();
}

/* The table from frames to pages is there, for reading, also over holes, of which PCs have one below 1 MiB. */
static void frames_to_pages(void)
{
    struct xen_machphys_mapping map = {0};
    struct probe own, hole;

    check_result("m2p-mapping", hv_memory(XENMEM_machphys_mapping, &map), 0);
    check_true("m2p-range",
               map.v_start == MACH2PHYS_VIRT_START && map.v_end == MACH2PHYS_VIRT_END &&
                   map.max_mfn > va_to_mfn(&window) &&
                   map.max_mfn < (MACH2PHYS_VIRT_END - MACH2PHYS_VIRT_START) / 8,
               "%lx to %lx, frames to %lx", map.v_start, map.v_end, map.max_mfn);
    own.where = (uint64_t *)map.v_start + va_to_mfn(&window);
    hole.where = (uint64_t *)map.v_start + 0xa0;
    check_true("m2p-own", probe_read(&own) == TRAP_NONE && own.value == va_to_pfn(&window), "%lx",
               own.value);
    check_result("m2p-hole", probe_read(&hole), TRAP_NONE);
    own.value = 1;
    check_result("m2p-write", probe_write(&own), 14);
    check_result("m2p-mapping-nowhere",
                 hv_memory(XENMEM_machphys_mapping, (void *)MACH2PHYS_VIRT_START), -XEN_EFAULT);
}

void mmu_map_tests(void)
{
    local_flushes();
    explicit_flush();
    rights();
    accessed_and_dirty();
    refused();
    other_domain();
    frames_to_pages();
}
