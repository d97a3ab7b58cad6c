/* SPDX-License-Identifier: MIT
 *
 * Steps from a boot module to a domain: unpack the kernel, create the domain, give it memory and
 * fill it; and if one fails, take apart what there is.
 *
 *     begin -> unpack -> create -> make room -> fill -> finish -> done
 *                |          |        |
 *                |          |        +--(error)--> bury --> failed
 *                +----------+-----------(error)-----------> failed
 *
 * Nobody else knows the domain before it is done; the reference is ours until bootbuild_end().
 */
#include "xen/bootbuild.h"

#include <lagan/arch.h>
#include <lagan/printk.h>

#include "mm/heap.h"
#include "mm/pcache.h"
#include "xen/arch/x86/pv_build.h"
#include "xen/bootmodule.h"
#include "xen/bootvolume.h"
#include "xen/dom0.h"
#include "xen/kernel_image.h"
#include "xen/options.h"
#include "xen/store_service.h"

struct boot_build {
    const struct boot_recipe *recipe;
    int (*step)(struct boot_build *b); /* what is next */
    struct kernel_image kernel;
    struct pv_image image;
    struct pv_builder *builder;
    uint64_t pages;
    struct domain *d; /* with a reference */
    bool beside_others;
    uint64_t spent_ns; /* in steps so far */
    uint64_t gives_up; /* waiting for memory ends then; 0: it does not wait yet */
    int error;
    const char *why;
};

#define PATIENCE_NS UINT64_C(60000000000)

/* The steps, each of which names the next. */
static int unpack(struct boot_build *b);
static int create(struct boot_build *b);
static int set_cache(struct boot_build *b);
static int make_room(struct boot_build *b);
static int fill(struct boot_build *b);

static int next(struct boot_build *b, int (*step)(struct boot_build *b))
{
    b->step = step;
    return -XEN_ERESTART;
}

static int begin(struct boot_build *b)
{
    size_t bytes;
    const void *file = bootmodule_data(b->recipe->kernel, &bytes);
    int rc = kernel_image_begin(&b->kernel, file, bytes, &b->why);

    return rc ? rc : next(b, unpack);
}

static int unpack(struct boot_build *b)
{
    int rc = kernel_image_step(&b->kernel, &b->why);

    return rc ? rc : next(b, create);
}

static int create(struct boot_build *b)
{
    const struct boot_recipe *r = b->recipe;
    struct domain_config config = r->config;
    int rc;

    b->pages = r->pages;
    if (!b->pages) {
        b->pages = dom0_pages(&options, heap_free_pages());
        config.max_pages = dom0_max_pages(&options, heap_free_pages());
        config.pages = config.min_pages = b->pages; /* as a module's line without minmem= */
    }
    rc = domain_create(&config, &b->d);
    if (rc) {
        b->d = NULL;
        b->why =
            rc == -XEN_ENOMEM ? "not enough memory for its structures" : "it could not be created";
        return rc;
    }
    rc = bootvolume_allow(b->d);
    b->why = "not enough memory for its rights to volumes";
    return rc ? rc : next(b, set_cache);
}

/* Its part of the page cache, if the line says anything about it. */
static int set_cache(struct boot_build *b)
{
    const struct boot_recipe *r = b->recipe;
    struct pcache *pc;
    int rc;

    if (!r->cache.weight)
        return next(b, make_room);
    rc = domain_pcache(b->d, &pc);
    if (!rc)
        rc = pcache_set_quota(pc, r->cache.floor, r->cache.ceiling, r->cache.weight);
    if (rc) {
        b->why = "not enough memory for its cache-floor";
        return rc;
    }
    return next(b, make_room);
}

/* At boot all that is free is for the taking. Later the domain has to have its memory before it is
 * built, for others may take it meanwhile; what cannot be now may be when somebody has ended. */
static int claim_memory(struct boot_build *b)
{
    uint64_t now = arch_time_ns();
    int rc = pressure_reserve(b->d, b->pages);

    if (!rc)
        return 0;
    if (!b->gives_up) {
        b->gives_up = now + PATIENCE_NS;
        log_info("domain %s: waits for %lu pages\n", b->d->name, b->pages);
    }
    if ((rc == -XEN_EAGAIN || rc == -XEN_ENOMEM) && now < b->gives_up)
        return -XEN_EAGAIN;
    b->why = "nobody makes room for its memory";
    return -XEN_ENOMEM;
}

static int make_room(struct boot_build *b)
{
    const struct boot_recipe *r = b->recipe;
    int rc = b->beside_others ? claim_memory(b) : 0;

    if (rc)
        return rc;
    b->image.elf = &b->kernel.elf;
    b->image.command_line = r->command_line;
    if (r->ramdisk != BOOTMODULE_NONE)
        b->image.initrd = bootmodule_data(r->ramdisk, &b->image.initrd_bytes);
    rc = pv_build_begin(b->d, &b->image, b->pages, &b->builder, &b->why);
    return rc ? rc : next(b, fill);
}

static void set_affinity(struct domain *d, const struct boot_recipe *r)
{
    struct vcpu *v;
    unsigned i;

    for_each_vcpu (d, v, i) {
        if (!r->pin) {
            if (sched_set_affinity(v, r->cpus))
                log_warn("domain %s: no CPU of cpus= is online; it may run anywhere\n", d->name);
        } else if (i >= MAX_CPUS || sched_set_affinity(v, cpumask_of(i))) {
            log_warn("%s: vcpu %u has no CPU of its own; it may run anywhere\n", d->name, i);
        }
    }
}

static int fill(struct boot_build *b)
{
    int rc = pv_build_step(b->builder, &b->why);

    if (rc)
        return rc;
    set_affinity(b->d, b->recipe);
    return 0;
}

/* The domain that could not be built. */
static int bury(struct boot_build *b)
{
    int rc = domain_kill(b->d);

    /* The store's server may have mapped its page, and is to hear that it is over. */
    if (rc == -XEN_EAGAIN)
        store_service_tell();
    if (rc == -XEN_ERESTART || rc == -XEN_EAGAIN)
        return rc;
    BUG_ON(rc);
    domain_put(b->d);
    b->d = NULL;
    return b->error;
}

/* All but the domain. */
static void free_parts(struct boot_build *b)
{
    pv_build_end(b->builder);
    b->builder = NULL;
    kernel_image_end(&b->kernel);
}

struct boot_build *bootbuild_begin(const struct boot_recipe *recipe, bool beside_others)
{
    struct boot_build *b = slab_alloc(sizeof(*b));

    if (b) {
        b->recipe = recipe;
        b->beside_others = beside_others;
        b->step = begin;
    }
    return b;
}

int bootbuild_step(struct boot_build *b, const char **why)
{
    uint64_t began = arch_time_ns();
    int rc = b->step(b);

    b->spent_ns += arch_time_ns() - began;
    if (!rc)
        log_info("domain %s: id %u, %lu MiB, %u vcpus, built in %lu us\n", b->d->name, b->d->id,
                 b->pages >> (20 - PAGE_SHIFT), b->d->vcpu_count, b->spent_ns / 1000);
    if (rc && rc != -XEN_ERESTART && rc != -XEN_EAGAIN && b->d && b->step != bury) {
        log_info("domain %s: error %d\n", b->d->name, rc);
        b->error = rc;
        rc = next(b, bury);
    }
    *why = b->why;
    return rc;
}

struct domain *bootbuild_end(struct boot_build *b)
{
    struct domain *d = b->d;

    free_parts(b);
    slab_free(b);
    return d;
}
