/* SPDX-License-Identifier: MIT
 *
 * membench: what memory_op costs, by the time stamp counter (see mmubench). Between giving back and
 * taking the guest sleeps where it says so: then a hypervisor that clears memory in idle time has
 * done it; the `dirty` figures have it in them.
 */
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "membench";

#define MAX    512U
#define ROUNDS 5U

static xen_pfn_t list[MAX], name[MAX], out[MAX];
static bool failed;

static void reserve(unsigned op, unsigned count, unsigned order)
{
    struct xen_memory_reservation r = {
        .nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    failed |= hv_memory(op, &r) != (long)count;
}

static void report(const char *what, unsigned count, const char *how, uint64_t ticks)
{
    char text[48];

    kit_snprintf(text, sizeof(text), "%s-%u%s", what, count, how);
    kit_printf("BENCH %s %lu\n", text, ticks / ROUNDS);
    check_true(text, !failed && ticks > 0, "%lu ticks", ticks);
    failed = false;
}

/* Lets the host's idle loop run. */
static void pause_a_while(void)
{
    time_sleep(20 * MS);
}

static void measure_list(unsigned count, bool pause)
{
    uint64_t down = 0, up = 0;

    for (unsigned i = 0; i < count; i++) {
        list[i] = spare_frame(i);
        name[i] = mfn_to_pfn(list[i]);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t t0 = read_tsc();

        reserve(XENMEM_decrease_reservation, count, 0);
        down += read_tsc() - t0;
        if (pause) {
            pause_a_while();
        }
        for (unsigned i = 0; i < count; i++) {
            list[i] = name[i];
        }
        t0 = read_tsc();
        reserve(XENMEM_populate_physmap, count, 0);
        up += read_tsc() - t0;
    }
    for (unsigned i = 0; i < count; i++) {
        ((uint64_t *)kit_start_info->mfn_list)[name[i]] = list[i];
    }
    report("decrease", count, pause ? "" : "-dirty", down);
    report("populate", count, pause ? "" : "-dirty", up);
}

static void measure_large(void)
{
    uint64_t down = 0, up = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t t0 = read_tsc();

        list[0] = 1UL << 20;
        reserve(XENMEM_populate_physmap, 1, 9);
        up += read_tsc() - t0;
        t0 = read_tsc();
        reserve(XENMEM_decrease_reservation, 1, 9);
        down += read_tsc() - t0;
        pause_a_while();
    }
    report("populate-order", 9, "", up);
    report("decrease-order", 9, "", down);
}

static void measure_exchange(void)
{
    uint64_t ticks = 0;

    for (unsigned i = 0; i < 64; i++) {
        list[i] = spare_frame(i);
        name[i] = mfn_to_pfn(list[i]);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct xen_memory_exchange x = {
            .in = {.nr_extents = 64, .domid = DOMID_SELF},
            .out = {.nr_extents = 1, .extent_order = 6, .domid = DOMID_SELF}};
        uint64_t t0;

        set_xen_guest_handle(x.in.extent_start, list);
        set_xen_guest_handle(x.out.extent_start, out);
        out[0] = 1UL << 20;
        pause_a_while();
        t0 = read_tsc();
        failed |= hv_memory(XENMEM_exchange, &x) != 0;
        ticks += read_tsc() - t0;
        for (unsigned i = 0; i < 64; i++) {
            list[i] = out[0] + i;
        }
    }
    report("exchange", 64, "", ticks);
}

void guest_main(void)
{
    (void)time_bind_timer();
    pause_a_while();
    measure_list(1, true);
    measure_list(32, true);
    measure_list(512, true);
    measure_list(1, false);
    measure_list(32, false);
    measure_list(512, false);
    measure_large();
    measure_exchange();
}
