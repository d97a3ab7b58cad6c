/* SPDX-License-Identifier: MIT
 *
 * The host machine: processors are threads, RAM is a sparse mapping, faults are injected by
 * countdown.
 *
 * The mapping covers all machine addresses from 0 to just above 4 GiB, unbacked until touched, so
 * that both zones of the heap exist at their real frame numbers. Frames that are not allocated are
 * marked inaccessible to AddressSanitizer and Valgrind, and filled with junk, so that a use after
 * free is found under each of the checkers and likely to break a test without them.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <valgrind/memcheck.h>

#include <lagan/assert.h>
#include <lagan/lock.h>
#include <lagan/printk.h>
#include "arch_inline.h"
#include "mm/frame.h"
#include "unittests/arch/host.h"

#if defined(__SANITIZE_ADDRESS__)
#define HOST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOST_ASAN 1
#endif
#endif

#ifdef HOST_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n)   VALGRIND_MAKE_MEM_NOACCESS(p, n)
#define UNPOISON(p, n) VALGRIND_MAKE_MEM_UNDEFINED(p, n)
#endif

#define JUNK 0xa5

_Thread_local unsigned host_this_cpu;
_Thread_local jmp_buf *host_panic_target;
unsigned char *host_arena;
struct frame *host_frame_table;

static uint64_t *m2p;
static uint64_t low_end, high_end; /* of RAM: frame numbers */
static _Atomic uint64_t now_ns;
static _Atomic uint64_t online = (1 << HOST_CPUS) - 1;

static _Thread_local struct lock_trace trace;
static _Thread_local struct {
    unsigned now, longest;
} work;
static _Thread_local unsigned fail_countdown, preempt_period, preempt_countdown, preempt_said_yes;
static _Thread_local bool fail_injected;
static _Thread_local struct arch_spinlock *held[LOCK_TRACE_DEPTH];
static _Thread_local unsigned held_count;

static _Atomic bool noise;
static _Atomic unsigned cache_flushes;
static uint64_t l1tf_limit;

static char log_text[16384];
static size_t log_length;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- set-up ---- */

static void *map_sparse(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return p;
}

static void map_machine(void)
{
    host_arena = map_sparse(HOST_MAX_MFN << PAGE_SHIFT);
    host_frame_table = map_sparse(HOST_MAX_MFN * sizeof(struct frame));
    m2p = map_sparse(HOST_MAX_MFN * sizeof(*m2p));
}

static void reset_range(uint64_t start, uint64_t end)
{
    size_t bytes = (end - start) << PAGE_SHIFT;
    unsigned char *ram = host_arena + (start << PAGE_SHIFT);

    memset(&host_frame_table[start], 0, (end - start) * sizeof(struct frame));
    memset(&m2p[start], 0xff, (end - start) * sizeof(*m2p));
    UNPOISON(ram, bytes);
    madvise(ram, bytes, MADV_DONTNEED);
    POISON(ram, bytes);
}

void host_reset(uint64_t low, uint64_t high)
{
    if (!host_arena)
        map_machine();
    reset_range(HOST_LOW_START, low_end > HOST_LOW_START ? low_end : HOST_LOW_START);
    reset_range(HOST_HIGH_START, high_end > HOST_HIGH_START ? high_end : HOST_HIGH_START);
    low_end = HOST_LOW_START + low;
    high_end = HOST_HIGH_START + high;
    if (low_end > HOST_HIGH_START || high_end > HOST_MAX_MFN)
        abort();
    reset_range(HOST_LOW_START, low_end);
    reset_range(HOST_HIGH_START, high_end);
    host_enter_cpu(0);
    host_set_online(HOST_CPUS);
    host_fail_off();
    host_preempt_every(0);
}

void host_enter_cpu(unsigned cpu)
{
    host_this_cpu = cpu;
    trace.depth = 0;
}

void host_fail_after(unsigned n)
{
    fail_countdown = n;
    fail_injected = false;
}

bool host_fail_off(void)
{
    fail_countdown = 0;
    return fail_injected;
}

void host_preempt_every(unsigned n)
{
    preempt_period = preempt_countdown = n;
    preempt_said_yes = 0;
}

void host_preempt_once(unsigned n)
{
    host_preempt_every(n);
    preempt_period = UINT_MAX;
}

unsigned host_preempt_count(void)
{
    return preempt_said_yes;
}

void host_set_time(uint64_t ns)
{
    atomic_store(&now_ns, ns);
}

void host_set_online(unsigned cpus)
{
    atomic_store(&online, cpus >= 64 ? UINT64_MAX : (UINT64_C(1) << cpus) - 1);
}

const char *host_log(void)
{
    static char copy[sizeof(log_text)];

    pthread_mutex_lock(&log_lock);
    memcpy(copy, log_text, log_length);
    copy[log_length] = '\0';
    log_length = 0;
    pthread_mutex_unlock(&log_lock);
    return copy;
}

/* ---- the contract ---- */

struct lock_trace *arch_lock_trace(void)
{
    static _Thread_local unsigned calls;

    if (atomic_load_explicit(&noise, memory_order_relaxed) && ++calls % 16 == 0)
        sched_yield();
    return &trace;
}

cpumask_t arch_online_cpus(void)
{
    return (cpumask_t){atomic_load(&online)};
}

unsigned host_longest_work(void)
{
    unsigned longest = work.longest;

    work.now = work.longest = 0;
    return longest;
}

bool arch_preempt_pending(void)
{
    work.now = 0;
    if (atomic_load_explicit(&noise, memory_order_relaxed))
        sched_yield();
    if (preempt_period == 0 || --preempt_countdown > 0)
        return false;
    preempt_countdown = preempt_period;
    preempt_said_yes++;
    return true;
}

uint64_t arch_time_ns(void)
{
    return atomic_load(&now_ns);
}

/* A panic that no test waits for ends the program: nothing that follows could be trusted. */
static LAGAN_NORETURN void stop(void)
{
    if (host_panic_target)
        longjmp(*host_panic_target, 1);
    fflush(stdout);
    abort();
}

void host_lock_taken(struct arch_spinlock *l)
{
    if (held_count == LOCK_TRACE_DEPTH)
        abort();
    held[held_count++] = l;
}

void host_lock_released(struct arch_spinlock *l)
{
    unsigned i = held_count;

    while (i > 0 && held[i - 1] != l)
        i--;
    if (i == 0)
        abort(); /* unlocked by another than its holder */
    held[i - 1] = held[--held_count];
}

void host_panic_caught(void)
{
    while (held_count > 0)
        arch_spin_unlock(held[held_count - 1]);
    trace.depth = 0;
}

void arch_panic(const char *fmt, ...)
{
    va_list args;

    if (!host_panic_target || getenv("LAGAN_VERBOSE")) {
        va_start(args, fmt);
        fputs("panic: ", stderr);
        vfprintf(stderr, fmt, args);
        fputc('\n', stderr);
        va_end(args);
    }
    stop();
}

void assert_failed(const char *what, const char *file, int line)
{
    if (!host_panic_target || getenv("LAGAN_VERBOSE"))
        fprintf(stderr, "%s:%d: %s failed\n", file, line, what);
    stop();
}

void printk_guest(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
}

void printk(enum log_level level, const char *fmt, ...)
{
    va_list args;
    char line[512];
    size_t length;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (getenv("LAGAN_VERBOSE"))
        fprintf(stderr, "(%d) %s", level, line);
    length = strlen(line);
    pthread_mutex_lock(&log_lock);
    if (log_length + length < sizeof(log_text)) {
        memcpy(log_text + log_length, line, length);
        log_length += length;
    }
    pthread_mutex_unlock(&log_lock);
}

uint64_t arch_max_mfn(void)
{
    return high_end > HOST_HIGH_START ? high_end : low_end;
}

bool arch_mfn_valid(mfn_t m)
{
    return (m.n >= HOST_LOW_START && m.n < low_end) || (m.n >= HOST_HIGH_START && m.n < high_end);
}

void arch_clear_page(void *page)
{
    memset(page, 0, PAGE_SIZE);
}

static void (*on_copy)(void *to);

void host_on_copy(void (*call)(void *to))
{
    on_copy = call;
}

void arch_copy_page(void *dst, const void *src)
{
    if (on_copy)
        on_copy(dst);
    memcpy(dst, src, PAGE_SIZE);
}

void arch_poison(void *p, size_t bytes)
{
    memset(p, JUNK, bytes);
    (void)POISON(p, bytes);
}

void arch_unpoison(void *p, size_t bytes)
{
    (void)UNPOISON(p, bytes);
}

void arch_poison_zeroes(void *p, size_t bytes)
{
    POISON(p, bytes);
}

/* Whoever gets memory that should be clean has a check of it for free. */
void arch_unpoison_zeroes(void *p, size_t bytes)
{
    UNPOISON(p, bytes);
#ifndef HOST_ASAN
    VALGRIND_MAKE_MEM_DEFINED(p, bytes);
#endif
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        if (((uint64_t *)p)[i])
            arch_panic("INV-HEAP-4: a clean frame is not");
}

bool arch_fail_allocation(void)
{
    if (fail_countdown == 0 || --fail_countdown > 0)
        return false;
    fail_injected = true;
    return true;
}

void arch_m2p_set(mfn_t m, uint64_t pfn)
{
    if (pfn == UINT64_MAX && ++work.now > work.longest)
        work.longest = work.now;
    __atomic_store_n(&m2p[m.n], pfn, __ATOMIC_RELAXED);
}

uint64_t arch_m2p_get(mfn_t m)
{
    return __atomic_load_n(&m2p[m.n], __ATOMIC_RELAXED);
}

/* Not present, and different for each owner and slot, so that tests can tell who filled them. */
void arch_l4_fill(uint64_t *table, domid_t owner)
{
    for (uint64_t slot = 256; slot < 272; slot++)
        table[slot] = UINT64_C(0x4c41) << 48 | (uint64_t)owner << 16 | slot << 1;
}

unsigned arch_phys_bits(void)
{
    return 40;
}

void (*host_irqs_on)(void);

enum io_access arch_io_access(mfn_t m)
{
    if (m.n >= UINT64_C(1) << (40 - PAGE_SHIFT) || m.n == HOST_OWN_DEVICE)
        return IO_NONE;
    return m.n == HOST_SEEN_DEVICE ? IO_READ_ONLY : IO_ALL;
}

void arch_cache_flush_frame(mfn_t m)
{
    (void)m;
    cache_flushes++;
}

void arch_cache_flush(void)
{
    cache_flushes++;
}

void host_set_noise(bool on)
{
    atomic_store(&noise, on);
}

unsigned host_cache_flush_count(void)
{
    return cache_flushes;
}

uint64_t arch_l1tf_limit(void)
{
    return l1tf_limit;
}

void host_set_l1tf_limit(uint64_t limit)
{
    l1tf_limit = limit;
}

/* The table is nowhere in the host machine's RAM; tests look for these. */
unsigned arch_m2p_extent_count(void)
{
    return 3;
}

mfn_t arch_m2p_extent(unsigned i)
{
    return mfn(i == 1 ? 0 : 0x100 + i);
}

/* Nothing is kept back of the host machine's RAM. */
uint64_t arch_ram_pages(void)
{
    return low_end - HOST_LOW_START + high_end - HOST_HIGH_START;
}

uint64_t arch_boot_pages(void)
{
    return 0;
}
