/* SPDX-License-Identifier: MIT
 *
 * Volumes under the page cache. The kernel module does the work (lagan_cache), dmsetup sets it up: so what administrators know of
 * mapped devices holds for these. A volume that is attached already is no error: several guests may share one. One that is in use is
 * detached when the last of them has closed it, and stays if it is attached again before.
 */
#include "volume.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define SECTOR 512U

bool volume_name(const char *real_path, char *name, size_t size)
{
    const char *last = strrchr(real_path, '/');
    int length = snprintf(name, size, "lagan-%s", last ? last + 1 : real_path);

    return length > 0 && (size_t)length < size;
}

bool volume_table(const char *real_path, uint64_t bytes, char *table, size_t size)
{
    int length = snprintf(table, size, "0 %" PRIu64 " lagan-cache %s mode=inclusive",
                          bytes / SECTOR, real_path);

    return length > 0 && (size_t)length < size;
}

/* A block device: its path without links, the name of what is over it, and its bytes. */
struct volume {
    char path[PATH_MAX];
    char name[128];
    char mapped[160];
    uint64_t bytes;
};

static int find(struct host *h, const char *word, struct volume *v)
{
    int rc = host_volume(h, word, v->path, sizeof(v->path), &v->bytes);

    if (rc == -ENOTBLK)
        return command_bad(word, "no block device");
    if (rc)
        return command_bad(word, strerror(-rc));
    if (!volume_name(v->path, v->name, sizeof(v->name)))
        return command_bad(word, "its name is too long");
    snprintf(v->mapped, sizeof(v->mapped), "/dev/mapper/%s", v->name);
    return 0;
}

static bool is_attached(struct host *h, struct volume *v)
{
    char *words[] = {"dmsetup", "info", v->name, NULL};

    return host_run(h, words, true) == 0;
}

/* It is there, and does not go any more if it was about to. Its node may have gone already: without udev, dmsetup removes it at once. */
static bool is_kept(struct host *h, struct volume *v)
{
    char *words[] = {"dmsetup", "message", v->name, "0", "@cancel_deferred_remove", NULL};
    char *node[] = {"dmsetup", "mknodes", v->name, NULL};

    return is_attached(h, v) && host_run(h, words, true) == 0 && host_run(h, node, true) == 0;
}

static int attach(struct host *h, struct volume *v)
{
    char table[PATH_MAX + 64];
    char *load[] = {"modprobe", "lagan_cache", NULL};
    char *create[] = {"dmsetup", "create", v->name, "--table", table, NULL};
    int rc;

    if (is_kept(h, v))
        return 0;
    if (!volume_table(v->path, v->bytes, table, sizeof(table)))
        return -ENAMETOOLONG;
    rc = host_run(h, load, false);
    if (rc == 0)
        rc = host_run(h, create, false);
    /* Somebody else may have been faster. */
    return rc == 0 || is_kept(h, v) ? 0 : rc < 0 ? rc : COMMAND_FAILED;
}

/* Prints where each is to be found now. */
int volume_attach(struct host *h, unsigned count, char **words)
{
    struct volume v;
    int rc;

    if (count == 0)
        return COMMAND_USAGE;
    for (unsigned i = 0; i < count; i++) {
        rc = find(h, words[i], &v);
        if (!rc)
            rc = attach(h, &v);
        if (rc)
            return rc;
        puts(v.mapped);
    }
    return 0;
}

int volume_detach(struct host *h, unsigned count, char **words)
{
    struct volume v;
    int rc;

    if (count == 0)
        return COMMAND_USAGE;
    for (unsigned i = 0; i < count; i++) {
        char *remove[] = {"dmsetup", "remove", "--deferred", v.name, NULL};

        rc = find(h, words[i], &v);
        if (!rc && !is_attached(h, &v))
            return command_bad(words[i], "not attached");
        if (!rc)
            rc = host_run(h, remove, false);
        if (rc)
            return rc < 0 ? rc : COMMAND_FAILED;
    }
    return 0;
}
