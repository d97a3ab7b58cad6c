/* SPDX-License-Identifier: MIT
 *
 * Physical interrupts: their arrival, and who gets them.
 *
 * A handler takes no locks, so it leaves a note: a bit for the vector in its CPU's set. The softirq
 * looks up whose it is, and makes the event channel pending.
 *
 *   edge, message   The handler tells the local APIC of the end at once. What comes before the
 *                   softirq has looked is one with it; the second time the handler leaves it in
 *                   service, so that it cannot come a third time.
 *   level           The pin stays high until the domain has served the device, so it has to be
 *                   masked before the local APIC forgets it; and masking takes the IO-APIC's lock.
 *                   So the handler leaves the interrupt in service, which holds up all device
 *                   vectors of its class and below on this CPU, and counts what the CPU owes.
 *                   The softirq masks the pins, then pays. The domain's EOI unmasks the pin.
 *
 * An APIC retires the highest vector in service, whichever was meant. So the softirq pays only when
 * all in service have been masked, which it makes sure of with interrupts off:
 *
 *      softirq                              handler (same CPU)
 *      takes the set; masks their pins
 *                                           another level interrupt: owed = 2, its bit is set
 *      interrupts off; the set is not empty: again
 *      takes the set; masks its pin
 *      interrupts off; the set is empty: every one in service is masked: pays 2
 *
 * Other handlers do not get between: they retire their own before they return, and it is the
 * highest then.
 *
 * The domain may call EOI before this CPU has paid: the pin is unmasked, but stays silent until the
 * local APIC has told the IO-APIC of the end.
 *
 * INV-PIRQ-1: bound (port != 0)  =>  mapped (owner != NULL) and routed (at.vector != 0).
 * INV-PIRQ-2: level and bound  =>  its pin is masked exactly while it is in service or quiet.
 *             in_service => level and bound.
 * INV-PIRQ-3: a port that is bound to a number is named by it: event_audit() looks from the other
 *             side.
 * INV-PIRQ-4: see pirq_route.c. INV-PIRQ-5: see pirq_storm.c.
 */
#include <lagan/nospec.h>

#include "mm/type.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/pirq_int.h"
#include "xen/domain.h"
#include "xen/event.h"
#include "xen/softirq.h"
#include "arch_inline.h"

#define WORD_BITS    64U
#define VECTOR_WORDS (256 / WORD_BITS)
#define STRANGE_MAX  32 /* so often on the wrong CPU, and it moves */

struct pirq pirqs[PIRQ_COUNT];

static struct {
    struct {
        _Atomic uint64_t arrived[VECTOR_WORDS]; /* set by the handler, taken by the softirq */
        unsigned
            owed; /* local-APIC EOIs; both sides are on this CPU, the softirq with interrupts off */
    } cpu[MAX_CPUS];
    _Atomic unsigned long strays;
    /* The control domain's page of bits (pirq_set_eoi_page()). */
    _Atomic(uint64_t *) eoi_bits;
    _Atomic bool auto_unmask; /* EOI unmasks the event channel too */
} arrivals;

/* ---- arrival ---- */

void pirq_interrupt(unsigned vector)
{
    unsigned cpu = arch_cpu();
    uint64_t bit = UINT64_C(1) << vector % WORD_BITS;
    uint64_t before = atomic_fetch_or_explicit(&arrivals.cpu[cpu].arrived[vector / WORD_BITS], bit,
                                               memory_order_relaxed);

    if (vectors_look_up(cpu, vector).level || (before & bit))
        arrivals.cpu[cpu].owed++;
    else
        apic_eoi();
    softirq_raise(SOFTIRQ_PIRQ);
}

static void note_stray(void)
{
    atomic_fetch_add_explicit(&arrivals.strays, 1, memory_order_relaxed);
}

static bool same_place(struct vector_place a, struct vector_place b)
{
    return a.cpu == b.cpu && a.vector == b.vector;
}

/* It came to a CPU where the vCPU that wants it does not run: more often than by chance? A level one
 * moves at its next EOI. */
static void consider_move(struct pirq *p)
{
    unsigned best = pirq_best_cpu(p);

    if (p->at.cpu == best) {
        p->strange = 0;
    } else if (p->strange < STRANGE_MAX) {
        p->strange++;
    } else if (!p->level) {
        p->strange = 0;
        pirq_move(p, best);
    }
}

/* p's lock is held. */
static void deliver(struct pirq *p)
{
    if (p->level) {
        pirq_mask(p, true);
        p->in_service = p->port != 0;
    }
    pirq_storm_count(p);
    if (!p->port) {
        note_stray();
        return;
    }
    p->count++;
    event_raise_pirq(p->owner, p->port, (uint32_t)(p - pirqs));
    if (!p->quiet)
        consider_move(p);
}

static void serve(unsigned cpu, unsigned vector)
{
    struct vector_place here = {(uint16_t)cpu, (uint8_t)vector};
    struct vector_use use = vectors_look_up(cpu, vector);
    struct pirq *p;

    if (!use.used) {
        note_stray();
        return;
    }
    p = &pirqs[use.irq];
    spin_lock(&p->lock);
    if (same_place(p->at, here) || same_place(p->was, here))
        deliver(p);
    else
        note_stray(); /* it has moved away between the two looks */
    spin_unlock(&p->lock);
}

static void serve_arrived(unsigned cpu)
{
    for (unsigned i = 0; i < VECTOR_WORDS; i++) {
        uint64_t bits = atomic_exchange(&arrivals.cpu[cpu].arrived[i], 0);

        for (; bits; bits &= bits - 1)
            serve(cpu, i * WORD_BITS + (unsigned)__builtin_ctzll(bits));
    }
}

static bool has_arrived(unsigned cpu)
{
    for (unsigned i = 0; i < VECTOR_WORDS; i++)
        if (arrivals.cpu[cpu].arrived[i])
            return true;
    return false;
}

/* Pays what the CPU owes, if all that is in service has been looked at. */
static bool pay(unsigned cpu)
{
    bool all;

    arch_irqs_off();
    all = !has_arrived(cpu);
    for (; all && arrivals.cpu[cpu].owed > 0; arrivals.cpu[cpu].owed--)
        apic_eoi();
    arch_irqs_on();
    return all;
}

void pirq_softirq(void)
{
    unsigned cpu = arch_cpu();

    do
        serve_arrived(cpu);
    while (!pay(cpu));
}

unsigned long pirq_strays(void)
{
    return arrivals.strays;
}

/* ---- the page of bits ---- */

static void set_eoi_bit(unsigned number, bool needed)
{
    uint64_t *bits = atomic_load(&arrivals.eoi_bits);
    uint64_t bit = UINT64_C(1) << number % WORD_BITS;

    if (!bits)
        return;
    if (needed)
        __atomic_fetch_or(&bits[number / WORD_BITS], bit, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&bits[number / WORD_BITS], ~bit, __ATOMIC_SEQ_CST);
}

STATIC_ASSERT(PIRQ_COUNT <= PAGE_SIZE * 8);

static struct pirq *find_of(struct domain *d, uint32_t number);

int pirq_set_eoi_page(struct domain *d, mfn_t frame, bool auto_unmask) LAGAN_NO_TSA
{
    uint64_t *none = NULL;
    int rc;

    if (arrivals.eoi_bits)
        return -XEN_EBUSY;
    rc = frame_get_writable(frame, d->id);
    if (rc)
        return -XEN_EINVAL;
    if (!atomic_compare_exchange_strong(&arrivals.eoi_bits, &none, arch_map_frame(frame))) {
        frame_put_writable(frame);
        return -XEN_EBUSY;
    }
    arrivals.auto_unmask = auto_unmask;
    for (unsigned i = 0; i < PIRQ_COUNT; i++) {
        struct pirq *p = find_of(d, i);

        if (!p)
            continue;
        set_eoi_bit(i, p->port && p->level);
        spin_unlock(&p->lock);
    }
    return 0;
}

void pirq_drop_eoi_page(void)
{
    uint64_t *bits = atomic_exchange(&arrivals.eoi_bits, NULL);

    if (bits)
        frame_put_writable(arch_frame_of(bits));
}

/* ---- the domain's side ---- */

/* With its lock held, if d has mapped it. */
static struct pirq *find_of(struct domain *d, uint32_t number) LAGAN_NO_TSA
{
    struct pirq *p = &pirqs[index_nospec(number, PIRQ_COUNT)];

    if (number >= PIRQ_COUNT)
        return NULL;
    spin_lock(&p->lock);
    if (p->owner == d)
        return p;
    spin_unlock(&p->lock);
    return NULL;
}

static int bind(struct pirq *p, evtchn_port_t port, unsigned vcpu, bool share)
{
    int rc = 0;

    if (p->kept)
        return -XEN_EBUSY;
    if (p->port)
        return -XEN_EEXIST;
    p->vcpu = (uint16_t)vcpu;
    if (!p->at.vector)
        rc = pirq_route(p, pirq_best_cpu(p));
    if (rc)
        return rc;
    p->shared = share;
    p->strange = 0;
    p->port = port;
    set_eoi_bit((unsigned)(p - pirqs), p->level);
    if (!p->quiet)
        pirq_mask(p, false);
    return 0;
}

int arch_pirq_bind(struct domain *d, uint32_t number, evtchn_port_t port, bool share) LAGAN_NO_TSA
{
    struct pirq *p = find_of(d, number);
    int rc;

    if (!p)
        return -XEN_EINVAL;
    rc = bind(p, port, 0, share);
    spin_unlock(&p->lock);
    return rc;
}

/* Silent from here on. A message keeps its vector as long as it is mapped. */
void pirq_unbind(struct pirq *p)
{
    if (!p->port)
        return;
    pirq_mask(p, true);
    set_eoi_bit((unsigned)(p - pirqs), false);
    p->port = 0;
    p->in_service = false;
    pirq_storm_forget(p);
    if (p->kind == PIRQ_GSI)
        pirq_unroute(p);
}

void arch_pirq_unbind(struct domain *d, uint32_t number, evtchn_port_t port) LAGAN_NO_TSA
{
    struct pirq *p = find_of(d, number);

    if (!p)
        return;
    if (p->port == port)
        pirq_unbind(p);
    spin_unlock(&p->lock);
}

void arch_pirq_follow(struct domain *d, uint32_t number, unsigned vcpu) LAGAN_NO_TSA
{
    struct pirq *p = find_of(d, number);

    if (!p)
        return;
    p->vcpu = (uint16_t)vcpu;
    p->strange = STRANGE_MAX; /* the next arrival moves it, if it has to be */
    spin_unlock(&p->lock);
}

evtchn_port_t arch_pirq_port(struct domain *d, uint32_t number) LAGAN_NO_TSA
{
    struct pirq *p = find_of(d, number);
    evtchn_port_t port = p ? p->port : 0;

    if (p)
        spin_unlock(&p->lock);
    return port;
}

/* The IO-APIC may still wait for the local APIC's EOI: it then has another vector to hear of, and
 * ioapic_route() makes it forget the old one. */
static void end_service(struct pirq *p)
{
    unsigned best = pirq_best_cpu(p);

    p->in_service = false;
    if (p->strange >= STRANGE_MAX && p->at.cpu != best) {
        p->strange = 0;
        pirq_move(p, best);
    }
    if (!p->quiet)
        pirq_mask(p, false);
}

int pirq_eoi(struct domain *d, unsigned number) LAGAN_NO_TSA
{
    struct pirq *p = find_of(d, number);
    evtchn_port_t port;

    if (!p)
        return -XEN_EINVAL;
    port = p->port;
    if (p->in_service)
        end_service(p);
    spin_unlock(&p->lock);
    if (port && arrivals.auto_unmask && arrivals.eoi_bits)
        (void)event_unmask(d, port); /* closed meanwhile: nothing to unmask */
    return 0;
}
