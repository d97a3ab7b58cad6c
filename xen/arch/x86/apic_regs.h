/* SPDX-License-Identifier: MIT
 *
 * The local APIC's registers, by their offset in xAPIC mode, and their bits. Between apic.c and
 * apic_timer.c.
 */
#pragma once

#include <lagan/types.h>

enum apic_register {
    APIC_ID = 0x020,
    APIC_VERSION = 0x030,
    APIC_TPR = 0x080,
    APIC_EOI = 0x0b0,
    APIC_SPURIOUS = 0x0f0,
    APIC_ISR = 0x100, /* 8 words, 16 bytes apart */
    APIC_ESR = 0x280,
    APIC_LVT_CMCI = 0x2f0,
    APIC_ICR_LOW = 0x300,
    APIC_ICR_HIGH = 0x310, /* xAPIC only */
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_THERMAL = 0x330,
    APIC_LVT_PERF = 0x340,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_COUNT = 0x380, /* writing it starts the timer; 0 stops it */
    APIC_TIMER_NOW = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

#define ICR_FIXED   0x000u
#define ICR_NMI     0x400u
#define ICR_INIT    0x500u
#define ICR_STARTUP 0x600u
#define ICR_PENDING 0x1000u
#define ICR_ASSERT  0x4000u

#define LVT_NMI      0x00400u
#define LVT_MASKED   0x10000u
#define LVT_ONE_SHOT 0x00000u
#define LVT_DEADLINE 0x40000u

#define SPURIOUS_ENABLE 0x100u
#define DIVIDE_BY_1     0xbu

uint32_t apic_read(enum apic_register reg);
void apic_write(enum apic_register reg, uint32_t value);

/* Part of apic_cpu_init(): puts this CPU's timer in its mode, stopped. */
void apic_timer_cpu_init(void);
