/* SPDX-License-Identifier: MIT
 *
 * Revocable grants: what Lagan adds to the public grant interface (<xen/grant_table.h>).
 *
 * A granter sets LAGAN_GTF_revocable in an entry's flags before it is used. It can then have the page back
 * whether or not the mapper lets go of it: it asks, by LAGAN_GNTTABOP_revoke and with a time limit; the
 * mapper is told by VIRQ LAGAN_VIRQ_REVOKE, finds what is wanted by LAGAN_GNTTABOP_next_revoked, and can
 * unmap. When the time is over, each page-table entry that still maps the page gets a copy of the page in
 * its place, which the mapper pays for out of its own allocation; or, if it cannot, an empty page that it
 * can only read. The handle stays the mapper's: unmapping it gives the copy back.
 *
 * Entries without the flag are as on Xen: nobody takes them from their mapper. A device mapping
 * (GNTMAP_device_map) of an entry with the flag is refused, as nobody could end what a device does.
 * A hypervisor without all this ignores the flag, and returns -ENOSYS for the operations.
 */
#ifndef LAGAN_PUBLIC_GRANT_H
#define LAGAN_PUBLIC_GRANT_H

#include <stdint.h>

#define LAGAN_GTF_revocable (1U << 9) /* with GTF_permit_access, in both versions */

#define LAGAN_GNTTABOP_revoke       0x4c01 /* lists of struct lagan_grant_revoke */
#define LAGAN_GNTTABOP_next_revoked 0x4c02 /* one struct lagan_grant_next */

#define LAGAN_VIRQ_REVOKE 23 /* VIRQ_ARCH_7; to the mapper, on vCPU 0 */

/* By the granter. The first call for an entry in use starts the clock and ends all new use of it; it is to
 * be called again until it says something else than GNTST_eagain.
 *   GNTST_okay               the entry is not in use (any more), and its own again
 *   GNTST_eagain             the mapper has been told; the time is not over yet
 *   GNTST_permission_denied  in use by who was not told that this can happen
 *   GNTST_bad_gntref, GNTST_no_space (too many at a time)                          */
struct lagan_grant_revoke {
    uint32_t ref;   /* in */
    int16_t status; /* out */
    uint16_t pad;
    uint64_t timeout_ns; /* in; only that of the first call counts */
};

/* By the mapper: the next handle, from `handle` on, whose entry is wanted back or was taken.
 *   GNTST_okay, GNTST_bad_handle: there is none */
struct lagan_grant_next {
    uint32_t handle; /* in and out */
    int16_t status;  /* out */
    uint16_t taken;  /* out: 1 if what it maps is a copy (or empty) already */
};

#endif
