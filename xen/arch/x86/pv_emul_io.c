/* SPDX-License-Identifier: MIT
 *
 * IN, OUT, INS, OUTS by ring 3. String forms move at most IO_BATCH elements per trap; then the
 * guest is resumed at the same instruction with RCX, RSI and RDI where they are, as an interrupt
 * would do it, and events get their turn.
 */
#include "xen/arch/x86/pv_emul.h"

#include <lagan/string.h>

#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/msr.h"
#include "xen/guest_access.h"

#define IO_BATCH 64

/* Replaces the low bytes of a register the way IN does: 32 bits clear the upper half. */
static void write_register(uint64_t *reg, uint32_t value, unsigned bytes)
{
    uint64_t mask = bytes == 4 ? UINT64_MAX : (UINT64_C(1) << (8 * bytes)) - 1;

    *reg = (*reg & ~mask) | (value & mask);
}

/* INS and OUTS with a 32-bit address size count and point with ECX, ESI, EDI. */
static uint64_t read_counter(const struct pv_insn *insn, uint64_t reg)
{
    return insn->address32 ? (uint32_t)reg : reg;
}

static void add_counter(const struct pv_insn *insn, uint64_t *reg, int64_t delta)
{
    *reg = read_counter(insn, *reg + (uint64_t)delta);
}

static uint64_t segment_base(enum pv_segment segment)
{
    switch (segment) {
    case PV_SEG_FS:
        return rdmsr(MSR_FS_BASE);
    case PV_SEG_GS:
        return rdmsr(MSR_GS_BASE);
    case PV_SEG_FLAT:
        break;
    }
    return 0;
}

/* Moves an element between `value` and guest memory. Page by page, so that a fault is reported at
 * the address that has it. */
static enum emul_result move_element(struct cpu_user_regs *regs, uint64_t va, void *value,
                                     unsigned bytes, bool to_guest)
{
    const struct vcpu *v = current_vcpu();
    unsigned first = (unsigned)min_u64(bytes, PAGE_SIZE - (va & ~PAGE_MASK));
    uint32_t error = (to_guest ? PFEC_WRITE : 0) | (v->arch.kernel_mode ? 0 : PFEC_USER);

    if (!guest_range_ok(guest_ptr(va), bytes))
        return EMUL_UNHANDLED;
    for (unsigned at = 0, n = first; n; at += n, n = bytes - at) {
        guest_ptr_t p = guest_ptr(va + at);
        char *own = (char *)value + at;
        int rc = to_guest ? copy_to_guest(p, own, n) : copy_from_guest(own, p, n);

        if (rc) {
            pv_inject_page_fault(regs, p.va, error);
            return EMUL_INJECTED;
        }
    }
    return EMUL_DONE;
}

/* One element of INS or OUTS. */
static enum emul_result string_element(struct vcpu *v, struct cpu_user_regs *regs,
                                       const struct pv_insn *insn)
{
    bool in = insn->op == PV_OP_INS;
    uint64_t *index = in ? &regs->rdi : &regs->rsi;
    uint64_t va = segment_base(insn->segment) + read_counter(insn, *index);
    int64_t delta = regs->rflags & RFLAGS_DF ? -(int64_t)insn->bytes : insn->bytes;
    uint32_t value = in ? pv_io_read(v, regs->dx, insn->bytes) : 0;
    enum emul_result result = move_element(regs, va, &value, insn->bytes, in);

    if (result != EMUL_DONE)
        return result;
    if (!in)
        pv_io_write(v, regs->dx, insn->bytes, value);
    add_counter(insn, index, delta);
    return EMUL_DONE;
}

static enum emul_result string_io(struct vcpu *v, struct cpu_user_regs *regs,
                                  const struct pv_insn *insn)
{
    unsigned budget = regs->rflags & RFLAGS_TF ? 1 : IO_BATCH;
    enum emul_result result;

    if (!insn->rep) {
        result = string_element(v, regs, insn);
        return result == EMUL_DONE ? emul_retire(regs, insn->length) : result;
    }
    while (read_counter(insn, regs->rcx)) {
        if (!budget--)
            return emul_step(regs);
        result = string_element(v, regs, insn);
        if (result != EMUL_DONE)
            return result;
        add_counter(insn, &regs->rcx, -1);
    }
    return emul_retire(regs, insn->length);
}

enum emul_result emul_port_io(struct vcpu *v, struct cpu_user_regs *regs,
                              const struct pv_insn *insn)
{
    uint16_t port = insn->port_immediate ? insn->port : regs->dx;

    if (!pv_io_allowed(v, port, insn->bytes))
        return EMUL_UNHANDLED;
    switch (insn->op) {
    case PV_OP_IN:
        write_register(&regs->rax, pv_io_read(v, port, insn->bytes), insn->bytes);
        return emul_retire(regs, insn->length);
    case PV_OP_OUT:
        pv_io_write(v, port, insn->bytes, regs->eax);
        return emul_retire(regs, insn->length);
    default:
        return string_io(v, regs, insn);
    }
}
