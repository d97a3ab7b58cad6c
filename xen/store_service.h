/* SPDX-License-Identifier: MIT
 *
 * Who serves the store to domains that come from boot modules, where there is no control domain: one
 * of them, said by `serves=store` on its line (docs/store.md).
 */
#pragma once

#include <lagan/types.h>

struct domain;

/* Nobody does: when the host starts, and when the server has ended. */
void store_service_none(void);
/* d does, from now on. Boot only: before any domain that it is to serve is built. */
void store_service_set(const struct domain *d);
bool store_service_is(const struct domain *d);
bool store_service_exists(void);
/* The domain that serves, or 0: the control domain, where there is one. */
domid_t store_service_id(void);

/* A new domain gets an unbound port for whoever serves the store: its number, 0 when nobody does, or
 * an error of event.h. */
int store_service_attach(struct domain *d) LAGAN_MUST_CHECK;
/* A domain has come, shut down, or gone: VIRQ_DOM_EXC for whoever serves. No lock held. */
void store_service_tell(void);
