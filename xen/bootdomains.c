/* SPDX-License-Identifier: MIT
 *
 * Boot modules as domains, without a control domain: who they are is on their command lines
 * (modline.h).
 *
 * All are built before the first is started, so that they find each other. When one ends, a timer
 * on CPU 0 takes it apart in steps; when the last is gone, the host says what became of them and
 * whether all memory came back, and powers off.
 */
#include "xen/bootdomains.h"

#include <lagan/printk.h>
#include <lagan/string.h>

#include "mm/heap.h"
#include "mm/type.h"
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/layout.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/power.h"
#include "xen/arch/x86/pv_build.h"
#include "xen/arch/x86/start.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/console.h"
#include "xen/dom0.h"
#include "xen/domain.h"
#include "xen/kernel_image.h"
#include "xen/modline.h"
#include "xen/options.h"
#include "xen/store_service.h"
#include "xen/timer.h"
#include "arch_inline.h"

#define REAP_INTERVAL_NS 50000
#define DOM0_NAME        "dom0"

/* How the machine's power-off tells a test runner what happened (through QEMU's exit port). */
enum host_status { HOST_ALL_WELL = 0x10, HOST_DOMAIN_FAILED = 0x11, HOST_MEMORY_LOST = 0x13 };

/* Reasons that nobody asked for, the watchdog's among them, are counted as one. */
#define REASON_OTHER (SHUTDOWN_crash + 1)

struct boot_domain {
    struct domain *_Atomic d; /* with a reference; NULL once gone */
    bool service;             /* it is there for the others, and ends with the last of them */
    _Atomic bool dying;       /* it has ended: the reaper takes it apart */
};

static struct {
    struct modline line[BOOT_MODULES_MAX];
    struct boot_domain domain[BOOT_MODULES_MAX];
    unsigned count;                           /* of domains that were built */
    unsigned failed;                          /* lines or images that were no good */
    _Atomic unsigned ended[REASON_OTHER + 1]; /* by reason: several CPUs may count at a time */
    uint64_t free_before;                     /* pages, before the first was built */
    struct timer reaper;
} boot;

/* ---- building ---- */

static const void *module_data(const struct boot_module *m)
{
    return (const void *)(VA_DIRECT + m->start);
}

static uint64_t module_bytes(const struct boot_module *m)
{
    return m->end - m->start;
}

static void refuse(const char *name, const char *why)
{
    log_err("domain %s ended: error: %s\n", name[0] ? name : "?", why);
    boot.failed++;
}

/* False: it was refused. Either way kernel_image_end() is to follow. */
static bool open_kernel(struct kernel_image *k, const struct boot_module *m, const char *name)
{
    const char *why;
    int rc = kernel_image_begin(k, module_data(m), module_bytes(m), &why);

    if (!rc)
        do {
            rc = kernel_image_step(k, &why);
            watchdog_touch();
        } while (rc == -XEN_ERESTART);
    if (rc)
        refuse(name, why);
    return rc == 0;
}

static int start_with_image(struct domain *d, const struct pv_image *image, uint64_t pages)
{
    const char *why;
    int rc = pv_build(d, image, pages, &why);

    if (rc) {
        log_info("domain %s: error %d\n", d->name, rc);
        refuse(d->name, why);
    }
    return rc;
}

/* A domain that could not be built is taken apart at once; nobody else knows it. */
static void bury_unborn(struct domain *d)
{
    int rc;

    do
        rc = domain_kill(d);
    while (rc == -XEN_ERESTART);
    BUG_ON(rc);
    domain_put(d);
}

static void build_domain(const struct domain_config *config, const struct pv_image *image,
                         uint64_t pages, cpumask_t cpus)
{
    struct domain *d;
    struct vcpu *v;
    unsigned i;
    int rc = domain_create(config, &d);

    if (rc) {
        refuse(config->name, rc == -XEN_ENOMEM ? "not enough memory for its structures"
                                               : "it could not be created");
        return;
    }
    if (start_with_image(d, image, pages)) {
        bury_unborn(d);
        return;
    }
    for_each_vcpu (d, v, i)
        if (sched_set_affinity(v, cpus))
            log_warn("domain %s: no CPU of cpus= is online; it may run anywhere\n", d->name);
    boot.domain[boot.count++].d = d;
    log_info("domain %s: id %u, %lu MiB, %u vcpus\n", d->name, d->id, pages >> (20 - PAGE_SHIFT),
             d->vcpu_count);
}

static const struct boot_module *find_ramdisk(const struct boot_info *info, const char *name)
{
    size_t i = modline_find(boot.line, info->module_count, MODLINE_RAMDISK, name);

    return i < info->module_count ? &info->module[i] : NULL;
}

/* The first plain module from `from` on, or module_count. */
static unsigned find_plain(const struct boot_info *info, unsigned from)
{
    while (from < info->module_count && boot.line[from].kind != MODLINE_PLAIN)
        from++;
    return from;
}

/* NULL, or why this domain cannot be the one that it says it is. */
static const char *line_fault(const struct boot_info *info, unsigned index)
{
    const struct modline *line = &boot.line[index];
    bool dom0 = find_plain(info, 0) < info->module_count;

    if (modline_find(boot.line, index, MODLINE_DOMAIN, line->name) < index ||
        (dom0 && strcmp(line->name, DOM0_NAME) == 0))
        return "its name is taken";
    if (line->serves_store && dom0)
        return "dom0 serves the store";
    if (line->serves_store && boot.count > 0)
        return "another domain serves the store";
    return NULL;
}

static void build_from_line(const struct boot_info *info, unsigned index)
{
    const struct modline *line = &boot.line[index];
    const struct boot_module *m = &info->module[index], *ramdisk = NULL;
    struct kernel_image kernel;
    struct pv_image image = {.elf = &kernel.elf, .command_line = line->guest_line};
    struct domain_config config = {.name = line->name,
                                   .id = DOMID_INVALID,
                                   .vcpus = line->vcpus,
                                   .max_pages = line->maxmem_bytes >> PAGE_SHIFT,
                                   .weight = line->weight,
                                   .cap = line->cap};
    const char *fault = line_fault(info, index);

    if (fault) {
        refuse(line->name, fault);
        return;
    }
    if (line->ramdisk[0]) {
        ramdisk = find_ramdisk(info, line->ramdisk);
        if (!ramdisk) {
            refuse(line->name, "there is no module with its ramdisk's name");
            return;
        }
        image.initrd = module_data(ramdisk);
        image.initrd_bytes = module_bytes(ramdisk);
    }
    if (open_kernel(&kernel, m, line->name))
        build_domain(&config, &image, line->mem_bytes >> PAGE_SHIFT, line->cpus);
    kernel_image_end(&kernel);
}

/* Whoever serves the others is built before them, so that they can be given a port for it. */
static void build_services(const struct boot_info *info)
{
    for (unsigned i = 0; i < info->module_count; i++) {
        unsigned before = boot.count;

        if (boot.line[i].kind != MODLINE_DOMAIN || !boot.line[i].serves_store)
            continue;
        build_from_line(info, i);
        if (boot.count > before) {
            boot.domain[before].service = true;
            store_service_set(boot.domain[before].d);
        }
    }
}

/* With dom0_vcpus_pin vCPU n stays on CPU n, as far as there is one. */
static void pin_vcpus(struct domain *d)
{
    struct vcpu *v;
    unsigned i;

    for_each_vcpu (d, v, i)
        if (i >= MAX_CPUS || sched_set_affinity(v, cpumask_of(i)))
            log_warn("dom0: vcpu %u has no CPU of its own; it may run anywhere\n", i);
}

static void build_dom0(const struct boot_info *info, unsigned kernel, unsigned initrd)
{
    const struct boot_module *m = &info->module[kernel];
    struct kernel_image image_file;
    char line[MAX_GUEST_CMDLINE];
    struct pv_image image = {.elf = &image_file.elf, .command_line = line};
    struct domain_config config = {.name = DOM0_NAME, .id = 0, .privileged = true};
    uint64_t free = heap_free_pages();

    config.vcpus = dom0_vcpus(&options, cpumask_count(arch_online_cpus()), MAX_VCPUS);
    config.max_pages = dom0_max_pages(&options, free);
    if (!dom0_line(&options, m->cmdline, line, sizeof(line)))
        log_warn("dom0: its command line is too long and was cut short\n");
    if (initrd < info->module_count) {
        image.initrd = module_data(&info->module[initrd]);
        image.initrd_bytes = module_bytes(&info->module[initrd]);
    }
    if (open_kernel(&image_file, m, config.name))
        build_domain(&config, &image, dom0_pages(&options, free), cpumask_all());
    kernel_image_end(&image_file);
    if (options.dom0_vcpus_pin && boot.count > 0)
        pin_vcpus(boot.domain[boot.count - 1].d);
}

static void parse_lines(const struct boot_info *info)
{
    char why[MODLINE_WHY_MAX];

    for (unsigned i = 0; i < info->module_count; i++) {
        struct modline *line = &boot.line[i];

        if (!modline_parse(info->module[i].cmdline, line, why))
            continue;
        refuse(line->name, why);
        line->kind = MODLINE_RAMDISK; /* nobody's: left out of everything below */
        line->name[0] = '\0';
    }
}

/* ---- the end ---- */

static const char *reason_name(int reason)
{
    static const char *const names[] = {"poweroff", "reboot",   "suspend",
                                        "crash",    "watchdog", "soft reset"};

    return reason >= 0 && reason < (int)ARRAY_SIZE(names) ? names[reason] : "other";
}

static void finish_host(void)
{
    uint64_t free_now;
    unsigned crashes = boot.ended[SHUTDOWN_crash], others = boot.ended[REASON_OTHER];
    enum host_status status = HOST_ALL_WELL;

    slab_trim();
    free_now = heap_free_pages();
    if (crashes || others || boot.failed)
        status = HOST_DOMAIN_FAILED;
    log_info(
        "all domains have ended: %u poweroff, %u reboot, %u suspend, %u crash, %u other, %u not "
        "started\n",
        boot.ended[SHUTDOWN_poweroff], boot.ended[SHUTDOWN_reboot], boot.ended[SHUTDOWN_suspend],
        crashes, others, boot.failed);
    log_info("free memory: %lu pages, before the first domain %lu\n", free_now, boot.free_before);
    if (free_now != boot.free_before || mm_audit()) {
        log_err("memory was lost\n");
        status = HOST_MEMORY_LOST;
    }
    machine_qemu_exit(status);
    machine_power_off();
}

/* One step in the taking apart of an ended domain. True if there are more. */
static bool reap_one(struct boot_domain *b)
{
    struct domain *d = b->d;
    int rc;

    if (!d || !b->dying)
        return false;
    rc = domain_kill(d);
    if (!rc) {
        b->d = NULL;
        domain_put(d);
    }
    return rc == -XEN_ERESTART;
}

/* The last domain that was not there for others has gone: they have nothing to do any more. */
static void end_services(void)
{
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d)
            domain_shutdown(boot.domain[i].d, SHUTDOWN_poweroff);
}

/* One step in the taking apart of each ended domain. */
static void reap(struct timer *t)
{
    unsigned left = 0, services = 0;
    bool more = false;

    for (unsigned i = 0; i < boot.count; i++) {
        more |= reap_one(&boot.domain[i]);
        left += boot.domain[i].d != NULL;
        services += boot.domain[i].d != NULL && boot.domain[i].service;
    }
    if (left && left == services)
        end_services();
    if (more)
        timer_set(t, arch_time_ns() + REAP_INTERVAL_NS);
    else if (!left)
        finish_host();
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
    for (unsigned i = 0; i < boot.count; i++)
        if (boot.domain[i].d == d) {
            atomic_fetch_add(&boot.ended[min_u64((unsigned)reason, REASON_OTHER)], 1);
            boot.domain[i].dying = true;
            timer_set(&boot.reaper, 0);
            return; /* from here on d may be gone at any moment, unless we run in it */
        }
}

/* As it is when the machine starts; the tests start several. */
static void forget(void)
{
    boot.count = boot.failed = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(boot.ended); i++)
        boot.ended[i] = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(boot.domain); i++) {
        boot.domain[i].d = NULL;
        boot.domain[i].dying = false;
        boot.domain[i].service = false;
    }
    timer_init(&boot.reaper, reap, 0);
    store_service_none();
}

/* What the boot cost; `make bench` looks for this line. */
static void log_boot_cost(void)
{
    uint64_t thousands = (rdtsc() - boot_tsc) / 1000;

    log_info("boot: %lu.%03lu million TSC cycles from hand-over to the first guest\n",
             thousands / 1000, thousands % 1000);
}

void bootdomains_start(const struct boot_info *info)
{
    unsigned kernel, initrd;

    forget();
    slab_trim();
    boot.free_before = heap_free_pages();
    parse_lines(info);
    kernel = find_plain(info, 0);
    initrd = find_plain(info, kernel + 1);
    if (kernel < info->module_count)
        build_dom0(info, kernel, initrd);
    build_services(info);
    for (unsigned i = 0; i < info->module_count; i++)
        if (boot.line[i].kind == MODLINE_DOMAIN && !boot.line[i].serves_store)
            build_from_line(info, i);
    if (boot.count == 0) {
        log_err("no domain to run\n");
        finish_host();
    }
    timer_set(&boot.reaper, 0); /* there may be nobody to be served */
    log_boot_cost();
    for (unsigned i = 0; i < boot.count; i++)
        domain_unpause(boot.domain[i].d);
}
