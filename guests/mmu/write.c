/* SPDX-License-Identifier: MIT
 *
 * Writes to lowest-level tables by plain instructions, which the hypervisor carries out where the
 * kernel has asked for it. Each instruction that kernels use is tried on an entry of the space, seen
 * through the table's own read-only page.
 */
#include "mmu/mmu.h"

static volatile uint64_t *slot;
static uint64_t wanted, expected, got;
static uint8_t carry;

static void by_mov(void *argument)
{
    (void)argument;
    __asm__ volatile("mov %1, %0" : "=m"(*slot) : "r"(wanted));
}

static void by_mov_immediate(void *argument)
{
    (void)argument;
    __asm__ volatile("movq $0, %0" : "=m"(*slot));
}

static void by_xchg(void *argument)
{
    (void)argument;
    got = wanted;
    __asm__ volatile("xchg %0, %1" : "+r"(got), "+m"(*slot));
}

static void by_cmpxchg(void *argument)
{
    (void)argument;
    got = expected;
    __asm__ volatile("lock cmpxchg %2, %1; setz %3"
                     : "+a"(got), "+m"(*slot)
                     : "r"(wanted), "m"(carry)
                     : "memory");
}

static void by_and_byte(void *argument)
{
    (void)argument;
    __asm__ volatile("lock andb $0xfd, %0" : "+m"(*(volatile uint8_t *)slot));
}

static void by_or_byte(void *argument)
{
    (void)argument;
    __asm__ volatile("lock orb $0x02, %0" : "+m"(*(volatile uint8_t *)slot));
}

static void by_btr(void *argument)
{
    (void)argument;
    __asm__ volatile("lock btrq $6, %0; setc %1" : "+m"(*slot), "=m"(carry));
}

static void by_bts(void *argument)
{
    (void)argument;
    __asm__ volatile("lock btsq $6, %0; setc %1" : "+m"(*slot), "=m"(carry));
}

static void by_bts_register(void *argument)
{
    (void)argument;
    __asm__ volatile("lock bts %2, %0; setc %1" : "+m"(*slot), "=m"(carry) : "r"(wanted));
}

static void by_and(void *argument)
{
    (void)argument;
    __asm__ volatile("lock andq %1, %0" : "+m"(*slot) : "r"(wanted));
}

static void by_mov_dword(void *argument)
{
    (void)argument;
    __asm__ volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)slot) : "r"((uint32_t)wanted));
}

/* The entry starts as `from`; after the instruction its present, write, dirty bits and frame are
 * as in `to`. */
static void carries_out(const char *name, guarded_fn *instruction, uint64_t from, uint64_t to)
{
    const uint64_t compared = PTE_FRAME | PTE_P | PTE_W | PTE_D;
    unsigned vector;
    uint64_t after;
    long rc = table_set((const uint64_t *)slot, from);

    vector = guarded(instruction, NULL).vector;
    after = *slot;
    check_true(name, rc == 0 && vector == TRAP_NONE && ((after ^ to) & compared) == 0,
               "%ld, vector %u, entry %lx, expected %lx", rc, vector, after, to);
}

static void each_instruction(void)
{
    uint64_t a = entry_of(&mmu_data[0], TABLE_PAGE), b = entry_of(&mmu_data[1], TABLE_PAGE);

    wanted = a;
    carries_out("write-mov", by_mov, 0, a);
    wanted = b;
    carries_out("write-mov-over", by_mov, a, b);
    carries_out("write-mov-zero", by_mov_immediate, a, 0);
    wanted = 0x1234567890ab0UL;
    carries_out("write-mov-not-present", by_mov, a, wanted);
    wanted = (uint32_t)b & ~PTE_W;
    carries_out("write-mov-dword", by_mov_dword, b, b & ~PTE_W);
    wanted = b;
    carries_out("write-xchg", by_xchg, a, b);
    check_true("write-xchg-old", (got & PTE_FRAME) == (a & PTE_FRAME) && (got & PTE_P) != 0, "%lx",
               got);
    wanted = 0;
    carries_out("write-xchg-zero", by_xchg, a, 0);
    (void)table_set((const uint64_t *)slot, a);
    expected = *slot;
    wanted = b;
    carries_out("write-cmpxchg", by_cmpxchg, a, b);
    check_true("write-cmpxchg-equal", carry == 1, "%u", carry);
    expected = 77;
    wanted = a;
    carries_out("write-cmpxchg-other", by_cmpxchg, b, b);
    check_true("write-cmpxchg-old", carry == 0 && (got & PTE_FRAME) == (b & PTE_FRAME), "%u, %lx",
               carry, got);
    carries_out("write-and-byte", by_and_byte, a, a & ~PTE_W);
    carries_out("write-or-byte", by_or_byte, a & ~PTE_W, a);
    wanted = ~PTE_W;
    carries_out("write-and", by_and, a, a & ~PTE_W);
    carries_out("write-btr", by_btr, a, a & ~PTE_D);
    check_true("write-btr-carry", carry == 1, "%u", carry);
    carries_out("write-bts", by_bts, a & ~PTE_D, a);
    check_true("write-bts-carry", carry == 0, "%u", carry);
    wanted = 6;
    carries_out("write-bts-register", by_bts_register, a & ~PTE_D, a);
}

static unsigned vector_of(guarded_fn *instruction)
{
    return guarded(instruction, NULL).vector;
}

/* What mmu_update refuses is refused here: the write faults. */
static void refused(void)
{
    volatile uint64_t *tables[] = {mmu_space.l2 + 40, mmu_space.l3 + 40, mmu_space.l4 + 40};
    volatile uint64_t *entry = slot;

    (void)table_set((const uint64_t *)slot, 0);
    check_begin("write-refused");
    wanted = entry_of(mmu_space.l1[0], TABLE_PAGE);
    check_part(vector_of(by_mov) == 14 && *slot == 0, "the table itself, writable");
    check_part(vector_of(by_xchg) == 14 && *slot == 0, "the same by XCHG");
    wanted = entry_of(table_boot(), TABLE_PAGE);
    check_part(vector_of(by_mov) == 14 && *slot == 0, "an L4, writable");
    wanted = NO_FRAME * PAGE_SIZE | PTE_P;
    check_part(vector_of(by_mov) == 14 && *slot == 0, "no frame");
    (void)table_set((const uint64_t *)slot, entry_of(mmu_space.l1[0], PTE_P));
    check_part(vector_of(by_or_byte) == 14 && (*slot & PTE_W) == 0, "a view made writable");
    (void)table_set((const uint64_t *)slot, 0);
    check_end();
    check_begin("write-upper-levels");
    wanted = 0;
    for (unsigned i = 0; i < 3; i++) {
        slot = tables[i];
        check_part(vector_of(by_mov) == 14, "L%u", i + 2);
    }
    slot = entry;
    check_end();
}

static void user_write(void *argument)
{
    *(volatile uint64_t *)argument = 0;
    user_exit(0);
}

/* The user part of a guest never has it, whatever the rights in the table. */
static void from_user_mode(void)
{
    struct fault fault = guarded_user(user_write, (void *)slot);

    check_true("write-user-mode", fault.vector == 14, "vector %u", fault.vector);
}

/* Across the end of an entry: two entries at once are refused. */
static void misaligned(void)
{
    volatile uint64_t *entry = slot;

    slot = (volatile uint64_t *)((uint64_t)slot + 4);
    wanted = 0;
    check_true("write-misaligned", vector_of(by_mov) == 14, "%s", "carried out");
    slot = entry;
}

/* Without the assist the write is the guest kernel's fault. A first domain is served all the same. */
static void without_the_assist(void)
{
    unsigned vector;

    check_result("write-assist-off", table_assist(VMASST_TYPE_writable_pagetables, false), 0);
    wanted = entry_of(&mmu_data[0], TABLE_PAGE);
    vector = vector_of(by_mov);
    check_true("write-without-assist", vector == (first_domain() ? TRAP_NONE : 14), "vector %u",
               vector);
    (void)table_set((const uint64_t *)slot, 0);
    check_result("write-assist-on", table_assist(VMASST_TYPE_writable_pagetables, true), 0);
}

void mmu_write_tests(void)
{
    slot = space_entry(&mmu_space, 50);
    check_result("write-assist", table_assist(VMASST_TYPE_writable_pagetables, true), 0);
    each_instruction();
    refused();
    from_user_mode();
    misaligned();
    without_the_assist();
    (void)table_set((const uint64_t *)slot, 0);
}
