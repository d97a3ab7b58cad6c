/* SPDX-License-Identifier: MIT
 *
 * The probes' common part: finds the one that is asked for and counts faults.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

unsigned probe_rounds = 100;

static struct {
    unsigned faults;
} probe;

static const struct {
    const char *name;
    void (*run)(void);
} probes[] = {
    {"signals", probe_signals}, {"ldt", probe_ldt},         {"xstate", probe_xstate},
    {"clock", probe_clock},     {"step", probe_step},       {"segments", probe_segments},
    {"memory", probe_memory},   {"loops", probe_loops},     {"domid", probe_domid},
    {"store", probe_store},     {"threads", probe_threads}, {"reads", probe_reads},
    {"window", probe_window},   {"disk", probe_disk},       {"now", probe_now},
    {"files", probe_files},
};

bool expect(bool holds, const char *format, ...)
{
    va_list args;

    if (holds)
        return true;
    /* A flood of the same fault tells nothing more. */
    if (probe.faults++ < 10) {
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        putchar('\n');
        fflush(stdout);
    }
    return false;
}

void skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    exit(PROBE_SKIP);
}

void in_children(unsigned count, void (*work)(unsigned index))
{
    unsigned started = 0;

    fflush(stdout);
    for (unsigned i = 0; i < count; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            probe.faults = 0;
            work(i);
            fflush(stdout);
            _exit(probe.faults > 0);
        }
        if (expect(pid > 0, "fork: %m"))
            started++;
    }
    for (; started > 0; started--) {
        int status;

        if (expect(wait(&status) > 0, "wait: %m"))
            expect(status == 0, "a child ended with status %x", (unsigned)status);
    }
}

uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int main(int argc, char **argv)
{
    if (argc > 2)
        probe_rounds = (unsigned)atoi(argv[2]);
    for (unsigned i = 0; argc > 1 && i < sizeof(probes) / sizeof(probes[0]); i++)
        if (strcmp(argv[1], probes[i].name) == 0) {
            probes[i].run();
            return probe.faults > 0;
        }
    fprintf(stderr, "usage: probe NAME [ROUNDS]\n");
    return 2;
}
