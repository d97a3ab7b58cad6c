/* SPDX-License-Identifier: MIT
 *
 * Tables on standard output, as text or as JSON (libsmartcols). Amounts of memory are for people in text, and
 * bytes in JSON.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum column_kind {
    COLUMN_TEXT,
    COLUMN_NUMBER,
    COLUMN_PAGES, /* an amount of memory, given in pages */
};

struct column {
    const char *name; /* in text; JSON takes it in lower case */
    enum column_kind kind;
};

struct table;

/* `name` is that of the list in JSON. Ends the program when there is no memory. */
struct table *table_new(const char *name, const struct column *columns, unsigned count);
/* A new row. Cells are given in the order of the columns. */
void table_row(struct table *t);
void table_text(struct table *t, const char *text);
void table_number(struct table *t, uint64_t n);
void table_real(struct table *t, double value);
void table_pages(struct table *t, uint64_t pages);
void table_none(struct table *t); /* an empty cell */
/* Prints it, and forgets it. */
void table_end(struct table *t);

struct table_style {
    bool json, exact, no_headings;
};
extern struct table_style table_style;
