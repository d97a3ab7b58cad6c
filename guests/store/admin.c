/* SPDX-License-Identifier: MIT
 *
 * Requests in the administrator's name. They take the same way as those of domains, so that
 * watches fire and transactions notice.
 */
#include "store/admin.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/request.h"

static int ask(struct store *store, uint32_t type, const char *path, struct text *out)
{
    return request_execute(store, ADMIN(store), type, 0, path, strlen(path) + 1, out);
}

/* A path and `count` bytes behind it. */
static int tell(struct store *store, uint32_t type, const char *path, const char *rest,
                size_t count)
{
    static char bytes[XENSTORE_ABS_PATH_MAX + 1 + 512]; /* a guest's stack has 16 KiB */
    char answer[8];
    struct text payload = text_in(bytes, sizeof(bytes)), out = text_in(answer, sizeof(answer));

    text_add(&payload, path, strlen(path) + 1);
    text_add(&payload, rest, count);
    if (payload.cut) {
        return -XEN_E2BIG;
    }
    return request_execute(store, ADMIN(store), type, 0, payload.at, payload.length, &out);
}

int admin_read(struct store *store, const char *path, struct text *out)
{
    return ask(store, XS_READ, path, out);
}

int admin_list(struct store *store, const char *path, struct text *out)
{
    return ask(store, XS_DIRECTORY, path, out);
}

int admin_get_perms(struct store *store, const char *path, struct text *out)
{
    return ask(store, XS_GET_PERMS, path, out);
}

int admin_write(struct store *store, const char *path, const char *value)
{
    return tell(store, XS_WRITE, path, value, strlen(value));
}

int admin_mkdir(struct store *store, const char *path)
{
    return tell(store, XS_MKDIR, path, "", 0);
}

int admin_remove(struct store *store, const char *path)
{
    return tell(store, XS_RM, path, "", 0);
}

int admin_set_perms(struct store *store, const char *path, const char *entries, size_t count)
{
    return tell(store, XS_SET_PERMS, path, entries, count);
}
