/* SPDX-License-Identifier: MIT
 *
 * The first domain's share of the host.
 *
 * Amounts may be given as what is to be left to others ("-512M"), which is why each is worked out
 * against the free memory at the moment when dom0 is built. What was asked for and is not there is
 * cut down to what is there: a host that comes up with a small dom0 can be repaired, one that does
 * not come up cannot.
 */
#include "xen/dom0.h"

#include <lagan/string.h>

#define USUAL_MAX_PAGES (UINT64_C(4) << (30 - PAGE_SHIFT))

static uint64_t amount_pages(const struct option_amount *a, uint64_t free)
{
    uint64_t pages = a->bytes >> PAGE_SHIFT;

    if (!a->below_total)
        return pages;
    return free > pages ? free - pages : 0;
}

uint64_t dom0_pages(const struct options *o, uint64_t free)
{
    uint64_t pages = min_u64(free - free / 16, USUAL_MAX_PAGES);

    if (o->dom0_mem.given)
        pages = amount_pages(&o->dom0_mem, free);
    if (o->dom0_mem_min.given)
        pages = max_u64(pages, amount_pages(&o->dom0_mem_min, free));
    if (o->dom0_mem_max.given)
        pages = min_u64(pages, amount_pages(&o->dom0_mem_max, free));
    return min_u64(pages, free);
}

uint64_t dom0_max_pages(const struct options *o, uint64_t free)
{
    uint64_t pages = dom0_pages(o, free);

    return o->dom0_mem_max.given ? max_u64(pages, amount_pages(&o->dom0_mem_max, free)) : pages;
}

unsigned dom0_vcpus(const struct options *o, unsigned online, unsigned limit)
{
    const struct option_vcpus *range = &o->dom0_max_vcpus;
    uint64_t count = online;

    if (range->high)
        count = max_u64(min_u64(count, range->high), range->low);
    return (unsigned)min_u64(count, limit);
}

bool dom0_line(const struct options *o, const char *module, char *to, size_t bytes)
{
    size_t length = strlcpy(to, module, bytes);

    if (length >= bytes || !o->dom0_extra[0])
        return length < bytes;
    if (length > 0)
        length += strlcpy(to + length, " ", bytes - length);
    return length < bytes && strlcpy(to + length, o->dom0_extra, bytes - length) < bytes - length;
}
