/* SPDX-License-Identifier: MIT
 *
 * The hypervisor's command line.
 */
#pragma once

#include "xen/options.h"

/* Reads NAME, NAME=VALUE and no-NAME words, later ones overriding earlier ones, up to the end of
 * the line or to a word "--", behind which dom0's part begins. A word that is unknown or makes no
 * sense is named in the log as a warning and changes nothing. Returns how many such words there
 * were. */
unsigned cmdline_parse(struct options *o, const char *line);
