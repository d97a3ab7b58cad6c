/* SPDX-License-Identifier: MIT
 *
 * host_op: what the control domain asks of the host as a whole (include/public/lagan/host.h).
 */
#include <lagan/arch.h>

#include "include/public/lagan/host.h"
#include "include/public/lagan/store.h"
#include "mm/account.h"
#include "mm/pcache.h"
#include "mm/spare.h"
#include "mm/heap.h"
#include "mm/tlbclock.h"
#include "mm/type.h"
#include "ubc/ubc.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hcall_store.h"
#include "xen/hypercall.h"
#include "xen/stop.h"
#include "arch_current.h"

static uint32_t count_accounts(void)
{
    uint32_t count = 0;

    for (const struct account *a = account_next(0); a; a = account_next(a->id + 1U))
        count += a->id < DOMID_FIRST_RESERVED; /* the buffer cache has one too */
    return count;
}

/* With the world stopped, the list of accounts stands still as well. */
static int64_t audit(const struct hypercall_args *args)
{
    struct lagan_host_audit result = {0};
    bool complete;

    if (!stop_begin())
        return hypercall_continue(args);
    result.faults = mm_audit() + pcache_audit() + ubc_audit();
    result.held = mm_audit_held();
    result.free_pages = heap_free_pages();
    result.domain_count = count_accounts();
    complete = mm_audit_complete();
    stop_end();
    if (!complete && result.faults == 0)
        return -XEN_ENOMEM;
    return copy_to_guest(guest_ptr(args->a[1]), &result, sizeof(result));
}

static int64_t mm_stats(guest_ptr_t where)
{
    struct tlb_counts types = tlb_counts(TLB_TYPE_CHANGE), frees = tlb_counts(TLB_FREE);
    struct lagan_host_mm_stats result = {.type_changes = types.uses_ended,
                                         .type_flushes = types.flushes,
                                         .type_ipis = types.ipis,
                                         .type_ipis_naive = types.ipis_naive,
                                         .frees = frees.uses_ended,
                                         .free_flushes = frees.flushes,
                                         .free_ipis = frees.ipis,
                                         .free_ipis_naive = frees.ipis_naive};

    return copy_to_guest(where, &result, sizeof(result));
}

int64_t hcall_host_op(const struct hypercall_args *args)
{
    if ((unsigned)args->a[0] == LAGAN_HOST_OP_store_next)
        return host_op_store_next(guest_ptr(args->a[1]));
    if ((unsigned)args->a[0] == LAGAN_HOST_OP_store_follow)
        return host_op_store_follow(guest_ptr(args->a[1]));
    if (!current_vcpu()->domain->privileged)
        return -XEN_EPERM;
    switch ((unsigned)args->a[0]) {
    case LAGAN_HOST_OP_audit:
        return audit(args);
    case LAGAN_HOST_OP_mm_stats:
        return mm_stats(guest_ptr(args->a[1]));
    default:
        return -XEN_ENOSYS;
    }
}
