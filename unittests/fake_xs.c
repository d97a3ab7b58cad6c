/* SPDX-License-Identifier: MIT
 *
 * See fake_xs.h. Nodes are in the order in which they came; a node's directory need not be one of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "unittests/fake_xs.h"

#define NODES 128U

static struct {
    char path[160], text[400];
} node[NODES];
static unsigned count, watches;
static int left;

void fake_xs_begin(int writes)
{
    count = watches = 0;
    left = writes;
}

static unsigned find(const char *path)
{
    unsigned i = 0;

    while (i < count && strcmp(node[i].path, path) != 0)
        i++;
    return i;
}

void fake_xs_put(const char *path, const char *text)
{
    unsigned i = find(path);

    if (i == NODES)
        abort();
    count += i == count;
    snprintf(node[i].path, sizeof(node[i].path), "%s", path);
    snprintf(node[i].text, sizeof(node[i].text), "%s", text);
}

const char *fake_xs_get(const char *path)
{
    unsigned i = find(path);

    return i < count ? node[i].text : NULL;
}

static bool is_below(const char *path, const char *dir)
{
    size_t length = strlen(dir);

    return strncmp(path, dir, length) == 0 && path[length] == '/';
}

void fake_xs_remove(const char *path)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++)
        if (strcmp(node[i].path, path) != 0 && !is_below(node[i].path, path))
            node[kept++] = node[i];
    count = kept;
}

unsigned fake_xs_watches(void)
{
    return watches;
}

static bool may_write(void)
{
    errno = ENOSPC;
    return left < 0 || left-- > 0;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    const char *text = fake_xs_get(path);

    (void)h;
    (void)t;
    if (text == NULL)
        return NULL;
    *len = (unsigned)strlen(text);
    return strdup(text);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
              unsigned int len)
{
    char text[400];

    (void)h;
    (void)t;
    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)data);
    if (!may_write())
        return false;
    fake_xs_put(path, text);
    return true;
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    return xs_write(h, t, path, "", 0);
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    (void)h;
    (void)t;
    fake_xs_remove(path);
    return true;
}

/* Pointers, then their texts, in one piece. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
    char **list = calloc(NODES * 24, sizeof(*list));
    char *to = (char *)(list + NODES);
    size_t length = strlen(path) + 1;

    (void)h;
    (void)t;
    *num = 0;
    for (unsigned i = 0; i < count; i++) {
        const char *name = node[i].path + length;
        size_t bytes;
        bool known = false;

        if (!is_below(node[i].path, path))
            continue;
        bytes = strcspn(name, "/");
        for (unsigned k = 0; k < *num; k++)
            known = known || (strlen(list[k]) == bytes && strncmp(list[k], name, bytes) == 0);
        if (known)
            continue;
        list[(*num)++] = to;
        memcpy(to, name, bytes);
        to += bytes + 1;
    }
    return list;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
                        struct xs_permissions *perms, unsigned int num_perms)
{
    (void)h;
    (void)t;
    (void)path;
    (void)perms;
    (void)num_perms;
    return may_write();
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    return 1;
}

/* What was written is not undone: there is no test that looks. */
bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort_it)
{
    (void)h;
    (void)t;
    (void)abort_it;
    return true;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    (void)path;
    (void)token;
    watches++;
    return true;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    (void)h;
    (void)path;
    (void)token;
    watches--;
    return true;
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
    char path[64];

    (void)h;
    snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    return fake_xs_get(path) != NULL;
}
