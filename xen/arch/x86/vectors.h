/* SPDX-License-Identifier: MIT
 *
 * Which interrupt vector of which CPU belongs to which device interrupt. Each CPU has vectors of its
 * own, so their number grows with the machine.
 *
 * Whoever hands out or takes back holds no lock of level LK_IRQ or above; looking up needs none, and
 * is what interrupt handlers do.
 */
#pragma once

#include <lagan/types.h>

/* Above the serial port's, below all of the hypervisor's own (interrupt.h). */
#define VECTOR_DEVICE_FIRST 0x40
#define VECTOR_DEVICE_LAST  0xef
#define VECTOR_DEVICE_COUNT (VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1)
#define VECTOR_BLOCK_MAX    32 /* as many messages as a function may have by MSI */

#define VECTOR_IRQ_MAX 0x7ffe /* the highest number that an interrupt may have */

/* A vector on a CPU; vector 0: none. */
struct vector_place {
    uint16_t cpu;
    uint8_t vector;
};

struct vector_use {
    bool used;
    bool level;   /* its pin has to be masked before the local APIC is told of the end */
    uint16_t irq; /* the device interrupt */
};

/* A block of `count` vectors (a power of two, up to VECTOR_BLOCK_MAX) that follow one another, the
 * first a multiple of count: for interrupts irq, irq + 1, ... 0, or -XEN_ENOSPC. */
int vectors_alloc(unsigned cpu, unsigned count, uint16_t irq, bool level,
                  struct vector_place *first) LAGAN_MUST_CHECK;
/* This very vector, if it is free: true. */
bool vectors_claim(struct vector_place place, uint16_t irq, bool level) LAGAN_MUST_CHECK;
/* No interrupt is sent there any more; one that is still on its way finds no use, and is a stray.
 * Nothing happens for vector 0. */
void vectors_free(struct vector_place place);

/* By interrupt handlers too. */
struct vector_use vectors_look_up(unsigned cpu, unsigned vector);
/* How many are in use on a CPU. */
unsigned vectors_count(unsigned cpu);
