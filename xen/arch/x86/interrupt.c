/* SPDX-License-Identifier: MIT
 *
 * From a vector to its handler. The table is filled at boot and constant afterwards.
 */
#include <stdatomic.h>

#include <lagan/assert.h>

#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/vectors.h"

static void (*handlers[256])(void);
static _Atomic unsigned long strays;

void interrupt_set_handler(unsigned vector, void (*handler)(void))
{
    BUG_ON(vector < VECTOR_FIRST || vector > 255);
    handlers[vector] = handler;
}

void interrupt(unsigned vector)
{
    if (handlers[vector]) {
        handlers[vector]();
        return;
    }
    if (vector >= VECTOR_DEVICE_FIRST && vector <= VECTOR_DEVICE_LAST) {
        pirq_interrupt(vector);
        return;
    }
    atomic_fetch_add_explicit(&strays, 1, memory_order_relaxed);
    /* The spurious vector is the one interrupt that must not be acknowledged. */
    if (vector != VECTOR_SPURIOUS)
        apic_eoi();
}

unsigned long interrupt_strays(void)
{
    return atomic_load_explicit(&strays, memory_order_relaxed);
}
