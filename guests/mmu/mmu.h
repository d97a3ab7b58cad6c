/* SPDX-License-Identifier: MIT
 *
 * The parts of the page table guest, and what they share: one pinned space of two lowest-level
 * tables that no vCPU runs on (unless a part loads it), and four pages of data, each with its
 * number plus one in its first word.
 */
#pragma once

#include "kit/kit.h"

struct data_page {
    volatile uint64_t word[PAGE_SIZE / sizeof(uint64_t)];
};

extern struct data_page mmu_data[4];
extern struct space mmu_space;

/* A read that may fault. */
struct probe {
    volatile uint64_t *where;
    uint64_t value;
};
/* What an operation for a domain that does not exist answers: those who may not name others learn no
 * more than that. */
void check_no_domain(const char *name, long rc);
/* Reads (or writes `value`) there: the exception's vector, or TRAP_NONE. */
unsigned probe_read(struct probe *probe);
unsigned probe_write(struct probe *probe);

/* No frame of any machine that these tests run on. */
#define NO_FRAME ((1UL << 40) - 3)
/* No domain has this number. */
#define NO_DOMAIN 0x7000U

void mmu_update_tests(void);  /* update.c */
void mmu_refused_tests(void); /* refused.c */
void mmu_map_tests(void);     /* map.c */
void mmu_pin_tests(void);     /* pin.c */
void mmu_page_tests(void);    /* pin.c: clearing and copying pages */
void mmu_base_tests(void);    /* base.c */
void mmu_flush_tests(void);   /* flush.c */
void mmu_type_tests(void);    /* types.c */
void mmu_write_tests(void);   /* write.c */
