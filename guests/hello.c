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
