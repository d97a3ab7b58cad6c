/* SPDX-License-Identifier: MIT
 *
 * Exceptions. A test says "run this and tell me which exception came": guarded() in the guest
 * kernel, guarded_user() in the guest's user mode. An exception outside of a guarded call ends the
 * guest with a FAIL line that names it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

/* Vectors of the kit's own besides 0..31. */
#define TRAP_INT80    128
#define TRAP_INT81    129
#define TRAP_EVENT    256
#define TRAP_SYSCALL  257
#define TRAP_NMI      258
#define TRAP_FAILSAFE 259
#define TRAP_NONE     0xffff /* no exception: the call returned */

/* As the entry stubs leave it on the stack (entry.S). */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip;
    uint32_t cs, saved_mask; /* CS has privilege 0 for the guest kernel, 3 for user mode */
    uint64_t rflags, rsp, ss;
};

/* What came out of a guarded call. */
struct fault {
    unsigned vector; /* TRAP_NONE: nothing */
    uint64_t cr2;    /* vector 14 only */
    struct trap_frame frame;
};

typedef void guarded_fn(void *argument);

/* Runs fn(argument) in the guest kernel; stops it at its first exception. */
struct fault guarded(guarded_fn *fn, void *argument);

/* Runs fn(argument) in user mode on a stack of its own with CS and SS as given (0: the flat ones)
 * and RFLAGS = IF | flags. fn must end in an exception or in user_exit(). */
struct fault guarded_user(guarded_fn *fn, void *argument);
/* As guarded_user(), with an iret frame of the caller's: RIP, CS, RFLAGS, RSP, SS as the iret
 * hypercall takes them. RDI is `argument`. */
struct iret_frame {
    uint64_t rip, cs, rflags, rsp, ss;
};
struct fault guarded_iret(const struct iret_frame *to, void *argument);

/* Leaves user mode by a system call: the call's vector is TRAP_SYSCALL, `code` is in RAX. */
static inline void user_exit(uint64_t code)
{
    __asm__ volatile("syscall" : : "a"(code) : "rcx", "r11", "memory");
}

/* The top of the stack that user mode runs on. */
uint64_t user_stack_top(void);

/* A handler of the test's for one vector: true if it has dealt with the frame. NULL: none. */
typedef bool trap_handler(struct trap_frame *frame);
void trap_set_handler(unsigned vector, trap_handler *handler);

/* DS, ES, FS and GS as the last failsafe callback's frame had them. */
extern uint64_t kit_failsafe_selectors[4];

/* The kit's trap table, for tests that put it back. */
const struct trap_info *trap_table(void);
void trap_init(void);
void trap_init_cpu(void);
void trap_fill_context(struct vcpu_guest_context *context);

/* Goes back to the interrupted place with these registers. */
void kit_leave_to(struct trap_frame *frame) __attribute__((noreturn));
