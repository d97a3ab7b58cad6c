/* SPDX-License-Identifier: MIT
 *
 * Names of nodes.
 */
#include "store/path.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/text.h"

static bool is_path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@' || c == '/';
}

/* Of an absolute path within its limit. */
static bool is_well_formed(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < length; i++) {
        if (!is_path_char(path[i]) || (path[i] == '/' && path[i + 1] == '/')) {
            return false;
        }
    }
    return length == 1 || path[length - 1] != '/';
}

int path_absolute(const char *given, uint16_t domid, char path[PATH_BYTES])
{
    struct text out = text_in(path, PATH_BYTES);
    size_t length = strlen(given);
    unsigned prefix = 0;

    if (length == 0 || length > XENSTORE_ABS_PATH_MAX) {
        return -XEN_EINVAL;
    }
    if (given[0] != '/') {
        if (length > XENSTORE_REL_PATH_MAX) {
            return -XEN_EINVAL;
        }
        text_add_string(&out, DOMAIN_PREFIX);
        text_add_number(&out, domid);
        text_add_char(&out, '/');
        prefix = out.length;
    }
    text_add(&out, given, length + 1);
    return is_well_formed(path) ? (int)prefix : -XEN_EINVAL;
}

bool path_covers(const char *parent, const char *path)
{
    size_t length = strlen(parent);

    for (size_t i = 0; i < length; i++) {
        if (path[i] != parent[i]) {
            return false;
        }
    }
    return length == 1 || path[length] == '/' || path[length] == '\0';
}

bool path_is_child(const char *parent, const char *path, const char **name)
{
    size_t above = path_parent_length(path);

    if (above != strlen(parent) || memcmp(parent, path, above) != 0) {
        return false;
    }
    *name = path + (above == 1 ? 1 : above + 1);
    return true;
}

size_t path_parent_length(const char *path)
{
    size_t length = strlen(path);

    if (length == 1) {
        return 0;
    }
    while (path[--length] != '/') {
    }
    return length == 0 ? 1 : length;
}
