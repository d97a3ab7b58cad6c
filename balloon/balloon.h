/* SPDX-License-Identifier: MIT
 *
 * Targets: how many pages each domain is to own, who has been asked and does not follow, what is
 * promised to whom. All numbers are pages, all times nanoseconds on one clock. Nothing here takes
 * a lock or memory: one struct balloon and its members are the caller's to protect, and it says
 * what they own before each step. balloon.c has the theory and the invariants.
 */
#pragma once

#include <lagan/list.h>
#include <lagan/types.h>

#include "balloon/policy.h"

/* Who is asked for pages has so long to begin, and then a second for so many of them. */
#define BALLOON_GRACE_NS UINT64_C(1000000000)
#define BALLOON_RATE     UINT64_C(16384)
/* Growth is told in portions of at least so much, unless it is the last. */
#define BALLOON_PORTION UINT64_C(256)

enum balloon_urgency {
    BALLOON_CALM,    /* nothing is wanted of it */
    BALLOON_BALANCE, /* others have a better use for what it has */
    BALLOON_WAITED,  /* somebody waits for memory that it has a right to */
    BALLOON_SHORT    /* the host itself is short of memory */
};

/* What a domain says of itself. */
struct balloon_report {
    uint64_t working_set;  /* pages that it uses */
    uint64_t free;         /* pages that hold nothing */
    uint64_t reclaimable;  /* pages that it could empty without harm */
    uint64_t refault_rate; /* pages a second that it wanted back after it had given them up */
    uint32_t stall_ppm;    /* part of the time in which somebody waited for memory, in millionths */
};

/* What a member was told last. */
struct balloon_told {
    uint64_t target, deadline;
    uint8_t urgency;
    bool late;
};

/* Letters: [c] the caller's, [b] this module's, read by the caller after a step. */
struct balloon_member {
    struct list link;
    uint64_t have;       /* [c] pages that it owns */
    uint64_t claim;      /* [c] free pages that are claimed for it: counted as if it had them */
    bool managed;        /* [c] follows targets; else it keeps what it has */
    uint64_t floor;      /* [b] it is never asked for these; at least 1 */
    uint64_t ceiling;    /* [b] it is never to have more */
    uint64_t fixed;      /* [b] target by order of the control domain; 0: by policy */
    uint32_t shares;     /* [b] */
    uint64_t target;     /* [b] so many it is to own */
    uint64_t goal;       /* [b] so many it will be told to own, once they are there */
    uint64_t deadline;   /* [b] by then it is to be down at the target; 0: it is */
    uint8_t urgency;     /* [b] enum balloon_urgency */
    bool late;           /* [b] the deadline has passed */
    bool lazy;           /* [b] it was offered pages and does not take them */
    bool changed;        /* [b] the last step changed target, urgency, deadline or `late` */
    bool claimable;      /* [b] the last step has found the pages of its reservation */
    bool failed;         /* [b] its reservation turned out not to be possible */
    uint32_t lapses;     /* [b] how often it has been late */
    uint64_t missed;     /* [b] the target that it missed last */
    uint64_t reserve;    /* [b] it waits until it has, or has claimed, so many; 0: it does not */
    uint64_t ticket;     /* [b] of its reservation: first come, first served */
    uint64_t active;     /* [b] what it uses, damped */
    uint64_t said;       /* [b] what it uses, as it said last */
    uint64_t refaults;   /* [b] and what it dropped and wanted back, as it said last */
    uint64_t cache_need; /* [b] pages more that it would use, as its page cache's curve says */
    uint64_t wanted;     /* [b] its need by all of these */
    bool spoken;         /* [b] it has said something */
    uint64_t must; /* [b] what it cannot give: as it said last, and all that it has taken since */
    uint64_t seen; /* [b] what it had when that was last counted */

    /* Offers of memory: until when the one that stands is good, what the member had when it was
     * made, how many in a row were not taken, and when it is made anew to one who is lazy. */
    uint64_t offer_ends, offered_have, lazy_until;
    uint8_t refusals;
    struct balloon_told told;
    struct policy_claimant claimant; /* within a step */
};

struct balloon {
    struct list members;
    uint64_t keep;     /* so many free pages are the host's own */
    uint64_t memory;   /* what is shared out; BALLOON_UNCOUNTED: to be counted anew */
    uint64_t shortage; /* so many pages too few for all floors, reservations and needs */
    uint64_t tickets;  /* given out so far */
};
#define BALLOON_UNCOUNTED UINT64_MAX

#define for_each_balloon_member(m, b)                                      \
    for ((m) = list_entry((b)->members.next, struct balloon_member, link); \
         &(m)->link != &(b)->members;                                      \
         (m) = list_entry((m)->link.next, struct balloon_member, link))

void balloon_init(struct balloon *b, uint64_t keep);
/* A member that has nothing yet, is not managed, and whose need is `pages` (1..POLICY_PAGES_MAX) as
 * long as it says nothing itself: floor, ceiling and target too. */
void balloon_add(struct balloon *b, struct balloon_member *m, uint64_t pages);
void balloon_remove(struct balloon *b, struct balloon_member *m);

/* 1 <= floor <= ceiling <= POLICY_PAGES_MAX; shares 1..POLICY_SHARES_MAX; else -XEN_EINVAL.
 * -XEN_ENOMEM if the member cannot have its floor beside those of the others (`free` pages being
 * unclaimed): nothing changed. */
int balloon_set_limits(struct balloon *b, struct balloon_member *m, uint64_t floor,
                       uint64_t ceiling, uint32_t shares, uint64_t free) LAGAN_MUST_CHECK;
/* A target by order, floor..ceiling, else -XEN_EINVAL; 0: by policy again. */
int balloon_fix(struct balloon_member *m, uint64_t target) LAGAN_MUST_CHECK;
/* What a member says of itself. -XEN_EINVAL for numbers that cannot be: nothing changed. */
int balloon_tell(struct balloon_member *m, const struct balloon_report *r) LAGAN_MUST_CHECK;
/* What its page cache's curve says (policy_cache.h): so many pages more it would put to use. */
void balloon_set_cache_need(struct balloon_member *m, uint64_t pages);

/* The member is to have `pages` in all: until it has, or gives up (0), others make room within their
 * floors and needs. When the pages are there a step sets `claimable`; if it turns out that they
 * cannot be had, `failed`, and `reserve` is 0. -XEN_EINVAL: it has them, or
 * that is more than POLICY_PAGES_MAX; -XEN_ENOMEM: it cannot be done without breaking somebody's
 * floor or need: nothing changed. */
int balloon_reserve(struct balloon *b, struct balloon_member *m, uint64_t pages,
                    uint64_t free) LAGAN_MUST_CHECK;

/* One step: looks who follows, computes goals, gives orders and makes promises. `free`: pages that
 * are free and not claimed. Its cost is about 55 passes over the members. */
void balloon_step(struct balloon *b, uint64_t now, uint64_t free);

/* Restates the invariants right after a step with this `free`: how many do not hold. */
unsigned balloon_audit(const struct balloon *b, uint64_t free);
