/* SPDX-License-Identifier: MIT
 *
 * What reading a file costs in each way that a program has, by the time stamp counter (see loops.c): the first
 * PAGES pages of the file that the variable FILE names, called NAME in what is printed. Where nothing of it is in memory yet, `first` is the cost
 * of bringing it there. The rest are repeats, of which the smallest figure counts:
 *
 *   BENCH NAME-read-first, NAME-read         read(), 64 KiB at a time
 *   BENCH NAME-map-again                    by loads through a mapping that exists
 *   BENCH NAME-map-anew                     by loads through a new one: the cost of its page faults is in it
 *
 * in instructions for a page. Each pass has to find the same sum.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "probe.h"

#define PAGES  2048u
#define WORDS  512u
#define CHUNK  (16 * WORDS)
#define TRIALS 3

static int file;
static uint64_t chunk[CHUNK];

static uint64_t sum_of(const volatile uint64_t *words, uint64_t count)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < count; i++)
        sum += words[i];
    return sum;
}

static uint64_t read_all(void)
{
    uint64_t sum = 0;

    for (uint64_t at = 0; at < PAGES * WORDS; at += CHUNK) {
        expect(pread(file, chunk, sizeof(chunk), (off_t)(at * 8)) == (ssize_t)sizeof(chunk),
               "pread: %m");
        /* One word of each page: what is measured is read(). */
        for (unsigned i = 0; i < CHUNK; i += WORDS)
            sum += chunk[i];
    }
    return sum;
}

static const volatile uint64_t *map(void)
{
    void *area = mmap(NULL, PAGES * WORDS * 8, PROT_READ, MAP_SHARED, file, 0);

    expect(area != MAP_FAILED, "mmap: %m");
    return area;
}

static uint64_t map_again(void)
{
    static const volatile uint64_t *area;

    if (!area) {
        area = map();
        sum_of(area, PAGES * WORDS);
        return UINT64_MAX;
    }
    return sum_of(area, PAGES * WORDS);
}

static uint64_t map_anew(void)
{
    const volatile uint64_t *area = map();
    uint64_t sum = sum_of(area, PAGES * WORDS);

    munmap((void *)area, PAGES * WORDS * 8);
    return sum;
}

/* The smallest cost of some passes, of which the first is not repeated work. */
static void measure(const char *way, uint64_t (*pass)(void))
{
    uint64_t first = 0, best = UINT64_MAX, sum = UINT64_MAX;

    for (unsigned trial = 0; trial <= TRIALS; trial++) {
        uint64_t start = __rdtsc(), found = pass(), taken = (__rdtsc() - start) / PAGES;

        if (sum != UINT64_MAX)
            expect(found == sum, "%s: a sum of %lx, not %lx", way, found, sum);
        sum = found;
        if (trial == 0)
            first = taken;
        else
            best = taken < best ? taken : best;
    }
    if (pass == read_all)
        printf("BENCH %s-%s-first %lu\n", getenv("NAME"), way, first);
    printf("BENCH %s-%s %lu\n", getenv("NAME"), way, best);
    fflush(stdout);
}

void probe_reads(void)
{
    if (!getenv("FILE") || !getenv("NAME"))
        skip("no FILE, or no NAME for it");
    file = open(getenv("FILE"), O_RDONLY);
    if (!expect(file >= 0, "%s: %m", getenv("FILE")))
        return;
    measure("read", read_all);
    measure("map-again", map_again);
    measure("map-anew", map_anew);
    close(file);
}
