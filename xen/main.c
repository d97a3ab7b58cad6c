/* SPDX-License-Identifier: MIT
 *
 * The portable end of the boot: the machine works, all CPUs are there; now the domains.
 */
#include <lagan/arch.h>
#include <lagan/printk.h>

#include "arch_inline.h"
#include "mm/heap.h"
#include "mm/pcache.h"
#include "mm/type.h"
#include "ubc/ubc.h"
#include "xen/arch/x86/cpu_begin.h"
#include "xen/arch/x86/ctx.h"
#include "xen/arch/x86/initmem.h"
#include "xen/arch/x86/pirq.h"
#include "xen/arch/x86/smp.h"
#include "xen/arch/x86/start.h"
#include "xen/arch/x86/stuck.h"
#include "xen/bootdomains.h"
#include "xen/bootreap.h"
#include "xen/books.h"
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/pressure.h"
#include "xen/sched.h"
#include "xen/stop.h"
#include "xen/timer.h"

/* ---- debug keys ---- */

/* Something that wants the host to stand still. The other CPUs may be busy for longer than stop_begin() waits: then it
 * is tried again from a timer, since a person who has pressed a key waits for the answer and not for advice. */
struct still_look {
    void (*look)(void); /* the others stand still */
    void (*tell)(void); /* they go on; NULL: nothing */
    struct timer timer;
    unsigned tries;
    bool ready;
};

#define TRIES    300
#define PAUSE_NS UINT64_C(10000000)

static void look_at_once(struct still_look *l)
{
    if (!stop_begin()) {
        if (++l->tries < TRIES)
            timer_set(&l->timer, arch_time_ns() + PAUSE_NS);
        else
            log_warn("the other CPUs have work to do: try again\n");
        return;
    }
    l->look();
    stop_end();
    if (l->tell)
        l->tell();
}

static void look_again(struct timer *t)
{
    look_at_once(container_of(t, struct still_look, timer));
}

static void look_when_still(struct still_look *l)
{
    if (!l->ready)
        timer_init(&l->timer, look_again, arch_cpu());
    l->ready = true;
    timer_stop(&l->timer);
    l->tries = 0;
    look_at_once(l);
}

/* Else frames that are on their way would be missing. */
static void print_books(void)
{
    books_print();
    books_print_causes();
}

static void dump_memory(void)
{
    static struct still_look books = {.look = print_books};

    look_when_still(&books);
}

static unsigned audit_faults;

/* Its messages go to the log. */
static void run_audit(void)
{
    audit_faults = mm_audit() + pcache_audit() + ubc_audit();
}

static void tell_audit(void)
{
    log_warn("audit: %u faults, %lu references held outside of page tables%s\n", audit_faults,
             (unsigned long)mm_audit_held(), mm_audit_complete() ? "" : ": not complete");
}

static void audit_memory(void)
{
    static struct still_look audit = {.look = run_audit, .tell = tell_audit};

    look_when_still(&audit);
}

static void crash_on_purpose(void)
{
    arch_panic("asked for by a debug key");
}

#ifdef LAGAN_DEBUG
#define DEBUG_BUILD_KEYS {'S', "the last CPU gets stuck, to see the watchdog", stuck_cpu},
#else
#define DEBUG_BUILD_KEYS
#endif

const struct debug_key debug_keys[] = {
    DEBUG_BUILD_KEYS{'q', "domains", domain_dump_all},
    {'p', "memory pressure", pressure_dump},
    {'r', "run queues", sched_dump},
    {'i', "device interrupts", pirq_dump},
    {'m', "memory", dump_memory},
    {'A', "recounts all frames while the host stands still", audit_memory},
    {'C', "crash the host, to see the dump", crash_on_purpose},
    {0, NULL, NULL}};

/* ---- the end of the boot ---- */

void ap_main(void)
{
    cpu_begin();
    smp_mark_online();
    idle_loop();
}

/* Not part of the code that goes here. */
static LAGAN_NORETURN LAGAN_NOINLINE void end_of_boot(void)
{
    initmem_release();
    bootreap_run();
    books_print();
    idle_loop();
}

LAGAN_INIT void xen_main(void)
{
    log_info("%u CPUs, %lu MiB free of %lu MiB in the heap\n", cpumask_count(arch_online_cpus()),
             heap_free_pages() >> (20 - PAGE_SHIFT), heap_total_pages() >> (20 - PAGE_SHIFT));
    bootdomains_start(&boot_info);
    end_of_boot();
}
