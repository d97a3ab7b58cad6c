/* SPDX-License-Identifier: MIT
 *
 * Writable page tables: a guest kernel writes an entry of its L1 table with an ordinary instruction,
 * as if the table were memory. The table is mapped read-only, so the write faults; here it is acted
 * out, as an update of the entry that is checked like any other.
 *
 * Only L1 tables, and only in the guest's kernel: anything else goes back to the guest as the fault
 * it is. The instruction is fetched once. Should another vCPU have changed it, or the tables, since
 * the fault, then some other entry of the guest's own is changed, by the same rules.
 *
 * The processors and other vCPUs may change the entry meanwhile. The update is made only if it is
 * still the one that the instruction was acted out on (table_change.exact); if not, the vCPU goes
 * back to the instruction and tries again. That makes each of them atomic, with LOCK or without.
 *
 * The control domain's mappings of guarded device memory (io_guard.h) are read-only in the same way, and
 * what its kernel writes there is acted out, too.
 */
#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/type.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/arch/x86/pv_emul.h"
#include "xen/arch/x86/pv_ptwr.h"
#include "xen/arch/x86/pv_ptwr_decode.h"
#include "arch_inline.h"

STATIC_ASSERT(PTWR_INSN_MAX == PV_INSN_MAX);

/* The control domain's kernel counts on it without asking (public ABI). */
static bool is_enabled(const struct domain *d)
{
    return d->privileged || (d->vm_assist >> VMASST_TYPE_writable_pagetables & 1);
}

static bool read_entry(mfn_t table, unsigned index, uint64_t *e)
{
    if (!arch_mfn_valid(table))
        return false;
    *e = pte_load((const uint64_t *)arch_map_frame(table) + index);
    return *e & PTE_P;
}

/* The frame that va is mapped to, if it is an L1 table of the domain's (no mapping of it is
 * writable): a guess that table_update() verifies. */
static bool find_table(const struct vcpu *v, uint64_t va, mfn_t *table)
{
    uint64_t e;
    mfn_t l1;

    if (table_walk_l1(v->arch.l4_kernel, va, &l1) || !read_entry(l1, pte_index(va, 1), &e))
        return false;
    *table = pte_frame(e);
    return arch_mfn_valid(*table) && type_of(*table) == TYPE_L1 &&
           frame_owner(frame_of(*table)) == v->domain->id;
}

static uint64_t effective_address(struct cpu_user_regs *regs, const struct ptwr_insn *insn)
{
    uint64_t va = (uint64_t)insn->displacement;

    if (insn->rip_relative)
        va += regs->rip + insn->length;
    if (insn->base != PTWR_NO_REG)
        va += *emul_gpr(regs, insn->base);
    if (insn->index != PTWR_NO_REG)
        va += *emul_gpr(regs, insn->index) << insn->scale;
    return insn->address32 ? (uint32_t)va : va;
}

static uint64_t source_of(struct cpu_user_regs *regs, const struct ptwr_insn *insn)
{
    if (insn->reg == PTWR_NO_REG)
        return insn->immediate;
    return *emul_gpr(regs, insn->reg) >> (insn->high_byte ? 8 : 0);
}

/* A 32-bit result clears the upper half of its register, smaller ones leave the rest alone. */
static void write_register(uint64_t *reg, unsigned bytes, bool high_byte, uint64_t value)
{
    if (high_byte)
        *reg = (*reg & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
    else if (bytes == 1)
        *reg = (*reg & ~UINT64_C(0xff)) | (value & 0xff);
    else if (bytes == 2)
        *reg = (*reg & ~UINT64_C(0xffff)) | (value & 0xffff);
    else
        *reg = bytes == 4 ? (uint32_t)value : value;
}

/* The instruction acts on the bytes of the entry from bit `shift` on. */
static int change_entry(struct vcpu *v, mfn_t table, uint64_t address, const struct ptwr_insn *insn,
                        struct cpu_user_regs *regs, struct ptwr_effect *effect)
{
    unsigned index = pte_slot(address);
    unsigned shift = (unsigned)(address % sizeof(uint64_t)) * 8;
    uint64_t old = pte_load((const uint64_t *)arch_map_frame(table) + index);
    uint64_t mask = (insn->bytes == 8 ? UINT64_MAX : (UINT64_C(1) << insn->bytes * 8) - 1) << shift;
    struct table_change c = {.from = v->domain->id, .exact = true, .expected = old};
    int rc;

    if (!ptwr_execute(insn, old >> shift, source_of(regs, insn), regs->rax, regs->rflags, effect))
        return -XEN_EINVAL;
    c.entry = (old & ~mask) | (effect->memory << shift & mask);
    rc = table_drop(&v->arch.old_table);
    if (rc)
        return rc;
    rc = table_update(&v->domain->account, table, index, &c);
    v->arch.old_table = c.old_table;
    return rc;
}

/* The instruction at RIP, if it writes at `address`. */
static bool fetch_write(struct cpu_user_regs *regs, uint64_t address, struct ptwr_insn *insn)
{
    uint8_t bytes[EMUL_FETCH_MAX];

    return ptwr_decode(bytes, emul_fetch(regs, bytes), insn) &&
           effective_address(regs, insn) == address;
}

bool pv_ptwr_emulate(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    struct ptwr_effect effect;
    struct ptwr_insn insn;
    mfn_t table;
    int rc;

    if (!v->arch.kernel_mode || !is_enabled(v->domain) || !emul_runs_64bit_code(regs) ||
        !find_table(v, address, &table))
        return false;
    if (!fetch_write(regs, address, &insn) ||
        address % sizeof(uint64_t) + insn.bytes > sizeof(uint64_t))
        return false;
    rc = change_entry(v, table, address, &insn, regs, &effect);
    if (rc == -XEN_EAGAIN || rc == -XEN_ERESTART)
        return true; /* the guest's RIP has not moved: it tries again */
    if (rc)
        return false;
    regs->rflags = effect.rflags;
    if (effect.writes_register) {
        bool accumulator = insn.op == PTWR_CMPXCHG;

        write_register(accumulator ? &regs->rax : emul_gpr(regs, insn.reg), insn.bytes,
                       !accumulator && insn.high_byte, effect.reg);
    }
    (void)emul_retire(regs, insn.length);
    return true;
}

/* ---- memory of devices ---- */

/* What va is mapped to, if that is not RAM. */
static bool find_device(const struct vcpu *v, uint64_t va, uint64_t *phys)
{
    uint64_t e;
    mfn_t l1;

    if (table_walk_l1(v->arch.l4_kernel, va, &l1) || !read_entry(l1, pte_index(va, 1), &e) ||
        arch_mfn_valid(pte_frame(e)))
        return false;
    *phys = pte_frame(e).n << PAGE_SHIFT | (va & (PAGE_SIZE - 1));
    return true;
}

/* Device memory is read and written by moves: what else there is would have to be atomic. */
bool pv_device_write(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    struct ptwr_insn insn;
    uint64_t phys;

    if (!v->arch.kernel_mode || !emul_runs_64bit_code(regs) || !find_device(v, address, &phys) ||
        !fetch_write(regs, address, &insn) || insn.op != PTWR_MOV || address % insn.bytes != 0 ||
        !io_guard_write(phys, insn.bytes, source_of(regs, &insn)))
        return false;
    (void)emul_retire(regs, insn.length);
    return true;
}
