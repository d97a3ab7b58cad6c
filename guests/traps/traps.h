/* SPDX-License-Identifier: MIT
 *
 * The parts of the traps guest. Each prints its own checks.
 */
#pragma once

void check_exceptions(void);  /* exception.c: what the CPU raises, in kernel and in user mode */
void check_entries(void);     /* entry.c: system calls, software interrupts, iret frames, events */
void check_descriptors(void); /* descriptor.c: GDT, LDT, selector loads */
void check_emulation(void);   /* emulate.c: privileged instructions */
void check_registers(void);   /* hypercall.c: debug registers, segment bases, FPU, multicall */
void check_flags(void);       /* flags.c: RFLAGS at each entry, single steps, failsafe */
void check_nmis(void);        /* nmi.c: NMIs from VCPUOP_send_nmi and their masking */
void check_small(void);       /* small.c: what kernels smaller than Linux rely on */
void check_pointers(void);    /* pointer.c: bad pointers, unknown numbers */
