/* SPDX-License-Identifier: MIT
 *
 * The unified buffer cache: its volumes, and who may read them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lagan/ubc.h"

#include "command.h"
#include "publish.h"
#include "tools/publish/source.h"

enum { ID_BYTES = 16 };

/* ---- names: 32 hexadecimal digits, dashes wherever (so a UUID); or a word of at most 16 characters ---- */

static int parse_digits(const char *text, uint8_t id[ID_BYTES])
{
    unsigned digits = 0;

    memset(id, 0, ID_BYTES);
    for (; *text; text++) {
        const char *all = "0123456789abcdef",
                   *digit = strchr(all, *text >= 'A' && *text <= 'F' ? *text | 0x20 : *text);

        if (*text == '-')
            continue;
        if (!digit || digits == 2 * ID_BYTES)
            return -EINVAL;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | (digit - all));
        digits++;
    }
    return digits == 2 * ID_BYTES ? 0 : -EINVAL;
}

static int parse_id(const char *text, uint8_t id[ID_BYTES])
{
    return parse_digits(text, id) ? source_id(text, id) : 0;
}

static void print_id(const uint8_t id[ID_BYTES], char text[2 * ID_BYTES + 5])
{
    uint8_t same[ID_BYTES];

    snprintf(text, ID_BYTES + 1, "%.*s", ID_BYTES, (const char *)id);
    if (source_id(text, same) == 0 && memcmp(same, id, ID_BYTES) == 0)
        return;
    for (unsigned i = 0; i < ID_BYTES; i++)
        text += sprintf(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
}

/* Calls `each` for the volumes until it returns something else than 0. */
static int for_each_volume(struct host *h,
                           int (*each)(struct host *h, const struct lagan_ubc_create *v, void *arg),
                           void *arg)
{
    int rc = 0;

    for (uint64_t slot = 0; rc == 0; slot++) {
        struct lagan_ubc_create v = {0};

        rc = host_ubc_call(h, LAGAN_UBC_list, slot, &v, sizeof(v));
        if (rc == -ENXIO)
            return 0;
        rc = rc == -ENOENT ? 0 : rc < 0 ? rc : each(h, &v, arg);
    }
    return rc;
}

static int find_one(struct host *h, const struct lagan_ubc_create *v, void *arg)
{
    struct lagan_ubc_create *wanted = arg;

    (void)h;
    if (memcmp(v->id, wanted->id, ID_BYTES) != 0)
        return 0;
    *wanted = *v;
    return 1;
}

static int command_volume(struct host *h, const char *word, struct lagan_ubc_create *v)
{
    int rc;

    if (parse_id(word, v->id))
        return command_bad(word, "not the name of a volume");
    rc = for_each_volume(h, find_one, v);
    return rc == 1 ? 0 : rc == 0 ? command_bad(word, "there is no such volume") : rc;
}

/* ---- what there is ---- */

static int volume_row(struct host *h, const struct lagan_ubc_create *v, void *arg)
{
    struct lagan_ubc_stats s = {0};
    char id[2 * ID_BYTES + 5];
    struct table *t = arg;
    int rc = host_ubc_call(h, LAGAN_UBC_stats, v->volume, &s, sizeof(s));

    if (rc < 0)
        return rc == -ENXIO ? 0 : rc; /* it has ended meanwhile */
    print_id(v->id, id);
    table_row(t);
    table_text(t, id);
    table_number(t, v->generation);
    table_pages(t, v->blocks);
    table_pages(t, s.pages);
    table_pages(t, s.mapped);
    table_number(t, s.mappings);
    table_number(t, s.hits);
    table_number(t, s.misses);
    table_number(t, s.reclaimed);
    table_text(t, v->flags & LAGAN_UBC_WINDOW ? "window" : v->flags & LAGAN_UBC_TREE ? "tree" : "");
    return 0;
}

static int show_volumes(struct host *h, unsigned count, char **words)
{
    static const struct column columns[] = {
        {"VOLUME", COLUMN_TEXT},  {"GENERATION", COLUMN_NUMBER}, {"SIZE", COLUMN_PAGES},
        {"CACHED", COLUMN_PAGES}, {"MAPPED", COLUMN_PAGES},      {"MAPPINGS", COLUMN_NUMBER},
        {"HITS", COLUMN_NUMBER},  {"MISSES", COLUMN_NUMBER},     {"RECLAIMED", COLUMN_NUMBER},
        {"KIND", COLUMN_TEXT}};
    struct table *t;
    int rc;

    (void)words;
    if (count)
        return COMMAND_USAGE;
    t = table_new("volumes", columns, COUNT(columns));
    rc = for_each_volume(h, volume_row, t);
    table_end(t);
    return rc;
}

/* ---- steering ---- */

static int create(struct host *h, unsigned count, char **words)
{
    struct lagan_ubc_create v = {.generation = 1};
    uint64_t generation = 1;
    int rc = 0;

    if (count < 2)
        return COMMAND_USAGE;
    if (parse_id(words[0], v.id))
        return command_bad(words[0], "not the name of a volume");
    for (unsigned i = 1; i < count && rc == 0; i++)
        if (!command_pages(words[i], "size", &v.blocks, &rc) &&
            !command_number(words[i], "generation", UINT64_MAX, &generation, &rc))
            return COMMAND_USAGE;
    if (rc)
        return rc;
    v.generation = generation;
    rc = host_ubc_call(h, LAGAN_UBC_create, 0, &v, sizeof(v));
    if (rc == -EEXIST)
        return command_bad(words[0], "there is such a volume");
    return rc == -EINVAL ? command_bad(words[0], "it needs a size that can be") : rc;
}

static int destroy(struct host *h, unsigned count, char **words)
{
    struct lagan_ubc_create v = {0};
    int rc;

    if (count != 1)
        return COMMAND_USAGE;
    rc = command_volume(h, words[0], &v);
    return rc ? rc : host_ubc_call(h, LAGAN_UBC_destroy, v.volume, NULL, 0);
}

/* No more misses are served, and the volume ends. */
static int withdraw_volume(struct host *h, unsigned count, char **words)
{
    int rc = count == 1 ? withdraw(words[0]) : COMMAND_USAGE;

    return rc ? rc : destroy(h, count, words);
}

/* Everything that is cached is wanted back from its readers, who have some time for it. */
static int revoke_all(struct host *h, unsigned count, char **words)
{
    struct lagan_ubc_create v = {0};
    struct lagan_ubc_range all = {.timeout_ns = 10 * UINT64_C(1000000000)};
    int rc;

    if (count != 1)
        return COMMAND_USAGE;
    rc = command_volume(h, words[0], &v);
    if (rc)
        return rc;
    all.count = v.blocks;
    while ((rc = host_ubc_call(h, LAGAN_UBC_revoke, v.volume, &all, sizeof(all))) == -EAGAIN)
        usleep(2000);
    return rc;
}

static int parse_rights(const char *word, uint32_t *rights)
{
    static const struct {
        const char *word;
        uint32_t rights;
    } known[] = {{"read", LAGAN_UBC_READ},
                 {"publish", LAGAN_UBC_PUBLISH},
                 {"both", LAGAN_UBC_READ | LAGAN_UBC_PUBLISH},
                 {"none", 0}};

    for (unsigned i = 0; i < COUNT(known); i++)
        if (!strcmp(word, known[i].word)) {
            *rights = known[i].rights;
            return 0;
        }
    return -EINVAL;
}

static int allow(struct host *h, unsigned count, char **words)
{
    struct lagan_ubc_create v = {0};
    struct lagan_ubc_allow a = {0};
    struct host_domain d;
    uint64_t limit = 0;
    int rc = 0;

    if (count < 3 || count > 4 || parse_rights(words[2], &a.rights))
        return COMMAND_USAGE;
    if (count == 4 && !command_pages(words[3], "limit", &limit, &rc))
        return COMMAND_USAGE;
    if (rc == 0)
        rc = command_volume(h, words[0], &v);
    if (rc == 0)
        rc = command_domain(h, words[1], &d);
    if (rc)
        return rc;
    if (count == 3 && a.rights & LAGAN_UBC_READ)
        limit = v.blocks;
    a.domid = d.domid;
    a.limit = limit < LAGAN_UBC_LIMIT_MAX ? (uint32_t)limit : LAGAN_UBC_LIMIT_MAX;
    rc = host_ubc_call(h, LAGAN_UBC_allow, v.volume, &a, sizeof(a));
    return rc == -EBUSY ? command_bad(words[1], "it has more of the volume mapped than that") : rc;
}

const struct command ubc_commands[] = {
    {"ubc", "", "volumes of the shared cache", show_volumes},
    {"ubc create", "VOLUME size=AMOUNT [generation=N]", "a new volume, with no rights for anybody",
     create},
    {"ubc allow", "VOLUME DOMAIN read|publish|both|none [limit=AMOUNT]",
     "rights of a domain, and how much it may map", allow},
    {"ubc publish", "FILE [name=VOLUME] [root=HASH tree=FILE]",
     "a volume of an image or block device, which lagan-publish serves", publish},
    {"ubc withdraw", "VOLUME", "the end of a volume that is published", withdraw_volume},
    {"ubc revoke", "VOLUME", "takes all of a volume out of memory", revoke_all},
    {"ubc destroy", "VOLUME", "the end of a volume, and of what is mapped", destroy},
    {0},
};
