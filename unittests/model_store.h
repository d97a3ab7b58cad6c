/* SPDX-License-Identifier: MIT
 *
 * A naive store: a list of paths with values and permissions, in an array, searched from one end to
 * the other. It has no limits, no transactions, and no watches: the random test adds them.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_NODES 512

struct model_node {
    char path[64], value[16];
    unsigned owner;
    char others; /* n r w b, for everybody but the owner */
};

struct model {
    struct model_node node[MODEL_NODES];
    unsigned count;
};

static inline struct model_node *model_find(struct model *m, const char *path)
{
    for (unsigned i = 0; i < m->count; i++)
        if (strcmp(m->node[i].path, path) == 0)
            return &m->node[i];
    return NULL;
}

static inline void model_parent(char *path)
{
    *strrchr(path, '/') = '\0';
}

static inline struct model_node *model_nearest(struct model *m, const char *path)
{
    char at[64];

    strcpy(at, path);
    while (!model_find(m, at))
        model_parent(at);
    return model_find(m, at);
}

static inline bool model_may(const struct model_node *n, unsigned who, char what)
{
    return n->owner == who || n->others == 'b' || n->others == what;
}

static inline const char *model_missing(struct model *m, const char *path, unsigned who)
{
    return model_may(model_nearest(m, path), who, 'r') ? "!ENOENT" : "!EACCES";
}

static inline void model_make(struct model *m, const char *path, unsigned who)
{
    char above[64];
    struct model_node *n;

    if (model_find(m, path))
        return;
    strcpy(above, path);
    model_parent(above);
    model_make(m, above, who);
    if (m->count == MODEL_NODES)
        abort();
    n = &m->node[m->count++];
    memset(n, 0, sizeof(*n));
    strcpy(n->path, path);
    n->owner = who;
    n->others = model_find(m, above)->others;
}

static inline bool model_below(const char *parent, const char *path)
{
    size_t length = strlen(parent);

    return strncmp(parent, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static inline const char *model_write(struct model *m, const char *path, const char *value,
                                      unsigned who)
{
    if (!value && model_find(m, path))
        return model_may(model_find(m, path), who, 'r') ? "OK|" : "!EACCES";
    if (!model_may(model_nearest(m, path), who, 'w'))
        return "!EACCES";
    model_make(m, path, who);
    if (value)
        strcpy(model_find(m, path)->value, value);
    return "OK|";
}

static inline const char *model_read(struct model *m, const char *path, unsigned who)
{
    struct model_node *n = model_find(m, path);

    if (!n)
        return model_missing(m, path, who);
    return model_may(n, who, 'r') ? n->value : "!EACCES";
}

static inline const char *model_rm(struct model *m, const char *path, unsigned who)
{
    struct model_node *n = model_find(m, path);
    char above[64];
    unsigned kept = 0;

    if (!n) {
        strcpy(above, path);
        model_parent(above);
        n = model_find(m, above);
        if (!n)
            return model_missing(m, above, who);
        return model_may(n, who, 'r') ? "OK|" : "!EACCES";
    }
    if (!model_may(n, who, 'w'))
        return "!EACCES";
    for (unsigned i = 0; i < m->count; i++)
        if (!model_below(path, m->node[i].path))
            m->node[kept++] = m->node[i];
    m->count = kept;
    return "OK|";
}

/* The children in the order of their making. */
static inline const char *model_list(struct model *m, const char *path, unsigned who)
{
    static char list[4096];
    struct model_node *n = model_find(m, path);

    if (!n)
        return model_missing(m, path, who);
    if (!model_may(n, who, 'r'))
        return "!EACCES";
    list[0] = '\0';
    for (unsigned i = 0; i < m->count; i++) {
        const char *name = strrchr(m->node[i].path, '/');

        if ((size_t)(name - m->node[i].path) == strlen(path) &&
            model_below(path, m->node[i].path)) {
            strcat(list, name + 1);
            strcat(list, "|");
        }
    }
    return list;
}

static inline const char *model_perms(struct model *m, const char *path, unsigned who, char others)
{
    static char perms[16];
    struct model_node *n = model_find(m, path);

    if (!n)
        return model_missing(m, path, who);
    if (!model_may(n, who, 'r'))
        return "!EACCES";
    if (!others) {
        sprintf(perms, "%c%u|", n->others, n->owner);
        return perms;
    }
    if (n->owner != who)
        return "!EACCES";
    n->others = others;
    return "OK|";
}
