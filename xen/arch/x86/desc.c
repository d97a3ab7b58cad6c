/* SPDX-License-Identifier: MIT
 *
 * GDT pages and task states. What they look like, and why, is in desc.h.
 */
#include <lagan/assert.h>
#include <lagan/cpumask.h>
#include <lagan/string.h>

#include "mm/heap.h"
#include "xen/arch/x86/cpu.h"
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/include/arch_inline.h"
#include "xen/arch/x86/pti.h"
#include "xen/arch/x86/sections.h"

#define GDT_OWN_ENTRIES 256
/* The last byte of page 14: more than the last of our selectors needs. */
#define GDT_LIMIT (15 * 4096 - 1)

enum {
    DESC_CODE64_HV = 0x1,
    DESC_DATA_HV = 0x2,
    DESC_CODE32_GUEST = 0x4,
    DESC_DATA_GUEST = 0x5,
    DESC_CODE64_GUEST = 0x6,
    DESC_TSS = 0x8,
    DESC_LDT = 0xa,
};

#define ENTRY_OF(selector) (((selector) >> 3) - FIRST_HV_GDT_ENTRY)
STATIC_ASSERT(ENTRY_OF(HV_CS) == DESC_CODE64_HV && ENTRY_OF(HV_DS) == DESC_DATA_HV);
STATIC_ASSERT(ENTRY_OF(GUEST_CS32) == DESC_CODE32_GUEST && ENTRY_OF(GUEST_DS) == DESC_DATA_GUEST);
STATIC_ASSERT(ENTRY_OF(GUEST_CS64) == DESC_CODE64_GUEST);
STATIC_ASSERT(ENTRY_OF(HV_TSS) == DESC_TSS && ENTRY_OF(HV_LDT) == DESC_LDT);

struct desc_page {
    uint64_t gdt[GDT_OWN_ENTRIES];
    struct tss tss;
} LAGAN_ALIGNED(4096);
STATIC_ASSERT(sizeof(struct desc_page) == 4096);

static struct desc_page boot_page __attribute__((section(".bss.page_aligned")));
static struct desc_page *pages[MAX_CPUS]; /* [c] once the CPU is up */

/* A system descriptor takes two entries. type: 0x9 a free TSS, 0x2 an LDT. */
static void set_system(uint64_t *gdt, unsigned entry, unsigned type, uint64_t base, uint32_t limit)
{
    gdt[entry] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(0x80 | type) << 40 |
                 (base >> 24 & 0xff) << 56;
    gdt[entry + 1] = base >> 32;
}

static uint64_t ist_top(unsigned cpu, enum ist n)
{
    uint64_t bottom = VA_STACKS + (uint64_t)(cpu + 1) * STACK_STRIDE - STACK_SIZE;

    return bottom + (uint64_t)n * IST_SIZE;
}

/* The CPU finds its stacks by the task state: isolated page tables bring their own, and have it where
 * it can be read under them too. */
static struct tss *set_task_state(struct desc_page *p, unsigned cpu)
{
    struct entry_page *entry = pti_entry_page(cpu);
    struct tss *tss = entry ? &entry->tss : &p->tss;

    tss->rsp[0] =
        entry ? (uint64_t)(&entry->stack[0] + 1) : (uint64_t)&cpu_info_of(cpu)->guest_regs.es;
    for (enum ist n = IST_DF; n < IST_END; n++)
        tss->ist[n - 1] = entry ? (uint64_t)(&entry->stack[n] + 1) : ist_top(cpu, n);
    tss->io_map = sizeof(*tss);
    return tss;
}

int desc_prepare(unsigned cpu)
{
    struct desc_page *p = pages[cpu];

    if (!p)
        p = cpu == 0 ? &boot_page : page_alloc(0, HEAP_CLEAR);
    if (!p)
        return -XEN_ENOMEM;
    p->gdt[DESC_CODE64_HV] = 0x00af9b000000ffff;
    p->gdt[DESC_DATA_HV] = 0x00cf93000000ffff;
    p->gdt[DESC_CODE32_GUEST] = 0x00cffb000000ffff;
    p->gdt[DESC_DATA_GUEST] = 0x00cff3000000ffff;
    p->gdt[DESC_CODE64_GUEST] = 0x00affb000000ffff;
    set_system(p->gdt, DESC_TSS, 0x9, (uint64_t)set_task_state(p, cpu), sizeof(struct tss) - 1);
    pages[cpu] = p;
    return 0;
}

void load_gdt_at(uint64_t base)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } LAGAN_PACKED gdtr = {GDT_LIMIT, base};

    __asm__ volatile("lgdt %0" : : "m"(gdtr));
}

void desc_load(unsigned cpu)
{
    load_gdt_at(idle_gdt_va(cpu));
    __asm__ volatile("push %0\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "lretq\n"
                     "1:\tmov %1, %%ss\n\t"
                     "mov %2, %%ds\n\t"
                     "mov %2, %%es\n\t"
                     "mov %2, %%fs\n\t"
                     "mov %2, %%gs\n\t"
                     "lldt %w2\n\t"
                     "ltr %w3"
                     :
                     : "i"(HV_CS), "r"(HV_DS), "r"(0), "r"(HV_TSS)
                     : "rax", "memory");
}

mfn_t cpu_gdt_page(unsigned cpu)
{
    if (cpu == 0)
        return mfn(image_phys(&boot_page) >> PAGE_SHIFT);
    return arch_frame_of(pages[cpu]);
}

uint64_t idle_gdt_va(unsigned cpu)
{
    return (uint64_t)pages[cpu] - FIRST_HV_GDT_ENTRY * 8;
}

void load_ldt(uint64_t base, unsigned entry_count)
{
    ASSERT(entry_count >= 1 && entry_count <= 8192);
    set_system(pages[arch_cpu()]->gdt, DESC_LDT, 0x2, base, entry_count * 8 - 1);
    __asm__ volatile("lldt %w0" : : "r"(HV_LDT) : "memory");
}

void load_no_ldt(void)
{
    __asm__ volatile("lldt %w0" : : "r"(0) : "memory");
}
