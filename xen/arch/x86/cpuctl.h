/* SPDX-License-Identifier: MIT
 *
 * Interrupt flag, sleep, and the debug status register of this CPU.
 */
#pragma once

#include <lagan/types.h>

#define DR6_DEFAULT UINT64_C(0xffff0ff0)

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* With interrupts off: sleeps until one arrives and has been handled. None can slip in between STI
 * and HLT. */
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline uint64_t read_dr6(void)
{
    uint64_t value;

    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

static inline void write_dr6(uint64_t value)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(value));
}
