/* SPDX-License-Identifier: MIT
 *
 * Event channels, in the two-level form from the start, or in the FIFO form after event_use_fifo().
 * A handler runs in the event callback of the vCPU that the port is bound to, with upcalls masked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

#define EVENT_HANDLERS 4096 /* ports above have no handler, but are counted */

typedef void event_handler(uint32_t port, void *data);

void event_init(void);
void event_upcall(void);
void event_set_handler(uint32_t port, event_handler *handler, void *data);
/* Events of this port that were taken, with or without a handler. */
uint64_t event_count(uint32_t port);
const volatile uint64_t *event_counter(uint32_t port);

/* Which vCPU takes a port's events; the operations below see to it. */
void event_belongs_to(uint32_t port, uint32_t cpu);

/* The operations, as the hypervisor answers them. *port is written on success only. */
long event_bind_virq(uint32_t virq, uint32_t vcpu, uint32_t *port);
long event_bind_ipi(uint32_t vcpu, uint32_t *port);
long event_alloc_unbound(uint16_t domain, uint16_t remote, uint32_t *port);
long event_bind_interdomain(uint16_t remote, uint32_t remote_port, uint32_t *port);
long event_send(uint32_t port);
long event_close(uint32_t port);
long event_bind_vcpu(uint32_t port, uint32_t vcpu);
long event_status(uint32_t port, struct evtchn_status *status);
/* The unmask hypercall itself. */
long event_unmask_call(uint32_t port);

/* By writing to shared memory, as a guest does; unmask delivers what became pending meanwhile. */
void event_mask(uint32_t port);
void event_unmask(uint32_t port);
bool event_pending(uint32_t port);
void event_clear(uint32_t port);

/* Moves the domain to FIFO channels with control blocks for vCPUs 0..cpus-1. 0 or the error. */
long event_use_fifo(unsigned cpus);
bool event_is_fifo(void);
/* event_fifo.c: one turn of the queues of this vCPU; and the word of a port. */
void event_fifo_scan(void (*take)(uint32_t port));
volatile uint32_t *event_fifo_word(uint32_t port);
long event_fifo_start(unsigned cpus);
long event_fifo_expand(void);

/* This vCPU's event flag. */
bool upcalls_open(void);
/* Masks upcalls; whether they were open. */
bool upcalls_mask(void);
void upcalls_unmask(void);
void upcalls_restore(bool open);
