/* SPDX-License-Identifier: MIT
 *
 * The ways into the guest kernel and out of it: bounce frames word by word, what a fault of ring 3
 * becomes, HYPERVISOR_iret, and in which order NMIs and events are delivered.
 */
#include "suite.h"

#include "pv_bounce_world.h"

/* In guest kernel mode, interrupted at CODE with every flag set, upcalls not masked. */
static void reset(void)
{
    memset(&domain, 0, sizeof(domain));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&info, 0, sizeof(info));
    memset(&cpu, 0, sizeof(cpu));
    memset(traps, 0, sizeof(traps));
    memset(stack, 0xcc, sizeof(stack));
    vcpu.domain = &domain;
    vcpu.info = &info;
    vcpu.arch.traps = traps;
    vcpu.arch.kernel_mode = true;
    vcpu.arch.kernel_sp = TOP - 8; /* not aligned to 16 */
    vcpu.arch.l4_kernel = mfn(5);
    vcpu.arch.l4_user = mfn(6);
    for (unsigned i = 0; i < ARRAY_SIZE(traps); i++)
        traps[i].address = HANDLER + i;
    *regs = (struct cpu_user_regs){.rip = CODE,
                                   .cs = 0x33,
                                   .ss = 0x2b,
                                   .rsp = STACK + 0x808,
                                   .rflags = ALL_FLAGS,
                                   .rcx = 0xccc,
                                   .r11 = 0x111,
                                   .ds = 1,
                                   .es = 2,
                                   .fs = 3,
                                   .gs = 4};
    cpu.current = pv_host_vcpu = &vcpu;
    crashes = hypercalls = softirqs = gs_swaps = 0;
    interrupt_vector = 0;
    emulated = EMUL_UNHANDLED;
    ldt_mapped = ptwr_taken = ts_cleared = irqs_on = false;
    loaded_cr3 = dr6_written = 0;
}

static void reset_in_user(void)
{
    reset();
    vcpu.arch.kernel_mode = false;
    regs->rsp = USER_RSP;
}

static const uint64_t *frame(void)
{
    CU_ASSERT_FATAL(regs->rsp >= STACK && regs->rsp < TOP);
    return stack + (regs->rsp - STACK) / 8;
}

static void trap(unsigned vector, uint32_t error_code)
{
    regs->entry_vector = vector;
    regs->error_code = error_code;
    guest_trap(regs);
    CU_ASSERT_TRUE(irqs_on || vector >= VECTOR_FIRST);
}

/* Where the last trap went; 0 if nowhere. */
static unsigned bounced_to(void)
{
    return regs->rip >= HANDLER ? (unsigned)(regs->rip - HANDLER) : 0;
}

/* ---- frames ---- */

static void test_frame_from_kernel(void)
{
    const uint64_t *f;

    reset();
    trap(11, 0xabc);
    f = frame();
    CU_ASSERT_EQUAL(regs->rsp, STACK + 0x800 - 8 * 8); /* aligned down, then pushed */
    CU_ASSERT(f[0] == 0xccc && f[1] == 0x111 && f[2] == 0xabc && f[3] == CODE);
    CU_ASSERT_EQUAL(f[4], 0x30); /* RPL 0: the guest kernel; upcalls were not masked */
    CU_ASSERT_EQUAL(f[5], (ALL_FLAGS & ~UINT64_C(0x3000)) | X86_EFLAGS_IF);
    CU_ASSERT(f[6] == STACK + 0x808 && f[7] == 0x2b);
    CU_ASSERT(regs->rip == HANDLER + 11 && regs->cs == 0xe033 && regs->ss == 0xe02b);
    CU_ASSERT_EQUAL(regs->entry_vector, ENTRY_SYSCALL);
    CU_ASSERT(gs_swaps == 0 && loaded_cr3 == 0 && info.evtchn_upcall_mask == 0);
}

static void test_frame_from_user(void)
{
    const uint64_t *f;

    reset_in_user();
    info.evtchn_upcall_mask = 1;
    traps[3].mask_events = true;
    trap(3, 0);
    f = frame();
    CU_ASSERT_EQUAL(regs->rsp, TOP - 16 - 7 * 8); /* the kernel's stack; no error code */
    CU_ASSERT(f[2] == CODE && f[3] == (0x33 | UINT64_C(1) << 32));
    CU_ASSERT_EQUAL(f[4] & X86_EFLAGS_IF, 0); /* the inverse of the mask */
    CU_ASSERT_EQUAL(f[5], USER_RSP);
    CU_ASSERT(gs_swaps == 1 && loaded_cr3 == 5 * PAGE_SIZE && vcpu.arch.kernel_mode);
    reset_in_user(); /* and the mask is set only where the trap asks for it */
    trap(3, 0);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 0);
    traps[3].mask_events = true;
    regs->rip = CODE;
    trap(3, 0);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 1);
    CU_ASSERT_EQUAL(frame()[3], 0xe030); /* out of the kernel's handler, not yet masked */
}

/* As SYSCALL of 64-bit code comes in. */
static void syscall64(void)
{
    regs->cs = GUEST_CS64;
    regs->ss = GUEST_DS;
    regs->entry_vector = ENTRY_SYSCALL;
    guest_syscall(regs);
}

/* The guest kernel's flags, on each way in. DF is the one that Linux relies on. */
static void test_flags_on_entry(void)
{
    const uint64_t cleared = 0x74500 | 0x3000;

    for (unsigned way = 0; way < 5; way++) {
        reset_in_user();
        vcpu.arch.event.address = vcpu.arch.nmi.address = vcpu.arch.failsafe.address = HANDLER;
        vcpu.arch.syscall.address = vcpu.arch.syscall32.address = HANDLER;
        switch (way) {
        case 0:
            trap(14, PF_WRITE);
            break;
        case 1:
            syscall64();
            break;
        case 2:
            guest_syscall32(regs);
            break;
        case 3:
            pv_inject_event(regs);
            break;
        default:
            pv_inject_nmi(regs);
        }
        CU_ASSERT_EQUAL(regs->rflags & cleared, 0);
        CU_ASSERT_EQUAL(regs->rflags & X86_EFLAGS_DF, 0);
        CU_ASSERT_EQUAL(regs->rflags, (ALL_FLAGS & ~cleared) | X86_EFLAGS_IF);
        CU_ASSERT_EQUAL(crashes, 0);
    }
}

static void test_architectural_iopl(void)
{
    reset();
    domain.vm_assist = UINT64_C(1) << VMASST_TYPE_architectural_iopl;
    vcpu.arch.iopl = 2;
    trap(3, 0);
    CU_ASSERT_EQUAL(frame()[4] & 0x3000, 0x2000);
    CU_ASSERT_EQUAL(regs->rflags & 0x3000, 0);
}

static void test_failsafe(void)
{
    const uint64_t *f;

    reset();
    vcpu.arch.failsafe = (struct pv_callback){.address = HANDLER, .mask_events = true};
    pv_inject_failsafe(regs);
    f = frame();
    CU_ASSERT(f[0] == 0xccc && f[1] == 0x111);
    CU_ASSERT(f[2] == 1 && f[3] == 2 && f[4] == 3 && f[5] == 4); /* DS, ES, FS, GS */
    CU_ASSERT(f[6] == CODE && f[7] == 0x30 && f[10] == 0x2b);
    CU_ASSERT_EQUAL(info.evtchn_upcall_mask, 1);
}

/* Which vectors push an error code. */
static void test_error_codes(void)
{
    for (unsigned vector = 0; vector < 32; vector++) {
        bool has = (vector >= 10 && vector <= 14) || vector == 8 || vector == 17;

        if (vector == 2)
            continue; /* not an exception of the guest's */
        reset();
        trap(vector, 0);
        CU_ASSERT_EQUAL(bounced_to(), vector);
        CU_ASSERT_EQUAL(regs->rsp, STACK + 0x800 - (has ? 8U : 7U) * 8);
    }
}

/* A guest that cannot be entered is crashed, and only it. */
static void test_crashes(void)
{
    reset();
    traps[6].address = 0;
    trap(6, 0);
    CU_ASSERT_EQUAL(crashes, 1);
    reset();
    traps[6].address = UINT64_C(1) << 47;
    trap(6, 0);
    CU_ASSERT(crashes == 1 && regs->rip == CODE);
    reset_in_user();
    vcpu.arch.kernel_sp = VA_HV_START + PAGE_SIZE;
    trap(6, 0);
    CU_ASSERT(crashes == 1 && regs->rip == CODE);
    reset();
    regs->rsp = STACK + 16; /* the page ends below */
    trap(13, 0);
    CU_ASSERT_EQUAL(crashes, 1);
}

/* ---- faults ---- */

static void test_page_faults(void)
{
    fault_va = 0x1234567;
    reset();
    trap(14, PF_USER | PF_WRITE);
    CU_ASSERT_EQUAL(frame()[2], PF_WRITE); /* the guest kernel is no user */
    CU_ASSERT(info.arch.cr2 == 0x1234567 && vcpu.arch.ctrlreg[2] == 0x1234567);
    reset_in_user();
    trap(14, PF_USER | PF_FETCH);
    CU_ASSERT_EQUAL(frame()[2], PF_USER | PF_FETCH);
    reset();
    ptwr_taken = true;
    trap(14, PF_USER | PF_WRITE | PF_PRESENT);
    CU_ASSERT(bounced_to() == 0 && info.arch.cr2 == 0);
    /* By a selector load, in the LDT: mapped now, or told where the guest has its table. */
    reset_in_user();
    vcpu.arch.ldt_entry_count = 4;
    vcpu.arch.ldt_base = 0x9000;
    fault_va = pv_ldt_va(&vcpu) + 31;
    ldt_mapped = true;
    trap(14, 0);
    CU_ASSERT_EQUAL(bounced_to(), 0);
    ldt_mapped = false;
    trap(14, 0);
    CU_ASSERT(bounced_to() == 14 && info.arch.cr2 == 0x9000 + 31);
    /* Touched by the guest itself, or behind the table's end: as any other address of ours. */
    for (unsigned i = 0; i < 2; i++) {
        reset_in_user();
        vcpu.arch.ldt_entry_count = 4;
        ldt_mapped = true;
        fault_va = pv_ldt_va(&vcpu) + i * 32;
        trap(14, i == 0 ? PF_USER : 0);
        CU_ASSERT(bounced_to() == 14 && info.arch.cr2 == fault_va);
    }
}

static void test_software_interrupts(void)
{
    static const struct {
        uint8_t dpl;
        bool user, reached;
    } cases[] = {{0, true, false},  {1, true, false}, {3, true, true},
                 {0, false, false}, {1, false, true}, {3, false, true}};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].user)
            reset_in_user();
        else
            reset();
        memcpy(code, "\xcd\x80", 2);
        traps[0x80].dpl = cases[i].dpl;
        trap(13, 0x80 * 16 + 2); /* QEMU's error code; the instruction counts */
        CU_ASSERT_EQUAL(bounced_to(), cases[i].reached ? 0x80 : 13);
        if (cases[i].reached)
            CU_ASSERT_EQUAL(frame()[2], CODE + 2);
        if (!cases[i].reached)
            CU_ASSERT(frame()[2] == 0x80 * 8 + 2 && frame()[3] == CODE);
    }
    reset();
    traps[0x80] = (struct pv_trap){.dpl = 3}; /* no handler yet */
    trap(13, 0x80 * 8 + 2);
    CU_ASSERT_EQUAL(bounced_to(), 13);
    CU_ASSERT_EQUAL(crashes, 0);
    code[0] = 0x90; /* another vCPU has rewritten it */
    regs->rip = CODE;
    trap(13, 0x80 * 8 + 2);
    CU_ASSERT_EQUAL(bounced_to(), 13);
}

static void test_other_faults(void)
{
    reset();
    emulated = EMUL_DONE;
    trap(13, 0);
    trap(6, 0);
    CU_ASSERT_EQUAL(bounced_to(), 0);
    trap(13, 0x18); /* a selector's: never an instruction of ours */
    CU_ASSERT(bounced_to() == 13 && frame()[2] == 0x18);
    reset();
    dr6 = 0xffff4ff0;
    trap(1, 0);
    CU_ASSERT(bounced_to() == 1 && vcpu.arch.debugreg[6] == dr6 && dr6_written == DR6_DEFAULT);
    reset();
    trap(7, 0);
    CU_ASSERT(bounced_to() == 7 && ts_cleared);
    reset();
    trap(VECTOR_FIRST, 0);
    CU_ASSERT(bounced_to() == 0 && interrupt_vector == VECTOR_FIRST);
}

/* ---- system calls ---- */

static void test_syscalls(void)
{
    reset();
    vcpu.arch.syscall.address = HANDLER;
    syscall64(); /* by the guest kernel: a hypercall, whatever is registered */
    CU_ASSERT(hypercalls == 1 && regs->rip == CODE);
    reset_in_user();
    vcpu.arch.syscall = (struct pv_callback){.address = HANDLER, .mask_events = true};
    syscall64();
    CU_ASSERT(hypercalls == 0 && regs->rip == HANDLER && info.evtchn_upcall_mask == 1);
    CU_ASSERT_EQUAL(frame()[2], CODE);
    CU_ASSERT_EQUAL(frame()[3] >> 32, 0); /* the mask as it was before */
    reset_in_user();                      /* not registered: #UD at the instruction */
    syscall64();
    CU_ASSERT(bounced_to() == 6 && frame()[2] == CODE - 2);
    reset_in_user();
    guest_syscall32(regs);
    CU_ASSERT(bounced_to() == 6 && frame()[2] == CODE - 2);
}

/* ---- iret ---- */

static const struct iret_context to_user = {.rax = 77,
                                            .r11 = 0x11,
                                            .rcx = 0xcc,
                                            .rip = 0x400000,
                                            .cs = 0x33,
                                            .rflags = ALL_FLAGS,
                                            .rsp = USER_RSP,
                                            .ss = 0x28};

static int64_t iret(const struct iret_context *context)
{
    regs->rsp = STACK + 0x100;
    memcpy((char *)stack + 0x100, context, sizeof(*context));
    return hcall_iret(&(struct hypercall_args){{0}});
}

static void test_iret(void)
{
    struct iret_context c = to_user;

    reset();
    vcpu.arch.nmi_masked = true;
    info.evtchn_upcall_mask = 1;
    CU_ASSERT_EQUAL(iret(&c), 77);
    CU_ASSERT(regs->rip == 0x400000 && regs->rsp == USER_RSP && regs->cs == 0x33);
    CU_ASSERT(regs->ss == 0x2b && regs->rcx == 0xcc && regs->r11 == 0x11);
    CU_ASSERT_EQUAL(regs->entry_vector, 0); /* by IRETQ: all registers exactly */
    CU_ASSERT(!vcpu.arch.kernel_mode && gs_swaps == 1 && loaded_cr3 == 6 * PAGE_SIZE);
    CU_ASSERT(info.evtchn_upcall_mask == 0 && !vcpu.arch.nmi_masked);
    CU_ASSERT_EQUAL(regs->rflags & 0x1a3000, 0); /* IOPL, VM, VIF, VIP are not to be had */
    CU_ASSERT_EQUAL(regs->rflags & 0x202, 0x202);
    /* To the kernel itself, with upcalls masked: the real IF stays on. */
    reset();
    c.cs = 0x10;
    c.rflags = 0;
    vcpu.arch.nmi_pending = true;
    CU_ASSERT_EQUAL(iret(&c), 77);
    CU_ASSERT(vcpu.arch.kernel_mode && gs_swaps == 0 && regs->cs == 0x13);
    CU_ASSERT(info.evtchn_upcall_mask == 1 && regs->rflags == 0x202);
    CU_ASSERT_EQUAL(vcpu.exit_work, 1); /* the NMI that waited is looked at */
    /* As SYSRET: RCX and R11 are not the guest's any more. */
    reset();
    c = to_user;
    c.flags = VGCF_in_syscall;
    (void)iret(&c);
    CU_ASSERT(regs->entry_vector == ENTRY_SYSCALL && regs->rcx == 0xccc && regs->r11 == 0x111);
}

static void test_iret_refused(void)
{
    reset();
    regs->rsp = TOP - sizeof(struct iret_context) + 8;
    CU_ASSERT_EQUAL(hcall_iret(&(struct hypercall_args){{0}}), 0);
    CU_ASSERT(crashes == 1 && regs->rip == CODE);
    reset();
    vcpu.arch.l4_user = MFN_INVALID;
    (void)iret(&to_user);
    CU_ASSERT(crashes == 1 && vcpu.arch.kernel_mode && gs_swaps == 0);
}

/* ---- on the way back ---- */

static void test_nmi(void)
{
    reset();
    vcpu.arch.nmi_pending = true;
    vcpu.exit_work = 1;
    cpu.softirq_pending = 1;
    guest_exit_work();
    CU_ASSERT(softirqs == 1 && bounced_to() == 2 && !vcpu.arch.nmi_pending && !irqs_on);
    CU_ASSERT(vcpu.arch.nmi_masked && info.evtchn_upcall_mask == 1 && !vcpu.exit_work);
    vcpu.arch.nmi_pending = true; /* another one waits for iret */
    vcpu.exit_work = 1;
    regs->rip = CODE;
    guest_exit_work();
    CU_ASSERT(bounced_to() == 0 && vcpu.arch.nmi_pending);
    reset(); /* a callback of its own comes before vector 2; without either nothing happens */
    vcpu.arch.nmi.address = HANDLER + 300;
    pv_inject_nmi(regs);
    CU_ASSERT_EQUAL(bounced_to(), 300);
    reset();
    traps[2].address = 0;
    pv_inject_nmi(regs);
    CU_ASSERT(bounced_to() == 0 && crashes == 0 && !vcpu.arch.nmi_masked);
}

static void test_events(void)
{
    reset();
    info.evtchn_upcall_pending = 1;
    guest_exit_work(); /* no callback yet */
    CU_ASSERT(bounced_to() == 0 && info.evtchn_upcall_mask == 0);
    vcpu.arch.event.address = HANDLER + 301;
    guest_exit_work();
    CU_ASSERT(bounced_to() == 301 && info.evtchn_upcall_mask == 1);
    CU_ASSERT_EQUAL(info.evtchn_upcall_pending, 1); /* the guest's to clear */
    CU_ASSERT_EQUAL(frame()[3], 0x30);
    regs->rip = CODE;
    guest_exit_work(); /* masked */
    CU_ASSERT_EQUAL(bounced_to(), 0);
    reset(); /* an exception first, the event on top of it, before the handler's first instruction */
    info.evtchn_upcall_pending = 1;
    vcpu.arch.event.address = HANDLER + 301;
    trap(14, 0);
    guest_exit_work();
    CU_ASSERT(bounced_to() == 301 && frame()[2] == HANDLER + 14);
}

static const struct test_case cases[] = {
    {"frame from the kernel", test_frame_from_kernel},
    {"frame from user mode", test_frame_from_user},
    {"flags on entry", test_flags_on_entry},
    {"architectural IOPL", test_architectural_iopl},
    {"failsafe frame", test_failsafe},
    {"error codes", test_error_codes},
    {"guests that cannot be entered", test_crashes},
    {"page faults", test_page_faults},
    {"software interrupts", test_software_interrupts},
    {"other faults", test_other_faults},
    {"system calls", test_syscalls},
    {"iret", test_iret},
    {"iret refused", test_iret_refused},
    {"NMIs", test_nmi},
    {"events", test_events},
    {NULL, NULL},
};

const struct suite suite_pv_bounce = {.name = "pv_bounce", .cases = cases};
