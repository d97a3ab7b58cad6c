/* SPDX-License-Identifier: MIT
 *
 * Descriptor tables from the guest's own pages. What a guest puts there may never give it more than
 * ring 3: privilege is raised to 3, call gates are closed, other system descriptors are refused. A
 * page in use as a table cannot be written by the guest, and a page that it can write cannot become
 * a table.
 */
#include "kit/kit.h"
#include "kit/lib.h"
#include "traps/traps.h"

static uint64_t gdt[512] PAGE_ALIGNED;
static uint64_t ldt[512] PAGE_ALIGNED;
static uint64_t scratch[512] PAGE_ALIGNED;

#define DATA 0x00cff3000000ffffUL

static const struct descriptor_case {
    const char *name;
    uint64_t given;
    uint64_t stored; /* 0: refused */
} cases[] = {
    {"code", 0x00affb000000ffff, 0x00affb000000ffff},
    {"data", DATA, DATA},
    {"code-ring-0", 0x00af9b000000ffff, 0x00affb000000ffff},
    {"data-ring-0", 0x00cf93000000ffff, DATA},
    {"code-ring-1", 0x00afbb000000ffff, 0x00affb000000ffff},
    {"code-ring-2", 0x00cfdb000000ffff, 0x00cffb000000ffff},
    {"conforming-ring-0", 0x00009f000000ffff, 0x0000ff000000ffff},
    {"data-absent", 0x00cf13000000ffff, 0x00cf13000000ffff},
    {"expand-down", 0x00cff7000000ffff, 0x00cff7000000ffff},
    {"gate-absent", 0x00006c0000000000, 0x00006c0000000000},
    {"call-gate", 0x0000ec00e0330000, 0x00008c00e0330000},
    {"task-segment", 0x0000890000000067, 0},
    {"task-segment-ring-3", 0x0000e90000000067, 0},
    {"ldt-segment", 0x0000e20000000067, 0},
    {"task-gate", 0x0000e50000000000, 0},
    {"interrupt-gate", 0x0000ee00e0330000, 0},
    {"trap-gate", 0x0000ef00e0330000, 0},
};

static uint64_t descriptor_address(const uint64_t *table, unsigned slot)
{
    return va_to_mfn(table) * PAGE_SIZE + slot * sizeof(*table);
}

static long use_gdt(const uint64_t *table, unsigned entries)
{
    unsigned long frames[16] = {va_to_mfn(table)};

    return hv_set_gdt(frames, entries);
}

/* Each descriptor by both ways into a table: written into one that is in use, and found in a page
 * that becomes one. */
static void check_case(const struct descriptor_case *c)
{
    const volatile uint64_t *seen = &gdt[20];
    long want = c->stored != 0 ? 0 : -XEN_EINVAL, rc;
    char name[48];

    (void)kit_snprintf(name, sizeof(name), "descriptor-%s", c->name);
    check_begin(name);
    (void)hv_update_descriptor(descriptor_address(gdt, 20), 0);
    rc = hv_update_descriptor(descriptor_address(gdt, 20), c->given);
    check_part(rc == want, "update: result %ld, expected %ld", rc, want);
    check_part(*seen == c->stored, "update: stored as %016lx", *seen);

    (void)page_make_writable(scratch);
    scratch[20] = c->given;
    (void)page_make_readonly(scratch);
    rc = use_gdt(scratch, 512);
    seen = &scratch[20];
    check_part(rc == want, "table: result %ld, expected %ld", rc, want);
    check_part(*seen == (rc == 0 ? c->stored : c->given), "table: stored as %016lx", *seen);
    check_part(use_gdt(gdt, 512) == 0, "the old table refused");
    check_end();
}

static void check_table_use(void)
{
    unsigned long frames[16] = {va_to_mfn(gdt)};
    uint64_t tables = va_to_mfn((void *)kit_start_info->pt_base);

    check_result("gdt-writable-page", use_gdt(gdt, 512), -XEN_EINVAL);
    (void)page_make_readonly(gdt);
    check_result("gdt-set", use_gdt(gdt, 512), 0);
    check_true("gdt-not-writable", page_make_writable(gdt) < 0, "%s", "mapped writable in use");
    check_result("gdt-7169-entries", hv_set_gdt(frames, 7169), -XEN_EINVAL);
    frames[1] = ~0UL;
    check_result("gdt-no-frame", hv_set_gdt(frames, 513), -XEN_EINVAL);
    frames[1] = tables;
    check_result("gdt-page-table", hv_set_gdt(frames, 513), -XEN_EINVAL);
    check_result("update-unaligned", hv_update_descriptor(descriptor_address(gdt, 20) + 4, 0),
                 -XEN_EINVAL);
    check_result("update-page-table", hv_update_descriptor(tables * PAGE_SIZE, 0), -XEN_EINVAL);
    check_result("update-no-frame", hv_update_descriptor(1UL << 50, 0), -XEN_EINVAL);
    check_begin("update-plain-page");
    check_part(hv_update_descriptor(descriptor_address(ldt, 9), DATA) == 0, "refused");
    check_part(*(volatile uint64_t *)&ldt[9] == DATA, "not written");
    check_end();
    ldt[9] = 0;
}

/* ---- selector loads ---- */

#define LOADER(reg)                                                                           \
    static void load_##reg(void *selector)                                                    \
    {                                                                                         \
        __asm__ volatile("mov %0, %%" #reg : : "r"((uint32_t)(uint64_t)selector) : "memory"); \
    }
LOADER(ds)
LOADER(es)
LOADER(fs)
LOADER(gs)
LOADER(ss)

static guarded_fn *const loaders[] = {load_ds, load_es, load_fs, load_gs, load_ss};

#define PRESENT (21 * 8 + 3)
#define ABSENT  (20 * 8 + 3)
#define CODE    (22 * 8 + 3)

/* Vectors for DS..GS and for SS; 0: the load is good. */
static const struct load_case {
    const char *name;
    unsigned selector, data_vector, stack_vector;
} loads[] = {
    {"null", 0, 0, 13},
    {"present", PRESENT, 0, 0},
    {"absent", ABSENT, 11, 12},
    {"readable-code", CODE, 0, 13},
    {"beyond", 600 * 8 + 3, 13, 13},
    {"flat-data", FLAT_USER_SS, 0, 0},
    {"hypervisor", 0xe00b, 13, 13},
    {"ldt-empty", 0xe07, 13, 13},
    {"huge", 0xffff, 13, 13},
};

static void null_segments(void)
{
    for (unsigned i = 0; i < 4; i++) {
        (void)guarded(loaders[i], NULL);
    }
    (void)guarded(load_ss, (void *)FLAT_KERNEL_SS);
}

static void check_loads(void)
{
    (void)hv_update_descriptor(descriptor_address(gdt, ABSENT / 8), 0x00cf73000000ffff);
    (void)hv_update_descriptor(descriptor_address(gdt, PRESENT / 8), DATA);
    (void)hv_update_descriptor(descriptor_address(gdt, CODE / 8), 0x00affb000000ffff);
    for (unsigned i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
        const struct load_case *c = &loads[i];
        char name[48];

        (void)kit_snprintf(name, sizeof(name), "load-%s", c->name);
        check_begin(name);
        for (unsigned r = 0; r < 5; r++) {
            struct fault fault = guarded(loaders[r], (void *)(uint64_t)c->selector);
            unsigned want = r == 4 ? c->stack_vector : c->data_vector;

            want = want == 0 ? TRAP_NONE : want;
            check_part(fault.vector == want, "%c: vector %u, expected %u", "desgs"[r], fault.vector,
                       want);
            check_part(fault.vector == TRAP_NONE || fault.frame.error == (c->selector & 0xfffc),
                       "%c: error code %lx", "desgs"[r], fault.frame.error);
            null_segments();
        }
        check_end();
    }
}

static void far_call(void *selector)
{
    struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target = {0, (uint16_t)(uint64_t)selector};

    __asm__ volatile("lcall *%0" : : "m"(target) : "memory");
}

static void check_call_gate(void)
{
    struct fault fault;

    (void)hv_update_descriptor(descriptor_address(gdt, 30), 0x0000ec00e0330000);
    (void)hv_update_descriptor(descriptor_address(gdt, 31), 0);
    fault = guarded_user(far_call, (void *)(30 * 8 + 3));
    check_true("call-gate-closed", fault.vector == 13, "vector %u error %lx", fault.vector,
               fault.frame.error);
    (void)hv_update_descriptor(descriptor_address(gdt, 30), 0);
}

/* ---- LDT ---- */

static long set_ldt(const void *base, unsigned entries)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};

    op.arg1.linear_addr = (uint64_t)base;
    op.arg2.nr_ents = entries;
    return hv_mmuext(&op, 1);
}

static void check_ldt(void)
{
    struct fault fault;

    check_result("ldt-8193-entries", set_ldt(ldt, 8193), -XEN_EINVAL);
    check_result("ldt-unaligned", set_ldt((char *)ldt + 8, 16), -XEN_EINVAL);
    check_result("ldt-hypervisor", set_ldt((void *)0xffff820000000000UL, 16), -XEN_EINVAL);
    check_result("ldt-set", set_ldt(ldt, 512), 0);
    /* The page is looked at when it is first used: as it is writable, the use faults. */
    fault = guarded(load_ds, (void *)(5 * 8 + 7));
    check_true("ldt-writable-page", fault.vector == 14 && fault.cr2 == (uint64_t)&ldt[5],
               "vector %u at %lx", fault.vector, fault.cr2);
    ldt[5] = DATA;
    (void)page_make_readonly(ldt);
    fault = guarded(load_ds, (void *)(5 * 8 + 7));
    check_true("ldt-load", fault.vector == TRAP_NONE, "vector %u error %lx", fault.vector,
               fault.frame.error);
    check_true("ldt-not-writable", page_make_writable(ldt) < 0, "%s", "mapped writable in use");
    null_segments();
    check_result("ldt-none", set_ldt(NULL, 0), 0);
    check_result("ldt-page-free", page_make_writable(ldt), 0);
    fault = guarded(load_ds, (void *)(5 * 8 + 7));
    check_true("ldt-load-none", fault.vector == 13 && fault.frame.error == 5 * 8 + 4,
               "vector %u error %lx", fault.vector, fault.frame.error);
}

void check_descriptors(void)
{
    check_table_use();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_case(&cases[i]);
    }
    check_loads();
    check_call_gate();
    check_ldt();
    check_result("gdt-unset", use_gdt(gdt, 0), 0);
    check_result("gdt-page-free", page_make_writable(gdt), 0);
}
