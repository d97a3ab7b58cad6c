/* SPDX-License-Identifier: MIT
 *
 * A machine for the core: real memory management, events, scheduler and domains on the host's CPUs,
 * one thread playing all of them. The processor's part of a domain (registers, descriptor tables)
 * is reduced to a page each, to be allocated and freed, and a base pointer.
 *
 * Guests' memory, for the decoders, is one buffer at CORE_VA that all of them see. Its last page
 * can be read only; what is around it faults.
 */
#pragma once

#include <CUnit/CUnit.h>
#include <setjmp.h>

#include "mm/heap.h"
#include "mm/type.h"
#include "unittests/arch/host.h"
#include "unittests/suite.h"
#include "xen/domain.h"
#include "xen/hypercall.h"

#define CORE_VA       UINT64_C(0x100000)
#define CORE_BYTES    UINT64_C(0x10000)
#define CORE_READONLY (CORE_VA + CORE_BYTES - PAGE_SIZE)
#define CORE_BAD      UINT64_C(0x200000)           /* faults */
#define CORE_HV       UINT64_C(0xffff830000000000) /* the hypervisor's */
#define CORE_ASLEEP   INT64_C(0x5a5a5a5a)          /* core_call(): the vCPU does not run */

extern uint8_t core_memory[CORE_BYTES];

/* A new machine with `pages` of RAM below 4 GiB, no domains, time 1 s. */
void core_start(uint64_t pages);
/* True if no domain is left, every page came back, and all is sound. */
bool core_gone(void);
static inline void core_end(void)
{
    CU_ASSERT_TRUE(core_gone());
}
/* Audits events, memory, scheduler and timers; stops the machine at a fault. */
void core_audit(void);

/* A domain that runs: created, unpaused, vCPU 0 up. Both references are the test's. */
struct domain *core_domain(unsigned vcpus, uint64_t max_pages);
/* Takes it apart to the end and drops both references. */
void core_kill(struct domain *d);
/* Makes it runnable. */
void core_vcpu_up(struct vcpu *v);
mfn_t core_frame(struct domain *d);

/* This thread plays the CPU. */
void core_enter(unsigned cpu);
/* All CPUs run their softirqs until none has any. */
void core_settle(void);
/* Moves time on, timers fire. */
void core_pass(uint64_t ns);
/* True if v is on a CPU. */
bool core_runs(struct vcpu *v);

/* v makes a hypercall and, while it is told to, makes it again; CORE_ASLEEP if it cannot. */
int64_t core_call(struct vcpu *v, uint64_t nr, const struct hypercall_args *args);
#define CORE_CALL(v, nr, ...) core_call(v, nr, &(struct hypercall_args){{__VA_ARGS__}})
/* How often calls were made again so far. */
extern unsigned core_restarts;
/* Called in the middle of the next copy to or from the guest, once: what another CPU does then. */
extern void (*core_during_copy)(void);
/* ... while the registers of a vCPU are printed, which takes long on the machine. */
extern void (*core_during_dump)(void);

/* Leaves of the machine's CPUID; debug keys that were pressed, the last in the lowest byte. */
#define CORE_LEAVES 7U
extern unsigned core_keys;
#define CORE_LOG 1000U
extern uint32_t core_log_start;

/* Called in the middle of domain_create(): what another CPU does then. */
extern void (*core_during_create)(struct domain *d);

/* What stands for physdev_op: tests make it behave as they need. NULL: -XEN_ENOSYS. */
extern int64_t (*core_stub)(const struct hypercall_args *args);
/* What the stand-in for iret returns. */
#define CORE_IRET_RESULT 77

/* The place of guest memory `offset` bytes in, for the guest and for us. */
static inline uint64_t core_va(uint64_t offset)
{
    return CORE_VA + offset;
}
static inline void *core_at(uint64_t offset)
{
    return core_memory + offset;
}

/* arch_vcpu_start_of_day(): what it was given last. */
struct pv_start;
extern struct pv_start core_started;

/* Bytes of boot modules that were given to the heap. */
extern uint64_t core_released;
/* Called when memory is given back, once: what another CPU does just then. */
extern void (*core_during_release)(void);

/* The end of the host: bootdomains' statement ends here with a status, or with CORE_RUNNING. */
#define CORE_RUNNING (-1)
extern jmp_buf *core_power_off;
extern int core_exit_status;
/* What screen_info() says: no screen, at first. */
extern size_t core_screen_bytes;
extern bool core_restarted; /* by machine_restart() */
/* What arch_set_wallclock() was told. */
extern uint64_t core_wallclock;
