/* SPDX-License-Identifier: MIT
 *
 * x87, SSE, AVX and AVX-512 state of guests. The hypervisor itself uses none of these registers.
 *
 * Switching is eager and whole: at each vCPU switch every component that the machine has (and that
 * we allow) is saved and loaded, whatever the guest's XCR0 enables at that moment. A guest can
 * clear a bit of XCR0 and leave data behind in the registers of that component; with a switch by
 * the guest's own XCR0 the next vCPU would find it. So the state is moved under the full XCR0, and
 * the guest's is loaded only afterwards; usually it is the same, and XSETBV is not executed at all.
 *
 * AMD's FXRSTOR and XRSTOR leave the x87 instruction and data pointers as they are when no x87
 * exception is pending in the new state: FNINIT clears them first, unless the CPU says that it
 * restores them.
 *
 * The real CR0.TS is the guest's virtual one while it runs; the hypervisor clears it to move state.
 *
 * INV-FPU-1: while a vCPU runs, every allowed component in the registers is its own.
 * INV-FPU-2: while a vCPU runs, XCR0 is the vCPU's.
 */
#include "xen/arch/x86/pv.h"

#include <lagan/string.h>
#include <xen/arch-x86/cpufeatureset.h>

#include "arch_inline.h"
#include "mm/heap.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/feature.h"
#include "xen/arch/x86/msr.h"

#define FCW_DEFAULT     0x037f
#define MXCSR_DEFAULT   0x1f80
#define MXCSR_MASK_OLD  0xffbf /* where FXSAVE gives no mask */
#define LEGACY_BYTES    512
#define LEGACY_SW_BYTES 48 /* at the end of the legacy region: ignored by hardware */

/* The beginning of an FXSAVE or XSAVE area. */
struct fpu_area {
    uint16_t fcw;
    uint8_t x87_state[22];
    uint32_t mxcsr;
    uint32_t mxcsr_mask;
    uint8_t registers[480];
    uint64_t xstate_bv; /* XSAVE header: which components are not in their initial state */
    uint64_t xcomp_bv;
    uint64_t reserved[6];
};
STATIC_ASSERT(offsetof(struct fpu_area, mxcsr) == 24);
STATIC_ASSERT(offsetof(struct fpu_area, xstate_bv) == LEGACY_BYTES);

static struct {
    bool xsave, xsaveopt, restores_pointers; /* [c] */
    uint64_t allowed;                        /* [c] components that guests may use */
    uint32_t mxcsr_mask;                     /* [c] */
    uint64_t loaded_xcr0[MAX_CPUS];          /* [cpu] */
} fpu;

static void set_xcr0(uint64_t value)
{
    uint64_t *loaded = &fpu.loaded_xcr0[arch_cpu()];

    if (*loaded == value)
        return;
    xsetbv(0, value);
    *loaded = value;
}

static void set_real_ts(bool set)
{
    uint64_t cr0 = read_cr0();

    if (set && !(cr0 & CR0_TS))
        write_cr0(cr0 | CR0_TS);
    else if (!set && (cr0 & CR0_TS))
        __asm__ volatile("clts" : : : "memory");
}

static bool virtual_ts(const struct vcpu *v)
{
    return v->arch.ctrlreg[0] & CR0_TS;
}

LAGAN_INIT void fpu_init(void)
{
    const struct cpuid_policy *machine = pv_cpuid_machine();
    struct fpu_area *probe = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));

    BUG_ON(!probe);
    fpu.allowed = cpuid_policy_xcr0(machine);
    fpu.xsave = fpu.allowed != 0;
    BUG_ON(fpu.xsave != cpu_has_xsave()); /* the policy is there, and CR4.OSXSAVE as it says */
    fpu.xsaveopt = fpu.xsave && (machine->xsave[1].a & CPUID_BIT(XSAVEOPT));
    fpu.restores_pointers =
        !cpuid_policy_is_amd(machine) || (machine->extended[8].b & CPUID_BIT(RSTR_FP_ERR_PTRS));
    BUG_ON(fpu.xsave && cpuid_policy_xsave_bytes(machine, fpu.allowed, false) > PAGE_SIZE);

    fpu_cpu_init();
    __asm__ volatile("fxsave64 %0" : "=m"(*probe));
    fpu.mxcsr_mask = probe->mxcsr_mask ? probe->mxcsr_mask : MXCSR_MASK_OLD;
    page_free(probe, 0);
}

void fpu_cpu_init(void)
{
    write_cr0((read_cr0() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (fpu.xsave ? CR4_OSXSAVE : 0));
    if (fpu.xsave) {
        xsetbv(0, fpu.allowed);
        fpu.loaded_xcr0[arch_cpu()] = fpu.allowed;
    }
    __asm__ volatile("fninit" : : : "memory");
}

int fpu_vcpu_init(struct vcpu *v)
{
    struct fpu_area *area = page_alloc(0, HEAP_CLEAR | HEAP_FOR(HEAP_VCPUS));

    if (!area)
        return -XEN_ENOMEM;
    area->fcw = FCW_DEFAULT;
    area->mxcsr = MXCSR_DEFAULT;
    v->arch.xsave_area = area;
    v->arch.xcr0 = fpu.xsave ? XSTATE_X87 : 0;
    return 0;
}

void fpu_vcpu_destroy(struct vcpu *v)
{
    if (v->arch.xsave_area)
        page_free(v->arch.xsave_area, 0);
    v->arch.xsave_area = NULL;
}

void fpu_save(struct vcpu *v)
{
    uint8_t(*area)[PAGE_SIZE] = v->arch.xsave_area;

    set_real_ts(false);
    if (!fpu.xsave) {
        __asm__ volatile("fxsave64 %0" : "=m"(*area));
        return;
    }
    set_xcr0(fpu.allowed);
    if (fpu.xsaveopt)
        __asm__ volatile("xsaveopt64 %0" : "+m"(*area) : "a"(-1), "d"(-1));
    else
        __asm__ volatile("xsave64 %0" : "+m"(*area) : "a"(-1), "d"(-1));
}

void fpu_restore(struct vcpu *v)
{
    const uint8_t(*area)[PAGE_SIZE] = v->arch.xsave_area;

    set_real_ts(false);
    if (!fpu.restores_pointers)
        __asm__ volatile("fninit" : : : "memory");
    if (fpu.xsave) {
        set_xcr0(fpu.allowed);
        __asm__ volatile("xrstor64 %0" : : "m"(*area), "a"(-1), "d"(-1));
        set_xcr0(v->arch.xcr0);
    } else {
        __asm__ volatile("fxrstor64 %0" : : "m"(*area));
    }
    set_real_ts(virtual_ts(v));
}

void fpu_set_ts(struct vcpu *v, bool set)
{
    v->arch.ctrlreg[0] = (v->arch.ctrlreg[0] & ~CR0_TS) | (set ? CR0_TS : 0);
    if (v == current_vcpu())
        set_real_ts(set);
}

/* Loading an area with reserved MXCSR bits or a malformed header would fault in ring 0. */
void fpu_load_image(struct vcpu *v, const void *image)
{
    struct fpu_area *area = v->arch.xsave_area;

    memset(area, 0, PAGE_SIZE);
    memcpy(area, image, LEGACY_BYTES - LEGACY_SW_BYTES);
    area->mxcsr &= fpu.mxcsr_mask;
    area->xstate_bv = XSTATE_X87 | XSTATE_SSE;
}

void fpu_save_image(const struct vcpu *v, void *image)
{
    memcpy(image, v->arch.xsave_area, LEGACY_BYTES);
}

int fpu_set_xcr0(struct vcpu *v, uint64_t xcr0)
{
    if (!xcr0_valid(xcr0, fpu.allowed))
        return -XEN_EINVAL;
    v->arch.xcr0 = xcr0;
    if (v == current_vcpu())
        set_xcr0(xcr0);
    return 0;
}
