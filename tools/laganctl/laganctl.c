/* SPDX-License-Identifier: MIT */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amount.h"
#include "command.h"

static const struct command *const groups[] = {memory_commands, cache_commands, ubc_commands,
                                               watch_commands};

int command_bad(const char *word, const char *why)
{
    warnx("%s: %s", word, why);
    return COMMAND_FAILED;
}

int command_domain(struct host *h, const char *word, struct host_domain *d)
{
    int rc = host_find(h, word, d);

    return rc == -ESRCH ? command_bad(word, "there is no such domain") : rc;
}

static const char *value_of(const char *word, const char *key)
{
    size_t length = strlen(key);

    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

bool command_pages(const char *word, const char *key, uint64_t *pages, int *rc)
{
    const char *value = value_of(word, key);

    if (!value)
        return false;
    *rc = amount_parse(value, pages);
    if (*rc)
        *rc = command_bad(word, "not an amount of memory such as 64M");
    return true;
}

bool command_number(const char *word, const char *key, uint64_t max, uint64_t *number, int *rc)
{
    const char *value = value_of(word, key);
    char *end;

    if (!value)
        return false;
    errno = 0;
    *number = strtoull(value, &end, 10);
    *rc = 0;
    if (*value < '0' || *value > '9' || *end || errno || *number > max)
        *rc = command_bad(word, "not a number that can be");
    return true;
}

const char *command_name(const struct host_domain *d, char *buffer, size_t size)
{
    if (d->name[0])
        return d->name;
    snprintf(buffer, size, "%u", d->domid);
    return buffer;
}

int command_table(struct host *h, unsigned count, const char *name, const struct column *columns,
                  unsigned column_count,
                  int (*row)(struct host *h, struct table *t, const struct host_domain *d))
{
    static struct host_domain list[HOST_DOMAINS_MAX];
    int n = host_domains(h, list, HOST_DOMAINS_MAX), rc = 0;
    struct table *t;

    if (count)
        return COMMAND_USAGE;
    if (n < 0)
        return n;
    t = table_new(name, columns, column_count);
    for (int i = 0; i < n && (rc >= 0 || rc == -ESRCH); i++)
        rc = row(h, t, &list[i]);
    table_end(t);
    return rc < 0 && rc != -ESRCH ? rc : 0;
}

static void usage(FILE *to)
{
    fputs("usage: laganctl [--json] [--bytes] [--noheadings] COMMAND [WORD...]\n\n", to);
    for (size_t g = 0; g < COUNT(groups); g++)
        for (const struct command *c = groups[g]; c->name; c++) {
            int width = fprintf(to, "  %s %s", c->name, c->words);

            fprintf(to, "%*s%s\n", width < 46 ? 46 - width : 1, "", c->what);
        }
    fputs(
        "\nDOMAIN is a number or a name. AMOUNT is in MiB, or has a unit (K, M, G, T); its text is "
        "for\n"
        "people, and bytes with --bytes and --json. laganctl(8) has the meaning of each column.\n",
        to);
}

/* The command that the words begin with; *used of them are its name. */
static const struct command *find(unsigned count, char **words, unsigned *used)
{
    const struct command *best = NULL;

    *used = 0;
    for (size_t g = 0; g < COUNT(groups); g++)
        for (const struct command *c = groups[g]; c->name; c++) {
            const char *second = strchr(c->name, ' ');
            size_t length = second ? (size_t)(second - c->name) : strlen(c->name);
            unsigned n = second ? 2 : 1;

            if (n > count || n < *used || strlen(words[0]) != length ||
                strncmp(words[0], c->name, length) != 0 ||
                (second && strcmp(words[1], second + 1) != 0))
                continue;
            best = c;
            *used = n;
        }
    return best;
}

static int message(const struct command *c, int rc)
{
    static const struct {
        int rc;
        const char *text;
    } known[] = {{-ENOENT, "this is not the control domain of a Xen host"},
                 {-ENOSYS, "the hypervisor of this host is not Lagan, which has this service"},
                 {-EPERM, "only the control domain may do that"}};

    if (rc == COMMAND_USAGE) {
        fprintf(stderr, "usage: laganctl %s %s\n", c->name, c->words);
        return 2;
    }
    if (rc == COMMAND_FAILED)
        return 1;
    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].rc == rc) {
            warnx("%s", known[i].text);
            return 1;
        }
    warnx("%s: %s", c->name, strerror(-rc));
    return 1;
}

/* The index of the first word; or -1: all is done, and *status is the exit status. */
static int options(int argc, char **argv, int *status)
{
    static const struct option known[] = {{"json", 0, NULL, 'J'},
                                          {"bytes", 0, NULL, 'b'},
                                          {"noheadings", 0, NULL, 'n'},
                                          {"help", 0, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int o;

    optind = 0; /* from the beginning, whoever has called getopt before */
    table_style = (struct table_style){0};
    while ((o = getopt_long(argc, argv, "+Jbnh", known, NULL)) != -1)
        switch (o) {
        case 'J':
            table_style.json = true;
            break;
        case 'b':
            table_style.exact = true;
            break;
        case 'n':
            table_style.no_headings = true;
            break;
        case 'h':
            usage(stdout);
            *status = 0;
            return -1;
        default:
            *status = 2;
            return -1;
        }
    return optind;
}

int laganctl(int argc, char **argv)
{
    int status, first = options(argc, argv, &status), rc;
    const struct command *c;
    unsigned used, count;
    struct host *h;

    if (first < 0)
        return status;
    count = (unsigned)(argc - first);
    if (count == 0) {
        usage(stderr);
        return 2;
    }
    c = find(count, argv + first, &used);
    if (!c) {
        warnx("no command %s (laganctl --help lists them)", argv[first]);
        return 2;
    }
    rc = host_open(&h);
    if (rc)
        return message(c, rc);
    rc = c->run(h, count - used, argv + first + used);
    host_close(h);
    if (rc < 0)
        return message(c, rc);
    if (fflush(stdout) || ferror(stdout)) {
        warn("standard output");
        return 1;
    }
    return 0;
}
