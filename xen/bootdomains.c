/* SPDX-License-Identifier: MIT
 *
 * Boot modules as domains: who they are is on their command lines (modline.h).
 *
 * Each line becomes a recipe, from which the domain is built now (bootbuild.h) and perhaps again
 * (bootreap.h). All are built before the first is started, so that they find each other. Memory of
 * modules that no domain may need again is free before the first one runs.
 */
#include "xen/bootdomains.h"

#include <lagan/printk.h>
#include <lagan/string.h>

#include "arch_inline.h"
#include "mm/heap.h"
#include "xen/arch/x86/bootinfo.h"
#include "xen/arch/x86/msr.h"
#include "xen/arch/x86/start.h"
#include "xen/arch/x86/watchdog.h"
#include "xen/bootmodule.h"
#include "xen/bootreap.h"
#include "xen/bootvolume.h"
#include "xen/dom0.h"
#include "xen/options.h"
#include "xen/store_service.h"
#include "xen/ubc_host.h"

#define DOM0_NAME "dom0"

static struct {
    struct modline line[BOOT_MODULES_MAX];
    struct boot_recipe recipe[BOOT_MODULES_MAX]; /* of the module with this number */
    char dom0_line[MAX_GUEST_CMDLINE];
} boot;

static LAGAN_INIT void build(const struct boot_recipe *recipe)
{
    struct boot_build *b = bootbuild_begin(recipe, false);
    const char *why = "no memory for building it";
    int rc = b ? -XEN_ERESTART : -XEN_ENOMEM;
    struct domain *d = NULL;

    while (rc == -XEN_ERESTART) {
        rc = bootbuild_step(b, &why);
        watchdog_touch();
    }
    if (b)
        d = bootbuild_end(b);
    if (d && recipe->service)
        store_service_set(d);
    if (d)
        bootreap_adopt(recipe, d);
    else
        bootreap_refuse(recipe->config.name, why);
}

/* The first plain module from `from` on, or module_count. */
static LAGAN_INIT unsigned find_plain(const struct boot_info *info, unsigned from)
{
    while (from < info->module_count && boot.line[from].kind != MODLINE_PLAIN)
        from++;
    return from;
}

/* NULL, or why this domain cannot be what its line says. */
static LAGAN_INIT const char *line_fault(const struct boot_info *info, unsigned index)
{
    const struct modline *line = &boot.line[index];
    bool dom0 = find_plain(info, 0) < info->module_count;
    size_t before = index;

    if (line->after[0])
        before = modline_find(boot.line, index, MODLINE_DOMAIN, line->after);
    if (modline_find(boot.line, index, MODLINE_DOMAIN, line->name) < index ||
        (dom0 && strcmp(line->name, DOM0_NAME) == 0))
        return "its name is taken";
    if (line->serves_store && dom0)
        return "dom0 serves the store";
    if (line->after[0] && before == index)
        return "no line before its own has the name that it comes after";
    /* Which has to do until all others have ended. */
    if (before < index && boot.line[before].serves_store)
        return "it comes after one that serves the store";
    if (line->serves_store && store_service_exists())
        return "another domain serves the store";
    return NULL;
}

/* Records for the page cache are made when the guest first asks for it, or when its line does. */
static LAGAN_INIT struct boot_cache cache_of(const struct modline *line)
{
    bool usual = line->cache_floor_bytes == 0 && line->cache_max_bytes == MODLINE_CACHE_ALL &&
                 line->cache_weight == MODLINE_CACHE_WEIGHT;

    return (struct boot_cache){.floor = line->cache_floor_bytes >> PAGE_SHIFT,
                               .ceiling = line->cache_max_bytes >> PAGE_SHIFT,
                               .weight = usual ? 0 : line->cache_weight};
}

static LAGAN_INIT void build_from_line(const struct boot_info *info, unsigned index)
{
    const struct modline *line = &boot.line[index];
    struct boot_recipe *r = &boot.recipe[index];
    size_t ramdisk = BOOTMODULE_NONE;
    const char *fault = line_fault(info, index);

    if (fault) {
        bootreap_refuse(line->name, fault);
        return;
    }
    if (line->ramdisk[0]) {
        ramdisk = modline_find(boot.line, info->module_count, MODLINE_RAMDISK, line->ramdisk);
        if (ramdisk == info->module_count) {
            bootreap_refuse(line->name, "there is no module with its ramdisk's name");
            return;
        }
    }
    *r = (struct boot_recipe){.config = {.name = line->name,
                                         .id = DOMID_INVALID,
                                         .vcpus = line->vcpus,
                                         .max_pages = line->maxmem_bytes >> PAGE_SHIFT,
                                         .min_pages = line->minmem_bytes >> PAGE_SHIFT,
                                         .pages = line->mem_bytes >> PAGE_SHIFT,
                                         .weight = line->weight,
                                         .cap = line->cap},
                              .pages = line->mem_bytes >> PAGE_SHIFT,
                              .cpus = line->cpus,
                              .kernel = index,
                              .ramdisk = (unsigned)ramdisk,
                              .command_line = line->guest_line,
                              .on_reboot = line->on_reboot,
                              .on_crash = line->on_crash,
                              .cache = cache_of(line),
                              .delay_ns = line->delay_ms * UINT64_C(1000000),
                              .after = line->after[0] ? line->after : NULL};
    /* Built anew it would have another number than the one that the others' ports are for. */
    if (line->serves_store) {
        r->service = true;
        r->on_reboot = r->on_crash = MODLINE_DESTROY;
    }
    if (r->delay_ns || r->after)
        bootreap_later(r);
    else
        build(r);
}

/* Whoever serves the others is built before them, so that they can be given a port for it. */
static LAGAN_INIT void build_all(const struct boot_info *info, bool services)
{
    for (unsigned i = 0; i < info->module_count; i++)
        if (boot.line[i].kind == MODLINE_DOMAIN && boot.line[i].serves_store == services)
            build_from_line(info, i);
}

/* dom0's end is the host's matter: it is never built anew. */
static LAGAN_INIT void build_dom0(const struct boot_info *info, unsigned kernel, unsigned initrd)
{
    struct boot_recipe *r = &boot.recipe[kernel];

    if (!dom0_line(&options, info->module[kernel].cmdline, boot.dom0_line, sizeof(boot.dom0_line)))
        log_warn("dom0: its command line is too long and was cut short\n");
    *r = (struct boot_recipe){
        .config = {.name = DOM0_NAME,
                   .id = 0,
                   .privileged = true,
                   .vcpus = dom0_vcpus(&options, cpumask_count(arch_online_cpus()), MAX_VCPUS)},
        .cpus = cpumask_all(),
        .pin = options.dom0_vcpus_pin,
        .kernel = kernel,
        .ramdisk = initrd < info->module_count ? initrd : BOOTMODULE_NONE,
        .command_line = boot.dom0_line,
        .on_reboot = MODLINE_DESTROY,
        .on_crash = MODLINE_DESTROY};
    build(r);
}

static LAGAN_INIT void parse_lines(const struct boot_info *info)
{
    char why[MODLINE_WHY_MAX];

    for (unsigned i = 0; i < info->module_count; i++) {
        struct modline *line = &boot.line[i];

        if (!modline_parse(info->module[i].cmdline, line, why))
            continue;
        bootreap_refuse(line->name, why);
        line->kind = MODLINE_RAMDISK; /* nobody's: left out of everything below */
        line->name[0] = '\0';
    }
}

/* The most pages that a reader of the volume may have. */
static uint64_t most_pages(const struct boot_info *info, const struct modline *volume)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < info->module_count; i++) {
        const struct modline *line = &boot.line[i];

        if (line->kind == MODLINE_DOMAIN &&
            modline_lists(volume->readers, volume->readers_length, line->name))
            bytes = max_u64(bytes, line->maxmem_bytes);
    }
    return bytes >> PAGE_SHIFT;
}

static void publish_volumes(const struct boot_info *info)
{
    for (unsigned i = 0; i < info->module_count; i++) {
        const struct modline *line = &boot.line[i];
        const char *why;

        if (line->kind != MODLINE_VOLUME)
            continue;
        why = bootvolume_publish(i, line, most_pages(info, line));
        if (why)
            log_err("volume %s: %s\n", line->name, why);
    }
}

/* What the boot cost; `make bench` looks for this line. */
static LAGAN_INIT void log_boot_cost(void)
{
    uint64_t thousands = (rdtsc() - boot_tsc) / 1000;

    log_info("boot: %lu.%03lu million TSC cycles from hand-over to the first guest\n",
             thousands / 1000, thousands % 1000);
}

LAGAN_INIT void bootdomains_start(const struct boot_info *info)
{
    unsigned kernel, initrd;

    domain_ids_start();
    pressure_start();
    ubc_host_start();
    bootmodule_start(info);
    bootreap_start();
    store_service_none();
    bootvolume_start();
    parse_lines(info);
    publish_volumes(info);
    bootreap_count();
    kernel = find_plain(info, 0);
    initrd = find_plain(info, kernel + 1);
    if (kernel < info->module_count)
        build_dom0(info, kernel, initrd);
    build_all(info, true);
    build_all(info, false);
    for (unsigned i = 0; i < info->module_count; i++)
        bootmodule_put(i);
    log_boot_cost();
}
