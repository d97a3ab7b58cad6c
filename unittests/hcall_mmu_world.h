/* SPDX-License-Identifier: MIT
 *
 * The world of test_hcall_mmu.c, which alone includes this, behind its variables: what the files
 * under test call, the domains and vCPUs, and how a call is made.
 */
#pragma once

/* ---- what the files under test call ---- */

bool hcall_host_range_ok(guest_ptr_t p, uint64_t bytes)
{
    return p.va + bytes >= p.va && (p.va + bytes <= VA_LOW_END || p.va >= VA_HV_END);
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

int64_t hcall_host_continue(const struct hypercall_args *args)
{
    again = *args;
    want_again = true;
    return 0;
}

struct domain *domain_find(domid_t id)
{
    for (unsigned i = 0; i < DOMAINS; i++)
        if (domain[i].id == id) {
            finds++;
            return &domain[i];
        }
    return NULL;
}

void domain_put(struct domain *d)
{
    (void)d;
    finds--;
}

static struct {
    uint64_t base;
    unsigned entries;
} ldt;

int pv_set_ldt(struct vcpu *v, uint64_t base, unsigned entry_count)
{
    (void)v;
    ldt.base = base;
    ldt.entries = entry_count;
    return 0;
}

/* The rest of pv_vcpu.c is not called here. */
void pv_destroy_gdt(struct vcpu *v)
{
    (void)v;
}

void pv_destroy_ldt(struct vcpu *v)
{
    (void)v;
}

int hcall_host_set_gdt(const mfn_t *frames, unsigned entry_count)
{
    (void)frames;
    return (int)entry_count;
}

int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value)
{
    (void)v;
    (void)reg;
    return (int)value;
}

uint64_t pv_cr4_guest_settable(void)
{
    return 0;
}

uint64_t pv_real_flags(uint64_t rflags)
{
    return rflags;
}

int fpu_vcpu_init(struct vcpu *v)
{
    (void)v;
    return 0;
}

void fpu_load_image(struct vcpu *v, const void *image)
{
    (void)v;
    (void)image;
}

void fpu_vcpu_destroy(struct vcpu *v)
{
    (void)v;
}

/* ---- the world ---- */

static void start(void)
{
    kit_start(256);
    memset(domain, 0, sizeof(domain));
    memset(vcpu, 0, sizeof(vcpu));
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < DOMAINS; i++) {
        domain[i].id = (domid_t)(11 + i);
        CU_ASSERT_EQUAL_FATAL(account_init(&domain[i].account, domain[i].id, 200), 0);
    }
    domain[0].vcpu_count = VCPUS;
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpu[i].domain = &domain[0];
        vcpu[i].id = i;
        vcpu[i].arch.l4_kernel = vcpu[i].arch.l4_user = vcpu[i].arch.old_table = MFN_INVALID;
        domain[0].vcpu[i] = &vcpu[i];
    }
    hcall_host_vcpu = &vcpu[0];
    kit_space_build(&domain[0].account, &s);
    CU_ASSERT_EQUAL(table_pin(&domain[0].account, s.l4, 4), 0);
    CU_ASSERT_EQUAL(pv_take_l4(&domain[0], s.l4), 0);
    vcpu[0].arch.l4_kernel = s.l4;
    finds = 0;
}

static void end(void)
{
    host_preempt_every(0);
    CU_ASSERT_EQUAL(finds, 0);
    for (unsigned i = 0; i < VCPUS; i++)
        arch_vcpu_relinquish(&vcpu[i]);
    for (unsigned i = 0; i < DOMAINS; i++) {
        kit_relinquish(&domain[i].account);
        CU_ASSERT_EQUAL(domain[i].account.pages, 0);
        account_destroy(&domain[i].account);
    }
    kit_end();
}

static unsigned is_held(mfn_t m)
{
    return m.n != MFN_INVALID.n;
}

/* References that vCPUs hold. */
static uint64_t held(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < VCPUS; i++)
        n += is_held(vcpu[i].arch.l4_kernel) + is_held(vcpu[i].arch.l4_user) +
             is_held(vcpu[i].arch.old_table);
    return n;
}

static mfn_t frame(unsigned d)
{
    return kit_frame(&domain[d].account);
}

static unsigned restarts;

/* Makes a call to its end; everything is sound wherever it is interrupted. */
static int64_t call(int64_t (*fn)(const struct hypercall_args *), uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d)
{
    struct hypercall_args args = {{a, b, c, d}};
    int64_t rc;

    for (restarts = 0;; restarts++) {
        want_again = false;
        rc = fn(&args);
        if (!want_again)
            break;
        args = again;
        kit_check(held());
    }
    return rc;
}

#define LIST GUEST
#define DONE (GUEST + PAGE_SIZE)

static uint32_t *done_word(void)
{
    return (uint32_t *)(void *)(memory + PAGE_SIZE);
}

static struct mmu_update *updates(void)
{
    return (struct mmu_update *)(void *)memory;
}

static struct mmuext_op *ops(void)
{
    return (struct mmuext_op *)(void *)memory;
}

static uint64_t entry_address(mfn_t table, unsigned index)
{
    return table.n << PAGE_SHIFT | index * 8;
}

static int64_t update(uint64_t ptr, uint64_t val, uint64_t domains)
{
    updates()[0] = (struct mmu_update){.ptr = ptr, .val = val};
    return call(hcall_mmu_update, LIST, 1, DONE, domains);
}

static int64_t ext(unsigned cmd, uint64_t arg1, uint64_t arg2, uint64_t foreign)
{
    ops()[0] = (struct mmuext_op){.cmd = cmd};
    ops()[0].arg1.mfn = arg1;
    ops()[0].arg2.src_mfn = arg2;
    return call(hcall_mmuext_op, LIST, 1, DONE, foreign);
}
