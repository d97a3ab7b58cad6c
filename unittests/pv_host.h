/* SPDX-License-Identifier: MIT
 *
 * The paravirtual CPU's sources on the host. A test file includes this, and after it the .c that it
 * tests: privileged instructions then go to the test, and the current vCPU is the test's. The
 * structs are the machine's own, not the host's stand-ins.
 */
#pragma once

/* The host's struct arch_vcpu comes first under another name; xen/domain.h then finds it done. */
#define arch_vcpu        host_arch_vcpu
#define arch_domain      host_arch_domain
#define arch_vcpu_tables host_arch_vcpu_tables
#include "arch_domain.h"
#undef arch_vcpu
#undef arch_domain
#undef arch_vcpu_tables
#include "xen/arch/x86/include/arch_domain.h"

#define current_vcpu unused_current_vcpu
#include "arch_current.h"
#undef current_vcpu

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/pv.h"
#include "xen/arch/x86/pv_emul.h"
#include "xen/arch/x86/pv_window.h"

extern struct vcpu *pv_host_vcpu;
extern uint64_t pv_host_cr0, pv_host_cr4;
extern unsigned pv_host_invlpgs;

uint32_t pv_host_rights(uint16_t selector);
uint64_t pv_host_rdmsr(uint32_t msr);
void pv_host_wrmsr(uint32_t msr, uint64_t value);

#define current_vcpu()     pv_host_vcpu
#define read_cr0()         pv_host_cr0
#define read_cr4()         pv_host_cr4
#define write_cr4(v)       (pv_host_cr4 = (v))
#define rdmsr(msr)         pv_host_rdmsr(msr)
#define wrmsr(msr, v)      pv_host_wrmsr(msr, v)
#define invlpg(va)         ((void)(va), (void)pv_host_invlpgs++)
#define selector_rights(s) pv_host_rights(s)
