/* SPDX-License-Identifier: MIT
 *
 * Decoders of set_debugreg(reg, value) and get_debugreg(reg).
 */
#include "xen/hypercall.h"

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pv.h"

int64_t hcall_set_debugreg(const struct hypercall_args *args)
{
    return pv_set_debugreg(current_vcpu(), (unsigned)args->a[0], args->a[1]);
}

/* The value is the result: a breakpoint in the top page of the address space looks like an error.
 */
int64_t hcall_get_debugreg(const struct hypercall_args *args)
{
    uint64_t value = 0;
    int rc = pv_get_debugreg(current_vcpu(), (unsigned)args->a[0], &value);

    return rc ? rc : (int64_t)value;
}
