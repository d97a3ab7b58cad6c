/* SPDX-License-Identifier: MIT
 *
 * The buffer cache and the host: its work in the background.
 */
#pragma once

/* Boot only, after ubc_init(). */
void ubc_host_start(void);
