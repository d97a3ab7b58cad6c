/* SPDX-License-Identifier: MIT
 *
 * Running code that was compiled for processes: the decoders of Debian's libraries (unpack.h). Such
 * code has four needs that ours has not: SSE registers; a stack aligned for them; sixteen words
 * below the stack pointer that no interrupt overwrites (the red zone); and the stack protector's
 * word at %fs:0x28.
 */
#pragma once

#include <lagan/types.h>

/* Calls function(argument) as such code has to be called, and returns its result. Interrupts are on
 * before, off meanwhile, and on again after: keep it short. The registers of the vCPU that may be in
 * the CPU are kept. Not nested. */
int foreign_call(int (*function)(void *argument), void *argument);

/* Around what such code calls of ours. foreign_pause() lets interrupts in again if a call is under
 * way on this CPU, and says so; foreign_resume() is told what it has said. In between everything may
 * be done that may be done with interrupts on: waiting for other CPUs, which may be waiting for us. */
bool foreign_pause(void) LAGAN_MUST_CHECK;
void foreign_resume(bool paused);
