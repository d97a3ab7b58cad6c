/* SPDX-License-Identifier: MIT
 *
 * The processor's part of domains and hypercalls for core_world.h: as little as keeps the promises
 * of xen/domain.h (what is taken is given back, steps that can be preempted are).
 */
#include <string.h>

#include "arch_current.h"
#include "mm/frame.h"
#include "unittests/core_world.h"
#include "xen/arch/x86/hvmap.h"
#include "xen/arch/x86/power.h"
#include "xen/arch/x86/screen.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/arch/x86/pv_vcpu.h"
#include "xen/arch/x86/start.h"
#include "xen/console.h"
#include "xen/control.h"
#include "xen/foreign.h"
#include "xen/log.h"
#include "xen/memory_map.h"
#include "xen/stop.h"

struct pv_start core_started;
int64_t (*core_stub)(const struct hypercall_args *args);
jmp_buf *core_power_off;
int core_exit_status;
void (*core_during_create)(struct domain *d);

/* ---- the screen ---- */

size_t core_screen_bytes;

size_t screen_info(struct dom0_vga_console_info *info)
{
    info->video_type = XEN_VGATYPE_TEXT_MODE_3;
    info->u.text_mode_3.rows = 25;
    return core_screen_bytes;
}

/* ---- a world of one thread stands still by itself ---- */

bool stop_begin(void)
{
    return true;
}

void stop_end(void)
{
}

void stop_softirq(void)
{
}

/* ---- domains and vCPUs ---- */

int arch_domain_init(struct domain *d)
{
    if (core_during_create)
        core_during_create(d);
    d->arch.page = page_alloc(0, HEAP_CLEAR);
    return d->arch.page ? 0 : -XEN_ENOMEM;
}

void arch_domain_destroy(struct domain *d)
{
    page_free(d->arch.page, 0);
}

int arch_vcpu_init(struct vcpu *v)
{
    v->arch.l4 = MFN_INVALID;
    v->arch.page = page_alloc(0, HEAP_CLEAR);
    return v->arch.page ? 0 : -XEN_ENOMEM;
}

void arch_vcpu_destroy(struct vcpu *v)
{
    page_free(v->arch.page, 0);
}

void arch_vcpu_relinquish(struct vcpu *v)
{
    table_abandon(&v->arch.l4);
}

static int take_l4(struct vcpu *v, mfn_t l4)
{
    int rc;

    if (!frame_get(l4, v->domain->id))
        return -XEN_EINVAL;
    rc = type_get(l4, TYPE_L4);
    if (rc)
        frame_put(l4);
    else
        v->arch.l4 = l4;
    return rc;
}

int arch_vcpu_initialise(struct vcpu *v, const struct vcpu_guest_context *c)
{
    if (!(c->flags & VGCF_in_kernel))
        return -XEN_EINVAL;
    return take_l4(v, mfn(c->ctrlreg[3] >> PAGE_SHIFT));
}

int arch_vcpu_start_of_day(struct vcpu *v, const struct pv_start *start)
{
    core_started = *start;
    return take_l4(v, start->l4);
}

void (*core_during_dump)(void);

void arch_dump_vcpu(struct vcpu *v)
{
    (void)v;
    if (core_during_dump)
        core_during_dump();
}

uint64_t core_wallclock = UINT64_C(1000000000);

void arch_update_wallclock(struct domain *d)
{
    d->shared_info->wc_version += 2;
    d->shared_info->wc_sec = (uint32_t)(core_wallclock / 1000000000);
    d->shared_info->wc_nsec = (uint32_t)(core_wallclock % 1000000000);
}

void arch_set_wallclock(uint64_t utc_ns_at_zero)
{
    core_wallclock = utc_ns_at_zero;
}

/* ---- what the control domain asks of the machine ---- */

unsigned arch_cpu_policy_leaves(enum cpu_policy_kind kind, const struct domain *d,
                                struct xen_cpuid_leaf *leaf)
{
    for (unsigned i = 0; i < CORE_LEAVES; i++)
        leaf[i] =
            (struct xen_cpuid_leaf){i, UINT32_MAX, (uint32_t)kind, d ? d->id : UINT32_MAX, 0, 0};
    return CORE_LEAVES;
}

/* The last leaf but one may be no larger than 5. */
int arch_cpu_policy_set(struct domain *d, const struct xen_cpuid_leaf *leaf, unsigned count,
                        unsigned *bad)
{
    (void)d;
    *bad = count > 1 ? count - 2 : 0;
    return count > 1 && leaf[count - 2].a > 5 ? -XEN_EINVAL : 0;
}

uint32_t arch_cpu_features(enum cpu_policy_kind kind, unsigned i)
{
    return (uint32_t)kind << 16 | i;
}

void arch_vcpu_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    c->ctrlreg[3] = v->arch.l4.n << PAGE_SHIFT;
}

int arch_vcpu_set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    return c->ctrlreg[3] >> PAGE_SHIFT == v->arch.l4.n ? 0 : -XEN_EINVAL;
}

bool arch_pci_device_exists(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    return segment == 0 && bus == 0 && devfn % 3 == 0;
}

uint64_t arch_tsc_khz(void)
{
    return 1234567;
}

void arch_hypercall_page(void *page)
{
    memset(page, 0xc3, PAGE_SIZE);
}

unsigned core_keys;

void console_debug_key(char key)
{
    core_keys = core_keys * 256 + (unsigned char)key;
}

/* A log of CORE_LOG bytes, each its own index; what is before core_log_start is forgotten. */
uint32_t core_log_start;

uint32_t log_oldest(void)
{
    return core_log_start;
}

size_t log_read(uint32_t *index, char *dst, size_t bytes)
{
    size_t n = 0;

    if (*index < core_log_start || *index > CORE_LOG)
        *index = core_log_start;
    while (n < bytes && *index < CORE_LOG)
        dst[n++] = (char)(*index)++;
    return n;
}

void log_forget(uint32_t index)
{
    core_log_start = index;
}

/* A machine of two pieces of memory. */
bool arch_memory_piece(unsigned i, struct memory_piece *piece)
{
    *piece = (struct memory_piece){i * UINT64_C(0x1000000), 0x800000, i + 1};
    return i < 2;
}

/* ---- the console and the power switch ---- */

void console_guest_write(struct domain *d, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) /* reads every byte: a checker sees what is not there */
        d->console_line[0] = text[i];
}

void console_guest_flush(struct domain *d)
{
    d->console_line_length = 0;
}

void console_guest_show(struct domain *d)
{
    (void)d;
}

size_t console_guest_read(struct domain *d, char *buf, size_t bytes)
{
    size_t n = min_u64(bytes, d->id);

    memset(buf, 'x', n);
    return n;
}

void machine_qemu_exit(uint32_t value)
{
    core_exit_status = (int)value;
}

uint64_t core_released;
void (*core_during_release)(void);

uint64_t hvmap_release(uint64_t start, uint64_t end)
{
    void (*other)(void) = core_during_release;

    core_released += end - start;
    core_during_release = NULL;
    if (other)
        other();
    return (end - start) >> PAGE_SHIFT;
}

void watchdog_touch(void)
{
}

/* The host's libraries run where they were made for. */
int foreign_call(int (*function)(void *argument), void *argument)
{
    return function(argument);
}

bool foreign_pause(void)
{
    return false;
}

void foreign_resume(bool paused)
{
    (void)paused;
}

void machine_power_off(void)
{
    longjmp(*core_power_off, 1);
}

bool core_restarted;

void machine_restart(void)
{
    core_restarted = true;
    longjmp(*core_power_off, 1);
}

void machine_halt(void)
{
    longjmp(*core_power_off, 1);
}

/* ---- hypercalls of the machine ---- */

#define MACHINE_CALL(name)                                  \
    int64_t hcall_##name(const struct hypercall_args *args) \
    {                                                       \
        (void)args;                                         \
        return -XEN_ENOSYS;                                 \
    }

MACHINE_CALL(set_trap_table)
const uint64_t boot_tsc = 0;

MACHINE_CALL(set_gdt)
MACHINE_CALL(stack_switch)
MACHINE_CALL(set_callbacks)
MACHINE_CALL(callback_op)
MACHINE_CALL(fpu_taskswitch)
MACHINE_CALL(mmu_update)
MACHINE_CALL(update_va_mapping_otherdomain)
MACHINE_CALL(set_debugreg)
MACHINE_CALL(get_debugreg)
MACHINE_CALL(update_descriptor)
MACHINE_CALL(update_va_mapping)
MACHINE_CALL(set_segment_base)
MACHINE_CALL(mmuext_op)
MACHINE_CALL(platform_op)
MACHINE_CALL(mca)

int64_t hcall_iret(const struct hypercall_args *args)
{
    (void)args;
    return CORE_IRET_RESULT;
}

int64_t hcall_physdev_op(const struct hypercall_args *args)
{
    return core_stub ? core_stub(args) : -XEN_ENOSYS;
}
