/* SPDX-License-Identifier: MIT
 *
 * For the benchmark: what time it is, and reads of a disk past the page cache, /dev/xvda or what the environment calls
 * `disk`. The clock counts instructions under `qemu -icount`.
 *
 *   BENCH name figure        nanoseconds for one read, or for a MiB
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "probe.h"

#define SMALL   4096
#define LARGE   (256 << 10)
#define READERS 8

static struct {
    const char *path;
    uint64_t bytes;
} disk;

static uint64_t now(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return (uint64_t)at.tv_sec * 1000000000 + (uint64_t)at.tv_nsec;
}

/* The domains of a host agree on the wall clock, so that one can begin what another ends. */
void probe_now(void)
{
    printf("%llu\n", (unsigned long long)now(CLOCK_REALTIME));
}

static int open_disk(void)
{
    int fd = open(disk.path, O_RDONLY | O_DIRECT);

    expect(fd >= 0, "%s: %m", disk.path);
    return fd;
}

/* So many small reads all over the disk; another index, other places. */
static void read_here_and_there(int fd, unsigned index, unsigned reads)
{
    void *buffer = aligned_alloc(SMALL, SMALL);
    uint64_t state = 88172645463325252 + index;

    for (unsigned i = 0; i < reads; i++) {
        uint64_t at = next_random(&state) % (disk.bytes / SMALL) * SMALL;

        expect(pread(fd, buffer, SMALL, (off_t)at) == SMALL, "read at %llu: %m",
               (unsigned long long)at);
    }
    free(buffer);
}

static void read_as_one_of_many(unsigned index)
{
    int fd = open_disk();

    read_here_and_there(fd, index, probe_rounds / READERS);
    close(fd);
}

static void read_in_order(int fd)
{
    void *buffer = aligned_alloc(SMALL, LARGE);

    for (uint64_t at = 0; at + LARGE <= disk.bytes; at += LARGE)
        expect(pread(fd, buffer, LARGE, (off_t)at) == LARGE, "read at %llu: %m",
               (unsigned long long)at);
    free(buffer);
}

void probe_disk(void)
{
    uint64_t start;
    int fd;

    disk.path = getenv("disk") ? getenv("disk") : "/dev/xvda";
    fd = open_disk();
    if (!expect(fd >= 0 && ioctl(fd, BLKGETSIZE64, &disk.bytes) == 0 && disk.bytes >= LARGE,
                "%s is no disk", disk.path))
        return;
    start = now(CLOCK_MONOTONIC);
    read_in_order(fd);
    printf("BENCH disk-sequential-mib %llu\n",
           (unsigned long long)((now(CLOCK_MONOTONIC) - start) / (disk.bytes >> 20)));
    start = now(CLOCK_MONOTONIC);
    read_here_and_there(fd, READERS, probe_rounds);
    printf("BENCH disk-random-4k %llu\n",
           (unsigned long long)((now(CLOCK_MONOTONIC) - start) / probe_rounds));
    close(fd);
    start = now(CLOCK_MONOTONIC);
    in_children(READERS, read_as_one_of_many);
    printf(
        "BENCH disk-random-4k-by-%d %llu\n", READERS,
        (unsigned long long)((now(CLOCK_MONOTONIC) - start) / (probe_rounds / READERS * READERS)));
}
