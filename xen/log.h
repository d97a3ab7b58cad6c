/* SPDX-License-Identifier: MIT
 *
 * The log ring, the thresholds, and the one way out to the console. <lagan/printk.h> is the
 * writers' side.
 *
 * The machine provides arch_console_write(): it gives the bytes to the serial port (and whatever
 * else console= names), a carriage return before each '\n', and does nothing before the port is set
 * up.
 */
#pragma once

#include <lagan/printk.h>

#define LOG_RING_BYTES 32768 /* a power of two */

/* A level is shown if below `always`; otherwise, if below `limited`, as far as the rate allows. 0
 * shows none, LOG_DEBUG + 1 shows all. limited >= always. */
struct log_threshold {
    uint8_t always, limited;
};

/* From the machine; console lock held unless `crash`, which means: polled, and touch no lock. */
void arch_console_write(const char *text, size_t bytes, bool crash);

/* Sets the thresholds of our own messages and of those that guests cause. Boot only. */
void log_set_thresholds(struct log_threshold own, struct log_threshold guest);

/* The console has just been set up: shows what the ring has kept since the start. Once. */
void log_console_ready(void);

/* Writes text to the console as it is, between whole calls of others; not to the ring. Takes the
 * console lock, so no lock of that level may be held. */
void console_write(const char *text, size_t bytes);
/* As above, and to the ring too. */
void console_write_logged(const char *text, size_t bytes);

/* A part of a line of `owner`'s (not 0), which it continues if nothing else was shown since, and starts
 * with the prefix otherwise. Before that, up to rub_out of its last characters are removed, but never
 * the prefix. The text has no newline but as its last character, which ends the line. */
void console_write_part(unsigned owner, const char *prefix, unsigned rub_out, const char *text,
                        size_t bytes);

/* From now on output takes no lock and is polled: a CPU that died with the lock cannot silence the
 * crash dump. There is no way back. Callable from any context. */
void log_enter_crash(void);

/* The ring's bytes have 32-bit indices that count up and wrap; it holds [log_oldest(), log_end()).
 */
uint32_t log_oldest(void);
uint32_t log_end(void);
/* Copies what the ring has from *index on (from the oldest, if *index is outside) to dst, at most
 * `bytes`; *index is then the first byte that was not copied. Returns how many were. */
size_t log_read(uint32_t *index, char *dst, size_t bytes);
/* Forgets everything before `index`, as XEN_SYSCTL_readconsole's `clear` wants. */
void log_forget(uint32_t index);
