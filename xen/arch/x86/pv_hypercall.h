/* SPDX-License-Identifier: MIT
 *
 * The hypercall page of the ABI: 128 stubs of 32 bytes, one a hypercall number.
 */
#pragma once

#define HYPERCALL_STUB_SIZE 32

/* Fills a page of the guest (by the hypervisor's mapping) with the stubs. */
void pv_write_hypercall_page(void *page);
