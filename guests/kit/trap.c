/* SPDX-License-Identifier: MIT
 *
 * Exceptions of a test guest.
 *
 * A guarded call notes its stack pointer (entry.S: kit_guarded) and names a struct fault in struct
 * cpu. The trap handler copies the frame there and changes it, so that the iret hypercall goes to
 * kit_guard_recover() with that stack pointer, in the guest kernel, whatever the mode, segments and
 * stack of the fault were.
 */
#include "kit/trap.h"
#include "kit/hypercall.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define USER_STACK_BYTES 8192
#define STUB_COUNT       37

int kit_guarded(guarded_fn *fn, void *argument, uint64_t *saved_rsp);
void kit_guard_recover(void);
void kit_failsafe(void);
void kit_leave(void);
void kit_trap(struct trap_frame *frame);

extern const uint64_t kit_stubs[STUB_COUNT];

enum { STUB_INT80 = 32, STUB_INT81, STUB_EVENT, STUB_SYSCALL, STUB_NMI };

static struct {
    struct trap_info table[35];
    trap_handler *handler[260];
} traps;

static uint8_t user_stacks[KIT_CPUS_MAX][USER_STACK_BYTES] __attribute__((aligned(4096)));

static void register_callback(uint16_t type, uint16_t flags, uint64_t address)
{
    struct callback_register request = {.type = type, .flags = flags, .address = address};
    long rc = hv_callback(CALLBACKOP_register, &request);

    if (rc != 0) {
        check_fail("kit-callback", "type %u: %ld", type, rc);
    }
}

static void fill_table(struct trap_info *table)
{
    for (unsigned vector = 0; vector < 32; vector++) {
        table[vector].vector = (uint8_t)vector;
        table[vector].cs = FLAT_KERNEL_CS;
        table[vector].address = kit_stubs[vector];
    }
    TI_SET_DPL(&table[3], 3); /* int3 and into are for user mode too */
    TI_SET_DPL(&table[4], 3);
    table[32] = (struct trap_info){TRAP_INT80, 3, FLAT_KERNEL_CS, kit_stubs[STUB_INT80]};
    table[33] = (struct trap_info){TRAP_INT81, 0, FLAT_KERNEL_CS, kit_stubs[STUB_INT81]};
}

const struct trap_info *trap_table(void)
{
    return traps.table;
}

/* What each vCPU registers for itself, beside what VCPUOP_initialise has set. */
void trap_init_cpu(void)
{
    register_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, kit_stubs[STUB_SYSCALL]);
    register_callback(CALLBACKTYPE_nmi, 0, kit_stubs[STUB_NMI]);
}

void trap_init(void)
{
    long rc;

    fill_table(traps.table);
    rc = hv_set_trap_table(traps.table);
    if (rc != 0) {
        check_fail("kit-trap-table", "%ld", rc);
    }
    register_callback(CALLBACKTYPE_event, 0, kit_stubs[STUB_EVENT]);
    register_callback(CALLBACKTYPE_failsafe, 0, (uint64_t)kit_failsafe);
    trap_init_cpu();
    (void)hv_stack_switch(FLAT_KERNEL_SS, cpu_trap_stack(0));
}

void trap_fill_context(struct vcpu_guest_context *context)
{
    for (unsigned i = 0; i < 34; i++) {
        context->trap_ctxt[traps.table[i].vector] = traps.table[i];
    }
    context->event_callback_eip = kit_stubs[STUB_EVENT];
    context->failsafe_callback_eip = (uint64_t)kit_failsafe;
    context->syscall_callback_eip = kit_stubs[STUB_SYSCALL];
}

void trap_set_handler(unsigned vector, trap_handler *handler)
{
    traps.handler[vector] = handler;
}

static void end_guarded(struct cpu *cpu, struct trap_frame *frame)
{
    struct fault *fault = cpu->guard;

    fault->vector = (unsigned)frame->vector;
    fault->frame = *frame;
    fault->cr2 = cpu->info->arch.cr2;
    cpu->guard = NULL;
    frame->rip = (uint64_t)kit_guard_recover;
    frame->cs = FLAT_KERNEL_CS & ~3U;
    frame->ss = FLAT_KERNEL_SS;
    frame->rsp = cpu->guard_rsp;
    /* The flags as they were, but the test's own (trap flag, direction, alignment check, nested
     * task). */
    frame->rflags &= ~(uint64_t)0x54500;
}

void kit_trap(struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    trap_handler *handler = traps.handler[frame->vector];

    if (frame->vector == TRAP_EVENT) {
        cpu->upcalls++;
        event_upcall();
        return;
    }
    if (frame->vector == TRAP_NMI) {
        cpu->nmis++;
        if (handler != NULL) {
            (void)handler(frame);
        }
        return;
    }
    if (frame->vector == TRAP_FAILSAFE) {
        cpu->failsafes++;
    }
    if (handler != NULL && handler(frame)) {
        return;
    }
    if (cpu->guard != NULL) {
        end_guarded(cpu, frame);
        return;
    }
    check_fail("unexpected-exception", "vector %lu error %lx rip %lx cr2 %lx rsp %lx on vcpu %u",
               frame->vector, frame->error, frame->rip, cpu->info->arch.cr2, frame->rsp, cpu->id);
    kit_finish();
}

struct fault guarded(guarded_fn *fn, void *argument)
{
    struct fault fault = {.vector = TRAP_NONE};
    struct cpu *cpu = this_cpu();
    struct fault *outer = cpu->guard;
    uint64_t outer_rsp = cpu->guard_rsp;

    cpu->guard = &fault;
    (void)kit_guarded(fn, argument, &cpu->guard_rsp);
    cpu->guard = outer;
    cpu->guard_rsp = outer_rsp;
    return fault;
}

struct iret_request {
    const struct iret_frame *to;
    void *argument;
};

/* Runs inside kit_guarded(): leaves for the frame, never comes back this way. */
static void go_by_iret(void *argument)
{
    const struct iret_request *request = argument;
    struct trap_frame frame = {.rdi = (uint64_t)request->argument};

    frame.rip = request->to->rip;
    frame.cs = (uint32_t)request->to->cs;
    frame.rflags = request->to->rflags;
    frame.rsp = request->to->rsp;
    frame.ss = request->to->ss;
    kit_leave_to(&frame);
}

void kit_leave_to(struct trap_frame *frame)
{
    __asm__ volatile("mov %0, %%rsp; jmp kit_leave" : : "r"(frame) : "memory");
    __builtin_unreachable();
}

struct fault guarded_iret(const struct iret_frame *to, void *argument)
{
    struct iret_request request = {.to = to, .argument = argument};

    return guarded(go_by_iret, &request);
}

uint64_t user_stack_top(void)
{
    /* As after a call: 8 off a multiple of 16. */
    return (uint64_t)&user_stacks[this_cpu()->id][USER_STACK_BYTES] - 8;
}

struct fault guarded_user(guarded_fn *fn, void *argument)
{
    struct iret_frame to = {
        .rip = (uint64_t)fn,
        .cs = FLAT_USER_CS | 3,
        .rflags = upcalls_open() ? 0x202 : 0x2,
        .rsp = user_stack_top(),
        .ss = FLAT_USER_SS,
    };

    return guarded_iret(&to, argument);
}
