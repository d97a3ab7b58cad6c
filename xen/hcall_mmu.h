/* SPDX-License-Identifier: MIT
 *
 * What the page-table calls (hcall_mmu.c, hcall_mmuext.c) share.
 */
#pragma once

#include <lagan/cpumask.h>
#include "xen/domain.h"

/* Set in the count of a restarted call, by ourselves: *done already counts earlier rounds. */
#define MMU_COUNT_RESTARTED 0x80000000u

/* The domain that a call acts on: the caller's own, or for the control domain any. -XEN_EPERM,
 * -XEN_ESRCH; else it is to be given to mmu_put_domain(). */
int mmu_get_domain(struct vcpu *v, domid_t id, struct domain **d) LAGAN_MUST_CHECK;
void mmu_put_domain(struct vcpu *v, struct domain *d);

/* CPUs that may hold translations of the domain's page tables. */
cpumask_t mmu_domain_cpus(const struct domain *d);
/* CPUs that may hold some on behalf of the vCPUs in the guest's bitmap. -XEN_EFAULT. */
int mmu_vcpu_cpus(const struct vcpu *v, guest_ptr_t bitmap, cpumask_t *cpus) LAGAN_MUST_CHECK;

/* Goes on with the table that the vCPU has parked, if it has. begun: this round has done something
 * already, and so may end before it. -XEN_ERESTART. */
int mmu_drop_parked(struct vcpu *v, bool begun) LAGAN_MUST_CHECK;

/* The end of a round of a call with a list: tells the guest how many entries are done (`done` more
 * than earlier rounds have), and has the call made again with the rest if rc is -XEN_ERESTART.
 * Returns what the decoder must. */
int64_t mmu_end_round(const struct hypercall_args *args, size_t entry_bytes, uint32_t done, int rc);
