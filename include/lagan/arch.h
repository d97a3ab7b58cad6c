/* SPDX-License-Identifier: MIT
 *
 * THE CONTRACT between portable code and the machine. xen/arch/x86/ implements it on the real
 * machine, unittests/arch/ on the host, where each CPU's TLB is modelled so that a missing flush
 * turns a test red. What a machine inlines comes from its own "arch_inline.h".
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>

/* ---- processors ---- */
/* unsigned arch_cpu(void): number of the CPU that runs this, 0-based and dense. [inline] */
/* void arch_relax(void): a hint inside a spin loop. [inline] */

/* The CPUs that run. Grows during boot only. */
cpumask_t arch_online_cpus(void);

/* True when a preemptible operation should save its cursor and return -XEN_ERESTART. */
bool arch_preempt_pending(void);

/* Nanoseconds since boot, monotone on each CPU and across CPUs to within a few hundred cycles. */
uint64_t arch_time_ns(void);

/* Prints the message, the state and a backtrace; stops the machine. Host: fails the test. */
LAGAN_NORETURN void arch_panic(const char *fmt, ...) LAGAN_PRINTF(1, 2);

/* ---- frames ---- */
/* void *arch_map_frame(mfn_t): address at which the hypervisor reads and writes a RAM frame;
 * constant for the frame's life, needs no unmap. The frame must be below arch_max_mfn(). [inline]
 * mfn_t arch_frame_of(const void *): its inverse. [inline]
 * ARCH_FRAME_TABLE: struct frame *, indexed by mfn. [macro] */

/* One more than the highest RAM frame. Constant after boot. */
uint64_t arch_max_mfn(void);
/* Frames of RAM in all, and those of them that never were in the heap. */
uint64_t arch_ram_pages(void);
uint64_t arch_boot_pages(void);
/* bool arch_mfn_valid(mfn_t m): true if the frame table has an entry for the frame (i.e. it is RAM
 * that we may hand out). [inline] */

void arch_clear_page(void *page);
void arch_copy_page(void *dst, const void *src);

/* SHA-256's compression function over so many blocks of 64 bytes, by the best instructions there are. */
void arch_sha256_blocks(uint32_t state[8], const void *data, size_t blocks);

/* Debug aid: tells a checker that the bytes may (not) be touched. Target: junk-fills on poison. */
void arch_poison(void *p, size_t bytes);
void arch_unpoison(void *p, size_t bytes);
/* The same for pages that are all zero, and have to be so still. Target: nothing. */
void arch_poison_zeroes(void *p, size_t bytes);
void arch_unpoison_zeroes(void *p, size_t bytes);

/* Fault injection: true when the allocation about to happen must fail. Target: always false. */
bool arch_fail_allocation(void);

/* ---- translations ---- */
/* Drops every guest translation held by the TLBs of these CPUs, and waits until it is done.
 * No lock of level LK_FLUSH or above may be held. Advances the TLB clock of each CPU (tlbclock.h).
 */
void arch_tlb_flush(cpumask_t cpus);
/* As above for the translation of one page at guest virtual address va, in whatever address space.
 */
void arch_tlb_flush_page(cpumask_t cpus, uint64_t va);

/* Machine-to-physical table, as the guest ABI defines it: one entry per frame, ~0 when none. */
void arch_m2p_set(mfn_t m, uint64_t pfn);
uint64_t arch_m2p_get(mfn_t m);
/* Where the table itself is, for XENMEM_machphys_mfn_list: in how many pieces of 2 MiB (the last
 * may be shorter), and the first frame of each; 0 for a piece that describes no RAM. */
unsigned arch_m2p_extent_count(void);
mfn_t arch_m2p_extent(unsigned i);

/* Fills the hypervisor's own slots (256..271) of a frame that is becoming an L4 table. */
void arch_l4_fill(uint64_t *table, domid_t owner);
/* Number of physical address bits of this machine: an entry with a higher bit set is malformed. */
unsigned arch_phys_bits(void);
/* How a frame that is not RAM (arch_mfn_valid() says no) may be mapped by a domain that maps
 * devices; IO_NONE also if there is no such address. Constant after boot. */
enum io_access { IO_NONE, IO_READ_ONLY, IO_ALL };
enum io_access arch_io_access(mfn_t m);
/* Writes back and drops what the processors' caches hold of a frame. */
void arch_cache_flush_frame(mfn_t m);
/* The same for all memory, on this CPU. */
void arch_cache_flush(void);
/* Machine addresses from 1 to below this may be read speculatively through page-table entries that
 * are not present (L1TF); 0 on processors that do not do that. Constant after boot. */
uint64_t arch_l1tf_limit(void);
