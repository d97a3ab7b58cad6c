/* SPDX-License-Identifier: MIT
 *
 * Figures for Prometheus, in a file that the node exporter's textfile collector reads: what `laganctl metrics' prints, and
 * what the daemon knows besides.
 */
#pragma once

#include <stdio.h>

#include "keeper.h"

int metrics_write(struct keeper *k, FILE *to);
/* The file is replaced as a whole. */
int metrics_file(struct keeper *k, const char *path);
