/* SPDX-License-Identifier: MIT
 *
 * NMIs that a vCPU sends itself by VCPUOP_send_nmi. While the NMI callback runs, another waits; the
 * iret hypercall lets it in, whatever it returns from. Event upcalls are masked meanwhile.
 */
#include "kit/kit.h"
#include "traps/traps.h"

static unsigned depth, deepest, taken, wanted;
static bool unmask_inside;
static uint8_t mask_inside;
static uint64_t mode_seen;

static void send(void)
{
    (void)hv_vcpu(VCPUOP_send_nmi, this_cpu()->id, NULL);
}

static bool count_nmi(struct trap_frame *frame)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    mask_inside = this_cpu()->info->evtchn_upcall_mask;
    mode_seen = frame->cs & 3;
    if (++taken < wanted) {
        send();
        for (unsigned i = 0; i < 3; i++) {
            (void)hv_version(XENVER_version, NULL);
        }
        if (unmask_inside) {
            __asm__ volatile("int3" : : : "memory");
        }
    }
    depth--;
    return true;
}

static bool pass_breakpoint(struct trap_frame *frame)
{
    (void)frame;
    return true;
}

static void send_and_see(unsigned count, bool unmask)
{
    depth = deepest = taken = 0;
    wanted = count;
    unmask_inside = unmask;
    send();
}

static void user_spin(void *argument)
{
    while (*(volatile unsigned *)argument == 0) {
    }
    user_exit(1);
}

/* On the way to user mode an NMI is pending: it interrupts user mode. */
static bool send_on_way_out(struct trap_frame *frame)
{
    (void)frame;
    send();
    return true;
}

static void user_breakpoint(void *argument)
{
    __asm__ volatile("int3" : : : "memory");
    user_spin(argument);
}

void check_nmis(void)
{
    struct fault fault;

    trap_set_handler(TRAP_NMI, count_nmi);
    trap_set_handler(3, pass_breakpoint);

    send_and_see(1, false);
    check_begin("nmi");
    check_part(taken == 1, "taken %u times", taken);
    check_part(mode_seen == 0, "CS has RPL %lu", mode_seen);
    check_part(mask_inside == 1, "upcalls are not masked");
    check_part(this_cpu()->info->evtchn_upcall_mask == 0, "upcalls stay masked");
    check_end();

    send_and_see(4, false);
    check_begin("nmi-masked");
    check_part(taken == 4, "taken %u times", taken);
    check_part(deepest == 1, "nested %u deep", deepest);
    check_end();

    send_and_see(3, true);
    check_begin("nmi-unmasked-by-iret");
    check_part(taken == 3, "taken %u times", taken);
    check_part(deepest == 3, "nested %u deep", deepest);
    check_end();

    taken = 0;
    wanted = 1;
    trap_set_handler(3, send_on_way_out);
    fault = guarded_user(user_breakpoint, &taken);
    check_begin("nmi-user");
    check_part(fault.vector == TRAP_SYSCALL, "vector %u", fault.vector);
    check_part(taken == 1, "taken %u times", taken);
    check_end();

    trap_set_handler(TRAP_NMI, NULL);
    trap_set_handler(3, NULL);
    check_result("nmi-no-such-vcpu", hv_vcpu(VCPUOP_send_nmi, 31, NULL), -XEN_ENOENT);
}
