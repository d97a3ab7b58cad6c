/* SPDX-License-Identifier: MIT
 *
 * Memory pressure: domains and the host's memory brought before the policy (balloon/), and its
 * decisions carried out. The guest's side of it is include/public/lagan/pressure.h.
 *
 * Without a control domain the hypervisor decides; a control domain decides itself, unless it
 * switches the hypervisor's policy on. Functions that take a domain expect that the caller keeps it.
 */
#pragma once

#include <lagan/types.h>

#include "balloon/balloon.h"
#include "include/public/lagan/pressure.h"

struct domain;

/* Of a domain; all of it under the pressure lock (LK_PRESSURE). */
struct pressure_domain {
    struct balloon_member member;
    struct lagan_pressure_need need; /* what it said last */
    bool aware;                      /* it has asked for its target, or has limits by order */
    bool spoken_for;                 /* the control domain passes its target on */
    bool ended;                      /* it will not give or take any more by itself */
    bool fail_told;                  /* the control domain knows that its reservation failed */
    uint32_t lapses_told;            /* and of so many lapses */
};

/* Boot only (tests: a new machine): no domains, watermarks by the size of the heap, policy on. */
void pressure_start(void);

/* For domain_create(): a domain that may have min_pages..max_pages, and starts with `pages`. */
void pressure_add(struct domain *d, uint64_t min_pages, uint64_t pages, uint64_t max_pages);
/* The control domain has set what d may own in all, which may be less than it has: its account's limit
 * and its ceiling are both that. */
void pressure_set_max(struct domain *d, uint64_t max_pages);
/* It runs no more: it is asked for nothing, and the control domain is told. May be called again. */
void pressure_ended(struct domain *d);
/* It runs again after all, and its next end is told again. */
void pressure_resumed(struct domain *d);
/* For the end of its struct. It owns nothing any more. */
void pressure_remove(struct domain *d);

/* Its target is to be set from now on. -XEN_EPERM: it has ended. */
int pressure_follow(struct domain *d) LAGAN_MUST_CHECK;
void pressure_get(struct domain *d, struct lagan_pressure_state *s);
/* -XEN_EINVAL, -XEN_EPERM: as LAGAN_PRESSURE_report. */
int pressure_report(struct domain *d, const struct lagan_pressure_need *n) LAGAN_MUST_CHECK;
/* The same by the control domain, which is told of the domain's targets from then on. */
int pressure_report_for(struct domain *d, const struct lagan_pressure_need *n) LAGAN_MUST_CHECK;

/* As the commands of the same names. */
void pressure_get_domain(struct domain *d, struct lagan_pressure_domain *out);
int pressure_set_limits(struct domain *d, const struct lagan_pressure_limits *l) LAGAN_MUST_CHECK;
int pressure_set_target(struct domain *d, uint64_t pages) LAGAN_MUST_CHECK;
void pressure_get_host(struct lagan_pressure_host *h);
int pressure_set_host(const struct lagan_pressure_host *h) LAGAN_MUST_CHECK;

/* The domain is to have `pages` in all: 0: it has them or they are claimed for it; -XEN_EAGAIN:
 * others make room, ask again; -XEN_ENOMEM; -XEN_EINVAL: it may not have so many. pages = 0: ends
 * that. */
int pressure_reserve(struct domain *d, uint64_t pages) LAGAN_MUST_CHECK;

/* Debug key: one line for each domain. */
void pressure_dump(void);
