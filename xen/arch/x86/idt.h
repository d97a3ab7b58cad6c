/* SPDX-License-Identifier: MIT
 *
 * The interrupt descriptor table: one for all CPUs, constant after idt_init().
 */
#pragma once

/* Fills the table. Boot CPU, while the image's constants can still be written. */
void idt_init(void);
/* Makes this CPU use it. */
void idt_load(void);
