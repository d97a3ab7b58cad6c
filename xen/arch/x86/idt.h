/* SPDX-License-Identifier: MIT
 *
 * The interrupt descriptor table: one for all CPUs, constant after idt_init().
 */
#pragma once

#include <lagan/types.h>

/* Fills the table. Boot CPU, while the image's constants can still be written. */
void idt_init(void);
/* Makes this CPU use it. */
void idt_load(void);
/* Where it is: a page of its own. */
uint64_t idt_address(void);
