/* SPDX-License-Identifier: MIT
 *
 * For tests of console rings: what console.c would do with the text, and what was typed.
 */
#pragma once

#include <stddef.h>

/* What console_guest_write() got, of all domains, terminated; and the longest piece. */
extern char ring_shown[16384];
extern size_t ring_longest;
/* How often it was asked to show an unfinished line. */
extern unsigned ring_shows;
/* What console_guest_read() is still to deliver. */
extern const char *ring_typed;

void ring_world(void);
