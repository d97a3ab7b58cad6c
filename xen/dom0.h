/* SPDX-License-Identifier: MIT
 *
 * What the command line's dom0 options mean on this host: pure functions of the options and of
 * what the host has.
 */
#pragma once

#include "xen/options.h"

/* Pages that dom0 starts with, on a host with `free` free ones: dom0_mem= within its min: and max:;
 * without a size all but a sixteenth, and at most 4 GiB. Never more than `free`. */
uint64_t dom0_pages(const struct options *o, uint64_t free);

/* Pages that it may ever have: max:, and never less than it starts with. Without max: as many as
 * it starts with. */
uint64_t dom0_max_pages(const struct options *o, uint64_t free);

/* vCPUs: one for each CPU that is online, within the range of dom0_max_vcpus=, at most `limit`. */
unsigned dom0_vcpus(const struct options *o, unsigned online, unsigned limit);

/* dom0's command line: its module's, then what followed " -- " on the hypervisor's. False: it was
 * cut short to fit in. */
bool dom0_line(const struct options *o, const char *module, char *to,
               size_t bytes) LAGAN_MUST_CHECK;
