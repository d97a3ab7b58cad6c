/* SPDX-License-Identifier: MIT
 *
 *   replay [-n REFS] [-p PAGES] [-s SEED] [-f FORMAT] [FILE | KIND]...
 *
 * Prints, for each trace, what part of its reads goes to the disk, by the sizes of the guest's cache and of ours.
 * FORMAT: oracle (the usual one), csv, msr, alibaba, tencent; - is as good as a FILE that is
 * made: zipf, flat, loop, scan, vm, phase. Without any: all that can be made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

static const struct {
    unsigned guest, ours; /* per cent of the trace's pages */
} sizes[] = {{5, 5}, {5, 20}, {5, 40}, {10, 10}, {10, 20}, {10, 40}, {1, 2}, {2, 80}};

static double part(uint64_t n, uint64_t of)
{
    return of ? (double)n / (double)of : 0;
}

static void show(const char *name, const struct trace *t)
{
    printf("%s: %zu references, %zu reads, %lu pages\n", name, t->count, t->reads, t->pages);
    printf("%8s %8s %8s %8s %8s | %8s %8s %8s | scanner %5s %8s %8s %8s\n", "g/h %", "none",
           "one LRU", "keep all", "ours", "puts/ref", "hit/put", "kept", "1 LRU", "0.1", "1", "10");
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t g = (uint32_t)(t->pages * sizes[i].guest / 100) + 1;
        uint32_t h = (uint32_t)(t->pages * sizes[i].ours / 100) + 1;
        struct rig_guest all, ours;
        uint64_t alone = rig_alone(t, RIG_OURS, g, h, &ours);

        (void)rig_alone(t, RIG_KEEP_ALL, g, h, &all);
        printf("%4u/%-3u %8.4f %8.4f %8.4f %8.4f | %8.3f %8.3f %8.3f |", sizes[i].guest,
               sizes[i].ours, part(one_lru(t, g), t->reads), part(one_lru(t, g + h), t->reads),
               part(all.misses, t->reads), part(alone, t->reads), part(ours.puts, t->count),
               part(all.cache_hits, all.puts), part(ours.kept, ours.puts));
        printf(" %12.4f", part(rig_beside_scanner(t, RIG_GLOBAL, g, h, 100, NULL), t->reads));
        for (uint32_t tenths = 1; tenths <= 100; tenths *= 10)
            printf(" %8.4f", part(rig_beside_scanner(t, RIG_OURS, g, h, tenths, NULL), t->reads));
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    size_t refs = 400000;
    uint64_t pages = 40000, seed = 1;
    enum trace_format format = TRACE_ORACLE;
    int option;

    while ((option = getopt(argc, argv, "n:p:s:f:")) != -1) {
        if (option == 'n')
            refs = strtoull(optarg, NULL, 0);
        else if (option == 'p')
            pages = strtoull(optarg, NULL, 0);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 0);
        else if (option == 'f' && trace_format_of(optarg) != TRACE_FORMATS)
            format = trace_format_of(optarg);
        else
            return 2;
    }
    for (unsigned k = 0; k < MADE_KINDS; k++) {
        struct trace t = {.ref = NULL};
        bool wanted = optind == argc;

        for (int i = optind; i < argc; i++)
            wanted |= strcmp(argv[i], made_name[k]) == 0;
        if (!wanted)
            continue;
        trace_make(&t, (enum trace_kind)k, refs, pages, seed);
        show(made_name[k], &t);
        trace_free(&t);
    }
    for (; optind < argc; optind++) {
        struct trace t = {.ref = NULL};
        bool made = false;

        for (unsigned k = 0; k < MADE_KINDS; k++)
            made |= strcmp(argv[optind], made_name[k]) == 0;
        if (made)
            continue;
        if (!trace_read(&t, argv[optind], format, refs))
            return 1;
        show(argv[optind], &t);
        trace_free(&t);
    }
    return 0;
}
