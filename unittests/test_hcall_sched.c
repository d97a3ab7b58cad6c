/* SPDX-License-Identifier: MIT
 *
 * sched_op, set_timer_op and the time part of vcpu_op, as a guest calls them on the simulated
 * machine.
 */
#include <lagan/types.h>
#include <stdatomic.h>
#include <string.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "sim_sched.h"
#include "suite.h"
#include "xen/hypercall.h"
#include "xen/vcpu_timer.h"

#define MS   UINT64_C(1000000)
#define EVER UINT64_MAX
#define BAD  UINT64_C(0xffff800000000000)

static struct sim_guest *me;

static void setup(void)
{
    sim_reset(1, 2, 1);
    me = sim_vcpu(sim_domain(0, 0), EVER, 0);
    sim_run(MS);
    CU_ASSERT_PTR_EQUAL_FATAL(sim_on(0), me);
    for (unsigned i = 0; i < ARRAY_SIZE(sim_port); i++)
        sim_port[i] = i > 0 && i < 200;
    sim_shutdown_reason = -1;
    memset(sim_memory, 0xee, sizeof(sim_memory));
    sim_enter(0);
}

static int64_t sched_op(uint64_t cmd, uint64_t arg)
{
    int64_t rc;

    sim_enter(0);
    rc = hcall_sched_op(&(struct hypercall_args){{cmd, arg}});
    sim_settle();
    return rc;
}

static int64_t poll(unsigned count, uint64_t timeout, uint64_t list)
{
    struct sched_poll arg;

    memset(&arg, 0, sizeof(arg));
    arg.ports.p = (void *)(uintptr_t)list;
    arg.nr_ports = count;
    arg.timeout = timeout;
    memcpy(sim_memory, &arg, sizeof(arg));
    return sched_op(SCHEDOP_poll, SIM_GUEST_VA);
}

static uint64_t put_ports(const evtchn_port_t *ports, unsigned count)
{
    memcpy(sim_memory + 64, ports, count * sizeof(*ports));
    return SIM_GUEST_VA + 64;
}

static void unknown_operations(void)
{
    setup();
    CU_ASSERT_EQUAL(sched_op(8, SIM_GUEST_VA), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(sched_op(UINT32_MAX, 0), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(vcpu_op_time(&me->vcpu, 12, guest_ptr(SIM_GUEST_VA)), -XEN_ENOSYS);
}

static void block(void)
{
    setup();
    me->info.evtchn_upcall_mask = 1;
    me->info.evtchn_upcall_pending = 1;
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, 0), 0); /* pending: returns at once, unmasked */
    CU_ASSERT_EQUAL(me->info.evtchn_upcall_mask, 0);
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    me->info.evtchn_upcall_mask = 1;
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, 0), 0);
    CU_ASSERT_EQUAL(me->info.evtchn_upcall_mask, 0);
    CU_ASSERT_PTR_NULL(sim_on(0));
    vcpu_kick(&me->vcpu);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
}

static void shutdown(void)
{
    setup();
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown, BAD), -XEN_EFAULT);
    memcpy(sim_memory, &(struct sched_shutdown){6}, 4);
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown, SIM_GUEST_VA), -XEN_EINVAL);
    memcpy(sim_memory, &(struct sched_shutdown){UINT32_MAX}, 4);
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown, SIM_GUEST_VA), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1);
    memcpy(sim_memory, &(struct sched_shutdown){SHUTDOWN_crash}, 4);
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown, SIM_GUEST_VA), 0);
    CU_ASSERT_EQUAL(sim_shutdown_reason, SHUTDOWN_crash);
}

static void shutdown_code(void)
{
    setup();
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown_code, BAD), -XEN_EFAULT);
    memcpy(sim_memory, &(struct sched_shutdown){SHUTDOWN_MAX + 1}, 4);
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown_code, SIM_GUEST_VA), -XEN_EINVAL);
    CU_ASSERT_EQUAL(me->vcpu.domain->shutdown_latched, -1);
    memcpy(sim_memory, &(struct sched_shutdown){SHUTDOWN_reboot}, 4);
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_shutdown_code, SIM_GUEST_VA), 0);
    CU_ASSERT_EQUAL(me->vcpu.domain->shutdown_latched, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1); /* not yet */
}

static int64_t remote(domid_t id, unsigned reason)
{
    memcpy(sim_memory, &(struct sched_remote_shutdown){id, reason}, 8);
    return sched_op(SCHEDOP_remote_shutdown, SIM_GUEST_VA);
}

static void remote_shutdown(void)
{
    setup();
    (void)sim_domain(0, 0);
    CU_ASSERT_EQUAL(remote(1, SHUTDOWN_poweroff), -XEN_EPERM);
    CU_ASSERT_EQUAL(remote(7, SHUTDOWN_poweroff), -XEN_EPERM); /* it learns nothing */
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_remote_shutdown, BAD), -XEN_EPERM);
    me->vcpu.domain->privileged = true;
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_remote_shutdown, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(remote(1, SHUTDOWN_MAX + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(remote(7, SHUTDOWN_poweroff), -XEN_ESRCH);
    CU_ASSERT_EQUAL(remote(0, SHUTDOWN_poweroff), -XEN_EPERM);
    CU_ASSERT_EQUAL(remote(DOMID_SELF, SHUTDOWN_poweroff), -XEN_EPERM);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1);
    CU_ASSERT_EQUAL(remote(1, SHUTDOWN_suspend), 0);
    CU_ASSERT_EQUAL(sim_shutdown_reason, SHUTDOWN_suspend);
}

static int64_t watchdog(uint32_t id, uint32_t seconds)
{
    memcpy(sim_memory, &(struct sched_watchdog){id, seconds}, 8);
    return sched_op(SCHEDOP_watchdog, SIM_GUEST_VA);
}

static void watchdogs(void)
{
    setup();
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_watchdog, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(watchdog(1, 5), -XEN_EINVAL); /* nobody has it */
    CU_ASSERT_EQUAL(watchdog(1, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(3, 5), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(UINT32_MAX, 5), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(0, 3), 1);
    CU_ASSERT_EQUAL(watchdog(0, UINT32_MAX), 2);
    CU_ASSERT_EQUAL(watchdog(0, 3), -XEN_ENOSPC);
    sim_run(2000 * MS);
    CU_ASSERT_EQUAL(watchdog(1, 3), 0); /* set anew in time */
    sim_run(2999 * MS);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1);
    CU_ASSERT_EQUAL(watchdog(1, 0), 0); /* given back: it does not go off... */
    sim_run(10000 * MS);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1);
    CU_ASSERT_EQUAL(watchdog(1, 3), -XEN_EINVAL);
    CU_ASSERT_EQUAL(watchdog(0, 1), 1); /* ...and there is one to be had */
    sim_run(999 * MS);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1);
    sim_run(MS);
    CU_ASSERT_EQUAL(sim_shutdown_reason, SHUTDOWN_watchdog);
    sim_shutdown_reason = -1;
    CU_ASSERT_EQUAL(watchdog(1, 0), 0);
    CU_ASSERT_EQUAL(watchdog(0, 0), 1); /* at once */
    sim_run(MS);
    CU_ASSERT_EQUAL(sim_shutdown_reason, SHUTDOWN_watchdog);
    sim_shutdown_reason = -1;
    CU_ASSERT_EQUAL(watchdog(2, 1), 0);
    domain_watchdog_destroy(me->vcpu.domain);
    sim_run(5000 * MS);
    CU_ASSERT_EQUAL(sim_shutdown_reason, -1);
}

static int64_t pin(int pcpu)
{
    memcpy(sim_memory, &(struct sched_pin_override){pcpu}, 4);
    return sched_op(SCHEDOP_pin_override, SIM_GUEST_VA);
}

static void pin_override(void)
{
    setup();
    CU_ASSERT_EQUAL(pin(1), -XEN_EPERM);
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_pin_override, BAD), -XEN_EPERM);
    me->vcpu.domain->privileged = true;
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_pin_override, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(pin(-1), -XEN_EINVAL); /* it is not pinned */
    CU_ASSERT_EQUAL(pin(2), -XEN_EINVAL);  /* there is no such CPU */
    CU_ASSERT_EQUAL(pin(INT_MAX), -XEN_EINVAL);
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    CU_ASSERT_EQUAL(pin(1), 0);
    CU_ASSERT_PTR_NULL(sim_on(0)); /* it has gone there at once */
    CU_ASSERT_PTR_EQUAL(sim_on(1), me);
    sim_enter(1);
    memcpy(sim_memory, &(struct sched_pin_override){0}, 4);
    CU_ASSERT_EQUAL(hcall_sched_op(&(struct hypercall_args){{SCHEDOP_pin_override, SIM_GUEST_VA}}),
                    -XEN_EBUSY);
    /* What is asked for meanwhile holds afterwards, and not before. */
    CU_ASSERT_EQUAL(sched_set_affinity(&me->vcpu, (cpumask_t){4}), -XEN_EINVAL);
    CU_ASSERT_EQUAL(sched_set_affinity(&me->vcpu, cpumask_of(0)), 0);
    sim_settle();
    sim_run(10 * MS);
    CU_ASSERT_PTR_EQUAL(sim_on(1), me);
    sim_enter(1);
    memcpy(sim_memory, &(struct sched_pin_override){-1}, 4);
    CU_ASSERT_EQUAL(hcall_sched_op(&(struct hypercall_args){{SCHEDOP_pin_override, SIM_GUEST_VA}}),
                    0);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    CU_ASSERT_EQUAL(me->vcpu.sched.unit.affinity.bits, 1);
}

static void poll_errors(void)
{
    evtchn_port_t many[129];

    setup();
    for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = 1;
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_poll, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(poll(1, 0, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(poll(129, 0, put_ports(many, 129)), -XEN_EINVAL); /* one too many */
    CU_ASSERT_EQUAL(poll(2, 0, put_ports((evtchn_port_t[]){1, 250}, 2)), -XEN_EINVAL);
    CU_ASSERT_PTR_EQUAL(sim_on(0), me); /* a refused poll does not block */
    CU_ASSERT(!me->vcpu.blocked);
}

static void poll_wakes(void)
{
    evtchn_port_t many[128];

    setup();
    sim_port[9] = 2;
    CU_ASSERT_EQUAL(poll(2, 0, put_ports((evtchn_port_t[]){8, 9}, 2)), 0);
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    sim_port[9] = 1;
    /* One port: another one does not wake it, its own does though no upcall is due. */
    CU_ASSERT_EQUAL(poll(1, 0, put_ports((evtchn_port_t[]){9}, 1)), 0);
    CU_ASSERT_PTR_NULL(sim_on(0));
    CU_ASSERT_EQUAL(me->vcpu.domain->event.pollers, UINT32_C(1) << me->vcpu.id);
    vcpu_poll_wake(&me->vcpu, 8);
    sim_settle();
    CU_ASSERT_PTR_NULL(sim_on(0));
    vcpu_poll_wake(&me->vcpu, 9);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    /* The most there may be. */
    for (unsigned i = 0; i < 128; i++)
        many[i] = i + 1;
    CU_ASSERT_EQUAL(poll(128, 0, put_ports(many, 128)), 0);
    CU_ASSERT_PTR_NULL(sim_on(0));
    vcpu_poll_wake(&me->vcpu, 128);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    /* An ordinary event ends it, too. */
    CU_ASSERT_EQUAL(poll(1, 0, put_ports((evtchn_port_t[]){9}, 1)), 0);
    vcpu_kick(&me->vcpu);
    sim_settle();
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    CU_ASSERT(!me->vcpu.blocked);
}

static void poll_times_out(void)
{
    setup();
    CU_ASSERT_EQUAL(poll(1, sim_now(), put_ports((evtchn_port_t[]){9}, 1)), 0);
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);                   /* past */
    CU_ASSERT_EQUAL(poll(0, sim_now() + 5 * MS, BAD), 0); /* no ports: a sleep */
    sim_run(5 * MS - 1);
    CU_ASSERT_PTR_NULL(sim_on(0));
    sim_run(1);
    CU_ASSERT_PTR_EQUAL(sim_on(0), me);
    /* A timeout left over from a poll that ended early does not end a later block. */
    CU_ASSERT_EQUAL(poll(1, sim_now() + 5 * MS, put_ports((evtchn_port_t[]){9}, 1)), 0);
    vcpu_poll_wake(&me->vcpu, 9);
    sim_settle();
    CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, 0), 0);
    CU_ASSERT_EQUAL(me->vcpu.domain->event.pollers, 0);
    sim_run(20 * MS);
    CU_ASSERT_PTR_NULL(sim_on(0));
}

static int64_t time_op(unsigned cmd, uint64_t arg)
{
    sim_enter(0);
    return vcpu_op_time(&me->vcpu, cmd, guest_ptr(arg));
}

static void single_shot(void)
{
    struct vcpu_set_singleshot_timer set = {.timeout_abs_ns = 0};

    setup();
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_singleshot_timer, BAD), -XEN_EFAULT);
    set.timeout_abs_ns = sim_now() + 2 * MS;
    memcpy(sim_memory, &set, sizeof(set));
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_singleshot_timer, SIM_GUEST_VA), 0);
    sim_run(2 * MS - 1);
    CU_ASSERT_EQUAL(me->virqs, 0);
    sim_run(1);
    CU_ASSERT_EQUAL(me->virqs, 1);
    /* In the past: at once; an error only if the guest asked for one. */
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_singleshot_timer, SIM_GUEST_VA), 0);
    sim_run(MS);
    CU_ASSERT_EQUAL(me->virqs, 2);
    set.flags = VCPU_SSHOTTMR_future;
    memcpy(sim_memory, &set, sizeof(set));
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_singleshot_timer, SIM_GUEST_VA), -XEN_ETIME);
    set.timeout_abs_ns = sim_now() + 2 * MS;
    memcpy(sim_memory, &set, sizeof(set));
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_singleshot_timer, SIM_GUEST_VA), 0);
    CU_ASSERT_EQUAL(time_op(VCPUOP_stop_singleshot_timer, 0), 0);
    sim_run(10 * MS);
    CU_ASSERT_EQUAL(me->virqs, 2);
    sim_enter(1); /* not the caller's own */
    CU_ASSERT_EQUAL(vcpu_op_time(&me->vcpu, VCPUOP_stop_singleshot_timer, guest_ptr(0)),
                    -XEN_EINVAL);
}

static void set_timer_op(void)
{
    setup();
    CU_ASSERT_EQUAL(hcall_set_timer_op(&(struct hypercall_args){{sim_now() + MS}}), 0);
    sim_run(MS);
    CU_ASSERT_EQUAL(me->virqs, 1);
    sim_enter(0);
    CU_ASSERT_EQUAL(hcall_set_timer_op(&(struct hypercall_args){{sim_now() + MS}}), 0);
    CU_ASSERT_EQUAL(hcall_set_timer_op(&(struct hypercall_args){{0}}), 0);
    sim_run(5 * MS);
    CU_ASSERT_EQUAL(me->virqs, 1);
}

static void periodic(void)
{
    struct vcpu_set_periodic_timer set = {.period_ns = VCPU_PERIOD_MIN_NS - 1};

    setup();
    memcpy(sim_memory, &set, sizeof(set));
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_periodic_timer, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_periodic_timer, SIM_GUEST_VA), -XEN_EINVAL);
    set.period_ns = UINT64_MAX;
    memcpy(sim_memory, &set, sizeof(set));
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_periodic_timer, SIM_GUEST_VA), -XEN_EINVAL);
    set.period_ns = 10 * MS;
    memcpy(sim_memory, &set, sizeof(set));
    CU_ASSERT_EQUAL(time_op(VCPUOP_set_periodic_timer, SIM_GUEST_VA), 0);
    sim_run(1000 * MS);
    CU_ASSERT_EQUAL(me->virqs, 100);
    CU_ASSERT_EQUAL(time_op(VCPUOP_stop_periodic_timer, 0), 0);
    sim_run(100 * MS);
    CU_ASSERT_EQUAL(me->virqs, 100);
}

static struct vcpu_runstate_info read_area(uint64_t va)
{
    struct vcpu_runstate_info info;

    memcpy(&info, sim_memory + (va - SIM_GUEST_VA), sizeof(info));
    return info;
}

static void runstate_area(void)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info info;
    uint64_t va = SIM_GUEST_VA + 512;

    setup();
    CU_ASSERT_EQUAL(time_op(VCPUOP_get_runstate_info, BAD), -XEN_EFAULT);
    CU_ASSERT_EQUAL(time_op(VCPUOP_get_runstate_info, va), 0);
    info = read_area(va);
    CU_ASSERT_EQUAL(info.state, RUNSTATE_running);
    CU_ASSERT_EQUAL(info.time[RUNSTATE_running], MS);

    CU_ASSERT_EQUAL(time_op(VCPUOP_register_runstate_memory_area, BAD), -XEN_EFAULT);
    area.addr.p = BAD;
    memcpy(sim_memory, &area, sizeof(area));
    CU_ASSERT_EQUAL(time_op(VCPUOP_register_runstate_memory_area, SIM_GUEST_VA), -XEN_EFAULT);
    CU_ASSERT_EQUAL(me->vcpu.runstate_area.va, 0);
    area.addr.p = va + 64;
    memcpy(sim_memory, &area, sizeof(area));
    CU_ASSERT_EQUAL(time_op(VCPUOP_register_runstate_memory_area, SIM_GUEST_VA), 0);
    CU_ASSERT_EQUAL(read_area(va + 64).state, RUNSTATE_running);

    for (unsigned flag = 0; flag < 2; flag++) {
        me->vcpu.domain->vm_assist = (uint64_t)flag << VMASST_TYPE_runstate_update_flag;
        sim_run(10 * MS);
        vcpu_runstate_update_area(&me->vcpu);
        sched_get_runstate(&me->vcpu, &info);
        CU_ASSERT_EQUAL(memcmp(&info, sim_memory + 512 + 64, sizeof(info)), 0);
    }
}

static const struct test_case cases[] = {
    {"unknown operations", unknown_operations},
    {"block", block},
    {"shutdown", shutdown},
    {"shutdown code", shutdown_code},
    {"remote shutdown", remote_shutdown},
    {"watchdogs", watchdogs},
    {"pin override", pin_override},
    {"poll: errors", poll_errors},
    {"poll: wakes", poll_wakes},
    {"poll: times out", poll_times_out},
    {"single-shot timer", single_shot},
    {"set_timer_op", set_timer_op},
    {"periodic timer", periodic},
    {"runstate area", runstate_area},
    {NULL, NULL},
};

const struct suite suite_hcall_sched = {"hcall_sched", cases, NULL, NULL};
