/* SPDX-License-Identifier: MIT
 *
 * Verdicts. Each check prints one line, `PASS name`, `FAIL name: reason` or `SKIP name: reason`;
 * the guest ends with `VERDICT guest: N passed, N failed, N skipped`. The runner believes nothing
 * but these. Names are lower case, unique within a guest and the same on every hypervisor.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void check_pass(const char *name);
void check_fail(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_skip(const char *name, const char *reason);

/* A check on a truth; the reason is printed when it fails. */
void check_true(const char *name, bool truth, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A check on a hypercall's result. */
void check_result(const char *name, long got, long want);

/* Counts towards one check of many parts: check_part() says nothing while `truth` holds, and at the
 * first part that fails prints the FAIL line; check_end() prints PASS if none failed. */
void check_begin(const char *name);
void check_part(bool truth, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_end(void);
/* No check has failed so far. */
bool check_all_passed(void);

/* Prints the verdict: for a guest that ends otherwise than by returning. */
void check_verdict(void);
/* Prints the verdict and powers the domain off. */
void kit_finish(void) __attribute__((noreturn));
void kit_shutdown(unsigned reason) __attribute__((noreturn));
