/* SPDX-License-Identifier: MIT
 *
 * Boot modules become domains, end, and the host says what became of them.
 */
#include <stdio.h>
#include <string.h>

#include "unittests/boot_world.h"
#include "unittests/elf_kit.h"
#include "xen/arch/x86/layout.h"
#include "mm/frame.h"
#include "xen/bootdomains.h"
#include "xen/options.h"
#include "xen/wallclock.h"

static void two_domains(void)
{
    struct domain *d;

    start(6000);
    module("domain name=a mem=5M vcpus=2 weight=512 cap=50 cpus=1 maxmem=6M -- hello world");
    module("domain name=b mem=5M ramdisk=r on_reboot=destroy");
    module("ramdisk name=r");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 2);
    d = domain_find(1);
    CU_ASSERT(d->account.pages == 1280 && d->account.max_pages == 1536 && d->vcpu_count == 2);
    CU_ASSERT(d->sched.weight == 512 && d->sched.cap == 50 && d->pause_count == 0);
    CU_ASSERT_EQUAL(d->vcpu[1]->sched.unit.affinity.bits, 2);
    core_settle();
    CU_ASSERT(core_runs(d->vcpu[0]) && d->vcpu[0]->sched.cpu == 1);
    domain_put(d);
    core_audit();
    end_domain(1, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end_domain(2, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x10);
    CU_ASSERT(said(host_log(), "1 poweroff, 1 reboot, 0 suspend, 0 crash, 0 other, 0 not started"));
    CU_ASSERT_EQUAL(domain_count(), 0);
}

static void verdicts(void)
{
    static const struct {
        int reason, status;
        const char *text;
    } table[] = {{SHUTDOWN_poweroff, 0x10, "ended: poweroff"},
                 {SHUTDOWN_suspend, 0x10, "ended: suspend"},
                 {SHUTDOWN_crash, 0x11, "ended: crash"},
                 {SHUTDOWN_watchdog, 0x11, "ended: watchdog"},
                 {77, 0x11, "ended: other"},
                 {-5, 0x11, "ended: other"}};

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        start(3000);
        module("domain name=a mem=5M");
        CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
        end_domain(1, table[i].reason);
        CU_ASSERT_EQUAL(host_runs(1000000), table[i].status);
        CU_ASSERT(said(host_log(), table[i].text));
    }
}

/* A domain that reboots is there again, under another id; one that does nothing else is given up. */
static void reboots(void)
{
    start(6000);
    module("domain name=a mem=5M vcpus=2");
    module("domain name=b mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    for (domid_t id = 3; id < 7; id++) {
        struct domain *d;

        end_domain(id == 3 ? 1 : id - 1, SHUTDOWN_reboot);
        CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
        d = domain_find(id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(d);
        CU_ASSERT(strcmp(d->name, "a") == 0 && d->vcpu_count == 2 && d->account.pages == 1280);
        CU_ASSERT(d->pause_count == 0 && domain_count() == 2);
        core_settle();
        CU_ASSERT(core_runs(d->vcpu[0]));
        domain_put(d);
        core_audit();
    }
    (void)host_log();
    end_domain(6, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain a ended: error: it ends soon after each start"));
    CU_ASSERT_EQUAL(domain_count(), 1);
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x11);
    CU_ASSERT(said(host_log(), "1 poweroff, 5 reboot, 0 suspend, 0 crash, 0 other, 1 not started"));
}

/* One that runs for a while between its reboots may do so for ever. */
static void slow_reboots(void)
{
    start(6000);
    module("domain name=a mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    for (domid_t id = 1; id < 20; id++) {
        end_domain(id, SHUTDOWN_reboot);
        CU_ASSERT_EQUAL(host_runs(id % 4 ? 1000000000 : 11000000000), CORE_RUNNING);
        CU_ASSERT_EQUAL(domain_count(), 1);
    }
    end_domain(20, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x10);
}

/* What the line says becomes of it. */
static void actions(void)
{
    static const struct {
        const char *line;
        int reason;
        bool again;
    } table[] = {
        {"domain name=a mem=5M on_reboot=destroy", SHUTDOWN_reboot, false},
        {"domain name=a mem=5M on_reboot=restart", SHUTDOWN_reboot, true},
        {"domain name=a mem=5M on_reboot=restart", SHUTDOWN_crash, false},
        {"domain name=a mem=5M on_reboot=destroy on_crash=restart", SHUTDOWN_crash, true},
        {"domain name=a mem=5M on_crash=restart", SHUTDOWN_watchdog, true},
        {"domain name=a mem=5M on_crash=restart", SHUTDOWN_poweroff, false},
        {"domain name=a mem=5M on_crash=restart", SHUTDOWN_suspend, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        start(6000);
        module(table[i].line);
        CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
        end_domain(1, table[i].reason);
        CU_ASSERT_EQUAL(host_runs(100000000) == CORE_RUNNING, table[i].again);
        CU_ASSERT_EQUAL(domain_count(), table[i].again);
        if (table[i].again) {
            end_domain(2, SHUTDOWN_poweroff);
            CU_ASSERT(host_runs(100000000) != CORE_RUNNING);
        }
    }
}

/* When a domain cannot be built anew, that is said, and nothing of it is left. */
static void no_second_time(void)
{
    struct domain *d;
    mfn_t m;

    start(6000);
    module("domain name=a mem=8M");
    module("domain name=b mem=5M maxmem=20M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    d = domain_find(2);
    end_domain(1, SHUTDOWN_reboot);
    host_preempt_every(1);      /* the shortest steps */
    while (domain_count() == 2) /* until nothing of it is left, and the new one is not there yet */
        CU_ASSERT_EQUAL_FATAL(host_runs(50000), CORE_RUNNING);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(domain_count(), 1);
    while (heap_free_pages() > 1000)
        CU_ASSERT_EQUAL_FATAL(account_alloc(&d->account, 0, HEAP_ANY, &m), 0);
    domain_put(d);
    (void)host_log();
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain a: waits for 2048 pages"));
    CU_ASSERT_EQUAL(host_runs(59000000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 2);
    CU_ASSERT_EQUAL(host_runs(2000000000), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain a ended: error: nobody makes room for its memory"));
    CU_ASSERT_EQUAL(domain_count(), 1);
    core_audit();
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x11);
}

/* A domain that comes later, when there is room for it: at once, after another has ended, or never. */
static void later(void)
{
    start(6000);
    module("domain name=a mem=16M on_reboot=destroy");
    module("domain name=b mem=5M delay=50 on_reboot=destroy");
    module("domain name=c mem=3M delay=20");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 1);
    (void)host_log();
    CU_ASSERT_EQUAL(host_runs(19000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 1);
    CU_ASSERT_EQUAL(host_runs(20000000), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain c: id 2, 3 MiB"));
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain b: waits for 1280 pages"));
    CU_ASSERT_EQUAL(heap_claimed_pages(), 0);
    end_domain(1, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT(said(host_log(), "domain b: id 3, 5 MiB"));
    CU_ASSERT_EQUAL(heap_claimed_pages(), 0);
    end_domain(2, SHUTDOWN_poweroff);
    end_domain(3, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x10);
}

/* One after the other: when the first is not built anew any more, and some time passed. */
static void one_after_another(void)
{
    start(6000);
    module("domain name=a mem=5M");
    module("domain name=b mem=3M after=a delay=50 on_reboot=destroy");
    module("domain name=c mem=3M after=b");
    module("domain name=d mem=3M after=d"); /* not of an earlier line: refused */
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    end_domain(1, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(host_runs(1000000000), CORE_RUNNING);
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(49000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 0);
    for (domid_t id = 3; id <= 4; id++) {
        CU_ASSERT_EQUAL(host_runs(60000000), CORE_RUNNING);
        CU_ASSERT_EQUAL(domain_count(), 1);
        end_domain(id, id == 3 ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
    }
    CU_ASSERT_EQUAL(host_runs(100000000), 0x11);
}

/* Whoever was to come first is refused at once, or cannot be built in the end. */
static void after_nobody(void)
{
    start(6000);
    module("domain name=b mem=3M ramdisk=none");
    module("domain name=c mem=50M after=b");
    module("domain name=d mem=3M after=c");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_EQUAL(host_runs(61000000000), CORE_RUNNING);
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x11);
}

/* Modules' memory is the heap's as soon as nobody can be built from them. */
static void modules_are_freed(void)
{
    static _Alignas(4096) uint8_t copies[5][ELF_KIT_BYTES];

    start(6000);
    module("domain name=a mem=5M on_reboot=destroy");
    module("domain name=b mem=5M ramdisk=r");
    module("ramdisk name=r");
    module("ramdisk name=nobodys");
    module("domain name=bad");
    for (unsigned i = 0; i < info.module_count; i++) {
        uint64_t at = (uint64_t)copies[i] - VA_DIRECT;

        memcpy(copies[i], elf_kit_file, ELF_KIT_BYTES);
        info.module[i].start = at;
        info.module[i].end = at + ELF_KIT_BYTES;
    }
    info.map[info.map_count++] = (struct boot_range){0x100000, UINT64_MAX, BOOT_RAM};
    core_released = 0;
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_EQUAL(core_released, 3 * ELF_KIT_BYTES);
    end_domain(1, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(core_released, 3 * ELF_KIT_BYTES);
    end_domain(2, SHUTDOWN_reboot);
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(core_released, 3 * ELF_KIT_BYTES);
    end_domain(3, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x11);
    CU_ASSERT_EQUAL(core_released, 5 * ELF_KIT_BYTES);
}

static void end_first(void)
{
    end_domain(1, SHUTDOWN_poweroff);
}

/* A domain that ends after the reaper has looked at it does not have to wait for the next to come. */
static void ended_meanwhile(void)
{
    static _Alignas(4096) uint8_t copies[3][ELF_KIT_BYTES];

    start(6000);
    module("domain name=a mem=5M");
    module("domain name=b mem=5M");
    module("domain name=c mem=5M delay=10000");
    for (unsigned i = 0; i < info.module_count; i++) {
        uint64_t at = (uint64_t)copies[i] - VA_DIRECT;

        memcpy(copies[i], elf_kit_file, ELF_KIT_BYTES);
        info.module[i].start = at;
        info.module[i].end = at + ELF_KIT_BYTES;
    }
    info.map[info.map_count++] = (struct boot_range){0x100000, UINT64_MAX, BOOT_RAM};
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    core_during_release = end_first;
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT_PTR_NULL(core_during_release);
    CU_ASSERT_EQUAL(domain_count(), 0);
    CU_ASSERT_EQUAL(host_runs(10000000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 1);
    end_domain(3, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), 0x10);
}

/* Modules at odd places stay for good. */
static void odd_modules(void)
{
    static const struct {
        struct boot_range ram;
        int64_t move; /* of the second module */
    } table[] = {
        {{0x100000, UINT64_MAX, BOOT_RESERVED}, 0x100000},
        {{0x100000, 0x200000, BOOT_RAM}, 0x100000},
        {{0x100000, UINT64_MAX, BOOT_RAM}, 0x1000}, /* over the first */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        start(6000);
        module("domain name=a mem=5M on_reboot=destroy");
        module("ramdisk name=r");
        info.module[1].start += (uint64_t)table[i].move;
        info.module[1].end += (uint64_t)table[i].move;
        info.map[info.map_count++] = table[i].ram;
        core_released = 0;
        CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
        CU_ASSERT_EQUAL(core_released, 0);
        end_domain(1, SHUTDOWN_poweroff);
        CU_ASSERT_EQUAL(host_runs(100000000), 0x10);
    }
}

/* A page that does not come back is noticed. */
static void lost_memory(void)
{
    start(3000);
    module("domain name=a mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_PTR_NOT_NULL(page_alloc(0, 0));
    end_domain(1, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x13);
    CU_ASSERT(said(host_log(), "memory was lost"));
}

/* A dying domain that waits for others is looked at rarely, and at once when they have let go. */
static void held_by_others(void)
{
    struct domain *d;
    mfn_t m;

    start(6000);
    module("domain name=a mem=5M");
    module("domain name=b mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    d = domain_find(1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    m = mfn(d->account.first);
    CU_ASSERT(frame_get(m, 1));
    domain_put(d);
    end_domain(1, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(30000000), CORE_RUNNING);
    CU_ASSERT(domain_count() == 2 && !said(host_log(), "domain a is gone"));
    frame_put(m);
    CU_ASSERT_EQUAL(host_runs(1000000), CORE_RUNNING); /* far less than a turn of the patient */
    CU_ASSERT(domain_count() == 1 && said(host_log(), "domain a is gone"));
    end_domain(2, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x10);
}

static void faults_are_named(void)
{
    static const struct {
        const char *line, *fault;
    } table[] = {
        {"domain name=good mem=5M", "domain good ended: error: its name is taken"},
        {"domain name=c mem=5M ramdisk=nothing", "domain c ended: error: there is no module"},
        {"domain name=c mem=100M", "domain c ended: error: not enough free memory"},
        {"domain name=c mem=1M", "domain c ended: error: too little memory"},
        {"domain name=c mem=5M vcpus=33", "domain c ended: error: vcpus=33"},
        {"domain mem=5M", "domain ? ended: error:"},
        {"domain name=c mem=5M cpus=9", "no CPU of cpus= is online"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        bool runs = i == ARRAY_SIZE(table) - 1;
        const char *log;

        start(6000);
        module("domain name=good mem=5M");
        module(table[i].line);
        CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
        log = host_log();
        CU_ASSERT(said(log, table[i].fault));
        if (!said(log, table[i].fault))
            printf("%s\n", log);
        CU_ASSERT_EQUAL(domain_count(), runs ? 2 : 1);
        core_audit();
        end_domain(1, SHUTDOWN_poweroff);
        if (runs)
            end_domain(2, SHUTDOWN_poweroff);
        CU_ASSERT_EQUAL(host_runs(1000000), runs ? 0x10 : 0x11);
    }
}

static void nothing_to_run(void)
{
    start(3000);
    CU_ASSERT_EQUAL(boot(), 0x10);
    CU_ASSERT(said(host_log(), "no domain to run"));
    start(3000);
    module("domain name=a mem=5M");
    elf_kit_file[0] = 0;
    CU_ASSERT_EQUAL(boot(), 0x11);
    CU_ASSERT(said(host_log(), "1 not started"));
    CU_ASSERT_EQUAL(domain_count(), 0);
}

/* With a plain module there is a control domain, whose name nobody else may bear. */
static void control_domain(void)
{
    struct domain *d;

    start(6000);
    module("console=hvc0");
    module("an initrd");
    module("domain name=dom0 mem=5M");
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    d = domain_find(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT(d->privileged && strcmp(d->name, "dom0") == 0 && d->vcpu_count == HOST_CPUS);
    CU_ASSERT(said(host_log(), "its name is taken") && domain_count() == 1);
    CU_ASSERT_EQUAL(d->pressure.member.floor, d->account.pages);
    domain_put(d);
    end_domain(0, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000), 0x11);
}

/* A host with a control domain, one of a module, and one that the control domain has made. */
static void start_three(void)
{
    struct domain_config config = {
        .name = "made", .id = DOMID_INVALID, .vcpus = 1, .max_pages = 64};
    struct domain *d;

    start(8000);
    module("console=hvc0");
    module("an initrd");
    module("domain name=a mem=5M");
    options.noreboot = true;
    options.dom0_mem = (struct option_amount){.given = true, .bytes = 5 << 20};
    options.dom0_mem_max = (struct option_amount){.given = true, .bytes = 6 << 20};
    core_restarted = false;
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    options.dom0_mem.given = options.dom0_mem_max.given = false;
    d = domain_find(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL(d->pressure.member.floor, d->account.pages);
    CU_ASSERT(d->account.max_pages > d->account.pages);
    domain_put(d);
    CU_ASSERT_EQUAL_FATAL(domain_create(&config, &d), 0);
    domain_put(d);
    CU_ASSERT_EQUAL(domain_count(), 3);
}

static void host_goes_down(void)
{
    static const struct {
        int reason;
        bool noreboot, restarts;
        int status;
    } table[] = {{SHUTDOWN_crash, true, false, 0x11},
                 {SHUTDOWN_crash, false, true, 0x11},
                 {SHUTDOWN_reboot, false, true, 0x10},
                 {SHUTDOWN_reboot, true, false, 0x10},
                 {SHUTDOWN_watchdog, false, true, 0x11}};

    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        start_three();
        options.noreboot = table[i].noreboot;
        host_preempt_every(i % 2 ? 3 : 0);
        end_domain(0, table[i].reason);
        CU_ASSERT_EQUAL(host_runs(1000000000), table[i].status);
        CU_ASSERT_EQUAL(core_restarted, table[i].restarts);
        CU_ASSERT_EQUAL(domain_count(), 0);
        CU_ASSERT_FALSE(said(host_log(), "memory was lost"));
        host_preempt_every(0);
    }
    options.noreboot = false;
}

/* The control domain switches the machine off; and it just ends, which others survive. */
static void off_or_not(void)
{
    start_three();
    bootdomains_end_host();
    options.noreboot = false;
    end_domain(0, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000000), 0x10);
    CU_ASSERT_FALSE(core_restarted);
    CU_ASSERT_EQUAL(domain_count(), 0);

    start_three();
    end_domain(0, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(100000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), 2);
    end_domain(1, SHUTDOWN_poweroff); /* with it goes what nobody could manage any more */
    CU_ASSERT_EQUAL(host_runs(100000000), 0x10);
    CU_ASSERT_EQUAL(domain_count(), 0);
    options.noreboot = false;
}

/* A domain whose last frame never comes back does not keep the host. */
static void does_not_wait(void)
{
    struct domain *d;
    mfn_t m;

    start_three();
    d = domain_find(2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL_FATAL(account_alloc(&d->account, 0, HEAP_ANY, &m), 0);
    CU_ASSERT_TRUE_FATAL(frame_get(m, d->id));
    end_domain(0, SHUTDOWN_crash);
    CU_ASSERT_EQUAL(host_runs(9000000000), CORE_RUNNING);
    CU_ASSERT_EQUAL(host_runs(2000000000), 0x11);
    CU_ASSERT(said(host_log(), "does not wait"));
    frame_put(m);
    while (domain_kill(d))
        ;
    domain_put(d);
    options.noreboot = false;
}

static void wall_clock(void)
{
    struct domain *d;

    start_three();
    CU_ASSERT_EQUAL(wallclock_set(1700000000, 500, 300), 0);
    CU_ASSERT_EQUAL(core_wallclock, UINT64_C(1700000000000000200));
    for (domid_t id = 0; id < 3; id++) {
        d = domain_find(id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(d);
        CU_ASSERT(d->shared_info->wc_sec == 1700000000 && d->shared_info->wc_nsec == 200);
        domain_put(d);
    }
    CU_ASSERT_EQUAL(wallclock_set(1700000000, 1000000000, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(wallclock_set(1, 0, 2000000000), -XEN_EINVAL);
    CU_ASSERT_EQUAL(wallclock_set(UINT64_C(1) << 40, 0, 0), -XEN_EINVAL);
    CU_ASSERT_EQUAL(core_wallclock, UINT64_C(1700000000000000200));
    bootdomains_end_host();
    end_domain(0, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(1000000000), 0x10);
    options.noreboot = false;
}

static void sixty_four(void)
{
    static char line[BOOT_MODULES_MAX][40];

    host_preempt_every(0);
    start(BOOT_MODULES_MAX * 1400);
    for (unsigned i = 0; i < BOOT_MODULES_MAX; i++) {
        snprintf(line[i], sizeof(line[i]), "domain name=d%u mem=5M", i);
        module(line[i]);
    }
    CU_ASSERT_EQUAL(boot(), CORE_RUNNING);
    CU_ASSERT_EQUAL(domain_count(), BOOT_MODULES_MAX);
    host_preempt_every(5);
    for (unsigned i = 1; i <= BOOT_MODULES_MAX; i++)
        end_domain((domid_t)i, SHUTDOWN_poweroff);
    CU_ASSERT_EQUAL(host_runs(2000000000), 0x10);
    CU_ASSERT(said(host_log(), "64 poweroff"));
    host_preempt_every(0);
}

static const struct test_case cases[] = {
    {"reboots", reboots},
    {"reboots now and then", slow_reboots},
    {"on_reboot and on_crash", actions},
    {"it cannot be built anew", no_second_time},
    {"a domain that comes later", later},
    {"one after another", one_after_another},
    {"after nobody", after_nobody},
    {"modules are freed", modules_are_freed},
    {"a domain ends while the reaper is at another", ended_meanwhile},
    {"modules at odd places", odd_modules},
    {"two domains", two_domains},
    {"verdicts", verdicts},
    {"lost memory", lost_memory},
    {"held by others", held_by_others},
    {"faults are named", faults_are_named},
    {"nothing to run", nothing_to_run},
    {"the control domain", control_domain},
    {"the host goes down with it", host_goes_down},
    {"off, or not", off_or_not},
    {"the host does not wait", does_not_wait},
    {"the wall clock", wall_clock},
    {"sixty-four domains", sixty_four},
    {NULL, NULL},
};

const struct suite suite_bootdomains = {"bootdomains", cases, NULL, NULL};
