/* SPDX-License-Identifier: MIT
 *
 * Private to xen/arch/x86/pirq*.c: what an interrupt is, and the parts the files offer each other.
 */
#pragma once

#include <lagan/lock.h>
#include <stdatomic.h>
#include "xen/arch/x86/msi.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/vectors.h"

enum pirq_kind { PIRQ_NONE, PIRQ_GSI, PIRQ_MESSAGE };

/* Lock letter [p]: `lock`. */
struct pirq {
    struct spinlock lock;  /* LK_PIRQ */
    uint8_t kind;          /* [p] enum pirq_kind; a GSI's stays from boot */
    bool kept;             /* [c] the hypervisor's own */
    bool level, low;       /* [p] how it is triggered */
    bool told;             /* [p] the control domain said so */
    bool shared;           /* [p] others may bind it as well, as the domain said */
    bool in_service;       /* [p] level: its pin is masked until the domain's EOI */
    uint8_t group;         /* [p] messages that share one address; 1: it stands alone */
    uint8_t strange;       /* [p] how often in a row it came to a CPU that is not its vCPU's */
    bool quiet;            /* [p] silenced for a while: it came too often (pirq_storm.c) */
    unsigned window_count; /* [p] how often since window_start... */
    uint64_t window_start; /* [p] ...ns */
    unsigned long storms;  /* [p] how often it was silenced */
    struct domain *owner;  /* [p] NULL: not mapped */
    evtchn_port_t port;    /* [p] 0: not bound */
    uint16_t vcpu;         /* [p] whom the port notifies */
    struct vector_place at, was; /* [p] where it is sent; where before, until it moves again */
    struct msi_source source;    /* [p] PIRQ_MESSAGE */
    _Atomic unsigned long count; /* how often it came */
};

extern struct pirq pirqs[PIRQ_COUNT];

/* The machine's GSIs: numbers below it. [c] */
unsigned pirq_gsi_count(void);

/* ---- pirq.c ---- */
/* Its lock is held: masked, and no event channel hears of it any more. */
void pirq_unbind(struct pirq *p);
/* Nothing is bound: lets the domain's page go. */
void pirq_drop_eoi_page(void);

/* ---- pirq_storm.c. All but init with p's lock held. ---- */

void pirq_storm_init(void);
/* It has come: once too often, and it is silent for a while. */
void pirq_storm_count(struct pirq *p);
/* Nobody wants it any more, or it is mapped anew. */
void pirq_storm_forget(struct pirq *p);
/* INV-PIRQ-5, of one. */
void pirq_storm_audit(unsigned number);

/* ---- pirq_route.c: from the interrupt to a vector of a CPU. All with p's lock held. ---- */

/* Gives it a vector and has it sent there, masked. -XEN_ENOSPC. */
int pirq_route(struct pirq *p, unsigned cpu) LAGAN_MUST_CHECK;
/* A message, which is masked if it can be: has it sent to its place. */
void pirq_send(const struct pirq *p);
/* It is masked: gives its vectors up. */
void pirq_unroute(struct pirq *p);
/* Not while a level interrupt is in service. Stays where it is if that cannot be. */
void pirq_move(struct pirq *p, unsigned cpu);
void pirq_mask(struct pirq *p, bool masked);
/* The CPU for what notifies vCPU p->vcpu of the owner. */
unsigned pirq_best_cpu(const struct pirq *p);
