/* SPDX-License-Identifier: MIT
 *
 * What small kernels rely on and Linux does not: the hypercall page, the iret stub in it, an iret as an entry of a
 * multicall, callbacks registered the old way, software interrupts through gates that only the kernel may use, a
 * descriptor table of zeroes, answers of xen_version without rubbish behind them.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

extern uint8_t kit_hypercall_page[];
extern const uint64_t kit_stubs[];
void kit_failsafe(void);

enum { STUB_INT81 = 33, STUB_EVENT = 34, STUB_SYSCALL = 35 }; /* of kit_stubs */
enum { STUB_BYTES = 32, STUBS = PAGE_SIZE / STUB_BYTES };

#define SOON (60000 * MS)

static void stop_here(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

/* ---- the hypercall page ---- */

static void check_page(void)
{
    check_begin("page-stubs");
    for (unsigned i = 0; i < STUBS; i++) {
        const uint8_t *stub = kit_hypercall_page + (uint64_t)i * STUB_BYTES;

        check_part(*stub != 0xc3 && *stub != 0xcc && *stub != 0, "stub %u begins with %02x", i,
                   *stub);
    }
    for (unsigned i = 60; i < STUBS; i++) {
        long (*call)(unsigned long) =
            (long (*)(unsigned long))(uint64_t)(kit_hypercall_page + (uint64_t)i * STUB_BYTES);
        long rc = call(0);

        check_part(rc == -XEN_ENOSYS, "stub %u: %ld", i, rc);
    }
    check_end();
}

/* Both ways to iret: a frame on the stack, and a jump to the stub; the same with what the stub pushes, and the call as
 * an entry of a list. The two registers that SYSCALL uses have to survive, so they get values. */
#define RCX_VALUE 0x1234567890abUL
#define R11_VALUE 0x2468ace02468UL

__asm__(".text\n"
        "small_frame: pop %rdx\n" /* where to go on */
        "mov %rsp, %rax; push $0xe02b; push %rax; push $0x202; push $0xe030\n"
        "lea small_target(%rip), %rax; push %rax; push $0; jmp *%rdx\n"
        "small_stub: call small_frame\n"
        "movabs $0x1234567890ab, %rcx; movabs $0x2468ace02468, %r11; mov $0x77, %eax\n"
        "jmp kit_hypercall_page + 23 * 32\n"
        "small_list: mov %rdi, %r9; call small_frame\n"
        "movabs $0x1234567890ab, %rcx; push %rcx; movabs $0x2468ace02468, %r11; push %r11\n"
        "push $0x77; mov %r9, %rdi; mov $3, %esi; mov $13, %eax; syscall\n"
        "ud2\n"
        "small_target: ud2\n");
void small_stub(void *);
void small_list(void *calls);
void small_target(void);

static void check_target(const struct fault *fault)
{
    check_part(fault->vector == 6 && fault->frame.rip == (uint64_t)small_target,
               "vector %u RIP %lx", fault->vector, fault->frame.rip);
    check_part(fault->frame.rcx == RCX_VALUE && fault->frame.r11 == R11_VALUE &&
                   fault->frame.rax == 0x77,
               "RCX %lx R11 %lx RAX %lx", fault->frame.rcx, fault->frame.r11, fault->frame.rax);
    check_part((fault->frame.cs & 3) == 0, "CS %x", fault->frame.cs);
}

static void check_iret_stub(void)
{
    struct fault fault = guarded(small_stub, NULL);

    check_begin("page-iret");
    check_target(&fault);
    check_end();
}

/* The entries behind an iret are not made: the registers are another's by then. */
static void check_iret_in_list(void)
{
    struct multicall_entry calls[3] = {
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version, 0}},
        {.op = __HYPERVISOR_iret},
        {.op = __HYPERVISOR_xen_version, .result = 0x55, .args = {XENVER_version, 0}},
    };
    struct fault fault = guarded(small_list, calls);

    check_begin("multicall-iret");
    check_target(&fault);
    check_part(calls[0].result >= 0x40011, "result of the entry before: %lx", calls[0].result);
    check_part(calls[2].result == 0x55, "result of the entry behind: %lx", calls[2].result);
    check_end();
}

/* ---- the old call for callbacks ---- */

static void user_syscall(void *argument)
{
    user_exit((uint64_t)argument);
}

static void check_old_callbacks(void)
{
    struct callback_register none = {.type = CALLBACKTYPE_syscall};
    struct fault fault;
    uint32_t port = 0;
    uint64_t before;

    (void)hv_callback(CALLBACKOP_unregister, &none);
    check_begin("set-callbacks");
    check_part(hypercall3(__HYPERVISOR_set_callbacks, kit_stubs[STUB_EVENT], (uint64_t)kit_failsafe,
                          kit_stubs[STUB_SYSCALL]) == 0,
               "refused");
    fault = guarded_user(user_syscall, (void *)0x4321);
    check_part(fault.vector == TRAP_SYSCALL && fault.frame.rax == 0x4321, "vector %u RAX %lx",
               fault.vector, fault.frame.rax);
    check_part(event_bind_ipi(0, &port) == 0, "port");
    before = event_count(port);
    event_unmask(port);
    check_part(event_send(port) == 0 && wait_for(event_counter(port), before + 1, SOON),
               "no event");
    (void)event_close(port);
    check_end();
    trap_init_cpu(); /* system calls mask events again */
}

/* ---- gates ---- */

static void int85(void *argument)
{
    (void)argument;
    __asm__ volatile("int $0x85" : : : "memory");
}

static void int80(void *argument)
{
    (void)argument;
    __asm__ volatile("int $0x80" : : : "memory");
}

/* #GP with the gate in its error code. QEMU before 8 puts n * 16 + 2 there (entry.c). */
static bool is_refused(const struct fault *fault, unsigned vector)
{
    return fault->vector == 13 &&
           (fault->frame.error == vector * 8 + 2 || fault->frame.error == vector * 16 + 2);
}

/* A gate of DPL 1 is the guest kernel's, which thinks to be in ring 0 or 1. */
static void check_kernel_gate(void)
{
    struct trap_info gate[2] = {{0x85, 1, FLAT_KERNEL_CS, kit_stubs[STUB_INT81]}};
    long rc = hv_set_trap_table(gate);
    struct fault fault = guarded(int85, NULL);

    if (fault.vector == 13 && fault.frame.error == 0x85 * 16 + 2) {
        check_skip("gate-dpl-1", "the emulator's error code is wrong");
        return;
    }
    check_begin("gate-dpl-1");
    check_part(rc == 0, "result %ld", rc);
    check_part(fault.vector == TRAP_INT81, "kernel: vector %u error %lx", fault.vector,
               fault.frame.error);
    fault = guarded_user(int85, NULL);
    check_part(is_refused(&fault, 0x85), "user: vector %u error %lx", fault.vector,
               fault.frame.error);
    check_end();
}

/* With nobody to take it, the interrupt of old system calls is #GP like any other. */
static void check_no_int80(void)
{
    static struct trap_info table[40];
    const struct trap_info *all = trap_table();
    struct fault kernel, user;
    unsigned n = 0;

    for (unsigned i = 0; all[i].address != 0; i++) {
        if (all[i].vector != TRAP_INT80) {
            table[n++] = all[i];
        }
    }
    check_begin("int80-nobody");
    check_part(hv_set_trap_table(NULL) == 0 && hv_set_trap_table(table) == 0, "refused");
    kernel = guarded(int80, NULL);
    user = guarded_user(int80, NULL);
    check_part(hv_set_trap_table(all) == 0, "set back");
    check_part(is_refused(&kernel, 0x80), "kernel: vector %u error %lx", kernel.vector,
               kernel.frame.error);
    check_part(is_refused(&user, 0x80), "user: vector %u error %lx", user.vector, user.frame.error);
    check_end();
}

/* ---- a descriptor table of zeroes ---- */

static uint64_t zeroes[512] PAGE_ALIGNED;

/* The selectors that the ABI names do not depend on what the guest's own table has. */
static void check_zero_gdt(void)
{
    unsigned long frames[16] = {va_to_mfn(zeroes)};
    struct fault fault;

    (void)page_make_readonly(zeroes);
    check_begin("gdt-zeroes");
    check_part(hv_set_gdt(frames, 512) == 0, "refused");
    fault = guarded(stop_here, NULL);
    check_part(fault.vector == 6, "kernel: vector %u", fault.vector);
    fault = guarded_user(stop_here, NULL);
    check_part(fault.vector == 6 && (fault.frame.cs & 0xfffc) == (FLAT_USER_CS & 0xfffc),
               "user: vector %u CS %x", fault.vector, fault.frame.cs);
    fault = guarded_user(user_syscall, (void *)5);
    check_part(fault.vector == TRAP_SYSCALL && fault.frame.rax == 5, "system call: vector %u",
               fault.vector);
    check_part(hv_set_gdt(frames, 0) == 0 && page_make_writable(zeroes) == 0, "kept");
    check_end();
}

/* ---- xen_version ---- */

static void check_version_texts(void)
{
    static const struct {
        unsigned sub, bytes;
    } texts[] = {{XENVER_extraversion, sizeof(xen_extraversion_t)},
                 {XENVER_capabilities, sizeof(xen_capabilities_info_t)},
                 {XENVER_changeset, sizeof(xen_changeset_info_t)},
                 {XENVER_commandline, sizeof(xen_commandline_t)}};
    static uint8_t buffer[sizeof(xen_commandline_t) + 1];

    check_begin("version-zeroes");
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unsigned used = 0, wrong = 0;

        memset(buffer, 0xa5, sizeof(buffer));
        check_part(hv_version(texts[i].sub, buffer) >= 0, "%u refused", texts[i].sub);
        while (used < texts[i].bytes && buffer[used] != 0) {
            used++;
        }
        for (unsigned at = used; at < texts[i].bytes; at++) {
            wrong += buffer[at] != 0;
        }
        check_part(used < texts[i].bytes && wrong == 0, "%u: %u of %u bytes, %u not zero behind",
                   texts[i].sub, used, texts[i].bytes, wrong);
        check_part(buffer[texts[i].bytes] == 0xa5, "%u: more than its %u bytes", texts[i].sub,
                   texts[i].bytes);
    }
    check_end();
}

void check_small(void)
{
    check_page();
    check_iret_stub();
    check_iret_in_list();
    check_old_callbacks();
    check_kernel_gate();
    check_no_int80();
    check_zero_gdt();
    check_version_texts();
}
