/* SPDX-License-Identifier: MIT
 *
 * A window of the buffer cache through /dev/mem, before a driver has claimed it: the kernel makes an entry that allows
 * writing, and has to find one that does not. So it takes each write to it for a fault that it can mend, and mends it for ever: the
 * process that writes gets no further, until it is killed. START says where the window is.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define PAGE_BYTES 4096
/* So many faults of one instruction that all of them fail. */
#define FAULTS 1000

/* The page faults of a process, by the tenth word of its status; -1 if it has ended. */
static long faults_of(pid_t pid)
{
    char path[32], state;
    long faults = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (!f)
        return -1;
    if (fscanf(f, "%*d %*s %c %*d %*d %*d %*d %*d %*u %ld", &state, &faults) != 2 || state == 'Z')
        faults = -1;
    fclose(f);
    return faults;
}

static volatile uint8_t *map(void)
{
    int memory = open("/dev/mem", O_RDWR);
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
                      (off_t)strtoull(getenv("START"), NULL, 0));

    close(memory);
    expect(page != MAP_FAILED, "mmap: %m");
    return page == MAP_FAILED ? NULL : page;
}

/* Copies the page. Not kept mapped: Linux does not fork with it, since it finds other attributes in the entry, too. */
static bool look(uint8_t *copy)
{
    volatile uint8_t *page = map();

    if (!page)
        return false;
    memcpy(copy, (void *)page, PAGE_BYTES);
    return munmap((void *)page, PAGE_BYTES) == 0;
}

static void write_to_it(void)
{
    volatile uint8_t *page = map();

    if (page)
        page[PAGE_BYTES / 2] = (uint8_t)~page[PAGE_BYTES / 2];
    _exit(0);
}

void probe_window(void)
{
    static uint8_t before[PAGE_BYTES], after[PAGE_BYTES];
    long faults;
    int status = 0;
    pid_t pid;

    if (!getenv("START"))
        skip("no START");
    if (!look(before))
        return;
    pid = fork();
    if (pid == 0)
        write_to_it();
    if (!expect(pid > 0, "fork: %m"))
        return;
    /* Until there have been enough, or it has ended. */
    do {
        usleep(1000);
        faults = faults_of(pid);
    } while (faults >= 0 && faults < FAULTS);
    expect(faults >= FAULTS, "the write was done, or the process has ended otherwise");
    kill(pid, SIGKILL);
    expect(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
           "the process ended with status %x", (unsigned)status);
    expect(look(after) && memcmp(before, after, PAGE_BYTES) == 0, "the window has changed");
}
