/* SPDX-License-Identifier: MIT
 *
 * Interrupts that come without end.
 *
 * A device that is broken, or driven wrongly, may send faster than its interrupts can be served, and the
 * CPU that they go to would do nothing else: softirqs for arrivals go before all others. Two bounds
 * keep the host alive.
 *
 * Between two looks of the softirq a vector arrives twice at most: the second time it is left in service,
 * until the softirq has looked (pirq.c).
 *
 * An interrupt that is delivered more than STORM_COUNT times within STORM_WINDOW_NS is silenced for
 * STORM_QUIET_NS, by the means that there are: its mask bit; or for a message without one its address,
 * which is changed, in one write, to that of an APIC that no CPU has. So a storm takes no more than
 * the time for STORM_COUNT deliveries of each quiet time. That rate, 500,000 a second, is beyond what a
 * driver could serve: what is honest does not come near.
 *
 *   delivered 501 times in a millisecond: silenced, `quiet`
 *        5 ms later, in the timer: not quiet any more; unmasked
 *        and delivered once, for what may have come and was not kept (edges, diverted messages)
 *
 * Messages of a group share their address: if it is changed for one, the others' are lost meanwhile, too,
 * so each of them is delivered once.
 *
 * A level interrupt that is in service is masked anyhow: the domain's EOI then does not unmask it, the
 * timer does. One timer serves all; `storms` has a bit for each that is quiet.
 *
 * INV-PIRQ-5: quiet  =>  its bit in `storms` is set, and the timer is armed or about to look.
 */
#include <lagan/printk.h>

#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/pirq_int.h"
#include "xen/domain.h"
#include "xen/event.h"
#include "xen/timer.h"
#include "arch_inline.h"

#define MILLISECOND     UINT64_C(1000000)
#define STORM_WINDOW_NS MILLISECOND
#define STORM_QUIET_NS  (5 * MILLISECOND)
#define STORM_COUNT     500
#define WORD_BITS       64U
#define WORDS           (PIRQ_COUNT / WORD_BITS)

STATIC_ASSERT(PIRQ_COUNT % WORD_BITS == 0);

static struct {
    struct timer timer;
    _Atomic uint64_t quiet[WORDS];
} storms;

/* Has it come too often? p's lock is held. */
static bool is_too_much(struct pirq *p)
{
    uint64_t now = arch_time_ns();

    if (now - p->window_start >= STORM_WINDOW_NS) {
        p->window_start = now;
        p->window_count = 0;
    }
    return ++p->window_count > STORM_COUNT;
}

static bool has_no_mask(const struct pirq *p)
{
    return p->kind == PIRQ_MESSAGE && !p->source.msix && !p->source.maskable;
}

static void silence(struct pirq *p)
{
    if (has_no_mask(p))
        msi_divert(&p->source, apic_unused_id());
    else
        pirq_mask(p, true);
}

static void let_through(struct pirq *p)
{
    if (has_no_mask(p))
        msi_divert(&p->source, apic_id_of(p->at.cpu));
    else if (p->port && !p->in_service)
        pirq_mask(p, false);
}

void pirq_storm_count(struct pirq *p)
{
    unsigned number = (unsigned)(p - pirqs);

    if (!p->quiet && !is_too_much(p))
        return;
    silence(p);
    if (p->quiet) /* it was on its way */
        return;
    p->quiet = true;
    p->storms++;
    atomic_fetch_or(&storms.quiet[number / WORD_BITS], UINT64_C(1) << number % WORD_BITS);
    if (!timer_is_armed(&storms.timer))
        timer_set(&storms.timer, arch_time_ns() + STORM_QUIET_NS);
}

void pirq_storm_forget(struct pirq *p)
{
    if (!p->quiet)
        return;
    p->quiet = false;
    p->window_count = 0;
    let_through(p);
}

/* ---- the timer ---- */

/* The first of the group that p is in, when all have been silent with it; and how many they are. */
static unsigned silent_with(const struct pirq *p, unsigned *count)
{
    *count = has_no_mask(p) ? p->group : 1;
    return (unsigned)(p - pirqs) - (*count > 1 ? p->source.index : 0);
}

/* An edge of it may have been lost. */
static void deliver_once(unsigned number)
{
    struct pirq *p = &pirqs[number];

    spin_lock(&p->lock);
    if (p->port && !p->level)
        event_raise_pirq(p->owner, p->port, number);
    spin_unlock(&p->lock);
}

static void end_quiet(unsigned number)
{
    struct pirq *p = &pirqs[number];
    unsigned long storms_so_far = 0;
    unsigned first = number, count = 0;

    spin_lock(&p->lock);
    if (p->quiet) {
        storms_so_far = p->storms;
        first = silent_with(p, &count);
        p->quiet = false;
        p->window_start = arch_time_ns();
        p->window_count = 0;
        let_through(p);
    }
    spin_unlock(&p->lock);
    for (unsigned i = first; i < first + count; i++)
        deliver_once(i);
    if (storms_so_far == 1)
        log_warn("device interrupt %u comes without end: held back from time to time\n", number);
}

static void look_after(struct timer *t)
{
    (void)t;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t bits = atomic_exchange(&storms.quiet[i], 0);

        for (; bits; bits &= bits - 1)
            end_quiet(i * WORD_BITS + (unsigned)__builtin_ctzll(bits));
    }
}

void pirq_storm_init(void)
{
    timer_init(&storms.timer, look_after, 0);
}

void pirq_storm_audit(unsigned number)
{
    bool bit = storms.quiet[number / WORD_BITS] >> number % WORD_BITS & 1;

    BUG_ON(pirqs[number].quiet && !(bit && timer_is_armed(&storms.timer))); /* INV-PIRQ-5 */
}
