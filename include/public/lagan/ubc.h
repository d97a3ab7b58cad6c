/* SPDX-License-Identifier: MIT
 *
 * The unified buffer cache: one read-only copy in host memory of a block of a shared volume, whatever
 * number of domains read it. docs/ubc.md has the protocol and an example.
 *
 *     long HYPERVISOR_ubc_op(unsigned cmd, uint64_t volume, void *arg, unsigned count, uint64_t epoch);
 *                                                          hypercall 54, __HYPERVISOR_arch_6
 *
 * A volume is a number of blocks of 4096 bytes with a name of 128 bits. `volume` is what LAGAN_UBC_open
 * gave: it stands for the volume in one generation, and is of no use to other domains. A volume gets a new
 * generation when it is renewed; every `volume` of the old one is -ENXIO from then on, and so is one that
 * the domain has no right to, or that never was: who may not read a volume cannot learn that it is there.
 *
 * Commands with a list work on `count` entries at arg, in order, at most 2^20 of them. The result of each is
 * in its `status`: 0 or a negative error. The call itself returns 0 unless the list cannot be read or
 * written (-EFAULT; entries before have been done), or `volume` is not good (-ENXIO).
 *
 * Errors of all commands: -EFAULT: arg cannot be read or written; -ENOSYS: no such command; -EINVAL: a
 * reserved field is not 0 or a value cannot be; -EPERM: not the caller's to do. A call, or an entry of a list,
 * that fails changes nothing.
 */
#ifndef LAGAN_PUBLIC_UBC_H
#define LAGAN_PUBLIC_UBC_H

#ifndef __ASSEMBLY__
#include <stdint.h>
#endif

#define LAGAN_HYPERVISOR_ubc_op 54

/* The event (VIRQ_ARCH_5): bind it on vCPU 0. Pages that the domain has mapped are wanted back:
 * LAGAN_UBC_next_revoked tells which. */
#define LAGAN_VIRQ_UBC 21

#define LAGAN_UBC_BLOCK_BYTES 4096
#define LAGAN_UBC_BLOCKS_MAX  (UINT64_C(1) << 40) /* of a volume */
#define LAGAN_UBC_READERS_MAX 64                  /* domains with rights to one volume */
#define LAGAN_UBC_LIMIT_MAX   (1U << 22)          /* pages of one volume that one domain can map */
#define LAGAN_UBC_LIST_MAX    (1U << 20)          /* entries of a list */

#define LAGAN_UBC_TIMEOUT_MAX UINT64_C(60000000000) /* of a revocation */

/* When memory has run out the host asks for it by LAGAN_VIRQ_UBC: each handle that maps a page is wanted back then.
 * Whoever lets go of some keeps the others, if that is enough. After this time the host takes what it needs, in
 * all domains, the longest mapped page first: the entry maps a copy from then on, which is charged to the domain, if
 * that may have another page; or it is empty, and the block is to be read again. */
#define LAGAN_UBC_GRACE_NS UINT64_C(1000000000)

/* ---- the control domain; -EPERM for all others ---- */
/* A new volume, with no rights for anybody. -EEXIST: the name is taken; -ENOSPC: too many volumes; -ENOMEM. */
#define LAGAN_UBC_create 1 /* IN/OUT struct lagan_ubc_create */
/* The end of volume `volume`: as LAGAN_UBC_renew, and its name is free again. Pages of a window
 * (LAGAN_UBC_open) that are still mapped go when they are unmapped. */
#define LAGAN_UBC_destroy 2
/* Rights of one domain to `volume`; 0 takes all away, and what it has mapped with them. -ESRCH: no such
 * domain; -ENOSPC: too many readers; -EBUSY: a lower limit than it has mapped, or it may not read any more and has
 * pages mapped; -ENOMEM. */
#define LAGAN_UBC_allow 3 /* IN struct lagan_ubc_allow */
/* Name and state of the volume in slot `volume` (0, 1, ...); -ENOENT: the slot is empty; -ENXIO: there are no
 * more slots. */
#define LAGAN_UBC_list 4 /* OUT struct lagan_ubc_create */

/* ---- the control domain, and the publisher ---- */
/* A new generation: all pages of the old one are gone when it returns, mapped or not. `volume` becomes that of
 * the new generation (in arg). -EINVAL: the generation is not higher than the old; for a window -EBUSY. */
#define LAGAN_UBC_renew 5 /* IN/OUT struct lagan_ubc_create; id, publisher are ignored */
/* These blocks have changed, or are about to: when it returns, nobody can read the old bytes: entries that
 * mapped them are gone, and no TLB has them. An insert whose epoch is from before is refused.
 * -EOPNOTSUPP for volumes with a hash tree (they get a new generation) and windows. */
#define LAGAN_UBC_invalidate 6 /* IN/OUT struct lagan_ubc_range */
/* The pages that these blocks have now are wanted back. The first call tells their readers (LAGAN_VIRQ_UBC) and starts the
 * clock; -EAGAIN: somebody has some of them mapped still; to be called again. From then on nobody finds them: a block
 * of the range is not in the cache, and may be inserted and mapped anew at once; that page is not wanted back. Whoever
 * publishes goes on bringing blocks meanwhile, since who waits for one may let go of no other before. When the time is over,
 * a call takes what is left of them: entries that still map them become empty, and their handles say so. 0: all that
 * were there when it began are gone; copies (LAGAN_UBC_COPIED) stay their readers': for blocks that change there is
 * LAGAN_UBC_invalidate. If it is not called again nothing is taken, and they stay wanted until they are let go of.
 * -EBUSY: another range of the volume is being taken back (not said to the control domain, whose range takes its
 * place). -EOPNOTSUPP for windows. */
#define LAGAN_UBC_revoke 7 /* IN struct lagan_ubc_range */
/* Counters since the volume was made. */
#define LAGAN_UBC_stats 8 /* OUT struct lagan_ubc_stats */

/* ---- every domain ---- */
/* -ENOENT: there is none that the domain has a right to. */
#define LAGAN_UBC_open 9 /* IN/OUT struct lagan_ubc_open */
/* Puts blocks into the cache: LAGAN_UBC_PUBLISH; or, in a volume with a hash tree, LAGAN_UBC_READ. `epoch`: as
 * the volume's was before the data was read from where it is stored.
 *   -EEXIST    it is there already (not said in volumes with a hash tree)
 *   -EAGAIN    it has been invalidated since `epoch`
 *   -ENOMEM    the host has no memory to spare for caches
 *   -ENODATA   the block of the tree that would vouch for it is not in the cache: insert that first
 *   -EILSEQ    it is not what the tree says
 *   -EBUSY     LAGAN_UBC_DONATE: the frame is in use (mapped, for example)          */
#define LAGAN_UBC_insert 10 /* list of struct lagan_ubc_insert */
/* Looks blocks up and maps them, for reading only.
 *   -ENOENT    it is not in the cache
 *   -EBUSY     LAGAN_UBC_WANT: it is not, and the publisher has been asked for it: there is an event when it has
 *              answered; then the same call again
 *   -EIO       LAGAN_UBC_WANT: the publisher cannot read it (said once; who asks again asks the publisher again)
 *   -ENOBUFS   the domain has mapped as many as it may
 *   -ENOMEM
 *   -EINVAL    there is no page-table entry at that address
 *   -EAGAIN    the host takes back what is mapped; LAGAN_UBC_WANT: too much has been asked for and not been
 *              answered yet */
#define LAGAN_UBC_map 11 /* list of struct lagan_ubc_map */
/* Lets go of handles; if the entry still maps the page it becomes empty.
 *   -ENOENT    no such handle                                                       */
#define LAGAN_UBC_unmap 12 /* list of struct lagan_ubc_unmap */
/* Copies bytes of blocks. As for LAGAN_UBC_map: -ENOENT; -EAGAIN: it was invalidated meanwhile: what
 * has been copied is not to be used; -EFAULT: the memory cannot be written. */
#define LAGAN_UBC_read 13 /* list of struct lagan_ubc_read */
/* The next handle, from `handle` on, that is wanted back (LAGAN_UBC_WANTED), whose page is gone
 * (LAGAN_UBC_GONE: revoked or invalidated, and its entry empty), or whose entry maps a copy (LAGAN_UBC_COPIED).
 * -ENOENT: there is none. */
#define LAGAN_UBC_next_revoked 14 /* IN/OUT struct lagan_ubc_unmap */
/* What readers have asked for (LAGAN_UBC_WANT), the longest waiting first: each entry is one block that is wanted, which
 * is the publisher's to bring or to refuse from then on. LAGAN_VIRQ_UBC tells it when there is something new.
 *   -ENOENT    there is nothing more. */
#define LAGAN_UBC_wanted 15 /* list of struct lagan_ubc_want; publisher */
/* These blocks cannot be read: who has asked gets -EIO. -ENOENT: nobody has. */
#define LAGAN_UBC_refuse 16 /* list of struct lagan_ubc_want; publisher */

/* rights */
#define LAGAN_UBC_READ    (1U << 0) /* look up, map, read; in volumes with a tree also insert */
#define LAGAN_UBC_PUBLISH (1U << 1) /* insert, invalidate, renew, revoke, statistics */

/* flags of a volume */
#define LAGAN_UBC_TREE   (1U << 0) /* it has a hash tree */
#define LAGAN_UBC_WINDOW (1U << 1) /* OUT: all of it is in memory at one place, for good */
/* Each block has a guest frame number, its slot, the same for all readers, which the machine-to-physical table says of
 * the frame while some handle maps it. A reader may make entries of its own for such frames, as for its own
 * memory; they become read-only. Before it lets go of the handle it empties them. When the host, or an invalidate, takes
 * the page it takes these entries as well, wherever they are: they become empty. */
#define LAGAN_UBC_SLOTS (1U << 2)

/* flags of an insert */
#define LAGAN_UBC_DONATE \
    (1U << 0) /* `address` is a machine frame of the caller's own, which it gives */
#define LAGAN_UBC_HASH (1U << 1) /* a block of the tree */

/* flags of a map */
#define LAGAN_UBC_PTE  (1U << 0) /* `address` is the machine address of the page-table entry */
#define LAGAN_UBC_EXEC (1U << 1) /* the page may be executed */
#define LAGAN_UBC_LOOK (1U << 2) /* only tells whether it is there; no entry and no handle */
#define LAGAN_UBC_WANT (1U << 3) /* if it is not there the publisher is asked */

/* flags of a want */
#define LAGAN_UBC_AGAIN \
    (1U                 \
     << 0) /* first, all that was given out and not answered is wanted again: for a publisher that begins */

/* status of LAGAN_UBC_next_revoked */
#define LAGAN_UBC_WANTED 1
#define LAGAN_UBC_GONE   2
#define LAGAN_UBC_COPIED 3

#ifndef __ASSEMBLY__

/*
 * A hash tree is in the format of Linux's dm-verity, version 1, with SHA-256 and 4096-byte blocks for data and
 * hashes: the digest of a block is SHA-256(salt, block); a block of the tree holds 128 digests; level 0 is over
 * the data, and so on up to a level of one block, whose digest is the root. (A volume of one block has no
 * levels: the root is its own digest.) Where the tree is stored does not matter here.
 */
struct lagan_ubc_create {
    uint8_t id[16];       /* IN */
    uint64_t volume;      /* OUT */
    uint64_t generation;  /* IN */
    uint64_t blocks;      /* IN: 1..LAGAN_UBC_BLOCKS_MAX */
    uint32_t flags;       /* IN: LAGAN_UBC_TREE, LAGAN_UBC_SLOTS */
    uint32_t salt_bytes;  /* IN: 0..256; without a tree 0 */
    uint8_t root[32];     /* IN: without a tree 0 */
    uint8_t salt[256];    /* IN: bytes behind salt_bytes 0 */
    uint64_t reserved[2]; /* IN: 0 */
};

struct lagan_ubc_allow {
    uint16_t domid;     /* IN */
    uint16_t reserved0; /* IN: 0 */
    uint32_t rights;    /* IN */
    uint32_t limit;     /* IN: so many pages it may have mapped at a time; 0..LAGAN_UBC_LIMIT_MAX */
    uint32_t reserved1; /* IN: 0 */
};

struct lagan_ubc_open {
    uint8_t id[16];      /* IN */
    uint64_t volume;     /* OUT */
    uint64_t generation; /* OUT */
    uint64_t blocks;     /* OUT */
    uint64_t epoch;      /* OUT: for inserts of data that is read from now on */
    uint64_t window;   /* OUT: LAGAN_UBC_WINDOW: machine address of block 0. Entries that map it for
                             reading may be made as for own pages; those for writing become read-only. */
    uint32_t rights;   /* OUT */
    uint32_t flags;    /* OUT */
    uint32_t limit;    /* OUT */
    uint32_t mapped;   /* OUT */
    uint64_t slots;    /* OUT: LAGAN_UBC_SLOTS: guest frame number of block 0 */
    uint64_t reserved; /* OUT: 0 */
};

struct lagan_ubc_range {
    uint64_t first, count; /* IN: blocks */
    uint64_t epoch;        /* OUT of invalidate: for inserts of data that is read from now on */
    uint64_t
        timeout_ns; /* IN of revoke, relative, at most LAGAN_UBC_TIMEOUT_MAX; only that of the first
                               call counts. Else 0 */
};

struct lagan_ubc_insert {
    uint64_t block;     /* IN; LAGAN_UBC_HASH: number of the block in its level */
    uint64_t address;   /* IN: virtual, of 4096 bytes; LAGAN_UBC_DONATE: a machine frame number */
    uint8_t level;      /* IN: LAGAN_UBC_HASH: the level, else 0 */
    uint8_t flags;      /* IN */
    uint16_t reserved0; /* IN: 0 */
    int32_t status;     /* OUT */
};

struct lagan_ubc_map {
    uint64_t block; /* IN */
    uint64_t
        address; /* IN: virtual address to be mapped, whose tables are there; or see LAGAN_UBC_PTE */
    uint32_t flags;     /* IN */
    uint32_t handle;    /* OUT */
    int32_t status;     /* OUT */
    uint32_t reserved0; /* IN: 0 */
};

struct lagan_ubc_unmap {
    uint32_t handle; /* IN; next_revoked: OUT too */
    int32_t status;  /* OUT */
    uint64_t block;  /* OUT of next_revoked */
};

struct lagan_ubc_want {
    uint64_t block; /* OUT of wanted, IN of refuse */
    uint32_t flags; /* IN: LAGAN_UBC_AGAIN; of refuse 0 */
    int32_t status; /* OUT */
};

struct lagan_ubc_read {
    uint64_t block;          /* IN */
    uint64_t address;        /* IN: virtual */
    uint16_t offset, length; /* IN: inside of the block; length 1..4096 */
    int32_t status;          /* OUT */
};

struct lagan_ubc_stats {
    uint64_t pages;       /* OUT: in the cache now */
    uint64_t mapped;      /* OUT: of these, mapped by somebody */
    uint64_t mappings;    /* OUT: entries that map them */
    uint64_t inserts;     /* OUT: blocks that were put in */
    uint64_t refused;     /* OUT: ... and that were not as the tree says, or too late */
    uint64_t hits;        /* OUT: maps, looks and reads that found the block */
    uint64_t misses;      /* OUT: ... that did not */
    uint64_t invalidated; /* OUT: pages dropped by renew and invalidate */
    uint64_t revoked;     /* OUT: ... by revoke */
    uint64_t reclaimed;   /* OUT: ... because the memory was needed */
    uint64_t taken;       /* OUT: entries that were taken from readers */
    uint64_t copied;      /* OUT: entries that were given copies */
    uint64_t reserved[4]; /* OUT: 0 */
};

#endif /* __ASSEMBLY__ */
#endif
