/* SPDX-License-Identifier: MIT
 *
 * What the store says about a domain: written when it is introduced, as a toolstack does for a
 * plain paravirtual domain, and removed when it has gone.
 */
#pragma once

#include "store/store.h"

struct domain_facts {
    uint16_t domid;
    const char *name; /* "" if it has none */
    uint8_t uuid[16]; /* all zero: none; one is made of its number */
    unsigned vcpus;
    uint64_t memory_kib, max_kib;
    uint32_t store_port;
};

/* /tool and the like: once, in an empty store. 0 or a -XEN_E*. */
int birth_of_store(struct store *store);
/* The domain has been introduced. 0 or a -XEN_E*; part of it may be there then. */
int birth_of_domain(struct store *store, const struct domain_facts *facts);
/* The domain is released afterwards: its own watches do not fire any more. */
void death_of_domain(struct store *store, uint16_t domid);
