/* SPDX-License-Identifier: MIT
 *
 * Where all of the host's memory is.
 *
 * INV-BOOKS-1: free + what domains have + what the hypervisor holds = RAM, whenever nobody is at
 * work.
 */
#pragma once

#include <lagan/types.h>

struct books {
    uint64_t ram;        /* pages, as all below */
    uint64_t boot;       /* of it the hypervisor's since boot: image, frame table, modules, ... */
    uint64_t hypervisor; /* of it the hypervisor's, from the heap */
    uint64_t domains;
    uint64_t free; /* lent pages among them */
    uint64_t lent; /* of these, in use by caches until somebody needs them */
};

/* Adds up what each part says of itself. True if it comes to all of the RAM: to the page, if no
 * other CPU is in the middle of something. */
bool books_add_up(struct books *b);
/* Prints them in a line, and says so if the sum is wrong; and what the heap's part is for. */
void books_print(void);
void books_print_causes(void);
