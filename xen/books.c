/* SPDX-License-Identifier: MIT
 *
 * The host's memory, added up. Each number is counted where it changes (the heap's by cause, a
 * domain's in its account), none by subtraction, so that the sum is a check of them all.
 */
#include "xen/books.h"

#include <lagan/arch.h>
#include <lagan/printk.h>

#include "mm/account.h"
#include "mm/heap.h"
#include "mm/spare.h"

static const char *const cause_name[HEAP_CAUSES] = {[HEAP_OTHER] = "other",
                                                    [HEAP_OBJECTS] = "small objects",
                                                    [HEAP_SHARED] = "shared with domains",
                                                    [HEAP_EVENTS] = "events",
                                                    [HEAP_VCPUS] = "vcpus",
                                                    [HEAP_PCACHE] = "the page cache",
                                                    [HEAP_FLOORS] = "floors of caches"};

bool books_add_up(struct books *b)
{
    *b = (struct books){.ram = arch_ram_pages(), .free = heap_free_pages(), .lent = spare_pages()};
    b->boot = arch_boot_pages();
    for (unsigned i = 0; i < HEAP_CAUSES; i++)
        b->hypervisor += heap_used_pages((enum heap_cause)i);
    for (const struct account *a = account_next(0); a; a = account_next(a->id + 1U))
        b->domains += a->pages;
    return b->boot + b->hypervisor + b->domains + b->free == b->ram;
}

void books_print(void)
{
    struct books b;
    bool right = books_add_up(&b);

    log_info("memory: %lu pages free (%lu clean, %lu dirty, %lu claimed, %lu lent) + %lu in "
             "domains + %lu "
             "hypervisor (%lu since boot) = %lu%s\n",
             b.free, heap_clean_pages(), heap_dirty_pages(), heap_claimed_pages(), b.lent,
             b.domains, b.boot + b.hypervisor, b.boot, b.ram, right ? "" : ": WRONG");
}

void books_print_causes(void)
{
    for (unsigned i = 0; i < HEAP_CAUSES; i++)
        log_info("memory: %lu pages for %s\n", heap_used_pages((enum heap_cause)i), cause_name[i]);
}
