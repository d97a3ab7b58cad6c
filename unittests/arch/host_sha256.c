/* SPDX-License-Identifier: MIT
 *
 * The host machine's SHA-256: the same function as the target's, from the same library.
 */
#include <cpuid.h>

#include <lagan/arch.h>

/* The library's: which instructions it may use. */
uint32_t OPENSSL_ia32cap_P[4];
void sha256_block_data_order(uint32_t *state, const void *data, size_t blocks);

static __attribute__((constructor)) void look_for_sha(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        OPENSSL_ia32cap_P[2] = b & (1u << 29);
}

void arch_sha256_blocks(uint32_t state[8], const void *data, size_t blocks)
{
    sha256_block_data_order(state, data, blocks);
}
