/* SPDX-License-Identifier: MIT
 *
 * Page tables under stress, with every page's contents checked: copy on write between parent and child, mprotect() under
 * the eyes of other threads, mremap(), pages given back and taken again. A stale translation or a wrong
 * table shows as a page with another page's number in it.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe.h"

#define PAGE  UINT64_C(4096)
#define PAGES 600 /* more than one page table */

static uint8_t *map_pages(void)
{
    void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    expect(p != MAP_FAILED, "mmap: %m");
    return p;
}

static void number_pages(uint8_t *area, uint64_t salt)
{
    for (uint64_t i = 0; i < PAGES; i++)
        *(volatile uint64_t *)(area + i * PAGE + i % 500 * 8) = salt + i;
}

static void check_pages(const uint8_t *area, uint64_t salt, const char *when)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        uint64_t got = *(const volatile uint64_t *)(area + i * PAGE + i % 500 * 8);

        if (!expect(got == salt + i, "%s: page %lu has %lx, not %lx", when, i, got, salt + i))
            return;
    }
}

static uint8_t *shared_area;

static void write_copies(unsigned index)
{
    check_pages(shared_area, 1 << 20, "inherited");
    number_pages(shared_area, (uint64_t)(index + 2) << 20);
    check_pages(shared_area, (uint64_t)(index + 2) << 20, "own copies");
}

static void check_copy_on_write(void)
{
    shared_area = map_pages();
    number_pages(shared_area, 1 << 20);
    in_children(4, write_copies);
    check_pages(shared_area, 1 << 20, "after the children");
    munmap(shared_area, PAGES * PAGE);
}

static void check_moves(void)
{
    uint8_t *area = map_pages(), *moved;

    number_pages(area, 7 << 20);
    moved = mremap(area, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
    expect(moved != MAP_FAILED, "mremap: %m");
    check_pages(moved, 7 << 20, "after mremap()");
    madvise(moved, 100 * PAGE, MADV_DONTNEED);
    for (uint64_t i = 0; i < 100; i++)
        expect(moved[i * PAGE + i % 500 * 8] == 0, "page %lu was given back and is not empty", i);
    munmap(moved, 2 * PAGES * PAGE);
}

/* ---- rights taken away while threads write ---- */

static struct {
    uint8_t *area;
    _Atomic bool read_only, done;
    _Atomic uint64_t writes, refused;
} race;

static __thread sigjmp_buf refused;

static void on_fault(int number)
{
    siglongjmp(refused, number);
}

static void *writer(void *argument)
{
    uint64_t random = 88172645463325252u + (uint64_t)argument;

    while (!race.done) {
        volatile uint64_t *word =
            (volatile uint64_t *)(race.area + next_random(&random) % PAGES * PAGE);

        if (sigsetjmp(refused, 1) == 0) {
            bool forbidden = race.read_only;

            *word = random;
            /* Read-only before and after the write: it should have been refused. */
            expect(!forbidden || !race.read_only, "a page is writable after mprotect()");
            race.writes++;
        } else {
            race.refused++;
            sched_yield();
        }
    }
    return NULL;
}

static void check_protection(void)
{
    pthread_t threads[3];
    unsigned started = 0;

    memset(&race, 0, sizeof(race));
    race.area = map_pages();
    signal(SIGSEGV, on_fault);
    while (started < 3 &&
           expect(!pthread_create(&threads[started], NULL, writer, (void *)(uint64_t)started),
                  "pthread_create"))
        started++;
    for (unsigned round = 0; round < probe_rounds; round++) {
        mprotect(race.area, PAGES * PAGE, PROT_READ);
        race.read_only = true;
        usleep(300);
        race.read_only = false;
        mprotect(race.area, PAGES * PAGE, PROT_READ | PROT_WRITE);
        usleep(300);
    }
    race.done = true;
    while (started > 0)
        pthread_join(threads[--started], NULL);
    expect(race.writes > 0 && race.refused > 0, "%lu writes, %lu refused", race.writes,
           race.refused);
    munmap(race.area, PAGES * PAGE);
}

void probe_memory(void)
{
    for (unsigned round = 0; round < probe_rounds / 10 + 1; round++) {
        check_copy_on_write();
        check_moves();
    }
    check_protection();
}
