/* SPDX-License-Identifier: MIT
 *
 * Debug registers of guests. The hardware breaks into ring 0 when a watched address is touched
 * there, so a guest may only watch its own part of the address space, and cannot arm the register
 * guard (DR7.GD) or anything whose meaning is reserved.
 *
 * The registers are in hardware only while their vCPU runs and DR7 arms one of them; otherwise DR7
 * is clear. DR6 is not switched: the #DB handler moves its bits into debugreg[6].
 *
 * INV-DR-1: hardware DR7 arms nothing while a vCPU runs that has armed nothing.
 * INV-DR-2: no breakpoint address lies in the hypervisor's part.
 */
#include "xen/arch/x86/pv.h"

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv_debugreg.h"

#define DR7_ENABLES UINT64_C(0xff)

static bool armed(const struct vcpu *v)
{
    return v->arch.debugreg[7] & DR7_ENABLES;
}

static void write_dr7(uint64_t value)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(value) : "memory");
}

static void load_addresses(const struct vcpu *v)
{
    __asm__ volatile("mov %0, %%dr0" : : "r"(v->arch.debugreg[0]));
    __asm__ volatile("mov %0, %%dr1" : : "r"(v->arch.debugreg[1]));
    __asm__ volatile("mov %0, %%dr2" : : "r"(v->arch.debugreg[2]));
    __asm__ volatile("mov %0, %%dr3" : : "r"(v->arch.debugreg[3]));
}

/* Brings the hardware in line with the current vCPU's registers; `was_armed`: DR7 may not be clear.
 */
static void reload(const struct vcpu *v, bool was_armed)
{
    if (was_armed)
        write_dr7(DR7_ONES);
    if (armed(v)) {
        load_addresses(v);
        write_dr7(v->arch.debugreg[7]);
    }
}

int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value)
{
    bool was_armed = armed(v);
    bool de = v->arch.ctrlreg[4] & CR4_DE;
    int rc;

    if (reg == 4 || reg == 5) { /* old names of 6 and 7 */
        if (de)
            return -XEN_ENODEV;
        reg += 2;
    }
    if (reg > 7)
        return -XEN_EINVAL;
    rc = reg < 4    ? debugreg_address_check(value)
         : reg == 6 ? debugreg_dr6_fix(&value)
                    : debugreg_dr7_fix(&value, de);
    if (rc)
        return rc;
    v->arch.debugreg[reg & 7] = value; /* & 7: for a processor that guesses past the check */
    if (reg != 6 && v == current_vcpu())
        reload(v, was_armed);
    return 0;
}

int pv_get_debugreg(const struct vcpu *v, unsigned reg, uint64_t *value)
{
    if (reg == 4 || reg == 5) {
        if (v->arch.ctrlreg[4] & CR4_DE)
            return -XEN_ENODEV;
        reg += 2;
    }
    if (reg > 7)
        return -XEN_EINVAL;
    *value = reg == 6   ? v->arch.debugreg[6] | DR6_ONES
             : reg == 7 ? v->arch.debugreg[7] | DR7_ONES
                        : v->arch.debugreg[reg & 7];
    return 0;
}

void pv_debugreg_save(struct vcpu *v)
{
    if (armed(v))
        write_dr7(DR7_ONES);
}

void pv_debugreg_restore(struct vcpu *v)
{
    reload(v, false);
}
