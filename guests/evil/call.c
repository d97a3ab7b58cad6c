/* SPDX-License-Identifier: MIT
 *
 * Attacks by hypercall arguments, by exhausting what the hypervisor hands out, and on its memory.
 */
#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/lib.h"

static const uint64_t hypervisor_addresses[] = {
    0xffff804000000000UL, 0xffff808000000000UL, 0xffff818000000000UL, 0xffff820000000000UL,
    0xffff82d040200000UL, 0xffff830000000000UL, 0xffff830000100000UL, 0xffff87fffffff000UL,
};

#define EACH_ADDRESS(va)                                                          \
    for (unsigned i_ = 0; i_ < sizeof(hypervisor_addresses) / sizeof(uint64_t) && \
                          ((va) = hypervisor_addresses[i_]);                      \
         i_++)

static void jump(void *to)
{
    __asm__ volatile("call *%0" : : "r"(to) : "memory");
}

static void load(void *from)
{
    __asm__ volatile("mov (%0), %%rax" : : "r"(from) : "rax");
}

static void store(void *to)
{
    __asm__ volatile("movq $0, (%0)" : : "r"(to) : "memory");
}

static void touch_hypervisor(void)
{
    uint64_t va;

    EACH_ADDRESS(va)
    {
        check_part(guarded(load, (void *)va).vector == 14, "read %lx", va);
        check_part(guarded(store, (void *)va).vector == 14, "write %lx", va);
        check_part(guarded(jump, (void *)va).vector == 14, "jump to %lx", va);
    }
    check_part(guarded(store, (void *)MACH2PHYS_VIRT_START).vector == 14, "M2P written");
    check_part(guarded(jump, (void *)MACH2PHYS_VIRT_START).vector != TRAP_NONE, "M2P run");
}

static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;

/* Page tables, other domains' frames, frames that do not exist: mapped writable, or at all. */
static void map_what_is_not_ours(void)
{
    uint64_t l4 = va_to_mfn((void *)kit_start_info->pt_base), va, mapped = 0;

    check_part(page_map(page, l4, PTE_P | PTE_W) < 0, "the own page table, writable");
    check_part(page_map(page, 1UL << 39, PTE_P) < 0, "frame 2^39");
    check_part(page_map(page, (1UL << 40) - 1, PTE_P | PTE_W) < 0, "the last frame");
    check_part(page_map((void *)kit_start_info->pt_base, l4, PTE_P | PTE_W) < 0,
               "a page table made writable in its place");
    /* Frames around ours: those that are not ours must all be refused. */
    for (uint64_t mfn = 0x100; mfn < 0x8000; mfn += 37) {
        uint64_t pfn = mfn_to_pfn(mfn);

        if (mfn == kit_start_info->shared_info / PAGE_SIZE ||
            (pfn < kit_start_info->nr_pages && pfn_to_mfn(pfn) == mfn)) {
            continue;
        }
        mapped += !(kit_start_info->flags & SIF_INITDOMAIN) && page_map(page, mfn, PTE_P) == 0;
    }
    check_part(mapped == 0, "%lu foreign frames mapped", mapped);
    EACH_ADDRESS(va)
    {
        check_part(hv_update_va_mapping((void *)va, va_to_mfn(page) << 12 | 7, 0) < 0,
                   "a mapping at %lx", va);
    }
    (void)page_make_writable(page);
}

static void register_areas(void)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_register_vcpu_info info = {.mfn = 1UL << 40};
    uint64_t va;

    EACH_ADDRESS(va)
    {
        area.addr.p = va;
        check_part(hv_vcpu(VCPUOP_register_runstate_memory_area, 0, &area) == -XEN_EFAULT,
                   "run state at %lx", va);
    }
    check_part(hv_vcpu(VCPUOP_register_vcpu_info, 0, &info) < 0, "vcpu_info in no frame");
    info.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    check_part(hv_vcpu(VCPUOP_register_vcpu_info, 0, &info) < 0, "vcpu_info in a page table");
    info.mfn = va_to_mfn(page);
    info.offset = PAGE_SIZE - 8;
    check_part(hv_vcpu(VCPUOP_register_vcpu_info, 0, &info) < 0, "vcpu_info across pages");
    info.offset = 0xfffffff0;
    check_part(hv_vcpu(VCPUOP_register_vcpu_info, 0, &info) < 0, "vcpu_info far away");
    /* An area that goes away afterwards: the hypervisor cannot write it, and that is all. */
    area.addr.p = (uint64_t)page;
    check_part(hv_vcpu(VCPUOP_register_runstate_memory_area, 0, &area) == 0, "run state refused");
    (void)page_unmap(page);
    for (unsigned i = 0; i < 50; i++) {
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    (void)page_make_readonly(page);
    (void)hv_sched(SCHEDOP_yield, NULL);
    (void)page_make_writable(page);
}

/* All event channels, then all of them back, twice: the second time gives as many. */
static void exhaust_events(void)
{
    uint32_t first = 0, port = 0, most[2] = {0, 0};
    long rc = 0;

    for (unsigned round = 0; round < 2; round++) {
        check_part(event_bind_ipi(0, &first) == 0, "not one");
        for (most[round] = 1; most[round] < 200000; most[round]++) {
            rc = event_bind_ipi(0, &port);
            if (rc != 0) {
                break;
            }
        }
        check_part(rc == -XEN_ENOSPC || rc == -XEN_ENOMEM, "the last result is %ld", rc);
        for (uint32_t p = first; p <= port; p++) {
            (void)event_close(p);
        }
    }
    check_part(most[0] == most[1] && most[0] > 100, "%u, then %u", most[0], most[1]);
}

static void flood_timers(void)
{
    uint64_t before;

    (void)time_bind_timer();
    before = time_ticks(0);
    for (unsigned i = 0; i < 20000; i++) {
        (void)timer_singleshot(time_now() + i % 7, 0);
        (void)hv_set_timer(time_now() - 1);
    }
    check_part(time_ticks(0) > before, "no tick at all");
    (void)timer_singleshot(UINT64_MAX, 0);
    (void)timer_singleshot(INT64_MAX, 0);
    (void)timer_stop_singleshot();
}

/* A page with none behind it: what a count reaches beyond it must be -EFAULT, not this guest's
 * data. */
static struct multicall_entry edge[2][PAGE_SIZE / sizeof(struct multicall_entry)] PAGE_ALIGNED;

static void *edge_page(unsigned long op)
{
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(struct multicall_entry); i++) {
        edge[0][i] = (struct multicall_entry){.op = op};
    }
    (void)page_unmap(edge[1]);
    return edge[0];
}

static struct multicall_entry nest[2];

static void multicalls(void)
{
    nest[0].op = __HYPERVISOR_multicall;
    nest[0].args[0] = (uint64_t)nest;
    nest[0].args[1] = 2;
    nest[1] = nest[0];
    (void)hv_multicall(nest, 2);
    check_part(hv_multicall(edge_page(63), 1000000) < 0, "a million entries in one page");
    (void)hv_multicall(edge_page(63), 1UL << 40); /* the count has 32 bits: none, or an error */
    check_part(hv_multicall(edge_page(63), UINT64_MAX) < 0, "all entries");
    check_part(hv_multicall((void *)0xfffffffffffff000UL, 1000) < 0, "wrapping");
}

static void huge_counts(void)
{
    struct sched_poll poll = {.nr_ports = UINT32_MAX};
    struct xen_memory_reservation reservation = {.nr_extents = UINT64_MAX / 2, .domid = DOMID_SELF};

    set_xen_guest_handle(poll.ports, (evtchn_port_t *)edge_page(0));
    set_xen_guest_handle(reservation.extent_start, (xen_pfn_t *)edge_page(0));
    check_part(hv_sched(SCHEDOP_poll, &poll) < 0, "polled 2^32 ports");
    check_part(hv_memory(XENMEM_populate_physmap, &reservation) <= 0, "2^62 extents");
    reservation.nr_extents = 1;
    reservation.extent_order = 62;
    check_part(hv_memory(XENMEM_populate_physmap, &reservation) <= 0, "order 62");
    check_part(hv_mmuext(edge_page(0), 0x7fffffff) < 0, "2^31 MMU operations");
    check_part(hv_set_gdt(edge_page(0), UINT32_MAX) < 0, "2^32 descriptors");
    check_part(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, INT32_MAX,
                          (uint64_t)edge_page(0x0a0a0a0a)) <= 0,
               "2 GiB to the console");
}

/* Every hypercall, with each of these as all of its arguments. Shutting down is left out. */
static void noise(void)
{
    static const uint64_t values[] = {0,      1,    2,          0x7ff0,    0x7fff,
                                      0x1000, ~0UL, 0x80000000, 1UL << 47, 0xffff820000000000UL};
    unsigned tried = 0;

    for (unsigned nr = 0; nr < 64; nr++) {
        for (unsigned i = 0; i < 10; i++) {
            uint64_t v = values[i];
            bool leaves = nr == __HYPERVISOR_iret || nr == __HYPERVISOR_sched_op ||
                          nr == __HYPERVISOR_sched_op_compat || nr == __HYPERVISOR_stack_switch ||
                          nr == __HYPERVISOR_set_callbacks || nr == __HYPERVISOR_vcpu_op ||
                          nr == __HYPERVISOR_kexec_op || nr == __HYPERVISOR_platform_op ||
                          nr == __HYPERVISOR_set_trap_table;

            if (!leaves) {
                (void)hypercall5(nr, v, v, v, v, v);
                tried++;
            }
        }
    }
    (void)hv_set_trap_table(trap_table());
    (void)hypercall1(__HYPERVISOR_fpu_taskswitch, 0);
    check_part(tried > 400, "%u", tried);
}

const struct attack evil_calls[] = {
    {"touch-hypervisor", touch_hypervisor, false},
    {"map-what-is-not-ours", map_what_is_not_ours, false},
    {"register-areas", register_areas, false},
    {"exhaust-events", exhaust_events, false},
    {"flood-timers", flood_timers, false},
    {"multicalls", multicalls, false},
    {"huge-counts", huge_counts, false},
    {"noise", noise, false},
    {NULL, NULL, false},
};
