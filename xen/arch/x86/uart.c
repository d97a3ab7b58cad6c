/* SPDX-License-Identifier: MIT
 *
 * The serial ports.
 *
 * Transmission. Writers hold LK_CONSOLE and put bytes into the port's ring; whoever holds the role
 * `draining` moves them into the chip. The handler may not wait for the role, so it is asked for
 * like this (serve_tx()):
 *
 *     wanted = true
 *     while wanted:  take the role, or leave;  wanted = false;  work;  give the role back
 *
 * One who leaves has set `wanted` before, and the one who holds the role looks at it after giving
 * it back: nobody's request is lost. The chip is asked for interrupts ("transmitter empty") only
 * while the ring has something. That state, `armed`, changes to false under the role, after the
 * chip was told; to true by one who finds it false. So the last to tell the chip is the one who
 * armed it, or else it is disarmed after the ring was seen empty and looked at again (
 * INV-UART-1: bytes in the ring => armed, or a role holder is about to look).
 *
 * A port that does not take bytes (flow control off, cable out, no chip) costs one bounded wait;
 * afterwards bytes are dropped until it moves again.
 */
#include <stdatomic.h>

#include "arch_inline.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/bytering.h"
#include "xen/arch/x86/interrupt.h"
#include "xen/arch/x86/io.h"
#include "xen/arch/x86/ioapic.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/port_rights.h"
#include "xen/arch/x86/uart.h"
#include "xen/log.h"
#include "xen/softirq.h"
#include "xen/timer.h"

enum uart_register {
    UART_DATA = 0, /* divisor, low byte, while LCR_DIVISOR is set */
    UART_IER = 1,  /* divisor, high byte, likewise */
    UART_IIR = 2,  /* read */
    UART_FCR = 2,  /* write */
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
};

#define UART_PORTS 8

#define IER_RECEIVE   0x01
#define IER_TRANSMIT  0x02
#define IIR_NONE      0x01
#define IIR_FIFO      0xc0
#define FCR_ENABLE    0x87 /* on, both cleared, receive interrupt at 8 bytes or a pause */
#define LCR_DIVISOR   0x80
#define MCR_LINES     0x0b /* DTR, RTS, and OUT2, which lets the interrupt through */
#define MCR_LOOP_TEST 0x1a /* loop-back, RTS, OUT2... */
#define MSR_LOOP_SEEN 0x90 /* ...come back as CTS and DCD */
#define LSR_RECEIVED  0x01
#define LSR_ROOM      0x20
#define BASE_BAUD     115200
#define FIFO_BYTES    16
#define PATIENCE      200000 /* polls, a microsecond each: 16 bytes at 1200 baud */
#define SERVE_MAX     256    /* turns in one interrupt */
#define POLL_NS       UINT64_C(20000000)

struct uart {
    bool present;      /* [c] after uart_init() */
    bool by_interrupt; /* [c] after uart_start(), on which CPU 0 alone runs */
    bool stalled;      /* it did not take a byte in time */
    uint16_t base;     /* [c] */
    unsigned fifo;     /* [c] bytes that fit when there is room */
    unsigned irq;      /* [c] 0: none */
    _Atomic bool draining, wanted, armed;
    struct byte_ring tx, rx;
};

static struct uart uart[UART_COUNT];
static struct timer poll_timer;

static uint8_t reg_read(const struct uart *u, enum uart_register reg)
{
    return in8((uint16_t)(u->base + reg));
}

static void reg_write(const struct uart *u, enum uart_register reg, unsigned v)
{
    out8((uint16_t)(u->base + reg), (uint8_t)v);
}

/* ---- output ---- */

/* True when the chip takes `fifo` bytes. */
static bool wait_for_room(struct uart *u)
{
    unsigned polls = u->stalled ? 1 : PATIENCE;

    for (unsigned i = 0; i < polls; i++) {
        if (reg_read(u, UART_LSR) & LSR_ROOM) {
            u->stalled = false;
            return true;
        }
        arch_relax();
    }
    u->stalled = true;
    return false;
}

/* Moves bytes from the ring while the chip has room for them. The role is held. */
static void drain(struct uart *u)
{
    int byte = 0;

    if (reg_read(u, UART_LSR) & LSR_ROOM)
        for (unsigned i = 0; i < u->fifo && (byte = byte_ring_get(&u->tx)) >= 0; i++)
            reg_write(u, UART_DATA, (unsigned)byte);
}

static void arm(struct uart *u)
{
    if (!atomic_exchange(&u->armed, true))
        reg_write(u, UART_IER, IER_RECEIVE | IER_TRANSMIT);
}

static void serve_tx(struct uart *u)
{
    atomic_store(&u->wanted, true);
    while (atomic_load(&u->wanted)) {
        if (atomic_exchange(&u->draining, true))
            return;
        atomic_store(&u->wanted, false);
        drain(u);
        if (byte_ring_empty(&u->tx)) {
            reg_write(u, UART_IER, IER_RECEIVE);
            atomic_store(&u->armed, false);
        }
        atomic_store(&u->draining, false);
    }
    if (!byte_ring_empty(&u->tx))
        arm(u);
}

static void put_ring(struct uart *u, uint8_t byte)
{
    while (!byte_ring_put(&u->tx, byte)) {
        if (!wait_for_room(u))
            return; /* dropped */
        serve_tx(u);
    }
}

static void put_polled(struct uart *u, uint8_t byte)
{
    if (wait_for_room(u))
        reg_write(u, UART_DATA, byte);
}

static void put_text(struct uart *u, const char *text, size_t bytes,
                     void (*put)(struct uart *u, uint8_t byte))
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n')
            put(u, '\r');
        put(u, (uint8_t)text[i]);
    }
}

/* After a crash: what the ring still has goes first. Nobody else is asked or waited for; a handler
 * that is at work on another CPU may mix in a few bytes of its own. */
static void put_crash(struct uart *u, const char *text, size_t bytes)
{
    int byte;

    while ((byte = byte_ring_get(&u->tx)) >= 0)
        put_polled(u, (uint8_t)byte);
    put_text(u, text, bytes, put_polled);
}

void arch_console_write(const char *text, size_t bytes, bool crash)
{
    for (unsigned i = 0; i < UART_COUNT; i++) {
        struct uart *u = &uart[i];

        if (!u->present)
            continue;
        if (crash) {
            put_crash(u, text, bytes);
        } else if (u->by_interrupt) {
            put_text(u, text, bytes, put_ring);
            arm(u);
        } else {
            put_text(u, text, bytes, put_polled);
        }
    }
}

/* ---- input ---- */

static bool receive(struct uart *u)
{
    bool some = false;

    for (unsigned i = 0; i < SERVE_MAX && (reg_read(u, UART_LSR) & LSR_RECEIVED); i++) {
        byte_ring_put(&u->rx,
                      reg_read(u, UART_DATA)); /* full: the byte is lost, as on any serial line */
        some = true;
    }
    return some;
}

int uart_read(void)
{
    for (unsigned i = 0; i < UART_COUNT; i++) {
        int byte = byte_ring_get(&uart[i].rx);

        if (byte >= 0)
            return byte;
    }
    return -1;
}

/* The line is edge-triggered: it must have gone down before we return, or it will never rise again.
 */
static bool serve(struct uart *u)
{
    bool some = false;

    for (unsigned i = 0; i < SERVE_MAX && !(reg_read(u, UART_IIR) & IIR_NONE); i++) {
        some |= receive(u);
        serve_tx(u);
        (void)reg_read(u, UART_MSR);
    }
    return some;
}

void uart_interrupt(void)
{
    bool some = false;

    for (unsigned i = 0; i < UART_COUNT; i++)
        if (uart[i].by_interrupt)
            some |= serve(&uart[i]);
    apic_eoi();
    if (some)
        softirq_raise(SOFTIRQ_CONSOLE);
}

static void poll(struct timer *t)
{
    bool some = false;

    for (unsigned i = 0; i < UART_COUNT; i++)
        if (uart[i].present && !uart[i].by_interrupt)
            some |= receive(&uart[i]);
    if (some)
        softirq_raise(SOFTIRQ_CONSOLE);
    timer_set(t, arch_time_ns() + POLL_NS);
}

/* ---- set-up ---- */

static LAGAN_INIT bool is_there(const struct uart *u)
{
    uint8_t lines = reg_read(u, UART_MCR), seen;

    reg_write(u, UART_MCR, MCR_LOOP_TEST);
    seen = reg_read(u, UART_MSR);
    reg_write(u, UART_MCR, lines);
    return (seen & 0xf0) == MSR_LOOP_SEEN;
}

static LAGAN_INIT int line_control(const struct option_uart *c)
{
    static const char parities[] = "noems"; /* by the chip's code for them */
    static const uint8_t code[] = {0x00, 0x08, 0x18, 0x28, 0x38};

    if (c->data_bits < 5 || c->data_bits > 8 || c->stop_bits < 1 || c->stop_bits > 2)
        return -XEN_EINVAL;
    for (unsigned i = 0; parities[i]; i++)
        if (parities[i] == c->parity)
            return (int)(c->data_bits - 5 + (c->stop_bits - 1) * 4 + code[i]);
    return -XEN_EINVAL;
}

static LAGAN_INIT void set_up_chip(struct uart *u, unsigned divisor, unsigned lcr)
{
    reg_write(u, UART_IER, 0);
    if (divisor) {
        reg_write(u, UART_LCR, LCR_DIVISOR | lcr);
        reg_write(u, UART_DATA, divisor & 0xff);
        reg_write(u, UART_IER, divisor >> 8);
    }
    reg_write(u, UART_LCR, lcr);
    reg_write(u, UART_FCR, FCR_ENABLE);
    u->fifo = (reg_read(u, UART_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_BYTES : 1;
    reg_write(u, UART_MCR, MCR_LINES);
}

LAGAN_INIT int uart_init(enum uart_port which, const struct option_uart *config)
{
    static const uint16_t usual_base[UART_COUNT] = {0x3f8, 0x2f8};
    static const unsigned usual_irq[UART_COUNT] = {4, 3};
    struct uart *u = &uart[which];
    int lcr = line_control(config);

    if (lcr < 0 || config->baud > BASE_BAUD || config->io_base > 0xfff8 ||
        (config->irq != UINT_MAX && config->irq >= ACPI_ISA_IRQS))
        return -XEN_EINVAL;
    if (config->baud != 0 && BASE_BAUD / config->baud > UINT16_MAX)
        return -XEN_EINVAL;
    u->base = config->io_base ? (uint16_t)config->io_base : usual_base[which];
    u->irq = config->irq == UINT_MAX ? usual_irq[which] : config->irq;
    if (!is_there(u))
        return -XEN_ENODEV;
    port_rights_hide(u->base, UART_PORTS);
    set_up_chip(u, config->baud ? BASE_BAUD / config->baud : 0, (unsigned)lcr);
    u->present = true;
    return 0;
}

static LAGAN_INIT bool start_interrupts(struct uart *u)
{
    struct acpi_isa_irq pin;

    if (u->irq == 0)
        return false;
    pin = ioapic_isa(u->irq);
    if (ioapic_route(pin.gsi, VECTOR_UART, pin.level, pin.low, 0) != 0)
        return false;
    pirq_keep_gsi(pin.gsi);
    u->by_interrupt = true;
    reg_write(u, UART_IER, IER_RECEIVE);
    ioapic_unmask(pin.gsi);
    return true;
}

LAGAN_INIT void uart_start(void)
{
    bool polled = false;

    for (unsigned i = 0; i < UART_COUNT; i++)
        if (uart[i].present && !start_interrupts(&uart[i]))
            polled = true;
    if (polled) {
        timer_init(&poll_timer, poll, 0);
        timer_set(&poll_timer, arch_time_ns() + POLL_NS);
    }
}
