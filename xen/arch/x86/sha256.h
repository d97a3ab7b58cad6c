/* SPDX-License-Identifier: MIT
 *
 * SHA-256 by the best instructions there are: arch_sha256_blocks() of the contract.
 */
#pragma once

/* Boot only: looks what the processor can do. */
void sha256_cpu_init(void);
