/* SPDX-License-Identifier: MIT
 *
 * Bringing vCPUs up.
 */
#include "kit/cpu.h"
#include "kit/hypercall.h"
#include "kit/kit.h"
#include "kit/lib.h"

union cpu_region kit_cpu_regions[KIT_CPUS_MAX] __attribute__((aligned(KIT_REGION_BYTES)));

static struct vcpu_guest_context new_context;

void cpu_init_boot(void)
{
    struct cpu *cpu = this_cpu();

    cpu->id = 0;
    cpu->info = &kit_shared_info->vcpu_info[0];
}

unsigned cpu_count(void)
{
    unsigned count = 1;

    while (count < KIT_CPUS_MAX && hv_vcpu(VCPUOP_is_up, count, NULL) >= 0) {
        count++;
    }
    return count;
}

void kit_ap_start(void);
void kit_ap_entry(void);

void kit_ap_start(void)
{
    struct cpu *cpu = this_cpu();

    (void)hv_stack_switch(FLAT_KERNEL_SS, cpu_trap_stack(cpu->id));
    trap_init_cpu();
    for (;;) {
        cpu->main(cpu->argument);
        (void)hv_vcpu(VCPUOP_down, cpu->id, NULL);
    }
}

void cpu_context(unsigned id, struct vcpu_guest_context *context)
{
    memset(context, 0, sizeof(*context));
    context->flags = VGCF_in_kernel;
    context->user_regs.rip = (uint64_t)kit_ap_entry;
    context->user_regs.rsp = cpu_kernel_stack(id);
    context->user_regs.rflags = 0x1000; /* virtual I/O privilege of the guest kernel */
    context->user_regs.cs = FLAT_KERNEL_CS;
    context->user_regs.ss = FLAT_KERNEL_SS;
    context->kernel_ss = FLAT_KERNEL_SS;
    context->kernel_sp = cpu_trap_stack(id);
    context->ctrlreg[3] = xen_pfn_to_cr3(va_to_mfn((void *)kit_start_info->pt_base));
    trap_fill_context(context);
}

long cpu_start(unsigned id, void (*main)(void *), void *argument)
{
    struct cpu *cpu = cpu_by_id(id);
    long rc;

    memset(cpu, 0, sizeof(*cpu));
    cpu->id = id;
    cpu->info = &kit_shared_info->vcpu_info[id];
    cpu->main = main;
    cpu->argument = argument;
    cpu_context(id, &new_context);
    rc = hv_vcpu(VCPUOP_initialise, id, &new_context);
    return rc != 0 ? rc : hv_vcpu(VCPUOP_up, id, NULL);
}
