/* SPDX-License-Identifier: MIT
 *
 * Decoders of the calls about the CPU, with a guest whose memory is one buffer: answers, refusals,
 * and that a refused call changed nothing.
 */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "hcall_host.h"

#include "xen/arch/x86/hcall_cpu.c"
#include "xen/arch/x86/hcall_desc.c"
#include "xen/hcall_misc.c"
#include "xen/hcall_version.c"

#define GUEST UINT64_C(0x100000)
#define BYTES (3 * PAGE_SIZE)

static struct domain domain;
static struct vcpu vcpu;
static struct pv_trap traps[VECTORS];
static uint8_t memory[BYTES];
static char console[1024];
static size_t console_bytes;
static bool preempt;
static uint64_t bases[3]; /* FS, GS, KERNEL_GS */
static int user_gs, ts;
static mfn_t gdt[PV_GDT_FRAMES];
static int gdt_entries;

struct vcpu *hcall_host_vcpu;

static void reset(void)
{
    memset(&domain, 0, sizeof(domain));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(memory, 0xcc, sizeof(memory));
    memset(traps, 0, sizeof(traps));
    spin_init(&domain.lock, LK_DOMAIN);
    vcpu.domain = &domain;
    vcpu.arch.traps = traps;
    hcall_host_vcpu = &vcpu;
    console_bytes = 0;
    preempt = false;
    user_gs = ts = gdt_entries = -1;
}

bool hcall_host_range_ok(guest_ptr_t p, uint64_t bytes)
{
    return p.va + bytes >= p.va && p.va + bytes <= VA_HV_START;
}

static bool inside(guest_ptr_t p, size_t bytes)
{
    return p.va >= GUEST && p.va + bytes <= GUEST + BYTES;
}

int hcall_host_copy_from(void *dst, guest_ptr_t src, size_t bytes)
{
    if (!inside(src, bytes))
        return -XEN_EFAULT;
    memcpy(dst, memory + (src.va - GUEST), bytes);
    return 0;
}

int hcall_host_copy_to(guest_ptr_t dst, const void *src, size_t bytes)
{
    if (!inside(dst, bytes))
        return -XEN_EFAULT;
    memcpy(memory + (dst.va - GUEST), src, bytes);
    return 0;
}

int hcall_host_clear(guest_ptr_t dst, size_t bytes)
{
    if (!inside(dst, bytes))
        return -XEN_EFAULT;
    memset(memory + (dst.va - GUEST), 0, bytes);
    return 0;
}

void hcall_host_console_write(const char *text, size_t bytes)
{
    CU_ASSERT_FATAL(console_bytes + bytes <= sizeof(console));
    memcpy(console + console_bytes, text, bytes);
    console_bytes += bytes;
}

size_t hcall_host_console_read(char *to, size_t bytes)
{
    size_t n = bytes < 5 ? bytes : 5;

    memcpy(to, "typed", n);
    return n;
}

static struct hypercall_args continued;

int64_t hcall_host_continue(const struct hypercall_args *args)
{
    continued = *args;
    return -XEN_ERESTART;
}

bool hcall_host_preempt(void)
{
    return preempt;
}

void hcall_host_wrmsr(uint32_t msr, uint64_t value)
{
    bases[msr - MSR_FS_BASE] = value;
}

void hcall_host_load_user_gs(uint16_t selector)
{
    user_gs = selector;
}

void hcall_host_set_ts(bool set)
{
    ts = set;
}

int hcall_host_set_gdt(const mfn_t *frames, unsigned entry_count)
{
    memcpy(gdt, frames, (entry_count + 511) / 512 * sizeof(gdt[0]));
    gdt_entries = (int)entry_count;
    return 0;
}

#define CALL(name, ...) hcall_##name(&(struct hypercall_args){.a = {__VA_ARGS__}})

/* True if the guest's buffer holds the text and then zeroes up to `bytes`, and nothing behind. */
static bool holds(const char *text, size_t bytes)
{
    size_t length = strlen(text);

    for (size_t i = length; i < bytes; i++)
        if (memory[i])
            return false;
    return memcmp(memory, text, length) == 0 && memory[bytes] == 0xcc;
}

static void test_version(void)
{
    reset();
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_version, 0), 0x40011);
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_pagesize, 0), 4096);
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_extraversion, GUEST), 0);
    CU_ASSERT(holds(".0-lagan", 16));
    reset();
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_capabilities, GUEST), 0);
    CU_ASSERT(holds("xen-3.0-x86_64 ", 1024));
    reset();
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_platform_parameters, GUEST), 0);
    CU_ASSERT_EQUAL(*(uint64_t *)(void *)memory, 0xffff800000000000);
    reset();
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_compile_info, GUEST), 0);
    CU_ASSERT(memory[143] == 0 && memory[144] == 0xcc);
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_build_id, 0), -XEN_ENODATA);
    CU_ASSERT_EQUAL(CALL(xen_version, 11, GUEST), -XEN_ENOSYS);
    for (unsigned sub = XENVER_extraversion; sub <= XENVER_commandline; sub++)
        if (sub != XENVER_pagesize)
            CU_ASSERT_EQUAL(CALL(xen_version, sub, VA_DIRECT), -XEN_EFAULT);
}

static void test_features(void)
{
    uint32_t *info = (uint32_t *)(void *)memory;

    reset();
    info[0] = 0;
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_get_features, GUEST), 0);
    CU_ASSERT_EQUAL(info[1], 0x220e0);
    CU_ASSERT_EQUAL(CALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_get_features, GUEST), 0);
    CU_ASSERT_EQUAL(info[1], 0x220f0); /* as measured on Xen 4.17 */
    domain.privileged = true;
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_get_features, GUEST), 0);
    CU_ASSERT_EQUAL(info[1], 0x228f0);
    info[0] = 1;
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_get_features, GUEST), -XEN_EINVAL);
}

static void test_command_line(void)
{
    char line[2000];

    reset();
    version_set_command_line("dom0_mem=1G secret");
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_commandline, GUEST), 0);
    CU_ASSERT(holds("<denied>", 1024));
    domain.privileged = true;
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_commandline, GUEST), 0);
    CU_ASSERT(holds("dom0_mem=1G secret", 1024));
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    version_set_command_line(line);
    CU_ASSERT_EQUAL(CALL(xen_version, XENVER_commandline, GUEST), 0);
    CU_ASSERT(memory[1022] == 'x' && memory[1023] == 0 && memory[1024] == 0xcc);
}

static void test_console(void)
{
    reset();
    for (unsigned i = 0; i < 300; i++)
        memory[i] = (uint8_t)('a' + i % 26);
    CU_ASSERT_EQUAL(CALL(console_io, CONSOLEIO_write, 300, GUEST), 0);
    CU_ASSERT(console_bytes == 300 && memcmp(console, memory, 300) == 0);
    preempt = true; /* stops after a chunk, with the rest as arguments */
    CU_ASSERT_EQUAL(CALL(console_io, CONSOLEIO_write, 300, GUEST), -XEN_ERESTART);
    CU_ASSERT(continued.a[1] == 172 && continued.a[2] == GUEST + 128 && console_bytes == 428);
    CU_ASSERT_EQUAL(CALL(console_io, CONSOLEIO_write, 100, GUEST), 0); /* the last chunk ends it */
    CU_ASSERT_EQUAL(CALL(console_io, CONSOLEIO_write, 10, VA_DIRECT), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CALL(console_io, CONSOLEIO_write, 0xffffffff, GUEST), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(console_io, CONSOLEIO_read, 64, GUEST), 5);
    CU_ASSERT_EQUAL(memcmp(memory, "typed", 5), 0);
    CU_ASSERT_EQUAL(CALL(console_io, 2, 0, 0), -XEN_ENOSYS);
}

static void test_small_calls(void)
{
    struct physdev_set_iobitmap bitmap = {.bitmap = {(uint8_t *)GUEST}, .nr_ports = 1024};

    reset();
    *(uint32_t *)(void *)memory = 1;
    CU_ASSERT_EQUAL(physdev_set_iopl(guest_ptr(GUEST)), 0);
    CU_ASSERT_EQUAL(vcpu.arch.iopl, 1);
    *(uint32_t *)(void *)memory = 4;
    CU_ASSERT_EQUAL(physdev_set_iopl(guest_ptr(GUEST)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(vcpu.arch.iopl, 1);
    memcpy(memory, &bitmap, sizeof(bitmap));
    CU_ASSERT_EQUAL(physdev_set_io_bitmap(guest_ptr(GUEST)), 0);
    CU_ASSERT(vcpu.arch.io_bitmap.va == GUEST && vcpu.arch.io_bitmap_ports == 1024);
    bitmap.nr_ports = 65537;
    memcpy(memory, &bitmap, sizeof(bitmap));
    CU_ASSERT_EQUAL(physdev_set_io_bitmap(guest_ptr(GUEST)), -XEN_EINVAL);
    bitmap.bitmap.p = (uint8_t *)VA_DIRECT;
    bitmap.nr_ports = 8;
    memcpy(memory, &bitmap, sizeof(bitmap));
    CU_ASSERT_EQUAL(physdev_set_io_bitmap(guest_ptr(GUEST)), -XEN_EINVAL);
    CU_ASSERT_EQUAL(vcpu.arch.io_bitmap_ports, 1024);

    CU_ASSERT_EQUAL(CALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(vm_assist, VMASST_CMD_enable, 64), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(vm_assist, 2, 0), -XEN_ENOSYS);
    CU_ASSERT(CALL(vm_assist, VMASST_CMD_enable, 2) == 0 && domain.vm_assist == 4);
    CU_ASSERT(CALL(vm_assist, VMASST_CMD_disable, 2) == 0 && domain.vm_assist == 0);

    CU_ASSERT(CALL(set_segment_base, SEGBASE_GS_USER, 0x1234) == 0 && bases[2] == 0x1234);
    CU_ASSERT(CALL(set_segment_base, SEGBASE_GS_KERNEL, 0x5678) == 0 && bases[1] == 0x5678);
    CU_ASSERT(CALL(set_segment_base, SEGBASE_FS, 0x9abc) == 0 && bases[0] == 0x9abc);
    CU_ASSERT_EQUAL(CALL(set_segment_base, SEGBASE_FS, 0x0000800000000000), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(set_segment_base, 4, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(bases[0], 0x9abc);
    CU_ASSERT(CALL(set_segment_base, SEGBASE_GS_USER_SEL, 0x1002b) == 0 && user_gs == 0x2b);

    CU_ASSERT(CALL(stack_switch, 0x18, 0x7000) == 0 && vcpu.arch.kernel_sp == 0x7000);
    CU_ASSERT_EQUAL(vcpu.arch.kernel_ss, 0x1b);
    CU_ASSERT(CALL(fpu_taskswitch, 1) == 0 && ts == 1);
    CU_ASSERT(CALL(fpu_taskswitch, 0) == 0 && ts == 0);
}

static void test_trap_table(void)
{
    struct trap_info *t = (struct trap_info *)(void *)memory;

    reset();
    traps[3].address = 0x333;
    t[0] = (struct trap_info){14, 4, 0x10, 0xffffffff81000000};
    t[1] = (struct trap_info){0x80, 3, 0xe030, 0x1000};
    t[2] = (struct trap_info){0};
    CU_ASSERT_EQUAL(CALL(set_trap_table, GUEST), 0);
    CU_ASSERT(traps[14].address == 0xffffffff81000000 && traps[14].cs == 0x13);
    CU_ASSERT(traps[14].mask_events && traps[14].dpl == 0);
    CU_ASSERT(!traps[0x80].mask_events && traps[0x80].dpl == 3 && traps[0x80].cs == 0xe033);
    CU_ASSERT_EQUAL(traps[3].address, 0x333); /* not listed: not touched */

    t[0].address = 0x4444;
    t[1].address = 0x0000800000000000; /* a bad entry behind a good one: neither counts */
    CU_ASSERT_EQUAL(CALL(set_trap_table, GUEST), -XEN_EINVAL);
    CU_ASSERT_EQUAL(traps[14].address, 0xffffffff81000000);
    for (unsigned i = 0; i < 300; i++)
        t[i] = (struct trap_info){(uint8_t)i, 0, 0, 0x4444};
    CU_ASSERT_EQUAL(CALL(set_trap_table, GUEST), -XEN_EINVAL); /* no end */
    CU_ASSERT_EQUAL(traps[14].address, 0xffffffff81000000);
    t[256].address = 0;
    CU_ASSERT(CALL(set_trap_table, GUEST) == 0 && traps[255].address == 0x4444);
    CU_ASSERT_EQUAL(CALL(set_trap_table, GUEST + BYTES - 8), -XEN_EFAULT);
    CU_ASSERT(CALL(set_trap_table, 0) == 0 && traps[255].address == 0 && traps[14].address == 0);
}

static void test_callbacks(void)
{
    struct callback_register *op = (struct callback_register *)(void *)memory;
    struct arch_vcpu *a = &vcpu.arch;

    reset();
    CU_ASSERT_EQUAL(CALL(set_callbacks, 0x1000, 0x2000, 0x0000800000000000), -XEN_EINVAL);
    CU_ASSERT_EQUAL(a->event.address, 0);
    CU_ASSERT_EQUAL(CALL(set_callbacks, 0x1000, 0x2000, 0x3000), 0);
    CU_ASSERT(a->event.address == 0x1000 && a->event.mask_events);
    CU_ASSERT(a->failsafe.address == 0x2000 && a->syscall.address == 0x3000);

    *op = (struct callback_register){CALLBACKTYPE_syscall, CALLBACKF_mask_events, 0x4000};
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_register, GUEST), 0);
    CU_ASSERT(a->syscall.address == 0x4000 && a->syscall.mask_events);
    *op = (struct callback_register){CALLBACKTYPE_failsafe, 0, 0x5000};
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_register, GUEST), 0);
    CU_ASSERT(a->failsafe.address == 0x5000 && !a->failsafe.mask_events);
    op->address = 0xffff7fffffffffff;
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_register, GUEST), -XEN_EINVAL);
    CU_ASSERT_EQUAL(a->failsafe.address, 0x5000);
    *op = (struct callback_register){CALLBACKTYPE_sysenter_deprecated, 0, 0x5000};
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_register, GUEST), -XEN_ENOSYS);
    op->type = CALLBACKTYPE_nmi;
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_register, GUEST), 0);
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_unregister, GUEST), 0);
    CU_ASSERT_EQUAL(a->nmi.address, 0);
    op->type = CALLBACKTYPE_event;
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_unregister, GUEST), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(callback_op, CALLBACKOP_register, VA_DIRECT), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CALL(callback_op, 2, GUEST), -XEN_ENOSYS);
}

static void test_set_gdt(void)
{
    reset();
    for (unsigned i = 0; i < 14; i++)
        ((uint64_t *)(void *)memory)[i] = 100 + i;
    CU_ASSERT(CALL(set_gdt, GUEST, 7168) == 0 && gdt_entries == 7168 && gdt[13].n == 113);
    CU_ASSERT(CALL(set_gdt, GUEST, 16) == 0 && gdt_entries == 16);
    CU_ASSERT_EQUAL(CALL(set_gdt, GUEST, 7169), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(set_gdt, GUEST, 0xffffffff), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CALL(set_gdt, VA_DIRECT, 16), -XEN_EFAULT);
    CU_ASSERT_EQUAL(gdt_entries, 16);
}

static const struct test_case cases[] = {
    {"xen_version", test_version},
    {"xen_version: features", test_features},
    {"xen_version: command line", test_command_line},
    {"console_io", test_console},
    {"physdev_op, vm_assist, segment bases, stack", test_small_calls},
    {"set_trap_table", test_trap_table},
    {"set_callbacks, callback_op", test_callbacks},
    {"set_gdt", test_set_gdt},
    {NULL, NULL},
};

const struct suite suite_hcall_pv = {.name = "hcall_pv", .cases = cases};
