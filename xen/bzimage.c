/* SPDX-License-Identifier: MIT
 *
 * Linux's boot protocol for x86, as far as it says where the payload is: a boot sector, some more
 * sectors of real-mode code, then the protected-mode part, in which the payload lies. The header of
 * the boot sector counts the sectors, and (from version 2.08 on) gives the payload's place from the
 * start of the protected-mode part. Nothing else in the header concerns a paravirtual guest.
 *
 * A file may be longer than it says: signatures are appended.
 */
#include "xen/bzimage.h"

#include <lagan/string.h>

#define SECTOR                512
#define SETUP_SECTORS_DEFAULT 4
#define PROTOCOL_WITH_PAYLOAD 0x208
#define LOADED_HIGH           1

struct LAGAN_PACKED setup_header {
    uint8_t setup_sectors; /* without the boot sector; 0: an old file with the default */
    uint16_t root_flags;
    uint32_t sys_size;
    uint16_t ram_size, vid_mode, root_dev;
    uint16_t boot_flag;
    uint16_t jump;
    uint32_t magic;
    uint16_t version;
    uint8_t realmode_switch[4];
    uint16_t start_sys, kernel_version;
    uint8_t loader_type;
    uint8_t load_flags;
    uint8_t between[54];
    uint32_t payload_offset;
    uint32_t payload_length;
};
#define SETUP_HEADER_AT 0x1f1
STATIC_ASSERT(SETUP_HEADER_AT + offsetof(struct setup_header, boot_flag) == 0x1fe);
STATIC_ASSERT(SETUP_HEADER_AT + offsetof(struct setup_header, magic) == 0x202);
STATIC_ASSERT(SETUP_HEADER_AT + offsetof(struct setup_header, load_flags) == 0x211);
STATIC_ASSERT(SETUP_HEADER_AT + offsetof(struct setup_header, payload_offset) == 0x248);

#define BOOT_FLAG    0xaa55
#define HEADER_MAGIC 0x53726448 /* "HdrS" */

/* False: the file is too short to have one, or has other signatures. */
static bool read_header(const void *file, size_t bytes, struct setup_header *h)
{
    if (bytes < SETUP_HEADER_AT + sizeof(*h))
        return false;
    memcpy(h, (const uint8_t *)file + SETUP_HEADER_AT, sizeof(*h));
    return h->boot_flag == BOOT_FLAG && h->magic == HEADER_MAGIC;
}

bool bzimage_recognised(const void *file, size_t bytes)
{
    struct setup_header h;

    return read_header(file, bytes, &h);
}

int bzimage_parse(const void *file, size_t bytes, struct bzimage *image, const char **why)
{
    struct setup_header h;
    uint64_t start;

    *why = "not a bzImage";
    if (!read_header(file, bytes, &h))
        return -XEN_EINVAL;
    *why = "a Linux kernel too old to say where its payload is";
    if (h.version < PROTOCOL_WITH_PAYLOAD || !(h.load_flags & LOADED_HIGH))
        return -XEN_ENOEXEC;
    *why = "a bzImage without a payload";
    if (h.payload_length == 0)
        return -XEN_ENOEXEC;
    /* 32-bit terms: the sum cannot overflow. */
    start = (uint64_t)((h.setup_sectors ? h.setup_sectors : SETUP_SECTORS_DEFAULT) + 1) * SECTOR +
            h.payload_offset;
    *why = "truncated: its payload reaches beyond the end of the file";
    if (start > bytes || h.payload_length > bytes - start)
        return -XEN_EINVAL;
    *image = (struct bzimage){(const uint8_t *)file + start, h.payload_length};
    return 0;
}
