/* SPDX-License-Identifier: MIT
 *
 * Who we say we are: the version of the ABI that guests and tools look for, and our own name beside
 * it.
 */
#pragma once

#define XEN_ABI_MAJOR 4
#define XEN_ABI_MINOR 17
#define LAGAN_VERSION "0.1"

/* At boot: the hypervisor's command line, for the control domain to read. Copied; cut at 1023
 * bytes. */
void version_set_command_line(const char *line);
