/* SPDX-License-Identifier: MIT
 *
 * FIFO event channels: queues of ports linked through the event words, one queue per priority.
 *
 * The guest takes ports from the head of a queue; the hypervisor appends to the tail by writing the
 * link of the word that was last. A word whose link the guest clears (together with LINKED) has
 * left the queue. The queue is empty when that link was 0, and its ready bit is cleared then.
 */
#include "kit/event.h"
#include "kit/hypercall.h"
#include "kit/kit.h"

#define WORDS_PER_PAGE 1024U
#define ARRAY_PAGES    8

static struct evtchn_fifo_control_block control[KIT_CPUS_MAX][PAGE_SIZE / 128] PAGE_ALIGNED;
static uint32_t words[ARRAY_PAGES][WORDS_PER_PAGE] PAGE_ALIGNED;
static unsigned pages_used;

volatile uint32_t *event_fifo_word(uint32_t port)
{
    return &words[port / WORDS_PER_PAGE][port % WORDS_PER_PAGE];
}

long event_fifo_expand(void)
{
    struct evtchn_expand_array op;
    long rc;

    if (pages_used == ARRAY_PAGES) {
        return -XEN_ENOSPC;
    }
    for (unsigned i = 0; i < WORDS_PER_PAGE; i++) {
        words[pages_used][i] = 1U << EVTCHN_FIFO_MASKED;
    }
    op.array_gfn = va_to_mfn(words[pages_used]);
    rc = hv_event(EVTCHNOP_expand_array, &op);
    if (rc == 0) {
        pages_used++;
    }
    return rc;
}

long event_fifo_start(unsigned cpus)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        struct evtchn_init_control op = {.control_gfn = va_to_mfn(control[cpu]), .vcpu = cpu};
        long rc = hv_event(EVTCHNOP_init_control, &op);

        if (rc != 0) {
            return rc;
        }
        if (op.link_bits != EVTCHN_FIFO_LINK_BITS) {
            check_fail("kit-fifo-link-bits", "%u", op.link_bits);
        }
    }
    return event_fifo_expand();
}

/* Takes the word out of its queue; the port behind it, or 0. */
static uint32_t unlink_word(volatile uint32_t *word)
{
    uint32_t old = *word, new;

    do {
        new = old & ~((1U << EVTCHN_FIFO_LINKED) | (uint32_t)EVTCHN_FIFO_LINK_MASK);
    } while (
        !__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return old & EVTCHN_FIFO_LINK_MASK;
}

static bool take_pending(volatile uint32_t *word)
{
    uint32_t old = *word;

    do {
        if (!(old >> EVTCHN_FIFO_PENDING & 1) || (old >> EVTCHN_FIFO_MASKED & 1)) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(word, &old, old & ~(1U << EVTCHN_FIFO_PENDING), false,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return true;
}

void event_fifo_scan(void (*take)(uint32_t port))
{
    struct cpu *cpu = this_cpu();
    struct evtchn_fifo_control_block *block = &control[cpu->id][0];
    uint32_t ready = __atomic_exchange_n(&block->ready, 0, __ATOMIC_SEQ_CST);

    while (ready != 0) {
        unsigned queue = (unsigned)__builtin_ctz(ready);
        uint32_t port = cpu->fifo_head[queue];
        volatile uint32_t *word;

        if (port == 0) {
            port = __atomic_load_n(&block->head[queue], __ATOMIC_SEQ_CST);
        }
        word = event_fifo_word(port);
        cpu->fifo_head[queue] = unlink_word(word);
        if (cpu->fifo_head[queue] == 0) {
            ready &= ~(1U << queue);
        }
        if (take_pending(word)) {
            take(port);
        }
        ready |= __atomic_exchange_n(&block->ready, 0, __ATOMIC_SEQ_CST);
    }
}
