/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/laganctl/amount.h"

#define USUAL_WEIGHT   256
#define USUAL_PERCENT  25
#define MOST_WEIGHT    65535
#define METRICS_FILE   "/var/lib/prometheus/node-exporter/lagan.prom"
#define CONTROL_DOMAIN "Domain-0"

void config_begin(struct config *c)
{
    memset(c, 0, sizeof(*c));
    c->usual = (struct config_rule){
        .floor_percent = USUAL_PERCENT, .ceiling = UINT64_MAX, .weight = USUAL_WEIGHT};
    c->low = c->min = UINT64_MAX;
    snprintf(c->metrics, sizeof(c->metrics), "%s", METRICS_FILE);
}

static bool number_of(const char *text, unsigned long most, unsigned long *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return !errno && *number <= most && (*end == '\0' || !strcmp(end, "%"));
}

static bool set_floor(struct config_rule *r, const char *value)
{
    unsigned long percent;

    if (value[strlen(value) - 1] == '%') {
        if (!number_of(value, 100, &percent) || percent == 0)
            return false;
        r->floor_percent = (unsigned)percent;
        return true;
    }
    r->floor_percent = 0;
    return amount_parse(value, &r->floor) == 0 && r->floor > 0 && r->floor != UINT64_MAX;
}

static bool set_manage(struct config_rule *r, const char *value)
{
    static const char *const names[] = {
        [MANAGE_AGENT] = "agent", [MANAGE_ALWAYS] = "yes", [MANAGE_NEVER] = "no"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(value, names[i])) {
            r->manage = (enum config_manage)i;
            return true;
        }
    return false;
}

/* A word that each section can have. */
static bool set_of_rule(struct config_rule *r, const char *key, const char *value)
{
    unsigned long number;

    if (!strcmp(key, "floor"))
        return set_floor(r, value);
    if (!strcmp(key, "ceiling"))
        return amount_parse(value, &r->ceiling) == 0 && r->ceiling > 0;
    if (!strcmp(key, "manage"))
        return set_manage(r, value);
    if (strcmp(key, "weight") != 0 || !number_of(value, MOST_WEIGHT, &number) || number == 0 ||
        strchr(value, '%'))
        return false;
    r->weight = (uint32_t)number;
    return true;
}

static bool set_of_host(struct config *c, const char *key, const char *value)
{
    if (!strcmp(key, "low"))
        return amount_parse(value, &c->low) == 0 && c->low != UINT64_MAX;
    if (!strcmp(key, "min"))
        return amount_parse(value, &c->min) == 0 && c->min != UINT64_MAX;
    if (strcmp(key, "metrics") != 0 || strlen(value) >= sizeof(c->metrics) - 4)
        return false;
    snprintf(c->metrics, sizeof(c->metrics), "%s", strcmp(value, "none") ? value : "");
    return value[0] == '/' || !c->metrics[0];
}

static char *trimmed(char *text)
{
    char *end = text + strlen(text);

    while (end > text && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    return text + strspn(text, " \t");
}

static struct config_rule *begin_section(struct config *c, const char *name)
{
    struct config_rule *r = &c->rule[c->count];

    if (c->count == CONFIG_RULES_MAX || !*name || strlen(name) >= sizeof(r->name))
        return NULL;
    *r = c->usual;
    snprintf(r->name, sizeof(r->name), "%s", name);
    c->count++;
    return r;
}

/* One line; what is wrong with it, or NULL. */
static const char *take_line(struct config *c, struct config_rule **section, char *line)
{
    char *equals, *key, *value;

    line = trimmed(line);
    if (!*line || *line == '#')
        return NULL;
    if (*line == '[') {
        if (line[strlen(line) - 1] != ']')
            return "a section's name stands between [ and ]";
        line[strlen(line) - 1] = '\0';
        *section = begin_section(c, trimmed(line + 1));
        return *section ? NULL : "a section without a name, or too many of them";
    }
    equals = strchr(line, '=');
    if (!equals)
        return "neither [NAME] nor WORD = VALUE";
    *equals = '\0';
    key = trimmed(line);
    value = trimmed(equals + 1);
    if (*value && (set_of_rule(*section ? *section : &c->usual, key, value) ||
                   (!*section && set_of_host(c, key, value))))
        return NULL;
    return "no such word here, or a value that it cannot have";
}

int config_read(struct config *c, FILE *file, char *why, size_t size)
{
    struct config_rule *section = NULL;
    const char *wrong = NULL;
    unsigned number = 0;
    char line[512];

    while (!wrong && fgets(line, sizeof(line), file)) {
        number++;
        wrong = strlen(line) == sizeof(line) - 1 ? "too long" : take_line(c, &section, line);
    }
    if (!wrong && c->low != UINT64_MAX && c->min != UINT64_MAX && c->min > c->low)
        wrong = "min is above low";
    if (!wrong && !ferror(file))
        return 0;
    snprintf(why, size, "line %u: %s", number, wrong ? wrong : "it cannot be read");
    return -EINVAL;
}

const struct config_rule *config_rule(const struct config *c, const char *name)
{
    static const struct config_rule never = {.manage = MANAGE_NEVER};

    for (unsigned i = 0; i < c->count; i++)
        if (!strcmp(c->rule[i].name, name))
            return &c->rule[i];
    return strcmp(name, CONTROL_DOMAIN) ? &c->usual : &never;
}

uint64_t config_floor(const struct config_rule *r, uint64_t start_pages)
{
    uint64_t floor = r->floor_percent ? start_pages * r->floor_percent / 100 : r->floor;

    return floor ? floor : 1;
}
