/* SPDX-License-Identifier: MIT
 *
 * Calls made in another context than they were written for: an exchange of memory that copies its
 * results out to where the guest cannot write (advisory 212), a change to user mode in the middle of a
 * multicall (213), page table calls with pointers into the hypervisor.
 */
#include "evil_mmu/evil_mmu.h"

static const uint64_t hypervisor_addresses[] = {
    0xffff804000000000UL, 0xffff810000000000UL, 0xffff820000000000UL,
    0xffff82d040200000UL, 0xffff830000001000UL, 0xffff87fffffff000UL,
};

/* Of a count: "this is a continuation", which only the hypervisor should say. */
#define CONTINUED (1U << 31)
#define ADDRESSES (sizeof(hypervisor_addresses) / sizeof(uint64_t))

/* `skip` extents are said to be done already, so that the first result is to go to `target`. */
static void exchange_to(uint64_t target, uint64_t skip)
{
    static xen_pfn_t in[64];
    struct xen_memory_exchange e = {.nr_exchanged = skip};
    uint64_t mine = spare_frame(11);

    for (unsigned i = 0; i < 64; i++) {
        in[i] = mine;
    }
    e.in.nr_extents = e.out.nr_extents = skip + 1;
    e.in.domid = e.out.domid = DOMID_SELF;
    set_xen_guest_handle(e.in.extent_start,
                         skip < 64 ? in : (xen_pfn_t *)((uint64_t)in - skip * 8));
    set_xen_guest_handle(e.out.extent_start, (xen_pfn_t *)(target - skip * 8));
    check_part(hv_memory(XENMEM_exchange, &e) != 0, "%lx, %lu skipped", target, skip);
    check_part(table_op(MMUEXT_CLEAR_PAGE, mine) == 0, "%lx: the frame is lost", target);
}

static void exchange_out(void)
{
    static const uint64_t skips[] = {0, 1, 63, 1UL << 20, 1UL << 32, 1UL << 44};

    for (unsigned a = 0; a < ADDRESSES; a++) {
        for (unsigned s = 0; s < sizeof(skips) / sizeof(skips[0]); s++) {
            exchange_to(hypervisor_addresses[a], skips[s]);
        }
    }
}

/* Requests and results of the page table calls in the hypervisor. */
static void pointers(void)
{
    static struct mmu_update update;
    static struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};

    update.ptr = entry_address((uint64_t *)evil_page);
    for (unsigned a = 0; a < ADDRESSES; a++) {
        void *there = (void *)hypervisor_addresses[a];
        struct mmuext_op flush = {.cmd = MMUEXT_INVLPG_MULTI};

        check_part(hv_mmu_update(there, 1, NULL, DOMID_SELF) < 0, "requests at %p", there);
        (void)hv_mmu_update(&update, 1, there, DOMID_SELF);
        check_part(hv_mmuext(there, 1) < 0, "operations at %p", there);
        (void)hypercall5(__HYPERVISOR_mmuext_op, (unsigned long)&op, 1, ptr_arg(there), DOMID_SELF,
                         0);
        set_xen_guest_handle(flush.arg2.vcpumask, (const uint64_t *)there);
        check_part(hv_mmuext(&flush, 1) < 0, "vCPUs at %p", there);
        check_part(hv_update_va_mapping((void *)evil_page, entry_of(evil_page, TABLE_PAGE),
                                        UVMF_INVLPG | (unsigned long)there) < 0,
                   "mapping's vCPUs at %p", there);
        check_part(hv_update_va_mapping(there, entry_of(evil_page, TABLE_PAGE), 0) < 0, "at %p",
                   there);
        check_part(hv_update_va_mapping(there, 0, UVMF_INVLPG) < 0, "nothing at %p", there);
    }
    (void)page_make_writable((void *)evil_page);
}

/* Counts beyond what there is, and the bit by which a call says that it is being continued. */
static void counts(void)
{
    static struct mmu_update updates[4];
    static struct mmuext_op ops[4];
    unsigned done = 0;

    for (unsigned i = 0; i < 4; i++) {
        updates[i].ptr = entry_address((uint64_t *)&evil_page[i]);
        ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    }
    (void)hv_mmu_update(updates, 4 | CONTINUED, NULL, DOMID_SELF);
    (void)hv_mmu_update(updates, 4 | CONTINUED, &done, DOMID_SELF);
    (void)hypercall5(__HYPERVISOR_mmuext_op, (unsigned long)ops, 4 | CONTINUED, 0, DOMID_SELF, 0);
    check_part(hv_mmu_update(updates, 0x7fffffff, &done, DOMID_SELF) < 0, "2^31 updates");
    check_part(hv_mmuext(ops, 0x7fffffff) < 0, "2^31 operations");
    check_part(hv_mmu_update(updates, UINT32_MAX, NULL, DOMID_SELF) < 0, "2^32 updates");
}

/* ---- to user mode in the middle of a multicall ---- */

static struct multicall_entry calls[2];

struct iret_frame_full {
    uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};

static void user_end(void *argument)
{
    (void)argument;
    user_exit(calls[1].result);
}

/* The multicall is made with the stack pointer at an iret frame, as the iret hypercall wants it. If it
 * comes back, both results are there. */
static void multicall_with_frame(void *argument)
{
    struct iret_frame_full *frame = argument;

    __asm__ volatile("mov %%rsp, %%rbx; mov %[frame], %%rsp; syscall; mov %%rbx, %%rsp"
                     :
                     : "a"(__HYPERVISOR_multicall), "D"(calls), "S"(2UL), [frame] "r"(frame)
                     : "rbx", "rcx", "r11", "memory");
}

static void iret_in_multicall(void)
{
    static struct iret_frame_full frame;
    struct space s;
    struct fault fault;
    uint64_t before, after;

    filled_space(&s, 1);
    check_part(table_pin(s.l4, 4) == 0, "pin");
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(s.l4)) == 0, "for user mode");
    frame = (struct iret_frame_full){.rip = (uint64_t)user_end,
                                     .cs = FLAT_USER_CS | 3,
                                     .rflags = 0x202,
                                     .rsp = user_stack_top(),
                                     .ss = FLAT_USER_SS};
    calls[0] = (struct multicall_entry){.op = __HYPERVISOR_iret};
    calls[1] = (struct multicall_entry){
        .op = __HYPERVISOR_update_va_mapping,
        .args = {(unsigned long)space_va(9), entry_of(evil_page, TABLE_PAGE), UVMF_INVLPG}};
    calls[1].result = 0x7777;
    before = *(volatile uint64_t *)space_entry(&s, 9);
    fault = guarded(multicall_with_frame, &frame);
    after = *(volatile uint64_t *)space_entry(&s, 9);
    check_part(after == before, "user mode's table was changed");
    kit_printf("vector %u, results %ld and %ld\n", fault.vector, calls[0].result, calls[1].result);
    /* Either the call for user mode was not made, or there was no change to user mode. */
    check_part(fault.vector == TRAP_NONE
                   ? calls[0].result != 0
                   : fault.vector == TRAP_SYSCALL && fault.frame.rax == 0x7777,
               "vector %u, rax %lx", fault.vector, fault.frame.rax);
    check_part(table_op(MMUEXT_NEW_USER_BASEPTR, 0) == 0, "none for user mode");
    check_part(table_unpin(s.l4) == 0, "unpin");
    give_back_space(&s);
}

const struct attack evil_mmu_contexts[] = {
    {"context-exchange-out", exchange_out, false},
    {"context-pointers", pointers, false},
    {"context-counts", counts, false},
    {"context-iret-in-multicall", iret_in_multicall, false},
    {NULL, NULL, false},
};
