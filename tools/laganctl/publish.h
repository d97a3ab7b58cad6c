/* SPDX-License-Identifier: MIT
 *
 * Images as volumes, for ubc.c.
 */
#pragma once

struct host;

/* FILE [name=NAME] [root=HASH tree=FILE]. As a command. */
int publish(struct host *h, unsigned count, char **words);
/* lagan-publish is to serve it no more. Negative errno. */
int withdraw(const char *name);
