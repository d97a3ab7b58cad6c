/* SPDX-License-Identifier: MIT
 *
 * A host that starts with boot modules, on the machine of core_world.h.
 */
#pragma once

#include "unittests/core_world.h"
#include "xen/arch/x86/bootinfo.h"

/* What the boot loader has left. */
extern struct boot_info info;

/* A machine with so many pages, and no modules. */
void start(uint64_t pages);
/* One more module, a small kernel, with this command line. */
void module(const char *line);
/* The host starts, or (ns > 0) runs on; the status with which it ended, or CORE_RUNNING. */
int host_runs(uint64_t ns);
int boot(void);
bool said(const char *log, const char *text);
void end_domain(domid_t id, int reason);
