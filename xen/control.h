/* SPDX-License-Identifier: MIT
 *
 * What domctl (hcall_domctl*.c) and sysctl (hcall_sysctl*.c) share: control over domains and the
 * host, for the control domain alone.
 *
 * INV-CTL-1: at most one such call is under way, on any CPU.
 * INV-CTL-2: a domain that the control domain has made runs only while control_pauses is 0, and is
 *            taken apart by one caller at a time: by destroydomain, until it hands it to the reaper.
 */
#pragma once

#include <lagan/types.h>

#include "xen/control_abi.h"
#include "xen/domain.h"

/* True if the call may go on, which then ends with control_end(); else another one is under way, and
 * it is to be made again. */
bool control_begin(void) LAGAN_MUST_CHECK;
void control_end(void);

/* XEN_DOMCTL_createdomain: *d, with the caller's reference, is paused once. */
int control_create(const struct xen_domctl *op, struct domain **d) LAGAN_MUST_CHECK;
/* The record of a domain that both calls give. */
void control_info(struct domain *d, struct xen_domctl_getdomaininfo *info);
/* The control domain's pauses, which nest. -XEN_EOVERFLOW; -XEN_EINVAL: it has not paused it. */
int control_pause(struct domain *d) LAGAN_MUST_CHECK;
int control_unpause(struct domain *d) LAGAN_MUST_CHECK;
/* Ends a domain and gives back what it holds. -XEN_ERESTART until done, then 0; frames that others
 * hold follow later. */
int control_destroy(struct domain *d) LAGAN_MUST_CHECK;
/* It runs on after a suspension. -XEN_EINVAL: it is not at its end. */
int control_resume(struct domain *d) LAGAN_MUST_CHECK;

/* domctl's parts: on vCPUs, and what is refused. -XEN_ENOSYS: not theirs. *write_back: the guest's
 * record is to be written. */
int control_vcpu_op(struct domain *d, struct xen_domctl *op, bool *write_back) LAGAN_MUST_CHECK;
int control_refused(const struct domain *d, const struct xen_domctl *op) LAGAN_MUST_CHECK;
/* sysctl's part on processors and what they share. */
int control_host_op(struct xen_sysctl *op, bool *write_back) LAGAN_MUST_CHECK;

/* A set of up to 64 bits from the guest, and to it: what it has no room for is left out, what we do
 * not have is 0. -XEN_EFAULT; -XEN_EINVAL: longer than any set of processors or nodes. */
int control_get_bits(const struct xenctl_bitmap *map, uint64_t *bits) LAGAN_MUST_CHECK;
int control_put_bits(const struct xenctl_bitmap *map, uint64_t bits) LAGAN_MUST_CHECK;

/* ---- the reaper ---- */
/* Boot only. */
void control_reaper_start(void);
/* Takes d apart from here on, however long others hold frames of it. Once for each domain. */
void control_reap(struct domain *d);

/* ---- the machine's part (pv_control.c) ---- */
#define CPU_POLICY_LEAVES_MAX 160 /* as many as a page holds, less some */
#define CPU_FEATURE_WORDS     16
enum cpu_policy_kind { CPU_POLICY_MACHINE, CPU_POLICY_GUEST };

/* The leaves of CPUID that guests see (d: this one), up to CPU_POLICY_LEAVES_MAX; how many. */
unsigned arch_cpu_policy_leaves(enum cpu_policy_kind kind, const struct domain *d,
                                struct xen_cpuid_leaf *leaf);
/* From now on d sees these, as far as all guests may. *bad: the leaf at fault. -XEN_EINVAL,
 * -XEN_ERANGE, -XEN_ENOMEM: nothing changed. d has not run yet. */
int arch_cpu_policy_set(struct domain *d, const struct xen_cpuid_leaf *leaf, unsigned count,
                        unsigned *bad) LAGAN_MUST_CHECK;
/* Word `i` of the feature set. */
uint32_t arch_cpu_features(enum cpu_policy_kind kind, unsigned i);
/* The vCPU's registers as VCPUOP_initialise takes them. It does not run. */
void arch_vcpu_context(struct vcpu *v, struct vcpu_guest_context *c);
/* Other registers for a vCPU that has some; its tables stay. -XEN_EINVAL. It does not run. */
int arch_vcpu_set_registers(struct vcpu *v, const struct vcpu_guest_context *c) LAGAN_MUST_CHECK;
uint64_t arch_tsc_khz(void);
/* There is a device in this place on the PCI bus. */
bool arch_pci_device_exists(uint16_t segment, uint8_t bus, uint8_t devfn);
/* Fills a page with stubs of hypercalls. */
void arch_hypercall_page(void *page);
