/* SPDX-License-Identifier: MIT
 *
 * Running code that was compiled for processes: the decoders of Debian's libraries (unpack.h). Such
 * code has four needs that ours has not: SSE registers; a stack aligned for them; sixteen words
 * below the stack pointer that no interrupt overwrites (the red zone); and the stack protector's
 * word at %fs:0x28.
 */
#pragma once

/* Calls function(argument) as such code has to be called, and returns its result. Interrupts are on
 * before, off meanwhile, and on again after: keep it short. The registers of the vCPU that may be in
 * the CPU are kept. Not nested. */
int foreign_call(int (*function)(void *argument), void *argument);
