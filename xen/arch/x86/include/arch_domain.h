/* SPDX-License-Identifier: MIT
 *
 * The x86 part of a vCPU and of a domain.
 */
#pragma once

#include <lagan/types.h>
#include <xen/callback.h>
#include <xen/xen.h>

#define PV_GDT_FRAMES 14 /* a guest's GDT: 14 pages of 512 descriptors; the last two are ours */

/* Where a guest wants to be entered; address 0: not registered. */
struct pv_callback {
    uint64_t address;
    bool mask_events; /* enter with upcalls masked */
};

struct pv_trap {
    uint64_t address; /* 0: no handler */
    uint16_t cs;
    uint8_t dpl;
    bool mask_events;
};

/* Everything but `kernel_mode`, the segment bases and the loaded FPU state is only touched by the
 * vCPU itself, or by others while it is not running ([own] in short). */
struct arch_vcpu {
    struct cpu_user_regs regs; /* [own] while it does not run; on the CPU's stack while it does */
    bool kernel_mode;          /* guest kernel or guest user: the ABI's virtual ring */
    mfn_t l4_kernel;           /* holds a reference and an L4 type reference */
    mfn_t l4_user;             /* likewise; MFN_INVALID: none */
    mfn_t old_table; /* likewise, of any level: to be dropped by the next page-table call */

    uint64_t kernel_ss, kernel_sp;             /* stack_switch */
    uint64_t fs_base;                          /* valid while not running */
    uint64_t gs_base_active, gs_base_inactive; /* active: the one of the present mode */

    struct pv_trap *traps; /* 256 of them */
    struct pv_callback event, failsafe, syscall, syscall32, nmi;
    _Atomic bool nmi_pending; /* other CPUs set it */
    bool nmi_masked;
    uint8_t iopl;             /* virtual I/O privilege level: 0..3 */
    guest_ptr_t io_bitmap;    /* guest's I/O bitmap: a clear bit allows the port */
    unsigned io_bitmap_ports; /* 0: none */

    uint64_t ctrlreg[8]; /* virtual CR0 (TS only may differ), CR2, CR4; [3] unused: see l4_kernel */
    uint64_t debugreg[8];

    /* Descriptor tables: frames hold a reference and a SEGDESC type reference each. */
    mfn_t gdt_frame[PV_GDT_FRAMES];
    unsigned gdt_entry_count;
    uint64_t ldt_base;        /* guest virtual address */
    unsigned ldt_entry_count; /* 0: none */
    uint64_t ldt_mapped;      /* bit n: page n of the LDT window is mapped */
    uint64_t *window_l1;      /* our L1 entries: 16 for the GDT, then 16 for the LDT */

    void *xsave_area; /* fpu.c */
    uint64_t xcr0;
    uint32_t tsc_aux;
    uint32_t time_version; /* of the time record last written */
};

/* The tables by which the vCPU's kernel addresses its memory. */
static inline mfn_t arch_vcpu_tables(const struct arch_vcpu *a)
{
    return a->l4_kernel;
}

struct cpuid_policy; /* pv_cpuid_policy.h */

struct arch_domain {
    uint64_t *perdomain_l3; /* slot 260 of each of the domain's L4 tables */
    uint64_t *perdomain_l2;
    uint64_t *perdomain_l1[2]; /* 32 entries a vCPU: up to 32 vCPUs */
    uint32_t wallclock_version;
    struct cpuid_policy *cpuid; /* [c] once it runs: what it sees, or NULL: as all guests */
    bool isolated;              /* [c] runs with page tables without the hypervisor (pti.h) */
};
