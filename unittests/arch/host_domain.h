/* SPDX-License-Identifier: MIT
 *
 * Domains for tests of the event channels: structs without guests in them, and what the scheduler
 * and the guest's memory would answer.
 */
#pragma once

#include "xen/domain.h"

#define HOST_DOMAINS 4

/* A domain with an account of 400 pages, a shared_info page and vCPUs that are up. One reference,
 * the creation's. Aborts when there is no memory. */
struct domain *host_domain_create(domid_t id, unsigned vcpus, unsigned max_port);
/* What domain_kill() would do, in one go: destroys events, drops the creation reference. */
void host_domain_kill(struct domain *d);
/* Frames of d to give to the hypervisor; and the machine's view of one. */
mfn_t host_domain_frame(struct domain *d);
/* How many writable references there are on the frame. */
unsigned host_writable_count(mfn_t m);

/* The vCPU in whose name hypercalls are made by this thread is host_current. */
uint64_t host_kicks(struct vcpu *v);
/* Calls of vcpu_poll_wake() so far, and the last port. */
extern _Atomic unsigned host_poll_wakes, host_poll_port;
/* Copies to the guest fail while this is set. */
extern bool host_guest_read_only;
/* Calls of hypercall_continue() so far. */
extern unsigned host_continuations;
