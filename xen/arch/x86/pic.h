/* SPDX-License-Identifier: MIT
 *
 * The pair of 8259 interrupt controllers of old: never used, only silenced.
 */
#pragma once

#include <stdbool.h>

/* Masks all of their inputs. If the firmware says there are some, first moves their vectors out of
 * the exceptions' way, so that a stray interrupt cannot pass for a fault. */
void pic_silence(bool present);
