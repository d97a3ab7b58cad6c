/* SPDX-License-Identifier: MIT
 *
 * The small duties of the machine's contract (lagan/arch.h) that need no file of their own.
 */
#include <lagan/arch.h>

#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/uart.h"
#include "xen/console.h"
#include "xen/softirq.h"

void arch_clear_page(void *page)
{
    size_t words = PAGE_SIZE / 8;

    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0) : "memory");
}

void arch_copy_page(void *dst, const void *src)
{
    size_t words = PAGE_SIZE / 8;

    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
}

/* Poisoning is for checkers that run on the host; here freed memory is cleared soon. */
void arch_poison(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

void arch_unpoison(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

void arch_poison_zeroes(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

void arch_unpoison_zeroes(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}

bool arch_fail_allocation(void)
{
    return false;
}

bool arch_preempt_pending(void)
{
    return softirq_pending();
}

void arch_poke_cpu(unsigned cpu)
{
    apic_send_ipi(cpu, VECTOR_EVENT_CHECK);
}

int arch_console_read(void)
{
    return uart_read();
}
