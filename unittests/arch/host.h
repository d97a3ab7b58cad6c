/* SPDX-License-Identifier: MIT
 *
 * The host machine: what tests set up and steer. It implements lagan/arch.h; host_tlb.h is its
 * TLBs.
 */
#pragma once

#include <setjmp.h>

#include <lagan/types.h>

/* RAM of the host machine: one range on each side of 4 GiB, so that both zones exist. */
#define HOST_LOW_START  0x10UL
#define HOST_HIGH_START 0x100000UL
#define HOST_MAX_MFN    0x110000UL /* the arena ends here: 4 GiB + 256 MiB */

#define HOST_CPUS 4

/* A new machine: `low` frames of RAM from HOST_LOW_START, `high` from HOST_HIGH_START, all of it
 * unreadable until allocated, frame table zero, this thread is CPU 0, no injected faults.
 * The heap is not filled; host_heap() (host_heap.c) does that,
 * empties the TLBs and gives all RAM to the heap. */
void host_reset(uint64_t low, uint64_t high);
void host_heap(uint64_t low, uint64_t high);

/* This thread is CPU `cpu` from now on; no other thread may be it at the same time. */
void host_enter_cpu(unsigned cpu);

/* The n-th allocation from now on (1: the next) fails, once; of this thread. */
void host_fail_after(unsigned n);
/* Ends it. True if the failure was injected. */
bool host_fail_off(void);

/* arch_preempt_pending() says yes at each n-th question of this thread; 0: never. */
void host_preempt_every(unsigned n);
/* The same at the n-th question only. */
void host_preempt_once(unsigned n);
/* How often it has said yes. */
unsigned host_preempt_count(void);
/* The most frames that lost their guest frame number (which each does that is given back) between two
 * looks for preemption, since this was asked last. */
unsigned host_longest_work(void);

/* Frame numbers that are not RAM: not to be mapped by any guest, or only for reading. Others above
 * HOST_MAX_MFN are devices that may be. */
#define HOST_OWN_DEVICE  0x200000UL
#define HOST_SEEN_DEVICE 0x200010UL
/* While it is on, threads give way now and then just after they have taken a lock,
 * and wherever they could be preempted. */
void host_set_noise(bool on);
/* Frames written back from the caches, since the program's start. */
unsigned host_cache_flush_count(void);
/* What arch_l1tf_limit() says; 0 (nothing at risk) at the start. */
void host_set_l1tf_limit(uint64_t limit);

void host_set_time(uint64_t ns);
/* Called before a page is copied, with where to: what a guest might do at this moment. NULL: nothing. */
void host_on_copy(void (*call)(void *to));
void host_set_online(unsigned cpus);

/* The bytes written by printk() since the last call, up to 4 KiB; for tests of messages. */
const char *host_log(void);

/* Runs a statement that must stop the machine (arch_panic(), ASSERT, BUG_ON); true if it did. Locks
 * held at that point are let go; what they guard may be half-changed: reset the machine. */
extern _Thread_local jmp_buf *host_panic_target;
void host_panic_caught(void);
#define HOST_PANICS(statement)            \
    __extension__({                       \
        jmp_buf host_jump;                \
        volatile bool host_caught = true; \
        host_panic_target = &host_jump;   \
        if (setjmp(host_jump) == 0) {     \
            statement;                    \
            host_caught = false;          \
        }                                 \
        host_panic_target = NULL;         \
        if (host_caught)                  \
            host_panic_caught();          \
        host_caught;                      \
    })
