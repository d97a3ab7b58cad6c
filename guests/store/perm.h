/* SPDX-License-Identifier: MIT
 *
 * Permissions of a node: a list of entries, each a domain and what it may do. The first entry names
 * the owner, who may do everything, and says what domains may do that have no entry of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/limits.h"
#include "store/text.h"

#define PERM_READ  1U
#define PERM_WRITE 2U

struct perm {
    uint16_t domid;
    uint8_t access; /* PERM_* */
};

struct perms {
    uint8_t count; /* 1 .. PERMS_MAX */
    struct perm entry[PERMS_MAX];
};

/* What a domain may do; the administrator is not asked about here. */
unsigned perms_access(const struct perms *perms, uint16_t domid);
/* Reads "n0" "r5" ... from `length` bytes, each with its terminator. 0, -XEN_EINVAL, or -XEN_ENOSPC
 * when there are more than PERMS_MAX. */
int perms_parse(const char *text, size_t length, struct perms *perms);
/* Writes them likewise. */
void perms_print(const struct perms *perms, struct text *out);
/* Takes out the entries of a domain that is no more. The owner's entry stays. */
void perms_forget(struct perms *perms, uint16_t domid);
