/* SPDX-License-Identifier: MIT
 *
 * See cpio_kit.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unittests/cpio_kit.h"

static void align(struct archive *a)
{
    while (a->size % 4)
        a->bytes[a->size++] = 0;
}

void archive_add(struct archive *a, const char *name, unsigned mode, const void *data, size_t size)
{
    size_t room = sizeof(a->bytes) - a->size;

    if (room < 200 + strlen(name) + size)
        abort();
    a->size += (size_t)snprintf((char *)a->bytes + a->size, room,
                                "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1,
                                mode, 7, 8, 1, 0x5000, size, 0, 0, 0, 0, strlen(name) + 1, 0);
    memcpy(a->bytes + a->size, name, strlen(name) + 1);
    a->size += strlen(name) + 1;
    align(a);
    if (size)
        memcpy(a->bytes + a->size, data, size);
    a->size += size;
    align(a);
}

void archive_end(struct archive *a)
{
    archive_add(a, "TRAILER!!!", 0, "", 0);
}
