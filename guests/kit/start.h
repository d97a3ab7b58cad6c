/* SPDX-License-Identifier: MIT
 *
 * What a domain finds when it starts, noted before the kit changes any of it.
 */
#pragma once

#include <stdint.h>

/* The registers at the first instruction, as entry.S lays them out. */
struct entry_state {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t cs, ss, ds, es, fs, gs, rflags;
};
extern const struct entry_state kit_entry_state;

struct first_look {
    uint32_t signature[3]; /* CPUID 0x40000000 by the prefix, before any trap table */
    uint64_t unknown_msr;  /* an RDMSR that would fault, likewise */
    unsigned vcpus_unmasked;
    uint32_t tsc_multiplier, wall_clock_seconds;
};
extern struct first_look kit_first_look;
