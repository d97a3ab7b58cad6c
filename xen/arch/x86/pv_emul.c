/* SPDX-License-Identifier: MIT
 *
 * Instructions of a guest kernel that need ring 0. Ring 3 gets #GP for them; here they are fetched,
 * decoded (pv_decode.c) and acted out on the current vCPU, by the rules of the PV ABI.
 *
 * The instruction bytes are fetched once. Another vCPU of the guest may rewrite them meanwhile:
 * what was fetched is what is judged and executed, and the verdict can only concern the guest
 * itself.
 *
 * INV-EMUL-1: but for port I/O, CLI and STI, only the guest kernel's 64-bit code is emulated.
 * INV-EMUL-2: an instruction either completes with RIP moved past it, or changes nothing and faults
 *             (string I/O: completes iterations one by one, as the real one does).
 * INV-EMUL-3: work per trap is bounded; a repeated instruction that is not finished simply traps
 * again.
 */
#include "xen/arch/x86/pv_emul.h"

#include <lagan/string.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/guest_access.h"
#include "xen/sched.h"

#define SELECTOR_LDT    4 /* table indicator */
#define LAR_LONG_MODE   (UINT32_C(1) << 21)
#define DR6_SINGLE_STEP (UINT64_C(1) << 14)

uint64_t *emul_gpr(struct cpu_user_regs *regs, unsigned number)
{
    static const uint8_t offset[16] = {
        offsetof(struct cpu_user_regs, rax), offsetof(struct cpu_user_regs, rcx),
        offsetof(struct cpu_user_regs, rdx), offsetof(struct cpu_user_regs, rbx),
        offsetof(struct cpu_user_regs, rsp), offsetof(struct cpu_user_regs, rbp),
        offsetof(struct cpu_user_regs, rsi), offsetof(struct cpu_user_regs, rdi),
        offsetof(struct cpu_user_regs, r8),  offsetof(struct cpu_user_regs, r9),
        offsetof(struct cpu_user_regs, r10), offsetof(struct cpu_user_regs, r11),
        offsetof(struct cpu_user_regs, r12), offsetof(struct cpu_user_regs, r13),
        offsetof(struct cpu_user_regs, r14), offsetof(struct cpu_user_regs, r15),
    };

    ASSERT(number < ARRAY_SIZE(offset));
    return (uint64_t *)(void *)((char *)regs + offset[number]);
}

enum emul_result emul_step(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    regs->rflags &= ~RFLAGS_RF;
    if (!(regs->rflags & RFLAGS_TF))
        return EMUL_DONE;
    v->arch.debugreg[6] |= DR6_SINGLE_STEP;
    pv_inject_exception(regs, TRAP_DB, 0);
    return EMUL_INJECTED;
}

enum emul_result emul_retire(struct cpu_user_regs *regs, unsigned length)
{
    regs->rip += length;
    return emul_step(regs);
}

/* The selector was loaded, but a guest may have changed its descriptor since; LAR then says no, and
 * the guest gets its fault. An LDT's page may have been unmapped since: LAR would fault, so code in
 * LDT segments counts as 32-bit. */
bool emul_runs_64bit_code(const struct cpu_user_regs *regs)
{
    if (regs->cs == GUEST_CS64)
        return true;
    if (regs->cs & SELECTOR_LDT)
        return false;
    return selector_rights(regs->cs) & LAR_LONG_MODE;
}

size_t emul_fetch(const struct cpu_user_regs *regs, uint8_t bytes[EMUL_FETCH_MAX])
{
    size_t first = min_u64(EMUL_FETCH_MAX, PAGE_SIZE - (regs->rip & ~PAGE_MASK));

    if (copy_from_guest(bytes, guest_ptr(regs->rip), first))
        return 0;
    if (first < PV_INSN_MAX &&
        copy_from_guest(bytes + first, guest_ptr(regs->rip + first), PV_INSN_MAX - first))
        return first;
    return PV_INSN_MAX;
}

static uint64_t read_virtual_cr0(const struct vcpu *v)
{
    return (read_cr0() & ~CR0_TS) | (v->arch.ctrlreg[0] & CR0_TS);
}

static bool read_cr(const struct vcpu *v, unsigned cr, uint64_t *value)
{
    switch (cr) {
    case 0:
        *value = read_virtual_cr0(v);
        return true;
    case 2:
        *value = v->arch.ctrlreg[2];
        return true;
    case 3:
        *value = v->arch.l4_kernel.n << PAGE_SHIFT;
        return true;
    case 4:
        *value = pv_read_cr4(v);
        return true;
    default:
        return false;
    }
}

static bool write_cr(struct vcpu *v, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0: /* only TS is the guest's */
        if ((value ^ read_virtual_cr0(v)) & ~CR0_TS)
            return false;
        fpu_set_ts(v, value & CR0_TS);
        return true;
    case 2:
        v->arch.ctrlreg[2] = value;
        return true;
    case 4:
        pv_write_cr4(v, value);
        return true;
    default:
        return false;
    }
}

/* LMSW writes the low four bits of CR0, and cannot clear PE. */
static bool load_msw(struct vcpu *v, uint64_t value)
{
    uint64_t cr0 = read_virtual_cr0(v);

    return write_cr(v, 0, (cr0 & ~UINT64_C(0xe)) | (value & 0xe));
}

/* Before a guest has a #GP handler it cannot survive a probe: reads then give 0, writes are
 * dropped. */
static bool has_gp_handler(const struct vcpu *v)
{
    return v->arch.traps[TRAP_GP].address != 0;
}

static bool read_msr(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t value = 0;

    if (pv_read_msr(v, regs->ecx, &value)) {
        if (has_gp_handler(v))
            return false;
        value = 0;
    }
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
    return true;
}

static bool write_msr(struct vcpu *v, const struct cpu_user_regs *regs)
{
    uint64_t value = (uint64_t)regs->edx << 32 | regs->eax;

    return pv_write_msr(v, regs->ecx, value) == 0 || !has_gp_handler(v);
}

static void read_tsc(const struct vcpu *v, struct cpu_user_regs *regs, bool with_aux)
{
    uint64_t tsc = rdtsc_ordered();

    regs->rax = (uint32_t)tsc;
    regs->rdx = tsc >> 32;
    if (with_aux)
        regs->rcx = v->arch.tsc_aux;
}

/* As SCHEDOP_block: lets events in, and the vCPU waits for one. */
static bool halt(void)
{
    sched_block_current();
    return true;
}

static bool flush_caches(const struct vcpu *v)
{
    if (v->domain->privileged) /* has devices, and mappings that are not write-back */
        __asm__ volatile("wbinvd" : : : "memory");
    return true;
}

static bool write_xcr(struct vcpu *v, const struct cpu_user_regs *regs)
{
    return regs->ecx == 0 && fpu_set_xcr0(v, (uint64_t)regs->edx << 32 | regs->eax) == 0;
}

/* MOV to CR3. Accepting a table may take longer than one may keep others waiting: then the
 * instruction runs once more. */
static enum emul_result load_cr3(struct vcpu *v, struct cpu_user_regs *regs,
                                 const struct pv_insn *insn)
{
    uint64_t value = *emul_gpr(regs, insn->reg);
    int rc = value & ~PAGE_MASK ? -XEN_EINVAL : pv_new_baseptr(v, mfn(value >> PAGE_SHIFT));

    if (rc == -XEN_ERESTART)
        return EMUL_DONE;
    return rc ? EMUL_UNHANDLED : emul_retire(regs, insn->length);
}

/* Acts out an instruction of the guest kernel; false: it faults. */
static bool execute(struct vcpu *v, struct cpu_user_regs *regs, const struct pv_insn *insn)
{
    uint64_t *gpr = emul_gpr(regs, insn->reg);

    switch (insn->op) {
    case PV_OP_MOV_FROM_CR:
        return read_cr(v, insn->sysreg, gpr);
    case PV_OP_MOV_TO_CR:
        return write_cr(v, insn->sysreg, *gpr);
    case PV_OP_MOV_FROM_DR:
        return pv_get_debugreg(v, insn->sysreg, gpr) == 0;
    case PV_OP_MOV_TO_DR:
        return pv_set_debugreg(v, insn->sysreg, *gpr) == 0;
    case PV_OP_CLTS:
        fpu_set_ts(v, false);
        return true;
    case PV_OP_LMSW:
        return load_msw(v, *gpr);
    case PV_OP_RDMSR:
        return read_msr(v, regs);
    case PV_OP_WRMSR:
        return write_msr(v, regs);
    case PV_OP_CACHE_FLUSH:
        return flush_caches(v);
    case PV_OP_HLT:
        return halt();
    case PV_OP_XSETBV:
        return write_xcr(v, regs);
    case PV_OP_RDTSC:
    case PV_OP_RDTSCP:
        read_tsc(v, regs, insn->op == PV_OP_RDTSCP);
        return true;
    case PV_OP_CLI:
    case PV_OP_STI:
    case PV_OP_IN:
    case PV_OP_OUT:
    case PV_OP_INS:
    case PV_OP_OUTS:
        break;
    }
    return false;
}

enum emul_result pv_emulate_privileged(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    uint8_t bytes[EMUL_FETCH_MAX];
    struct pv_insn insn;

    if (!emul_runs_64bit_code(regs) || !pv_decode(bytes, emul_fetch(regs, bytes), &insn))
        return EMUL_UNHANDLED;

    switch (insn.op) {
    case PV_OP_IN:
    case PV_OP_OUT:
    case PV_OP_INS:
    case PV_OP_OUTS:
        return emul_port_io(v, regs, &insn);
    case PV_OP_CLI: /* events are masked in vcpu_info; the flag itself is always on (ABI) */
    case PV_OP_STI:
        return pv_iopl_ok(v) ? emul_retire(regs, insn.length) : EMUL_UNHANDLED;
    default:
        break;
    }
    if (!v->arch.kernel_mode)
        return EMUL_UNHANDLED;
    if (insn.op == PV_OP_XSETBV && !(pv_read_cr4(v) & CR4_OSXSAVE)) {
        pv_inject_exception(regs, TRAP_UD, 0);
        return EMUL_INJECTED;
    }
    if (insn.op == PV_OP_MOV_TO_CR && insn.sysreg == 3)
        return load_cr3(v, regs, &insn);
    return execute(v, regs, &insn) ? emul_retire(regs, insn.length) : EMUL_UNHANDLED;
}

enum emul_result pv_emulate_forced_cpuid(struct cpu_user_regs *regs)
{
    /* ud2; "xen"; cpuid: 0f 0b 78 65 6e 0f a2. Every #UD comes here, so it is compared as a number. */
    const uint64_t prefixed = UINT64_C(0xa20f6e65780b0f);
    const unsigned length = 7;
    uint64_t bytes = 0;
    struct cpuid_leaf leaf;

    if (copy_from_guest(&bytes, guest_ptr(regs->rip), length) || bytes != prefixed)
        return EMUL_UNHANDLED;
    leaf = pv_cpuid(current_vcpu(), regs->eax, regs->ecx);
    regs->rax = leaf.a;
    regs->rbx = leaf.b;
    regs->rcx = leaf.c;
    regs->rdx = leaf.d;
    return emul_retire(regs, length);
}
