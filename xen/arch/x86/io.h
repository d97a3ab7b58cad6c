/* SPDX-License-Identifier: MIT
 *
 * Port I/O and accesses to device registers in memory. A device page is reached through a pointer
 * that map_device() returned; the accessors below make each access exactly one load or store of its
 * width.
 */
#pragma once

#include <lagan/types.h>

static inline uint8_t in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %w1, %b0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t v;

    __asm__ volatile("inw %w1, %w0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %b0, %w1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %w0, %w1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port) : "memory");
}

/* About a microsecond on real machines: lets an old ISA device settle between two accesses. */
static inline void io_delay(void)
{
    out8(0x80, 0);
}

static inline uint32_t mmio_read32(const volatile void *base, unsigned offset)
{
    return *(const volatile uint32_t *)((const volatile uint8_t *)base + offset);
}

static inline uint64_t mmio_read64(const volatile void *base, unsigned offset)
{
    return *(const volatile uint64_t *)((const volatile uint8_t *)base + offset);
}

static inline void mmio_write8(volatile void *base, unsigned offset, uint8_t v)
{
    *((volatile uint8_t *)base + offset) = v;
}

static inline void mmio_write16(volatile void *base, unsigned offset, uint16_t v)
{
    *(volatile uint16_t *)((volatile uint8_t *)base + offset) = v;
}

static inline void mmio_write32(volatile void *base, unsigned offset, uint32_t v)
{
    *(volatile uint32_t *)((volatile uint8_t *)base + offset) = v;
}

static inline void mmio_write64(volatile void *base, unsigned offset, uint64_t v)
{
    *(volatile uint64_t *)((volatile uint8_t *)base + offset) = v;
}
