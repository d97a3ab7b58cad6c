/* SPDX-License-Identifier: MIT
 *
 * ubc_op: the unified buffer cache (include/public/lagan/ubc.h).
 *
 * As with grants, what is wrong with an entry of a list stands in its status, and the next one follows. A long
 * call is preempted between entries, and made again with the rest of the list; an entry that is not done yet is not
 * written, and is begun again, and so is a call without a list: the engine remembers how far it came.
 */
#include <lagan/arch.h>

#include "ubc/ubc.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "xen/ubc_host.h"
#include "arch_current.h"
#include "arch_inline.h"

STATIC_ASSERT(LAGAN_VIRQ_UBC == VIRQ_ARCH_5);
STATIC_ASSERT(LAGAN_UBC_BLOCK_BYTES == PAGE_SIZE);
STATIC_ASSERT(sizeof(struct lagan_ubc_create) == 352);
STATIC_ASSERT(sizeof(struct lagan_ubc_allow) == 16);
STATIC_ASSERT(sizeof(struct lagan_ubc_open) == 88);
STATIC_ASSERT(sizeof(struct lagan_ubc_range) == 32);
STATIC_ASSERT(sizeof(struct lagan_ubc_insert) == 24);
STATIC_ASSERT(sizeof(struct lagan_ubc_map) == 32);
STATIC_ASSERT(sizeof(struct lagan_ubc_unmap) == 16);
STATIC_ASSERT(sizeof(struct lagan_ubc_read) == 24);
STATIC_ASSERT(sizeof(struct lagan_ubc_want) == 16);
STATIC_ASSERT(sizeof(struct lagan_ubc_stats) == 128);

/* What a step is repeated for: it has come further, and nobody else waits for the processor. */
static bool goes_on(int rc)
{
    return rc == -XEN_ERESTART && !arch_preempt_pending();
}

static void tell(const struct ubc_tell *list)
{
    for (unsigned i = 0; i < list->count; i++)
        ubc_host_tell(list->id[i]);
}

/* ---- entries of lists: the status, or -XEN_ERESTART ---- */

static int insert_copy(const struct ubc_ref *ref, const struct lagan_ubc_insert *in, uint64_t epoch)
{
    int rc = ubc_may_insert(ref, in, epoch);
    mfn_t frame;

    if (rc)
        return rc;
    if (!ubc_frame_get(&frame))
        return -XEN_ENOMEM;
    rc = copy_from_guest(arch_map_frame(frame), guest_ptr(in->address), PAGE_SIZE);
    if (!rc)
        rc = ubc_insert(ref, in, epoch, frame);
    if (rc)
        ubc_frame_put(frame);
    return rc;
}

static int insert_one(const struct ubc_ref *ref, guest_ptr_t where, uint64_t epoch)
{
    struct lagan_ubc_insert op;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    do
        op.status = op.flags & LAGAN_UBC_DONATE ? ubc_donate(ref, &op, epoch)
                                                : insert_copy(ref, &op, epoch);
    while (goes_on(op.status));
    return op.status == -XEN_ERESTART ? op.status : copy_to_guest(where, &op, sizeof(op));
}

static int map_one(const struct ubc_ref *ref, guest_ptr_t where)
{
    mfn_t l4 = arch_vcpu_tables(&current_vcpu()->arch);
    struct lagan_ubc_map op;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    do
        op.status = ubc_map(ref, l4, &op);
    while (goes_on(op.status));
    return op.status == -XEN_ERESTART ? op.status : copy_to_guest(where, &op, sizeof(op));
}

static int unmap_one(const struct ubc_ref *ref, guest_ptr_t where)
{
    struct lagan_ubc_unmap op;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    do
        op.status = ubc_unmap(ref, op.handle);
    while (goes_on(op.status));
    return op.status == -XEN_ERESTART ? op.status : copy_to_guest(where, &op, sizeof(op));
}

static int read_block(const struct ubc_ref *ref, const struct lagan_ubc_read *op)
{
    struct ubc_held h;
    int rc, rc2;

    if (op->length == 0 || (uint32_t)op->offset + op->length > PAGE_SIZE)
        return -XEN_EINVAL;
    rc = ubc_hold(ref, op->block, &h);
    if (rc)
        return rc;
    rc = copy_to_guest(guest_ptr(op->address), (const uint8_t *)h.data + op->offset, op->length);
    rc2 = ubc_release(ref, &h);
    return rc ? rc : rc2;
}

static int read_one(const struct ubc_ref *ref, guest_ptr_t where)
{
    struct lagan_ubc_read op;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    do
        op.status = read_block(ref, &op);
    while (goes_on(op.status));
    return op.status == -XEN_ERESTART ? op.status : copy_to_guest(where, &op, sizeof(op));
}

static int want_one(unsigned cmd, const struct ubc_ref *ref, guest_ptr_t where)
{
    struct lagan_ubc_want op;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    do
        op.status = cmd == LAGAN_UBC_wanted ? ubc_wanted(ref, &op) : ubc_refuse(ref, &op);
    while (goes_on(op.status));
    return op.status == -XEN_ERESTART ? op.status : copy_to_guest(where, &op, sizeof(op));
}

/* ---- lists ---- */

static size_t bytes_of(unsigned cmd)
{
    switch (cmd) {
    case LAGAN_UBC_insert:
        return sizeof(struct lagan_ubc_insert);
    case LAGAN_UBC_map:
        return sizeof(struct lagan_ubc_map);
    case LAGAN_UBC_unmap:
        return sizeof(struct lagan_ubc_unmap);
    case LAGAN_UBC_read:
        return sizeof(struct lagan_ubc_read);
    case LAGAN_UBC_wanted:
    case LAGAN_UBC_refuse:
        return sizeof(struct lagan_ubc_want);
    default:
        return 0;
    }
}

static int do_one(unsigned cmd, const struct ubc_ref *ref, guest_ptr_t where, uint64_t epoch)
{
    switch (cmd) {
    case LAGAN_UBC_insert:
        return insert_one(ref, where, epoch);
    case LAGAN_UBC_map:
        return map_one(ref, where);
    case LAGAN_UBC_unmap:
        return unmap_one(ref, where);
    case LAGAN_UBC_wanted:
    case LAGAN_UBC_refuse:
        return want_one(cmd, ref, where);
    default:
        return read_one(ref, where);
    }
}

static int64_t list_op(const struct hypercall_args *args, const struct ubc_ref *ref, size_t bytes)
{
    guest_ptr_t list = guest_ptr(args->a[2]);
    uint32_t count = (uint32_t)args->a[3], done = 0;
    unsigned cmd = (unsigned)args->a[0];
    struct ubc_tell told;
    int rc = 0;

    if (count > LAGAN_UBC_LIST_MAX)
        return -XEN_EINVAL;
    if (!guest_range_ok(list, count * bytes))
        return -XEN_EFAULT;
    while (!rc && done < count) {
        if (done && arch_preempt_pending())
            rc = -XEN_ERESTART;
        else
            rc = do_one(cmd, ref, guest_ptr_add(list, done * bytes), args->a[4]);
        done += rc == 0;
    }
    if (cmd == LAGAN_UBC_unmap)
        ubc_unmap_finish(ref);
    ubc_news(ref, &told);
    tell(&told);
    if (rc == -XEN_ERESTART) {
        struct hypercall_args rest = *args;

        rest.a[2] += done * bytes;
        rest.a[3] = count - done;
        return hypercall_continue(&rest);
    }
    return rc;
}

/* ---- single calls ---- */

static int64_t create(guest_ptr_t arg)
{
    struct lagan_ubc_create io;
    int rc;

    if (copy_from_guest(&io, arg, sizeof(io)) || copy_to_guest(arg, &io, sizeof(io)))
        return -XEN_EFAULT;
    rc = ubc_create(&io);
    return rc ? rc : copy_to_guest(arg, &io, sizeof(io));
}

static int64_t list_volumes(uint64_t slot, guest_ptr_t arg)
{
    struct lagan_ubc_create out;
    int rc = slot > UINT_MAX ? -XEN_ENXIO : ubc_list((unsigned)slot, &out);

    return rc ? rc : copy_to_guest(arg, &out, sizeof(out));
}

static int64_t open(struct domain *self, guest_ptr_t arg)
{
    struct lagan_ubc_open io;
    int rc;

    if (copy_from_guest(&io, arg, sizeof(io)))
        return -XEN_EFAULT;
    io.reserved = 0;
    do
        rc = ubc_open(&self->ubc, self->privileged, &io);
    while (goes_on(rc));
    return rc ? rc : copy_to_guest(arg, &io, sizeof(io));
}

static int64_t allow(const struct ubc_ref *ref, guest_ptr_t arg)
{
    struct lagan_ubc_allow in;
    struct domain *d;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.reserved0 || in.reserved1)
        return -XEN_EINVAL;
    d = domain_find_target(in.domid);
    if (!d)
        return -XEN_ESRCH;
    do
        rc = ubc_allow(ref, &d->ubc, in.rights, in.limit);
    while (goes_on(rc));
    domain_put(d);
    return rc;
}

static int64_t destroy(struct ubc_ref *ref)
{
    int rc;

    do
        rc = ubc_destroy(ref);
    while (goes_on(rc));
    return rc;
}

/* If it is preempted the guest's `volume` is of the new generation, for which the same call is made again: there
 * is nothing more to change, but to be waited for. */
static int64_t renew(const struct hypercall_args *args, struct ubc_ref *ref)
{
    guest_ptr_t arg = guest_ptr(args->a[2]);
    struct hypercall_args rest = *args;
    struct lagan_ubc_create io;
    int rc;

    if (copy_from_guest(&io, arg, sizeof(io)) || copy_to_guest(arg, &io, sizeof(io)))
        return -XEN_EFAULT;
    do
        rc = ubc_renew(ref, &io);
    while (goes_on(rc));
    rest.a[1] = ref->handle;
    if (rc == -XEN_ERESTART)
        return hypercall_continue(&rest);
    return rc ? rc : copy_to_guest(arg, &io, sizeof(io));
}

/* What is left of the range is written back, for the call to be made again. */
static int64_t invalidate(const struct hypercall_args *args, const struct ubc_ref *ref)
{
    guest_ptr_t arg = guest_ptr(args->a[2]);
    struct lagan_ubc_range io;
    int rc;

    if (copy_from_guest(&io, arg, sizeof(io)) || copy_to_guest(arg, &io, sizeof(io)))
        return -XEN_EFAULT;
    do
        rc = ubc_invalidate(ref, &io);
    while (goes_on(rc));
    if (rc && rc != -XEN_ERESTART)
        return rc;
    if (copy_to_guest(arg, &io, sizeof(io)))
        return -XEN_EFAULT;
    return rc ? hypercall_continue(args) : 0;
}

static int64_t revoke(const struct ubc_ref *ref, guest_ptr_t arg)
{
    struct lagan_ubc_range in;
    struct ubc_tell told;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    do {
        rc = ubc_revoke(ref, &in, &told);
        tell(&told);
    } while (goes_on(rc));
    return rc;
}

static int64_t stats(const struct ubc_ref *ref, guest_ptr_t arg)
{
    struct lagan_ubc_stats out;
    int rc;

    do
        rc = ubc_stats(ref, &out);
    while (goes_on(rc));
    return rc ? rc : copy_to_guest(arg, &out, sizeof(out));
}

static int64_t next_revoked(const struct ubc_ref *ref, guest_ptr_t arg)
{
    struct lagan_ubc_unmap io;
    int rc;

    if (copy_from_guest(&io, arg, sizeof(io)))
        return -XEN_EFAULT;
    do
        rc = ubc_next_revoked(ref, &io);
    while (goes_on(rc));
    if (rc && rc != -XEN_ERESTART)
        return rc;
    return copy_to_guest(arg, &io, sizeof(io)) ? -XEN_EFAULT : rc;
}

static int64_t on_volume(const struct hypercall_args *args, struct ubc_ref *ref)
{
    unsigned cmd = (unsigned)args->a[0];
    guest_ptr_t arg = guest_ptr(args->a[2]);

    switch (cmd) {
    case LAGAN_UBC_destroy:
        return destroy(ref);
    case LAGAN_UBC_allow:
        return ref->control ? allow(ref, arg) : -XEN_EPERM;
    case LAGAN_UBC_renew:
        return renew(args, ref);
    case LAGAN_UBC_invalidate:
        return invalidate(args, ref);
    case LAGAN_UBC_revoke:
        return revoke(ref, arg);
    case LAGAN_UBC_stats:
        return stats(ref, arg);
    case LAGAN_UBC_next_revoked:
        return next_revoked(ref, arg);
    default:
        return bytes_of(cmd) ? list_op(args, ref, bytes_of(cmd)) : -XEN_ENOSYS;
    }
}

int64_t hcall_ubc_op(const struct hypercall_args *args)
{
    struct domain *self = current_vcpu()->domain;
    guest_ptr_t arg = guest_ptr(args->a[2]);
    struct ubc_ref ref;
    int64_t rc;

    switch ((unsigned)args->a[0]) {
    case LAGAN_UBC_create:
        return self->privileged ? create(arg) : -XEN_EPERM;
    case LAGAN_UBC_list:
        return self->privileged ? list_volumes(args->a[1], arg) : -XEN_EPERM;
    case LAGAN_UBC_open:
        return open(self, arg);
    default:
        rc = ubc_get(&self->ubc, self->privileged, args->a[1], &ref);
        if (rc)
            return rc;
        rc = on_volume(args, &ref);
        ubc_put(&ref);
        return rc;
    }
}
