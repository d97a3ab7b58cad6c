/* SPDX-License-Identifier: MIT
 *
 * grant_table_op: lists of operations on grants. What concerns a table as a whole is in
 * hcall_grant_table.c.
 *
 * An operation that is refused has that in its own status, and the next one follows; the call as a
 * whole fails only if the list cannot be read or written. A long list is preempted between
 * operations, and the call made again with the rest. The tables of others are looked up inside
 * grant_enter(), which is left now and then so that nobody waits long for a change of them.
 */
#include <lagan/arch.h>

#include <public/lagan/grant.h>

#include "shmem/grant.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_grant.h"
#include "xen/hypercall.h"
#include "arch_current.h"
#include "arch_inline.h"

#define OPS_PER_ENTRY GRANT_UNMAP_BATCH /* operations in one piece */

/* Of each operation on grants: the size of its structure; 0: not a list of operations. */
static size_t bytes_of(unsigned cmd)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        return sizeof(struct gnttab_map_grant_ref);
    case GNTTABOP_unmap_grant_ref:
        return sizeof(struct gnttab_unmap_grant_ref);
    case GNTTABOP_unmap_and_replace:
        return sizeof(struct gnttab_unmap_and_replace);
    case GNTTABOP_transfer:
        return sizeof(struct gnttab_transfer);
    case GNTTABOP_copy:
        return sizeof(struct gnttab_copy);
    case GNTTABOP_swap_grant_ref:
        return sizeof(struct gnttab_swap_grant_ref);
    case LAGAN_GNTTABOP_revoke:
        return sizeof(struct lagan_grant_revoke);
    case LAGAN_GNTTABOP_next_revoked:
        return sizeof(struct lagan_grant_next);
    default:
        return 0;
    }
}

static int write_status(guest_ptr_t where, size_t offset, int16_t status)
{
    return copy_to_guest(guest_ptr_add(where, offset), &status, sizeof(status));
}

/* ---- one operation: 0, -XEN_EFAULT, or -XEN_ERESTART ---- */

static int map_one(const struct grant_user *u, guest_ptr_t where)
{
    struct gnttab_map_grant_ref op;
    int rc;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    rc = grant_map(u, &op);
    return rc ? rc : copy_to_guest(where, &op, sizeof(op));
}

static int copy_one(const struct grant_user *u, guest_ptr_t where)
{
    struct gnttab_copy op;
    int rc;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    rc = grant_copy(u, &op);
    return rc ? rc : write_status(where, offsetof(struct gnttab_copy, status), op.status);
}

static int transfer_one(const struct grant_user *u, guest_ptr_t where)
{
    struct gnttab_transfer op;
    int rc;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    rc = grant_transfer(u, &op);
    return rc ? rc : write_status(where, offsetof(struct gnttab_transfer, status), op.status);
}

static int swap_one(const struct grant_user *u, guest_ptr_t where)
{
    struct gnttab_swap_grant_ref op;
    int status;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    status = grant_swap(u->table, op.ref_a, op.ref_b);
    if (status == -XEN_ERESTART)
        return status;
    return write_status(where, offsetof(struct gnttab_swap_grant_ref, status), (int16_t)status);
}

static int unmap_one(struct grant_unmap_batch *b, guest_ptr_t where)
{
    struct gnttab_unmap_grant_ref op;
    int status;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    status = grant_unmap_one(b, op.host_addr, op.dev_bus_addr, 0, op.handle);
    return write_status(where, offsetof(struct gnttab_unmap_grant_ref, status), (int16_t)status);
}

static int replace_one(struct grant_unmap_batch *b, guest_ptr_t where)
{
    struct gnttab_unmap_and_replace op;
    int status;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    status = grant_unmap_one(b, op.host_addr, 0, op.new_addr, op.handle);
    return write_status(where, offsetof(struct gnttab_unmap_and_replace, status), (int16_t)status);
}

static int revoke_one(const struct grant_user *u, guest_ptr_t where)
{
    struct lagan_grant_revoke op;
    struct domain *d;
    domid_t tell;
    int rc;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    rc = grant_revoke(u, &op, &tell);
    d = tell == DOMID_INVALID ? NULL : domain_find(tell);
    if (d) {
        event_raise_global_virq(d, LAGAN_VIRQ_REVOKE);
        domain_put(d);
    }
    return rc ? rc : write_status(where, offsetof(struct lagan_grant_revoke, status), op.status);
}

static int next_revoked_one(const struct grant_user *u, guest_ptr_t where)
{
    struct lagan_grant_next op;
    int rc;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    rc = grant_next_revoked(u, &op);
    if (copy_to_guest(where, &op, sizeof(op)))
        return -XEN_EFAULT;
    return rc;
}

static int one(unsigned cmd, struct grant_unmap_batch *b, guest_ptr_t where)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        return map_one(b->user, where);
    case GNTTABOP_unmap_grant_ref:
        return unmap_one(b, where);
    case GNTTABOP_unmap_and_replace:
        return replace_one(b, where);
    case GNTTABOP_copy:
        return copy_one(b->user, where);
    case GNTTABOP_transfer:
        return transfer_one(b->user, where);
    case LAGAN_GNTTABOP_revoke:
        return revoke_one(b->user, where);
    case LAGAN_GNTTABOP_next_revoked:
        return next_revoked_one(b->user, where);
    default:
        return swap_one(b->user, where);
    }
}

/* ---- lists ---- */

/* As many operations as are done in one piece, at most `count`; *done of them are. */
static int piece(unsigned cmd, const struct grant_user *u, guest_ptr_t list, size_t bytes,
                 uint32_t count, uint32_t *done)
{
    struct grant_unmap_batch b;
    uint32_t i;
    int rc = 0;

    grant_unmap_begin(&b, u);
    grant_enter();
    for (i = 0; i < count && i < OPS_PER_ENTRY && !rc; i++) {
        if (i && arch_preempt_pending())
            break;
        rc = one(cmd, &b, guest_ptr_add(list, i * bytes));
        if (rc)
            break;
    }
    grant_unmap_finish(&b);
    grant_leave();
    *done = i;
    return rc;
}

static int64_t list_op(const struct hypercall_args *args, unsigned cmd, size_t bytes)
{
    struct vcpu *v = current_vcpu();
    struct grant_user u = {v->domain->grants, arch_vcpu_tables(&v->arch), v->id};
    guest_ptr_t list = guest_ptr(args->a[1]);
    uint32_t count = (uint32_t)args->a[2], done = 0;
    int rc = 0;

    if (!guest_range_ok(list, count * bytes))
        return -XEN_EFAULT;
    while (!rc && done < count) {
        uint32_t n = 0;

        if (done && arch_preempt_pending())
            rc = -XEN_ERESTART;
        else
            rc = piece(cmd, &u, guest_ptr_add(list, done * bytes), bytes, count - done, &n);
        done += n;
    }
    if (rc == -XEN_ERESTART) {
        struct hypercall_args rest = *args;

        rest.a[1] += done * bytes;
        rest.a[2] = count - done;
        return hypercall_continue(&rest);
    }
    return rc;
}

int64_t hcall_grant_table_op(const struct hypercall_args *args)
{
    unsigned cmd = (unsigned)args->a[0];
    size_t bytes = bytes_of(cmd);

    if ((int32_t)args->a[2] < 0)
        return -XEN_EINVAL;
    if (bytes)
        return list_op(args, cmd, bytes);
    if (cmd == GNTTABOP_cache_flush)
        return grant_cache_flush(args);
    return grant_table_call(cmd, guest_ptr(args->a[1]), (uint32_t)args->a[2]);
}
