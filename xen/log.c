/* SPDX-License-Identifier: MIT
 *
 * The log.
 *
 * A message is formatted on the caller's stack, then goes, under the console lock, to the ring and
 * to the console, each of its lines with "(LAGAN) " in front. The ring keeps every message of ours
 * whatever its level, so that dom0 finds there afterwards what the console did not show; messages
 * that a guest can provoke are kept only as far as guest_loglvl lets them through.
 *
 * A line may be written in parts. Another CPU's line can then come between the parts, which we
 * accept: the part that follows just starts a line of its own where the other one has ended.
 *
 * INV-LOG-1: end - oldest <= LOG_RING_BYTES; the byte with index i is ring[i % LOG_RING_BYTES].
 *            Indices wrap at 2^32, a multiple of the ring's size.
 * INV-LOG-2: the ring and the console change only under log.lock, or after log_enter_crash(), when
 *            the other CPUs are on their way to a halt and a torn line is the lesser evil.
 */
#include <lagan/lock.h>
#include <lagan/string.h>
#include <lagan/vsnprintf.h>
#include <stdatomic.h>
#include "arch_inline.h"
#include "xen/log.h"
#include "xen/softirq.h"

#define MESSAGE_BYTES 512
#define LINE_PREFIX   "(LAGAN) "

/* A guest may have this many messages through at once, and again as many per period. */
#define RATE_BURST     10
#define RATE_PERIOD_NS UINT64_C(5000000000)

STATIC_ASSERT((LOG_RING_BYTES & (LOG_RING_BYTES - 1)) == 0);

struct rate {
    uint64_t period_start;
    unsigned passed, held_back;
};

static struct {
    struct spinlock lock;            /* LK_CONSOLE */
    char ring[LOG_RING_BYTES];       /* [l] */
    uint32_t oldest, end;            /* [l] */
    bool line_open;                  /* [l] the last message did not end in a newline */
    bool shown_open;                 /* [l] as above, among those that reached the console */
    unsigned part_of;                /* [l] whose unfinished line the console shows; 0: nobody's */
    unsigned part_column;            /* [l] characters of it behind the prefix */
    bool console_ready;              /* [l] */
    struct rate own_rate;            /* [l] */
    struct rate guest_rate;          /* [l] */
    struct log_threshold own, guest; /* [c] after boot */
    _Atomic bool crashing;           /* [a] */
} log_state = {
    .lock = SPINLOCK_INIT(LK_CONSOLE),
    .own = {LOG_INFO + 1, LOG_INFO + 1},
    .guest = {0, LOG_WARNING + 1},
};

/* True: the lock is held. False: the machine is crashing, and there is no lock to hold. */
static bool enter(void) LAGAN_NO_TSA
{
    /* Not spin_lock(): the holder may be the CPU that crashed, which will never let go. */
    while (!atomic_load(&log_state.crashing)) {
        if (spin_trylock(&log_state.lock))
            return true;
        arch_relax();
    }
    return false;
}

static void leave(bool locked) LAGAN_NO_TSA
{
    if (locked)
        spin_unlock(&log_state.lock);
}

/* As above; grown: the ring has more than before. Whoever reads it is told from a softirq, since we may
 * be called with any lock held; what comes until then is told together. */
static void leave_ring(bool locked, bool grown)
{
    leave(locked);
    if (locked && grown)
        softirq_raise(SOFTIRQ_LOG);
}

static void ring_put(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        log_state.ring[log_state.end++ % LOG_RING_BYTES] = text[i];
        if (log_state.end - log_state.oldest > LOG_RING_BYTES)
            log_state.oldest = log_state.end - LOG_RING_BYTES;
    }
}

static void show(const char *text, size_t bytes)
{
    if (log_state.console_ready || atomic_load(&log_state.crashing))
        arch_console_write(text, bytes, atomic_load(&log_state.crashing));
}

/* Somebody else's line, which is not finished, is left as it is. Lock held. */
static void end_part(void)
{
    if (log_state.part_of)
        show("\n", 1);
    log_state.part_of = log_state.part_column = 0;
}

/* Gives the text to `put` line by line, with the prefix before each line that *open does not
 * continue. */
static void put_lines(void (*put)(const char *, size_t), bool *open, const char *text, size_t bytes)
{
    while (bytes > 0) {
        size_t n = 0;

        while (n < bytes && text[n++] != '\n')
            ;
        if (!*open)
            put(LINE_PREFIX, sizeof(LINE_PREFIX) - 1);
        put(text, n);
        *open = text[n - 1] != '\n';
        text += n;
        bytes -= n;
    }
}

/* Counts one message against the rate; true if it may pass. A new period reports what the last one
 * ate. */
static bool rate_allows(struct rate *r, unsigned *held_back)
{
    uint64_t now = arch_time_ns();

    *held_back = 0;
    if (now - r->period_start >= RATE_PERIOD_NS) {
        *held_back = r->held_back;
        *r = (struct rate){.period_start = now};
    }
    if (r->passed < RATE_BURST) {
        r->passed++;
        return true;
    }
    r->held_back++;
    return false;
}

static bool level_passes(const struct log_threshold *t, struct rate *r, unsigned level)
{
    char note[64];
    unsigned held_back;

    if (level < t->always)
        return true;
    if (level >= t->limited || !rate_allows(r, &held_back))
        return false;
    if (held_back > 0) {
        int n = snprintf(note, sizeof(note), "(%u messages were held back)\n", held_back);

        end_part();
        put_lines(ring_put, &log_state.line_open, note, (size_t)n);
        put_lines(show, &log_state.shown_open, note, (size_t)n);
    }
    return true;
}

/* Formats into buf[MESSAGE_BYTES]; a message that does not fit ends in "...\n". Returns its length.
 */
static size_t format(char *buf, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));

static size_t format(char *buf, const char *fmt, va_list args)
{
    int n = vsnprintf(buf, MESSAGE_BYTES, fmt, args);

    if (n < MESSAGE_BYTES)
        return n > 0 ? (size_t)n : 0;
    memcpy(buf + MESSAGE_BYTES - 5, "...\n", 5);
    return MESSAGE_BYTES - 1;
}

void vprintk(enum log_level level, const char *fmt, va_list args)
{
    char message[MESSAGE_BYTES];
    size_t bytes = format(message, fmt, args);
    bool locked = enter();

    if (level_passes(&log_state.own, &log_state.own_rate, level)) {
        end_part();
        put_lines(show, &log_state.shown_open, message, bytes);
    }
    put_lines(ring_put, &log_state.line_open, message, bytes);
    leave_ring(locked, true);
}

void printk(enum log_level level, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vprintk(level, fmt, args);
    va_end(args);
}

void printk_guest(enum log_level level, const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    bool locked, passes;
    size_t bytes;
    va_list args;

    va_start(args, fmt);
    bytes = format(message, fmt, args);
    va_end(args);
    locked = enter();
    passes = level_passes(&log_state.guest, &log_state.guest_rate, level);
    if (passes) {
        end_part();
        put_lines(show, &log_state.shown_open, message, bytes);
        put_lines(ring_put, &log_state.line_open, message, bytes);
    }
    leave_ring(locked, passes);
}

LAGAN_INIT void log_set_thresholds(struct log_threshold own, struct log_threshold guest)
{
    ASSERT(own.always <= own.limited && guest.always <= guest.limited);
    log_state.own = own;
    log_state.guest = guest;
}

LAGAN_INIT void log_console_ready(void)
{
    bool locked = enter();
    uint32_t i = log_state.oldest;

    log_state.console_ready = true;
    while (i != log_state.end) {
        uint32_t offset = i % LOG_RING_BYTES;
        uint32_t run = (uint32_t)min_u64(log_state.end - i, LOG_RING_BYTES - offset);

        show(log_state.ring + offset, run);
        i += run;
    }
    log_state.shown_open = log_state.line_open;
    leave(locked);
}

static void write_raw(const char *text, size_t bytes, bool logged)
{
    bool locked = enter();

    if (bytes > 0) {
        end_part();
        show(text, bytes);
        log_state.shown_open = false;
    }
    if (bytes > 0 && logged) {
        ring_put(text, bytes);
        log_state.line_open = false;
    }
    leave_ring(locked, bytes > 0 && logged);
}

void console_write(const char *text, size_t bytes)
{
    write_raw(text, bytes, false);
}

void console_write_logged(const char *text, size_t bytes)
{
    write_raw(text, bytes, true);
}

void console_write_part(unsigned owner, const char *prefix, unsigned rub_out, const char *text,
                        size_t bytes)
{
    bool locked = enter();

    if (log_state.part_of != owner) {
        end_part();
        show(prefix, strlen(prefix));
        log_state.shown_open = false;
        log_state.part_of = owner;
    }
    for (; rub_out > 0 && log_state.part_column > 0; rub_out--, log_state.part_column--)
        show("\b \b", 3);
    show(text, bytes);
    log_state.part_column += (unsigned)bytes;
    if (bytes > 0 && text[bytes - 1] == '\n')
        log_state.part_of = log_state.part_column = 0;
    leave(locked);
}

void log_enter_crash(void)
{
    atomic_store(&log_state.crashing, true);
}

uint32_t log_oldest(void)
{
    bool locked = enter();
    uint32_t oldest = log_state.oldest;

    leave(locked);
    return oldest;
}

uint32_t log_end(void)
{
    bool locked = enter();
    uint32_t end = log_state.end;

    leave(locked);
    return end;
}

/* True if the byte with this index is in the ring or the next one to come. */
static bool index_inside(uint32_t index)
{
    return index - log_state.oldest <= log_state.end - log_state.oldest;
}

size_t log_read(uint32_t *index, char *dst, size_t bytes)
{
    bool locked = enter();
    uint32_t i = index_inside(*index) ? *index : log_state.oldest;
    size_t n = 0;

    while (n < bytes && i != log_state.end)
        dst[n++] = log_state.ring[i++ % LOG_RING_BYTES];
    leave(locked);
    *index = i;
    return n;
}

void log_forget(uint32_t index)
{
    bool locked = enter();

    if (index_inside(index))
        log_state.oldest = index;
    leave(locked);
}
