/* SPDX-License-Identifier: MIT
 *
 * Building a domain from boot modules, in short steps: at boot one after the other, and again when
 * the domain reboots, while others run.
 */
#pragma once

#include "xen/domain.h"
#include "xen/modline.h"

/* What has to be known of a domain to build it, as often as it must be. */
struct boot_recipe {
    struct domain_config config; /* id: DOMID_INVALID but for dom0 */
    uint64_t pages;              /* at its start; 0: it and max_pages are dom0's share of what is
                                    free then */
    cpumask_t cpus;              /* where it may run */
    bool pin;                    /* vCPU n stays on CPU n */
    bool service;                /* it is there for others, and ends with the last of them */
    unsigned kernel, ramdisk;    /* boot modules; ramdisk: BOOTMODULE_NONE if there is none */
    const char *command_line;
    enum modline_action on_reboot, on_crash;
    struct boot_cache {
        uint64_t floor, ceiling; /* pages; mm/pcache.h */
        unsigned weight;         /* 0: as for a domain of which nothing is said */
    } cache;
    /* Of the first start. 0, and NULL: with the others. */
    uint64_t delay_ns;
    const char *after; /* not before the domain of this name has ended and is not built anew */
};

struct boot_build;

/* Begins; the recipe has to stay until bootbuild_end(), and its modules to have users. NULL: there
 * is no memory for it. `beside_others`: domains run, which may have to make room for it first. */
struct boot_build *bootbuild_begin(const struct boot_recipe *recipe, bool beside_others);

/* One step of a few milliseconds at most. -XEN_ERESTART: there is more to do; -XEN_EAGAIN: so there
 * is, once others have made room; 0: the domain is
 * there, paused and ready; else *why says in words why there is none, and nothing of it is left. */
int bootbuild_step(struct boot_build *b, const char **why) LAGAN_MUST_CHECK;

/* After any end but these two: gives back what building took. Returns the domain, with the
 * caller's reference, or NULL. */
struct domain *bootbuild_end(struct boot_build *b);
