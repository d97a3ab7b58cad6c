/* SPDX-License-Identifier: MIT
 *
 * The commands of laganctl: one function each, which prints its result.
 */
#pragma once

#include "host.h"
#include "table.h"

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof(*(array))))

/* words[0..count-1]: what follows the command's name. Returns 0; a negative errno, for a message of the caller's;
 * COMMAND_USAGE: the words are not as the command wants them; COMMAND_FAILED: what went wrong is said already. */
#define COMMAND_USAGE  (-10000)
#define COMMAND_FAILED (-10001)

struct command {
    const char *name;  /* of one word or two */
    const char *words; /* for the usage */
    const char *what;
    int (*run)(struct host *h, unsigned count, char **words);
};

extern const struct command memory_commands[], cache_commands[], ubc_commands[], watch_commands[];

/* Says what is wrong with one of the words, and returns COMMAND_FAILED. */
int command_bad(const char *word, const char *why);
/* The domain that a word names, or COMMAND_FAILED: there is none. */
int command_domain(struct host *h, const char *word, struct host_domain *d);
/* A word KEY=AMOUNT ("floor=64M") or KEY=NUMBER; false: it has another key. *rc tells of its value. */
bool command_pages(const char *word, const char *key, uint64_t *pages, int *rc);
bool command_number(const char *word, const char *key, uint64_t max, uint64_t *value, int *rc);
/* Its name, or its number (in the buffer) where it has none. */
const char *command_name(const struct host_domain *d, char *buffer, size_t size);

/* A command that has no words, and prints a table of all domains: `row` adds that of one, or returns a negative errno
 * (-ESRCH: it has ended meanwhile, and is left out). */
int command_table(struct host *h, unsigned count, const char *name, const struct column *columns,
                  unsigned column_count,
                  int (*row)(struct host *h, struct table *t, const struct host_domain *d));

/* The whole program: its exit status, 0, 1 (it failed), or 2 (it was not called as it should be). */
int laganctl(int argc, char **argv);
