/* SPDX-License-Identifier: MIT
 *
 * The hypervisor and the store, as a program in the control domain sees them. host.c asks the kernel
 * (libxencall, libxenstore); the unit tests link another file in its place.
 *
 * All return a negative errno, and 0 or more otherwise. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096

struct host;

/* -ENOENT: this is not Xen, or not the control domain. -ENOSYS: Xen, but not Lagan. */
int host_open(struct host **h);
void host_close(struct host *h);

/*
 * Hypercall `nr` with (cmd, arg, count): the form of all but the buffer cache's. `bytes` are copied to the
 * hypervisor and back; 0: arg itself is passed.
 */
int host_call(struct host *h, unsigned nr, unsigned cmd, void *arg, size_t bytes, unsigned count);
/* The unified buffer cache's: (cmd, volume, arg). */
int host_ubc_call(struct host *h, unsigned cmd, uint64_t volume, void *arg, size_t bytes);

struct host_domain {
    uint16_t domid;
    bool dying;
    uint32_t vcpus;
    uint64_t pages, max_pages; /* that it owns; that it may own */
    uint64_t cpu_ns;           /* of all its vCPUs, since it was made */
    char name[64];             /* from the store; "" where that has none */
};

#define HOST_DOMAINS_MAX 1024
/* All domains there are, by number; how many. */
int host_domains(struct host *h, struct host_domain *list, unsigned max);
/* The domain with that number or name. -ESRCH. */
int host_find(struct host *h, const char *name_or_number, struct host_domain *found);

/* What a domain may own, as `xl mem-max' sets it. -ESRCH. */
int host_set_max(struct host *h, uint16_t domid, uint64_t pages);
