/* SPDX-License-Identifier: MIT
 *
 * The console as guests and people use it: guests' output with their names in front, input that
 * goes to one domain at a time, and debug keys while it goes to none.
 *
 * INV-CON-1: what a guest without privilege writes can only ever appear as printable characters in
 * lines of bounded length, each with the guest's name in front: it cannot pass for another's.
 */
#pragma once

#include <lagan/types.h>
#include "xen/options.h"

struct domain;

/* A key that the hypervisor acts on. A table of functions, against our habit, since its whole point
 * is that other modules' dumps get into it without this one knowing them. */
struct debug_key {
    char key;
    const char *help;
    void (*run)(void);
};

/* All keys but 'h', which shows this list; ends at key 0. Defined next to the boot order. */
extern const struct debug_key debug_keys[];

/* From the machine: the next character that has arrived, or -1. Only SOFTIRQ_CONSOLE calls it. */
int arch_console_read(void);

/* Takes over conswitch and console_to_ring. Boot only. */
void console_init(const struct options *o);

/* The work of SOFTIRQ_CONSOLE: gives what has arrived to the domain that has the input. No lock
 * held. */
void console_softirq(void);

/* Acts as if the key had been typed with the input at the hypervisor. No lock held. */
void console_debug_key(char key);

/* CONSOLEIO_write. The control domain's text goes out as it is; that of others when a line is
 * complete or too long. */
void console_guest_write(struct domain *d, const char *text, size_t bytes);
/* Puts out the domain's unfinished line, and ends it: the domain has ended. */
void console_guest_flush(struct domain *d);
/* Shows what there is of the domain's unfinished line, if it has the input: it may wait for an answer.
 * One caller at a time. */
void console_guest_show(struct domain *d);
/* CONSOLEIO_read: copies what waits for the domain, at most `bytes`; returns how much. Never waits.
 */
size_t console_guest_read(struct domain *d, char *buf, size_t bytes);
