/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's log. Each call is one line or part of one; lines carry a level and end in '\n'.
 * xen/log.h has what the log's readers and the console need.
 */
#pragma once

#include <stdarg.h>

#include <lagan/types.h>

/* Xen's levels: loglvl= chooses which reach the console. */
enum log_level { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Writes a formatted line to the log ring and, if the level is high enough, to the console. A line
 * longer than 500 bytes is cut short. Callable from any context but NMI and machine check (they use
 * the crash console). */
void printk(enum log_level level, const char *fmt, ...) LAGAN_PRINTF(2, 3);
void vprintk(enum log_level level, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

/* For what a guest can provoke at will: guest_loglvl= decides, by default with a limit on the rate,
 * and what it holds back goes nowhere, so that a guest cannot flush the ring. A whole line a call.
 */
void printk_guest(enum log_level level, const char *fmt, ...) LAGAN_PRINTF(2, 3);

#define log_err(...)   printk(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  printk(LOG_WARNING, __VA_ARGS__)
#define log_info(...)  printk(LOG_INFO, __VA_ARGS__)
#define log_debug(...) printk(LOG_DEBUG, __VA_ARGS__)
