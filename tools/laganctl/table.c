/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libsmartcols/libsmartcols.h>

#include "amount.h"

struct table {
    struct libscols_table *t;
    struct libscols_line *line;
    unsigned columns, next;
};

struct table_style table_style;

static void need(bool ok)
{
    if (!ok)
        errx(1, "not enough memory for the output");
}

static void add_column(struct libscols_table *t, const struct column *c)
{
    struct libscols_column *column;
    char name[32];
    size_t i = 0;

    for (; c->name[i] && i < sizeof(name) - 1; i++)
        name[i] = (char)(table_style.json ? tolower((unsigned char)c->name[i]) : c->name[i]);
    name[i] = '\0';
    column = scols_table_new_column(t, name, 0, c->kind == COLUMN_TEXT ? 0 : SCOLS_FL_RIGHT);
    need(column);
    if (c->kind != COLUMN_TEXT)
        scols_column_set_json_type(column, SCOLS_JSON_NUMBER);
}

struct table *table_new(const char *name, const struct column *columns, unsigned count)
{
    struct table *t = calloc(1, sizeof(*t));

    need(t);
    t->t = scols_new_table();
    need(t->t);
    t->columns = count;
    scols_table_set_name(t->t, name);
    scols_table_enable_json(t->t, table_style.json);
    scols_table_enable_noheadings(t->t, table_style.no_headings);
    for (unsigned i = 0; i < count; i++)
        add_column(t->t, &columns[i]);
    return t;
}

void table_row(struct table *t)
{
    t->line = scols_table_new_line(t->t, NULL);
    need(t->line);
    t->next = 0;
}

void table_text(struct table *t, const char *text)
{
    need(t->next < t->columns && scols_line_set_data(t->line, t->next++, text) == 0);
}

void table_number(struct table *t, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, n);
    table_text(t, text);
}

void table_real(struct table *t, double value)
{
    char text[40];

    snprintf(text, sizeof(text), "%.3f", value);
    table_text(t, text);
}

void table_pages(struct table *t, uint64_t pages)
{
    char text[24];

    amount_print(text, sizeof(text), pages, table_style.exact || table_style.json);
    table_text(t, text);
}

void table_none(struct table *t)
{
    t->next++;
}

void table_end(struct table *t)
{
    scols_print_table(t->t);
    scols_unref_table(t->t);
    free(t);
}
