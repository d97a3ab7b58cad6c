/* SPDX-License-Identifier: MIT
 *
 * Checks what asm_offsets.h tells the assembler. Holds no code.
 */
#include <lagan/types.h>

#include "xen/arch/x86/asm_offsets.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/pti.h"
#include "xen/domain.h"

#define CHECK(type, member, offset) STATIC_ASSERT(offsetof(struct type, member) == (offset))

CHECK(cpu_user_regs, r15, REGS_r15);
CHECK(cpu_user_regs, rbp, REGS_rbp);
CHECK(cpu_user_regs, r11, REGS_r11);
CHECK(cpu_user_regs, rax, REGS_rax);
CHECK(cpu_user_regs, rcx, REGS_rcx);
CHECK(cpu_user_regs, rdi, REGS_rdi);
CHECK(cpu_user_regs, error_code, REGS_error_code);
CHECK(cpu_user_regs, entry_vector, REGS_entry_vector);
CHECK(cpu_user_regs, rip, REGS_rip);
CHECK(cpu_user_regs, cs, REGS_cs);
CHECK(cpu_user_regs, rflags, REGS_rflags);
CHECK(cpu_user_regs, rsp, REGS_rsp);
CHECK(cpu_user_regs, ss, REGS_ss);
CHECK(cpu_user_regs, es, REGS_es);
STATIC_ASSERT(sizeof(struct cpu_user_regs) == REGS_SIZE);

CHECK(cpu_info, guest_regs, 0);
CHECK(cpu_info, current, CPUINFO_current);
CHECK(cpu_info, cpu, CPUINFO_cpu);
CHECK(cpu_info, softirq_pending, CPUINFO_softirq_pending);
CHECK(cpu_info, syscall_rax, CPUINFO_syscall_rax);
STATIC_ASSERT(sizeof(struct cpu_info) == CPUINFO_SIZE);

CHECK(entry_page, full_cr3, ENTRY_full_cr3);
CHECK(entry_page, exit_cr3, ENTRY_exit_cr3);
CHECK(entry_page, syscall_rax, ENTRY_syscall_rax);
CHECK(entry_page, stack, ENTRY_STACKS);
CHECK(entry_page, exit, ENTRY_exit);
STATIC_ASSERT(ENTRY_exit + sizeof(struct exit_frame) == ENTRY_STACKS + ENTRY_STACK_SIZE);
STATIC_ASSERT(sizeof(struct entry_stack) == ENTRY_STACK_SIZE);
STATIC_ASSERT(sizeof(struct entry_page) == PAGE_SIZE);
STATIC_ASSERT((int)IST_DF == IST_INDEX_DF && (int)IST_MC == IST_INDEX_MC);
STATIC_ASSERT((int)IST_NMI == IST_INDEX_NMI && (int)IST_DB == IST_INDEX_DB);

CHECK(vcpu, info, VCPU_info);
CHECK(vcpu, exit_work, VCPU_exit_work);
CHECK(vcpu_info, evtchn_upcall_pending, 0);
CHECK(vcpu_info, evtchn_upcall_mask, 1);
STATIC_ASSERT(MAX_CPUS == ENTRY_MAX_CPUS);
