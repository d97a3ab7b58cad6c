/* SPDX-License-Identifier: MIT
 *
 * See pack_kit.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unittests/pack_kit.h"

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static uint8_t *read_all(FILE *f, size_t *count)
{
    uint8_t *p = NULL;

    *count = 0;
    for (size_t room = 4096;; room *= 2) {
        p = realloc(p, room);
        if (!p)
            give_up("realloc");
        *count += fread(p + *count, 1, room - *count, f);
        if (*count < room)
            return p;
    }
}

uint8_t *pack_kit_by(const char *command, const void *data, size_t bytes, size_t *packed)
{
    char path[] = "/tmp/lagan-pack-XXXXXX", line[256];
    int fd = mkstemp(path);
    uint8_t *result;
    FILE *pipe;

    if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
        give_up(path);
    close(fd);
    snprintf(line, sizeof(line), "%s <%s", command, path);
    pipe = popen(line, "r");
    if (!pipe)
        give_up(command);
    result = read_all(pipe, packed);
    if (pclose(pipe) != 0)
        give_up(command);
    unlink(path);
    return result;
}

uint8_t *pack_kit(enum pack_kind kind, const void *data, size_t bytes, size_t *packed)
{
    static const char *const commands[PACK_KINDS] = {
        [PACK_XZ] = "xz -c --check=crc32 --x86 --lzma2=dict=1MiB",
        [PACK_ZSTD] = "zstd -q -c -19",
        [PACK_GZIP] = "gzip -n -9 -c",
        [PACK_LZ4] = "lz4 -q -l -9 -c",
    };
    uint8_t *result = pack_kit_by(commands[kind], data, bytes, packed);
    uint32_t length = (uint32_t)bytes;

    if (kind == PACK_GZIP)
        return result;
    result = realloc(result, *packed + sizeof(length));
    if (!result)
        give_up("realloc");
    memcpy(result + *packed, &length, sizeof(length));
    *packed += sizeof(length);
    return result;
}

static void put(uint8_t *file, size_t at, uint32_t value, size_t bytes)
{
    memcpy(file + at, &value, bytes);
}

uint8_t *pack_kit_bzimage(const void *payload, size_t bytes, size_t *file_bytes)
{
    size_t start = (PACK_KIT_SETUP_SECTORS + 1) * 512 + PACK_KIT_PAYLOAD_OFFSET;
    uint8_t *file = calloc(1, start + bytes);

    if (!file)
        give_up("calloc");
    file[0x1f1] = PACK_KIT_SETUP_SECTORS;
    put(file, 0x1fe, 0xaa55, 2);
    memcpy(file + 0x202, "HdrS", 4);
    put(file, 0x206, 0x20f, 2);
    file[0x211] = 1;
    put(file, 0x248, PACK_KIT_PAYLOAD_OFFSET, 4);
    put(file, 0x24c, (uint32_t)bytes, 4);
    memcpy(file + start, payload, bytes);
    *file_bytes = start + bytes;
    return file;
}
