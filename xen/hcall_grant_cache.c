/* SPDX-License-Identifier: MIT
 *
 * GNTTABOP_cache_flush: a page of one's own, or one that is mapped by a grant, is written back from
 * the caches. On this machine a guest can do the same by CLFLUSH; dropping what is in the caches
 * without writing it back cannot be done at all. Errors are the call's own: there is no status.
 *
 * Whether the page is mapped takes a look at all handles. That may be preempted: how far it came
 * travels in the upper half of the command (a guest that sets it itself is not found to have mapped
 * what it has).
 */
#include <lagan/arch.h>

#include "mm/frame.h"
#include "shmem/grant.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_grant.h"
#include "arch_current.h"
#include "arch_inline.h"

#define OPERATIONS (GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)

/* 0: it is to be flushed; 1: there is nothing to do. */
static int check(const struct gnttab_cache_flush *op)
{
    if ((uint32_t)op->offset + op->length > PAGE_SIZE || (op->op & ~OPERATIONS))
        return -XEN_EINVAL;
    if (!op->length || !op->op)
        return 1;
    if (!arch_mfn_valid(mfn(op->a.dev_bus_addr >> PAGE_SHIFT)))
        return -XEN_EINVAL;
    return op->op == GNTTAB_CACHE_INVAL ? -XEN_EOPNOTSUPP : 0;
}

/* -XEN_EPERM: it is neither the domain's nor granted to it. */
static int flush_one(const struct domain *d, guest_ptr_t where, uint32_t *cursor)
{
    struct gnttab_cache_flush op;
    bool mapped;
    mfn_t m;
    int rc;

    if (copy_from_guest(&op, where, sizeof(op)))
        return -XEN_EFAULT;
    rc = check(&op);
    if (rc)
        return rc < 0 ? rc : 0;
    m = mfn(op.a.dev_bus_addr >> PAGE_SHIFT);
    if (frame_get(m, d->id)) {
        arch_cache_flush_frame(m);
        frame_put(m);
        return 0;
    }
    grant_enter();
    mapped = grant_is_mapped(d->grants, m, cursor);
    grant_leave();
    if (mapped)
        arch_cache_flush_frame(m); /* harmless to whoever has it now */
    else
        return *cursor < grant_handle_count(d->grants) ? -XEN_ERESTART : -XEN_EPERM;
    return 0;
}

int64_t grant_cache_flush(const struct hypercall_args *args)
{
    const struct domain *d = current_vcpu()->domain;
    uint32_t count = (uint32_t)args->a[2], cursor = (uint32_t)(args->a[0] >> 32);
    const size_t bytes = sizeof(struct gnttab_cache_flush);

    for (uint32_t i = 0; i < count; i++) {
        guest_ptr_t where = guest_ptr(args->a[1] + i * bytes);
        int rc = i && arch_preempt_pending() ? -XEN_ERESTART : flush_one(d, where, &cursor);

        if (rc == -XEN_ERESTART) {
            struct hypercall_args rest = *args;

            rest.a[1] = where.va;
            rest.a[2] = count - i;
            rest.a[0] = GNTTABOP_cache_flush | (uint64_t)cursor << 32;
            return hypercall_continue(&rest);
        }
        if (rc)
            return rc;
        cursor = 0;
    }
    return 0;
}
