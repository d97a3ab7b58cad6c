/* SPDX-License-Identifier: MIT
 *
 * Event channels: operations, and taking events in the two-level form.
 *
 * The upcall clears its pending flag first and looks for events after, so that one that arrives
 * while it looks either is seen or sets the flag again.
 */
#include "kit/event.h"
#include "kit/hypercall.h"
#include "kit/kit.h"

static struct {
    struct {
        event_handler *handler;
        void *data;
        volatile uint64_t count;
    } port[EVENT_HANDLERS];
    volatile uint64_t high_count;                       /* of all ports beyond */
    volatile unsigned long elsewhere[KIT_CPUS_MAX][64]; /* ports that a vCPU leaves to others */
    bool fifo;
} events;

static volatile unsigned long *word_of(volatile xen_ulong_t *words, uint32_t port)
{
    return &words[port / 64];
}

static void set_bit(volatile unsigned long *word, unsigned bit)
{
    __atomic_fetch_or(word, 1UL << bit, __ATOMIC_SEQ_CST);
}

static bool clear_bit(volatile unsigned long *word, unsigned bit)
{
    return (__atomic_fetch_and(word, ~(1UL << bit), __ATOMIC_SEQ_CST) >> bit & 1) != 0;
}

static void take(uint32_t port)
{
    if (port >= EVENT_HANDLERS) {
        events.high_count++;
        return;
    }
    __atomic_fetch_add(&events.port[port].count, 1, __ATOMIC_SEQ_CST);
    if (events.port[port].handler != NULL) {
        events.port[port].handler(port, events.port[port].data);
    }
}

/* Ports belong to vCPU 0 until they are bound to another. */
void event_belongs_to(uint32_t port, uint32_t cpu)
{
    for (unsigned i = 0; port < EVENT_HANDLERS && cpu < KIT_CPUS_MAX && i < KIT_CPUS_MAX; i++) {
        if (i == cpu) {
            (void)clear_bit(&events.elsewhere[i][port / 64], port % 64);
        } else {
            set_bit(&events.elsewhere[i][port / 64], port % 64);
        }
    }
}

static void take_word(unsigned word)
{
    shared_info_t *shared = kit_shared_info;
    const volatile unsigned long *elsewhere = &events.elsewhere[this_cpu()->id][word];

    for (;;) {
        unsigned long due = ((volatile xen_ulong_t *)shared->evtchn_pending)[word] &
                            ~((volatile xen_ulong_t *)shared->evtchn_mask)[word] & ~*elsewhere;
        unsigned bit;

        if (due == 0) {
            return;
        }
        bit = (unsigned)__builtin_ctzl(due);
        if (clear_bit(word_of(shared->evtchn_pending, word * 64), bit)) {
            take(word * 64 + bit);
        }
    }
}

void event_upcall(void)
{
    vcpu_info_t *info = this_cpu()->info;

    do {
        __atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
        if (events.fifo) {
            event_fifo_scan(take);
            continue;
        }
        for (;;) {
            unsigned long words =
                __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

            if (words == 0) {
                break;
            }
            for (; words != 0; words &= words - 1) {
                take_word((unsigned)__builtin_ctzl(words));
            }
        }
    } while (*(volatile uint8_t *)&info->evtchn_upcall_pending != 0);
}

void event_init(void)
{
    for (unsigned i = 0; i < 64; i++) {
        kit_shared_info->evtchn_mask[i] = ~0UL;
        for (unsigned cpu = 1; cpu < KIT_CPUS_MAX; cpu++) {
            events.elsewhere[cpu][i] = ~0UL;
        }
    }
    upcalls_unmask();
}

void event_set_handler(uint32_t port, event_handler *handler, void *data)
{
    events.port[port].data = data;
    events.port[port].handler = handler;
}

uint64_t event_count(uint32_t port)
{
    return port < EVENT_HANDLERS ? events.port[port].count : events.high_count;
}

const volatile uint64_t *event_counter(uint32_t port)
{
    return &events.port[port].count;
}

void event_mask(uint32_t port)
{
    if (events.fifo) {
        __atomic_fetch_or(event_fifo_word(port), 1U << EVTCHN_FIFO_MASKED, __ATOMIC_SEQ_CST);
    } else {
        set_bit(word_of(kit_shared_info->evtchn_mask, port), port % 64);
    }
}

/* The hypercall also sends again what became pending while the port was masked. */
void event_unmask(uint32_t port)
{
    long rc = event_unmask_call(port);

    if (rc != 0) {
        check_fail("kit-unmask", "port %u: %ld", port, rc);
    }
}

bool event_pending(uint32_t port)
{
    if (events.fifo) {
        return (*event_fifo_word(port) >> EVTCHN_FIFO_PENDING & 1) != 0;
    }
    return (*word_of(kit_shared_info->evtchn_pending, port) >> port % 64 & 1) != 0;
}

void event_clear(uint32_t port)
{
    if (events.fifo) {
        __atomic_fetch_and(event_fifo_word(port), ~(1U << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
    } else {
        (void)clear_bit(word_of(kit_shared_info->evtchn_pending, port), port % 64);
    }
}

/* Ports bound before are masked in the new form too: the caller unmasks what it wants. */
long event_use_fifo(unsigned cpus)
{
    bool open = upcalls_mask();
    long rc = event_fifo_start(cpus);

    events.fifo = rc == 0;
    upcalls_restore(open);
    return rc;
}

bool event_is_fifo(void)
{
    return events.fifo;
}

bool upcalls_open(void)
{
    return *(volatile uint8_t *)&this_cpu()->info->evtchn_upcall_mask == 0;
}

bool upcalls_mask(void)
{
    bool open = upcalls_open();

    *(volatile uint8_t *)&this_cpu()->info->evtchn_upcall_mask = 1;
    __asm__ volatile("" : : : "memory");
    return open;
}

/* An event that came while the mask was set has no upcall coming: any hypercall takes it. */
void upcalls_unmask(void)
{
    vcpu_info_t *info = this_cpu()->info;

    __asm__ volatile("" : : : "memory");
    *(volatile uint8_t *)&info->evtchn_upcall_mask = 0;
    __asm__ volatile("mfence" : : : "memory");
    if (*(volatile uint8_t *)&info->evtchn_upcall_pending != 0) {
        (void)hv_version(XENVER_version, NULL);
    }
}

void upcalls_restore(bool open)
{
    if (open) {
        upcalls_unmask();
    }
}
