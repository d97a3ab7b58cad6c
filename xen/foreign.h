/* SPDX-License-Identifier: MIT
 *
 * Running code that was compiled for processes: the decoders of Debian's libraries (unpack.h). Such
 * code has three needs that ours has not: SSE registers; eight words below the stack pointer that
 * no interrupt overwrites (the red zone); and the stack protector's word at %fs:0x28.
 */
#pragma once

/* Between the two, on this CPU, such code may be called. Interrupts are on before, off between, and
 * on again after: keep it short. The registers of the vCPU that may be in the CPU are kept. No
 * lock need be held; not nested. */
void foreign_begin(void);
void foreign_end(void);
