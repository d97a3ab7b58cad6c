/* SPDX-License-Identifier: MIT
 *
 * Tables that are entries of tables of the same level (advisory 240): chains and rings of them, in
 * which undoing could recurse once for each. They may be granted one deep, or not at all.
 */
#include "evil_mmu/evil_mmu.h"

#define CHAIN 24U

static uint64_t *chain[CHAIN];

static void chain_new(void)
{
    for (unsigned i = 0; i < CHAIN; i++) {
        chain[i] = table_new();
        (void)page_make_readonly(chain[i]);
    }
}

static void chain_end(unsigned level)
{
    for (unsigned i = 0; i < CHAIN; i++) {
        give_back(chain[i], level);
    }
}

static uint64_t link_to(unsigned i)
{
    return entry_of(chain[i % CHAIN], PTE_P | PTE_U | PTE_A);
}

static void write_link(unsigned from, uint64_t value)
{
    (void)page_make_writable(chain[from]);
    *(volatile uint64_t *)&chain[from][3] = value;
    (void)page_make_readonly(chain[from]);
}

/* Pinned from the end of the chain on, so that each one's entry is a table of its own level already
 * (from the other end each would be a table of the next lower level, which is no attack). */
static void pin_chain(unsigned level)
{
    bool pinned[CHAIN] = {false};
    unsigned count = 0;

    chain_new();
    for (unsigned i = CHAIN; i-- > 0;) {
        write_link(i, i + 1 < CHAIN ? link_to(i + 1) : 0);
        pinned[i] = table_pin(chain[i], level) == 0;
        count += pinned[i];
        if (!pinned[i]) {
            /* Not a link of the chain: what comes before it links to a table all the same. */
            give_back_access(chain[i], level);
            write_link(i, 0);
            pinned[i] = table_pin(chain[i], level) == 0;
            check_part(pinned[i], "L%u: an empty table", level);
        }
    }
    check_part(count <= CHAIN / 2 + 1, "L%u: a chain of %u", level, count);
    for (unsigned i = 0; i < CHAIN; i++) {
        check_part(!pinned[i] || table_unpin(chain[i]) == 0, "L%u: unpin", level);
    }
    chain_end(level);
}

static void chains(void)
{
    for (unsigned level = 2; level <= 4; level++) {
        pin_chain(level);
    }
}

/* Tables that are entries of themselves, or of one another, before they are tables. */
static void rings(void)
{
    for (unsigned level = 2; level <= 4; level++) {
        for (unsigned size = 1; size <= 5; size++) {
            chain_new();
            for (unsigned i = 0; i < size; i++) {
                write_link(i, link_to((i + 1) % size));
            }
            for (unsigned i = 0; i < size; i++) {
                check_part(table_pin(chain[i], level) != 0 ||
                               table_set(&chain[i][3], link_to((i + 1) % size) | PTE_W) < 0 ||
                               size > 1,
                           "L%u: writable", level);
            }
            for (unsigned i = 0; i < size; i++) {
                while (table_unpin(chain[i]) == 0) {
                }
            }
            chain_end(level);
        }
    }
}

/* Pinned one by one while empty, then linked by mmu_update, forwards and backwards: how far that
 * goes is the hypervisor's business, but it has to end, and each must go free again. */
static void grown(unsigned level, bool backwards)
{
    unsigned linked = 0;

    chain_new();
    for (unsigned i = 0; i < CHAIN; i++) {
        check_part(table_pin(chain[i], level) == 0, "L%u: pin %u", level, i);
    }
    for (unsigned n = 0; n + 1 < CHAIN; n++) {
        unsigned i = backwards ? CHAIN - 2 - n : n;

        linked += table_set(&chain[i][3], link_to(i + 1)) == 0;
    }
    check_part(linked <= CHAIN / 2, "L%u: %u links of %u", level, linked, CHAIN - 1);
    /* The ends first, then the middle: whatever order undoing likes least. */
    for (unsigned i = 0; i < CHAIN; i++) {
        check_part(table_unpin(chain[i % 2 ? CHAIN - 1 - i / 2 : i / 2]) == 0, "L%u: unpin", level);
    }
    chain_end(level);
}

static void grown_chains(void)
{
    for (unsigned level = 2; level <= 4; level++) {
        grown(level, false);
        grown(level, true);
    }
}

/* A table that is its own entry, in every slot that a table has. */
static void own_entry(void)
{
    for (unsigned level = 2; level <= 4; level++) {
        uint64_t *table = table_new();

        (void)page_make_readonly(table);
        check_part(table_pin(table, level) == 0, "pin");
        for (unsigned i = 0; i < TABLE_SLOTS; i += 5) {
            (void)table_set(&table[i], entry_of(table, PTE_P | PTE_U | PTE_A));
            check_part(table_set(&table[i], entry_of(table, TABLE_LINK)) < 0, "writable");
        }
        check_part(table_pin(table, level) < 0, "pinned twice");
        check_part(table_unpin(table) == 0, "unpin");
        give_back(table, level);
    }
}

/* An L4 that is only another one's entry, freed while it is seen there. */
static void pull_from_under(void)
{
    uint64_t *a = table_new(), *b = table_new();

    (void)page_make_readonly(a);
    (void)page_make_readonly(b);
    check_part(table_pin(a, 4) == 0 && table_pin(b, 4) == 0, "pin");
    if (table_set(&a[3], entry_of(b, PTE_P | PTE_U | PTE_A)) == 0) {
        check_part(table_unpin(b) == 0, "unpin");
        check_part(page_make_writable(b) < 0, "writable while seen");
        check_part(table_set(&b[3], entry_of(a, PTE_P | PTE_U | PTE_A)) < 0, "seen in turn");
        check_part(table_set(&a[3], 0) == 0, "clear");
    } else {
        check_part(table_unpin(b) == 0, "unpin");
    }
    check_part(table_unpin(a) == 0, "unpin");
    give_back(a, 4);
    give_back(b, 4);
}

const struct attack evil_mmu_linear[] = {
    {"linear-chains", chains, false},
    {"linear-rings", rings, false},
    {"linear-grown-chains", grown_chains, false},
    {"linear-own-entry", own_entry, false},
    {"linear-pull-from-under", pull_from_under, false},
    {NULL, NULL, false},
};
