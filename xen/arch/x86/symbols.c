/* SPDX-License-Identifier: MIT
 *
 * Look-up in the table of function names that tools/make-symbols makes of the linked image.
 *
 * The image is linked twice. The first link has an empty table; its symbols make the real one,
 * which lies behind all code, so that the second link moves no function. Addresses are kept as
 * their low 32 bits: the image is far smaller than 4 GiB and starts at a multiple of that.
 */
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/sections.h"
#include "xen/arch/x86/symbols.h"

STATIC_ASSERT((uint32_t)VA_IMAGE == 0);

extern const uint32_t symbol_count;
extern const uint32_t symbol_address[];
extern const uint32_t symbol_name[];
extern const char symbol_text[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    uint32_t low = 0, high = symbol_count;

    if (!address_is_code(address))
        return NULL;
    /* The last symbol that starts at or below the address: it is in [low, high), if anywhere. */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (symbol_address[middle] <= (uint32_t)address)
            low = middle;
        else
            high = middle;
    }
    if (low == high || symbol_address[low] > (uint32_t)address)
        return NULL;
    *offset = (uint32_t)address - symbol_address[low];
    return symbol_text + symbol_name[low];
}

const char *symbol_at(uint32_t n, uint64_t *address)
{
    if (n >= symbol_count)
        return NULL;
    *address = VA_IMAGE + symbol_address[n];
    return symbol_text + symbol_name[n];
}
