/* SPDX-License-Identifier: MIT
 *
 * The emulator, with a guest of three pages: instructions are put into its memory and executed on a
 * register frame. The machine's registers are variables here.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "pv_host.h"

#include "xen/arch/x86/pv_cpuid.c"
#include "xen/arch/x86/pv_emul.c"
#include "xen/arch/x86/pv_emul_io.c"
#include "xen/arch/x86/pv_io.c"
#include "xen/arch/x86/pv_msr.c"

#define GUEST_BASE UINT64_C(0x10000)
#define CODE       GUEST_BASE
#define DATA       (GUEST_BASE + PAGE_SIZE)
#define PAGES      3

/* ---- the machine ---- */

struct vcpu *pv_host_vcpu;
uint64_t pv_host_cr0, pv_host_cr4;
unsigned pv_host_invlpgs;

static uint64_t fs_base, gs_base, kernel_gs_base, tsc_aux, efer;

static uint64_t *msr_slot(uint32_t msr)
{
    switch (msr) {
    case MSR_FS_BASE:
        return &fs_base;
    case MSR_GS_BASE:
        return &gs_base;
    case MSR_KERNEL_GS_BASE:
        return &kernel_gs_base;
    case MSR_TSC_AUX:
        return &tsc_aux;
    case MSR_EFER:
        return &efer;
    default:
        CU_FAIL("the machine has no such MSR");
        return &efer;
    }
}

uint64_t pv_host_rdmsr(uint32_t msr)
{
    return *msr_slot(msr);
}

void pv_host_wrmsr(uint32_t msr, uint64_t value)
{
    *msr_slot(msr) = value;
}

/* Ports of the machine: the control domain's accesses come here. */
static unsigned machine_port, machine_bytes;
static uint32_t machine_value;

uint32_t machine_io_read(uint16_t port, unsigned bytes)
{
    machine_port = port;
    machine_bytes = bytes;
    return 0x12345678;
}

void machine_io_write(uint16_t port, unsigned bytes, uint32_t value)
{
    machine_port = port;
    machine_bytes = bytes;
    machine_value = value;
}

/* The guest's GDT: 64-bit code at 0x33, as Linux has it, 32-bit code at 0x23, data at 0x2b. */
uint32_t pv_host_rights(uint16_t selector)
{
    return selector == 0x33   ? 0x00affb00
           : selector == 0x23 ? 0x00cffb00
           : selector == 0x2b ? 0x00cff300
                              : 0;
}

bool cpu_has_xsave(void)
{
    return true;
}

uint64_t feature_cr4(void)
{
    return CR4_PAE | CR4_PGE | CR4_SMEP;
}

uint64_t time_tsc_khz(void)
{
    return 2000000;
}

void time_get_scale(struct time_scale *s)
{
    *s = (struct time_scale){.mul = 0x80000000, .shift = -1};
}

/* ---- the guest ---- */

static struct domain domain;
static struct vcpu vcpu;
static vcpu_info_t vcpu_info;
static struct pv_trap traps[256];
static struct cpu_user_regs regs;
static uint8_t memory[PAGES * PAGE_SIZE];
static bool readable[PAGES], writable[PAGES];
static bool data_is_kernels; /* page 1 is mapped in kernel mode only */

static unsigned injected, toggles, blocks; /* injected: vector + 1 of the last exception */
static uint64_t fault_address;
static uint32_t fault_error;
static uint64_t xcr0_set, baseptr, debugreg_set;

bool guest_range_ok(guest_ptr_t p, uint64_t bytes)
{
    return p.va + bytes >= p.va && (p.va + bytes <= VA_HV_START || p.va >= VA_HV_END);
}

static int copy(uint64_t va, size_t bytes, void *out, const void *in)
{
    for (size_t i = 0; i < bytes; i++) {
        uint64_t at = va + i - GUEST_BASE;
        size_t page = at / PAGE_SIZE;

        if (at >= sizeof(memory) || !(in ? writable : readable)[page])
            return -XEN_EFAULT;
        if (page == 1 && data_is_kernels && !vcpu.arch.kernel_mode)
            return -XEN_EFAULT;
        if (in)
            memory[at] = ((const uint8_t *)in)[i];
        else
            ((uint8_t *)out)[i] = memory[at];
    }
    return 0;
}

int copy_from_guest(void *dst, guest_ptr_t src, size_t bytes)
{
    return copy(src.va, bytes, dst, NULL);
}

int copy_to_guest(guest_ptr_t dst, const void *src, size_t bytes)
{
    return copy(dst.va, bytes, NULL, src);
}

void pv_inject_exception(struct cpu_user_regs *r, unsigned vector, uint32_t error_code)
{
    (void)r;
    injected = vector + 1;
    fault_error = error_code;
}

void pv_inject_page_fault(struct cpu_user_regs *r, uint64_t address, uint32_t error_code)
{
    pv_inject_exception(r, 14, error_code);
    fault_address = address;
}

void pv_toggle_mode(struct vcpu *v)
{
    v->arch.kernel_mode = !v->arch.kernel_mode;
    toggles++;
}

int pv_new_baseptr(struct vcpu *v, mfn_t l4)
{
    (void)v;
    baseptr = l4.n;
    return l4.n == 77 ? 0 : -XEN_EINVAL;
}

void sched_block_current(void)
{
    blocks++;
}

void fpu_set_ts(struct vcpu *v, bool set)
{
    v->arch.ctrlreg[0] = set ? CR0_TS : 0;
}

int fpu_set_xcr0(struct vcpu *v, uint64_t xcr0)
{
    (void)v;
    xcr0_set = xcr0;
    return xcr0_valid(xcr0, 7) ? 0 : -XEN_EINVAL;
}

int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value)
{
    (void)v;
    debugreg_set = value;
    return reg == 3 ? 0 : -XEN_EINVAL;
}

int pv_get_debugreg(const struct vcpu *v, unsigned reg, uint64_t *value)
{
    (void)v;
    *value = 0x1234;
    return reg == 3 ? 0 : -XEN_EINVAL;
}

static void reset(void)
{
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&domain, 0, sizeof(domain));
    memset(&regs, 0, sizeof(regs));
    memset(traps, 0, sizeof(traps));
    memset(memory, 0x90, sizeof(memory));
    for (unsigned i = 0; i < PAGES; i++)
        readable[i] = writable[i] = true;
    data_is_kernels = false;
    vcpu.domain = &domain;
    vcpu.info = &vcpu_info;
    vcpu.arch.kernel_mode = true;
    vcpu.arch.traps = traps;
    vcpu.arch.xcr0 = 1;
    traps[TRAP_GP].address = 0x5000;
    regs.cs = GUEST_CS64;
    regs.rip = CODE;
    regs.rsp = 0x7777;
    injected = toggles = blocks = 0;
    pv_host_vcpu = &vcpu;
    pv_host_cr0 = CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG;
    pv_host_cr4 = feature_cr4() | CR4_OSXSAVE;
    efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | 1u << 12; /* SVME */
    pv_cpuid_init();
}

/* Puts an instruction at RIP and executes it. */
#define RUN(...) run((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static enum emul_result run(const uint8_t *code, size_t bytes)
{
    memcpy(memory + (regs.rip - GUEST_BASE), code, bytes);
    injected = 0;
    return pv_emulate_privileged(&regs);
}

/* ---- tests ---- */

static void test_control_registers(void)
{
    uint64_t cr0;

    reset();
    CU_ASSERT_EQUAL(RUN(0x0f, 0x20, 0xc3), EMUL_DONE); /* mov %cr0, %rbx */
    CU_ASSERT(regs.rbx == pv_host_cr0 && regs.rip == CODE + 3);
    vcpu.arch.ctrlreg[0] = CR0_TS;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x20, 0xc3), EMUL_DONE);
    CU_ASSERT(regs.rbx == (pv_host_cr0 | CR0_TS));
    cr0 = regs.rbx;
    regs.rbx = cr0 & ~CR0_TS;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x22, 0xc3), EMUL_DONE);
    CU_ASSERT_EQUAL(vcpu.arch.ctrlreg[0], 0);
    regs.rbx = cr0 & ~CR0_WP; /* anything but TS: #GP, and nothing done */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x22, 0xc3), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(vcpu.arch.ctrlreg[0], 0);
    regs.rcx = 0xf; /* lmsw %cx: PE, MP, EM, TS: EM differs */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x01, 0xf1), EMUL_UNHANDLED);
    regs.rcx = 0xb;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x01, 0xf1), EMUL_DONE);
    CU_ASSERT_EQUAL(vcpu.arch.ctrlreg[0], CR0_TS);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x06), EMUL_DONE); /* clts */
    CU_ASSERT_EQUAL(vcpu.arch.ctrlreg[0], 0);

    regs.rdi = 0xdead000;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x22, 0xd7), EMUL_DONE); /* mov %rdi, %cr2 and back */
    CU_ASSERT_EQUAL(RUN(0x41, 0x0f, 0x20, 0xd1), EMUL_DONE);
    CU_ASSERT(regs.r9 == 0xdead000 && vcpu.arch.ctrlreg[2] == 0xdead000);

    vcpu.arch.l4_kernel = mfn(0x123);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x20, 0xd8), EMUL_DONE); /* mov %cr3, %rax */
    CU_ASSERT_EQUAL(regs.rax, 0x123000);
    regs.rax = 77 << 12;
    CU_ASSERT(RUN(0x0f, 0x22, 0xd8) == EMUL_DONE && baseptr == 77);
    regs.rax = 78 << 12;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x22, 0xd8), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(RUN(0x44, 0x0f, 0x20, 0xc0), EMUL_UNHANDLED); /* cr8 */
}

static void test_cr4(void)
{
    reset();
    CU_ASSERT_EQUAL(RUN(0x0f, 0x20, 0xe0), EMUL_DONE); /* mov %cr4, %rax */
    CU_ASSERT_EQUAL(regs.rax, 0x660);
    regs.rax = UINT64_MAX;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x22, 0xe0), EMUL_DONE);
    /* What the guest may not set is dropped; the hypervisor's own bits stay. */
    CU_ASSERT_FALSE(vcpu.arch.ctrlreg[4] & (CR4_PSE | CR4_PGE | CR4_SMEP | CR4_UMIP | CR4_VME));
    CU_ASSERT_EQUAL(pv_host_cr4 & ~(CR4_TSD | CR4_DE | CR4_FSGSBASE), feature_cr4() | CR4_OSXSAVE);
    CU_ASSERT(pv_host_cr4 & CR4_TSD && pv_host_cr4 & CR4_DE);
    regs.rax = 0;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x22, 0xe0), EMUL_DONE);
    CU_ASSERT_EQUAL(pv_host_cr4, feature_cr4() | CR4_OSXSAVE);
    CU_ASSERT_EQUAL(pv_read_cr4(&vcpu), 0x660);
}

static void test_msrs(void)
{
    reset();
    regs.rcx = MSR_GS_BASE;
    regs.rax = 0x12345678;
    regs.rdx = 0xffff8880;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x30), EMUL_DONE);
    CU_ASSERT_EQUAL(gs_base, 0xffff888012345678);
    regs.rdx = 0x8000; /* not canonical: the real WRMSR would fault, in ring 0 */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x30), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(gs_base, 0xffff888012345678);
    regs.rax = regs.rdx = UINT64_MAX;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x32), EMUL_DONE);
    CU_ASSERT(regs.rax == 0x12345678 && regs.rdx == 0xffff8880);
    kernel_gs_base = 0x4242;
    regs.rcx = MSR_KERNEL_GS_BASE;
    CU_ASSERT(RUN(0x0f, 0x32) == EMUL_DONE && regs.rax == 0x4242 && regs.rdx == 0);
    regs.rcx = MSR_EFER; /* without SVME */
    CU_ASSERT(RUN(0x0f, 0x32) == EMUL_DONE && regs.rax == 0xd01);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x30), EMUL_DONE);
    regs.rax |= 1u << 12;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x30), EMUL_UNHANDLED);
    regs.rcx = MSR_APIC_BASE;
    CU_ASSERT(RUN(0x0f, 0x32) == EMUL_DONE && regs.rax == 0xfee00900);
    vcpu.id = 1;
    CU_ASSERT(RUN(0x0f, 0x32) == EMUL_DONE && regs.rax == 0xfee00800);

    regs.rcx = MSR_LSTAR; /* unknown: #GP once there is a handler, 0 before */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x32), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x30), EMUL_UNHANDLED);
    traps[TRAP_GP].address = 0;
    regs.rax = regs.rdx = 99;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x30), EMUL_DONE);
    CU_ASSERT(RUN(0x0f, 0x32) == EMUL_DONE && regs.rax == 0 && regs.rdx == 0);
}

static void test_modes(void)
{
    reset();
    vcpu.arch.kernel_mode = false; /* guest user: nothing but permitted I/O */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x20, 0xc0), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x32), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x31), EMUL_UNHANDLED);
    CU_ASSERT_EQUAL(RUN(0xf4), EMUL_UNHANDLED);
    CU_ASSERT(RUN(0xfa) == EMUL_UNHANDLED && regs.rip == CODE);
    vcpu.arch.iopl = 2;
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_UNHANDLED);
    vcpu.arch.iopl = 3;
    CU_ASSERT(RUN(0xfa) == EMUL_DONE && regs.rip == CODE + 1);

    reset(); /* the kernel counts as ring 1, or as ring 0 */
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_UNHANDLED);
    domain.vm_assist = 1 << VMASST_TYPE_architectural_iopl;
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_DONE);
    domain.vm_assist = 0;
    vcpu.arch.iopl = 1;
    CU_ASSERT_EQUAL(RUN(0xfb), EMUL_DONE);

    CU_ASSERT(RUN(0xf4) == EMUL_DONE && blocks == 1);
    regs.cs = 0x23; /* 32-bit code */
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_UNHANDLED);
    regs.cs = 0x43; /* gone from the table meanwhile */
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_UNHANDLED);
    regs.cs = 0x7; /* in the LDT */
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_UNHANDLED);
    regs.cs = 0x33;
    CU_ASSERT_EQUAL(RUN(0xfa), EMUL_DONE);
}

static void test_others(void)
{
    reset();
    regs.rax = 7;
    CU_ASSERT_EQUAL(RUN(0x0f, 0x01, 0xd1), EMUL_INJECTED); /* xsetbv without CR4.OSXSAVE: #UD */
    CU_ASSERT_EQUAL(injected, TRAP_UD + 1);
    if (pv_cr4_guest_settable() & CR4_OSXSAVE) {
        pv_write_cr4(&vcpu, CR4_OSXSAVE);
        CU_ASSERT(RUN(0x0f, 0x01, 0xd1) == EMUL_DONE && xcr0_set == 7);
        regs.rax = 6;
        CU_ASSERT_EQUAL(RUN(0x0f, 0x01, 0xd1), EMUL_UNHANDLED);
        regs.rax = 7;
        regs.rcx = 1;
        CU_ASSERT_EQUAL(RUN(0x0f, 0x01, 0xd1), EMUL_UNHANDLED);
    }
    vcpu.arch.tsc_aux = 5;
    CU_ASSERT(RUN(0x0f, 0x01, 0xf9) == EMUL_DONE && regs.rcx == 5 && regs.rax != 0);
    regs.rax = 0x99;
    CU_ASSERT(RUN(0x0f, 0x23, 0xd8) == EMUL_DONE && debugreg_set == 0x99); /* mov %rax, %dr3 */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x23, 0xc0), EMUL_UNHANDLED);
    CU_ASSERT(RUN(0x0f, 0x21, 0xd8) == EMUL_DONE && regs.rax == 0x1234);
    CU_ASSERT_EQUAL(RUN(0x0f, 0x09), EMUL_DONE); /* wbinvd */

    regs.rflags = RFLAGS_TF | RFLAGS_RF; /* single step: done, and #DB after it */
    CU_ASSERT_EQUAL(RUN(0x0f, 0x06), EMUL_INJECTED);
    CU_ASSERT(injected == TRAP_DB + 1 && vcpu.arch.debugreg[6] & DR6_SINGLE_STEP);
    CU_ASSERT_EQUAL(regs.rflags, RFLAGS_TF);
}

/* Code at the end of what is mapped: an instruction that fits is found, one that does not is not.
 */
static void test_fetch(void)
{
    reset();
    readable[1] = false;
    regs.rip = DATA - 2;
    CU_ASSERT(RUN(0x0f, 0x06) == EMUL_DONE && regs.rip == DATA);
    regs.rip = DATA - 1;
    memory[PAGE_SIZE - 1] = 0x0f;
    memory[PAGE_SIZE] = 0x06;
    CU_ASSERT_EQUAL(pv_emulate_privileged(&regs), EMUL_UNHANDLED);
    regs.rip = DATA;
    CU_ASSERT_EQUAL(pv_emulate_privileged(&regs), EMUL_UNHANDLED);
    readable[1] = true;
    regs.rip = DATA - 1;
    CU_ASSERT_EQUAL(pv_emulate_privileged(&regs), EMUL_DONE);
}

static void test_ports(void)
{
    reset();
    vcpu.arch.iopl = 1;
    regs.rax = UINT64_C(0x1122334455667700);
    regs.rdx = 0xcf8;
    CU_ASSERT(RUN(0xec) == EMUL_DONE && regs.rax == UINT64_C(0x11223344556677ff));
    CU_ASSERT(RUN(0x66, 0xed) == EMUL_DONE && regs.rax == UINT64_C(0x112233445566ffff));
    CU_ASSERT(RUN(0xed) == EMUL_DONE && regs.rax == UINT32_MAX);
    CU_ASSERT(RUN(0xe4, 0x42) == EMUL_DONE && (regs.rax & 0xff) == 0);
    CU_ASSERT(RUN(0xe5, 0x41) == EMUL_DONE && regs.rax == 0xffff00ff);
    CU_ASSERT_EQUAL(RUN(0xef), EMUL_DONE);
    vcpu.arch.iopl = 0;
    CU_ASSERT_EQUAL(RUN(0xec), EMUL_UNHANDLED);
}

static void test_bitmap(void)
{
    reset();
    vcpu.arch.kernel_mode = false;
    vcpu.arch.io_bitmap = guest_ptr(DATA);
    vcpu.arch.io_bitmap_ports = 1024;
    data_is_kernels = true; /* as in Linux: only the kernel's page tables map it */
    memset(memory + PAGE_SIZE, 0xff, 128);
    regs.rdx = 0x3f8;
    CU_ASSERT_EQUAL(RUN(0xec), EMUL_UNHANDLED);
    memory[PAGE_SIZE + 0x3f8 / 8] = 0xfc; /* two ports */
    CU_ASSERT_EQUAL(RUN(0xec), EMUL_DONE);
    CU_ASSERT(toggles == 4 && !vcpu.arch.kernel_mode);
    CU_ASSERT_EQUAL(RUN(0x66, 0xed), EMUL_DONE);
    CU_ASSERT_EQUAL(RUN(0xed), EMUL_UNHANDLED); /* four: two too many */
    regs.rdx = 0x3f7;
    CU_ASSERT_EQUAL(RUN(0x66, 0xed), EMUL_UNHANDLED); /* across two bytes */
    memory[PAGE_SIZE + 0x3f7 / 8] = 0x7f;
    CU_ASSERT_EQUAL(RUN(0x66, 0xed), EMUL_DONE);
    memory[PAGE_SIZE + 127] = 0;
    regs.rdx = 1023;
    CU_ASSERT_EQUAL(RUN(0xec), EMUL_DONE);
    CU_ASSERT_EQUAL(RUN(0x66, 0xed), EMUL_UNHANDLED); /* beyond the bitmap's end */
    regs.rdx = 0xffff;
    vcpu.arch.io_bitmap_ports = 65536;
    CU_ASSERT_EQUAL(RUN(0xed), EMUL_UNHANDLED);
    vcpu.arch.io_bitmap_ports = 1024;
    readable[1] = false;
    regs.rdx = 0x3f8;
    CU_ASSERT_EQUAL(RUN(0xec), EMUL_UNHANDLED);
}

static void test_string_io(void)
{
    reset();
    vcpu.arch.iopl = 1;
    memset(memory + PAGE_SIZE, 0, 2 * PAGE_SIZE);
    regs.rdi = DATA;
    regs.rcx = 10;
    CU_ASSERT_EQUAL(RUN(0xf3, 0x6d), EMUL_DONE); /* rep insl */
    CU_ASSERT(regs.rcx == 0 && regs.rdi == DATA + 40 && regs.rip == CODE + 2);
    CU_ASSERT(memory[PAGE_SIZE + 39] == 0xff && memory[PAGE_SIZE + 40] == 0);

    regs.rcx = 0; /* nothing to do */
    CU_ASSERT(RUN(0xf3, 0x6d) == EMUL_DONE && regs.rip == CODE + 4 && regs.rdi == DATA + 40);

    regs.rip = CODE; /* INV-EMUL-3: more than a batch: the same instruction again */
    regs.rdi = DATA;
    regs.rcx = IO_BATCH + 3;
    CU_ASSERT_EQUAL(RUN(0xf3, 0x6c), EMUL_DONE);
    CU_ASSERT(regs.rip == CODE && regs.rcx == 3 && regs.rdi == DATA + IO_BATCH);
    CU_ASSERT(pv_emulate_privileged(&regs) == EMUL_DONE && regs.rip == CODE + 2 && regs.rcx == 0);

    regs.rip = CODE; /* a page that cannot be written: what was done is done */
    writable[2] = false;
    regs.rdi = DATA + PAGE_SIZE - 6;
    regs.rcx = 5;
    CU_ASSERT_EQUAL(RUN(0xf3, 0x6d), EMUL_INJECTED);
    CU_ASSERT(injected == 15 && fault_address == DATA + PAGE_SIZE && fault_error == PFEC_WRITE);
    CU_ASSERT(regs.rip == CODE && regs.rcx == 4 && regs.rdi == DATA + PAGE_SIZE - 2);

    regs.rdi = VA_DIRECT; /* the hypervisor's memory is out of reach */
    CU_ASSERT_EQUAL(RUN(0x6d), EMUL_UNHANDLED);

    regs.rflags = RFLAGS_DF;
    regs.rsi = 0xffffffff00000000 | (DATA + 4);
    regs.rcx = 0xffffffff00000002;
    CU_ASSERT_EQUAL(RUN(0x67, 0xf3, 0x6e), EMUL_DONE); /* rep outsb, 32-bit addresses, downwards */
    CU_ASSERT(regs.rsi == DATA + 2 && regs.rcx == 0);

    regs.rflags = 0;
    fs_base = DATA - 0x100;
    regs.rsi = 0x100;
    CU_ASSERT(RUN(0x64, 0x6e) == EMUL_DONE && regs.rsi == 0x101);
    fs_base = 0x500000;
    CU_ASSERT(RUN(0x64, 0x6e) == EMUL_INJECTED && fault_address == 0x500101 && fault_error == 0);
}

static void test_forced_cpuid(void)
{
    static const uint8_t prefixed[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};

    reset();
    memcpy(memory, prefixed, sizeof(prefixed));
    regs.rax = UINT64_C(0xffffffff40000000);
    CU_ASSERT_EQUAL(pv_emulate_forced_cpuid(&regs), EMUL_DONE);
    CU_ASSERT(regs.rip == CODE + 7 && regs.rax == 0x40000005 && regs.rbx == 0x566e6558);
    regs.rip = CODE;
    regs.rax = 0x40000100;
    CU_ASSERT_EQUAL(pv_emulate_forced_cpuid(&regs), EMUL_DONE);
    CU_ASSERT(memcmp(&regs.ebx, "Laga", 4) == 0 && memcmp(&regs.ecx, "nLag", 4) == 0 &&
              memcmp(&regs.edx, "anLa", 4) == 0 && regs.rax == 0x40000101);
    regs.rip = CODE;
    memory[6] = 0xa3; /* another instruction behind the prefix: a plain #UD */
    CU_ASSERT(pv_emulate_forced_cpuid(&regs) == EMUL_UNHANDLED && regs.rip == CODE);
    regs.rip = CODE + sizeof(memory) - 3;
    memcpy(memory + sizeof(memory) - 3, prefixed, 3);
    CU_ASSERT_EQUAL(pv_emulate_forced_cpuid(&regs), EMUL_UNHANDLED);
}

static void test_cpuid_dynamic(void)
{
    struct cpuid_leaf l;

    reset();
    vcpu.id = 3;
    l = pv_cpuid(&vcpu, 1, 0);
    CU_ASSERT_EQUAL(l.b >> 24, 6);
    CU_ASSERT(l.c &
              CPUID_BIT(OSXSAVE)); /* the real CR4 has it: seen before the guest sets its own */
    pv_host_cr4 &= ~CR4_OSXSAVE;
    CU_ASSERT_FALSE(pv_cpuid(&vcpu, 1, 0).c & CPUID_BIT(OSXSAVE));
    if (pv_cpuid(&vcpu, 0xd, 0).a & XSTATE_AVX) {
        CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0xd, 0).b, 576);
        vcpu.arch.xcr0 = 7;
        CU_ASSERT_EQUAL(pv_cpuid(&vcpu, 0xd, 0).b, 832);
    }
    l = pv_cpuid(&vcpu, 0x40000001, 0);
    CU_ASSERT_EQUAL(l.a, 0x40011);
    l = pv_cpuid(&vcpu, 0x40000003, 1);
    CU_ASSERT(l.c == 0x80000000 && l.d == UINT32_MAX);
    l = pv_cpuid(&vcpu, 0x40000200, 0);
    CU_ASSERT(!l.a && !l.b && !l.c && !l.d);
    l = pv_cpuid(&vcpu, 0x40010000, 0);
    CU_ASSERT(!l.a && !l.b && !l.c && !l.d);
}

static const struct test_case cases[] = {
    {"CR0, CR2, CR3", test_control_registers},
    {"CR4", test_cr4},
    {"MSRs", test_msrs},
    {"modes and IOPL", test_modes},
    {"XSETBV, RDTSCP, DRn, single step", test_others},
    {"fetch at a page's end", test_fetch},
    {"IN and OUT", test_ports},
    {"I/O bitmap", test_bitmap},
    {"INS and OUTS", test_string_io},
    {"forced CPUID", test_forced_cpuid},
    {"CPUID: by vCPU", test_cpuid_dynamic},
    {NULL, NULL},
};

const struct suite suite_pv_emul = {.name = "pv_emul", .cases = cases};
