/* SPDX-License-Identifier: MIT
 *
 * hello: says who it is and what it was given, sleeps a few times, and goes. The first guest to try
 * on a new hypervisor, the innocent neighbour of a hostile one, and the demonstration of `make
 * run`.
 *
 *   rounds=N  how often it sleeps (3)      delay=MS  how long each time (50)
 *   stays=N   afterwards it stays until the control domain sends an event to its port N, the first that it gets: what
 *             that one does beside others is then done, whoever is the faster
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "kit/start.h"

const char guest_name[] = "hello";

static void say_hello(void)
{
    char extra[16] = "";
    long version = hv_version(XENVER_version, NULL);

    (void)hv_version(XENVER_extraversion, extra);
    kit_printf("hello from a PV guest on Xen ABI %lu.%lu%s: %lu MiB, command line \"%s\"\n",
               (unsigned long)version >> 16, version & 0xffff, extra,
               kit_start_info->nr_pages / 256, args_line());
}

/* All general registers are zero but RSI and RSP, the selectors that the ABI names are loaded, and of the flags only IF
 * is set. */
static void check_registers(void)
{
    const struct entry_state *at = &kit_entry_state;
    uint64_t stack = kit_start_info->pt_base + (kit_start_info->nr_pt_frames + 1) * PAGE_SIZE;

    check_true("entry-zero",
               (at->rax | at->rbx | at->rcx | at->rdx | at->rdi | at->rbp | at->r8 | at->r9 |
                at->r10 | at->r11 | at->r12 | at->r13 | at->r14 | at->r15) == 0,
               "rax %lx rbx %lx rcx %lx rdx %lx rdi %lx rbp %lx r8 %lx r15 %lx", at->rax, at->rbx,
               at->rcx, at->rdx, at->rdi, at->rbp, at->r8, at->r15);
    check_true("entry-start-info", at->rsi == (uint64_t)kit_start_info, "RSI %lx", at->rsi);
    check_true("entry-stack", at->rsp == stack, "RSP %lx, not behind the tables: %lx", at->rsp,
               stack);
    check_true("entry-code", at->cs == FLAT_RING3_CS64 && at->ss == FLAT_RING3_SS64,
               "CS %lx SS %lx", at->cs, at->ss);
    check_true("entry-data", (at->ds | at->es | at->fs | at->gs) == 0,
               "DS %lx ES %lx FS %lx GS %lx", at->ds, at->es, at->fs, at->gs);
    check_true("entry-flags", at->rflags == 0x202, "RFLAGS %lx", at->rflags);
}

static void read_byte(void *at)
{
    (void)*(volatile uint8_t *)at;
}

/* The mapping ends at the first multiple of 4 MiB that leaves 512 KiB behind the stack. */
static void check_slack(void)
{
    uint64_t end = (kit_entry_state.rsp + (512UL << 10) + (4UL << 20) - 1) & -(4UL << 20);

    check_begin("entry-slack");
    for (uint64_t va = kit_entry_state.rsp; va < end; va += PAGE_SIZE) {
        struct fault fault = guarded(read_byte, (void *)va);

        check_part(fault.vector == TRAP_NONE, "vector %u at %lx", fault.vector, va);
    }
    check_end();
}

/* The first page lies below the image, and is mapped like the rest. Where that is address 0, a kernel wants it gone. */
static void check_first_page(void)
{
    void *page = pfn_to_va(0);
    struct fault fault;

    check_begin("entry-first-page");
    fault = guarded(read_byte, page);
    check_part(fault.vector == TRAP_NONE, "not mapped: vector %u", fault.vector);
    check_part(page_unmap(page) == 0, "not to be unmapped");
    fault = guarded(read_byte, page);
    check_part(fault.vector == 14 && fault.cr2 == (uint64_t)page && fault.frame.error == 0,
               "vector %u at %lx error %lx", fault.vector, fault.cr2, fault.frame.error);
    check_part(page_map(page, pfn_to_mfn(0), PTE_P | PTE_W) == 0, "not to be mapped again");
    check_end();
}

static bool is_ours(uint64_t mfn)
{
    return mfn_to_pfn(mfn) < kit_start_info->nr_pages && pfn_to_mfn(mfn_to_pfn(mfn)) == mfn;
}

/* The first domain makes its own store ring and has no console ring; any other is given both, and a port of the
 * store's if there is a store. */
static void check_rings(void)
{
    const struct start_info *info = kit_start_info;

    check_begin("entry-rings");
    if (first_domain()) {
        check_part(info->store_evtchn == 0, "store port %u", info->store_evtchn);
    } else {
        check_part(is_ours(info->store_mfn), "store %lx", info->store_mfn);
        check_part(is_ours(info->console.domU.mfn) && info->console.domU.evtchn != 0,
                   "console %lx port %u", info->console.domU.mfn, info->console.domU.evtchn);
    }
    check_end();
}

/* What works before a kernel has told the hypervisor anything. */
static void check_first_look(void)
{
    const struct first_look *look = &kit_first_look;

    check_true("entry-cpuid", memcmp(look->signature, "XenVMMXenVMM", 12) == 0, "%x %x %x",
               look->signature[0], look->signature[1], look->signature[2]);
    check_true("entry-rdmsr", look->unknown_msr == 0, "%lx", look->unknown_msr);
    check_true("entry-masked", look->vcpus_unmasked == 0, "%u vCPUs would have upcalls",
               look->vcpus_unmasked);
    check_true("entry-clock", look->tsc_multiplier != 0 && look->wall_clock_seconds != 0,
               "multiplier %x, %u s", look->tsc_multiplier, look->wall_clock_seconds);
}

static void check_start_of_day(void)
{
    const struct start_info *info = kit_start_info;
    uint64_t wrong = 0, unmasked = 0;

    check_true("magic", memcmp(info->magic, "xen-3.0-x86_64", 14) == 0, "%s", info->magic);
    for (uint64_t pfn = 0; pfn < info->nr_pages; pfn++) {
        wrong += pfn_to_mfn(pfn) != ~0UL && mfn_to_pfn(pfn_to_mfn(pfn)) != pfn;
    }
    check_true("p2m-m2p", wrong == 0, "%lu frames do not lead back", wrong);
    check_true("tables-in-memory",
               info->pt_base > VIRT_BASE &&
                   va_to_pfn((void *)info->pt_base) + info->nr_pt_frames < info->nr_pages,
               "%lx + %lu", info->pt_base, info->nr_pt_frames);
    for (unsigned i = 1; i < XEN_LEGACY_MAX_VCPUS; i++) {
        unmasked += kit_shared_info->vcpu_info[i].evtchn_upcall_mask != 1;
    }
    check_true("masked", unmasked == 0, "%lu vCPUs that have not run would have upcalls", unmasked);
    check_true("version", hv_version(XENVER_version, NULL) >= 0x40011, "%lx",
               hv_version(XENVER_version, NULL));
}

#define SOON (300000 * MS)

static void offer_port(uint64_t wanted)
{
    uint32_t port = 0;
    long rc = event_alloc_unbound(DOMID_SELF, 0, &port);

    check_true("offer", rc == 0 && port == wanted, "result %ld port %u", rc, port);
    /* Masked as yet: a sleep is ended by its timer only. */
}

void guest_main(void)
{
    uint64_t port = args_number("stays", 0);
    uint64_t rounds = args_number("rounds", 3), delay = args_number("delay", 50) * MS;
    uint64_t short_sleeps = 0, begun = read_tsc();

    say_hello();
    kit_printf("BENCH begun %lu\n", begun); /* time stamps since the machine's start: tools/bench */
    if (port != 0) {
        offer_port(port);
    }
    check_start_of_day();
    check_registers();
    check_slack();
    check_first_page();
    check_rings();
    check_first_look();
    (void)time_bind_timer();
    for (uint64_t i = 1; i <= rounds; i++) {
        uint64_t before = time_now();

        time_sleep(delay);
        short_sleeps += time_now() - before < delay;
        kit_printf("round %lu of %lu, %lu ms after the host's start\n", i, rounds, time_now() / MS);
    }
    check_true("sleep", short_sleeps == 0, "%lu of %lu sleeps too short", short_sleeps, rounds);
    check_true("ticks", time_ticks(0) >= rounds, "%lu ticks for %lu sleeps", time_ticks(0), rounds);
    if (port != 0) {
        event_unmask((uint32_t)port);
        check_true("told-to-go", wait_for(event_counter((uint32_t)port), 1, SOON), "no event came");
    }
}
