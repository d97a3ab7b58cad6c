/* SPDX-License-Identifier: MIT
 *
 * The daemon's configuration file (lagand.conf(5) is part of lagand(8)): what holds for all domains, and sections for
 * single ones, by their names.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_manage {
    MANAGE_AGENT, /* once its agent reports */
    MANAGE_ALWAYS,
    MANAGE_NEVER
};

struct config_rule {
    char name[64];
    enum config_manage manage;
    uint64_t floor;         /* pages; or, */
    unsigned floor_percent; /* unless 0, of what the domain starts with */
    uint64_t ceiling;       /* pages; UINT64_MAX: what it may own at most */
    uint32_t weight;
};

#define CONFIG_RULES_MAX 256

struct config {
    struct config_rule usual;
    unsigned count;
    struct config_rule rule[CONFIG_RULES_MAX];
    uint64_t low, min; /* watermarks in pages; UINT64_MAX: the hypervisor's */
    char metrics[256]; /* the file for Prometheus; "": none */
};

/* What holds without a file. */
void config_begin(struct config *c);
/* Reads a file over that. -EINVAL, and `why` says what is wrong in which line: *c is of no use then. */
int config_read(struct config *c, FILE *file, char *why, size_t size);
/* The rule for a domain of that name. */
const struct config_rule *config_rule(const struct config *c, const char *name);
/* The floor that a rule means for a domain that has started with so many pages; at least 1. */
uint64_t config_floor(const struct config_rule *r, uint64_t start_pages);
