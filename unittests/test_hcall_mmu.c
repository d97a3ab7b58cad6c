/* SPDX-License-Identifier: MIT
 *
 * mmu_update, update_va_mapping, mmuext_op: two domains with real page tables (mm/), vCPUs with the
 * machine's own structs, and a guest memory of a few pages that holds the calls' lists. A restarted
 * call is made again with its new arguments, as the dispatch does.
 */
#include <stdlib.h>
#include <string.h>

#include "unittests/mm_kit.h"
#include "unittests/hcall_host.h"

#undef arch_preempt_pending
#define write_cr3(v) (loaded_cr3 = (v))
static uint64_t loaded_cr3;

#include "xen/arch/x86/pv_vcpu.c"
#include "xen/hcall_mmu.c"
#include "xen/hcall_mmuext.c"

#define GUEST  UINT64_C(0x100000)
#define BYTES  (2 * PAGE_SIZE)
#define DEVICE (HOST_OWN_DEVICE + 1)

enum { DOMAINS = 2, VCPUS = 4 };

static struct domain domain[DOMAINS]; /* ids 11 and 12; the first calls */
static struct vcpu vcpu[VCPUS];
static uint8_t memory[BYTES];
static struct kit_space s;
static int finds; /* references that domain_find() gave out and domain_put() has not had */
static struct hypercall_args again;
static bool want_again;

struct vcpu *hcall_host_vcpu;

#include "unittests/hcall_mmu_world.h"

/* ---- mmu_update ---- */

static void test_update_kinds(void)
{
    mfn_t m, n;

    start();
    m = frame(0);
    n = frame(1);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9), kit_pte(m, KIT_RW), DOMID_SELF), 0);
    CU_ASSERT_EQUAL(*done_word(), 1);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 9), kit_pte(m, KIT_RW));
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9), kit_pte(m, KIT_RO), 11), 0);
    *kit_entry(s.l1[0], 9) |= PTE_A | PTE_D;
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9) | MMU_PT_UPDATE_PRESERVE_AD,
                           kit_pte(m, KIT_RW), DOMID_SELF),
                    0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 9), kit_pte(m, KIT_RW | PTE_A | PTE_D));
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9) | MMU_PT_UPDATE_NO_TRANSLATE, 0, DOMID_SELF),
                    0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[0], 9), 0);
    CU_ASSERT_EQUAL(update(entry_address(m, 511), 0x1234567, DOMID_SELF), 0); /* memory */
    CU_ASSERT_EQUAL(*kit_entry(m, 511), 0x1234567);
    CU_ASSERT_EQUAL(update(m.n << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 77, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(arch_m2p_get(m), 77);
    CU_ASSERT_EQUAL(update(n.n << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 78, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update(m.n << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 78, DOMID_IO), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update((UINT64_C(1) << 60) | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF), -XEN_EINVAL);
    for (unsigned cmd = 4; cmd < 8; cmd++)
        CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9) | cmd, 0, DOMID_SELF), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(*done_word(), 0);
    CU_ASSERT_EQUAL(update(entry_address(s.l4, 256), 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update(entry_address(n, 0), 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9), kit_pte(n, KIT_RW), DOMID_SELF), -XEN_EINVAL);
    kit_check(held());
    end();
}

static void test_update_foreign(void)
{
    const uint64_t tables_of_12 = (12 + 1) << 16;
    mfn_t m, table;

    start();
    m = frame(1);
    table = frame(1);
    CU_ASSERT_EQUAL(table_pin(&domain[1].account, table, 1), 0);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9), kit_pte(m, KIT_RW), 12), -XEN_EPERM);
    CU_ASSERT_EQUAL(update(entry_address(table, 9), 0, tables_of_12 | DOMID_SELF), -XEN_EPERM);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9), kit_pte(mfn(DEVICE), KIT_RW), DOMID_IO),
                    -XEN_EPERM);
    domain[0].privileged = domain[0].account.maps_io = true;
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 9), kit_pte(m, KIT_RW), 12), 0);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 10), kit_pte(s.data[0], KIT_RW), 12),
                    -XEN_EINVAL);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 11), kit_pte(m, KIT_RW), 13), -XEN_ESRCH);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 11), kit_pte(mfn(DEVICE), KIT_RW), DOMID_IO), 0);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 12), kit_pte(mfn(DEVICE), KIT_RW), DOMID_SELF),
                    0);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 13), kit_pte(s.data[2], KIT_RW), DOMID_IO), 0);
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 14), kit_pte(m, KIT_RW), DOMID_XEN), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update(m.n << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, 5, 12), 0);
    CU_ASSERT_EQUAL(arch_m2p_get(m), 5);
    CU_ASSERT_EQUAL(update(entry_address(table, 9), kit_pte(m, KIT_RO), tables_of_12 | 12), 0);
    CU_ASSERT_EQUAL(*kit_entry(table, 9), kit_pte(m, KIT_RO));
    CU_ASSERT_EQUAL(update(entry_address(table, 9), 0, 14 << 16 | DOMID_SELF), -XEN_ESRCH);
    CU_ASSERT_EQUAL(finds, 0);
    kit_check(held());
    end();
}

/* Stops at the first error, and tells how far it came; then goes on behind it. */
static void test_update_list(void)
{
    mfn_t m, n;

    start();
    m = frame(0);
    n = frame(1);
    for (unsigned i = 0; i < 8; i++)
        updates()[i] = (struct mmu_update){.ptr = entry_address(s.l1[0], 20 + i),
                                           .val = kit_pte(i == 5 ? n : m, KIT_RW)};
    CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 8, DONE, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(*done_word(), 5);
    CU_ASSERT_EQUAL(type_count(m), 5);
    CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST + 6 * 16, 2, 0, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(type_count(m), 7);
    CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 0, DONE, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(*done_word(), 0);
    CU_ASSERT_EQUAL(call(hcall_mmu_update, GUEST + BYTES - 8, 1, DONE, DOMID_SELF), -XEN_EFAULT);
    CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 1, GUEST + BYTES, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(call(hcall_mmu_update, VA_HV_START, 1, DONE, DOMID_SELF), -XEN_EFAULT);
    CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 0x7fffffff, DONE, 13), -XEN_EPERM);
    kit_check(held());
    end();
}

/* A list that unlinks tables, preempted at each point: the result is that of the list at one go. */
static void test_update_preempted(void)
{
    for (unsigned n = 0; n < 12; n++) {
        mfn_t m;

        start();
        m = frame(0);
        for (unsigned i = 0; i < 4; i++)
            updates()[i] = (struct mmu_update){.ptr = entry_address(s.l1[0], 20 + i),
                                               .val = kit_pte(m, KIT_RW)};
        updates()[4] = (struct mmu_update){.ptr = entry_address(s.l4, 0), .val = 0};
        updates()[5] = (struct mmu_update){.ptr = entry_address(s.l3, 3), .val = 0x76};
        updates()[6] =
            (struct mmu_update){.ptr = entry_address(s.l4, 0), .val = kit_pte(s.l3, KIT_RW)};
        updates()[7] = (struct mmu_update){.ptr = entry_address(s.l4, 0), .val = 0};
        host_preempt_every(n);
        CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 8, DONE, DOMID_SELF), 0);
        host_preempt_every(0);
        CU_ASSERT(restarts > 0 || n == 0 || n > 6);
        CU_ASSERT_EQUAL(*done_word(), 8);
        CU_ASSERT_EQUAL(type_count(m), 0);
        CU_ASSERT_EQUAL(type_count(s.l3), 0);
        CU_ASSERT_EQUAL(type_count(s.l1[3]), 0);
        CU_ASSERT_EQUAL(*kit_entry(s.l3, 3), 0x76);
        CU_ASSERT_EQUAL(vcpu[0].arch.old_table.n, MFN_INVALID.n);
        kit_check(held());
        end();
    }
}

/* Entries above L1 that were present end in a flush of all CPUs of the domain, others in none. */
static void test_update_flushes(void)
{
    unsigned before;
    mfn_t hit;

    start();
    host_tlb_load(0, &domain[0].account, s.l4);
    host_tlb_load(2, &domain[0].account, s.l4);
    CU_ASSERT_TRUE(host_touch(2, kit_va(1, 0), false, &hit));
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(update(entry_address(s.l1[0], 0), 0, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(update(entry_address(s.l2, 9), kit_pte(s.l1[0], KIT_RW), DOMID_SELF), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before);
    CU_ASSERT_EQUAL(update(entry_address(s.l2, 1), 0, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 2);
    CU_ASSERT_FALSE(host_touch(2, kit_va(1, 0), false, &hit));
    /* After an error, too. */
    before = host_tlb_flush_count();
    updates()[0] = (struct mmu_update){.ptr = entry_address(s.l2, 2)};
    updates()[1] = (struct mmu_update){.ptr = 7};
    CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 2, DONE, DOMID_SELF), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(host_tlb_flush_count(), before + 2);
    kit_check(held());
    host_tlb_load(0, NULL, mfn(0));
    host_tlb_load(2, NULL, mfn(0));
    end();
}

/* ---- update_va_mapping ---- */

static int64_t update_va_of(uint64_t va, uint64_t entry, uint64_t flags)
{
    return call(hcall_update_va_mapping, va, entry, flags, 0);
}

static void test_update_va(void)
{
    mfn_t m, n;

    start();
    m = frame(0);
    n = frame(1);
    CU_ASSERT_EQUAL(update_va_of(kit_va(2, 30), kit_pte(m, KIT_RW), 0), 0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[2], 30), kit_pte(m, KIT_RW));
    CU_ASSERT_EQUAL(update_va_of(kit_va(2, 30) + 123, 0, UVMF_INVLPG | UVMF_ALL), 0);
    CU_ASSERT_EQUAL(*kit_entry(s.l1[2], 30), 0);
    CU_ASSERT_EQUAL(update_va_of(kit_va(9, 0), 0, 0), -XEN_EINVAL); /* no L1 table */
    CU_ASSERT_EQUAL(update_va_of(0xffff800000000000, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update_va_of(0xffff87fffffff000, 0, 0), -XEN_EINVAL);
    /* not canonical, whatever its lower bits say */
    CU_ASSERT_EQUAL(update_va_of(UINT64_C(1) << 50 | kit_va(2, 30), 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update_va_of(kit_va(2, 30), kit_pte(s.l1[0], KIT_RW), 0), -XEN_EBUSY);
    CU_ASSERT_EQUAL(update_va_of(kit_va(2, 30), kit_pte(n, KIT_RW), 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(
        call(hcall_update_va_mapping_otherdomain, kit_va(2, 30), kit_pte(n, KIT_RW), 0, 12),
        -XEN_EPERM);
    domain[0].privileged = domain[0].account.maps_io = true;
    CU_ASSERT_EQUAL(
        call(hcall_update_va_mapping_otherdomain, kit_va(2, 30), kit_pte(n, KIT_RW), 0, 12), 0);
    CU_ASSERT_EQUAL(call(hcall_update_va_mapping_otherdomain, kit_va(2, 31),
                         kit_pte(mfn(DEVICE), KIT_RW), 0, DOMID_IO),
                    0);
    CU_ASSERT_EQUAL(call(hcall_update_va_mapping_otherdomain, kit_va(2, 31), 0, 0, 13), -XEN_ESRCH);
    kit_check(held());
    end();
}

/* Which CPUs a flush reaches. */
static unsigned flushed(int64_t rc, unsigned before)
{
    CU_ASSERT_EQUAL(rc, 0);
    return host_tlb_flush_count() - before;
}

static void test_flush_targets(void)
{
    static const unsigned commands[2][3] = {
        {MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_MULTI, MMUEXT_TLB_FLUSH_ALL},
        {MMUEXT_INVLPG_LOCAL, MMUEXT_INVLPG_MULTI, MMUEXT_INVLPG_ALL}};
    uint64_t mask_at = GUEST + PAGE_SIZE + 64;
    uint64_t *mask = (uint64_t *)(void *)(memory + PAGE_SIZE + 64);
    unsigned before;

    start();
    for (unsigned cpu = 0; cpu < 3; cpu++)
        host_tlb_load(cpu, &domain[0].account, s.l4);
    for (unsigned i = 0; i < 3; i++) {
        vcpu[i].sched.cpu = i;
        vcpu[i].sched.unit.on_cpu = i != 1;
    }
    *mask = ~UINT64_C(0); /* vCPUs that do not exist, too */
    for (unsigned page = 0; page < 2; page++) {
        uint64_t type = page ? UVMF_INVLPG : UVMF_TLB_FLUSH, va = kit_va(0, 0);

        before = host_tlb_flush_count();
        CU_ASSERT_EQUAL(flushed(ext(commands[page][0], va, 0, DOMID_SELF), before), 1);
        CU_ASSERT_EQUAL(flushed(ext(commands[page][1], va, mask_at, DOMID_SELF), before), 3);
        CU_ASSERT_EQUAL(flushed(ext(commands[page][2], va, 0, DOMID_SELF), before), 6);
        CU_ASSERT_EQUAL(flushed(update_va_of(va, 0, type | UVMF_LOCAL), before), 7);
        CU_ASSERT_EQUAL(flushed(update_va_of(va, 0, type | mask_at), before), 9);
        CU_ASSERT_EQUAL(flushed(update_va_of(va, 0, type | UVMF_ALL), before), 12);
        CU_ASSERT_EQUAL(flushed(update_va_of(va, 0, UVMF_NONE | UVMF_ALL), before), 12);
    }
    *mask = 2; /* only one that does not run */
    before = host_tlb_flush_count();
    CU_ASSERT_EQUAL(flushed(ext(MMUEXT_TLB_FLUSH_MULTI, 0, mask_at, DOMID_SELF), before), 0);
    CU_ASSERT_EQUAL(ext(MMUEXT_TLB_FLUSH_MULTI, 0, GUEST + BYTES - 4, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(update_va_of(kit_va(0, 0), 0, UVMF_INVLPG | 0x1000), -XEN_EFAULT);
    CU_ASSERT_EQUAL(flushed(ext(MMUEXT_INVLPG_ALL, VA_DIRECT, 0, DOMID_SELF), before), 0);
    for (unsigned cpu = 0; cpu < 3; cpu++)
        host_tlb_load(cpu, NULL, mfn(0));
    end();
}

/* ---- mmuext_op ---- */

static void test_ext(void)
{
    mfn_t m, n;

    start();
    m = frame(0);
    n = frame(0);
    memset(kit_entry(m, 0), 0x5a, PAGE_SIZE);
    CU_ASSERT_EQUAL(ext(MMUEXT_COPY_PAGE, n.n, m.n, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(memcmp(kit_entry(n, 0), kit_entry(m, 0), PAGE_SIZE), 0);
    CU_ASSERT_EQUAL(ext(MMUEXT_CLEAR_PAGE, m.n, 0, DOMID_SELF), 0);
    CU_ASSERT(*kit_entry(m, 0) == 0 && *kit_entry(m, 511) == 0);
    CU_ASSERT_EQUAL(ext(MMUEXT_CLEAR_PAGE, s.l1[0].n, 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_COPY_PAGE, s.l1[0].n, m.n, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_COPY_PAGE, m.n, s.l1[0].n, DOMID_SELF), 0);
    CU_ASSERT_EQUAL(ext(MMUEXT_COPY_PAGE, m.n, HOST_MAX_MFN, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_CLEAR_PAGE, ~UINT64_C(0), 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), -XEN_EACCES);
    CU_ASSERT_EQUAL(ext(MMUEXT_MARK_SUPER, m.n, 0, DOMID_SELF), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(ext(MMUEXT_UNMARK_SUPER, m.n, 0, DOMID_SELF), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(ext(14, 0, 0, DOMID_SELF), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(ext(99, 0, 0, DOMID_SELF), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(ext(MMUEXT_SET_LDT, 0x5000, 100, DOMID_SELF), 0);
    CU_ASSERT(ldt.base == 0x5000 && ldt.entries == 100);
    CU_ASSERT_EQUAL(ext(MMUEXT_SET_LDT, 0x5008, 100, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_SET_LDT, 0x5000, 8193, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_SET_LDT, VA_HV_START, 1, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ldt.entries, 100);
    CU_ASSERT_EQUAL(ext(MMUEXT_PIN_L4_TABLE, s.l4.n, 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(*done_word(), 0);
    kit_check(held());
    end();
}

static void test_ext_foreign(void)
{
    struct kit_space other;
    mfn_t m;

    start();
    kit_space_build(&domain[1].account, &other);
    m = frame(1);
    CU_ASSERT_EQUAL(ext(MMUEXT_PIN_L4_TABLE, other.l4.n, 0, 12), -XEN_EPERM);
    domain[0].privileged = true;
    CU_ASSERT_EQUAL(ext(MMUEXT_PIN_L4_TABLE, other.l4.n, 0, 13), -XEN_ESRCH);
    CU_ASSERT_EQUAL(ext(MMUEXT_PIN_L4_TABLE, other.l4.n, 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_PIN_L4_TABLE, other.l4.n, 0, 12), 0);
    CU_ASSERT_EQUAL(type_of(other.l4), TYPE_L4);
    CU_ASSERT_EQUAL(ext(MMUEXT_CLEAR_PAGE, m.n, 0, 12), 0);
    CU_ASSERT_EQUAL(ext(MMUEXT_NEW_BASEPTR, other.l4.n, 0, 12), -XEN_EPERM);
    CU_ASSERT_EQUAL(ext(MMUEXT_TLB_FLUSH_ALL, 0, 0, 12), -XEN_EPERM);
    CU_ASSERT_EQUAL(ext(MMUEXT_SET_LDT, 0, 0, 12), -XEN_EPERM);
    CU_ASSERT_EQUAL(ext(MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), 0);
    kit_check(held());
    CU_ASSERT_EQUAL(ext(MMUEXT_UNPIN_TABLE, other.l4.n, 0, 12), 0);
    kit_check(held());
    end();
}

/* Pin, load as kernel and user base, unpin, leave: preempted at each point. The tables that a
 * vCPU leaves are torn down within the call. */
static void test_ext_preempted(void)
{
    for (unsigned n = 0; n < 14; n++) {
        struct kit_space t;
        unsigned i = 0;

        start();
        kit_space_build(&domain[0].account, &t);
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = t.l4.n};
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = t.l4.n};
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = t.l4.n};
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = t.l4.n};
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = s.l4.n};
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = 0};
        ops()[i++] = (struct mmuext_op){.cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = t.l4.n};
        host_preempt_every(n);
        CU_ASSERT_EQUAL(call(hcall_mmuext_op, LIST, i, DONE, DOMID_SELF), 0);
        host_preempt_every(0);
        CU_ASSERT(restarts > 0 || n == 0 || n > 10);
        CU_ASSERT_EQUAL(*done_word(), i);
        CU_ASSERT_EQUAL(loaded_cr3, s.l4.n << PAGE_SHIFT);
        CU_ASSERT_EQUAL(vcpu[0].arch.l4_kernel.n, s.l4.n);
        CU_ASSERT_EQUAL(vcpu[0].arch.l4_user.n, MFN_INVALID.n);
        CU_ASSERT_EQUAL(type_count(t.l1[0]), 0);
        kit_check(held());
        end();
    }
}

/* A call that is never made again leaves its table in the vCPU; the next call takes it up, or the
 * end of the domain does. */
static void test_forgotten(void)
{
    for (unsigned way = 0; way < 3; way++) {
        struct hypercall_args args = {{LIST, 1, DONE, DOMID_SELF}};

        start();
        updates()[0] = (struct mmu_update){.ptr = entry_address(s.l4, 0)};
        host_preempt_every(1);
        want_again = false;
        CU_ASSERT_EQUAL(hcall_mmu_update(&args), 0);
        CU_ASSERT_TRUE(want_again);
        host_preempt_every(0);
        CU_ASSERT_EQUAL(vcpu[0].arch.old_table.n, s.l3.n);
        CU_ASSERT_EQUAL(*done_word(), 1);
        kit_check(held());
        if (way == 0)
            CU_ASSERT_EQUAL(call(hcall_mmu_update, LIST, 0, 0, DOMID_SELF), 0);
        if (way == 1)
            CU_ASSERT_EQUAL(pv_new_baseptr(&vcpu[0], s.l4), 0);
        if (way < 2)
            CU_ASSERT_EQUAL(type_count(s.l3), 0);
        end();
    }
}

/* ---- an error is an error wherever the call is preempted ---- */

enum { SCRIPT = 8 };

/* Updates that unlink whole trees and link them again; entry `bad` is refused. */
static void script_updates(unsigned bad)
{
    mfn_t m = frame(0);

    for (unsigned i = 0; i < 4; i++)
        updates()[i] =
            (struct mmu_update){.ptr = entry_address(s.l1[0], 20 + i), .val = kit_pte(m, KIT_RW)};
    updates()[4] = (struct mmu_update){.ptr = entry_address(s.l4, 0)};
    updates()[5] = (struct mmu_update){.ptr = entry_address(s.l3, 3), .val = 0x76};
    updates()[6] = (struct mmu_update){.ptr = entry_address(s.l4, 0), .val = kit_pte(s.l3, KIT_RW)};
    updates()[7] = (struct mmu_update){.ptr = entry_address(s.l4, 0)};
    if (bad < SCRIPT)
        updates()[bad] = (struct mmu_update){.ptr = entry_address(frame(1), 0)};
}

static void script_ops(unsigned bad)
{
    struct kit_space t;
    uint64_t l4;

    kit_space_build(&domain[0].account, &t);
    l4 = t.l4.n;
    ops()[0] = (struct mmuext_op){.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = l4};
    ops()[1] = (struct mmuext_op){.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = l4};
    ops()[2] = (struct mmuext_op){.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = l4};
    ops()[3] = (struct mmuext_op){.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = l4};
    ops()[4] = (struct mmuext_op){.cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = s.l4.n};
    ops()[5] = (struct mmuext_op){.cmd = MMUEXT_NEW_USER_BASEPTR};
    ops()[6] = (struct mmuext_op){.cmd = MMUEXT_PIN_L3_TABLE, .arg1.mfn = t.l3.n};
    ops()[7] = (struct mmuext_op){.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = t.l3.n};
    if (bad == 0) /* what was validated before it has to be given back, which is preempted too */
        *kit_entry(t.l1[3], 511) = kit_pte(frame(1), KIT_RW);
    else if (bad < SCRIPT)
        ops()[bad] = (struct mmuext_op){.cmd = bad % 2 ? MMUEXT_CLEAR_PAGE : MMUEXT_PIN_L2_TABLE,
                                        .arg1.mfn = frame(1).n};
}

/* What a script leaves: result, entries done, and all of RAM's types and counts. */
struct left {
    int64_t rc;
    uint64_t done, base, user, type[256], refs[256];
};

static unsigned run_script(bool ext, unsigned bad, void (*arm)(unsigned), unsigned n,
                           struct left *left)
{
    unsigned asked;

    memset(left, 0, sizeof(*left));
    start();
    (ext ? script_ops : script_updates)(bad);
    arm(n);
    left->rc = call(ext ? hcall_mmuext_op : hcall_mmu_update, LIST, SCRIPT, DONE, DOMID_SELF);
    asked = host_preempt_count();
    host_preempt_every(0);
    left->done = *done_word();
    left->base = vcpu[0].arch.l4_kernel.n;
    left->user = vcpu[0].arch.l4_user.n;
    for (unsigned i = 0; i < 256; i++) {
        mfn_t m = mfn(HOST_LOW_START + i);

        left->refs[i] = frame_refs(frame_of(m));
        left->type[i] =
            left->refs[i] ? type_count(m) * 100 + type_of(m) * 10 + type_is_valid(m) : 0;
    }
    kit_check(held());
    end();
    return asked;
}

static void test_errors_preempted(void)
{
    static void (*const arms[])(unsigned) = {host_preempt_once, host_preempt_every};
    static struct left want, got;

    for (unsigned way = 0; way < 4 * (SCRIPT + 1); way++) {
        bool ext = way & 1;
        unsigned bad = way / 4, n = 0, asked;

        (void)run_script(ext, bad, host_preempt_every, 0, &want);
        CU_ASSERT(want.done == bad && (want.rc < 0) == (bad < SCRIPT));
        do {
            asked = run_script(ext, bad, arms[way / 2 % 2], ++n, &got);
            CU_ASSERT_EQUAL(memcmp(&want, &got, sizeof(want)), 0);
        } while (asked > 0);
        CU_ASSERT(n > bad);
    }
}

static void test_bad_base(void)
{
    start();
    loaded_cr3 = 1;
    CU_ASSERT_EQUAL(ext(MMUEXT_NEW_BASEPTR, s.l3.n, 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_NEW_BASEPTR, 0, 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_NEW_USER_BASEPTR, ~UINT64_C(0), 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT_EQUAL(ext(MMUEXT_NEW_USER_BASEPTR, s.data[0].n, 0, DOMID_SELF), -XEN_EINVAL);
    CU_ASSERT(loaded_cr3 == 1 && vcpu[0].arch.l4_kernel.n == s.l4.n);
    kit_check(held());
    end();
}

static const struct test_case cases[] = {
    {"mmu_update: each kind", test_update_kinds},
    {"mmu_update: other domains and devices", test_update_foreign},
    {"mmu_update: lists", test_update_list},
    {"mmu_update: preempted", test_update_preempted},
    {"mmu_update: flushes", test_update_flushes},
    {"update_va_mapping", test_update_va},
    {"flushes: which CPUs", test_flush_targets},
    {"mmuext_op", test_ext},
    {"mmuext_op for another domain", test_ext_foreign},
    {"mmuext_op: preempted", test_ext_preempted},
    {"each error at each point", test_errors_preempted},
    {"a call that is not made again", test_forgotten},
    {"base pointers refused", test_bad_base},
    {0},
};
const struct suite suite_hcall_mmu = {"hcall mmu", cases, NULL, NULL};
