/* SPDX-License-Identifier: MIT
 *
 * The command line of a boot module, which says what the module is:
 *
 *   domain name=NAME mem=SIZE [vcpus=N] [weight=W] [cap=PERCENT] [ramdisk=NAME] [maxmem=SIZE]
 *          [cpus=LIST] [on_reboot=ACTION] [on_crash=ACTION] [serves=store]
 *          [minmem=SIZE] [delay=MS] [after=NAME] [cache-floor=SIZE] [cache-max=SIZE] [cache-weight=W]
 *          [-- guest command line]
 *   ACTION: restart or destroy
 *   ramdisk name=NAME
 *   volume name=NAME readers=NAME[,NAME...]
 *   anything else: plain, dom0's kernel (the first such module) or its initrd (the next one)
 *
 * The caller has taken off the file name that some boot loaders put in front. Sizes are as on the
 * hypervisor's command line (64M; without a unit KiB), whole pages, rounded up.
 */
#pragma once

#include <lagan/cpumask.h>
#include <lagan/types.h>

#define MODLINE_NAME_MAX     32 /* with the terminator */
#define MODLINE_VOLUME_MAX   17 /* of a volume: its name is the 16 bytes by which guests know it */
#define MODLINE_WHY_MAX      96
#define MODLINE_VCPUS_MAX    XEN_LEGACY_MAX_VCPUS
#define MODLINE_CACHE_WEIGHT 256 /* unless the line says otherwise; as without a limit: */
#define MODLINE_CACHE_ALL    MODLINE_MEM_MAX
#define MODLINE_MEM_MIN      (UINT64_C(1) << 20)
#define MODLINE_MEM_MAX      (UINT64_C(1) << 44)

enum modline_kind { MODLINE_PLAIN, MODLINE_DOMAIN, MODLINE_RAMDISK, MODLINE_VOLUME };

/* What becomes of a domain that has ended. */
enum modline_action { MODLINE_DESTROY, MODLINE_RESTART };

struct modline {
    enum modline_kind kind;
    char name[MODLINE_NAME_MAX];    /* letters, digits and - _ . ; plain: "" */
    char ramdisk[MODLINE_NAME_MAX]; /* "": none */
    uint64_t mem_bytes;             /* whole pages */
    uint64_t maxmem_bytes;          /* >= mem_bytes */
    uint64_t minmem_bytes;          /* 1 page .. mem_bytes */
    uint64_t cache_floor_bytes;     /* of the page cache, kept for it */
    uint64_t cache_max_bytes;       /* it never has more there; 0: none at all */
    unsigned cache_weight;          /* 1 .. 65535 */
    unsigned delay_ms;              /* built so long after the others have started... */
    char after[MODLINE_NAME_MAX];   /* ... or after this one has ended for good; "": none */
    unsigned vcpus;                 /* 1 .. MODLINE_VCPUS_MAX */
    unsigned weight;                /* 0: the scheduler's usual one */
    unsigned cap;                   /* per cent of one CPU; 0: none */
    cpumask_t cpus;                 /* where it may run */
    bool serves_store;              /* it is to serve the others' xenstore */
    enum modline_action on_reboot;  /* MODLINE_RESTART unless the line says otherwise */
    enum modline_action on_crash;   /* MODLINE_DESTROY unless the line says otherwise */
    const char *readers;            /* of a volume: where the list of them begins, in the line... */
    size_t readers_length;          /* ...and its length */
    const char *guest_line;         /* inside the line that was parsed; plain: all of it */
};

/* 0, or -XEN_EINVAL with the fault in words in why, e.g. "vcpus=0: must be 1..32"; m then has the
 * kind, the name if one was understood before the fault, and nothing else. The line must outlive
 * *m. */
int modline_parse(const char *line, struct modline *m, char why[MODLINE_WHY_MAX]) LAGAN_MUST_CHECK;

/* True if the list of names, as in readers=, has the name. */
bool modline_lists(const char *list, size_t length, const char *name);

/* The index of the first of `count` modules that has this kind and name; count when there is none.
 */
size_t modline_find(const struct modline *lines, size_t count, enum modline_kind kind,
                    const char *name);
