/* SPDX-License-Identifier: MIT
 *
 * The log: prefixes, thresholds, the rate limit, the ring and its indices, writers on several CPUs,
 * and the crash mode (which comes last, as there is no way back).
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "console_machine.h"
#include "suite.h"
#include "xen/log.h"

#define ALL (LOG_DEBUG + 1)

static void thresholds(unsigned own, unsigned own_limited, unsigned guest, unsigned guest_limited)
{
    log_set_thresholds((struct log_threshold){(uint8_t)own, (uint8_t)own_limited},
                       (struct log_threshold){(uint8_t)guest, (uint8_t)guest_limited});
}

/* Compares what the console got since the last call. */
static void shown(const char *expected)
{
    CU_ASSERT_STRING_EQUAL(machine_shown, expected);
    machine_reset();
}

static void test_before_console(void)
{
    thresholds(LOG_INFO + 1, LOG_INFO + 1, 0, LOG_WARNING + 1);
    log_info("early %d\n", 1);
    log_info("and ");
    shown("");
    log_console_ready();
    shown("(LAGAN) early 1\n(LAGAN) and ");
    log_info("late\n");
    shown("late\n");
}

static void test_lines(void)
{
    log_err("one\ntwo\n");
    shown("(LAGAN) one\n(LAGAN) two\n");
    log_err("part ");
    console_write("raw\n", 4);
    log_err("part\n");
    shown("(LAGAN) part raw\n(LAGAN) part\n");
    log_err("%s", "");
    shown("");
}

static void test_levels(void)
{
    uint32_t end = log_end();
    char text[64] = "";

    thresholds(LOG_WARNING + 1, LOG_WARNING + 1, LOG_ERR + 1, LOG_ERR + 1);
    log_err("a\n");
    log_warn("b\n");
    log_info("c\n");
    printk_guest(LOG_ERR, "d\n");
    printk_guest(LOG_WARNING, "e\n");
    shown("(LAGAN) a\n(LAGAN) b\n(LAGAN) d\n");
    CU_ASSERT_EQUAL(log_read(&end, text, sizeof(text) - 1), 40);
    CU_ASSERT_STRING_EQUAL(text, "(LAGAN) a\n(LAGAN) b\n(LAGAN) c\n(LAGAN) d\n");
    thresholds(0, 0, 0, 0);
    log_err("hidden\n");
    shown("");
    thresholds(ALL, ALL, ALL, ALL);
    log_debug("all\n");
    shown("(LAGAN) all\n");
}

static void test_rate(void)
{
    uint32_t end;
    char text[512] = "";

    thresholds(ALL, ALL, LOG_ERR + 1, ALL);
    machine_now_ns += UINT64_C(100000000000);
    end = log_end();
    for (int i = 0; i < 25; i++)
        printk_guest(LOG_WARNING, "%c\n", 'a' + i);
    shown("(LAGAN) a\n(LAGAN) b\n(LAGAN) c\n(LAGAN) d\n(LAGAN) e\n"
          "(LAGAN) f\n(LAGAN) g\n(LAGAN) h\n(LAGAN) i\n(LAGAN) j\n");
    CU_ASSERT_EQUAL(log_read(&end, text, sizeof(text)), 100); /* the ring was spared too */
    printk_guest(LOG_ERR, "always\n");
    shown("(LAGAN) always\n");
    machine_now_ns += UINT64_C(4999999999);
    printk_guest(LOG_WARNING, "still not\n");
    shown("");
    machine_now_ns += 1;
    printk_guest(LOG_WARNING, "again\n");
    shown("(LAGAN) (16 messages were held back)\n(LAGAN) again\n");
}

static void test_long_message(void)
{
    char text[2000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_err("%s\n", text);
    CU_ASSERT_EQUAL(strlen(machine_shown), 8 + 511);
    CU_ASSERT_STRING_EQUAL(machine_shown + strlen(machine_shown) - 5, "x...\n");
    machine_reset();
    log_err("%.510s\n", text);
    CU_ASSERT_STRING_EQUAL(machine_shown + strlen(machine_shown) - 3, "xx\n");
    machine_reset();
}

/* Reads the ring as dom0's log daemon does, a bit at a time, while it overflows several times. */
static void test_ring_wraps(void)
{
    static char all[LOG_RING_BYTES], some[1000];
    uint32_t index = log_end(), at = log_oldest();
    unsigned next = 0;

    thresholds(0, 0, 0, 0);
    for (unsigned i = 0; i < 10000; i++) {
        log_info("%07u\n", i); /* 16 bytes a line, with the prefix */
        if (i % 40 == 39) {
            CU_ASSERT_EQUAL_FATAL(log_read(&index, some, sizeof(some)), 640);
            for (unsigned line = 0; line < 40; line++)
                CU_ASSERT_EQUAL(strtoul(some + line * 16 + 8, NULL, 10), next++);
        }
    }
    CU_ASSERT_EQUAL(log_end() - log_oldest(), LOG_RING_BYTES);
    for (unsigned i = 0; i < 3; i++) { /* full to the byte after a line of any length */
        log_info("%.*s\n", (int)i, "odd");
        CU_ASSERT_EQUAL(log_end() - log_oldest(), LOG_RING_BYTES);
    }
    log_info("%07u\n", 9999u);
    CU_ASSERT_EQUAL(log_read(&at, all, sizeof(all)), sizeof(all)); /* `at` was long overwritten */
    CU_ASSERT_EQUAL(at, log_end());
    CU_ASSERT_EQUAL(memcmp(all + sizeof(all) - 16, "(LAGAN) 0009999\n", 16), 0);
    at = log_end() + 1; /* from the future: start over */
    CU_ASSERT_EQUAL(log_read(&at, all, sizeof(all)), sizeof(all));
    log_forget(log_end() - 16);
    CU_ASSERT_EQUAL(log_end() - log_oldest(), 16);
    log_forget(log_oldest() - 1); /* no longer there: nothing happens */
    CU_ASSERT_EQUAL(log_end() - log_oldest(), 16);
    machine_reset();
}

static void *writer(void *name)
{
    for (int i = 0; i < 300; i++)
        log_err("%s%s%s%s\n", (char *)name, (char *)name, (char *)name, (char *)name);
    return NULL;
}

static void test_writers(void)
{
    pthread_t thread[3];
    static char names[3][2] = {"a", "b", "c"};
    unsigned lines = 0;

    thresholds(ALL, ALL, ALL, ALL);
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, writer, names[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    for (const char *p = machine_shown; *p; p += 13, lines++) {
        CU_ASSERT_EQUAL_FATAL(strncmp(p, "(LAGAN) ", 8), 0);
        CU_ASSERT_FATAL(p[8] == p[9] && p[9] == p[10] && p[10] == p[11] && p[12] == '\n');
    }
    CU_ASSERT_EQUAL(lines, 900);
    machine_reset();
}

static const struct test_case cases[] = {
    {"before the console is up", test_before_console},
    {"lines and their prefix", test_lines},
    {"levels", test_levels},
    {"rate of what guests provoke", test_rate},
    {"long messages", test_long_message},
    {"the ring wraps", test_ring_wraps},
    {"several writers", test_writers},
    {NULL, NULL},
};

const struct suite suite_log = {.name = "log", .cases = cases};

static void *print_once(void *text)
{
    log_err("%s\n", (char *)text);
    return NULL;
}

/* One CPU stuck in the serial port with the lock held, one that waits for the lock: the crash
 * output must come through, and the one that waits must not wait for ever. */
static void test_crash(void)
{
    static char inside[] = "inside", waiting[] = "waiting";
    pthread_t holder, waiter;

    machine_reset();
    atomic_store(&machine_stuck, true);
    pthread_create(&holder, NULL, print_once, inside);
    while (!atomic_load(&machine_inside))
        sched_yield();
    pthread_create(&waiter, NULL, print_once, waiting);
    log_enter_crash();
    pthread_join(waiter, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(machine_shown, "waiting\n"));
    machine_reset();
    log_err("crash %d\n", 1);
    CU_ASSERT(machine_crash_writes > 0);
    shown("(LAGAN) crash 1\n");
    atomic_store(&machine_stuck, false);
    pthread_join(holder, NULL);
}

static const struct test_case crash_cases[] = {
    {"crash output", test_crash},
    {NULL, NULL},
};

const struct suite suite_log_crash = {.name = "log in a crash", .cases = crash_cases};
