/* SPDX-License-Identifier: MIT
 *
 * See core_world.h. As in sim_sched.c, arch_context_switch() jumps back to where that CPU entered
 * softirq_run().
 */
#include "unittests/core_world.h"

#include <stdlib.h>
#include <string.h>

#include "arch_current.h"
#include "arch_inline.h"
#include "mm/pcache.h"
#include "mm/spare.h"
#include "xen/arch/x86/layout.h"
#include "xen/books.h"
#include "xen/guest_access.h"
#include "xen/sched_internal.h"
#include "xen/softirq.h"
#include "xen/topology.h"

struct core_cpu {
    _Atomic uint32_t softirqs;
    uint64_t timer_at;
    struct vcpu *current;
};

static struct core_cpu cpus[MAX_CPUS];
static uint64_t free_pages, now;
static jmp_buf *way_back;

_Thread_local struct vcpu *host_current;
struct cpu_place cpu_place[MAX_CPUS];
uint8_t core_memory[CORE_BYTES];
unsigned core_restarts;
void (*core_during_copy)(void);

/* ---- processors ---- */

_Atomic uint32_t *arch_softirq_word(unsigned cpu)
{
    return &cpus[cpu].softirqs;
}

void arch_poke_cpu(unsigned cpu)
{
    (void)cpu; /* all CPUs look at their softirqs anyway */
}

void arch_timer_program(uint64_t when_ns)
{
    cpus[arch_cpu()].timer_at = when_ns;
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct core_cpu *c = &cpus[arch_cpu()];

    if (c->current != prev || prev == next)
        abort();
    c->current = next;
    host_current = next;
    sched_switch_done(prev);
    longjmp(*way_back, 1);
}

void console_softirq(void)
{
}

void time_softirq(void)
{
}

void log_softirq(void)
{
}

void pirq_softirq(void)
{
}

void core_enter(unsigned cpu)
{
    host_enter_cpu(cpu);
    host_current = cpus[cpu].current;
}

static void visit(unsigned cpu)
{
    jmp_buf here;

    core_enter(cpu);
    way_back = &here;
    (void)setjmp(here);
    softirq_run();
}

void core_settle(void)
{
    bool again;

    do {
        again = false;
        for (unsigned c = 0; c < HOST_CPUS; c++)
            if (atomic_load(&cpus[c].softirqs)) {
                visit(c);
                again = true;
            }
    } while (again);
    core_enter(0);
}

void core_pass(uint64_t ns)
{
    uint64_t end = now + ns;

    for (;;) {
        uint64_t next = end;

        core_settle();
        for (unsigned c = 0; c < HOST_CPUS; c++)
            next = min_u64(next, cpus[c].timer_at);
        now = max_u64(now, next);
        host_set_time(now);
        for (unsigned c = 0; c < HOST_CPUS; c++)
            if (cpus[c].timer_at <= now) {
                cpus[c].timer_at = UINT64_MAX;
                core_enter(c);
                softirq_raise(SOFTIRQ_TIMER);
            }
        core_settle();
        if (now >= end)
            return;
    }
}

bool core_runs(struct vcpu *v)
{
    return cpus[sched_cpu_of(v)].current == v;
}

/* ---- the machine ---- */

void core_start(uint64_t pages)
{
    host_heap(pages, 0);
    accounts_init();
    grants_init();
    if (!spare_init()) /* the fuzzers have no suite to fail in */
        abort();
    pcache_init();
    if (ubc_init(0))
        abort();
    pressure_start();
    now = 1000000000;
    host_set_time(now);
    memset(cpus, 0, sizeof(cpus));
    memset(&sched_state, 0, sizeof(sched_state));
    memset(core_memory, 0, sizeof(core_memory));
    core_restarts = 0;
    core_during_copy = NULL;
    core_stub = NULL;
    (void)!sched_set_slice(10);
    domain_ids_start();
    for (unsigned c = 0; c < HOST_CPUS; c++) {
        cpus[c].timer_at = UINT64_MAX;
        cpu_place[c].package = c;
        core_enter(c);
        timer_cpu_init(c);
        sched_cpu_init(c);
    }
    core_enter(0);
    core_settle();
    slab_trim();
    free_pages = heap_free_pages();
}

void core_audit(void)
{
    struct books books;

    for (struct domain *d = domain_find_next(0); d;) {
        domid_t next = (domid_t)(d->id + 1);

        event_audit(d);
        domain_put(d);
        d = domain_find_next(next);
    }
    sched_audit();
    for (unsigned c = 0; c < HOST_CPUS; c++)
        timer_audit(c);
    if (!books_add_up(&books))
        arch_panic("INV-BOOKS-1: %lu pages free, %lu in domains, %lu used of %lu", books.free,
                   books.domains, books.hypervisor, books.ram);
    if (mm_audit())
        arch_panic("mm_audit: %s", host_log());
}

bool core_gone(void)
{
    bool empty = domain_count() == 0;
    struct books books;

    core_pass(1000000);
    for (unsigned c = 0; c < HOST_CPUS; c++)
        empty = empty && sched_state.runq[c].home == 0;
    slab_trim();
    core_audit();
    heap_audit();
    return empty && books_add_up(&books) && mm_audit_held() == 0 && heap_free_pages() == free_pages;
}

/* ---- domains ---- */

void core_vcpu_up(struct vcpu *v)
{
    v->initialised = true;
    v->down = false;
    vcpu_wake(v);
    core_settle();
}

struct domain *core_domain(unsigned vcpus, uint64_t max_pages)
{
    struct domain_config config = {.id = DOMID_INVALID, .vcpus = vcpus, .max_pages = max_pages};
    struct domain *d;

    if (domain_create(&config, &d))
        abort();
    domain_unpause(d);
    core_vcpu_up(d->vcpu[0]);
    return d;
}

void core_kill(struct domain *d)
{
    domain_shutdown(d, SHUTDOWN_poweroff); /* one thread cannot wait for another CPU */
    core_settle();
    for (unsigned turn = 0; domain_kill(d) != 0; turn++) {
        core_settle();
        if (turn > 100000)
            abort(); /* it never ends */
    }
    domain_put(d);
}

mfn_t core_frame(struct domain *d)
{
    mfn_t m;

    if (account_alloc(&d->account, 0, HEAP_ANY, &m))
        abort();
    return m;
}

#define NO_ARGUMENT 0x9999

int64_t core_call(struct vcpu *v, uint64_t nr, const struct hypercall_args *first)
{
    struct hypercall_args call = *first, *args = &call;
    int64_t result;

    call.a[5] = NO_ARGUMENT;
    if (!core_runs(v))
        return CORE_ASLEEP;
    core_enter(sched_cpu_of(v));
    result = hypercall_call(nr, args);
    for (unsigned turn = 0; v->hypercall.restart; turn++) {
        struct hypercall_args again = v->hypercall.args;

        v->hypercall.restart = false;
        if (again.a[5] != NO_ARGUMENT)
            arch_panic("a restarted call has changed what is no argument, and the guest's to keep");
        core_restarts++;
        core_settle();
        if (!core_runs(v))
            return CORE_ASLEEP;
        if (turn > 100000)
            abort();
        core_enter(sched_cpu_of(v));
        result = hypercall_call(nr, &again);
    }
    core_settle();
    return result;
}

/* ---- guest memory ---- */

static bool mapped(guest_ptr_t p, size_t bytes, uint64_t size)
{
    if (core_during_copy) {
        void (*other)(void) = core_during_copy;

        core_during_copy = NULL;
        other();
    }
    return p.va >= CORE_VA && bytes <= size && p.va - CORE_VA <= size - bytes;
}

bool guest_range_ok(guest_ptr_t p, uint64_t bytes)
{
    uint64_t end;

    return !add_overflows(p.va, bytes, &end) && (end <= VA_HV_START || p.va >= VA_HV_END);
}

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    if (!mapped(src, bytes, CORE_BYTES))
        return -XEN_EFAULT;
    memcpy(dst, core_memory + (src.va - CORE_VA), bytes);
    return 0;
}

int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes)
{
    if (!mapped(dst, bytes, CORE_BYTES - PAGE_SIZE))
        return -XEN_EFAULT;
    memcpy(core_memory + (dst.va - CORE_VA), src, bytes);
    return 0;
}

int clear_guest(guest_ptr_t dst, size_t bytes)
{
    if (!mapped(dst, bytes, CORE_BYTES - PAGE_SIZE))
        return -XEN_EFAULT;
    memset(core_memory + (dst.va - CORE_VA), 0, bytes);
    return 0;
}
