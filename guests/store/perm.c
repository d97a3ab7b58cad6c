/* SPDX-License-Identifier: MIT
 *
 * Permissions.
 */
#include "store/perm.h"
#include <xen/errno.h>
#include "kit/lib.h"

static const char access_letters[] = "nrwb"; /* by PERM_* */

unsigned perms_access(const struct perms *perms, uint16_t domid)
{
    if (perms->entry[0].domid == domid) {
        return PERM_READ | PERM_WRITE;
    }
    for (unsigned i = 1; i < perms->count; i++) {
        if (perms->entry[i].domid == domid) {
            return perms->entry[i].access;
        }
    }
    return perms->entry[0].access;
}

static bool parse_entry(const char *text, struct perm *perm)
{
    uint64_t domid;

    for (uint8_t access = 0; access < 4; access++) {
        if (text[0] == access_letters[access] && text_number(text + 1, UINT16_MAX, &domid)) {
            *perm = (struct perm){.domid = (uint16_t)domid, .access = access};
            return true;
        }
    }
    return false;
}

int perms_parse(const char *text, size_t length, struct perms *perms)
{
    const char *end = text + length;
    struct perms parsed = {0};

    if (length == 0 || end[-1] != '\0') {
        return -XEN_EINVAL;
    }
    for (; text < end; text += strlen(text) + 1) {
        if (parsed.count == PERMS_MAX) {
            return -XEN_ENOSPC;
        }
        if (!parse_entry(text, &parsed.entry[parsed.count])) {
            return -XEN_EINVAL;
        }
        parsed.count++;
    }
    *perms = parsed;
    return 0;
}

void perms_print(const struct perms *perms, struct text *out)
{
    for (unsigned i = 0; i < perms->count; i++) {
        text_add_char(out, access_letters[perms->entry[i].access]);
        text_add_number(out, perms->entry[i].domid);
        text_add_char(out, '\0');
    }
}

void perms_forget(struct perms *perms, uint16_t domid)
{
    uint8_t kept = 1;

    for (unsigned i = 1; i < perms->count; i++) {
        if (perms->entry[i].domid != domid) {
            perms->entry[kept++] = perms->entry[i];
        }
    }
    perms->count = kept;
}
