/* SPDX-License-Identifier: MIT
 *
 * Files that are written in all ways at once, and always hold what was written last: for whatever is between a file system and
 * its disk. Some processes have a file each, in the directory that they are started in. They write, write by mapping, write past the
 * page cache, truncate, extend, punch holes, zero, sync, and read in as many ways; a file is larger than what a small
 * memory cgroup holds of it, so that its pages come and go.
 *
 * All is done in sectors of 512 bytes. Each sector that is written has a version of its own, from which all of its bytes
 * follow, so there is one number to be remembered for it, and what is found instead tells when that was written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

#define SECTOR      512U
#define WORDS       (SECTOR / sizeof(uint64_t))
#define PAGE        4096U
#define SECTORS     (6U * 2048U) /* a file of 6 MiB */
#define SPAN        256U         /* sectors that one step concerns, at most */
#define PROCESSES   4U
#define BUFFER_SIZE (SPAN * SECTOR)

static struct {
    unsigned index;
    int fd, direct;
    uint64_t random;
    uint32_t size; /* sectors */
    uint32_t latest;
    uint32_t version[SECTORS]; /* 0: zeroes */
    uint64_t *buffer;
} file;

static uint32_t below(uint32_t limit)
{
    return (uint32_t)(next_random(&file.random) % limit);
}

/* ---- what is in a sector ---- */

static uint64_t word_of(uint32_t sector, uint32_t version, unsigned i)
{
    uint64_t seed = ((uint64_t)version << 32 | sector) * 0x9e3779b97f4a7c15;

    if (version == 0)
        return 0;
    /* The first says it plainly, for whoever looks at a wrong one. */
    return i == 0 ? (uint64_t)version << 32 | (file.index << 24) | sector : seed + i;
}

/* The next version of some sectors, which are to be at `to`. */
static void make(uint64_t *to, uint32_t first, uint32_t count)
{
    for (uint32_t s = first; s < first + count; s++) {
        file.version[s] = ++file.latest;
        for (unsigned i = 0; i < WORDS; i++)
            *to++ = word_of(s, file.version[s], i);
    }
}

static bool is_right(const uint64_t *at, uint32_t first, uint32_t count, const char *how)
{
    for (uint32_t s = first; s < first + count; s++)
        for (unsigned i = 0; i < WORDS; i++, at++)
            if (!expect(*at == word_of(s, file.version[s], i),
                        "file %u, sector %u of %u, read %s: word %u is %llx, not %llx (step %u)",
                        file.index, s, file.size, how, i, (unsigned long long)*at,
                        (unsigned long long)word_of(s, file.version[s], i), file.latest))
                return false;
    return true;
}

static void set_zero(uint32_t first, uint32_t end)
{
    for (uint32_t s = first; s < end; s++)
        file.version[s] = 0;
}

/* ---- steps ---- */

static bool write_to(int fd, uint32_t first, uint32_t count)
{
    ssize_t bytes = (ssize_t)(count * SECTOR);

    make(file.buffer, first, count);
    if (first + count > file.size)
        file.size = first + count;
    return expect(pwrite(fd, file.buffer, (size_t)bytes, (off_t)first * SECTOR) == bytes,
                  "pwrite of %u at %u: %m", count, first);
}

static bool read_from(int fd, uint32_t first, uint32_t count, const char *how)
{
    ssize_t bytes = (ssize_t)(count * SECTOR);

    memset(file.buffer, 0xaa, (size_t)bytes);
    return expect(pread(fd, file.buffer, (size_t)bytes, (off_t)first * SECTOR) == bytes,
                  "pread of %u at %u of %u: %m", count, first, file.size) &&
           is_right(file.buffer, first, count, how);
}

static bool by_mapping(uint32_t first, uint32_t count, bool writes)
{
    size_t shift = (size_t)first * SECTOR % PAGE, bytes = shift + (size_t)count * SECTOR;
    uint8_t *map = mmap(NULL, bytes, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, file.fd,
                        (off_t)((size_t)first * SECTOR - shift));
    uint64_t *at = (uint64_t *)(void *)(map + shift);
    bool right = true;

    if (!expect(map != MAP_FAILED, "mmap: %m"))
        return false;
    if (writes)
        make(at, first, count);
    else
        right = is_right(at, first, count, "by mapping");
    if (writes && below(2))
        right = expect(msync(map, bytes, below(2) ? MS_SYNC : MS_ASYNC) == 0, "msync: %m");
    munmap(map, bytes);
    return right;
}

static bool resize(uint32_t size)
{
    set_zero(size < file.size ? size : file.size, SECTORS);
    file.size = size;
    return expect(ftruncate(file.fd, (off_t)size * SECTOR) == 0, "ftruncate: %m");
}

static bool make_zero(int how, uint32_t first, uint32_t count)
{
    set_zero(first, first + count);
    return expect(fallocate(file.fd, how | FALLOC_FL_KEEP_SIZE, (off_t)first * SECTOR,
                            (off_t)count * SECTOR) == 0,
                  "fallocate %x: %m", (unsigned)how);
}

/* What is beyond the end is not there for most steps. */
static bool step(void)
{
    uint32_t kind = below(32), first = below(SECTORS - SPAN), count = 1 + below(SPAN);

    if (kind < 6)
        return write_to(kind < 4 ? file.fd : file.direct, first, count);
    if (kind == 6)
        return resize(below(8) ? SECTORS - below(SECTORS / 8) : below(SECTORS));
    if (first >= file.size)
        return true;
    if (count > file.size - first)
        count = file.size - first;
    switch (kind) {
    case 7:
        return make_zero(FALLOC_FL_PUNCH_HOLE, first, count);
    case 8:
        return make_zero(FALLOC_FL_ZERO_RANGE, first, count);
    case 9:
        return expect(below(2) ? fsync(file.fd) == 0 : fdatasync(file.fd) == 0, "fsync: %m");
    case 10:
        return expect(posix_fadvise(file.fd, (off_t)first * SECTOR, (off_t)count * SECTOR,
                                    POSIX_FADV_DONTNEED) == 0,
                      "fadvise");
    case 11:
    case 12:
        return by_mapping(first, count, true);
    case 13:
    case 14:
    case 15:
        return by_mapping(first, count, false);
    case 16:
    case 17:
    case 18:
        return read_from(file.direct, first, count, "past the page cache");
    default:
        return read_from(file.fd, first, count, "as usual");
    }
}

static bool begin(unsigned index)
{
    char name[16];

    snprintf(name, sizeof(name), "file%u", index);
    file.index = index;
    file.random = 0x1234567 + index * 7919;
    file.fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    file.direct = open(name, O_RDWR | O_DIRECT);
    file.buffer = aligned_alloc(PAGE, BUFFER_SIZE);
    return expect(file.fd >= 0 && file.direct >= 0 && file.buffer, "file %u: %m", index);
}

static void work(unsigned index)
{
    bool right = begin(index) && resize(SECTORS);

    for (unsigned i = 0; i < probe_rounds && right; i++)
        right = step();
    for (uint32_t s = 0; s + SPAN <= file.size && right; s += SPAN)
        right = read_from(file.fd, s, SPAN, "at the end") &&
                read_from(file.direct, s, SPAN, "past the page cache at the end");
}

void probe_files(void)
{
    in_children(PROCESSES, work);
}
