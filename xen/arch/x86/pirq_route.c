/* SPDX-License-Identifier: MIT
 *
 * Where a device's interrupt is sent: a vector of a CPU, which an entry of the IO-APIC or a message
 * names.
 *
 * It goes to the CPU on which the vCPU that wants it ran last, so that telling it takes no
 * interprocessor interrupt. When the vCPU has moved, so does the interrupt, once it has come to the
 * wrong CPU some times in a row. Its vector there may have been sent already when it moves: the
 * former place stays its own until it moves again, by when whatever was on its way has long
 * arrived.
 *
 * A message may be sent while it is changed. With a mask bit it is masked meanwhile. Without one
 * (plain MSI) it moves only if its vector is free on the other CPU too: then one word changes, and
 * that in one write (INV-PIRQ-4). Groups of messages share their word: they stay.
 */
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/ioapic.h"
#include "xen/arch/x86/pirq_int.h"
#include "xen/domain.h"
#include "arch_inline.h"

static uint16_t number_of(const struct pirq *p)
{
    return (uint16_t)(p - pirqs);
}

unsigned pirq_best_cpu(const struct pirq *p)
{
    unsigned cpu = p->owner->vcpu[p->vcpu]->sched.cpu;

    return apic_id_of(cpu) <= MSI_APIC_ID_MAX ? cpu : 0;
}

void pirq_mask(struct pirq *p, bool masked)
{
    if (p->kind == PIRQ_MESSAGE)
        msi_mask(&p->source, masked);
    else if (masked)
        ioapic_mask(number_of(p));
    else
        ioapic_unmask(number_of(p));
}

/* Has it sent to p->at. */
static int send_there(const struct pirq *p)
{
    uint32_t target = apic_id_of(p->at.cpu);

    if (p->kind == PIRQ_GSI)
        return ioapic_route(number_of(p), p->at.vector, p->level, p->low, p->at.cpu);
    msi_write(&p->source, msi_message(target, p->at.vector), p->group);
    return 0;
}

void pirq_send(const struct pirq *p)
{
    ASSERT(p->kind == PIRQ_MESSAGE);
    BUG_ON(send_there(p)); /* only a pin's may not work */
}

int pirq_route(struct pirq *p, unsigned cpu)
{
    int rc = vectors_alloc(cpu, 1, number_of(p), p->level, &p->at);

    if (rc)
        return rc;
    rc = send_there(p);
    if (rc)
        pirq_unroute(p);
    return rc;
}

void pirq_unroute(struct pirq *p)
{
    vectors_free(p->at);
    vectors_free(p->was);
    p->at = p->was = (struct vector_place){0, 0};
}

/* The new place; false: there is none. */
static bool find_place(struct pirq *p, unsigned cpu, struct vector_place *to)
{
    bool exact = p->kind == PIRQ_MESSAGE && !p->source.msix && !p->source.maskable;

    *to = (struct vector_place){(uint16_t)cpu, p->at.vector};
    if (exact)
        return vectors_claim(*to, number_of(p), p->level);
    return vectors_alloc(cpu, 1, number_of(p), p->level, to) == 0;
}

void pirq_move(struct pirq *p, unsigned cpu)
{
    struct vector_place to, from = p->at;
    bool maskable = p->kind == PIRQ_GSI || p->source.msix || p->source.maskable;

    ASSERT(!p->in_service && p->port);
    if (p->group > 1 || from.cpu == cpu)
        return;
    vectors_free(p->was);
    p->was = (struct vector_place){0, 0};
    if (!find_place(p, cpu, &to))
        return;
    if (maskable)
        pirq_mask(p, true);
    p->was = from;
    p->at = to;
    if (send_there(p)) { /* an IO-APIC that cannot name the CPU */
        p->at = from;
        p->was = (struct vector_place){0, 0};
        vectors_free(to);
        BUG_ON(send_there(p));
    }
    if (maskable && !p->quiet)
        pirq_mask(p, false);
}
