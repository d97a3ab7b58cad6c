/* SPDX-License-Identifier: MIT
 *
 * The paravirtual CPU: what a guest kernel in ring 3 gets in place of ring 0. Between the trap
 * entry (pv_trap.c), the emulator (pv_emul*.c), the CPU policy (pv_cpuid.c, pv_msr.c), descriptor
 * tables (pv_desc.c) and the context switch (ctx.c).
 */
#pragma once

#include <lagan/types.h>
#include "xen/arch/x86/pv_cpuid_policy.h" /* struct cpuid_leaf */
#include "xen/domain.h"

/* ---- pv_trap.c, pv_bounce.c: into the guest ---- */

/* Builds the bounce frame of an exception on the guest's kernel stack and points the current vCPU's
 * registers at its handler. A guest without a handler, or whose stack cannot be written, is
 * crashed. For vector 14 the caller has set cr2. regs are the current vCPU's
 * (cpu_info()->guest_regs). */
void pv_inject_exception(struct cpu_user_regs *regs, unsigned vector, uint32_t error_code);
void pv_inject_page_fault(struct cpu_user_regs *regs, uint64_t address, uint32_t error_code);

/* Switches the current vCPU between guest kernel and guest user: page tables, GS bases. */
void pv_toggle_mode(struct vcpu *v);

/* pv_vcpu.c: gives the current vCPU, in kernel mode, another page table for its kernel
 * (MMUEXT_NEW_BASEPTR, MOV to CR3) or for user mode (frame 0: none). The frame must be an
 * acceptable L4 table of the domain's; -XEN_EINVAL and like type_get(): nothing changed. The table
 * that was used before is parked in arch.old_table. -XEN_ERESTART: preempted, call again. */
int pv_new_baseptr(struct vcpu *v, mfn_t l4) LAGAN_MUST_CHECK;
int pv_new_user_baseptr(struct vcpu *v, mfn_t l4) LAGAN_MUST_CHECK;

/* ---- pv_emul.c: instructions that fault in ring 3 ---- */

enum emul_result {
    EMUL_DONE,      /* emulated; RIP is past the instruction, or on it to run it once more */
    EMUL_INJECTED,  /* an exception other than the original was injected */
    EMUL_UNHANDLED, /* not ours: deliver the fault that happened to the guest */
};

/* #GP with error code 0 in the guest: privileged instructions, by the rules of the PV ABI. */
enum emul_result pv_emulate_privileged(struct cpu_user_regs *regs);
/* #UD in the guest: the forced-emulation prefix (ud2; "xen") before CPUID. */
enum emul_result pv_emulate_forced_cpuid(struct cpu_user_regs *regs);

/* ---- pv_cpuid.c, pv_msr.c: the CPU policy, by table ---- */
/* At boot, on the boot CPU, after feature_init() and before fpu_init(): derives what guests see
 * from what the machine has. */
void pv_cpuid_init(void);
/* The machine's own answers. */
const struct cpuid_policy *pv_cpuid_machine(void);
/* And what guests see, unless they are given less. */
const struct cpuid_policy *pv_cpuid_guest(void);
/* What a PV guest sees through forced emulation (and through the CPUID policy domctls). */
struct cpuid_leaf pv_cpuid(const struct vcpu *v, uint32_t leaf, uint32_t subleaf);
/* CR4 bits that a guest may set, out of those the machine has. */
uint64_t pv_cr4_guest_settable(void);
/* The real CR4 to run v with on this CPU: the hypervisor's own plus what v has set. */
uint64_t pv_real_cr4(const struct vcpu *v);
/* CR4 as v reads it, and a write by v (the current vCPU): bits that it may not set are dropped. */
uint64_t pv_read_cr4(const struct vcpu *v);
void pv_write_cr4(struct vcpu *v, uint64_t value);
/* 0, or -XEN_EINVAL: the guest gets #GP. */
int pv_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value) LAGAN_MUST_CHECK;
int pv_write_msr(struct vcpu *v, uint32_t msr, uint64_t value) LAGAN_MUST_CHECK;

/* ---- pv_io.c: port I/O by ring 3 ---- */

/* The ABI's privilege rule for CLI, STI and port I/O: the guest kernel counts as ring 1 (ring 0
 * with the architectural-IOPL assist), guest user as ring 3, against the virtual IOPL. */
bool pv_iopl_ok(const struct vcpu *v);
/* As above, or allowed by the I/O bitmap (read from guest memory). v is the current vCPU. */
bool pv_io_allowed(struct vcpu *v, uint16_t port, unsigned bytes);
uint32_t pv_io_read(struct vcpu *v, uint16_t port, unsigned bytes);
void pv_io_write(struct vcpu *v, uint16_t port, unsigned bytes, uint32_t value);

/* ---- pv_desc.c, pv_ldt.c: GDT and LDT from guest pages ---- */

/* Of vCPU n: 16 pages of GDT at VA_PERDOMAIN + n * PV_WINDOW_BYTES, then 16 pages of LDT. */
#define PV_WINDOW_BYTES     (UINT64_C(32) * PAGE_SIZE)
#define PV_WINDOW_GDT_PAGES 16

/* Once at boot, after the heap. */
void pv_desc_init(void);
/* Allocates the windows (slot 260) for all vCPUs of a new domain / frees them. Destroy: no vCPU's
 * window is loaded on any CPU any more. */
int pv_windows_init(struct domain *d) LAGAN_MUST_CHECK;
void pv_windows_destroy(struct domain *d);
/* Context switch: puts this CPU's own page into v's window. CR3 is loaded after this, always, even
 * when its value does not change: that drops what this CPU's TLB holds of the window. */
void pv_window_set_cpu(struct vcpu *v, unsigned cpu);
/* L4 entry for slot 260 of the domain's tables; 0 for owners that are not domains. */
uint64_t perdomain_l4_entry(domid_t id);

/* Replaces v's GDT: entries 0..7168 in ceil(entries/512) frames, each owned by v's domain and
 * acceptable as SEGDESC. -XEN_EINVAL: too many, not its frame, or not acceptable; -XEN_EBUSY: a
 * frame is in use as something else. On an error nothing changed. v is the current vCPU or not
 * running. */
int pv_set_gdt(struct vcpu *v, const mfn_t *frames, unsigned entry_count) LAGAN_MUST_CHECK;
void pv_destroy_gdt(struct vcpu *v);
/* Writes one descriptor at a machine address in a frame of v's domain: made safe if the frame is a
 * descriptor table. Errors as segdesc_update(). */
int pv_update_descriptor(struct vcpu *v, uint64_t maddr, uint64_t desc) LAGAN_MUST_CHECK;
/* LDT pages are mapped when first touched: pv_ldt_fault() says whether the fault address lay in v's
 * LDT window and the page was found acceptable and mapped. v is the current vCPU. */
int pv_set_ldt(struct vcpu *v, uint64_t base, unsigned entry_count) LAGAN_MUST_CHECK;
bool pv_ldt_fault(struct vcpu *v, uint64_t address);
/* Unmaps the pages of v's LDT and lets go of their frames; they are mapped again when touched. */
void pv_unmap_ldt(struct vcpu *v);
/* As above, and v has no LDT any more. */
void pv_destroy_ldt(struct vcpu *v);
/* Address of v's GDT as the CPU sees it, and of its LDT. */
uint64_t pv_gdt_va(const struct vcpu *v);
uint64_t pv_ldt_va(const struct vcpu *v);
/* Loads the current vCPU's LDT into the CPU (or none). */
void pv_load_ldt(const struct vcpu *v);
/* Loads a selector into the current vCPU's user GS: RPL 3, or the null selector if it faults. */
void pv_load_user_gs(uint16_t selector);

/* ---- fpu.c: x87, SSE, AVX, AVX-512 state ---- */

/* At boot: sizes the state; on each CPU: sets CR0/CR4/XCR0. */
void fpu_init(void);
void fpu_cpu_init(void);
int fpu_vcpu_init(struct vcpu *v) LAGAN_MUST_CHECK;
void fpu_vcpu_destroy(struct vcpu *v);
/* Eager switching: state never stays in the registers of another vCPU. */
void fpu_save(struct vcpu *v);
void fpu_restore(struct vcpu *v);
/* The virtual CR0.TS of v (fpu_taskswitch, CLTS, MOV to CR0); takes effect at once if v is current.
 */
void fpu_set_ts(struct vcpu *v, bool set);
/* Takes over x87 and SSE state from a 512-byte FXSAVE image made by a guest; invalid bits are
 * dropped. v is not running. */
void fpu_load_image(struct vcpu *v, const void *image);
/* The 512 bytes of the legacy format. v does not run. */
void fpu_save_image(const struct vcpu *v, void *image);
/* XSETBV by the guest: 0 or -XEN_EINVAL. */
int fpu_set_xcr0(struct vcpu *v, uint64_t xcr0) LAGAN_MUST_CHECK;

/* ---- debug registers (pv_debugreg.c) ---- */

/* 0; -XEN_EPERM: an address in the hypervisor; -XEN_EINVAL; -XEN_ENODEV: DR4, DR5 with CR4.DE set.
 * v is the current vCPU, or not running. */
int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value) LAGAN_MUST_CHECK;
int pv_get_debugreg(const struct vcpu *v, unsigned reg, uint64_t *value) LAGAN_MUST_CHECK;
void pv_debugreg_save(struct vcpu *v);    /* leaving the CPU: also disarms DR7 */
void pv_debugreg_restore(struct vcpu *v); /* arriving */
