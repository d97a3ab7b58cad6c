/* SPDX-License-Identifier: MIT
 *
 * What the CPU can do, and the control registers by which each CPU is told to do it.
 */
#pragma once

#include <lagan/types.h>

/* Value of IA32_PAT that the guest ABI prescribes: WB, WT, UC-, UC, WC, WP, UC, UC. */
#define PAT_VALUE UINT64_C(0x0000050100070406)

/* On the boot CPU, after the command line was read and while the image can still be written:
 * decides what is used, and patches the SMAP sites. */
void feature_init(void);
/* On each CPU: CR0, CR4, EFER, PAT and the SYSCALL registers but LSTAR. */
void feature_cpu_init(void);
/* On another CPU than the boot CPU: has it all that feature_init() decided to use? */
bool feature_cpu_ok(void);
/* CR4 as feature_cpu_init() set it: what the hypervisor itself wants. */
uint64_t feature_cr4(void);

/* Does this CPU say that it has neither Meltdown nor L1TF? */
bool cpu_says_rdcl_no(void);

bool cpu_has_rdtscp(void);
bool cpu_has_xsave(void);
bool cpu_has_fsgsbase(void);
bool cpu_has_smap(void); /* and it is used */
