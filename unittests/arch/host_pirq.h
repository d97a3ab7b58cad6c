/* SPDX-License-Identifier: MIT
 *
 * The machine's physical interrupts for programs that only need the contract of xen/event.h: a domain
 * has the numbers below HOST_PIRQS if it is privileged.
 */
#pragma once

#include <lagan/types.h>
#include <xen/event_channel.h>

#define HOST_PIRQS 32

/* To which port the number is bound; 0: none. */
evtchn_port_t host_pirq_port(unsigned pirq);
/* The vCPU that it was last told to follow. */
unsigned host_pirq_vcpu(unsigned pirq);
