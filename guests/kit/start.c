/* SPDX-License-Identifier: MIT
 *
 * The first C code of a test guest: sets up what the kit offers, in the order of need (the console
 * first, so that the rest can complain), then calls the guest.
 */
#include "kit/start.h"
#include "kit/hypercall.h"
#include "kit/kit.h"

struct start_info *kit_start_info;
struct first_look kit_first_look;

void kit_start(struct start_info *info);

/* No trap table is there yet: what faults here for good ends the domain. */
static void look_at_processor(struct first_look *look)
{
    uint32_t a = 0x40000000, b, c = 0, d, low = ~0U, high = ~0U;

    __asm__ volatile(XEN_CPUID : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    look->signature[0] = b;
    look->signature[1] = c;
    look->signature[2] = d;
    __asm__ volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(0x1234567));
    look->unknown_msr = (uint64_t)high << 32 | low;
}

static void look_at_shared_info(struct first_look *look)
{
    const struct shared_info *shared = kit_shared_info;

    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        look->vcpus_unmasked += shared->vcpu_info[i].evtchn_upcall_mask != 1;
    }
    look->tsc_multiplier = shared->vcpu_info[0].time.tsc_to_system_mul;
    look->wall_clock_seconds = shared->wc_sec;
}

void kit_start(struct start_info *info)
{
    kit_start_info = info;
    look_at_processor(&kit_first_look);
    page_init();
    look_at_shared_info(&kit_first_look);
    cpu_init_boot();
    console_init();
    trap_init();
    event_init();
    guest_main();
    kit_finish();
}
