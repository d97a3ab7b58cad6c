/* SPDX-License-Identifier: MIT
 *
 * The end of domains that came with the boot: they are counted, taken apart, built anew if their
 * line says so; and after the last one the host powers off.
 */
#pragma once

#include "xen/bootbuild.h"

/* As it is when the machine starts, with all modules in place: no domain, nothing counted. */
void bootreap_start(void);
/* What is in use now stays so until the host ends. Boot only. */
void bootreap_count(void);

/* A line or an image was no good: said on the console, and counted. */
void bootreap_refuse(const char *name, const char *why);

/* The domain was built, from a recipe that has to stay; the caller's reference is taken over. It
 * becomes a user of its modules for as long as it may be built anew. */
void bootreap_adopt(const struct boot_recipe *recipe, struct domain *d);

/* The domain is to be built later than the others, as its recipe says. */
void bootreap_later(const struct boot_recipe *recipe);

/* All are built: lets them run. With none at all, the host powers off. */
void bootreap_run(void);
