/* SPDX-License-Identifier: MIT
 *
 * The buffer cache and the host: its work in the background.
 */
#pragma once

#include <lagan/types.h>

/* Raises LAGAN_VIRQ_UBC in a domain, if there is such a one. */
void ubc_host_tell(domid_t id);
/* Boot only, after ubc_init(). */
void ubc_host_start(void);
