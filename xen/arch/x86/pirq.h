/* SPDX-License-Identifier: MIT
 *
 * Physical interrupts: those of the machine's devices, as the control domain has them by number. Up
 * to the machine's count of GSIs a number is the GSI's; those above are given out for messages. The
 * theory and the invariants are in pirq.c.
 *
 * Unless it says otherwise a function is called with no lock of level LK_PIRQ or above. -XEN_EINVAL
 * means everywhere: no such interrupt, or the domain has not mapped it.
 */
#pragma once

#include <lagan/types.h>
#include <xen/event_channel.h>
#include "xen/arch/x86/pci_config.h"

struct domain;

#define PIRQ_COUNT 1024 /* all of them: GSIs and messages */

/* At boot, after ioapic_init(). */
void pirq_init(void);
/* The hypervisor drives this one itself: no domain gets it. Boot only. */
void pirq_keep_gsi(unsigned gsi);

/* ---- what arrives ---- */

/* A device vector's handler: interrupts are off. */
void pirq_interrupt(unsigned vector);
/* SOFTIRQ_PIRQ: tells whoever has bound what arrived on this CPU. */
void pirq_softirq(void);

/* ---- what the control domain asks for ---- */

/* The GSI's number becomes d's: 0, also if it was so already. -XEN_EEXIST: another domain's. One that
 * the hypervisor keeps may be mapped, but not bound (-XEN_EBUSY). */
int pirq_map_gsi(struct domain *d, unsigned gsi) LAGAN_MUST_CHECK;

struct pirq_messages {
    struct pci_function function;
    bool msix;
    unsigned index; /* MSI-X: which entry; MSI: 0 */
    unsigned count; /* MSI: how many (a power of two); MSI-X: 1 */
    uint64_t table; /* MSI-X: see msi_find() */
};
/* The first of `count` numbers that follow one another, for messages that the function sends from now
 * on (it is the domain that lets it). -XEN_EEXIST: they are mapped; -XEN_ENOSPC; and as
 * msi_find(). */
int pirq_map_messages(struct domain *d, const struct pirq_messages *m) LAGAN_MUST_CHECK;

/* Unbinds and gives up the number. */
int pirq_unmap(struct domain *d, unsigned pirq);

/* How the GSI's pin is wired. -XEN_EEXIST: it was told, or is in use already, be it by the hypervisor;
 * -XEN_EINVAL: no such pin. */
int pirq_setup_gsi(unsigned gsi, bool level, bool low) LAGAN_MUST_CHECK;

/* The domain has served a level interrupt: it may arrive again. Nothing happens for others. */
int pirq_eoi(struct domain *d, unsigned pirq) LAGAN_MUST_CHECK;

struct pirq_status {
    bool needs_eoi, shared;
};
int pirq_status(struct domain *d, unsigned pirq, struct pirq_status *status) LAGAN_MUST_CHECK;
/* A number for messages that nobody has; -XEN_ENOSPC. Nothing keeps it. */
int pirq_find_free(void);

/* d's frame has a bit for each number from now on: set while d has to call pirq_eoi() for it.
 * auto_unmask: that call unmasks the event channel as well. -XEN_EBUSY: d has one; -XEN_EINVAL: not
 * a frame that d may write. */
int pirq_set_eoi_page(struct domain *d, mfn_t frame, bool auto_unmask) LAGAN_MUST_CHECK;

/* The function's messages were lost (it was reset, or slept): they are written anew. */
int pirq_restore_messages(struct domain *d, struct pci_function f) LAGAN_MUST_CHECK;

/* A write by the control domain to the configuration space of f: see msi_filter(). */
bool pirq_filter_config(struct pci_function f, unsigned reg, unsigned bytes, uint32_t *value);

/* What event channels need of this is in xen/event.h: arch_pirq_bind() and the others. */

/* Debug key: a line for each that is mapped. */
void pirq_dump(void);
/* Interrupts that came though nobody had bound them, and how many numbers a domain has (NULL: all
 * domains). */
unsigned long pirq_strays(void);
unsigned pirq_mapped(const struct domain *d);
/* Recounts: INV-PIRQ-1 to -3, INV-VEC-1. Nothing changes meanwhile. */
void pirq_audit(void);
