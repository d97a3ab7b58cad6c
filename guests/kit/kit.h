/* SPDX-License-Identifier: MIT
 *
 * The guest kit: what a test guest includes. The kit starts the guest on the public PV ABI, sets up
 * traps, events and time, and calls guest_main(); when that returns, kit_finish() prints the
 * verdict and powers the domain off. A guest is one C file that defines guest_name and
 * guest_main().
 */
#pragma once

#include "kit/args.h"
#include "kit/check.h"
#include "kit/console.h"
#include "kit/cpu.h"
#include "kit/event.h"
#include "kit/hypercall.h"
#include "kit/page.h"
#include "kit/space.h"
#include "kit/table.h"
#include "kit/time.h"
#include "kit/trap.h"

/* The test guest's own. */
extern const char guest_name[];
void guest_main(void);

/* What the domain was started with. */
extern struct start_info *kit_start_info;

/* Are we the control domain? */
static inline bool first_domain(void)
{
    return (kit_start_info->flags & SIF_INITDOMAIN) != 0;
}
