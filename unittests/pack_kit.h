/* SPDX-License-Identifier: MIT
 *
 * Payloads and bzImages made by the packers that Linux's build uses.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum pack_kind { PACK_XZ, PACK_ZSTD, PACK_GZIP, PACK_LZ4, PACK_KINDS };

/* Packs by running xz, zstd, gzip or lz4, and appends the length where Linux does. Returns malloc()ed
 * bytes and their count. The program ends if the packer fails. */
uint8_t *pack_kit(enum pack_kind kind, const void *data, size_t bytes, size_t *packed);
/* The same with a command of one's own (stdin to stdout) and no length behind it. */
uint8_t *pack_kit_by(const char *command, const void *data, size_t bytes, size_t *packed);

/* A bzImage around a payload; malloc()ed. */
#define PACK_KIT_SETUP_SECTORS  3
#define PACK_KIT_PAYLOAD_OFFSET 100
uint8_t *pack_kit_bzimage(const void *payload, size_t bytes, size_t *file);
