/* SPDX-License-Identifier: MIT
 *
 * A domain's PV console: the page <xen/io/console.h> describes, and a port. The hypervisor itself is
 * the other end of both. console_ring.c has the theory.
 */
#pragma once

#include <lagan/lock.h>
#include <lagan/types.h>
#include <xen/event_channel.h>

struct domain;
struct xencons_interface;

/* Lock letter [r]: `lock`. */
struct console_ring {
    struct spinlock lock;           /* LK_CONSRING */
    struct xencons_interface *page; /* [r] the guest's page; NULL: it has none, or no more */
    mfn_t frame;                    /* [r] its frame, held as writable */
    evtchn_port_t port;             /* [r] */
    bool used;                      /* [r] the guest has sent: what is typed goes into the ring */
    bool lied;                      /* [r] its indices made no sense; said once */
};

/* Called by domain_create(): the domain has no ring yet. */
void console_ring_init(struct domain *d);
/* Makes the domain's frame its console ring, with a port: its number, or an error of event.h, or
 * -XEN_EINVAL when the frame is not the domain's or not in use as memory. Once. */
int console_ring_attach(struct domain *d, mfn_t frame) LAGAN_MUST_CHECK;
/* Puts out what is left in it and lets go of the frame, at the domain's end. Its vCPUs do not run. */
void console_ring_detach(struct domain *d);

/* Puts out what is in the ring now. No lock held. */
void console_ring_drain(struct domain *d);
/* Shows an unfinished line too, if the domain has the input. No lock held. */
void console_ring_show(struct domain *d);
/* Something has been typed for the domain (console_guest_read() has it): moves as much as there is
 * room for into the ring, and tells the guest. False if the guest does not use its ring. No lock
 * held. */
bool console_ring_input(struct domain *d);
