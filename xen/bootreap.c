/* SPDX-License-Identifier: MIT
 *
 * Who has ended is taken apart, in steps, by a timer on CPU 0; there it is also built anew, with
 * the same name and another id, once nothing of it is left:
 *
 *     runs --(bootdomains_ended)--> dying --(domain_kill)--> gone
 *      ^                                                      | a restart is wanted
 *      +---------(bootbuild_step says 0)---- in building <----+
 *
 * While CPU 0 has nobody to run, a step lasts until somebody turns up. Otherwise it takes STEP_NS, and
 * then as much time is left to the guests of CPU 0 as it took:
 *
 *     CPU 0:  step | guest | step | guest | ...      half of the CPU, and no guest waits for long
 *
 * A domain that comes to grief at each start would otherwise do nothing but start: after
 * QUICK_ENDS_MAX ends in a row, each within QUICK_NS of the start, it is not built any more, and
 * counts as failed.
 *
 * When the control domain crashes, restarts, or switches the machine off, the host goes down: nobody
 * is left who could manage its guests. All other domains are ended and taken apart, those too that no
 * module made: but not before the control domain's vCPUs have stopped, which may be at it
 * themselves. Should that last too long, the host does not wait for it. A control domain that just
 * ends is one domain less: those of modules need none.
 *
 * When the last domain is gone, the host says what became of them and whether all memory came back,
 * and powers off. Modules that were freed meanwhile make the heap larger, so what is compared is
 * the memory in use.
 */
#include "xen/books.h"
#include "xen/bootreap.h"

#include <lagan/printk.h>
#include <lagan/string.h>

#include "arch_inline.h"
#include "mm/heap.h"
#include "mm/type.h"
#include "ubc/ubc.h"
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/power.h"
#include "xen/bootdomains.h"
#include "xen/bootmodule.h"
#include "xen/console.h"
#include "xen/control.h"
#include "xen/options.h"
#include "xen/store_service.h"
#include "xen/timer.h"

#define REAP_INTERVAL_NS UINT64_C(50000)
#define STEP_NS          UINT64_C(50000) /* then a domain's end makes way for guests, as for events */
#define BUILD_STEPS      64              /* of building at a time: some wait for something */
/* While a domain waits for others: to make room, or to let go of its frames (which is told as well). */
#define PATIENT_INTERVAL_NS UINT64_C(20000000)
#define QUICK_NS            UINT64_C(10000000000)
#define QUICK_ENDS_MAX      5
#define DOWN_NS             UINT64_C(10000000000) /* as long the host's end may last */

/* How the machine's power-off tells a test runner what happened (through QEMU's exit port). */
enum host_status { HOST_ALL_WELL = 0x10, HOST_DOMAIN_FAILED = 0x11, HOST_MEMORY_LOST = 0x13 };

/* Reasons that nobody asked for, the watchdog's among them, are counted as one. */
#define REASON_OTHER (SHUTDOWN_crash + 1)

struct boot_domain {
    struct domain *_Atomic d; /* with a reference; NULL while there is none */
    _Atomic bool dying;       /* it has ended: the reaper takes it apart */
    bool held;                /* ... which waits for others to let go of its frames */
    /* The reaper's, and before the first domain runs the boot's. */
    const struct boot_recipe *recipe;
    bool waiting;             /* to be built: one at a time is */
    bool holds_modules;       /* they are not free yet, since it may be built (again) */
    uint64_t not_before;      /* it waits at least until then; UINT64_MAX: for another's end */
    struct boot_build *build; /* NULL unless it is being built anew */
    uint64_t started_ns;
    uint64_t work_began,
        work_ns;         /* its end or its being built anew: since when, what it took so far */
    uint64_t end_pages;  /* the pages that it had */
    unsigned quick_ends; /* in a row, so far */
    int reason;          /* how it ended last */
};

static struct {
    struct boot_domain domain[BOOT_MODULES_MAX];
    unsigned count;
    unsigned failed;                          /* lines or images that were no good */
    _Atomic unsigned ended[REASON_OTHER + 1]; /* by reason: several CPUs may count at a time */
    uint64_t used_before;                     /* pages in use before the first was built */
    _Atomic bool off_wanted;                  /* the control domain's next end is the host's */
    _Atomic bool going_down;                  /* the control domain has ended so */
    _Atomic int down_reason;
    uint64_t down_by;    /* 0: the reaper does not know of it yet */
    _Atomic bool let_go; /* somebody has let go of a dying domain's last frame */
    struct timer reaper;
    struct timer limit; /* goes off when a step has lasted long enough */
} boot;

static bool may_restart(const struct boot_recipe *r)
{
    return r->on_reboot == MODLINE_RESTART || r->on_crash == MODLINE_RESTART;
}

/* ---- the end of the host ---- */

static uint64_t used_pages(void)
{
    slab_trim();
    return heap_total_pages() - heap_free_pages();
}

/* A test runner's way out comes before the machine's own. */
static LAGAN_NORETURN void end_machine(enum host_status status)
{
    bool off = !boot.going_down || boot.down_reason == SHUTDOWN_poweroff;

    if (!off)
        log_warn("dom0 has ended: the host %s\n",
                 options.noreboot ? "stops (noreboot)" : "restarts");
    machine_qemu_exit(status);
    if (off)
        machine_power_off();
    if (options.noreboot)
        machine_halt();
    machine_restart();
}

static void finish_host(void)
{
    struct books books;
    uint64_t used, total = heap_total_pages();
    unsigned crashes = boot.ended[SHUTDOWN_crash], others = boot.ended[REASON_OTHER];
    enum host_status status = HOST_ALL_WELL;

    ubc_stop();
    used = used_pages();
    if (crashes || others || boot.failed)
        status = HOST_DOMAIN_FAILED;
    log_info(
        "all domains have ended: %u poweroff, %u reboot, %u suspend, %u crash, %u other, %u not "
        "started\n",
        boot.ended[SHUTDOWN_poweroff], boot.ended[SHUTDOWN_reboot], boot.ended[SHUTDOWN_suspend],
        crashes, others, boot.failed);
    log_info("free memory: %lu pages, before the first domain %lu\n", total - used,
             total - boot.used_before);
    books_print();
    if (used != boot.used_before || !books_add_up(&books) || mm_audit() || ubc_audit()) {
        log_err("memory was lost\n");
        status = HOST_MEMORY_LOST;
    }
    end_machine(status);
}

/* ---- one domain ---- */

void bootreap_refuse(const char *name, const char *why)
{
    log_err("domain %s ended: error: %s\n", name[0] ? name : "?", why);
    boot.failed++;
}

/* It will not be built again: its modules have a user less. */
static void give_up(struct boot_domain *b)
{
    if (!b->holds_modules)
        return;
    b->holds_modules = false;
    bootmodule_put(b->recipe->kernel);
    bootmodule_put(b->recipe->ramdisk);
}

static struct boot_domain *find_recipe(const char *name)
{
    for (unsigned i = 0; i < boot.count; i++)
        if (strcmp(boot.domain[i].recipe->config.name, name) == 0)
            return &boot.domain[i];
    return NULL;
}

/* From now on its delay passes. */
static void let_come(struct boot_domain *b)
{
    b->not_before = arch_time_ns() + b->recipe->delay_ns;
}

/* It has ended for good, or will never be: whoever was to come after it comes. They stand behind it in the table, so the
 * reaper's round gets to them. */
static void make_way(struct boot_domain *b)
{
    give_up(b);
    for (struct boot_domain *o = b + 1; o < &boot.domain[boot.count]; o++)
        if (o->waiting && o->not_before == UINT64_MAX && find_recipe(o->recipe->after) == b)
            let_come(o);
}

static bool wants_restart(const struct boot_domain *b)
{
    switch (b->reason) {
    case SHUTDOWN_reboot:
        return b->recipe->on_reboot == MODLINE_RESTART;
    case SHUTDOWN_crash:
    case SHUTDOWN_watchdog:
        return b->recipe->on_crash == MODLINE_RESTART;
    default:
        return false;
    }
}

/* The domain is gone; what now? */
static void after_the_end(struct boot_domain *b)
{
    if (!wants_restart(b)) {
        make_way(b);
        return;
    }
    b->quick_ends = arch_time_ns() - b->started_ns < QUICK_NS ? b->quick_ends + 1 : 0;
    b->waiting = b->quick_ends < QUICK_ENDS_MAX;
    if (b->waiting)
        return;
    bootreap_refuse(b->recipe->config.name, "it ends soon after each start: not built anew");
    make_way(b);
}

static void let_run(struct boot_domain *b, struct domain *d)
{
    b->started_ns = arch_time_ns();
    b->dying = false;
    b->work_ns = 0;
    b->d = d; /* from here on bootdomains_ended() finds it */
    domain_unpause(d);
    store_service_tell();
}

static int take_apart(struct boot_domain *b)
{
    struct domain *d = b->d;
    uint64_t began = arch_time_ns();
    int rc;

    b->end_pages = max_u64(b->end_pages, d->account.pages);
    rc = domain_kill(d);
    b->held = rc == -XEN_EAGAIN;
    b->work_ns += arch_time_ns() - began;
    if (rc)
        return rc;
    log_info("domain %s is gone: %lu pages given back in %lu us, over %lu ms\n", d->name,
             b->end_pages, b->work_ns / 1000, (arch_time_ns() - b->work_began) / 1000000);
    b->end_pages = b->work_ns = 0;
    b->work_began = arch_time_ns();
    b->d = NULL;
    domain_put(d);
    after_the_end(b);
    return b->waiting ? -XEN_ERESTART : 0;
}

/* The first whose time has come, if none is at it: kernels are large while they are unpacked. */
static void begin_next(void)
{
    struct boot_domain *first = NULL;
    uint64_t now = arch_time_ns();

    for (unsigned i = boot.count; i-- > 0;) {
        if (boot.domain[i].build)
            return;
        if (boot.domain[i].waiting && now >= boot.domain[i].not_before)
            first = &boot.domain[i];
    }
    if (!first)
        return;
    first->waiting = false;
    first->build = bootbuild_begin(first->recipe, true);
    if (!first->build) {
        bootreap_refuse(first->recipe->config.name, "no memory for building it anew");
        make_way(first);
    }
}

/* Its steps are short ones: as many as there is time for. */
static int build_anew(struct boot_domain *b)
{
    uint64_t began = arch_time_ns();
    const char *why;
    struct domain *d;
    int rc = -XEN_ERESTART;

    for (unsigned n = 0; n < BUILD_STEPS && rc == -XEN_ERESTART; n++) {
        rc = bootbuild_step(b->build, &why);
        if (arch_preempt_pending())
            break;
    }
    b->work_ns += arch_time_ns() - began;
    if (rc == -XEN_ERESTART || rc == -XEN_EAGAIN)
        return rc;
    d = bootbuild_end(b->build);
    b->build = NULL;
    if (rc) {
        bootreap_refuse(b->recipe->config.name, why);
        make_way(b);
        return 0;
    }
    if (!may_restart(b->recipe))
        give_up(b);
    log_info("domain %s is built anew: in %lu us, over %lu ms\n", d->name, b->work_ns / 1000,
             (arch_time_ns() - b->work_began) / 1000000);
    let_run(b, d);
    return 0;
}

/* ---- all of them ---- */

/* The last domain that was not there for others has gone: they have nothing to do any more. */
static void end_services(void)
{
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d)
            domain_shutdown(boot.domain[i].d, SHUTDOWN_poweroff);
}

static bool is_of_a_module(const struct domain *d)
{
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d == d)
            return true;
    return false;
}

static bool control_has_stopped(void)
{
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d && boot.domain[i].d->privileged)
            return boot.domain[i].d->teardown_step > 0;
    return true;
}

static void forget_waiting(void)
{
    for (unsigned i = 0; i < boot.count; i++) {
        if (!boot.domain[i].waiting)
            continue;
        boot.domain[i].waiting = false;
        give_up(&boot.domain[i]);
    }
}

/* A step towards the end of every domain. How many are left that no module made: the others have
 * their place in the table. */
static unsigned end_everybody(void)
{
    bool may_kill = control_has_stopped();
    unsigned left = 0;
    domid_t next = 0;
    struct domain *d;

    forget_waiting();
    while ((d = domain_find_next(next))) {
        next = (domid_t)(d->id + 1);
        domain_shutdown(d, SHUTDOWN_poweroff);
        if (!is_of_a_module(d))
            left += !may_kill || domain_kill(d);
        domain_put(d);
    }
    return left;
}

/* What of the host's end there is to do: how many domains are left that no module made. */
static unsigned go_down(uint64_t now)
{
    if (boot.down_by == 0)
        boot.down_by = now + DOWN_NS;
    if (now > boot.down_by) {
        log_warn("domains are left that do not end: the host does not wait for them\n");
        end_machine(HOST_DOMAIN_FAILED);
    }
    return end_everybody();
}

/* What there is to do for one, and when there is more of it: UINT64_MAX if something else has to
 * happen first. */
static uint64_t reap_one(struct boot_domain *b, uint64_t soon)
{
    int rc = 0;

    if (b->d && b->dying)
        rc = take_apart(b);
    else if (b->build)
        rc = build_anew(b);
    if (rc == -XEN_ERESTART)
        return soon;
    if (rc == -XEN_EAGAIN)
        return soon + PATIENT_INTERVAL_NS;
    return b->waiting ? max_u64(soon, b->not_before) : UINT64_MAX;
}

static bool anyone_dying(void)
{
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d && boot.domain[i].dying && !boot.domain[i].held)
            return true;
    return false;
}

/* Who has ended since we looked at it has set the timer before us, and would have to wait. */
static void come_again(struct timer *t, uint64_t next, uint64_t soon, uint64_t not_before)
{
    timer_set(t, max_u64(next, not_before));
    if (next > soon && (anyone_dying() || boot.let_go))
        timer_set(t, max_u64(soon, not_before));
}

/* As bootdomains_ended(): the reaper may be about to set its timer, and sees the flag then. */
static void somebody_let_go(void)
{
    boot.let_go = true;
    timer_set(&boot.reaper, 0);
}

/* That it has interrupted the step is all there is to do (arch_preempt_pending()). */
static void enough(struct timer *t)
{
    (void)t;
}

/* Somebody who was woken by the step gets to run before the next one, too. */
static uint64_t pause_until(uint64_t began, bool busy)
{
    uint64_t now = arch_time_ns();

    return now + (busy ? max_u64(now - began, REAP_INTERVAL_NS) : REAP_INTERVAL_NS);
}

/* One step for each that has ended or is to begin. */
static void reap(struct timer *t)
{
    bool busy = sched_current() != NULL;
    uint64_t began = arch_time_ns(), soon = began + REAP_INTERVAL_NS, next = UINT64_MAX;
    unsigned left = boot.going_down ? go_down(began) : 0, services = 0;

    if (left)
        next = soon;
    if (busy)
        timer_set(&boot.limit, began + STEP_NS);
    timer_let_interrupt();
    boot.let_go = false;
    begin_next();
    for (unsigned i = 0; i < boot.count; i++) {
        struct boot_domain *b = &boot.domain[i];

        if (next != UINT64_MAX && b->d && b->dying && arch_preempt_pending())
            next = min_u64(next, soon); /* somebody has had a step */
        else
            next = min_u64(next, reap_one(b, soon));
        left += b->d || b->build || b->waiting;
        services += b->d && b->recipe->service;
    }
    if (left && left == services)
        end_services();
    /* What is left then was made by a control domain that is gone. */
    if (next == UINT64_MAX && !left && go_down(began))
        next = soon;
    if (next != UINT64_MAX)
        come_again(t, next, soon, pause_until(began, busy));
    else if (!left)
        finish_host();
}

static const char *reason_name(int reason)
{
    static const char *const names[] = {"poweroff", "reboot",   "suspend",
                                        "crash",    "watchdog", "soft reset"};

    return reason >= 0 && reason < (int)ARRAY_SIZE(names) ? names[reason] : "other";
}

static bool ends_host(int reason)
{
    return reason != SHUTDOWN_poweroff && reason != SHUTDOWN_suspend;
}

void bootdomains_end_host(void)
{
    boot.off_wanted = true;
}

/* On any CPU, several at a time. The reaper on CPU 0 sees `dying` at the latest when the timer that
 * is set after it fires; it cannot take the domain apart before its vCPU that is here has left. */
void bootdomains_ended(struct domain *d)
{
    int reason = d->shutdown_reason;

    console_ring_drain(d);
    console_guest_flush(d);
    log_info("domain %s ended: %s\n", d->name, reason_name(reason));
    if (store_service_is(d))
        store_service_none();
    store_service_tell();
    if (d->privileged && (boot.off_wanted || ends_host(reason))) {
        boot.down_reason = reason;
        boot.going_down = true;
    }
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d == d) {
            atomic_fetch_add(&boot.ended[min_u64((unsigned)reason, REASON_OTHER)], 1);
            boot.domain[i].reason = reason;
            boot.domain[i].work_began = arch_time_ns();
            boot.domain[i].dying = true;
            timer_set(&boot.reaper, 0);
            return; /* from here on d may be gone at any moment, unless we run in it */
        }
}

LAGAN_INIT void bootreap_start(void)
{
    boot.count = boot.failed = 0;
    boot.off_wanted = boot.going_down = false;
    boot.down_by = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(boot.ended); i++)
        boot.ended[i] = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(boot.domain); i++)
        boot.domain[i] = (struct boot_domain){.d = NULL};
    timer_init(&boot.reaper, reap, 0);
    control_reaper_start();
    timer_init(&boot.limit, enough, 0);
    boot.let_go = false;
    accounts_watch(somebody_let_go);
    bootreap_count();
}

LAGAN_INIT void bootreap_count(void)
{
    boot.used_before = used_pages();
}

static void hold_modules(struct boot_domain *b)
{
    b->holds_modules = true;
    bootmodule_get(b->recipe->kernel);
    bootmodule_get(b->recipe->ramdisk);
}

LAGAN_INIT void bootreap_adopt(const struct boot_recipe *recipe, struct domain *d)
{
    struct boot_domain *b = &boot.domain[boot.count++];

    b->recipe = recipe;
    b->d = d;
    if (may_restart(recipe))
        hold_modules(b);
}

LAGAN_INIT void bootreap_later(const struct boot_recipe *recipe)
{
    struct boot_domain *b = &boot.domain[boot.count++];

    b->recipe = recipe;
    b->waiting = true;
    hold_modules(b);
}

void bootreap_run(void)
{
    if (boot.count == 0) {
        log_err("no domain to run\n");
        finish_host();
    }
    for (unsigned i = 0; i < boot.count; i++) {
        struct boot_domain *b = &boot.domain[i];

        if (!b->waiting)
            let_run(b, b->d);
        else if (b->recipe->after && find_recipe(b->recipe->after)) /* else it was refused */
            b->not_before = UINT64_MAX;
        else
            let_come(b);
    }
    timer_set(&boot.reaper, 0); /* there may be only services, with nobody to serve */
}
