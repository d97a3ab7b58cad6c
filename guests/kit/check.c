/* SPDX-License-Identifier: MIT
 *
 * Verdicts of a test guest.
 */
#include "kit/check.h"
#include "kit/hypercall.h"
#include "kit/kit.h"

static struct {
    unsigned passed, failed, skipped;
    const char *name; /* of the check of many parts that is open */
    bool part_failed;
} checks;

void check_pass(const char *name)
{
    __atomic_fetch_add(&checks.passed, 1, __ATOMIC_RELAXED);
    kit_printf("PASS %s\n", name);
}

static void fail_line(const char *name, const char *format, va_list args)
{
    char reason[256];

    (void)kit_vsnprintf(reason, sizeof(reason), format, args);
    __atomic_fetch_add(&checks.failed, 1, __ATOMIC_RELAXED);
    kit_printf("FAIL %s: %s\n", name, reason);
}

void check_fail(const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_line(name, format, args);
    va_end(args);
}

void check_skip(const char *name, const char *reason)
{
    __atomic_fetch_add(&checks.skipped, 1, __ATOMIC_RELAXED);
    kit_printf("SKIP %s: %s\n", name, reason);
}

void check_true(const char *name, bool truth, const char *format, ...)
{
    va_list args;

    if (truth) {
        check_pass(name);
        return;
    }
    va_start(args, format);
    fail_line(name, format, args);
    va_end(args);
}

void check_result(const char *name, long got, long want)
{
    check_true(name, got == want, "result %ld, expected %ld", got, want);
}

void check_begin(const char *name)
{
    checks.name = name;
    checks.part_failed = false;
}

void check_part(bool truth, const char *format, ...)
{
    va_list args;

    if (truth || checks.part_failed) {
        return;
    }
    checks.part_failed = true;
    va_start(args, format);
    fail_line(checks.name, format, args);
    va_end(args);
}

void check_end(void)
{
    if (!checks.part_failed) {
        check_pass(checks.name);
    }
}

bool check_all_passed(void)
{
    return checks.failed == 0;
}

void kit_shutdown(unsigned reason)
{
    struct sched_shutdown request = {.reason = reason};

    (void)hv_sched(SCHEDOP_shutdown, &request);
    for (;;) {
        (void)hv_sched(SCHEDOP_block, NULL);
    }
}

void check_verdict(void)
{
    kit_printf("VERDICT %s: %u passed, %u failed, %u skipped\n", guest_name, checks.passed,
               checks.failed, checks.skipped);
}

void kit_finish(void)
{
    check_verdict();
    kit_shutdown(SHUTDOWN_poweroff);
}
