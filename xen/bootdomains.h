/* SPDX-License-Identifier: MIT
 *
 * Domains that come with the boot: built from boot modules, buried by the hypervisor itself.
 */
#pragma once

#include <lagan/types.h>

struct boot_info;
struct domain;

/* Reads every module's line and builds the domains; bootreap_run() starts them. What is wrong with a
 * module is said on the console, and that domain is left out. Boot only. */
void bootdomains_start(const struct boot_info *info);

/* When the control domain shuts down, which it is about to, the whole host does. */
void bootdomains_end_host(void);

/* The domain has shut down for its shutdown_reason. Callable with no lock held; the work is done
 * later. */
void bootdomains_ended(struct domain *d);
