/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's log. Each call is one line or part of one; lines carry a level and end in '\n'.
 */
#pragma once

#include <stdarg.h>

#include <lagan/types.h>

/* Xen's levels: loglvl= chooses which reach the console. */
enum log_level { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Writes a formatted line to the log ring and, if the level is high enough, to the console.
 * Callable from any context but NMI and machine check (they use the crash console). */
void printk(enum log_level level, const char *fmt, ...) LAGAN_PRINTF(2, 3);

#define log_err(...)   printk(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  printk(LOG_WARNING, __VA_ARGS__)
#define log_info(...)  printk(LOG_INFO, __VA_ARGS__)
#define log_debug(...) printk(LOG_DEBUG, __VA_ARGS__)
