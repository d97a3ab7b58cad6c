/* SPDX-License-Identifier: MIT
 *
 * Attacks that must cost the domain its life, and nothing else: states in which the hypervisor
 * cannot deliver an exception or an event.
 */
#include "evil/evil.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define HYPERVISOR_VA 0xffff830000001000UL
#define NON_CANONICAL 0x0000900000000000UL

static void no_handler(void)
{
    (void)hv_set_trap_table(NULL);
    __asm__ volatile("ud2");
}

static void handler_at(uint64_t address)
{
    struct trap_info table[2] = {{6, 0, FLAT_KERNEL_CS, address}};

    /* Without a page-fault handler there is nobody to tell that the first one is not there. */
    (void)hv_set_trap_table(NULL);
    if (hv_set_trap_table(table) == 0) {
        __asm__ volatile("ud2");
    } else {
        kit_shutdown(SHUTDOWN_crash); /* refused: as good */
    }
}

static void handler_non_canonical(void)
{
    handler_at(NON_CANONICAL);
}

static void handler_in_hypervisor(void)
{
    handler_at(HYPERVISOR_VA);
}

/* An exception with the stack pointer where no frame can be written. */
static void fault_with_stack(uint64_t sp)
{
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(sp) : "memory");
}

static void stack_in_hypervisor(void)
{
    fault_with_stack(HYPERVISOR_VA);
}

static void stack_non_canonical(void)
{
    fault_with_stack(NON_CANONICAL);
}

/* The frame would lie across a page boundary, and only its upper page is there. */
static uint8_t pages[2 * PAGE_SIZE] PAGE_ALIGNED;

static void stack_straddles(void)
{
    if (page_unmap(pages) == 0) {
        fault_with_stack((uint64_t)pages + PAGE_SIZE + 32);
    }
}

/* As above, and it is there but cannot be written. */
static void stack_straddles_readonly(void)
{
    if (page_make_readonly(pages) == 0) {
        fault_with_stack((uint64_t)pages + PAGE_SIZE + 32);
    }
}

static void stack_wraps(void)
{
    fault_with_stack(16);
}

static void stack_unmapped(void)
{
    fault_with_stack(0x2000);
}

static void stack_zero(void)
{
    fault_with_stack(0);
}

static void stack_at_border(void)
{
    fault_with_stack(0xffff880000000010UL);
}

static void stack_in_m2p(void)
{
    fault_with_stack(MACH2PHYS_VIRT_START + 0x1000);
}

static void iret_stack(void)
{
    __asm__ volatile("mov %0, %%rsp; mov $23, %%eax; syscall"
                     :
                     : "r"(HYPERVISOR_VA)
                     : "rax", "memory");
}

static void iret_stack_unmapped(void)
{
    __asm__ volatile("mov $0x1000, %%rsp; mov $23, %%eax; syscall" : : : "rax", "memory");
}

/* The same two with a stack that would do, through the hypervisor's own mapping of all memory: nothing but the check
 * of the address is in the way. Were it not made, what is entered would bring the old stack back, and the attack
 * would return. */
#define DIRECT_MAP_VA 0xffff830000000000UL

extern const char attack_with_stack[], attack_is_back[];
uint64_t attack_stack;

__asm__(".text\n"
        "attack_with_stack:\n\t"
        "mov %rsp, attack_stack(%rip)\n\t"
        "mov %rdi, %rsp\n\t"
        "mov $23, %eax\n\t"
        "test %esi, %esi\n\t"
        "jnz 1f\n\t"
        "ud2\n"
        "1: syscall\n"
        "attack_is_back:\n\t"
        "mov attack_stack(%rip), %rsp\n\t"
        "ret\n");

static uint64_t through_direct_map(const uint64_t *at)
{
    return DIRECT_MAP_VA + va_to_mfn((void *)pages) * PAGE_SIZE + ((uint64_t)at - (uint64_t)pages);
}

static void attack(uint64_t sp, bool by_iret)
{
    ((void (*)(uint64_t sp, bool by_iret))(uint64_t)attack_with_stack)(sp, by_iret);
}

static void stack_in_direct_map(void)
{
    struct trap_info table[2] = {{6, 0, FLAT_KERNEL_CS, (uint64_t)attack_is_back}};

    (void)hv_set_trap_table(table);
    attack(through_direct_map((uint64_t *)(void *)pages + 256), false);
}

static void iret_stack_in_direct_map(void)
{
    uint64_t *frame = (uint64_t *)(void *)pages;

    frame[4] = (uint64_t)attack_is_back;
    frame[5] = FLAT_KERNEL_CS & ~3UL;
    frame[6] = 0x202;
    frame[7] = (uint64_t)pages + PAGE_SIZE;
    frame[8] = FLAT_KERNEL_SS;
    attack(through_direct_map(frame), true);
}

/* User mode with a kernel stack that is not there: its first exception finds no place. */
static void divide(void *argument)
{
    (void)argument;
    __asm__ volatile("ud2");
}

static void kernel_stack_in_hypervisor(void)
{
    if (hv_stack_switch(FLAT_KERNEL_SS, HYPERVISOR_VA) != 0) {
        kit_shutdown(SHUTDOWN_crash);
    }
    struct mmuext_op op = {.cmd = MMUEXT_NEW_USER_BASEPTR};

    op.arg1.mfn = va_to_mfn((void *)kit_start_info->pt_base);
    (void)hv_mmuext(&op, 1);
    (void)guarded_user(divide, NULL);
}

/* To user mode without page tables for it. */
static void user_without_tables(void)
{
    (void)guarded_user(divide, NULL);
}

static void event_callback_bad(void)
{
    struct callback_register request = {.type = CALLBACKTYPE_event, .address = HYPERVISOR_VA};
    uint32_t port = 0;

    (void)hv_set_trap_table(NULL);
    if (hv_callback(CALLBACKOP_register, &request) != 0) {
        kit_shutdown(SHUTDOWN_crash);
    }
    (void)event_bind_ipi(0, &port);
    (void)event_unmask_call(port);
    (void)event_send(port);
}

static void shutdown_crash(void)
{
    kit_shutdown(SHUTDOWN_crash);
}

const struct attack evil_crashes[] = {
    {"no-handler", no_handler, true},
    {"handler-non-canonical", handler_non_canonical, true},
    {"handler-in-hypervisor", handler_in_hypervisor, true},
    {"stack-in-hypervisor", stack_in_hypervisor, true},
    {"stack-non-canonical", stack_non_canonical, true},
    {"stack-unmapped", stack_unmapped, true},
    {"stack-straddles", stack_straddles, true},
    {"stack-straddles-readonly", stack_straddles_readonly, true},
    {"stack-wraps", stack_wraps, true},
    {"stack-zero", stack_zero, true},
    {"stack-at-border", stack_at_border, true},
    {"stack-in-m2p", stack_in_m2p, true},
    {"iret-stack-in-hypervisor", iret_stack, true},
    {"iret-stack-unmapped", iret_stack_unmapped, true},
    {"stack-in-direct-map", stack_in_direct_map, true},
    {"iret-stack-in-direct-map", iret_stack_in_direct_map, true},
    {"kernel-stack-in-hypervisor", kernel_stack_in_hypervisor, true},
    {"user-without-tables", user_without_tables, true},
    {"event-callback-in-hypervisor", event_callback_bad, true},
    {"shutdown-crash", shutdown_crash, true},
    {NULL, NULL, false},
};
