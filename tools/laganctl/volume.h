/* SPDX-License-Identifier: MIT
 *
 * Volumes of the control domain under the page cache: mapped devices that dmsetup makes of the target lagan-cache.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;

/*
 * The name of the mapped device over a block device with that path, which has no links in it: "lagan-" and the path's last part.
 * Whoever asks for a device gets the same one. False: it does not fit.
 */
bool volume_name(const char *real_path, char *name, size_t size);
/* What dmsetup is to make: so many sectors, all of the device. False: it does not fit. */
bool volume_table(const char *real_path, uint64_t bytes, char *table, size_t size);

/* The commands: struct command of command.h. */
int volume_attach(struct host *h, unsigned count, char **words);
int volume_detach(struct host *h, unsigned count, char **words);
