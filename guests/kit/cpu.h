/* SPDX-License-Identifier: MIT
 *
 * vCPUs. Each has a region of 32 KiB, aligned to its size: struct cpu at its bottom, the stack for
 * entries from user mode below its middle, the kernel stack below its top. A vCPU finds itself by
 * its stack pointer, so that tests may do to GS and FS what they like.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

#define KIT_CPUS_MAX     8
#define KIT_REGION_BYTES 32768

struct fault;

struct cpu {
    unsigned id;
    vcpu_info_t *info;           /* in shared_info, or where it was registered */
    struct fault *guard;         /* a guarded call is running: where its fault goes */
    uint64_t guard_rsp;          /* the stack pointer to leave it with */
    volatile uint64_t upcalls;   /* event callbacks taken */
    volatile uint64_t nmis;      /* NMI callbacks taken */
    volatile uint64_t failsafes; /* failsafe callbacks taken */
    uint32_t fifo_head[16];      /* event_fifo.c */
    void (*main)(void *);        /* what an AP runs */
    void *argument;
};

union cpu_region {
    struct cpu cpu;
    uint8_t bytes[KIT_REGION_BYTES];
};

extern union cpu_region kit_cpu_regions[KIT_CPUS_MAX];

/* This vCPU. */
static inline struct cpu *this_cpu(void)
{
    uint64_t sp;

    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu *)(sp & ~(uint64_t)(KIT_REGION_BYTES - 1));
}

static inline struct cpu *cpu_by_id(unsigned id)
{
    return &kit_cpu_regions[id].cpu;
}

static inline uint64_t cpu_trap_stack(unsigned id)
{
    return (uint64_t)&kit_cpu_regions[id].bytes[KIT_REGION_BYTES / 2];
}

static inline uint64_t cpu_kernel_stack(unsigned id)
{
    return (uint64_t)&kit_cpu_regions[id].bytes[KIT_REGION_BYTES];
}

/* How many vCPUs the domain has (asked of VCPUOP_is_up), at most KIT_CPUS_MAX. */
unsigned cpu_count(void);

/* Fills what VCPUOP_initialise wants to run main(argument) on vCPU id: the kit's traps and
 * callbacks, the present page tables, its own stack, no GDT of its own. */
void cpu_context(unsigned id, struct vcpu_guest_context *context);
/* Initialises and starts vCPU id. 0 or the hypercall's error. When main returns, the vCPU takes
 * itself down; when it is brought up again it calls main once more. */
long cpu_start(unsigned id, void (*main)(void *), void *argument);

void cpu_init_boot(void);
