/* SPDX-License-Identifier: MIT
 *
 * The boot loader's news in one form, and a memory map that can be relied on.
 *
 * Firmware maps overlap, come unsorted, have entries of no bytes and ends that are not on a page.
 * We cut the address space at every start and end that occurs, ask for each piece which entries
 * cover it, and let the most restrictive one win: whoever says that something is not RAM is
 * believed. Then RAM is rounded inwards to pages and equal neighbours are joined. With n entries
 * that takes n * n steps; n is small.
 *
 * Pure: it knows no machine, and the host tests compare it with a map kept page by page.
 */
#include <lagan/string.h>

#include "xen/arch/x86/bootinfo.h"

/* A full map gives up RAM, never a reservation (INV-BOOT-2). The place for the new range, or NULL.
 */
static LAGAN_INIT struct boot_range *make_room(struct boot_info *bi, uint32_t type)
{
    if (bi->map_count < BOOT_MAP_MAX)
        return &bi->map[bi->map_count++];
    bi->complaint = "memory map: too many entries";
    for (unsigned i = BOOT_MAP_MAX; type != BOOT_RAM && i-- > 0;)
        if (bi->map[i].type == BOOT_RAM)
            return &bi->map[i];
    return NULL;
}

LAGAN_INIT void bootinfo_add_range(struct boot_info *bi, uint64_t start, uint64_t size,
                                   uint32_t type)
{
    struct boot_range *last = bi->map_count ? &bi->map[bi->map_count - 1] : NULL, *place;
    uint64_t end;

    if (add_overflows(start, size, &end))
        end = UINT64_MAX;
    if (start == end)
        return;
    /* Types this code does not know (persistent memory, ...) are nobody's business but the
     * firmware's. */
    if (type < BOOT_RAM || type > BOOT_BAD)
        type = BOOT_RESERVED;
    /* EFI has many types that are one to us: its maps shrink a lot. */
    if (last && last->end == start && last->type == type) {
        last->end = end;
        return;
    }
    place = make_room(bi, type);
    if (place)
        *place = (struct boot_range){start, end, type};
}

LAGAN_INIT void bootinfo_limit_ram(struct boot_info *bi, uint64_t limit)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < bi->map_count; i++) {
        struct boot_range r = bi->map[i];

        if (r.type == BOOT_RAM)
            r.end = min_u64(r.end, limit);
        if (r.start < r.end)
            bi->map[kept++] = r;
    }
    bi->map_count = kept;
}

static LAGAN_INIT size_t skip_spaces(const char *text, size_t at, size_t length)
{
    while (at < length && text[at] == ' ')
        at++;
    return at;
}

static LAGAN_INIT size_t skip_word(const char *text, size_t at, size_t length)
{
    while (at < length && text[at] != ' ')
        at++;
    return skip_spaces(text, at, length);
}

LAGAN_INIT const char *bootinfo_keep_text(struct boot_info *bi, const char *text, size_t length,
                                          unsigned skip)
{
    static const char placeholder[] = "placeholder";
    const size_t word = sizeof(placeholder) - 1;
    size_t at = 0;

    length = strnlen(text, length);
    at = skip_spaces(text, at, length);
    while (skip-- > 0)
        at = skip_word(text, at, length);
    if (length - at >= word && memcmp(text + at, placeholder, word) == 0 &&
        (length - at == word || text[at + word] == ' '))
        at = skip_word(text, at, length);

    if (length - at >= BOOT_TEXT_BYTES - bi->text_used) {
        bi->complaint = "command lines: too long";
        return "";
    }

    char *copy = bi->text + bi->text_used;

    memcpy(copy, text + at, length - at);
    copy[length - at] = '\0';
    bi->text_used += (unsigned)(length - at + 1);
    return copy;
}

/* The type that wins for the piece starting at `at`, and where the piece ends; 0: nobody claims it.
 */
static LAGAN_INIT uint32_t type_at(const struct boot_info *bi, uint64_t at, uint64_t *end)
{
    uint32_t type = 0;

    *end = UINT64_MAX;
    for (unsigned i = 0; i < bi->map_count; i++) {
        const struct boot_range *r = &bi->map[i];

        if (r->start <= at && at < r->end) {
            *end = min_u64(*end, r->end);
            if (r->type > type)
                type = r->type;
        } else if (r->start > at) {
            *end = min_u64(*end, r->start);
        }
    }
    return type;
}

/* Appends to a map that is sane so far. False: no room. */
static LAGAN_INIT bool append(struct boot_range *out, unsigned *count, struct boot_range r)
{
    struct boot_range *last = *count ? &out[*count - 1] : NULL;

    if (last && last->end == r.start && last->type == r.type) {
        last->end = r.end;
        return true;
    }
    if (*count == BOOT_MAP_MAX)
        return false;
    out[(*count)++] = r;
    return true;
}

/* RAM to whole pages, after joining: two half pages that meet make a page. */
static LAGAN_INIT unsigned round_ram(struct boot_range *map, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        struct boot_range r = map[i];

        if (r.type == BOOT_RAM) {
            /* Cannot wrap: a start in the last page rounds to 0, and is then caught as past the
             * end. */
            uint64_t start = (r.start + PAGE_SIZE - 1) & PAGE_MASK;

            r.end &= PAGE_MASK;
            if (start < r.start || start >= r.end)
                continue;
            r.start = start;
        }
        map[kept++] = r;
    }
    return kept;
}

LAGAN_INIT int bootinfo_sanitise(struct boot_info *bi)
{
    static LAGAN_INIT_BSS struct boot_range out[BOOT_MAP_MAX];
    unsigned count = 0;
    uint64_t at = 0, end;
    int rc = 0;

    for (; at != UINT64_MAX && rc == 0; at = end) {
        uint32_t type = type_at(bi, at, &end);

        if (type && !append(out, &count, (struct boot_range){at, end, type}))
            rc = -XEN_E2BIG;
    }
    bi->map_count = round_ram(out, count);
    memcpy(bi->map, out, bi->map_count * sizeof(out[0]));
    return rc;
}
