/* SPDX-License-Identifier: MIT
 *
 * The user-space probes that run inside a Linux guest: one static program, `probe NAME [N]`. Each
 * probe exercises one thing that a kernel on a paravirtual machine gets only with the hypervisor's help,
 * and compares what it sees with what the processor's manual promises. It ends with status 0, 1 after
 * expect() has found something wrong, or PROBE_SKIP when the machine lacks what it needs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROBE_SKIP 77

/* How long it is to work: rounds, roughly; what a round is differs. */
extern unsigned probe_rounds;

/* Prints the text and counts a fault unless the condition holds. Returns the condition. */
bool expect(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the program as skipped, with the reason. */
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs the function in `count` child processes at a time. Their faults become the caller's. */
void in_children(unsigned count, void (*work)(unsigned index));

/* A sequence of numbers that look random; the same seed gives the same ones. */
uint64_t next_random(uint64_t *state);

void probe_signals(void);
void probe_ldt(void);
void probe_xstate(void);
void probe_clock(void);
void probe_step(void);
void probe_segments(void);
void probe_memory(void);
void probe_loops(void);
void probe_domid(void);
void probe_store(void);
void probe_threads(void);
void probe_reads(void);
void probe_window(void);
void probe_disk(void);
void probe_now(void);
void probe_files(void);
