/* SPDX-License-Identifier: MIT
 *
 * Readers of those options' values that have a form of their own. True: the value is stored. False:
 * the text is malformed, and nothing was changed.
 */
#pragma once

#include <lagan/parse.h>
#include "xen/options.h"

/* BAUD[/BASE][,DPS[,IOBASE[,IRQ]]], any part but the first may be empty. */
bool option_uart(struct text t, struct option_uart *uart) LAGAN_MUST_CHECK;
/* Names between commas: com1, com2, vga, none. */
bool option_console(struct text t, unsigned *console) LAGAN_MUST_CHECK;
/* LEVEL[/RATE-LIMITED LEVEL]; a second level below the first one is raised to it. */
bool option_loglvl(struct text t, struct log_threshold *threshold) LAGAN_MUST_CHECK;
/* A letter, or ` for none; x behind it: leave the input with the hypervisor at first. */
bool option_conswitch(struct text t, struct options *o) LAGAN_MUST_CHECK;
/* What dom0 is: a PV domain, whatever else is asked for. Stores nothing. */
bool option_dom0(struct text t) LAGAN_MUST_CHECK;
/* What page-table isolation is for: default, a yes or no for all, dom0=BOOL, domu=BOOL; a later word
 * counts more. */
bool option_xpti(struct text t, struct options *o) LAGAN_MUST_CHECK;
/* [min:|max:]SIZE,...; a size with a minus in front is what must be left of the host's memory. */
bool option_dom0_mem(struct text t, struct options *o) LAGAN_MUST_CHECK;
/* N, LOW-, -HIGH or LOW-HIGH. */
bool option_dom0_vcpus(struct text t, struct option_vcpus *vcpus) LAGAN_MUST_CHECK;
