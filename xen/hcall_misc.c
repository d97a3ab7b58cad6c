/* SPDX-License-Identifier: MIT
 *
 * Decoders of small calls: console_io, vm_assist.
 */
#include "xen/hypercall.h"

#include <lagan/arch.h>

#include "arch_current.h"
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/guest_access.h"

#define CONSOLE_CHUNK 128 /* bytes copied at a time, on the stack */

/* ---- console_io(cmd, count, buffer) ---- */

/* A long text is written in chunks; what is left is continued with moved arguments, so that the
 * call holds nobody up. */
static int64_t guest_write(struct domain *d, const struct hypercall_args *args)
{
    uint32_t count = (uint32_t)args->a[1];
    guest_ptr_t from = guest_ptr(args->a[2]);

    while (count) {
        char chunk[CONSOLE_CHUNK];
        uint32_t n = count < CONSOLE_CHUNK ? count : CONSOLE_CHUNK;
        int rc = copy_from_guest(chunk, from, n);

        if (rc)
            return rc;
        console_guest_write(d, chunk, n);
        count -= n;
        from = guest_ptr_add(from, n);
        if (count && arch_preempt_pending()) {
            struct hypercall_args rest = *args;

            rest.a[1] = count;
            rest.a[2] = from.va;
            return hypercall_continue(&rest);
        }
    }
    return 0;
}

/* Bytes read; fewer than asked for, or 0, when no more have been typed. At most one chunk a call,
 * so that a fault loses no more than that. */
static int64_t guest_read(struct domain *d, uint32_t count, guest_ptr_t to)
{
    char chunk[CONSOLE_CHUNK];
    size_t n = console_guest_read(d, chunk, count < CONSOLE_CHUNK ? count : CONSOLE_CHUNK);
    int rc = copy_to_guest(to, chunk, n);

    return rc ? rc : (int64_t)n;
}

int64_t hcall_console_io(const struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    guest_ptr_t buffer = guest_ptr(args->a[2]);
    uint32_t count = (uint32_t)args->a[1];

    if (count > INT_MAX)
        return -XEN_EINVAL;
    if (!guest_range_ok(buffer, count))
        return -XEN_EFAULT;
    switch ((uint32_t)args->a[0]) {
    case CONSOLEIO_write:
        return guest_write(d, args);
    case CONSOLEIO_read:
        return guest_read(d, count, buffer);
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- vm_assist(cmd, type) ---- */

/* m2p_strict is missing: the table is visible to guest user space, and we do not pretend otherwise.
 */
#define ASSISTS                                                                                    \
    (UINT64_C(1) << VMASST_TYPE_4gb_segments | UINT64_C(1) << VMASST_TYPE_4gb_segments_notify |    \
     UINT64_C(1) << VMASST_TYPE_writable_pagetables |                                              \
     UINT64_C(1) << VMASST_TYPE_pae_extended_cr3 | UINT64_C(1) << VMASST_TYPE_architectural_iopl | \
     UINT64_C(1) << VMASST_TYPE_runstate_update_flag)

int64_t hcall_vm_assist(const struct hypercall_args *args)
{
    struct domain *d = current_vcpu()->domain;
    uint32_t cmd = (uint32_t)args->a[0], type = (uint32_t)args->a[1];

    if (type >= 64 || !(ASSISTS >> type & 1))
        return -XEN_EINVAL;
    if (cmd != VMASST_CMD_enable && cmd != VMASST_CMD_disable)
        return -XEN_ENOSYS;
    spin_lock(&d->lock);
    if (cmd == VMASST_CMD_enable)
        d->vm_assist |= UINT64_C(1) << type;
    else
        d->vm_assist &= ~(UINT64_C(1) << type);
    spin_unlock(&d->lock);
    return 0;
}
