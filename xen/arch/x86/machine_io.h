/* SPDX-License-Identifier: MIT
 *
 * Port I/O of the control domain, carried out on the machine as far as its rights go (port_rights.h).
 */
#pragma once

#include <lagan/types.h>

/* 1, 2 or 4 bytes. No lock of level LK_PIRQ or above is held. */
uint32_t machine_io_read(uint16_t port, unsigned bytes);
void machine_io_write(uint16_t port, unsigned bytes, uint32_t value);
