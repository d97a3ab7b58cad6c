/* SPDX-License-Identifier: MIT
 *
 * Direct writes to page tables: a guest kernel's instruction, its fault, and what becomes of the
 * entry, the registers and the instruction pointer. The page tables are real (mm/), the guest's
 * code is a buffer.
 */
#include <pthread.h>
#include <string.h>

#include <lagan/assert.h>

#include "unittests/mm_kit.h"
#include "unittests/pv_host.h"

#include "xen/arch/x86/pv_ptwr.c"

#define WINDOW kit_va(1, 40) /* where the L1 table under test is mapped, read-only */
#define CODE   UINT64_C(0x400000)

static struct domain domain;
static struct vcpu vcpu;
static struct cpu_user_regs regs;
static uint8_t code[PV_INSN_MAX];
static size_t code_bytes;
static bool is_64bit;
static _Atomic unsigned retired;
static struct kit_space s;
static mfn_t extra;

/* ---- what pv_ptwr.c calls ---- */

uint64_t *emul_gpr(struct cpu_user_regs *r, unsigned number)
{
    uint64_t *gpr[16] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
                         &r->r8,  &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15};

    return gpr[number];
}

bool emul_runs_64bit_code(const struct cpu_user_regs *r)
{
    (void)r;
    return is_64bit;
}

static void (*during_fetch)(void);

size_t emul_fetch(const struct cpu_user_regs *r, uint8_t bytes[EMUL_FETCH_MAX])
{
    BUG_ON(r->rip != CODE);
    memcpy(bytes, code, code_bytes);
    if (during_fetch)
        during_fetch();
    return code_bytes;
}

enum emul_result emul_retire(struct cpu_user_regs *r, unsigned length)
{
    r->rip += length;
    retired++;
    return EMUL_DONE;
}

static struct {
    uint64_t phys, value;
    unsigned bytes, count;
    bool guarded;
} device;

bool io_guard_write(uint64_t phys, unsigned bytes, uint64_t value)
{
    device.phys = phys;
    device.value = value;
    device.bytes = bytes;
    device.count++;
    return device.guarded;
}

/* ---- the guest ---- */

static void start(void)
{
    struct table_change c = {.from = 1};

    kit_start(128);
    memset(&domain, 0, sizeof(domain));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&regs, 0, sizeof(regs));
    CU_ASSERT_EQUAL(account_init(&domain.account, 3, 128), 0);
    domain.id = 3;
    domain.vm_assist = UINT64_C(1) << VMASST_TYPE_writable_pagetables;
    vcpu.domain = &domain;
    kit_space_build(&domain.account, &s);
    extra = kit_frame(&domain.account);
    CU_ASSERT_EQUAL(table_pin(&domain.account, s.l4, 4), 0);
    c.entry = kit_pte(s.l1[0], KIT_RO);
    c.from = 3;
    CU_ASSERT_EQUAL(table_update(&domain.account, s.l1[1], 40, &c), 0);
    vcpu.arch.l4_kernel = s.l4;
    vcpu.arch.kernel_mode = true;
    vcpu.arch.old_table = MFN_INVALID;
    regs.rip = CODE;
    regs.rflags = 0x202;
    regs.error_code = 3;
    is_64bit = true;
    retired = 0;
    during_fetch = NULL;
}

static void end(void)
{
    kit_check(0);
    kit_relinquish(&domain.account);
    CU_ASSERT_EQUAL(domain.account.pages, 0);
    account_destroy(&domain.account);
    kit_end();
}

/* An instruction with (%rdi) as its operand, at entry `index` of the table, byte `byte`. */
static bool write_at(unsigned index, unsigned byte, const char *insn, size_t length)
{
    uint64_t va = WINDOW + index * 8 + byte;

    memcpy(code, insn, length);
    code_bytes = length;
    regs.rip = CODE;
    regs.rdi = va;
    retired = 0;
    return pv_ptwr_fault(&vcpu, &regs, va);
}
#define WRITE(index, byte, insn) write_at(index, byte, insn, sizeof(insn) - 1)

static void test_writes(void)
{
    uint64_t old;

    start();
    /* mov %rax,(%rdi): a mapping of another frame */
    regs.rax = kit_pte(extra, PTE_P | PTE_RW);
    CU_ASSERT_TRUE(WRITE(0, 0, "\x48\x89\x07"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 0), kit_pte(extra, KIT_RW));
    CU_ASSERT(retired == 1 && regs.rip == CODE + 3);
    CU_ASSERT_EQUAL(type_count(extra), 1);
    CU_ASSERT_EQUAL(type_count(s.data[0]), KIT_L1 - 1);
    kit_check(0);
    /* xchg %rax,(%rdi): what was there, as it is stored */
    *kit_entry(s.l1[0], 0) |= PTE_A | PTE_D;
    regs.rax = 0;
    CU_ASSERT_TRUE(WRITE(0, 0, "\x48\x87\x07"));
    CU_ASSERT_EQUAL(regs.rax, kit_pte(extra, KIT_RW | PTE_A | PTE_D));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 0), 0);
    CU_ASSERT_EQUAL(type_count(extra), 0);
    /* lock andb $0xfd,(%rdi): write protection, and a type reference less */
    old = *kit_entry(s.l1[0], 2);
    CU_ASSERT_TRUE(WRITE(2, 0, "\xf0\x80\x27\xfd"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 2), old & ~PTE_RW);
    CU_ASSERT_EQUAL(type_count(s.data[2]), KIT_L1 - 1);
    CU_ASSERT_EQUAL(regs.rflags & 0x8c5, 0x4u & (regs.rflags)); /* ZF SF CF OF clear */
    /* lock btsq $63 (NX) by the byte: orb $0x80,7(entry) */
    CU_ASSERT_TRUE(WRITE(2, 7, "\xf0\x80\x0f\x80"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 2), (old & ~PTE_RW) | PTE_NX);
    /* lock cmpxchg %rsi,(%rdi): fails, then succeeds */
    regs.rax = 0;
    regs.rsi = kit_pte(extra, KIT_RO);
    CU_ASSERT_TRUE(WRITE(2, 0, "\xf0\x48\x0f\xb1\x37"));
    CU_ASSERT_EQUAL(regs.rax, (old & ~PTE_RW) | PTE_NX);
    CU_ASSERT_EQUAL(regs.rflags & 0x40, 0);
    CU_ASSERT_TRUE(WRITE(2, 0, "\xf0\x48\x0f\xb1\x37"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 2), kit_pte(extra, KIT_RO));
    CU_ASSERT_EQUAL(regs.rflags & 0x40, 0x40);
    /* movl $0,(%rdi): not present any more, whatever is in the upper half */
    CU_ASSERT_TRUE(WRITE(2, 0, "\xc7\x07\0\0\0\0"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 2), kit_pte(extra, 0) >> 32 << 32);
    CU_ASSERT_EQUAL(frame_refs(frame_of(extra)), 1);
    end();
}

/* Ways to say where the entry is. */
static void test_addresses(void)
{
    uint64_t va = WINDOW + 100 * 8;

    start();
    regs.rax = 0x10;
    regs.rcx = 5;
    regs.r9 = va - 40 + 128;
    code_bytes = 5;
    memcpy(code, "\x49\x89\x44\xc9\x80", code_bytes); /* mov %rax,-128(%r9,%rcx,8) */
    CU_ASSERT_TRUE(pv_ptwr_fault(&vcpu, &regs, va));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0x10);
    code_bytes = 7;
    memcpy(code, "\x48\x89\x0d\0\0\0\0", code_bytes); /* mov %rcx,x(%rip) */
    regs.rip = CODE;
    memcpy(code + 3, &(int32_t){(int32_t)(va - (CODE + 7))}, sizeof(int32_t));
    regs.rcx = 0x20;
    CU_ASSERT_TRUE(pv_ptwr_fault(&vcpu, &regs, va));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0x20);
    regs.rax = 0x30;
    regs.rdi = va | UINT64_C(1) << 40;
    code_bytes = 4;
    memcpy(code, "\x67\x48\x89\x07", code_bytes); /* mov %rax,(%edi) */
    regs.rip = CODE;
    CU_ASSERT_TRUE(pv_ptwr_fault(&vcpu, &regs, va));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0x30);
    end();
}

/* Small register results leave the rest of the register alone, 32-bit ones clear it. */
static void test_registers(void)
{
    start();
    *kit_entry(extra, 0) = 0;
    regs.rax = 0x1122334455667700; /* xchg %al,2(entry), of an entry that is not present */
    CU_ASSERT_TRUE(WRITE(100, 2, "\x86\x07"));
    regs.rax = 0x11223344556677aa;
    CU_ASSERT_TRUE(WRITE(100, 2, "\x86\x07"));
    CU_ASSERT_EQUAL(regs.rax, 0x1122334455667700);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0xaa0000);
    CU_ASSERT_TRUE(WRITE(100, 2, "\x86\x27")); /* xchg %ah */
    CU_ASSERT_EQUAL(regs.rax, 0x112233445566aa00);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0x770000);
    CU_ASSERT_TRUE(WRITE(100, 2, "\x66\x87\x07")); /* xchg %ax */
    CU_ASSERT_EQUAL(regs.rax, 0x1122334455660077);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0xaa000000);
    CU_ASSERT_TRUE(WRITE(100, 4, "\x87\x07")); /* xchg %eax */
    CU_ASSERT_EQUAL(regs.rax, 0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 100), 0x55660077aa000000);
    end();
}

static void test_refused(void)
{
    struct cpu_user_regs before;
    uint64_t old;

    start();
    old = *kit_entry(s.l1[0], 0);
    regs.rax = kit_pte(s.l1[2], KIT_RW); /* a page table, writable */
    before = regs;
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
    regs.rax = kit_pte(mfn(HOST_OWN_DEVICE + 1), KIT_RW);
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
    regs.rax = kit_pte(extra, KIT_RO);
    CU_ASSERT_FALSE(WRITE(0, 4, "\x48\x89\x07")); /* across two entries */
    CU_ASSERT_FALSE(WRITE(0, 7, "\x66\x89\x07"));
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x06")); /* (%rsi): not what faulted */
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x8b\x07")); /* a load */
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89"));     /* cut off */
    regs.rcx = 64;
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x0f\xab\x0f")); /* bts %rcx: the next word */
    for (uint32_t error = 0; error < 32; error++) {
        regs.error_code = error;
        CU_ASSERT_EQUAL(WRITE(100, 0, "\xc6\x07\0"), (error & ~4u) == 3);
    }
    regs.error_code = 3;
    vcpu.arch.kernel_mode = false;
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
    vcpu.arch.kernel_mode = true;
    is_64bit = false;
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
    is_64bit = true;
    domain.vm_assist = 0;
    CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 0), old);
    CU_ASSERT(retired == 0 && regs.rip == CODE && regs.rsp == before.rsp);
    domain.privileged = true;
    CU_ASSERT_TRUE(WRITE(0, 0, "\x48\x89\x07"));
    end();
}

/* Only L1 tables, and only by a read-only mapping of the domain's own. */
static void test_other_frames(void)
{
    const uint64_t va = WINDOW;
    mfn_t targets[] = {s.l2, s.data[1], MFN_INVALID};

    start();
    targets[0] = s.l2;
    targets[1] = s.data[1];
    for (unsigned i = 0; i < 3; i++) {
        struct table_change c = {.from = 3};

        c.entry = i < 2 ? kit_pte(targets[i], KIT_RO) : 0;
        CU_ASSERT_EQUAL(table_update(&domain.account, s.l1[1], 40, &c), 0);
        CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
    }
    /* Another domain's table, mapped here. */
    {
        struct table_change c = {.from = 1};
        mfn_t foreign = kit_frame(&kit_a);

        c.entry = kit_pte(foreign, KIT_RO);
        CU_ASSERT_EQUAL(table_pin(&kit_a, foreign, 1), 0);
        CU_ASSERT_EQUAL(table_update(&domain.account, s.l1[1], 40, &c), 0);
        CU_ASSERT_FALSE(WRITE(0, 0, "\x48\x89\x07"));
        c.entry = 0;
        CU_ASSERT_EQUAL(table_update(&domain.account, s.l1[1], 40, &c), 0);
    }
    regs.rdi = va;
    CU_ASSERT_FALSE(pv_ptwr_fault(&vcpu, &regs, 0xffff830000000000));
    CU_ASSERT_FALSE(pv_ptwr_fault(&vcpu, &regs, kit_va(100, 0)));
    end();
}

/* As write_at(), when it is known that the address is the kernel's. */
static bool device_write_at(unsigned index, unsigned byte, const char *insn, size_t length)
{
    memcpy(code, insn, length);
    code_bytes = length;
    regs.rip = CODE;
    regs.rdi = WINDOW + index * 8 + byte;
    retired = 0;
    return pv_device_write(&vcpu, &regs, regs.rdi);
}
#define DEVICE_WRITE(index, byte, insn) device_write_at(index, byte, insn, sizeof(insn) - 1)

/* A control domain writes to guarded device memory. */
static void test_devices(void)
{
    const uint64_t memory = HOST_SEEN_DEVICE << PAGE_SHIFT;
    struct table_change c = {.from = 3};

    start();
    memset(&device, 0, sizeof(device));
    device.guarded = true;
    domain.account.maps_io = true;
    c.entry = memory | KIT_RW;
    CU_ASSERT_EQUAL(table_update(&domain.account, s.l1[1], 40, &c), 0);
    CU_ASSERT_FALSE(*kit_entry(s.l1[1], 40) & PTE_RW); /* as it is stored */
    regs.rax = UINT64_C(0x1122334455667788);
    CU_ASSERT_FALSE(WRITE(0, 0, "\x89\x07")); /* only of a domain that has devices... */
    domain.privileged = true;
    CU_ASSERT_FALSE(WRITE(0, 0, "\x89\x07")); /* ...and where its kernel has its mappings */
    CU_ASSERT_EQUAL(device.count, 0);
    CU_ASSERT_TRUE(DEVICE_WRITE(0, 0, "\x89\x07")); /* mov %eax,(%rdi) */
    CU_ASSERT(device.phys == memory && device.bytes == 4);
    CU_ASSERT_EQUAL((uint32_t)device.value, 0x55667788);
    CU_ASSERT(retired == 1 && regs.rip == CODE + 2);
    CU_ASSERT_TRUE(DEVICE_WRITE(3, 2, "\x66\x89\x07"));
    CU_ASSERT(device.phys == memory + 26 && device.bytes == 2);
    CU_ASSERT_TRUE(DEVICE_WRITE(3, 7, "\x88\x27")); /* mov %ah,(%rdi) */
    CU_ASSERT(device.phys == memory + 31 && device.bytes == 1 && (uint8_t)device.value == 0x77);
    CU_ASSERT_TRUE(DEVICE_WRITE(4, 0, "\x48\xc7\x07\xfe\xff\xff\xff")); /* movq $-2,(%rdi) */
    CU_ASSERT(device.bytes == 8 && device.value == UINT64_MAX - 1);
    /* What is not a plain store of a whole register's width, or not the kernel's, is the guest's fault. */
    device.count = 0;
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 2, "\x89\x07"));
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 0, "\x09\x07")); /* or %eax,(%rdi) */
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 0, "\x87\x07")); /* xchg */
    vcpu.arch.kernel_mode = false;
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 0, "\x89\x07"));
    vcpu.arch.kernel_mode = true;
    is_64bit = false;
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 0, "\x89\x07"));
    is_64bit = true;
    CU_ASSERT_EQUAL(device.count, 0);
    /* Read-only, but not guarded: an interrupt controller. */
    device.guarded = false;
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 0, "\x89\x07"));
    CU_ASSERT(device.count == 1 && regs.rip == CODE && retired == 0);
    c.entry = 0;
    CU_ASSERT_EQUAL(table_update(&domain.account, s.l1[1], 40, &c), 0);
    CU_ASSERT_FALSE(DEVICE_WRITE(0, 0, "\x89\x07"));
    CU_ASSERT_EQUAL(device.count, 1);
    domain.privileged = false;
    domain.account.maps_io = false;
    end();
}

static void set_accessed(void)
{
    *kit_entry(s.l1[0], 2) |= PTE_A;
}

/* The entry changes between the fault and the write: nothing of either is lost. */
static void test_race(void)
{
    uint64_t old;

    start();
    old = *kit_entry(s.l1[0], 2);
    during_fetch = set_accessed; /* before the entry is read: seen */
    CU_ASSERT_TRUE(WRITE(2, 0, "\xf0\x80\x27\xfd"));
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 2), (old & ~PTE_RW) | PTE_A);
    end();
}

/* lock xadd %rax,(%rdi) by several vCPUs on one entry that is not present: no addition is lost,
 * though many writes find the entry changed and are made again. */
enum { ADDERS = 3, ADDITIONS = 20000, COUNTER = 200 };

static void *add_many(void *arg)
{
    struct cpu_user_regs r = regs;
    struct vcpu v = vcpu;

    host_enter_cpu((unsigned)(uintptr_t)arg);
    for (unsigned i = 0; i < ADDITIONS; i++) {
        r.rip = CODE;
        r.rax = 2;
        r.rdi = WINDOW + COUNTER * 8;
        while (r.rip == CODE)
            if (!pv_ptwr_fault(&v, &r, r.rdi))
                return NULL;
    }
    return arg;
}

static void test_atomic(void)
{
    pthread_t thread[ADDERS];
    void *done;

    start();
    code_bytes = 5;
    memcpy(code, "\xf0\x48\x0f\xc1\x07", code_bytes);
    for (uintptr_t i = 0; i < ADDERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, add_many, (void *)(i + 1)), 0);
    for (uintptr_t i = 0; i < ADDERS; i++) {
        pthread_join(thread[i], &done);
        CU_ASSERT_EQUAL((uintptr_t)done, i + 1);
    }
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], COUNTER), 2UL * ADDERS * ADDITIONS);
    end();
}

static const struct test_case cases[] = {
    {"writes", test_writes},
    {"addresses", test_addresses},
    {"registers", test_registers},
    {"refused", test_refused},
    {"other frames", test_other_frames},
    {"memory of devices", test_devices},
    {"a race", test_race},
    {"several vCPUs on one entry", test_atomic},
    {0},
};
const struct suite suite_ptwr = {"ptwr", cases, NULL, NULL};
